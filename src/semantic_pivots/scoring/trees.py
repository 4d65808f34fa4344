"""Token sequences as trees, each token once, so that one row of one forward pass answers many requests.

The tokens of a tree are in depth-first order: the tokens that continue a token follow it directly. The mask lets each
token attend to itself and to its ancestors, which are the earlier tokens whose branch has not ended. Compared with rows
and branches in separate passes (`prefixes.branch_rows`), only the ends of trees are padded, and the model's weights are
read once for prefix, prompts and answers. The model must accept positions and such a mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from semantic_pivots.scoring.prefixes import Group, Row, common_length


@dataclass
class Tree:
    """Tokens fed as one row, after `offset` tokens that a cache holds."""

    offset: int = 0
    tokens: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    """how many tokens of its own branch lie before each token, those of the cache left out"""
    ends: list[int] = field(default_factory=list)
    """index behind the last token that continues each token"""
    reads: dict[int, list[int]] = field(default_factory=dict)
    """by request, the tokens after which its answer's tokens are predicted"""


def tree_of(group: Group, sequences: Sequence[list[int]], starts: Sequence[int]) -> Tree:
    """The rows of a group as one tree.

    Args:
        group: a group from `prefixes.plan`, with rows in lexicographic order; its prefix is not in the tree.
        sequences: token ids of prompt + answer of each request.
        starts: index of each answer's first token.
    """
    offset = len(group.prefix)
    tree = Tree(offset)
    path: list[int] = []
    previous: list[int] = []
    for row in group.rows:
        _grow(tree, path, common_length(previous, row.tokens), row.tokens)
        previous = row.tokens
        for request in row.requests:
            tree.reads[request] = path[starts[request] - 1 - offset : len(sequences[request]) - 1 - offset]
    return tree


def tree_tokens(rows: Sequence[Row]) -> int:
    """Number of tokens in the tree of rows that are in lexicographic order."""
    total = 0
    previous: list[int] = []
    for row in rows:
        total += len(row.tokens) - common_length(previous, row.tokens)
        previous = row.tokens
    return total


def without_prefix(group: Group) -> Group:
    """The same group with its prefix moved into the rows; their tree then shares it."""
    return Group([], [Row(group.prefix + row.tokens, row.requests) for row in group.rows])


def cut(group: Group, capacity: int) -> list[Group]:
    """Split a group into groups with trees of similar size, each at most `capacity` tokens plus one row."""
    total = tree_tokens(group.rows)
    parts = [Group(group.prefix, []) for _ in range(-(-total // capacity))]
    size = 0
    for row, previous in zip(group.rows, [[], *(row.tokens for row in group.rows)], strict=False):
        parts[size * len(parts) // total].rows.append(row)
        size += len(row.tokens) - common_length(previous, row.tokens)
    return [part for part in parts if part.rows]


def _grow(tree: Tree, path: list[int], common: int, tokens: list[int]) -> None:
    """Add a sequence whose first `common` tokens are there; `path` holds the places of the one before, then its own."""
    del path[common:]
    for depth in range(common, len(tokens)):
        path.append(len(tree.tokens))
        tree.tokens.append(tokens[depth])
        tree.depths.append(depth)
        tree.ends.append(0)
    for place in path:
        tree.ends[place] = len(tree.tokens)


def tensors(
    batch: Sequence[Tree], dtype: torch.dtype, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The inputs of a decoder for trees after prefixes of the same length.

    Returns:
        (trees, longest) token ids, (trees, 1, longest, before + longest) mask that is added to attention scores, and
        (trees, longest) positions. Padding follows a tree and attends to itself only.
    """
    longest, offset = max(len(tree.tokens) for tree in batch), batch[0].offset
    rows = []
    for tree in batch:
        size, n_padding = len(tree.tokens), longest - len(tree.tokens)
        padding = range(size + 1, longest + 1)
        rows.append([tree.tokens + tree.tokens[-1:] * n_padding, tree.depths + [0] * n_padding, [*tree.ends, *padding]])
    ids, depths, ends = torch.tensor(rows, device=device).unbind(1)
    places = torch.arange(longest, device=device)
    unseen = (places > places[:, None]) | (places[:, None] >= ends[:, None, :])
    mask = torch.zeros((len(batch), 1, longest, offset + longest), dtype=dtype, device=device)
    mask[:, 0, :, offset:].masked_fill_(unseen, torch.finfo(dtype).min)
    return ids, mask, depths + offset
