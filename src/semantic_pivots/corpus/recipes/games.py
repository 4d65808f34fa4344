"""Prose of games that their packages ship with translations: descriptions of things and animals, dialogue, stories.

English is in the game's own files; the other languages are in gettext catalogues, or in files beside it.
"""

from __future__ import annotations

import gettext
import io
import json
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from semantic_pivots.corpus.fetch import package_files
from semantic_pivots.corpus.recipes.reading import Row

_REGIONS = {"zh": "zh_CN"}
_PIECE_CHARACTERS = 1_000  # of English, after which a scenario's next piece begins: a scene, not a whole campaign
_MARKS = re.compile(r"</?[a-z_]+>|\x1b\[\d*m|%(\d\$)?[ds]")  # colours, fonts, places of names


class _Catalogues:
    """Translations of a package's strings, by language."""

    def __init__(self, files: dict[str, bytes], languages: Collection[str]):
        self.languages = languages
        self._of: dict[str, list[gettext.GNUTranslations]] = {code: [] for code in languages}
        for path, data in sorted(files.items()):
            code = path.split("/LC_MESSAGES/")[0].rpartition("/")[2]
            for language in languages:
                if code == _REGIONS.get(language, language) or code == f"{language}_{language.upper()}":
                    self._of[language].append(gettext.GNUTranslations(io.BytesIO(data)))
        self.absent = [code for code in languages if code != "en" and not self._of[code]]

    def parts(self, strings: Iterable[str]) -> list[tuple[str, str]]:
        """The strings, a line each, in every language that has all but a few of them."""
        texts: dict[str, list[str]] = {code: [] for code in self.languages}
        for string in strings:
            for code in self.languages:
                translation = self._translation(code, string)
                if translation:
                    texts[code].append(_plain(translation))
        return [(code, "\n".join(lines)) for code, lines in texts.items() if lines]

    def _translation(self, code: str, string: str) -> str:
        if code == "en":
            return string
        for catalogue in self._of[code]:
            translation = catalogue.gettext(string)
            if translation != string:
                return translation
        return ""

    def has(self, string: str) -> bool:
        """Whether a language has a translation of the string."""
        return any(c.gettext(string) != string for catalogues in self._of.values() for c in catalogues)


def _plain(text: str) -> str:
    """Without marks, and with one space between words; a gettext context before ^ or after ?: is none."""
    text = re.sub(r"^(\?\w+:|[a-z_ ]+\^)", "", _MARKS.sub("", text))
    return "\n".join(" ".join(line.split()) for line in text.splitlines() if line.strip())


def objects(archive: Path, languages: Collection[str]) -> Iterator[Row]:
    """Things, animals and dialogue of Cataclysm: the translated strings of each object of its JSON files."""
    files = dict(package_files(archive, r"/cataclysm-dda/(json|mods)/.*\.json$|/LC_MESSAGES/cataclysm-dda\.mo$"))
    catalogues = _Catalogues({p: d for p, d in files.items() if p.endswith(".mo")}, languages)
    for path in sorted(p for p in files if p.endswith(".json")):
        entries = json.loads(files[path])
        for number, entry in enumerate(entries if isinstance(entries, list) else [entries]):
            strings = dict.fromkeys(s for s in _strings(entry) if catalogues.has(s))
            yield f"{path.partition('/cataclysm-dda/')[2]}#{number}", catalogues.parts(strings)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def stories(archive: Path, languages: Collection[str]) -> Iterator[Row]:
    """The narration and dialogue of a Wesnoth campaign, in the order of its scenarios, in pieces of about a page."""
    files = dict(package_files(archive, r"/campaigns/.*\.cfg$|/LC_MESSAGES/wesnoth-[a-z]+\.mo$"))
    catalogues = _Catalogues({p: d for p, d in files.items() if p.endswith(".mo")}, languages)
    for path in sorted(p for p in files if p.endswith(".cfg")):
        text = re.sub(r"^\s*#(?!textdomain).*$", "", files[path].decode("utf-8"), flags=re.M)
        strings = (s.replace('""', '"') for s in re.findall(r'_\s*"((?:[^"]|"")*)"', text))
        for number, piece in enumerate(_pieces(s for s in strings if s.strip())):
            yield f"{path.partition('/campaigns/')[2]}#{number}", catalogues.parts(piece)


def _pieces(strings: Iterable[str]) -> Iterator[list[str]]:
    piece: list[str] = []
    for string in strings:
        piece.append(string)
        if sum(map(len, piece)) >= _PIECE_CHARACTERS:
            yield piece
            piece = []
    if piece:
        yield piece


def help_texts(archive: Path, languages: Collection[str]) -> Iterator[Row]:
    """Freeciv's help, and the descriptions of its units, buildings, inventions and nations: one row a section."""
    files = dict(
        package_files(archive, r"/freeciv/(helpdata\.txt|.*\.ruleset)$|/LC_MESSAGES/freeciv-(core|nations)\.mo$")
    )
    catalogues = _Catalogues({p: d for p, d in files.items() if p.endswith(".mo")}, languages)
    for path in sorted(p for p in files if not p.endswith(".mo")):
        text = re.sub(r"^\s*;.*$", "", files[path].decode("utf-8"), flags=re.M)
        for number, section in enumerate(re.split(r"^\[", text, flags=re.M)):
            strings = (_unescape(s) for s in re.findall(r'_\(\s*"((?:[^"\\]|\\.)*)"\s*\)', section, flags=re.S))
            yield f"{path.partition('/freeciv/')[2]}#{number}", catalogues.parts(s for s in strings if s.strip())


def _unescape(string: str) -> str:
    return re.sub(r"\\(\n|.)", lambda m: {"\n": "", "n": "\n"}.get(m[1], m[1]), string)


def descriptions(archive: Path, languages: Collection[str]) -> Iterator[Row]:
    """Crawl's descriptions of monsters, things and spells, by key."""
    entries: dict[str, dict[str, str]] = {}
    for path, data in sorted(package_files(archive, r"/dat/descript/([a-z]{2}/)?[a-z]+\.txt$")):
        folder, _, name = path.partition("/descript/")[2].rpartition("/")
        code = folder or "en"
        if code in languages:
            text = re.sub(r"^#.*$|\{\{(?s:.*?)\}\}", "", data.decode("utf-8"), flags=re.M)
            for entry in re.split(r"^%%%%\s*$", text, flags=re.M):
                key, _, body = entry.strip().partition("\n")
                if body.strip() and not key.startswith("__"):
                    title = f"{key}\n" if code == "en" else ""  # keys are English names
                    entries.setdefault(f"{name}:{key}", {})[code] = title + _paragraphs(body, code)
    for key, texts in entries.items():
        yield key, [(code, texts[code]) for code in languages if texts.get(code)]


def _paragraphs(body: str, code: str) -> str:
    """Lines of one paragraph joined; scripts without spaces are joined without."""
    space = "" if code in ("zh", "ja") else " "
    paragraphs = (space.join(line.strip() for line in p.splitlines()) for p in re.split(r"\n\s*\n", body.strip()))
    return "\n".join(_plain(paragraph) for paragraph in paragraphs if paragraph.strip())


def fortunes(archive: Path, languages: Collection[str]) -> Iterator[Row]:
    """Sayings and verse in Chinese."""
    if "zh" not in languages:
        return
    for path, data in sorted(package_files(archive, r"/fortunes/[a-z]+\d*$")):
        for number, saying in enumerate(re.split(r"^%\s*$", data.decode("utf-8"), flags=re.M)):
            yield f"{path.rpartition('/')[2]}#{number}", [("zh", _plain(saying))]
