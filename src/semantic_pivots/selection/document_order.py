"""The order of documents (score, hash of the id, place), and the range of it in which each group's budget ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from semantic_pivots.selection.document_columns import Block, Documents, gather

_WORDS = 4
"""Parts of a document's place in the order: its score, the upper and the lower bits of its hash, its place."""
_LOW_BITS, _LOWEST = np.uint64(11), np.uint64(2**11 - 1)
"""Bits of a hash beyond those that a float64 holds exactly: their number, and the largest."""
NO_HASH = np.uint64(2**64 - 1)
"""Stands for a hash that has not been looked up."""


class Rows(NamedTuple):
    """Documents to be sorted: group, tokens, negative score, place, and the hash where it has been looked up."""

    group: np.ndarray
    n_tokens: np.ndarray
    high: np.ndarray
    low: np.ndarray
    place: np.ndarray

    def take(self, rows: np.ndarray | slice) -> Rows:
        return Rows(*(column[rows] for column in self))

    def in_order(self, *keys: np.ndarray) -> Rows:
        """The rows sorted by `keys`, then in the order of the documents."""
        return self.take(np.lexsort((self.place, self.low, self.high, *keys)))


NO_ROWS = Rows(*(np.zeros(0, kind) for kind in (np.int32, np.int32, np.float64, np.uint64, np.int64)))


def rows_of(parts: Sequence[Rows]) -> Rows:
    return Rows(*map(np.concatenate, zip(*parts, strict=True)))


def rows_at(block: Block, group: np.ndarray, rows: np.ndarray) -> Rows:
    """Rows of a block, without hashes."""
    high = -block.score[rows]
    return Rows(group[rows], block.n_tokens[rows], high, np.full(len(rows), NO_HASH), block.begin + rows)


class Ranges:
    """The interval of each group in each word of the sort key; a word orders documents that tie in earlier words.

    A document is above, inside or below the range of its group. One of no group (-1) is neither above nor inside.
    """

    def __init__(self, documents: Documents, groups: int):
        self.documents, self.word = documents, np.zeros(groups + 1, np.int64)
        self.most, self.least = np.full((_WORDS, groups + 1), np.inf), np.full((_WORDS, groups + 1), -np.inf)
        self.least[0, groups] = np.nan

    def split(self, block: Block, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whether each document of a block is above, and whether it is inside."""
        above_range = ~(block.score <= gather(self.most[0], group))  # of NaN, all are
        in_range = ~above_range & (block.score >= gather(self.least[0], group))
        for word in range(1, int(self.word.max()) + 1):
            rows = np.flatnonzero(in_range & (self.word[group] >= word))
            values, row_groups = self.values(word, block.begin + rows), group[rows]
            above_range[rows] = values > self.most[word][row_groups]
            in_range[rows] = ~above_range[rows] & (values >= self.least[word][row_groups])
        return above_range, in_range

    def values(self, word: int, places: np.ndarray) -> np.ndarray:
        """A word behind the score of the documents at some places, ascending; the largest is the first."""
        if word == _WORDS - 1:
            return -places.astype(np.float64)
        hashes = self.documents.hashes(places)
        return -(hashes >> _LOW_BITS if word == 1 else hashes & _LOWEST).astype(np.float64)

    def of(self, group: int) -> tuple[float, float]:
        """The largest and the least value of a group's range."""
        word = self.word[group]
        return float(self.most[word, group]), float(self.least[word, group])

    def put(self, group: int, most: float, least: float) -> None:
        """Change a group's range."""
        self.most[self.word[group], group], self.least[self.word[group], group] = most, least

    def copy(self, group: int, ranges: Ranges) -> None:
        """Give a group the range of the first group of other ranges."""
        self.word[group] = ranges.word[0]
        self.most[:, group], self.least[:, group] = ranges.most[:, 0], ranges.least[:, 0]


class Limits(NamedTuple):
    """By group and length, (groups, lengths): no document behind this one, by negative score and hash, can fit."""

    high: np.ndarray
    low: np.ndarray

    @staticmethod
    def none(groups: int, lengths: int) -> Limits:
        """No limits."""
        return Limits(np.full((groups, lengths), np.inf), np.full((groups, lengths), NO_HASH))

    def of(self, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        """The limit of each row; none of longer documents."""
        lengths = self.high.shape[1]
        key, is_long = (rows.group, np.minimum(rows.n_tokens, lengths - 1)), rows.n_tokens >= lengths
        return np.where(is_long, np.inf, self.high[key]), np.where(is_long, NO_HASH, self.low[key])


def shorten(rows: Rows, budget: np.ndarray, limits: Limits) -> Rows:
    """Of each group and length the first remainder / length documents; where there are so many, they set a limit.

    Documents without a hash stand behind those of their score; those that tie with the last document stay.
    """
    rows = rows.in_order(rows.n_tokens, rows.group)
    is_first = (np.diff(rows.group, prepend=-1) != 0) | (np.diff(rows.n_tokens, prepend=-1) != 0)
    first, number = np.flatnonzero(is_first), np.cumsum(is_first) - 1
    last = first + budget[rows.group[first]] // rows.n_tokens[first] - 1
    is_full = last < np.append(first[1:], len(rows.place))
    high = np.where(is_full, rows.high[np.where(is_full, last, first)], np.inf)
    for i in last[is_full]:
        if rows.n_tokens[i] < limits.high.shape[1]:
            limits.high[rows.group[i], rows.n_tokens[i]] = rows.high[i]
            limits.low[rows.group[i], rows.n_tokens[i]] = rows.low[i]
    stays = np.arange(len(rows.place)) <= last[number]
    return rows.take(stays | ((rows.low == NO_HASH) & (rows.high == high[number])))
