"""Normalisation, and what counts as an occurrence of a word: the one definition all rooms share.

A word of a language written with spaces occurs where no letter or mark of a spaced script touches it: `chat` occurs
in `le chat.` and in `猫chat猫`, not in `chats`. A word of Chinese, Japanese, Thai and the like occurs as a substring,
because no boundary is written; a segmenter would bring its own errors, and counts would depend on its version.
"""

from __future__ import annotations

import bisect
import functools
import unicodedata
from collections.abc import Iterator

from semantic_pivots.languages import language

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
    """NFC, then lower case character by character: the length in characters is that of the NFC text."""
    text = unicodedata.normalize("NFC", text)
    if text.isascii():
        return text.lower()
    # str.lower works on whole strings in two places only: İ gives two characters, and a final Σ gives ς. With both
    # settled beforehand (and ς equal to σ), the fast method is the character-wise one.
    return text.replace("İ", "i").replace("Σ", "σ").lower().replace("ς", "σ")


@functools.cache
def is_joining(char: str) -> bool:
    """Whether the character, standing beside a word of a spaced language, makes it part of a longer word."""
    if unicodedata.category(char)[0] not in "LM":
        return False
    return bisect.bisect_right(_UNSPACED_EDGES, ord(char)) % 2 == 0


def contains(text: str, word: str, code: str) -> bool:
    """Whether the word of the language occurs in the text: the reference that every faster matcher must equal."""
    return next(_starts(normalise(text), normalise(word), code), None) is not None


def meet(text: str, first: tuple[str, str], second: tuple[str, str], window: int) -> bool:
    """Whether two (word, language code) occur so that they begin fewer than `window` tokens apart: the reference.

    A token is a run of joining characters, or one other character that is no white space: words of spaced scripts,
    single characters of the others, punctuation. So a window does not depend on the tokenizer of any model.
    """
    text = normalise(text)
    numbers, joined = [0], False
    for char in text:
        joining = is_joining(char)
        numbers.append(numbers[-1] + (not char.isspace() and not (joining and joined)))
        joined = joining
    places = [[numbers[start + 1] for start in _starts(text, normalise(word), code)] for word, code in (first, second)]
    return any(abs(a - b) < window for a in places[0] for b in places[1])


def _starts(text: str, word: str, code: str) -> Iterator[int]:
    """Where a word begins in a text, both normalised."""
    if not word:
        return
    spaced = language(code).spaced
    start = text.find(word)
    while start >= 0:
        end = start + len(word)
        touched = (start and is_joining(text[start - 1])) or (end < len(text) and is_joining(text[end]))
        if not (spaced and touched):
            yield start
        start = text.find(word, start + 1)
