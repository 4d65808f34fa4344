"""Packs: groups of requests that one forward pass computes, put together within its budget."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from semantic_pivots.scoring.pass_budget import PassBudget
from semantic_pivots.scoring.prefixes import Group
from semantic_pivots.scoring.trees import cut, tree_tokens, without_prefix

TREE_TOKENS = 256  # of one tree; attention over a mask grows with its square
WHOLE_TOKENS = 512  # up to which a group's prefix is part of its tree, and no cache is made


def row_packs(groups: list[Group], budget: PassBudget) -> Iterator[list[Group]]:
    """Groups of equal prefix length, put together up to the budget; a group that exceeds it is cut by rows."""
    pack: list[Group] = []
    # equal length spares a mask between prefix and row: batches need no padding in the middle
    for group in sorted(groups, key=lambda g: len(g.prefix)):
        if any(row.branches for row in group.rows):
            yield from _branch_packs(group, budget)
            continue
        if pack and (len(pack[0].prefix) != len(group.prefix) or not _fits([*pack, group], budget)):
            yield pack
            pack = []
        if _fits([group], budget):
            pack.append(group)
            continue
        rows = sorted(group.rows, key=lambda row: len(row.tokens))
        while rows:
            count = len(rows)
            while count > 1 and not _fits([Group(group.prefix, rows[:count])], budget):
                count = (count + 1) // 2
            yield [Group(group.prefix, rows[:count])]
            rows = rows[count:]
    if pack:
        yield pack


def _branch_packs(group: Group, budget: PassBudget) -> Iterator[list[Group]]:
    """A group with branches, in packs of rows of one length: no padding lies between a row and its branches."""
    for part in groups_by_length(group):
        rows = part.rows
        while rows:
            count = budget.most_rows(len(rows), len(group.prefix), len(rows[0].tokens), branches=True)
            yield [Group(group.prefix, rows[:count])]
            rows = rows[count:]


def _fits(pack: list[Group], budget: PassBudget) -> bool:
    rows = sum(len(group.rows) for group in pack)
    longest = max(len(row.tokens) for group in pack for row in group.rows)
    return budget.rows_fit(len(pack), rows, len(pack[0].prefix), longest)


def tree_packs(groups: list[Group], budget: PassBudget, whole_tokens: int = WHOLE_TOKENS) -> Iterator[list[Group]]:
    """Groups whose trees are fed together: those of one prefix, or whole ones of about equal size.

    A group of up to `whole_tokens` tokens is fed with its prefix as part of the tree, without a cache.
    """
    small: list[tuple[int, Group]] = []
    for group in groups:
        size = len(group.prefix) + tree_tokens(group.rows)
        if size <= min(whole_tokens, budget.tokens):
            small.append((size, without_prefix(group)))
            continue
        parts = [(tree_tokens(part.rows), part) for part in cut(group, min(TREE_TOKENS, budget.tokens))]
        yield from _tree_batches(parts, budget)
    yield from _tree_batches(sorted(small, key=lambda pair: pair[0]), budget)


def greedy_packs(groups: list[Group], budget: PassBudget) -> Iterator[list[Group]]:
    """Trees that are continued together: behind prefixes of one length, small enough that their keys are held."""
    for _, members in groupby(sorted(groups, key=lambda group: len(group.prefix)), lambda group: len(group.prefix)):
        parts = [part for group in members for part in cut(group, min(TREE_TOKENS, budget.tokens))]
        yield from _tree_batches([(tree_tokens(part.rows), part) for part in parts], budget, with_keys=True)


def _tree_batches(trees: list[tuple[int, Group]], budget: PassBudget, with_keys: bool = False) -> Iterator[list[Group]]:
    """(tokens of its tree, group) pairs with one length of prefix, put together up to the budget.

    Keys of all layers are held where the trees are continued.
    """
    pack: list[Group] = []
    longest = 0
    for size, group in trees:
        longest = max(longest, size)
        if pack and not budget.trees_fit(len(pack) + 1, longest, len(group.prefix), with_keys):
            yield pack
            pack, longest = [], size
        pack.append(group)
    if pack:
        yield pack


def groups_by_length(group: Group) -> list[Group]:
    """The group's rows as one group for each number of tokens, shortest first."""
    lengths = sorted({len(row.tokens) for row in group.rows})
    return [Group(group.prefix, [row for row in group.rows if len(row.tokens) == length]) for length in lengths]


def halves_of(pack: list[Group]) -> tuple[list[Group], list[Group]]:
    """Two packs of half the groups, or of half the rows of the only group."""
    if len(pack) > 1:
        return pack[: len(pack) // 2], pack[len(pack) // 2 :]
    group = pack[0]
    middle = len(group.rows) // 2
    return [Group(group.prefix, group.rows[:middle])], [Group(group.prefix, group.rows[middle:])]
