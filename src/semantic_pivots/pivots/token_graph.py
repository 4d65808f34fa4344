"""Rows of the token co-occurrence graph: two tokens are neighbours when a document holds both (METHOD §6).

The V x V matrix never exists. Of documents in memory one row is counted at a time. Of a corpus that is read shard by
shard, a block of rows of bounded size is: a row is V counters, or the list of the tokens of its documents where that is
shorter.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numba
import numpy as np

from semantic_pivots.counting.unit_counts import add_units, count_units, list_counted

_TABLE = 1 << 16
"""Common documents up to which the chance of a neighbour is tabulated; it is computed beyond, where few are."""


class Documents(NamedTuple):
    """The distinct tokens of n documents: document d holds tokens[starts[d]:starts[d + 1]].

    `starts` is (n + 1,) int64; `tokens` are unsigned numbers in order of frequency (`counting.unit_counts.renumber`).
    """

    starts: np.ndarray
    tokens: np.ndarray


class Rows(NamedTuple):
    """Rows of the graph, by chosen token.

    `degree` int64: number of neighbours. `strength` int64: sum of common documents over neighbours. `rarefied_degree`
    float64: number of neighbours expected in `sample_size` random documents of the token. `neighbours` (rows, top)
    int32: the strongest, else -1.
    """

    degree: np.ndarray
    strength: np.ndarray
    rarefied_degree: np.ndarray
    neighbours: np.ndarray


class Block:
    """Some rows of the graph while they are counted.

    Args:
        members: (rows,) int32 tokens whose rows are counted.
        slots: (rows,) int64 number of other distinct tokens, summed over the documents of each.
        size: number of distinct tokens.
    """

    def __init__(self, members: np.ndarray, slots: np.ndarray, size: int):
        self.members, self.size = members, size
        self._room = np.concatenate([[0], np.cumsum(np.minimum(slots, size))]).astype(np.int64)
        self._cells, self._used = np.zeros(int(self._room[-1]), np.uint32), np.zeros(len(members), np.int64)

    def add(self, documents: Documents, offsets: np.ndarray, members_documents: np.ndarray) -> None:
        """Add documents; the last two arguments are those of each member (`postings`)."""
        of_block = self.members, self._room, self._cells, self._used
        _add(of_block, offsets, members_documents, documents.starts, documents.tokens, self.size)

    def rows(self, frequency: np.ndarray, least: int, sample_size: int, top: int) -> Rows:
        """The rows of all documents that were added; the counts are no longer there afterwards.

        Args:
            frequency: (rows,) int64 number of documents with each member.
            least: number of common documents that make an edge.
            sample_size: number of documents of the rarefied degree.
            top: number of neighbours stored.
        """
        out = empty_rows(len(self.members), top)
        _rows_of_block(self.members, self._room, self._cells, frequency, self.size, least, sample_size, out)
        return out


def blocks(slots: np.ndarray, size: int, numbers: int) -> Iterator[tuple[int, int]]:
    """Begin and end of the blocks of rows that need at most `numbers` numbers each, or hold one row.

    Args:
        slots: (rows,) as in `Block`.
        size: number of distinct tokens.
        numbers: the most of a block.
    """
    ends, begin = np.cumsum(np.minimum(slots, size)), 0
    while begin < len(slots):
        before = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + numbers, "right")))
        yield begin, end
        begin = end


def rows(
    documents: Documents, size: int, tokens: np.ndarray, least: int, sample_size: int, top: int, threads: int = 1
) -> Rows:
    """Count rows of the graph of documents in memory.

    Args:
        documents: the documents.
        size: number of distinct tokens.
        tokens: (rows,) int32 different tokens whose rows are counted.
        least: number of common documents that make an edge.
        sample_size: number of documents of the rarefied degree.
        top: number of neighbours stored.
        threads: number of threads.
    """
    offsets, members_documents = postings(documents.starts, documents.tokens, tokens, size)
    most = np.diff(offsets).max(initial=0)
    kind = np.uint16 if most < 2**16 else np.uint32
    out = empty_rows(len(tokens), top)

    def part(span: np.ndarray) -> None:
        begin, end = int(span[0]), int(span[-1]) + 1
        views, scratch = tuple(column[begin:end] for column in out), np.zeros(size, kind)
        of_members = tokens[begin:end], offsets[begin : end + 1], members_documents
        _rows_of_documents(of_members, documents.starts, documents.tokens, scratch, least, sample_size, views)

    spans = [span for span in np.array_split(np.arange(len(tokens)), max(1, min(len(tokens) // 256, 64))) if len(span)]
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        list(pool.map(part, spans))
    return out


def empty_rows(count: int, top: int) -> Rows:
    """Rows of tokens without any neighbour."""
    degree, strength = np.zeros((2, count), np.int64)
    return Rows(degree, strength, np.zeros(count), np.full((count, top), -1, np.int32))


def together(of_blocks: list[Rows]) -> Rows:
    """The rows of all blocks."""
    return Rows(*(np.concatenate(columns) for columns in zip(*of_blocks, strict=True)))


@numba.njit(cache=True, nogil=True)
def postings(starts, tokens, members, size):  # pragma: no cover - compiled
    """The documents with each member: (members + 1,) int64 offsets and int32 document numbers, ascending."""
    place, offsets = np.full(size, -1, np.int32), np.zeros(len(members) + 1, np.int64)
    for i in range(len(members)):
        place[members[i]] = i
    for token in tokens:
        if place[token] >= 0:
            offsets[place[token] + 1] += 1
    for i in range(len(members)):
        offsets[i + 1] += offsets[i]
    ends, documents = offsets[:-1].copy(), np.empty(offsets[-1], np.int32)
    for document in range(len(starts) - 1):
        for i in range(starts[document], starts[document + 1]):
            member = place[tokens[i]]
            if member >= 0:
                documents[ends[member]] = document
                ends[member] += 1
    return offsets, documents


@numba.njit(cache=True, nogil=True)
def _add(of_block, offsets, documents, starts, tokens, size):  # pragma: no cover - compiled
    members, room, cells, used = of_block
    for member in range(len(members)):
        own_documents = documents[offsets[member] : offsets[member + 1]]
        if room[member + 1] - room[member] == size:
            add_units(own_documents, starts, tokens, cells[room[member] : room[member + 1]])
            continue
        at = room[member] + used[member]
        for document in own_documents:
            for i in range(starts[document], starts[document + 1]):
                if tokens[i] != members[member] and at < room[member + 1]:
                    cells[at] = tokens[i]
                    at += 1
        used[member] = at - room[member]


@numba.njit(cache=True, nogil=True)
def _rows_of_documents(
    of_members, starts, tokens, row, least, sample_size, out
):  # pragma: no cover - compiled; one row at a time, whose counters stay in the cache
    members, offsets, documents = of_members
    co_tokens, best = np.empty(len(row), np.uint32), np.zeros(out[3].shape[1], np.int64)
    for index in range(len(members)):
        own_documents = documents[offsets[index] : offsets[index + 1]]
        count = count_units(own_documents, starts, tokens, row, co_tokens)
        row[members[index]] = 0
        _row(index, row, co_tokens, count, len(own_documents), least, sample_size, best, out)


@numba.njit(cache=True, nogil=True)
def _rows_of_block(members, room, cells, frequency, size, least, sample_size, out):  # pragma: no cover - compiled
    best = np.zeros(out[3].shape[1], np.int64)
    of_list, co_tokens, one = np.zeros(size, np.uint32), np.empty(size, np.uint32), np.zeros(1, np.int64)
    for index in range(len(members)):
        row, count = of_list, 0
        if room[index + 1] - room[index] == size:
            row = cells[room[index] : room[index + 1]]
            row[members[index]] = 0
            count = list_counted(row, co_tokens)
        else:
            one[0] = index
            count = count_units(one, room, cells, row, co_tokens)
        _row(index, row, co_tokens, count, frequency[index], least, sample_size, best, out)


@numba.njit(cache=True, nogil=True)
def _row(index, row, co_tokens, count, frequency, least, sample_size, best, out):  # pragma: no cover - compiled
    """One row of `out` from its counts, which are zero afterwards; `co_tokens` has those above zero."""
    degree, strength, rarefied_degree, neighbours = out
    top, least = neighbours.shape[1], max(least, 1)
    ascending = True  # sums and ties must not depend on how a row was counted
    for k in range(1, count):
        if co_tokens[k] < co_tokens[k - 1]:
            ascending = False
            break
    if not ascending and 32 * count < len(row):
        co_tokens[:count].sort()
    elif not ascending:
        count = list_counted(row, co_tokens)
    presence = _presence(min(frequency, _TABLE), frequency, sample_size, least)
    even = odd = 0.0  # two sums: each add waits for the one before it
    for k in range(0, count - 1, 2):
        even += _chance_of(row[co_tokens[k]], presence, frequency, sample_size, least)
        odd += _chance_of(row[co_tokens[k + 1]], presence, frequency, sample_size, least)
    if count % 2:
        even += _chance_of(row[co_tokens[count - 1]], presence, frequency, sample_size, least)
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


@numba.njit(cache=True, nogil=True)
def _chance_of(common, presence, frequency, sample_size, least):  # pragma: no cover - compiled
    if common < len(presence):
        return presence[common]
    return _chance(common, frequency, sample_size) if common >= least else 0.0


@numba.njit(cache=True, nogil=True)
def _presence(most, frequency, sample_size, least):  # pragma: no cover - compiled
    """(most + 1,) chances that a neighbour met in c of a token's documents is among m of them, 0 below `least`.

    Hurlbert's rarefaction: 1 - C(D - c, m) / C(D, m), with D the frequency and m the size of the sample.
    """
    presence = np.zeros(most + 1, dtype=np.float64)
    absent = 1.0
    for c in range(1, most + 1):
        rest = frequency - c + 1
        absent = absent * (rest - sample_size) / rest if rest > sample_size else 0.0
        if c >= least:
            presence[c] = 1.0 - absent
    return presence


@numba.njit(cache=True, nogil=True)
def _chance(common, frequency, sample_size):  # pragma: no cover - compiled
    """The same of one number of common documents."""
    absent = 1.0
    for i in range(min(sample_size, frequency)):
        absent *= max(frequency - i - common, 0) / (frequency - i)
    return 1.0 - absent
