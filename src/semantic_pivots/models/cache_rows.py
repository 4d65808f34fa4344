"""Rows of a key-value cache: a cache of many rows that begin with rows of another one, shared or copied."""

from __future__ import annotations

import copy
import types
from typing import Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

_PLAIN = (DynamicLayer, DynamicSlidingWindowLayer)


def share_rows(cache: DynamicCache, rows: torch.Tensor) -> DynamicCache:
    """A cache of len(rows) rows, in which row i begins with row `rows[i]` of `cache`; for one forward pass.

    The keys and values of the prefix are copied for one layer at a time and then dropped, so memory does not grow with
    the number of layers. Those of the new tokens are kept, so the result can be shared again. Layers of other kinds,
    and all layers of a recurrent model, are copied at once.
    """
    if is_recurrent(cache):
        return copy_rows(cache, rows)
    layers = [_reading(layer, rows) if type(layer) in _PLAIN else _select_rows(layer, rows) for layer in cache.layers]
    return _with_layers(cache, layers)


def narrowest_window(cache: DynamicCache) -> int:
    """The narrowest sliding window among a cache's layers, in tokens; 0: none."""
    windows = [layer.sliding_window for layer in cache.layers if isinstance(layer, DynamicSlidingWindowLayer)]
    return min(windows, default=0)


def copy_rows(cache: DynamicCache, rows: torch.Tensor) -> DynamicCache:
    """A cache of len(rows) rows copied from `cache`; it may grow."""
    return _with_layers(cache, [_select_rows(layer, rows) for layer in cache.layers])


def is_recurrent(cache: DynamicCache) -> bool:
    """Whether a cache holds states of a recurrence or a convolution."""
    return any(hasattr(layer, "recurrent_states") for layer in cache.layers)


def _select_rows(layer: Any, rows: torch.Tensor) -> Any:
    """A layer of any kind with row `rows[i]` of `layer` for row i, sharing nothing that is written to in place."""
    states = [*getattr(layer, "conv_states", {}).values(), *getattr(layer, "recurrent_states", {}).values()]
    if states and all(state is None for state in states):
        raise ValueError("the model keeps its states outside of its cache")
    twin = copy.copy(layer)
    # layers of states keep them, and what they know of them, in dictionaries
    twin.__dict__.update({name: dict(value) for name, value in vars(layer).items() if isinstance(value, dict)})
    twin.reorder_cache(rows)
    return twin


def _with_layers(cache: DynamicCache, layers: list[Any]) -> DynamicCache:
    twin = copy.copy(cache)
    twin.layers = layers
    return twin


def _reading(layer: Any, rows: torch.Tensor) -> Any:
    """A layer that puts the keys and values of row `rows[i]` of `layer` before the new ones of row i."""
    twin = copy.copy(layer)
    levels: list[tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor]] = []
    if layer.is_initialized:
        levels_before = getattr(layer, "levels", None) or [((layer.keys, layer.values), None)]
        levels = [(pair, rows if owners is None else owners[rows]) for pair, owners in levels_before]

    def update(
        self: Any, keys: torch.Tensor, values: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            return keys, values
        self.levels = [*levels, ((keys, values), None)]
        self.n_new += keys.shape[-2]
        if isinstance(self, DynamicSlidingWindowLayer):
            self.cumulative_length += keys.shape[-2]
        parts = [[_rows_of(tensor, owners) for tensor in pair] for pair, owners in levels]
        tensors = [torch.cat([*(part[k] for part in parts), new], dim=-2) for k, new in enumerate((keys, values))]
        return tensors[0], tensors[1]

    twin.n_new = getattr(layer, "n_new", 0)
    """tokens after those of `keys`"""
    twin.update = types.MethodType(update, twin)
    if type(layer) is DynamicLayer and layer.is_initialized:
        twin.get_seq_length = types.MethodType(lambda self: self.keys.shape[-2] + self.n_new, twin)
    return twin


def _rows_of(states: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    if states.shape[0] == 1:
        return states.expand(len(rows), -1, -1, -1)
    return states.index_select(0, rows.to(states.device))
