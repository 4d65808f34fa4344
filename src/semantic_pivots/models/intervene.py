"""Causes: what an answer loses when directions are taken out of the residual stream of some layers.

Suppression projects the span of given directions out of every position's residual after each layer of a band. For a
pair's pivots the directions are their rows of the unembedding, which is where a lens reads them. An effect counts only
against controls: as many random directions, and as many rows of unrelated tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from semantic_pivots.models.lens import Lens


def unembedding_basis(lens: Lens, tokens: Sequence[int]) -> torch.Tensor:
    """(width, k) float32 orthonormal basis of the span of the tokens' unembedding rows; k <= len(tokens)."""
    weight = lens.body.model.get_output_embeddings().weight
    rows = weight[torch.tensor(list(tokens), dtype=torch.long, device=weight.device)].detach().float()
    return orthonormal(rows.T)


def random_basis(lens: Lens, count: int, seed: int) -> torch.Tensor:
    """(width, count) float32 orthonormal basis of a random subspace."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(lens.body.width, count, generator=generator)
    return orthonormal(drawn).to(lens.body.device)


def orthonormal(directions: torch.Tensor) -> torch.Tensor:
    """(width, k) orthonormal basis of the span of (width, n) directions; dependent ones add nothing."""
    left, values, _ = torch.linalg.svd(directions, full_matrices=False)
    return left[:, values > values.max() * 1e-5]


@contextmanager
def suppressed(lens: Lens, bases: Sequence[torch.Tensor], layers: Sequence[int]) -> Iterator[None]:
    """Take a subspace out of the residual stream while the block runs.

    Args:
        lens: names the model's blocks.
        bases: one (width, k) orthonormal basis per row of the batches that are read inside.
        layers: blocks after which the subspace is taken out.

    Raises:
        ValueError: a layer does not exist.
    """
    if not all(0 <= layer < lens.layers for layer in layers):
        raise ValueError(f"layers {list(layers)} of a model with {lens.layers}")
    widest = max(basis.shape[1] for basis in bases)
    # columns of zeros take nothing out, so that rows of unequal rank make one batch
    stacked = torch.stack([torch.nn.functional.pad(b, (0, widest - b.shape[1])) for b in bases])

    def hook(module: Any, arguments: Any, output: Any) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        own = stacked.to(hidden.device)
        inside = torch.einsum("rtw,rwk->rtk", hidden.float(), own)
        left = (hidden.float() - torch.einsum("rtk,rwk->rtw", inside, own)).to(hidden.dtype)
        return (left, *output[1:]) if isinstance(output, tuple) else left

    handles = [lens.blocks[layer].register_forward_hook(hook) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.inference_mode()
def target_logprobs(
    lens: Lens,
    ids: Sequence[Sequence[int]],
    starts: Sequence[int],
    bases: Sequence[torch.Tensor] | None = None,
    layers: Sequence[int] = (),
    batch: int = 32,
) -> np.ndarray:
    """Log-probability in nats of each answer, with or without suppression.

    Args:
        lens: the model.
        ids: token ids of prompt and answer, per row.
        starts: position of the answer's first token, per row.
        bases: what is suppressed, per row; None: nothing.
        layers: where.
        batch: rows of one forward pass.

    Returns:
        (rows,) float64, summed over the answer's tokens.
    """
    totals = []
    for first in range(0, len(ids), batch):
        rows = [list(row) for row in ids[first : first + batch]]
        longest = max(map(len, rows))
        padded = torch.tensor([row + row[-1:] * (longest - len(row)) for row in rows], device=lens.body.device)
        if bases is None:
            hidden = lens.body.hidden(padded)
        else:
            with suppressed(lens, bases[first : first + batch], layers):
                hidden = lens.body.hidden(padded)
        for row, tokens in enumerate(rows):
            start = starts[first + row]
            logits = lens.body.logits(hidden[row, start - 1 : len(tokens) - 1]).float()
            wanted = torch.tensor(tokens[start:], device=logits.device)[:, None]
            totals.append(float(torch.log_softmax(logits, -1).gather(1, wanted).sum()))
    return np.array(totals)
