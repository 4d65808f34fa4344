"""Display of tokens: readable text for bytes of a character, and a mark for the word that a token belongs to."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from semantic_pivots.words import normalise

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

MARKS = {"source": "◀", "target": "●", "elsewhere": "○", "pivot": "◆", "": ""}
LEGEND = "● target  ◀ source  ○ the word in a further language  ◆ semantic pivot"
_SIGNS = {" ": "␣", "\n": "↵", "\t": "⇥"}
_FORM_LETTERS = 3  # that an inflected form adds to a word at most, and half of its own: cattle is no form of cat


@dataclass(frozen=True)
class Mark:
    """A token as it is shown."""

    text: str
    kind: str
    """source, target, elsewhere (the word in a further language), pivot, or nothing"""
    note: str = ""
    """language, "form of", or the bytes of an unfinished character"""


class Marker:
    """Shows the tokens of one question: its words in every language, and its pivots.

    Args:
        tokenizer: a `tokenizers.Tokenizer`, or one of transformers around it.
        words: the concept's word in each language, the source's and the target's among them.
        direction: source and target language.
        pivots: texts of the pair's pivots; may be empty.
    """

    def __init__(
        self, tokenizer: Backend, words: Mapping[str, str], direction: tuple[str, str], pivots: Iterable[str] = ()
    ):
        self._tokenizer = getattr(tokenizer, "backend_tokenizer", tokenizer)
        self._words = {code: word for code, word in words.items() if word}
        self._pivots = frozenset(normalise(text.strip()) for text in pivots)
        source, target = direction
        # of two languages with one spelling the target's is named, then the source's
        order = [target, source, *(code for code in self._words if code not in direction)]
        self._owners: dict[int, str] = {}
        for code in (code for code in order if code in self._words):
            ids = self._pieces(self._words[code], is_whole=code in direction)
            self._owners = {i: code for i in ids if i not in self._owners} | self._owners
        self._kinds = {source: "source", target: "target"}

    def _pieces(self, word: str, is_whole: bool) -> set[int]:
        """Ids of all pieces of a word, or of the first ones, with and without a space before it and a capital."""
        forms = (word,) if is_whole else (word, word.capitalize())
        out: set[int] = set()
        for text in (space + form for form in forms for space in ("", " ")):
            ids = [i for i in self._tokenizer.encode(text, add_special_tokens=False).ids if self._text_of(i).strip()]
            out |= set(ids if is_whole else ids[:1])
        return out

    def _text_of(self, token: int) -> str:
        return self._tokenizer.decode([token], skip_special_tokens=False)

    def mark(self, token: int) -> Mark:
        """One token."""
        text = self._text_of(token)
        note = ""
        if "\ufffd" in text:
            text, note = self._byte_range(token)
        visible = text.strip() or _SIGNS.get(text[:1], "␣")
        if all(unicodedata.category(character) in ("Cc", "Cf") for character in visible):
            visible = " ".join(f"U+{ord(character):04X}" for character in visible)
        if token in self._owners:
            code = self._owners[token]
            return Mark(visible, self._kinds.get(code, "elsewhere"), ", ".join(filter(None, (code, note))))
        if normalise(visible) in self._pivots:
            return Mark(visible, "pivot", note)
        for code, word in self._words.items():
            plain, spelling = normalise(visible), normalise(word)
            letters = min(_FORM_LETTERS, len(spelling) // 2)
            if spelling.isalpha() and plain.startswith(spelling) and len(plain) - len(spelling) <= letters:
                note = code if plain == spelling else f"form of {word}, {code}"
                return Mark(visible, self._kinds.get(code, "elsewhere"), note)
        return Mark(visible, "", note)

    def _byte_range(self, token: int) -> tuple[str, str]:
        """What bytes of an unfinished character begin: a word's character where one fits, else the range they open."""
        data = token_bytes(self._tokenizer, token)
        if not data:
            return "\ufffd", "bytes of a character"
        name = "bytes " + " ".join(f"{byte:02X}" for byte in data)
        start = len(data.decode("utf-8", "ignore").encode())
        for code, word in self._words.items():
            if word.encode().startswith(data.lstrip(b" ")) and data.strip():
                return f"{word[:1]}…", f"{name}, which may begin {word} ({code})"
        ends = _range(data[start:]) if data[: start or None].decode("utf-8", "ignore") or not start else None
        if ends is None:
            return f"…{data[-1]:02X}", f"{name}, inside a character"
        first, last = ends
        bounds = f"U+{ord(first):04X} to U+{ord(last):04X}"
        # neither a private character nor one that Unicode has not given yet has a glyph
        is_shown = all(unicodedata.category(character)[0] != "C" for character in ends)
        block = f" ({unicodedata.name(first).split()[0].title()})" if is_shown else ""
        text = f"{first}–{last}…" if is_shown else f"{data[start:].hex(' ').upper()}…"
        return text, f"{name}, which begin a character from {bounds}{block}"


def _range(data: bytes) -> tuple[str, str] | None:
    """The first and the last character whose UTF-8 begins with these bytes; none where nothing does."""
    if not data:
        return None
    length = next(
        (n for n, (low, high) in {2: (0xC2, 0xDF), 3: (0xE0, 0xEF), 4: (0xF0, 0xF4)}.items() if low <= data[0] <= high),
        0,
    )
    if not len(data) < length:
        return None
    ends = []
    for fill, first in ((b"\x80", {0xE0: 0xA0, 0xF0: 0x90}), (b"\xbf", {0xED: 0x9F, 0xF4: 0x8F})):
        second = data[1:2] or bytes([first.get(data[0], fill[0])])
        is_whole = (data[:1] + second + data[2:]).ljust(length, fill)
        try:
            ends.append(is_whole.decode())
        except UnicodeDecodeError:
            return None
    return ends[0], ends[1]


def token_bytes(tokenizer: Backend, token: int) -> bytes:
    """The bytes of a token whose text is no whole character; empty where the tokenizer has no such tokens."""
    text = tokenizer.id_to_token(token) or ""
    if text.startswith("<0x") and text.endswith(">") and len(text) == 6:
        return bytes([int(text[3:5], 16)])
    table = _byte_letters()
    return bytes(table[char] for char in text) if text and all(char in table for char in text) else b""


def _byte_letters() -> dict[str, int]:
    """The letters by which byte-level tokenizers write bytes: printable ones stand for themselves."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    unprintable = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(unprintable)}
