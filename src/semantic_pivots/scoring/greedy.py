"""Greedy continuations of many prompts that share beginnings, all prompts of a tree in one row.

The prompts of a tree are continued together: each step computes one new token for each prompt, after the keys of the
tree, and a mask states which keys belong to which prompt. The keys of shared tokens are stored once per tree instead of
once per prompt, and prompts of different lengths need no padding before the new tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from semantic_pivots.models.cache_rows import share_rows
from semantic_pivots.models.network import Network
from semantic_pivots.scoring.trees import Tree, tensors

if TYPE_CHECKING:
    from transformers.cache_utils import DynamicCache


def continue_trees(
    network: Network,
    batch: Sequence[Tree],
    prefix: DynamicCache,
    owners: torch.Tensor,
    best: Callable[[torch.Tensor], torch.Tensor],
    is_end: Callable[[list[int]], bool],
    max_new_tokens: int,
) -> dict[int, list[int]]:
    """The most probable tokens after each request of the trees.

    Args:
        network: the model.
        batch: trees after prefixes of one length; the last position read for a request is its prompt's last token.
        prefix: cache of the prefixes.
        owners: (trees,) row of the cache that each tree continues.
        best: returns the (n,) most probable tokens for (n, width) hidden states.
        is_end: whether tokens end a continuation.
        max_new_tokens: largest number of tokens in a continuation.
    """
    ids, mask, positions = tensors(batch, network.dtype, network.device)
    cache = share_rows(prefix, owners)
    hidden = network.hidden(ids, cache, mask, positions)
    lines = _Lines(batch, ids.shape[1])
    states = hidden[torch.from_numpy(lines.tree).to(hidden.device), torch.from_numpy(lines.node).to(hidden.device)]
    del hidden, mask
    for step in range(max_new_tokens):
        lines.write(best(states).tolist(), is_end)
        if not len(lines.alive) or step == max_new_tokens - 1:
            break
        trees, slots, inputs = lines.slots()
        cache = share_rows(cache, torch.from_numpy(trees).to(network.device))
        ids, mask, positions = (torch.from_numpy(part).to(network.device) for part in inputs)
        bias = torch.zeros(mask.shape, dtype=network.dtype, device=network.device)
        bias.masked_fill_(mask, torch.finfo(network.dtype).min)
        hidden = network.hidden(ids, cache, bias, positions)
        states = hidden.flatten(0, 1)[torch.from_numpy(slots).to(network.device)]
    return {request: lines.written[line] for line, requests in enumerate(lines.requests) for request in requests}


class _Lines:
    """Prompts that are being continued: their positions in the trees, the keys they attend to, the new tokens."""

    def __init__(self, batch: Sequence[Tree], width: int):
        places: dict[tuple[int, int], list[int]] = {}
        for number, tree in enumerate(batch):
            for request, reads in tree.reads.items():
                places.setdefault((number, reads[-1]), []).append(request)
        self.requests = list(places.values())
        self.tree, self.node = (np.array(column) for column in zip(*places, strict=True))
        self.written: list[list[int]] = [[] for _ in places]
        self.alive = np.arange(len(places))
        """lines that have not ended"""
        self._trees = np.arange(len(batch))
        """trees whose keys are held"""
        self._positions = np.array([batch[n].before + batch[n].depths[node] for n, node in places])
        ends = np.zeros((len(batch), width), np.int64)
        for number, tree in enumerate(batch):
            ends[number, : len(tree.ends)] = tree.ends
        ancestors = (np.arange(width) <= self.node[:, None]) & (self.node[:, None] < ends[self.tree])
        self._seen = np.concatenate([np.ones((len(places), batch[0].before), bool), ancestors], axis=1)
        """(lines, keys) whether each sees each key of its tree"""

    def write(self, tokens: list[int], is_end: Callable[[list[int]], bool]) -> None:
        """Append the next token to each unfinished line."""
        alive = []
        for line, token in zip(self.alive.tolist(), tokens, strict=True):
            self.written[line].append(token)
            if not is_end(self.written[line]):
                alive.append(line)
        self.alive = np.array(alive, np.int64)

    def slots(self) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """The last token of each unfinished line, in one row for each tree.

        Returns:
            The rows of the cache to continue, the index of each line in the flattened (trees, slots), and the inputs:
            (trees, slots) ids, (trees, 1, slots, keys) mask, true where attention is not allowed, and (trees, slots)
            positions.
        """
        trees, rows = np.unique(self.tree[self.alive], return_inverse=True)
        counts = np.bincount(rows)
        columns = np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]  # lines are in the order of their trees
        keys, width = self._seen.shape[1], int(counts.max())
        self._positions[self.alive] += 1
        ids, positions = (np.zeros((len(trees), width), np.int64) for _ in range(2))
        ids[rows, columns] = [self.written[line][-1] for line in self.alive.tolist()]
        positions[rows, columns] = self._positions[self.alive]
        new = np.zeros((len(self._seen), width), bool)
        new[self.alive, columns] = True
        self._seen = np.concatenate([self._seen, new], axis=1)
        unseen = np.ones((len(trees), 1, width, keys + width), bool)
        unseen[:, 0, np.arange(width), keys + np.arange(width)] = False  # padding sees itself
        unseen[rows, 0, columns] = ~self._seen[self.alive]
        rows_of_cache = np.searchsorted(self._trees, trees)
        self._trees = trees
        return rows_of_cache, rows * width + columns, (ids, unseen, positions)
