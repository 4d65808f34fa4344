"""The budget of one forward pass: tokens and bytes of memory, and what fits them."""

from __future__ import annotations

import torch

from semantic_pivots.models.device import free_memory
from semantic_pivots.models.network import Network

_HEAD_BYTES = 96_000_000
_CPU_BYTES = 256_000_000


class PassBudget:
    """Tokens and bytes that one forward pass of a model may take."""

    def __init__(self, network: Network, tokens: int, memory_bytes: int = 0):
        self.network = network
        self.tokens = tokens
        self.memory_bytes = memory_bytes or _free_bytes(network.device)

    def halve(self) -> None:
        """Half the tokens and half the bytes, after memory ran out."""
        self.tokens, self.memory_bytes = max(1, self.tokens // 2), max(1, self.memory_bytes // 2)

    def rows_fit(
        self, prefixes: int, rows: int, prefix: int, longest: int, branches: bool = False, extra: int = 0
    ) -> bool:
        """Whether rows after prefixes, of these lengths, fit; their keys and values are kept where branches follow."""
        network, item = self.network, self.network.dtype.itemsize
        tokens = max(prefixes * prefix, rows * longest)
        activations = tokens * (8 * network.width + 3 * network.inner) * item
        places = prefixes * prefix + rows * longest * branches
        keys = places * network.layers * network.key_heads * network.head_width * 2 * item
        # one layer's keys and values, joined, and repeated once more where heads share them
        scratch = 2 * rows * (prefix + longest) * (network.key_heads + network.heads) * network.head_width * item
        return tokens <= self.tokens and activations + keys + scratch + extra <= self.memory_bytes

    def trees_fit(self, count: int, longest: int, prefix: int, with_keys: bool) -> bool:
        """Whether trees of up to `longest` tokens fit; the keys of all layers too if `with_keys`."""
        mask = count * longest * (prefix + longest) * self.network.dtype.itemsize
        return self.rows_fit(count if with_keys else 1, count, prefix, longest, with_keys, mask)

    def most_rows(self, rows: int, prefix: int, longest: int, branches: bool = False) -> int:
        """The most of so many rows that fit one forward pass after one prefix, by halving; at least one."""
        while rows > 1 and not self.rows_fit(1, rows, prefix, longest, branches):
            rows = (rows + 1) // 2
        return rows

    def head_rows(self) -> int:
        """Rows of logits computed together: on an accelerator a share of its memory, since each step costs launches."""
        size = _HEAD_BYTES if self.network.device.type == "cpu" else max(_HEAD_BYTES, self.memory_bytes // 4)
        return max(1, size // (self.network.vocabulary * 8))


def _free_bytes(device: torch.device) -> int:
    """Bytes one forward pass may take: a quarter GB on a CPU, where larger batches gain nothing, half of what is free
    on an accelerator."""
    free = free_memory(device)
    return _CPU_BYTES if free is None else free // 2
