"""Control sets of an item's pivots: pivots of other pairs with like frequency, the same kind and number of tokens."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from semantic_pivots.statistics import seed_of

FACTOR = 2.0
"""a control word is at most so many times as frequent as the pivot it stands for, or as rare"""


@dataclass(frozen=True)
class PivotWord:
    """A word that is a pivot of some pair."""

    text: str
    documents: int
    """documents that hold it"""
    kind: str
    """kind of its documents: their language, or as near as is known (its script)"""
    tokens: int
    """tokens of the word as it stands in a question"""


def control_sets(
    pivots: Sequence[PivotWord], pool: Iterable[PivotWord], exclusions: set[str], count: int, seed: int
) -> list[tuple[str, ...]]:
    """Control sets: each pivot is replaced by one of the `count` words nearest in frequency.

    Args:
        pivots: those of the item.
        pool: pivots of all pairs.
        exclusions: words that no set may contain: the pivots and words of the item's concept.
        count: number of sets.
        seed: seed of the assignment of words to sets.

    Returns:
        `count` sets of len(pivots) different words each. No set if, for some pivot, fewer than `count` words have its
        kind, its number of tokens, and between 1 / FACTOR and FACTOR times its number of documents.
    """
    candidates = [word for word in pool if word.text not in exclusions]
    columns: list[list[str]] = []
    for number, pivot in enumerate(pivots):
        apart = [
            (abs(math.log(word.documents / pivot.documents)), word.text)
            for word in candidates
            if word.kind == pivot.kind and word.tokens == pivot.tokens
        ]
        apart = [entry for entry in apart if entry[0] <= math.log(FACTOR) + 1e-9]
        if len(apart) < count:
            return []
        # no set takes a word beyond these, and a hash for each word of the pool would cost more than all else
        limit = sorted(distance for distance, _ in apart)[: count + len(pivots)][-1]
        nearest = sorted((distance, seed_of(seed, number, text), text) for distance, text in apart if distance <= limit)
        columns.append([text for _, _, text in nearest])
    return _word_sets(columns, count, seed)


def _word_sets(columns: list[list[str]], count: int, seed: int) -> list[tuple[str, ...]]:
    """Sets of one word of each column's nearest, no word twice in one set."""
    generator = Random(seed)
    order = [generator.sample(range(count), count) for _ in columns]
    sets = []
    for place in range(count):
        words: list[str] = []
        for column, choices in zip(columns, order, strict=True):
            turn = [column[choices[(place + step) % count]] for step in range(count)] + column[count:]
            free = next((text for text in turn if text not in words), None)
            if free is None:
                return []
            words.append(free)
        sets.append(tuple(words))
    return sets
