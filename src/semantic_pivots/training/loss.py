"""The loss of packed sequences, in slices for a large vocabulary, and without attention to other documents.

The loss is computed on slices of the sequence. The gradients of a slice are computed while its logits are in memory, so
a vocabulary of 262,144 fits and no logits are computed twice. If a model's own loss differs from the sliced one (soft
caps, scaled logits), its own forward is used.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from semantic_pivots.errors import InputError
from semantic_pivots.models.distribution import rows_at_once, softmax_

IGNORED_TARGET = -100
_SLICE_LOGITS = 64_000_000  # logits held at a time; 256 MB in float32
_ONE_PASS_LOGITS = 4_000_000
"""Logits above which the head's gradients are made with its loss also where one slice holds them: on a CPU in bfloat16
that takes two fifths of the time of a loss and a backward pass over it."""


def targets_of(input_ids: torch.Tensor, end: int | None) -> torch.Tensor:
    """(sequences, length - 1) next tokens; with `end`, -100 where the next token begins another document."""
    targets = input_ids[:, 1:].clone()
    if end is not None:
        targets[input_ids[:, :-1] == end] = IGNORED_TARGET
    return targets


def positions_of(input_ids: torch.Tensor, end: int | None) -> torch.Tensor | None:
    """(sequences, length) position of each token in its document; None if documents are not separated."""
    if end is None:
        return None
    places = torch.arange(input_ids.shape[1], device=input_ids.device).expand_as(input_ids)
    begins = torch.zeros_like(input_ids)
    begins[:, 1:] = torch.where(input_ids[:, :-1] == end, places[:, 1:], 0)
    return places - begins.cummax(dim=1).values


def sliced_loss(model: Any, input_ids: torch.Tensor, end: int | None = None) -> torch.Tensor:
    """Summed next-token loss in nats of (sequences, length) ids; the logits are computed slice by slice."""
    states = model.base_model(input_ids=input_ids, use_cache=False, **places(input_ids, end)).last_hidden_state
    states, targets = states[:, :-1].reshape(-1, states.shape[-1]), targets_of(input_ids, end).reshape(-1)
    head = model.get_output_embeddings()
    size = max(1, _SLICE_LOGITS // head.weight.shape[0])
    large = len(targets) * head.weight.shape[0] > _ONE_PASS_LOGITS
    if type(head) is torch.nn.Linear and head.bias is None and large and torch.is_grad_enabled():
        return _LossOfHead.apply(states, head.weight, targets, min(size, len(targets)))  # type: ignore[return-value]

    def of_slice(rows: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(
            head(rows).float(), labels, reduction="sum", ignore_index=IGNORED_TARGET
        )

    if len(targets) <= size:
        return of_slice(states, targets)
    parts = zip(states.split(size), targets.split(size), strict=True)
    losses = [checkpoint(of_slice, rows, labels, use_reentrant=False) for rows, labels in parts]
    return torch.stack(losses).sum()  # type: ignore[arg-type]


class _LossOfHead(torch.autograd.Function):
    """Summed cross-entropy of rows @ weight.T; gradients are computed in the forward pass, slice by slice.

    The derivative with respect to a row's logits is its probabilities, minus 1 at its target; it is known as soon as
    the loss is. All slices use one buffer, because allocating that much memory costs as much time as filling it.
    """

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, size: int) -> torch.Tensor:
        state_gradients = torch.empty_like(states) if ctx.needs_input_grad[0] else None
        of_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        total = torch.zeros((), dtype=torch.float32, device=states.device)
        logits = states.new_empty((size, weight.shape[0]))
        for begin in range(0, len(states), size):
            rows, labels = states[begin : begin + size], targets[begin : begin + size]
            slope = logits[: len(rows)]
            torch.mm(rows, weight.T, out=slope)
            total += derive_(slope, labels)
            if state_gradients is not None:
                torch.mm(slope, weight, out=state_gradients[begin : begin + size])
            if of_weight is not None:
                of_weight.addmm_(slope.T, rows)
        ctx.gradients = state_gradients, of_weight
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        gradients = tuple(None if g is None else g.mul_(gradient.to(g.dtype)) for g in ctx.gradients)
        ctx.gradients = None, None
        return *gradients, None, None


def derive_(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Turn (n, vocabulary) logits into the derivatives of their summed cross-entropy, in place; returns that sum."""
    fused_loss = None if logits.device.type == "cpu" else _fused_loss(logits.device, logits.dtype)
    return (fused_loss or _passes_)(logits, targets)


def _passes_(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """`derive_` in passes over rows that stay in a core's cache; the reference of the fused one."""
    total = torch.zeros((), dtype=torch.float32, device=logits.device)
    step = rows_at_once(logits)
    for part, labels in zip(logits.split(step), targets.split(step), strict=True):
        probs = part.float()  # the same memory where the logits are float32
        is_target, at = labels != IGNORED_TARGET, labels.clamp(min=0)[:, None]
        target_probs = probs.gather(1, at)[:, 0]
        total += ((softmax_(probs) - target_probs) * is_target).sum()
        probs.scatter_add_(1, at, torch.full_like(at, -1, dtype=probs.dtype))
        # to look whether any is left out would stop an accelerator's queue, which costs more than the product
        if probs.device.type != "cpu" or not bool(is_target.all()):
            probs.mul_(is_target[:, None])
        if probs is not part:
            part.copy_(probs)
    return total


def one_pass_(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """`derive_` in a form that a compiler makes one reading pass and one writing pass of."""
    wide = logits.float()
    is_target = targets != IGNORED_TARGET
    normaliser = torch.logsumexp(wide, -1)
    target_logits = wide.gather(1, targets.clamp(min=0)[:, None])[:, 0]
    at_target = torch.arange(wide.shape[1], device=wide.device) == targets[:, None]
    logits.copy_(((wide - normaliser[:, None]).exp() - at_target.float()) * is_target[:, None])
    return ((normaliser - target_logits) * is_target).sum()


@functools.cache
def _fused_loss(device: torch.device, dtype: torch.dtype, backend: str = "inductor") -> Callable | None:
    """`one_pass_`, compiled for a device and found equal to `_passes_` there; None, with a warning, where it is not."""
    generator = torch.Generator().manual_seed(0)
    logits = (4 * torch.randn(70, 1003, generator=generator)).to(device, dtype)
    targets = torch.randint(-1, 1003, (70,), generator=generator).to(device)
    targets[targets < 0] = IGNORED_TARGET
    fused_loss = torch.compile(one_pass_, dynamic=True, backend=backend)
    first, second = logits.clone(), logits
    try:
        difference = float((fused_loss(first, targets) / _passes_(second, targets) - 1).abs())
        difference = max(difference, float((first.float() - second.float()).abs().max()))
        reason = "" if difference <= 1e-2 else f"it differs by {difference:.2g}"
    except Exception as error:  # a compiler raises of its own kinds
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    if reason:
        warnings.warn(f"the fused loss is not used on {device.type} ({reason}): slower, in passes", stacklevel=2)
    return None if reason else fused_loss


def own_loss(model: Any, input_ids: torch.Tensor, end: int | None = None) -> torch.Tensor:
    """Summed next-token loss in nats by the model's own forward."""
    logits = model(input_ids=input_ids, use_cache=False, **places(input_ids, end)).logits[:, :-1].float()
    targets = targets_of(input_ids, end).flatten()
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), targets, reduction="sum", ignore_index=IGNORED_TARGET
    )


def places(input_ids: torch.Tensor, end: int | None) -> dict[str, torch.Tensor]:
    positions = positions_of(input_ids, end)
    return {} if positions is None else {"position_ids": positions}


def choose_loss(model: Any, input_ids: torch.Tensor) -> Callable[..., torch.Tensor]:
    """`sliced_loss` where it equals the model's own loss on a few tokens, else `own_loss`."""
    probe = input_ids[:1, :32]
    with torch.no_grad():
        try:
            tolerance = 1e-4 if next(model.parameters()).dtype == torch.float32 else 5e-3
            difference = (sliced_loss(model, probe) - own_loss(model, probe)).abs() / (probe.shape[1] - 1)
        except torch.OutOfMemoryError:
            raise
        except (AttributeError, TypeError, RuntimeError):  # RemBERT's head has a layer before its matrix
            return own_loss
    return sliced_loss if float(difference) <= tolerance else own_loss


def check_boundaries(model: Any, end: int) -> None:
    """Make sure that a document does not see the one before it in its sequence.

    Raises:
        InputError: the model takes no positions, or does not part documents by them.
    """
    device = next(model.parameters()).device
    rows = [[first, first, first, end, 5, 6, 7, 8] for first in (3, 9)]
    ids = torch.tensor(rows, device=device)
    try:
        with torch.no_grad():
            logits = model(input_ids=ids, use_cache=False, **places(ids, end)).logits[:, 4:].float()
    except TypeError:
        logits = None
    if logits is None or not torch.allclose(logits[0], logits[1], rtol=0, atol=1e-3 * float(logits.abs().max())):
        raise InputError(
            f"[train] document_boundaries: {type(model).__name__} cannot keep the documents of a sequence apart; "
            "set it to false"
        )
