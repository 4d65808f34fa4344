"""The best documents that fill token budgets, out of any number of documents, in constant memory.

Documents belong to groups, and each group has a budget. In a group, documents are sorted by score, the largest first;
ties are broken by a hash of the document's id, then by place. In this order every document is taken that fits into the
rest of the budget (`fill`). Documents are on disk in blocks (`Documents`), and every step is a map over blocks and a
sum:

- The document at which the budget is exceeded is searched as in the selection algorithm of Floyd and Rivest. A sample
  gives a range of scores in which it probably lies. One pass sums the tokens above and inside the range and collects
  the documents inside. The sums show whether it lies there; if not, the search goes on beside the range. If the
  documents inside are many, a sample of them gives a narrower range; if they are few, they are sorted. Where too many
  documents have one score, their hashes are searched in the same way.
- Of later documents, smaller ones may still fit. Among documents of one length, those that fit come first in the order,
  since one that does not fit leaves no room for a later one. At most remainder / length documents of each length are
  therefore read.

The result is the same, to the document, as that of sorting all documents, whatever the samples are, and usually takes
two passes over the scores and one over the lengths. The hashes are computed of those documents alone whose scores tie;
of all of them where a tie is too large to be sorted.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from semantic_pivots.selection.document_columns import CHOSEN, FREE, Block, Documents, gather
from semantic_pivots.selection.document_order import NO_HASH, NO_ROWS, Limits, Ranges, Rows, rows_at, rows_of, shorten

_FEW = 1 << 18
"""Documents that are rather sorted than counted again."""
_RUN = 1 << 10
"""Neighbours that the first sample holds at each of its places, and documents that it needs of a group."""
_MARGIN = 3.0
"""Standard errors between the estimate of a sample and the ends of the range that it gives."""
_MANY = 1 << 10
"""New candidates behind a boundary before those are dropped that cannot fit."""
_LENGTHS = 1 << 14
"""Longer documents are so rare that all of them are looked at behind the boundary."""


@dataclass(frozen=True)
class Budgets:
    """Groups to fill: the group of each cell, int32, -1 for none, and the tokens of each group, int64."""

    group_of: np.ndarray
    tokens: np.ndarray
    needs_score: bool = False
    """take documents with a score alone, none at -inf"""

    def groups(self, block: Block) -> np.ndarray:
        """The group, int64, that each document of a block may be taken for, or -1."""
        group = gather(self.group_of.astype(np.int64), block.cell.astype(np.int64))
        is_barred = (block.state != FREE) | (block.n_tokens <= 0)
        if block.n_tokens.max(initial=0) > self.tokens.min():
            is_barred |= block.n_tokens > self.tokens[group]
        if self.needs_score:
            is_barred |= block.score == -np.inf
        group[is_barred] = -1
        return group

    def only(self, groups: Iterable[int]) -> Budgets:
        """The budgets of some of the groups."""
        group_of = np.where(np.isin(self.group_of, list(groups)), self.group_of, -1)
        return Budgets(group_of.astype(np.int32), self.tokens, self.needs_score)


class Totals(NamedTuple):
    """Tokens and documents taken of each cell, int64, and the number of documents at -inf."""

    tokens: np.ndarray
    documents: np.ndarray
    without_score: int


class _Sums(NamedTuple):
    """Of a group: tokens above its range, tokens and documents inside."""

    above_range: int
    in_range: int
    documents: int


class _Fill:
    """One filling of groups: the range of each group's boundary, and the documents taken beside those above it."""

    def __init__(self, documents: Documents, budgets: Budgets, few: int = _FEW):
        n = len(budgets.tokens)
        self.documents, self.budgets, self.few = documents, budgets, few
        self.ranges, self.rest = Ranges(documents, n), budgets.tokens.copy()
        self.choices: dict[int, np.ndarray] = {}
        self._certain = [(np.inf, -np.inf)] * n
        self._search()
        self.extra = self._behind()

    def _search(self) -> None:
        """Find the range in which each group's budget is exceeded, and choose among its documents."""
        open_groups = set(np.flatnonzero(self.rest > 0).tolist())
        if self.documents.size > self.few:
            self._guess(open_groups)
        while open_groups:
            sums, rows = self._sums(open_groups)
            for group in list(open_groups):
                if self._is_settled(group, sums[group], rows.take(rows.group == group)):
                    open_groups.remove(group)

    def _guess(self, groups: set[int]) -> None:
        """Set ranges by a sample: runs of neighbours at equal distances."""
        size, budgets = self.documents.size, self.budgets.only(groups)
        runs = min(size // 64, self.few // 2) // _RUN
        blocks = [self.documents.block(run * (size // runs), _RUN) for run in range(runs)]
        rows = rows_of([NO_ROWS, *(rows_at(block, budgets.groups(block), np.arange(block.size)) for block in blocks)])
        for group in groups:
            group_rows = rows.take(rows.group == group)
            if len(group_rows.place) >= _RUN:
                tokens = group_rows.n_tokens.sum() * (size / (runs * _RUN))
                self._narrow(group, group_rows, min(float(self.rest[group] / tokens), 1.0))

    def _sums(self, groups: set[int]) -> tuple[list[_Sums], Rows]:
        """The sums of each group, and the documents inside: all of a group where they are few, else a sample."""
        budgets, n = self.budgets.only(groups), len(self.rest)

        def task(blocks: Iterator[Block]) -> tuple[np.ndarray, Rows]:
            sums, parts, length, stride = np.zeros((3, n), np.int64), [NO_ROWS], 0, 1
            for block in blocks:
                group = budgets.groups(block)
                above_range, in_range = map(np.flatnonzero, self.ranges.split(block, group))
                sums[0] += np.bincount(group[above_range], block.n_tokens[above_range], n).astype(np.int64)
                sums[1] += np.bincount(group[in_range], block.n_tokens[in_range], n).astype(np.int64)
                sums[2] += np.bincount(group[in_range], minlength=n)
                parts.append(rows_at(block, group, in_range[::stride]))
                length += len(parts[-1].place)
                while length > self.few:
                    parts, stride = [rows_of(parts).take(slice(None, None, 2))], 2 * stride
                    length = len(parts[0].place)
            return sums, rows_of(parts)

        parts = self.documents.map(task)
        sums = np.sum([sums for sums, _ in parts], axis=0).T.tolist()
        return [_Sums(*row) for row in sums], rows_of([rows for _, rows in parts])

    def _is_settled(self, group: int, sums: _Sums, rows: Rows) -> bool:
        """Choose a group's documents, or change its range; whether they are chosen."""
        budget, (most, least), (upper, lower) = int(self.rest[group]), self.ranges.of(group), self._certain[group]
        if sums.above_range > budget:
            lower = float(np.nextafter(most, np.inf))
        elif sums.above_range + sums.in_range > budget:
            upper, lower = most, least
        elif least == -np.inf:  # all fit
            self.rest[group] -= sums.above_range + sums.in_range
            self.ranges.put(group, np.nan, np.nan)
            return True
        else:
            upper = float(np.nextafter(least, -np.inf))
        self._certain[group] = upper, lower
        self.ranges.put(group, upper, lower)
        if (upper, lower) != (most, least) or not len(rows.place):
            return False
        if sums.documents == len(rows.place):
            self.rest[group] -= sums.above_range
            self._settle(group, rows)
            return True
        if most == least:
            self.documents.store_hashes()
            self.ranges.word[group] += 1
            self._certain[group] = self.ranges.of(group)
        self._narrow(group, rows, (budget - sums.above_range) / sums.in_range)
        return False

    def _narrow(self, group: int, rows: Rows, share: float) -> None:
        """Set a group's range to where a share of the sample's tokens ends; to one value where it would stay."""
        word = int(self.ranges.word[group])
        values = self.ranges.values(word, rows.place) if word else -rows.high
        order = np.argsort(-values)
        values, tokens = values[order], rows.n_tokens[order].astype(np.float64)
        ends = np.cumsum(tokens)
        spread, end = _MARGIN * np.sqrt(share * (tokens**2).sum()), share * ends[-1]
        first, middle, last = np.searchsorted(ends, [end - spread, end, end + spread]).tolist()
        most, least = self.ranges.of(group)
        upper = most if end <= spread else float(values[first])
        lower = least if last == len(ends) else float(values[last])
        if (upper, lower) == (most, least):
            upper = lower = float(values[min(middle, len(ends) - 1)])
        self.ranges.put(group, upper, lower)

    def _settle(self, group: int, rows: Rows) -> None:
        """Choose in order, of all documents inside a group's range, each that fits; hashes order those of one score."""
        rows = rows.in_order()
        ends = np.cumsum(rows.n_tokens)
        crossing = int(np.searchsorted(ends, self.rest[group], "right"))
        first, end = (int(np.searchsorted(rows.high, rows.high[crossing], side)) for side in ("left", "right"))
        self.rest[group] -= ends[first - 1] if first else 0
        ties = rows.take(slice(first, end))
        ties = self._with_hashes(ties.take(ties.n_tokens <= self.rest[group])).in_order()
        ends = np.cumsum(ties.n_tokens)
        crossing = int(np.searchsorted(ends, self.rest[group], "right"))
        self.rest[group] -= ends[crossing - 1] if crossing else 0
        later = rows_of([ties.take(slice(crossing, None)), rows.take(slice(end, None))])
        later = self._fitting(later.take(later.n_tokens <= self.rest[group]))
        self.choices[group] = np.concatenate([rows.place[:first], ties.place[:crossing], later.place])

    def _behind(self) -> Rows:
        """The documents behind the ranges that are taken: each, in order, that fits."""
        budget = np.where(np.isnan(self.ranges.most[0, :-1]), 0, self.rest)

        def task(blocks: Iterator[Block]) -> Rows:
            limits = Limits.none(len(budget), min(int(budget.max(initial=0)) + 1, _LENGTHS))
            parts, length = [NO_ROWS], 0
            for block in blocks if budget.any() else ():
                candidates = self._candidates(block, budget, limits)
                parts += [candidates] * bool(len(candidates.place))
                if sum(len(part.place) for part in parts) >= 2 * length + _MANY:
                    parts = [shorten(rows_of(parts), budget, limits)]
                    length = len(parts[0].place)
                if length > self.few:
                    parts = [shorten(self._with_hashes(parts[0]), budget, limits)]
                    length = len(parts[0].place)
            return rows_of(parts)

        return self._fitting(rows_of(self.documents.map(task)))

    def _fitting(self, rows: Rows) -> Rows:
        """Of rows behind the boundaries each, in order, that fits into what is left."""
        rows, choices = rows.in_order(rows.group), []
        keys = zip(rows.group.tolist(), rows.high.tolist(), rows.n_tokens.tolist(), range(len(rows.place)), strict=True)
        for (group, _), ties in itertools.groupby(keys, lambda key: key[:2]):
            fitting = [row for *_, tokens, row in ties if tokens <= self.rest[group]]
            if len(fitting) > 1 and (rows.low[fitting] == NO_HASH).any():
                places = np.sort(rows.place[fitting])
                hashes = dict(zip(places.tolist(), self.documents.hashes(places).tolist(), strict=True))
                fitting.sort(key=lambda row: (hashes[int(rows.place[row])], rows.place[row]))
            for row in fitting:
                if rows.n_tokens[row] <= self.rest[group]:
                    self.rest[group] -= rows.n_tokens[row]
                    choices.append(row)
        return rows.take(np.array(choices, np.int64))

    def _candidates(self, block: Block, budget: np.ndarray, limits: Limits) -> Rows:
        """The documents of a block behind the ranges that may fit into what is left."""
        if not ((block.n_tokens > 0) & (block.n_tokens <= budget.max())).any():
            return NO_ROWS
        group = self.budgets.groups(block)
        above_range, in_range = self.ranges.split(block, group)
        fits = (group >= 0) & ~above_range & ~in_range & (block.n_tokens <= budget[group])
        rows = rows_at(block, group, np.flatnonzero(fits))
        high, low = limits.of(rows)
        is_before, equal = rows.high < high, np.flatnonzero(rows.high == high)
        is_before[equal] = low[equal] == NO_HASH
        equal = equal[~is_before[equal]]
        is_before[equal] = self.documents.hashes(rows.place[equal]) <= low[equal]
        return rows.take(is_before)

    def _with_hashes(self, rows: Rows) -> Rows:
        """Rows in the order of their places, with their hashes."""
        rows = rows.take(np.argsort(rows.place))
        return rows._replace(low=self.documents.hashes(rows.place))

    def mark(self, state: int) -> Totals:
        """Write the state of the taken documents."""
        extra, cells = np.sort(np.concatenate([self.extra.place, *self.choices.values()])), len(self.budgets.group_of)

        def task(blocks: Iterator[Block]) -> tuple[np.ndarray, int]:
            by_cell, n_unscored = np.zeros((2, cells), np.int64), 0
            for block in blocks:
                above_range, _ = self.ranges.split(block, self.budgets.groups(block))
                ends = np.searchsorted(extra, [block.begin, block.begin + block.size])
                places = np.concatenate([np.flatnonzero(above_range), extra[slice(*ends)] - block.begin])
                block.state[places] = state
                self.documents.put("state", block.begin, block.state)
                cell = block.cell[places]
                by_cell[0] += np.bincount(cell, block.n_tokens[places], cells).astype(np.int64)
                by_cell[1] += np.bincount(cell, minlength=cells)
                n_unscored += int((block.score[places] == -np.inf).sum())
            return by_cell, n_unscored

        parts = self.documents.map(task)
        tokens, documents = np.sum([by_cell for by_cell, _ in parts], axis=0)
        return Totals(tokens, documents, sum(n_unscored for _, n_unscored in parts))


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
    total_fill = _Fill(documents, budgets, few)
    tokens, rest = budgets.tokens.copy(), total
    for group, tokens_of_group in enumerate((budgets.tokens - total_fill.rest).tolist()):
        tokens[group] = min(rest, tokens[group])
        if tokens_of_group > tokens[group]:  # a smaller budget takes the same as long as that fits into it
            alone = np.where(budgets.group_of == group, 0, -1).astype(np.int32)
            part = _Fill(documents, Budgets(alone, tokens[group : group + 1], budgets.needs_score), few)
            tokens_of_group = int(tokens[group] - part.rest[0])
            _replace(total_fill, group, part)
        rest -= tokens_of_group
    return total_fill.mark(state)


def _replace(total_fill: _Fill, group: int, part: _Fill) -> None:
    total_fill.budgets.tokens[group] = part.budgets.tokens[0]
    total_fill.ranges.copy(group, part.ranges)
    total_fill.choices[group] = part.choices.get(0, part.extra.place[:0])
    extra = part.extra._replace(group=np.full_like(part.extra.group, group))
    total_fill.extra = rows_of([total_fill.extra.take(total_fill.extra.group != group), extra])
