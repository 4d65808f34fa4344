"""Interventions on the residual stream of some layers, and their effect on log P(answer).

Suppression projects the span of given directions out of every position's residual after each layer of a band. For a
pair's pivots the directions are their rows of the unembedding, which is where a lens reads them. An effect counts only
against controls: as many random directions, and as many rows of unrelated tokens. A patch replaces the residual at one
position, such as the source word's last token, by one that was read elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from semantic_pivots.errors import InputError
from semantic_pivots.models.distribution import check_numbers
from semantic_pivots.models.lens import Lens, hooks
from semantic_pivots.models.network import check_context, padded_ids


def unembedding_basis(lens: Lens, tokens: Sequence[int]) -> torch.Tensor:
    """(width, k) float32 orthonormal basis of the span of the tokens' unembedding rows; k <= len(tokens).

    Raises:
        InputError: the unembedding and the residual stream differ in width.
    """
    weight = lens.network.model.get_output_embeddings().weight
    if weight.shape[1] != lens.network.width:
        raise InputError(
            f"{lens.network.name}: its unembedding has width {weight.shape[1]} and its residual stream "
            f"{lens.network.width}, so that no token has a direction there; expected a model in which they are the same"
        )
    rows = weight[torch.tensor(list(tokens), dtype=torch.long, device=weight.device)].detach().float()
    return orthonormal(rows.T)


def random_basis(lens: Lens, count: int, seed: int) -> torch.Tensor:
    """(width, count) float32 orthonormal basis of a random subspace."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(lens.network.width, count, generator=generator)
    return orthonormal(directions).to(lens.network.device)


def orthonormal(directions: torch.Tensor) -> torch.Tensor:
    """(width, k) orthonormal basis of the span of (width, n) directions; k is their rank."""
    basis, values, _ = torch.linalg.svd(directions, full_matrices=False)
    return basis[:, values > values.max() * 1e-5]


class Edit(Protocol):
    """A change of the residual stream after some blocks."""

    @property
    def layers(self) -> Sequence[int]:
        """Indices of the blocks after which the residual stream is changed."""
        ...

    def apply(self, layer: int, rows: slice, states: torch.Tensor) -> torch.Tensor:
        """The changed (rows, tokens, width) residual after a layer; `rows` is the batch's slice of the edit's rows."""
        ...


@dataclass(frozen=True)
class Suppression:
    """For each row a subspace, whose component of the residual is set to zero at every position, or to its mean.

    `centre` gives the mean. Residuals of real models are far from centred: a few coordinates are very large at every
    position. Without centring, removing a random direction spreads them over all other coordinates, and any ten
    directions destroy the answer. The first position can be skipped; many models use it as an attention sink, with a
    residual unlike all others.
    """

    bases: Sequence[torch.Tensor]
    """(width, k) orthonormal, one per row"""
    layers: Sequence[int]
    centre: torch.Tensor | None = None
    """(all layers, width) mean residual around which the component is removed; None: zero"""
    skip: int = 0
    """number of first positions that are not changed"""

    def apply(self, layer: int, rows: slice, states: torch.Tensor) -> torch.Tensor:
        bases = self.bases[rows]
        widest = max(basis.shape[1] for basis in bases)
        # columns of zeros take nothing out, so that rows of unequal rank make one batch
        stack = torch.stack([torch.nn.functional.pad(b, (0, widest - b.shape[1])) for b in bases]).to(states.device)
        around = 0.0 if self.centre is None else self.centre[layer].to(states.device).float()
        coefficients = torch.einsum("r...w,rwk->r...k", states.float() - around, stack)
        coefficients[:, : self.skip] = 0
        return (states.float() - torch.einsum("r...k,rwk->r...w", coefficients, stack)).to(states.dtype)


@dataclass(frozen=True)
class Patch:
    """One position's residual per row, replaced by a given one (Dumas et al. 2411.08745: by a mean over languages)."""

    positions: Sequence[int]
    values: torch.Tensor
    """(all layers, rows, width)"""
    layers: Sequence[int]

    def apply(self, layer: int, rows: slice, states: torch.Tensor) -> torch.Tensor:
        output = states.clone()
        index = torch.arange(len(states), device=states.device)
        positions = torch.tensor(self.positions[rows], device=states.device)
        output[index, positions] = self.values[layer, rows].to(states.device, states.dtype)
        return output


@contextmanager
def intervention(lens: Lens, edit: Edit, rows: slice = slice(None)) -> Iterator[None]:
    """Inside this context, every forward pass of the model has its residual stream changed.

    Args:
        lens: the lens of the model, which knows its blocks.
        edit: the change, and the layers after which it is made.
        rows: the rows of the edit that the batches in this context have.

    Raises:
        ValueError: a layer does not exist.
    """
    if not all(0 <= layer < lens.layers for layer in edit.layers):
        raise ValueError(f"layers {list(edit.layers)} of a model with {lens.layers}")

    def hook(layer: int) -> Callable[..., object]:
        def change(module: object, arguments: object, output: Any) -> object:
            several = isinstance(output, (tuple, list))
            new = edit.apply(layer, rows, output[0] if several else output)
            return type(output)([new, *output[1:]]) if several else new

        return change

    with hooks([lens.blocks[layer].register_forward_hook(hook(layer)) for layer in edit.layers]):
        yield


@torch.inference_mode()
def target_logprobs(
    lens: Lens, ids: Sequence[Sequence[int]], starts: Sequence[int], edit: Edit | None = None, batch: int = 32
) -> np.ndarray:
    """Log-probability in nats of each answer, with or without a change of the residual stream.

    Args:
        lens: the model.
        ids: token ids of prompt and answer, per row.
        starts: position of the answer's first token, per row.
        edit: the change; None: no change.
        batch: rows of one forward pass.

    Returns:
        (rows,) float64, summed over the answer's tokens.
    """
    totals = []
    for begin in range(0, len(ids), batch):
        part = slice(begin, min(begin + batch, len(ids)))
        rows = [list(row) for row in ids[part]]
        check_context(lens.network.model, max(map(len, rows)), "a prompt with its answer", "use fewer shots")
        with intervention(lens, edit, part) if edit is not None else nullcontext():
            states = lens.network.hidden_states(padded_ids(rows, lens.network.device))
        for row, tokens in enumerate(rows):
            start = starts[begin + row]
            logits = lens.network.logits(states[row, start - 1 : len(tokens) - 1]).float()
            targets = torch.tensor(tokens[start:], device=logits.device)[:, None]
            totals.append(float(torch.log_softmax(logits, -1).gather(1, targets).sum()))
    check_numbers(~torch.tensor(totals).isnan(), "answer", lens.network.dtype)
    return np.array(totals)
