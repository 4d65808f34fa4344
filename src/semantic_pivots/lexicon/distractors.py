"""Wrong source-language words for an item: same part of speech, alike in length, never a translation.

Without an embedding the candidates are words of like length, at a place drawn from the item; with one, its nearest
neighbours come first and make the item harder.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence

from semantic_pivots.words import normalise


def draw(*parts: object) -> int:
    """A pseudo-random number from identifiers, the same on every machine and in any order of work."""
    return int.from_bytes(hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()[:8], "big")


def is_variant(word: str, second: str) -> bool:
    """Whether one word contains the other: `sun` and `sunflower`, 花 and 花束."""
    word, second = normalise(word), normalise(second)
    return word in second or second in word


class Pool:
    """Words of one language and part of speech, by length and within a length in an order drawn from the seed."""

    def __init__(self, words: Iterable[str], seed: int):
        self.words = sorted(set(words), key=lambda word: (len(word), draw(seed, word), word))
        self.lengths = [len(word) for word in self.words]

    def by_length_from(self, word: str, place: int) -> Iterator[str]:
        """Every word, those as long as `word` first (from `place` on, cyclically), then shorter and longer in turn."""
        low, high = bisect_left(self.lengths, len(word)), bisect_left(self.lengths, len(word) + 1)
        slice_ = self.words[low:high]
        if slice_:
            place %= len(slice_)
            yield from slice_[place:]
            yield from slice_[:place]
        while low > 0 or high < len(self.words):
            if low > 0:
                low -= 1
                yield self.words[low]
            if high < len(self.words):
                yield self.words[high]
                high += 1


def choose_distractors(
    item_id: str,
    pool: Pool,
    is_answer: Callable[[str], bool],
    source: str,
    count: int,
    seed: int,
    near: Sequence[str] = (),
) -> list[str]:
    """Up to `count` distractors of an item, in an order drawn from its identifier.

    Args:
        item_id: identifier of the item.
        pool: words of the source language with the item's part of speech.
        is_answer: whether a word may not serve (a translation or variant of source or target).
        source: the right word; words of like length are preferred.
        count: how many are wanted.
        seed: seed of the study.
        near: words in order of similarity to the source, taken before all others.
    """
    choice: dict[str, str] = {}
    for words in (near, pool.by_length_from(source, draw(seed, item_id))):
        for word in words:
            if len(choice) == count:
                break
            if normalise(word) not in choice and not is_answer(word):
                choice[normalise(word)] = word
    return sorted(choice.values(), key=lambda word: (draw(seed, item_id, word), word))
