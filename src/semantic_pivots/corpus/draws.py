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


def shuffled(keys: np.ndarray, seed: int) -> np.ndarray:
    """Keys in an order of their own for every seed (the finaliser of splitmix64)."""
    return _shuffled(keys, np.uint64(seed % 2**64))


@numba.njit(cache=True)
def _shuffled(keys, seed):  # pragma: no cover - compiled
    places = np.empty(len(keys), np.uint64)
    for i in range(len(keys)):
        places[i] = _mixed(keys[i] ^ seed)
    return places


@numba.njit(cache=True)
def _mixed(key):  # pragma: no cover - compiled
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))


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
        count = len(pattern_of)
        self.held = np.zeros(count, np.int64)
        """(words,) documents met that contain each word"""
        self._size = size
        self._seeds = np.array([seed % 2**64 for seed in seeds], np.uint64)
        self._bound = np.full(count, np.iinfo(np.uint64).max, np.uint64)
        # The words of each pattern are a chain: its first word, and of each word the next one; -1 ends it.
        self._first = np.full(int(pattern_of.max(initial=-1)) + 1, -1, np.int32)
        self._next = np.full(count, -1, np.int32)
        for word in reversed(range(count)):
            if (pattern := pattern_of[word]) >= 0:
                self._next[word], self._first[pattern] = self._first[pattern], word
        self._waiting = [(np.zeros(0, np.int32), np.zeros(0, np.uint64), np.zeros(0, np.int64))]
        self._hits, self._room = 0, _ROOM

    def add(self, documents: np.ndarray, patterns: np.ndarray, keys: np.ndarray) -> None:
        """Take one shard's hits: numbers of documents (int64, ascending), patterns (int32), hashes of ids (uint64)."""
        chains = self._first, self._next, self._seeds, self._bound
        near = _near(documents, patterns, keys, *chains, self.held)
        self._waiting.append(near)
        self._hits += len(near[0])
        if self._hits > self._room:
            self._drop()

    def _drop(self) -> None:
        """Keep of each word those with the smallest places; of equal ones those that came first."""
        word, place, document = (np.concatenate(column) for column in zip(*self._waiting, strict=True))
        self._waiting.clear()
        keep = _smallest(word, place, self._size, self._bound)
        self._waiting = [(word[keep], place[keep], document[keep])]
        self._hits, self._room = len(keep), max(_ROOM, 2 * len(keep))

    def drawn(self) -> list[np.ndarray]:
        """Of each word the documents drawn, (n,) int64, ascending."""
        self._drop()
        ((word, _, document),) = self._waiting
        return np.split(document, np.searchsorted(word, np.arange(1, len(self.held))))[: len(self.held)]


@numba.njit(cache=True)
def _near(documents, patterns, keys, first, following, seeds, bound, held):  # pragma: no cover - compiled
    """Words, places and documents of the hits that are not beyond their word's bound; adds all to `held`."""
    words, places, kept = np.empty(1024, np.int32), np.empty(1024, np.uint64), np.empty(1024, np.int64)
    n = 0
    for i in range(len(documents)):
        word = first[patterns[i]]
        while word >= 0:
            held[word] += 1
            place = _mixed(keys[i] ^ seeds[word])
            if place <= bound[word]:
                if n == len(words):
                    words = np.concatenate((words, np.empty(n, np.int32)))
                    places = np.concatenate((places, np.empty(n, np.uint64)))
                    kept = np.concatenate((kept, np.empty(n, np.int64)))
                words[n], places[n], kept[n] = word, place, documents[i]
                n += 1
            word = following[word]
    return words[:n].copy(), places[:n].copy(), kept[:n].copy()


@numba.njit(cache=True)
def _smallest(words, places, size, bound):  # pragma: no cover - compiled
    """Indices of each word's `size` smallest places, by word and in order; sets the bound of words that have more."""
    count = len(bound)
    edges = np.zeros(count + 1, np.int64)
    for word in words:
        edges[word + 1] += 1
    for word in range(count):
        edges[word + 1] += edges[word]
    filled, order = edges[:-1].copy(), np.empty(len(words), np.int64)
    for i in range(len(words)):
        order[filled[words[i]]] = i
        filled[words[i]] += 1
    n = 0
    for word in range(count):
        own = order[edges[word] : edges[word + 1]]
        limit, equal = bound[word], len(own)
        if len(own) > size:
            limit = bound[word] = np.partition(places[own], size - 1)[size - 1]
            equal = size
            for i in own:
                equal -= places[i] < limit
        for i in own:
            tie = places[i] == limit and equal > 0
            if places[i] < limit or tie:
                equal -= tie
                order[n] = i
                n += 1
    return order[:n].copy()
