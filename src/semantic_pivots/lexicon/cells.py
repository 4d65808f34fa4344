"""The one word of a cell of a word list, which may hold alternatives, articles and remarks.

A cell is the word a model should produce. Lists made for people hold more: `chien; toutou`, `le chat (m)`, a
zero-width space from a web page, the quotation marks of a spreadsheet. The first of several alternatives is taken;
notes in brackets, an article before a single word, quotation marks around the cell and invisible characters are left
out. Whoever reads the list tells the user which cells were changed.
"""

from __future__ import annotations

import re

from semantic_pivots.run import warn

# Characters without a glyph that spell nothing: zero-width space, soft hyphen, byte order mark, word joiner, direction
# marks, variation selectors. The joiners U+200C and U+200D do spell something in Persian and Indic scripts.
_INVISIBLE = re.compile("[\u200b\ufeff\u00ad\u2060-\u2064\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufe00-\ufe0f]")
_QUOTATION = re.compile('[“”„«»「『‹›](?P<inner>[^“”„«»「『‹›」』]*)[“”«»」』‹›]|"(?P<cell>([^"]|"")*)"')
_NOTE = re.compile(r"\s*(?:\([^()]*\)|\[[^\[\]]*\]|（[^（）]*）|【[^【】]*】|<[^<>]*>)\s*")
# A comma or slash inside a number or an abbreviation (1,000; km/h) separates nothing.
_SEPARATOR = re.compile(r"\s*[;；、，،؛|]\s*|,\s+|\s+/\s+|(?<=[^\W\d_]{2})/(?=[^\W\d_]{2})")
_ARTICLES = {
    "en": "the a an",
    "fr": "le la les l' l’ un une",
    "de": "der die das ein eine",
    "es": "el la los las un una",
    "it": "il lo la i gli le l' l’ un uno una un' un’",
    "pt": "o a os as um uma",
    "nl": "de het een",
    "ca": "el la els les l' l’ un una",
}


def word_of(cell: str, language: str) -> str:
    """The word that a cell of the language means; empty where nothing is left."""
    text = plain_cell(cell)
    text = _without_quotes(_NOTE.sub(" ", text).strip()) or text
    head = next((part for part in map(str.strip, _SEPARATOR.split(text)) if part), "")
    return _without_article(_without_quotes(head), language)


class CellReader:
    """Reads the words of a list's cells, and tells which of them held more than one plain word."""

    def __init__(self, source: object) -> None:
        """`source` is what the warning names: a file, or the list of a caller."""
        self.source = source
        self.changes: list[str] = []

    def word(self, cell: str, language: str, place: str) -> str:
        """The word that the cell at a place means."""
        word = word_of(cell, language)
        if word != cell.strip():
            self.changes.append(f"{place}: {cell.strip()!r} as {word!r}")
        return word

    def tell(self) -> None:
        """Warn of the cells that held more than one plain word, if there were any."""
        if self.changes:
            number = len(self.changes)
            warn(f"{self.source}: {number} cells hold more than one plain word and are read so: {self.changes[0]}")


def plain_cell(cell: str) -> str:
    """A cell without invisible characters and quotation marks around it, with single spaces for all white space."""
    return _without_quotes(" ".join(_INVISIBLE.sub("", cell).split()))


def is_quoted(text: str) -> bool:
    """Whether quotation marks stand around a text."""
    return _QUOTATION.fullmatch(text) is not None


def _without_quotes(text: str) -> str:
    """A text without the quotation marks around it; inside those of a spreadsheet each mark is doubled."""
    if not (quotation := _QUOTATION.fullmatch(text)):
        return text
    inner = quotation["inner"]
    return (quotation["cell"].replace('""', '"') if inner is None else inner).strip()


def _without_article(text: str, language: str) -> str:
    """A single word without the article before it; phrases (`la mer du Nord`) are left as they are."""
    for article in _ARTICLES.get(language, "").split():
        glue = "" if article[-1] in "'’" else " "
        rest = text[len(article) + len(glue) :]
        if text.lower().startswith(article + glue) and rest and " " not in rest:
            return rest
    return text
