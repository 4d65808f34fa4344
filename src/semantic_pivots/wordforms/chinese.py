"""Chinese words in the other script: 猫 as 貓, 後 as 后, as the dictionary of the cuts has them."""

from __future__ import annotations

import functools

from semantic_pivots.files import data_cells
from semantic_pivots.wordforms import cutting


def source() -> str:
    """Where the variants come from."""
    return "OpenCC-0.1.7"


@functools.cache
def _simplified_characters() -> dict[int, str]:
    return {ord(traditional): simple for traditional, simple in data_cells("cutting/simplified.tsv")}


@functools.cache
def _traditional() -> dict[str, list[str]]:
    """The words of the dictionary in traditional script by their simplified spelling."""
    variants_of: dict[str, list[str]] = {}
    for word in cutting.words_of("zh"):
        simple = word.translate(_simplified_characters())
        if simple != word:
            variants_of.setdefault(simple, []).append(word)
    return variants_of


def variants(word: str) -> list[str]:
    """The other spellings of a word: traditional ones for a simplified word, and the reverse."""
    simple = word.translate(_simplified_characters())
    return [spelling for spelling in dict.fromkeys([simple, *_traditional().get(simple, ())]) if spelling != word]
