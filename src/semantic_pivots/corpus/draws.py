"""Which documents stand for a word: of those that contain it, those with the smallest hash of seed, word and document.

So a draw depends neither on the shards nor on their order, and is kept while the shards pass by: memory grows with the
words and with what is drawn of each, not with the corpus.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numba
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semantic_pivots.corpus.count import Word
from semantic_pivots.corpus.match import Words, buffers, find

_ROOM = 1 << 22
"""Hits that wait, at least, before those beyond the draws are dropped: some 80 MB."""


def hash_of(ids: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """(ids,) uint64: a hash of each id, the same on every machine."""
    return _hash_of(*buffers(ids))


@numba.njit(cache=True)
def _hash_of(data, offsets):  # pragma: no cover - compiled; FNV-1a
    keys = np.empty(len(offsets) - 1, np.uint64)
    for i in range(len(keys)):
        key = np.uint64(0xCBF29CE484222325)
        for k in range(offsets[i], offsets[i + 1]):
            key = (key ^ np.uint64(data[k])) * np.uint64(0x100000001B3)
        keys[i] = key
    return keys


def shuffled(keys: np.ndarray, seed: int | np.ndarray) -> np.ndarray:
    """Keys in an order of their own for every seed (splitmix64's finaliser); one seed, or uint64 ones, one each."""
    mixed = keys ^ (seed if isinstance(seed, np.ndarray) else np.uint64(seed % 2**64))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


@functools.lru_cache(maxsize=1)
def compiled(spellings: tuple[Word, ...]) -> Words:
    """The words of a worker's shards, compiled once."""
    return Words.compile(spellings)


def hits_of_shard(path: Path, spellings: tuple[Word, ...]) -> pa.Table:
    """Each document's row and identity with each pattern it contains."""
    table = pq.read_table(path, columns=["id", "text"])
    starts, hits = find(compiled(spellings), *buffers(table["text"]))
    rows = np.repeat(np.arange(len(starts) - 1, dtype=np.int64), np.diff(starts))
    return pa.table({"row": rows, "pattern": hits, "key": hash_of(table["id"])[rows]})


class Draws:
    """Of each word, up to `size` of the documents that contain it, from hits that come shard by shard.

    Args:
        pattern_of: (words,) the pattern of each word, -1 for none; several words may share one.
        seeds: of each word.
        size: documents drawn of a word.
    """

    def __init__(self, pattern_of: np.ndarray, seeds: Sequence[int], size: int):
        self.held = np.zeros(len(pattern_of), np.int64)
        """(words,) documents met that contain each word"""
        self._size = size
        self._seeds = np.array([seed % 2**64 for seed in seeds], np.uint64)
        self._bound = np.full(len(pattern_of), np.iinfo(np.uint64).max, np.uint64)
        self._sharing = _sharing(pattern_of)
        self._waiting = [(np.zeros(0, np.int32), np.zeros(0, np.uint64), np.zeros(0, np.int64))]
        self._hits, self._room = 0, _ROOM

    def add(self, documents: np.ndarray, patterns: np.ndarray, keys: np.ndarray) -> None:
        """Take one shard's hits: numbers of documents (int64, ascending), patterns (int32), hashes of ids (uint64)."""
        for word_of in self._sharing:
            word = word_of[patterns]
            met = np.flatnonzero(word >= 0)
            word = word[met]
            self.held += np.bincount(word, minlength=len(self.held))
            place = shuffled(keys[met], self._seeds[word])
            near = np.flatnonzero(place <= self._bound[word])
            self._waiting.append((word[near], place[near], documents[met[near]]))
            self._hits += len(near)
        if self._hits > self._room:
            self._drop()

    def _drop(self) -> None:
        """Keep of each word those with the smallest places; of equal ones those that came first."""
        word, place, document = (np.concatenate(column) for column in zip(*self._waiting, strict=True))
        self._waiting.clear()
        order, edges = _by_number(word, len(self.held))
        kept = []
        for i in range(len(self.held)):
            own = order[edges[i] : edges[i + 1]]
            if len(own) > self._size:
                own = own[np.argsort(place[own], kind="stable")[: self._size]]
                self._bound[i] = place[own[-1]]
                own = np.sort(own)
            kept.append(own)
        keep = np.concatenate(kept)
        self._waiting = [(word[keep], place[keep], document[keep])]
        self._hits, self._room = len(keep), max(_ROOM, 2 * len(keep))

    def drawn(self) -> list[np.ndarray]:
        """Of each word the documents drawn, (n,) int64, ascending."""
        self._drop()
        ((word, _, document),) = self._waiting
        return np.split(document, np.searchsorted(word, np.arange(1, len(self.held))))[: len(self.held)]


def _sharing(pattern_of: np.ndarray) -> list[np.ndarray]:
    """Tables of the word of each pattern, -1 for none: the first words of all patterns, the second ones, and so on."""
    order = np.argsort(pattern_of, kind="stable")
    order = order[pattern_of[order] >= 0]
    patterns = pattern_of[order]
    rank = np.arange(len(order)) - np.searchsorted(patterns, patterns)
    tables = np.full((int(rank.max(initial=-1)) + 1, int(pattern_of.max(initial=-1)) + 1), -1, np.int32)
    tables[rank, patterns] = order
    return list(tables)


@numba.njit(cache=True)
def _by_number(numbers, count):  # pragma: no cover - compiled; a counting sort
    """The order of the numbers below `count`, and where each begins in it, (count + 1,) int64."""
    edges = np.zeros(count + 1, np.int64)
    for number in numbers:
        edges[number + 1] += 1
    for number in range(count):
        edges[number + 1] += edges[number]
    filled, order = edges[:-1].copy(), np.empty(len(numbers), np.int64)
    for i in range(len(numbers)):
        order[filled[numbers[i]]] = i
        filled[numbers[i]] += 1
    return order, edges
