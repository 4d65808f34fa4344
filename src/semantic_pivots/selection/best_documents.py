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

The result is the same, to the document, as that of sorting all documents, and takes a few passes over the scores.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numba
import numpy as np

from semantic_pivots.counting.document_draws import shuffle

BLOCK = 1 << 19
"""Documents that a thread holds at once."""
_FEW = 1 << 16
"""Documents that are rather sorted than counted again."""
_COUNTERS = 1 << 20
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
    """Columns of documents from place `begin` on: score float64, hashes uint64, tokens and cell int32, state uint8."""

    begin: int
    score: np.ndarray
    hashes: np.ndarray
    n_tokens: np.ndarray
    cell: np.ndarray
    state: np.ndarray


_TYPES = {"score": np.float64, "hashes": np.uint64, "n_tokens": np.int32, "cell": np.int32, "state": np.uint8}


class Documents:
    """Columns of documents on disk, a file each; a cell is what decides a document's group.

    Args:
        folder: is made; files of an earlier run in it are removed.
        threads: number of threads in a pass over the documents.
    """

    def __init__(self, folder: Path, threads: int = 1):
        folder.mkdir(parents=True, exist_ok=True)
        self._paths = {name: folder / name for name in _TYPES}
        for name in _TYPES:
            self.clear(name)
        self.threads, self.size = threads, 0

    def clear(self, name: str) -> None:
        """Empty a column, which is filled again."""
        self._paths[name].write_bytes(b"")

    def append(self, **columns: np.ndarray) -> None:
        """Add the next documents' values to columns."""
        for name, values in columns.items():
            with self._paths[name].open("ab") as stream:
                np.ascontiguousarray(values, _TYPES[name]).tofile(stream)
        if "hashes" in columns:
            self.size += len(columns["hashes"])

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
        return Block(begin, *(self._map(name, begin, min(BLOCK, self.size - begin)) for name in Block._fields[1:]))

    def _map(self, name: str, begin: int, count: int) -> np.ndarray:
        """`column` without a copy: what is written to it stays with the caller."""
        kind = np.dtype(_TYPES[name])
        if os.path.getsize(self._paths[name]) < (begin + count) * kind.itemsize:  # scores that are not there yet
            return np.zeros(0, kind)
        return np.asarray(np.memmap(self._paths[name], kind, "c", begin * kind.itemsize, (count,)))

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


class Totals(NamedTuple):
    """Tokens and documents taken of each cell, int64, and the number of documents at -inf."""

    tokens: np.ndarray
    documents: np.ndarray
    unscored: int


@numba.njit(cache=True, nogil=True)
def _key(score):  # pragma: no cover - compiled; ascending keys are descending scores
    bits = np.float64(score + 0.0).view(np.uint64)  # there is one zero
    return bits if bits & _SIGN else ~(bits | _SIGN)


@numba.njit(cache=True, nogil=True)
def _group(score, n_tokens, cell, state, group_of, tokens, scored):  # pragma: no cover - compiled
    """The group that a document may be taken for, or -1; given its numbers: a block's arrays would be counted anew."""
    group = group_of[cell]
    if group < 0 or state != FREE or n_tokens <= 0 or n_tokens > tokens[group]:
        return -1
    return -1 if scored and score == -np.inf else group


@numba.njit(cache=True, nogil=True)
def _before(high, low, place, bounds, places, group):  # pragma: no cover - compiled
    if high != bounds[group, 0]:
        return high < bounds[group, 0]
    return low < bounds[group, 1] if low != bounds[group, 1] else place < places[group]


@numba.njit(cache=True, nogil=True)
def _count(block, group_of, tokens, scored, prefix, fixed, digits, counters):  # pragma: no cover - compiled
    """Add tokens and documents of each value of each group's digit."""
    _, score, hashes, n_tokens, cell, state = block
    for i in range(len(score)):
        group = _group(score[i], n_tokens[i], cell[i], state[i], group_of, tokens, scored)
        if group < 0:
            continue
        high, low = _key(score[i]), hashes[i]
        if ((high ^ prefix[group, 0]) & fixed[group, 0]) | ((low ^ prefix[group, 1]) & fixed[group, 1]):
            continue
        word = low if digits[group, 0] else high
        value = (word >> np.uint64(digits[group, 1])) & np.uint64((1 << digits[group, 2]) - 1)
        counters[group, value, 0] += n_tokens[i]
        counters[group, value, 1] += 1


@numba.njit(cache=True, nogil=True)
def _ties(block, group_of, tokens, scored, prefix, fixed):  # pragma: no cover - compiled
    """(tied,) numbers of the documents that have their group's prefix."""
    _, score, hashes, n_tokens, cell, state = block
    ties = np.empty(len(score), np.int64)
    n = 0
    for i in range(len(score)):
        group = _group(score[i], n_tokens[i], cell[i], state[i], group_of, tokens, scored)
        if group >= 0:
            differs = (_key(score[i]) ^ prefix[group, 0]) & fixed[group, 0]
            ties[n] = i
            n += (differs | ((hashes[i] ^ prefix[group, 1]) & fixed[group, 1])) == 0
    return ties[:n].copy()


@numba.njit(cache=True, nogil=True)
def _behind(block, group_of, tokens, scored, bounds, places, budget, limits):  # pragma: no cover - compiled
    """(candidates,) numbers of the documents behind the boundary that may fit into what is left."""
    begin, score, hashes, n_tokens, cell, state = block
    rows = np.empty(len(score), np.int64)
    n = 0
    for i in range(len(score)):
        group = _group(score[i], n_tokens[i], cell[i], state[i], group_of, tokens, scored)
        if group < 0 or n_tokens[i] > budget[group]:
            continue
        high, low = _key(score[i]), hashes[i]
        if _before(high, low, begin + i, bounds, places, group):
            continue
        if n_tokens[i] < limits.shape[1]:
            limit = limits[group, n_tokens[i]]
            if high > limit[0] or (high == limit[0] and low > limit[1]):
                continue
        rows[n] = i
        n += 1
    return rows[:n].copy()


@numba.njit(cache=True, nogil=True)
def _mark(block, group_of, tokens, scored, bounds, places, extra, new_state, by_cell):  # pragma: no cover - compiled
    """Give the documents before their boundary, and further ones, a state; returns those without a score."""
    begin, score, hashes, n_tokens, cell, state = block
    unscored, at = 0, 0
    for i in range(len(score)):
        group = _group(score[i], n_tokens[i], cell[i], state[i], group_of, tokens, scored)
        is_selected = group >= 0 and _before(_key(score[i]), hashes[i], begin + i, bounds, places, group)
        if at < len(extra) and extra[at] == begin + i:
            is_selected, at = True, at + 1
        if is_selected:
            state[i] = new_state
            by_cell[cell[i], 0] += n_tokens[i]
            by_cell[cell[i], 1] += 1
            unscored += score[i] == -np.inf
    return unscored


class _Rows(NamedTuple):
    """Documents to be sorted: group, tokens, key of the score, hash, place."""

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


@numba.njit(cache=True, nogil=True)
def _keys(scores):  # pragma: no cover - compiled
    keys = np.empty(len(scores), np.uint64)
    for i in range(len(scores)):
        keys[i] = _key(scores[i])
    return keys


def _rows_of(block: Block, numbers: np.ndarray, group_of: np.ndarray) -> _Rows:
    groups = group_of[block.cell[numbers]]
    tokens, low = block.n_tokens[numbers].astype(np.int64), block.hashes[numbers]
    return _Rows(groups, tokens, _keys(block.score[numbers]), low, block.begin + numbers)


class _Fill:
    """One filling of groups: the boundary of each, and the documents behind it that still fit."""

    def __init__(self, documents: Documents, budgets: Budgets, few: int = _FEW):
        n = len(budgets.tokens)
        self.documents, self.budgets, self.few = documents, budgets, few
        self.bounds, self.places = np.full((n, 2), _ALL), np.full(n, 2**62)
        self.rest = budgets.tokens.copy()
        self._prefix, self._fixed = np.zeros((n, 2), np.uint64), np.zeros((n, 2), np.uint64)
        self._ties: set[int] = set()
        self._find_boundaries()
        self._settle_ties()
        self.extra = self._behind()

    @property
    def _eligible(self) -> tuple[np.ndarray, np.ndarray, bool]:
        return self.budgets.group_of, self.budgets.tokens, self.budgets.scored

    def _only(self, groups: Sequence[int]) -> tuple[np.ndarray, np.ndarray, bool]:
        """What `_group` asks, of some of the groups."""
        inside = np.isin(self.budgets.group_of, list(groups))
        return np.where(inside, self.budgets.group_of, -1).astype(np.int32), *self._eligible[1:]

    def _find_boundaries(self) -> None:
        """Fix the bits of each group's boundary until few documents tie."""
        width = min(16, max(8, 20 - int(np.ceil(np.log2(max(len(self.rest), 1))))))
        steps = [(word, max(top - width, 0), min(width, top)) for word in (0, 1) for top in range(64, 0, -width)]
        at = dict.fromkeys(np.flatnonzero(self.rest > 0).tolist(), 0)
        while at:
            counters = self._count_digits([steps[at.get(g, 0)] for g in range(len(self.rest))], list(at))
            for group in list(at):
                tokens, documents = counters[group].T
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
        """(groups, values, 2) int64 tokens and documents by group and value of its digit."""
        shape = len(self.rest), 1 << max(width for _, _, width in digits), 2
        budgets, digit_array = self._only(groups), np.array(digits, np.int64)

        def task(blocks: Iterator[Block]) -> np.ndarray:
            counters = np.zeros(shape, np.int64)
            for block in blocks:
                _count(block, *budgets, self._prefix, self._fixed, digit_array, counters)
            return counters

        return np.sum(self.documents.map(task), axis=0)

    def _fix(self, group: int, step: tuple[int, int, int], value: int) -> None:
        word, shift, width = step
        self._prefix[group, word] |= np.uint64(value << shift)
        self._fixed[group, word] |= np.uint64(((1 << width) - 1) << shift)

    def _settle_ties(self) -> None:
        """Sort the documents that tie with a boundary; of one key throughout, their places decide."""
        if not self._ties:
            return
        equal = [g for g in self._ties if (self._fixed[g] == _ALL).all()]
        several = self._ties - set(equal)
        budgets = self._only(sorted(several))

        def task(blocks: Iterator[Block]) -> _Rows:
            parts = [_rows_of(b, _ties(b, *budgets, self._prefix, self._fixed), budgets[0]) for b in blocks]
            return _rows([_NO_ROWS, *parts])

        ties = _rows(self.documents.map(task)) if several else None
        for group in several:
            self._settle(group, ties.take(ties.group == group).ordered())  # type: ignore[union-attr]
        for group in equal:
            budgets = self._only([group])
            for begin in range(0, self.documents.size, BLOCK):
                block = self.documents.block(begin)
                rows = _rows_of(block, _ties(block, *budgets, self._prefix, self._fixed), budgets[0])
                if rows.n_tokens.sum() >= self.rest[group]:
                    self._settle(group, rows)
                    break
                self.rest[group] -= rows.n_tokens.sum()

    def _settle(self, group: int, rows: _Rows) -> None:
        """Put the boundary at the first of the rows that does not fit."""
        ends = np.cumsum(rows.n_tokens)
        crossing = int(np.searchsorted(ends, self.rest[group], "right"))
        self.rest[group] -= ends[crossing - 1] if crossing else 0
        last = min(crossing, len(rows.place) - 1)
        self.bounds[group] = rows.high[last], rows.low[last]
        self.places[group] = rows.place[last] + (crossing > last)

    def _behind(self) -> _Rows:
        """The documents behind the boundaries that are taken: each, in order, that fits."""
        budget = np.where((self.bounds == _ALL).all(axis=1), 0, self.rest)

        def task(blocks: Iterator[Block]) -> _Rows:
            limits = np.full((len(budget), min(int(budget.max(initial=0)) + 1, _LENGTHS), 2), _ALL)
            behind = _NO_ROWS
            for block in blocks if budget.any() else ():
                numbers = _behind(block, *self._eligible, self.bounds, self.places, budget, limits)
                if len(numbers):
                    behind = _shorten(_rows([behind, _rows_of(block, numbers, self.budgets.group_of)]), budget, limits)
            return behind

        rows = _rows(self.documents.map(task))
        rows = rows.ordered(rows.group)
        is_selected = np.zeros(len(rows.place), np.bool_)
        for i, (group, tokens) in enumerate(zip(rows.group.tolist(), rows.n_tokens.tolist(), strict=True)):
            if tokens <= self.rest[group]:
                self.rest[group] -= tokens
                is_selected[i] = True
        return rows.take(is_selected)

    def mark(self, state: int) -> Totals:
        """Write the state of the taken documents."""
        extra, cells = np.sort(self.extra.place), len(self.budgets.group_of)

        def task(blocks: Iterator[Block]) -> tuple[np.ndarray, int]:
            by_cell, unscored = np.zeros((cells, 2), np.int64), 0
            for block in blocks:
                low, high = np.searchsorted(extra, [block.begin, block.begin + len(block.score)])
                bounds = self.bounds, self.places, extra[low:high], state, by_cell
                unscored += _mark(block, *self._eligible, *bounds)
                self.documents.put("state", block.begin, block.state)
            return by_cell, unscored

        parts = self.documents.map(task)
        tokens, documents = np.sum([by_cell for by_cell, _ in parts], axis=0).T
        return Totals(tokens, documents, sum(unscored for _, unscored in parts))


def _shorten(rows: _Rows, budget: np.ndarray, limits: np.ndarray) -> _Rows:
    """Of each group and length the first remainder / length documents; where there are so many, they set a limit."""
    rows = rows.ordered(rows.n_tokens, rows.group)
    new = np.flatnonzero((np.diff(rows.group, prepend=-1) != 0) | (np.diff(rows.n_tokens, prepend=-1) != 0))
    rank = np.arange(len(rows.place)) - np.repeat(new, np.diff(np.append(new, len(rows.place))))
    fits = budget[rows.group] // rows.n_tokens
    for i in np.flatnonzero((rank == fits - 1) & (rows.n_tokens < limits.shape[1])):
        limits[rows.group[i], rows.n_tokens[i]] = rows.high[i], rows.low[i]
    return rows.take(rank < fits)


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
