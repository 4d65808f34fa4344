"""Which token sequences share which beginnings: the plan by which a prefix is computed once for all that continue it.

Two levels only, prefix and row: few-shot prompts of one draw share everything up to the question's word, and a deeper
trie saves little more for a word of one or two tokens. Inside a group, a sequence that is the beginning of another is
read off the same row. No tensors here: the plan can be tested, and costed, without a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Row:
    """Tokens fed after a group's prefix, and the requests whose answers are read off them."""

    tokens: list[int]
    requests: list[int] = field(default_factory=list)


@dataclass
class Group:
    """Rows that continue one prefix."""

    prefix: list[int]
    rows: list[Row]


def plan(sequences: Sequence[list[int]], starts: Sequence[int]) -> list[Group]:
    """Group sequences by shared prefix so that few tokens are fed in all.

    Args:
        sequences: token ids of prompt + answer; the last one is never fed.
        starts: index of each answer's first token, at least 1. The token before it is always in the row, because the
            answer's first log-probability is read there.

    Returns:
        Groups in lexicographic order; every request is in exactly one row.
    """
    fed = [ids[:-1] for ids in sequences]
    order = sorted(range(len(fed)), key=fed.__getitem__)
    groups: list[Group] = []
    members: list[int] = []
    shared = 0
    for index in order:
        limit = starts[index] - 1
        if members:
            common = min(shared, limit, _common(fed[members[-1]], fed[index]))
            # joining shortens the prefix of all members; standing alone feeds the common part once more
            if common > 0 and len(members) * (shared - common) < common:
                members.append(index)
                shared = common
                continue
            groups.append(_group(members, shared, fed))
        members, shared = [index], limit
    if members:
        groups.append(_group(members, shared, fed))
    return groups


def fed_tokens(groups: Sequence[Group]) -> int:
    """Tokens a plan feeds, padding aside."""
    return sum(len(group.prefix) + sum(len(row.tokens) for row in group.rows) for group in groups)


def _group(members: list[int], shared: int, fed: list[list[int]]) -> Group:
    rows: list[Row] = []
    # in lexicographic order a beginning of a row comes directly before it (or before other beginnings of it)
    for index in reversed(members):
        tokens = fed[index][shared:]
        if rows and rows[-1].tokens[: len(tokens)] == tokens:
            rows[-1].requests.append(index)
        else:
            rows.append(Row(tokens, [index]))
    rows.reverse()
    return Group(fed[members[0]][:shared], rows)


def _common(first: list[int], second: list[int]) -> int:
    """Length of the common beginning; by bisection, because comparing slices is far faster than a loop."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
