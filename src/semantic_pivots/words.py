"""Characters of words: how a text is normalised and folded, and which characters join into one word.

`normalise` serves the comparison of two spellings, and the rule that matches words as spelled; `fold` also takes
equivalent characters for one, under the rule that matches words by their forms (`wordforms.rule`).
"""

from __future__ import annotations

import bisect
import functools
import re
import unicodedata

# Blocks whose scripts are written without spaces between words (Unicode block ranges, inclusive).
UNSPACED_BLOCKS = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x0F00, 0x0FFF),  # Tibetan
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x19E0, 0x19FF),  # Khmer symbols
    (0x2E80, 0x2FDF),  # CJK and Kangxi radicals
    (0x3000, 0x312F),  # CJK punctuation, Hiragana, Katakana, Bopomofo
    (0x31A0, 0x31FF),  # Bopomofo extended, CJK strokes, Katakana phonetic extensions
    (0x3400, 0x4DBF),  # CJK extension A
    (0x4E00, 0x9FFF),  # CJK unified
    (0xA9E0, 0xA9FF),  # Myanmar extended B
    (0xAA60, 0xAA7F),  # Myanmar extended A
    (0xF900, 0xFAFF),  # CJK compatibility
    (0xFF66, 0xFF9F),  # half-width Katakana
    (0x1AFF0, 0x1B16F),  # Kana extended and supplement
    (0x20000, 0x3FFFF),  # CJK extensions B and later
)
_UNSPACED_EDGES = [edge for low, high in UNSPACED_BLOCKS for edge in (low, high + 1)]


def normalise(text: str) -> str:
    """`nfc`, then lower case character by character: the length in characters is that of `nfc`."""
    return _lower_case(nfc(text))


def nfc(text: str) -> str:
    """NFC, which stays NFC in lower case: letters that only lower case has as one character (ǰ of J̌) are written so."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFC", text)
    if unicodedata.is_normalized("NFC", _lower_case(text)):
        return text
    begins = [i for i, char in enumerate(text) if not (i and unicodedata.combining(char))]
    ends = [*begins[1:], len(text)]
    return "".join(_stable(text[begin:end]) for begin, end in zip(begins, ends, strict=True))


@functools.lru_cache(maxsize=1 << 14)
def _stable(letter: str) -> str:
    """A letter with its marks, in lower case if that composes otherwise than the capital does."""
    low = _lower_case(letter)
    return letter if unicodedata.is_normalized("NFC", low) else unicodedata.normalize("NFC", low)


def _lower_case(text: str) -> str:
    if text.isascii():
        return text.lower()
    # str.lower works on whole strings in two places only: İ gives two characters, and a final Σ gives ς. With both
    # settled beforehand (and ς equal to σ), the fast method is the character-wise one.
    return text.replace("İ", "i").replace("Σ", "σ").lower().replace("ς", "σ")


# Compatibility characters that are other characters' shapes: Armenian ech yiwn, half-width katakana, ligatures, Arabic
# presentation forms.
_SHAPES = re.compile("[\u0587\uff61-\uff9f\ufb00-\ufdff\ufe70-\ufefc]+")
_EQUIVALENT = {
    **dict.fromkeys("\u2010\u2011\ufe63\u05be", "-"),
    "\u05f4": '"',
    # Persian and Urdu keyboards' kaf and yeh; alef with a hamza or a wasla, which Arabic writes or leaves out at will.
    "\u06a9": "\u0643",
    "\u06cc": "\u064a",
    "\u0623": "\u0627",
    "\u0625": "\u0627",
    "\u0671": "\u0627",
    **{chr(code): chr(code - 0xFEE0).lower() for code in range(0xFF01, 0xFF5F)},
    # Apostrophes as keyboards write them, also the acute and the prime; the letter of Uzbek o\u02bb.
    **dict.fromkeys("\u00b4\u02bb\u02bc\u055a\u05f3\u2018\u2019\u201b\u2032", "'"),
}
# Ranges of marks that a text may carry or leave out: Hebrew points, Arabic vowel signs and kashida, selectors of shape.
_DROPPED_RANGES = (
    (0x0591, 0x05BD), (0x05BF, 0x05BF), (0x05C1, 0x05C2), (0x05C4, 0x05C5), (0x05C7, 0x05C7), (0x0610, 0x061A),
    (0x0640, 0x0640), (0x064B, 0x0652), (0x0656, 0x065F), (0x0670, 0x0670), (0x06D6, 0x06DC), (0x06DF, 0x06E8),
    (0x06EA, 0x06ED), (0x034F, 0x034F), (0x180B, 0x180D), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF),
)  # fmt: skip


@functools.cache
def fold_char(char: str) -> str:
    """The text that replaces a normalised character: itself, an equivalent, a space, or nothing.

    Nothing are characters without a width (soft hyphen, joiners, marks of direction), selectors of shape, enclosing
    marks (the keycap), and the vowel signs that Arabic and Hebrew may leave out.
    """
    if char.isspace():
        return " "
    code = ord(char)
    if unicodedata.category(char) in ("Cf", "Me") or any(low <= code <= high for low, high in _DROPPED_RANGES):
        return ""
    return _EQUIVALENT.get(char, char)


def compose(text: str) -> str:
    """`nfc`, with characters that are shapes of others (half-width katakana, ligatures) replaced by these."""
    if text.isascii():
        return text
    normal_shapes = _SHAPES.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    return nfc(normal_shapes)


def folded_places(text: str) -> tuple[str, list[int]]:
    """The folded form of an NFC text, and for each of its characters the position in that text."""
    chars: list[str] = []
    places: list[int] = []
    for place, char in enumerate(normalise(text)):
        char = fold_char(char)
        if char and not (char == " " and chars[-1:] == [" "]):
            chars.append(char)
            places.append(place)
    return "".join(chars), places


def fold(text: str) -> str:
    """A text as words are looked for in it: composed, in lower case, equivalent characters as one, one space a gap.

    Apostrophes, hyphens, widths and white space that a keyboard or a typesetter chooses are no part of a spelling, nor
    is what has no width of its own (`fold_char`). So `aujourd’hui` is `aujourd'hui`, `New\\nYork` is `new york`.
    """
    return re.sub(" +", " ", "".join(map(fold_char, normalise(compose(text)))))


@functools.cache
def is_joining(char: str) -> bool:
    """Whether the character next to a word of a spaced language makes it part of a longer word."""
    if unicodedata.category(char)[0] not in "LM":
        return False
    return bisect.bisect_right(_UNSPACED_EDGES, ord(char)) % 2 == 0


def is_readable(text: str) -> bool:
    """Whether a token's or a unit's text is whole characters with a letter among them: no byte, no fragment of one."""
    return "\ufffd" not in text and "<0x" not in text and any(map(str.isalpha, text))
