"""Greedy continuations of many prompts that share beginnings, all prompts of a tree in one row.

The prompts of a tree are continued together: each step computes one new token for each prompt, after the keys of the
tree, and a mask states which keys belong to which prompt. The keys of shared tokens are stored once per tree instead of
once per prompt, and prompts of different lengths need no padding before the new tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from semantic_pivots.models.cache_rows import copy_rows, share_rows
from semantic_pivots.models.network import Network, padded_ids
from semantic_pivots.scoring.prefixes import Group
from semantic_pivots.scoring.trees import Tree, tensors

if TYPE_CHECKING:
    from transformers.cache_utils import DynamicCache


@dataclass(frozen=True)
class Search:
    """How a continuation is chosen and where it ends."""

    best: Callable[[torch.Tensor], torch.Tensor]
    """the (n,) most probable tokens for (n, width) hidden states"""
    is_end: Callable[[list[int]], bool]
    """whether tokens end a continuation"""
    max_new_tokens: int
    """largest number of tokens in a continuation"""


def continue_trees(
    network: Network, batch: Sequence[Tree], prefix: DynamicCache, owners: torch.Tensor, search: Search
) -> dict[int, list[int]]:
    """The most probable tokens after each request of the trees.

    Args:
        network: the model.
        batch: trees after prefixes of one length; the last position read for a request is its prompt's last token.
        prefix: cache of the prefixes.
        owners: (trees,) row of the cache that each tree continues.
        search: how tokens are chosen.
    """
    ids, mask, positions = tensors(batch, network.dtype, network.device)
    cache = share_rows(prefix, owners)
    outputs = network.hidden_states(ids, cache, mask, positions)
    lines = _Lines(batch, ids.shape[1])
    states = outputs[torch.from_numpy(lines.tree).to(outputs.device), torch.from_numpy(lines.node).to(outputs.device)]
    del outputs, mask
    for step in range(search.max_new_tokens):
        lines.write(search.best(states).tolist(), search.is_end)
        if not len(lines.alive) or step == search.max_new_tokens - 1:
            break
        trees, slots, inputs = lines.slots()
        cache = share_rows(cache, torch.from_numpy(trees).to(network.device))
        ids, mask, positions = (torch.from_numpy(part).to(network.device) for part in inputs)
        bias = torch.zeros(mask.shape, dtype=network.dtype, device=network.device)
        bias.masked_fill_(mask, torch.finfo(network.dtype).min)
        hidden_states = network.hidden_states(ids, cache, bias, positions)
        states = hidden_states.flatten(0, 1)[torch.from_numpy(slots).to(network.device)]
    return {request: lines.continuations[line] for line, requests in enumerate(lines.requests) for request in requests}


def continue_rows(
    network: Network, pack: list[Group], cache: DynamicCache | None, owners: torch.Tensor, search: Search
) -> list[list[int]]:
    """The greedy tokens after each row of one pack, whose prefixes `cache` holds; `owners` as in `continue_trees`."""
    device = network.device
    prefix = len(pack[0].prefix)
    rows = [row.tokens for group in pack for row in group.rows]
    lengths = torch.tensor([len(row) for row in rows], device=device)
    has_prefix = cache is not None
    cache = copy_rows(cache, owners) if has_prefix else network.new_cache()
    hidden_states = (network.following if has_prefix else network.hidden_states)(padded_ids(rows, device), cache)
    states = hidden_states[torch.arange(len(rows), device=device), lengths - 1]
    width = int(lengths.max())
    mask = None
    if int(lengths.min()) < width:
        attention = (torch.arange(width, device=device)[None] < lengths[:, None]).long()
        mask = torch.cat([attention.new_ones(len(rows), prefix), attention], dim=1)
    answers: list[list[int]] = [[] for _ in rows]
    alive = list(range(len(rows)))
    for step in range(search.max_new_tokens):
        tokens = search.best(states)
        open_slots = []
        for slot, (row, token) in enumerate(zip(alive, tokens.tolist(), strict=True)):
            answers[row].append(token)
            if not search.is_end(answers[row]):
                open_slots.append(slot)
        if not open_slots or step == search.max_new_tokens - 1:
            break
        rows_alive = torch.tensor(open_slots, device=device)
        if len(open_slots) < len(alive):
            cache = copy_rows(cache, rows_alive)
            alive = [alive[slot] for slot in open_slots]
        positions = None
        if mask is not None:
            mask = torch.cat([mask[rows_alive], mask.new_ones(len(open_slots), 1)], dim=1)
            positions = mask.sum(1, keepdim=True) - 1
        states = network.hidden_states(tokens[rows_alive][:, None], cache, mask, positions)[:, -1]
    return answers


def continue_without_cache(network: Network, pack: list[Group], search: Search) -> list[list[int]]:
    """The greedy tokens after each row of one pack, each by a forward pass of all before it."""
    rows = [row.tokens for group in pack for row in group.rows]
    answers: list[list[int]] = [[] for _ in rows]
    alive = list(range(len(rows)))
    for _ in range(search.max_new_tokens):
        sequences = [rows[row] + answers[row] for row in alive]
        ends = torch.tensor([len(ids) - 1 for ids in sequences], device=network.device)
        hidden_states = network.hidden_states(padded_ids(sequences, network.device))
        states = hidden_states[torch.arange(len(sequences), device=ends.device), ends]
        for row, token in zip(alive, search.best(states).tolist(), strict=True):
            answers[row].append(token)
        alive = [row for row in alive if not search.is_end(answers[row])]
        if not alive:
            break
    return answers


class _Lines:
    """Prompts that are being continued: their positions in the trees, the keys they attend to, the new tokens."""

    def __init__(self, batch: Sequence[Tree], width: int):
        places: dict[tuple[int, int], list[int]] = {}
        for number, tree in enumerate(batch):
            for request, reads in tree.reads.items():
                places.setdefault((number, reads[-1]), []).append(request)
        self.requests = list(places.values())
        self.tree, self.node = (np.array(column) for column in zip(*places, strict=True))
        self.continuations: list[list[int]] = [[] for _ in places]
        self.alive = np.arange(len(places))
        """lines that have not ended"""
        self._trees = np.arange(len(batch))
        """trees whose keys are held"""
        self._positions = np.array([batch[n].offset + batch[n].depths[node] for n, node in places])
        ends = np.zeros((len(batch), width), np.int64)
        for number, tree in enumerate(batch):
            ends[number, : len(tree.ends)] = tree.ends
        ancestors = (np.arange(width) <= self.node[:, None]) & (self.node[:, None] < ends[self.tree])
        self._attention = np.concatenate([np.ones((len(places), batch[0].offset), bool), ancestors], axis=1)
        """(lines, keys) whether each sees each key of its tree"""

    def write(self, tokens: list[int], is_end: Callable[[list[int]], bool]) -> None:
        """Append the next token to each unfinished line."""
        alive = []
        for line, token in zip(self.alive.tolist(), tokens, strict=True):
            self.continuations[line].append(token)
            if not is_end(self.continuations[line]):
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
        keys, width = self._attention.shape[1], int(counts.max())
        self._positions[self.alive] += 1
        ids, positions = (np.zeros((len(trees), width), np.int64) for _ in range(2))
        ids[rows, columns] = [self.continuations[line][-1] for line in self.alive.tolist()]
        positions[rows, columns] = self._positions[self.alive]
        new = np.zeros((len(self._attention), width), bool)
        new[self.alive, columns] = True
        self._attention = np.concatenate([self._attention, new], axis=1)
        unseen = np.ones((len(trees), 1, width, keys + width), bool)
        unseen[:, 0, np.arange(width), keys + np.arange(width)] = False  # padding sees itself
        unseen[rows, 0, columns] = ~self._attention[self.alive]
        rows_of_cache = np.searchsorted(self._trees, trees)
        self._trees = trees
        return rows_of_cache, rows * width + columns, (ids, unseen, positions)
