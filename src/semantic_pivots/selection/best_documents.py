"""The best documents that fill token budgets, out of any number of documents, in constant memory.

Documents belong to groups, and each group has a budget. In a group, documents are sorted by score, the largest first;
ties are broken by a hash of the document's id, then by place. In this order every document is taken that fits into the
rest of the budget (`fill`). Documents are on disk in blocks (`Documents`), and every step is a map over blocks and a
sum:

- A radix selection finds the document at which the budget is exceeded: the tokens are summed for each value of the next
  bits of the sort key, and the value at which the sum exceeds the budget is kept. Only the few documents that still tie
  with it are sorted.
- Of later documents, smaller ones may still fit. Among documents of one length, those that fit come first in the order,
  since one that does not fit leaves no room for a later one. At most remainder / length documents of each length are
  therefore read.

The result is the same, to the document, as that of sorting all documents, and takes a few passes over the scores. The
hashes are computed of those documents alone whose scores tie; of all of them where a tie is too large to be sorted.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from semantic_pivots.counting.strings import shuffle

BLOCK = 1 << 15
"""Documents that a thread holds at once: their columns stay in the processor's cache."""
_HASHED = 1 << 17
"""Documents that are hashed at once."""
_FEW = 1 << 16
"""Documents that are rather sorted than counted again."""
_MANY = 1 << 10
"""New candidates behind a boundary before those are dropped that cannot fit."""
_LENGTHS = 1 << 14
"""Longer documents are so rare that all of them are looked at behind the boundary."""
_SIGN = np.uint64(1 << 63)
_ALL = np.uint64(2**64 - 1)
FREE, CHOSEN, FILLED = 0, 1, 2
"""States of a document: not taken, taken by its selector, taken at random beside those."""
BARRED = -1
"""Number of tokens of a document that may not be taken."""
Result = TypeVar("Result")


class Block(NamedTuple):
    """Columns of documents from place `begin` on: score float64, tokens int32, cell uint16, state uint8."""

    begin: int
    score: np.ndarray
    n_tokens: np.ndarray
    cell: np.ndarray
    state: np.ndarray


_TYPES = {"score": np.float64, "n_tokens": np.int32, "cell": np.uint16, "state": np.uint8, "hashes": np.uint64}


class Documents:
    """Columns of documents on disk, a file each; a cell is what decides a document's group.

    Args:
        folder: is made; files of an earlier run in it are removed.
        hashes_at: the hashes, uint64, of the documents at some places, ascending.
        threads: number of threads in a pass over the documents.
    """

    def __init__(self, folder: Path, hashes_at: Callable[[np.ndarray], np.ndarray], threads: int = 1):
        folder.mkdir(parents=True, exist_ok=True)
        self._paths = {name: folder / name for name in _TYPES}
        for name in _TYPES:
            self.clear(name)
        self.threads, self.size, self._hashes_at = threads, 0, hashes_at

    def clear(self, name: str) -> None:
        """Empty a column, which is filled again."""
        self._paths[name].write_bytes(b"")

    def append(self, **columns: np.ndarray) -> None:
        """Add the next documents' values to columns."""
        for name, values in columns.items():
            with self._paths[name].open("ab") as stream:
                np.ascontiguousarray(values, _TYPES[name]).tofile(stream)
        if "n_tokens" in columns:
            self.size += len(columns["n_tokens"])

    def column(self, name: str, begin: int, count: int) -> np.ndarray:
        """Values of documents from a place on."""
        kind = np.dtype(_TYPES[name])
        return np.fromfile(self._paths[name], kind, count, offset=begin * kind.itemsize)

    def put(self, name: str, begin: int, values: np.ndarray) -> None:
        """Write values of documents from a place on."""
        with self._paths[name].open("r+b") as stream:
            stream.seek(begin * values.itemsize)
            values.tofile(stream)

    @property
    def is_hashed(self) -> bool:
        """Whether the hashes of all documents are stored."""
        return os.path.getsize(self._paths["hashes"]) > 0

    def store_hashes(self) -> None:
        """Compute the hashes of all documents, once."""
        if not self.is_hashed:
            for begin in range(0, self.size, _HASHED):
                self.append(hashes=self._hashes_at(np.arange(begin, min(begin + _HASHED, self.size))))

    def hashes(self, places: np.ndarray) -> np.ndarray:
        """The hashes, uint64, of the documents at some places, ascending."""
        if not len(places):
            return np.zeros(0, np.uint64)
        if self.is_hashed:
            return np.memmap(self._paths["hashes"], np.uint64, "r")[places]
        return self._hashes_at(places)

    @property
    def states(self) -> Path:
        """The file of the documents' states."""
        return self._paths["state"]

    def release(self, name: str) -> None:
        """Make all documents free, in a new file of states."""
        self._paths["state"] = self.states.with_name(name)
        self.clear("state")
        os.truncate(self.states, self.size)  # zeros, which take no place on the disk

    def block(self, begin: int) -> Block:
        """The block that begins at a place."""
        return Block(begin, *(self.column(name, begin, min(BLOCK, self.size - begin)) for name in Block._fields[1:]))

    def map(self, task: Callable[[Iterator[Block]], Result]) -> list[Result]:
        """A task's results, of each thread's blocks in their order."""
        begins = range(0, self.size, BLOCK)
        if self.threads == 1:
            return [task(map(self.block, begins))]
        shares = [begins[k :: self.threads] for k in range(self.threads)]
        with ThreadPoolExecutor(self.threads) as threads:
            return list(threads.map(lambda share: task(map(self.block, share)), shares))


@dataclass(frozen=True)
class Budgets:
    """Groups to fill: the group of each cell, int32, -1 for none, and the tokens of each group, int64."""

    group_of: np.ndarray
    tokens: np.ndarray
    scored: bool = False
    """take documents with a score alone, none at -inf"""

    def groups(self, block: Block) -> np.ndarray:
        """The group, int32, that each document of a block may be taken for, or -1."""
        group = self.group_of[block.cell]
        is_barred = (block.state != FREE) | (block.n_tokens <= 0)
        if block.n_tokens.max(initial=0) > self.tokens.min():
            is_barred |= block.n_tokens > self.tokens[group]
        if self.scored:
            is_barred |= block.score == -np.inf
        group[is_barred] = -1
        return group

    def only(self, groups: Sequence[int]) -> Budgets:
        """The budgets of some of the groups."""
        group_of = np.where(np.isin(self.group_of, list(groups)), self.group_of, -1)
        return Budgets(group_of.astype(np.int32), self.tokens, self.scored)


class Totals(NamedTuple):
    """Tokens and documents taken of each cell, int64, and the number of documents at -inf."""

    tokens: np.ndarray
    documents: np.ndarray
    unscored: int


def _keys(scores: np.ndarray) -> np.ndarray:
    """Ascending uint64 keys of descending scores."""
    bits = (scores + 0.0).view(np.uint64)  # there is one zero
    return np.where(bits >= _SIGN, bits, ~(bits | _SIGN))


def _scores(keys: np.ndarray) -> np.ndarray:
    """The scores of keys, NaN of those that no score has."""
    return np.where(keys >= _SIGN, keys, ~(keys | _SIGN)).view(np.float64)


class _Rows(NamedTuple):
    """Documents to be sorted: group, tokens, key of the score, place, and the hash where it has been looked up."""

    group: np.ndarray
    n_tokens: np.ndarray
    high: np.ndarray
    low: np.ndarray
    place: np.ndarray

    def take(self, which: np.ndarray) -> _Rows:
        return _Rows(*(column[which] for column in self))

    def ordered(self, *keys: np.ndarray) -> _Rows:
        """The rows sorted by `keys`, then in the order of the documents."""
        return self.take(np.lexsort((self.place, self.low, self.high, *keys)))


_NO_ROWS = _Rows(*(np.zeros(0, kind) for kind in (np.int32, np.int64, np.uint64, np.uint64, np.int64)))


def _rows(parts: Sequence[_Rows]) -> _Rows:
    return _Rows(*map(np.concatenate, zip(*parts, strict=True)))


class _Fill:
    """One filling of groups: the boundary of each, and the documents behind it that still fit."""

    def __init__(self, documents: Documents, budgets: Budgets, few: int = _FEW):
        n = len(budgets.tokens)
        self.documents, self.budgets, self.few = documents, budgets, few
        self.bounds, self.places = np.full((n, 2), _ALL), np.full(n, 2**62)
        self.rest = budgets.tokens.copy()
        self._prefix, self._fixed = np.zeros((n, 2), np.uint64), np.zeros((n, 2), np.uint64)
        self._ties: set[int] = set()
        self.taken_ties: dict[int, np.ndarray] = {}
        self._find_boundaries()
        self._settle_ties()
        self.extra = self._behind()

    def _find_boundaries(self) -> None:
        """Fix the bits of each group's boundary until few documents tie."""
        width = min(16, max(8, 20 - int(np.ceil(np.log2(max(len(self.rest), 1))))))
        steps = [(word, max(top - width, 0), min(width, top)) for word in (0, 1) for top in range(64, 0, -width)]
        at = dict.fromkeys(np.flatnonzero(self.rest > 0).tolist(), 0)
        while at:
            counters = self._count_digits([steps[at.get(g, 0)] for g in range(len(self.rest))], list(at))
            for group in list(at):
                tokens, documents = counters[:, group]
                if not at[group] and tokens.sum() <= self.rest[group]:  # all fit: the boundary stays behind the last
                    self.rest[group] -= tokens.sum()
                    del at[group]
                    continue
                value = int(np.searchsorted(np.cumsum(tokens), self.rest[group]))
                self.rest[group] -= tokens[:value].sum()
                self._fix(group, steps[at[group]], value)
                at[group] += 1
                if documents[value] <= self.few or at[group] == len(steps):
                    self._ties.add(group)
                    del at[group]

    def _count_digits(self, digits: list, groups: list[int]) -> np.ndarray:
        """(2, groups, values) int64 tokens and documents by group and value of its digit."""
        words, shifts, widths = np.array(digits, np.uint64).T
        size, budgets = 1 << int(widths.max()), self.budgets.only(groups)
        if words.any():
            self.documents.store_hashes()

        def task(blocks: Iterator[Block]) -> np.ndarray:
            counters = np.zeros((2, len(digits) * size), np.int64)
            for block in blocks:
                rows = self._tied(block, budgets)
                word = rows.high
                if words.any():
                    word = np.where(words[rows.group], self.documents.hashes(rows.place), word)
                values = (word >> shifts[rows.group]) & ((np.uint64(1) << widths) - np.uint64(1))[rows.group]
                cells = rows.group * np.int64(size) + values.astype(np.int64)
                np.add.at(counters[0], cells, rows.n_tokens.astype(np.int64))
                np.add.at(counters[1], cells, 1)
            return counters

        return np.sum(self.documents.map(task), axis=0).reshape(2, len(digits), size)

    def _fix(self, group: int, step: tuple[int, int, int], value: int) -> None:
        word, shift, width = step
        self._prefix[group, word] |= np.uint64(value << shift)
        self._fixed[group, word] |= np.uint64(((1 << width) - 1) << shift)

    def _tied(self, block: Block, budgets: Budgets) -> _Rows:
        """The documents of a block that have their group's prefix."""
        group = budgets.groups(block)
        is_tied = group >= 0
        if self._fixed[:, 0].any():
            first, last = self._prefix[:, 0], self._prefix[:, 0] | ~self._fixed[:, 0]
            most, least = _scores(first), _scores(last)
            most[np.isnan(most)], least[np.isnan(least)] = np.inf, -np.inf
            is_tied &= (block.score >= least[group]) & (block.score <= most[group])
        rows = _rows_at(block, group, np.flatnonzero(is_tied))
        if self._fixed[:, 1].any():
            low = self.documents.hashes(rows.place)
            differs = (low ^ self._prefix[:, 1][rows.group]) & self._fixed[:, 1][rows.group]
            rows = rows.take(np.flatnonzero(differs == 0))
        return rows

    def _settle_ties(self) -> None:
        """Sort the documents that tie with a boundary; of one key throughout, their places decide."""
        if not self._ties:
            return
        equal = [g for g in self._ties if (self._fixed[g] == _ALL).all()]
        several = self._ties - set(equal)
        budgets = self.budgets.only(sorted(several))

        def task(blocks: Iterator[Block]) -> _Rows:
            return _rows([_NO_ROWS, *(self._tied(block, budgets) for block in blocks)])

        ties = _rows(self.documents.map(task)) if several else _NO_ROWS
        for group in several:
            self._settle(group, ties.take(ties.group == group))
        for group in equal:
            for begin in range(0, self.documents.size, BLOCK):
                rows = self._tied(self.documents.block(begin), self.budgets.only([group]))
                if rows.n_tokens.sum() >= self.rest[group]:
                    self._settle(group, rows)
                    break
                self.rest[group] -= rows.n_tokens.sum()

    def _settle(self, group: int, rows: _Rows) -> None:
        """Put the boundary at the first of the rows that does not fit; hashes order those of its score."""
        rows = rows.ordered()
        crossing = int(np.searchsorted(np.cumsum(rows.n_tokens), self.rest[group], "right"))
        high = rows.high[min(crossing, len(rows.place) - 1)]
        self.rest[group] -= rows.n_tokens[rows.high < high].sum()
        rows = self._with_hashes(rows.take(rows.high == high)).ordered()
        ends = np.cumsum(rows.n_tokens)
        crossing = int(np.searchsorted(ends, self.rest[group], "right"))
        self.rest[group] -= ends[crossing - 1] if crossing else 0
        last = min(crossing, len(rows.place) - 1)
        self.bounds[group] = rows.high[last], rows.low[last]
        self.places[group] = rows.place[last] + (crossing > last)
        self.taken_ties[group] = rows.place[:crossing]

    def _is_early(self, place: np.ndarray, group: np.ndarray) -> np.ndarray:
        """Whether documents with the score of their group's boundary, by place, stand before it."""
        if not self.documents.is_hashed:
            return np.isin(place, np.concatenate([place[:0], *self.taken_ties.values()]))
        hashes, low = self.documents.hashes(place), self.bounds[:, 1][group]
        return (hashes < low) | ((hashes == low) & (place < self.places[group]))

    def _behind(self) -> _Rows:
        """The documents behind the boundaries that are taken: each, in order, that fits."""
        budget = np.where((self.bounds == _ALL).all(axis=1), 0, self.rest)

        def task(blocks: Iterator[Block]) -> _Rows:
            limits = np.full((len(budget), min(int(budget.max(initial=0)) + 1, _LENGTHS), 2), _ALL)
            parts, length = [_NO_ROWS], 0
            for block in blocks if budget.any() else ():
                parts.append(self._candidates(block, budget, limits))
                if sum(len(part.place) for part in parts) >= 2 * length + _MANY:
                    parts = [_shorten(_rows(parts), budget, limits)]
                    length = len(parts[0].place)
                if length > self.few:
                    parts = [_shorten(self._with_hashes(parts[0]), budget, limits)]
                    length = len(parts[0].place)
            return _rows(parts)

        return self._fitting(_rows(self.documents.map(task)))

    def _fitting(self, rows: _Rows) -> _Rows:
        """Of rows behind the boundaries each, in order, that fits into what is left."""
        rows, chosen = rows.ordered(rows.group), []
        keys = zip(rows.group.tolist(), rows.high.tolist(), rows.n_tokens.tolist(), range(len(rows.place)), strict=True)
        for (group, _), ties in itertools.groupby(keys, lambda key: key[:2]):
            fitting = [row for *_, tokens, row in ties if tokens <= self.rest[group]]
            if len(fitting) > 1:
                places = np.sort(rows.place[fitting])
                hashes = dict(zip(places.tolist(), self.documents.hashes(places).tolist(), strict=True))
                fitting.sort(key=lambda row: (hashes[int(rows.place[row])], row))
            for row in fitting:
                if rows.n_tokens[row] <= self.rest[group]:
                    self.rest[group] -= rows.n_tokens[row]
                    chosen.append(row)
        return rows.take(np.array(chosen, np.int64))

    def _candidates(self, block: Block, budget: np.ndarray, limits: np.ndarray) -> _Rows:
        """The documents of a block behind the boundary that may fit into what is left."""
        short = np.flatnonzero(block.n_tokens <= budget.max())
        block = Block(block.begin, *(column[short] for column in block[1:]))
        group = self.budgets.groups(block)
        rows = _rows_at(block, group, np.flatnonzero((group >= 0) & (block.n_tokens <= budget[group])), short)
        limit = limits[rows.group, np.minimum(rows.n_tokens, limits.shape[1] - 1)]
        limit[rows.n_tokens >= limits.shape[1]] = _ALL
        is_inside = rows.high <= limit[:, 0]
        equal = np.flatnonzero((rows.high == limit[:, 0]) & (limit[:, 1] != _ALL))
        is_inside[equal] = self.documents.hashes(rows.place[equal]) <= limit[equal, 1]
        rows = rows.take(is_inside)
        bound = self.bounds[:, 0][rows.group]
        is_behind, equal = rows.high > bound, np.flatnonzero(rows.high == bound)
        is_behind[equal] = ~self._is_early(rows.place[equal], rows.group[equal])
        return rows.take(is_behind)

    def _with_hashes(self, rows: _Rows) -> _Rows:
        """Rows in the order of their places, with their hashes."""
        rows = rows.take(np.argsort(rows.place))
        return rows._replace(low=self.documents.hashes(rows.place))

    def mark(self, state: int) -> Totals:
        """Write the state of the taken documents."""
        extra, cells = np.sort(self.extra.place), len(self.budgets.group_of)
        bounds = _scores(self.bounds[:, 0])  # NaN where all documents fit: no score is behind it

        def task(blocks: Iterator[Block]) -> tuple[np.ndarray, int]:
            by_cell, unscored = np.zeros((2, cells), np.int64), 0
            for block in blocks:
                group = self.budgets.groups(block)
                own_bounds = bounds[group]
                is_before = (group >= 0) & ~(block.score <= own_bounds)
                equal = np.flatnonzero((group >= 0) & (block.score == own_bounds))
                is_before[equal] = self._is_early(block.begin + equal, group[equal])
                ends = np.searchsorted(extra, [block.begin, block.begin + len(block.score)])
                places = np.concatenate([np.flatnonzero(is_before), extra[slice(*ends)] - block.begin])
                block.state[places] = state
                self.documents.put("state", block.begin, block.state)
                cell = block.cell[places]
                by_cell[0] += np.bincount(cell, block.n_tokens[places], cells).astype(np.int64)
                by_cell[1] += np.bincount(cell, minlength=cells)
                unscored += int((block.score[places] == -np.inf).sum())
            return by_cell, unscored

        parts = self.documents.map(task)
        tokens, documents = np.sum([by_cell for by_cell, _ in parts], axis=0)
        return Totals(tokens, documents, sum(unscored for _, unscored in parts))


def _rows_at(block: Block, group: np.ndarray, rows: np.ndarray, numbers: np.ndarray | None = None) -> _Rows:
    """Rows of a block, of which each has a number behind the block's begin, without hashes."""
    place = block.begin + (rows if numbers is None else numbers[rows])
    return _Rows(group[rows], block.n_tokens[rows], _keys(block.score[rows]), np.full(len(rows), _ALL), place)


def _shorten(rows: _Rows, budget: np.ndarray, limits: np.ndarray) -> _Rows:
    """Of each group and length the first remainder / length documents; where there are so many, they set a limit.

    Documents without a hash stand behind those of their score; those that tie with the last document stay.
    """
    rows = rows.ordered(rows.n_tokens, rows.group)
    is_first = (np.diff(rows.group, prepend=-1) != 0) | (np.diff(rows.n_tokens, prepend=-1) != 0)
    first, number = np.flatnonzero(is_first), np.cumsum(is_first) - 1
    last = first + budget[rows.group[first]] // rows.n_tokens[first] - 1
    is_full = last < np.append(first[1:], len(rows.place))
    high = np.where(is_full, rows.high[np.where(is_full, last, first)], _ALL)
    for i in last[is_full]:
        if rows.n_tokens[i] < limits.shape[1]:
            limits[rows.group[i], rows.n_tokens[i]] = rows.high[i], rows.low[i]
    stays = np.arange(len(rows.place)) <= last[number]
    return rows.take(stays | ((rows.low == _ALL) & (rows.high == high[number])))


def fill(documents: Documents, budgets: Budgets, total: int, state: int = CHOSEN, few: int = _FEW) -> Totals:
    """In each group, take in order every free document that fits into the rest of the group's budget.

    Args:
        documents: the documents; only those that are free and have tokens can be taken.
        budgets: the groups and their budgets.
        total: budget of all groups together; if it is smaller than their sum, the last groups get less.
        state: the state that taken documents get.
        few: number of documents that are sorted in memory.
    """
    if total <= 0 or not budgets.tokens.any():
        zeros = np.zeros(len(budgets.group_of), np.int64)
        return Totals(zeros, zeros, 0)
    whole = _Fill(documents, budgets, few)
    tokens, rest = budgets.tokens.copy(), total
    for group, tokens_taken in enumerate((budgets.tokens - whole.rest).tolist()):
        tokens[group] = min(rest, tokens[group])
        if tokens_taken > tokens[group]:  # a smaller budget takes the same as long as that fits into it
            alone = np.where(budgets.group_of == group, 0, -1).astype(np.int32)
            part = _Fill(documents, Budgets(alone, tokens[group : group + 1], budgets.scored), few)
            tokens_taken = int(tokens[group] - part.rest[0])
            _replace(whole, group, part)
        rest -= tokens_taken
    return whole.mark(state)


def _replace(whole: _Fill, group: int, part: _Fill) -> None:
    whole.budgets.tokens[group] = part.budgets.tokens[0]
    whole.bounds[group], whole.places[group] = part.bounds[0], part.places[0]
    whole.taken_ties[group] = part.taken_ties.get(0, part.places[:0])
    extra = part.extra._replace(group=np.full_like(part.extra.group, group))
    whole.extra = _rows([whole.extra.take(whole.extra.group != group), extra])


def gumbel(score: np.ndarray, hashes: np.ndarray, scale: float, seed: int) -> np.ndarray:
    """Scores with Gumbel noise; the k largest of them are a sample of k documents without replacement (Gumbel top-k).

    The probability of a draw is proportional to exp(score / scale). With a scale of 0 all documents have the same
    probability. The noise depends on the seed and the document's hash only.
    """
    uniform = ((shuffle(hashes, seed) >> np.uint64(11)) + 0.5) / 2.0**53
    logits = score / scale if scale else np.where(np.isfinite(score), 0.0, -np.inf)
    return logits - np.log(-np.log(uniform))
