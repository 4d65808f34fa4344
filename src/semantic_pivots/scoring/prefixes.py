"""Shared prefixes of token sequences: a plan by which each prefix is computed once for all sequences that continue it.

There are three levels. Few-shot prompts with the same draw share everything before the question's word (prefix). Items
with the same source share the rest of the prompt (row). Only the answers' tokens differ (branches, or those of a tree,
see `trees`). Rows without branches contain prompt and answer together, which is cheaper if few answers share a prompt.
In a group, a sequence that is the beginning of another shares its row. The plan has no tensors, so it can be tested,
and its cost computed, without a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Row:
    """Tokens after a group's prefix, the requests whose answers they contain or precede, and the answers after them."""

    tokens: list[int]
    requests: list[int] = field(default_factory=list)
    branches: list[Row] = field(default_factory=list)


@dataclass
class Group:
    """Rows that continue one prefix."""

    prefix: list[int]
    rows: list[Row]


def plan(sequences: Sequence[list[int]], starts: Sequence[int]) -> list[Group]:
    """Group sequences by shared prefix so that few tokens are computed in total.

    Args:
        sequences: token ids of prompt + answer; the last id of each is never an input.
        starts: index of each answer's first token, at least 1. The token before it is always in the row, because the
            answer's first log-probability is read there.

    Returns:
        Groups in lexicographic order; every request is in exactly one row.
    """
    inputs = [ids[:-1] for ids in sequences]
    order = sorted(range(len(inputs)), key=inputs.__getitem__)
    groups: list[Group] = []
    members: list[int] = []
    length = 0
    for index in order:
        limit = starts[index] - 1
        if members:
            common = min(length, limit, common_length(inputs[members[-1]], inputs[index]))
            # joining shortens the prefix of all members; standing alone feeds the common part once more
            if common > 0 and len(members) * (length - common) < common:
                members.append(index)
                length = common
                continue
            groups.append(_group(members, length, inputs))
        members, length = [index], limit
    if members:
        groups.append(_group(members, length, inputs))
    return groups


def branch_rows(group: Group, sequences: Sequence[list[int]], starts: Sequence[int]) -> Group:
    """The same requests with a row for every distinct prompt and a branch for every distinct answer after it.

    Args:
        group: a group of `plan`.
        sequences: as given to `plan`.
        starts: as given to `plan`.
    """
    prompts: dict[tuple[int, ...], list[int]] = {}
    for row in group.rows:
        for request in row.requests:
            prompts.setdefault(tuple(sequences[request][len(group.prefix) : starts[request]]), []).append(request)
    rows = []
    for tokens, requests in prompts.items():
        answers = sorted((sequences[r][starts[r] : -1], r) for r in requests if len(sequences[r]) > starts[r] + 1)
        rows.append(Row(list(tokens), requests, _rows(answers)))
    return Group(group.prefix, rows)


def fed_tokens(groups: Sequence[Group]) -> int:
    """Number of tokens that a plan computes, without padding."""
    rows = [row for group in groups for row in group.rows]
    branch_tokens = sum(len(branch.tokens) for row in rows for branch in row.branches)
    return sum(len(group.prefix) for group in groups) + sum(len(row.tokens) for row in rows) + branch_tokens


def _group(members: list[int], length: int, inputs: list[list[int]]) -> Group:
    return Group(inputs[members[0]][:length], _rows([(inputs[index][length:], index) for index in members]))


def _rows(members: list[tuple[list[int], int]]) -> list[Row]:
    """Rows of (tokens, request) in lexicographic order; a sequence that begins another shares the other's row."""
    rows: list[Row] = []
    # in lexicographic order a beginning of a row comes directly before it (or before other beginnings of it)
    for tokens, request in reversed(members):
        if rows and rows[-1].tokens[: len(tokens)] == tokens:
            rows[-1].requests.append(request)
        else:
            rows.append(Row(tokens, [request]))
    rows.reverse()
    return rows


def common_length(first: list[int], second: list[int]) -> int:
    """Length of the common beginning; by bisection, because comparing slices is far faster than a loop."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
