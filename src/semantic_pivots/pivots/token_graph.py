"""Rows of the token co-occurrence graph: two tokens are neighbours when a document holds both (METHOD §6).

A row is counted at a time, from the documents of its token into one accumulator, so the V x V matrix never exists.
The counting itself is `count_units`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np

from semantic_pivots.counting.unit_counts import count_units, renumber


@dataclass(frozen=True)
class Documents:
    """The distinct tokens of n documents, numbered by document frequency; token 0 occurs in the most documents.

    `starts` (n + 1,) int64 and `tokens` unsigned: document d holds tokens[starts[d]:starts[d + 1]]. `ids` (size,) int32
    is the vocabulary id of each compact number; `group` (n,) int32 the index of each document's language, -1 for none.
    """

    starts: np.ndarray
    tokens: np.ndarray
    ids: np.ndarray
    group: np.ndarray
    groups: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    def take(self, mask: np.ndarray) -> Documents:
        """The documents for which `mask`, (n,) bool, is true."""
        lengths = np.diff(self.starts)
        starts = np.concatenate([[0], np.cumsum(lengths[mask])])
        return Documents(starts, self.tokens[np.repeat(mask, lengths)], self.ids, self.group[mask], self.groups)

    def frequency(self) -> np.ndarray:
        """(size,) int64: number of documents with each token."""
        return np.bincount(self.tokens, minlength=len(self.ids))

    def frequency_by_group(self) -> np.ndarray:
        """(size, groups) int64: number of documents with each token in each language."""
        group = np.repeat(self.group, np.diff(self.starts))
        columns = [np.bincount(self.tokens[group == g], minlength=len(self.ids)) for g in range(self.groups)]
        return np.stack(columns, axis=1) if columns else np.zeros((len(self.ids), 0), np.int64)


def compact(starts: np.ndarray, tokens: np.ndarray, size: int, group: np.ndarray, groups: int) -> Documents:
    """Documents of distinct vocabulary ids, renumbered by frequency (ties by id)."""
    ids, numbers = renumber(tokens, size)
    return Documents(starts, numbers, ids, group, groups)


@numba.njit(cache=True, nogil=True)
def postings(starts, tokens, size):  # pragma: no cover - compiled
    """The documents with each token: (size + 1,) int64 offsets and (tokens,) int32 document numbers, ascending."""
    offsets = np.zeros(size + 1, dtype=np.int64)
    for token in tokens:
        offsets[token + 1] += 1
    for i in range(size):
        offsets[i + 1] += offsets[i]
    fill = offsets[:-1].copy()
    documents = np.empty(len(tokens), dtype=np.int32)
    for document in range(len(starts) - 1):
        for i in range(starts[document], starts[document + 1]):
            documents[fill[tokens[i]]] = document
            fill[tokens[i]] += 1
    return offsets, documents


@numba.njit(cache=True, nogil=True)
def _rows(
    tokens_of_rows, offsets, documents, starts, tokens, row, least, sample_size, out
):  # pragma: no cover - compiled
    degree, strength, rarefied_degree, slots, neighbours = out
    top, least = neighbours.shape[1], max(least, 1)
    best = np.zeros(top, dtype=np.int64)
    co_tokens = np.empty(len(row), dtype=np.uint32)
    for index in range(len(tokens_of_rows)):
        token = tokens_of_rows[index]
        frequency = offsets[token + 1] - offsets[token]
        own_documents = documents[offsets[token] : offsets[token + 1]]
        count = count_units(own_documents, starts, tokens, row, co_tokens)
        for document in own_documents:
            slots[index] += starts[document + 1] - starts[document] - 1
        row[token] = 0
        # Hurlbert's rarefaction: a neighbour met in c of D documents is among m of them with 1 - C(D-c, m) / C(D, m).
        presence = np.zeros(frequency + 1, dtype=np.float64)
        absent = 1.0
        for c in range(1, frequency + 1):
            rest = frequency - c + 1
            absent = absent * (rest - sample_size) / rest if rest > sample_size else 0.0
            if c >= least:
                presence[c] = 1.0 - absent
        even = odd = 0.0  # two sums: each add waits for the one before it
        for k in range(0, count - 1, 2):
            even += presence[row[co_tokens[k]]]
            odd += presence[row[co_tokens[k + 1]]]
        if count % 2:
            even += presence[row[co_tokens[count - 1]]]
        best[:] = 0
        n_best = edges = meetings = 0
        weakest = least if top else np.int64(1) << 62
        for k in range(count):
            neighbour = co_tokens[k]
            common = np.int64(row[neighbour])
            row[neighbour] = 0
            edges += common >= least
            meetings += common if common >= least else 0
            if common < weakest:
                continue
            place = n_best  # insertion into the short list of the strongest; ties go to the smaller number
            while place > 0 and (
                best[place - 1] < common or (best[place - 1] == common and neighbours[index, place - 1] > neighbour)
            ):
                place -= 1
            if place < top:
                n_best = min(n_best + 1, top)
                for j in range(n_best - 1, place, -1):
                    best[j] = best[j - 1]
                    neighbours[index, j] = neighbours[index, j - 1]
                best[place] = common
                neighbours[index, place] = neighbour
            if n_best == top:
                weakest = max(least, best[top - 1])
        degree[index], strength[index], rarefied_degree[index] = edges, meetings, even + odd


class Rows(NamedTuple):
    """Rows of the graph, by chosen token.

    `degree` int64: number of neighbours. `strength` int64: sum of common documents over neighbours. `rarefied` float64:
    number of neighbours expected in `sample_size` random documents of the token. `slots` int64: number of other
    distinct tokens, summed over the token's documents. `neighbours` (rows, top) int32: the strongest, else -1.
    """

    degree: np.ndarray
    strength: np.ndarray
    rarefied_degree: np.ndarray
    slots: np.ndarray
    neighbours: np.ndarray


def rows(documents: Documents, tokens: np.ndarray, least: int, sample_size: int, top: int, threads: int = 1) -> Rows:
    """Count rows of the graph.

    Args:
        documents: the documents.
        tokens: (rows,) int32 compact numbers of the tokens whose rows are wanted.
        least: number of common documents that make an edge.
        sample_size: number of documents of the rarefied degree.
        top: number of neighbours stored.
        threads: number of threads; each needs 200 kB to some MB for its accumulator.
    """
    size = len(documents.ids)
    offsets, inverse = postings(documents.starts, documents.tokens, size)
    frequency = np.diff(offsets)
    kind = np.uint16 if frequency.max(initial=0) < 2**16 else np.uint32
    n = len(tokens)
    degree, strength, slots = np.zeros((3, n), np.int64)
    out = Rows(degree, strength, np.zeros(n), slots, np.full((n, top), -1, np.int32))

    def block(part: np.ndarray) -> None:
        begin, end = int(part[0]), int(part[-1]) + 1
        views = tuple(column[begin:end] for column in out)
        scratch = np.zeros(size, kind)
        _rows(
            tokens[begin:end], offsets, inverse, documents.starts, documents.tokens, scratch, least, sample_size, views
        )

    parts = [p for p in np.array_split(np.arange(n), max(1, min(n // 256, 64))) if len(p)]
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        list(pool.map(block, parts))
    return out
