"""Continued pre-training: one explicit loop, HF weights in, HF weights out, exact resume.

With dtype bfloat16 the model's weights are bfloat16 and the optimiser keeps float32 masters of them (measured on a
two-core CPU with avx512_bf16: 248 tokens/s, against 30 under autocast and 13 in float32). The loss is computed on
slices of the sequence, each slice's logits made again in the backward pass, so that a vocabulary of 262,144 fits; where
a model's own loss differs from the sliced one (soft caps, scaled logits), its own forward is used.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch.utils.checkpoint import checkpoint

from semantic_pivots.config import TrainConfig
from semantic_pivots.errors import InputError
from semantic_pivots.training.schedule import learning_rate

_IGNORED = -100
_SLICE_LOGITS = 64_000_000  # logits held at a time; 256 MB in float32


@dataclass
class Run:
    """One training run: where it stands, and its log (one row per step)."""

    step: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0


def targets_of(input_ids: torch.Tensor, end: int | None) -> torch.Tensor:
    """(sequences, length - 1) next tokens; -100 where the next token begins another document, if `end` parts them."""
    targets = input_ids[:, 1:].clone()
    if end is not None:
        targets[input_ids[:, :-1] == end] = _IGNORED
    return targets


def positions_of(input_ids: torch.Tensor, end: int | None) -> torch.Tensor | None:
    """(sequences, length) place of each token in its document; None where documents are not kept apart."""
    if end is None:
        return None
    places = torch.arange(input_ids.shape[1], device=input_ids.device).expand_as(input_ids)
    begins = torch.zeros_like(input_ids)
    begins[:, 1:] = torch.where(input_ids[:, :-1] == end, places[:, 1:], 0)
    return places - begins.cummax(dim=1).values


def sliced_loss(model: Any, input_ids: torch.Tensor, end: int | None = None) -> torch.Tensor:
    """Summed next-token loss in nats of (sequences, length) ids, logits made slice by slice."""
    hidden = model.base_model(input_ids=input_ids, use_cache=False, **_places(input_ids, end)).last_hidden_state
    hidden, targets = hidden[:, :-1].reshape(-1, hidden.shape[-1]), targets_of(input_ids, end).reshape(-1)
    head = model.get_output_embeddings()
    size = max(1, _SLICE_LOGITS // head.weight.shape[0])

    def of_slice(rows: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(head(rows).float(), wanted, reduction="sum", ignore_index=_IGNORED)

    if len(targets) <= size:  # they fit: making them twice would cost a tenth of the step
        return of_slice(hidden, targets)
    parts = zip(hidden.split(size), targets.split(size), strict=True)
    losses = [checkpoint(of_slice, rows, wanted, use_reentrant=False) for rows, wanted in parts]
    return torch.stack(losses).sum()  # type: ignore[arg-type]


def own_loss(model: Any, input_ids: torch.Tensor, end: int | None = None) -> torch.Tensor:
    """Summed next-token loss in nats by the model's own forward."""
    logits = model(input_ids=input_ids, use_cache=False, **_places(input_ids, end)).logits[:, :-1].float()
    targets = targets_of(input_ids, end).flatten()
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets, reduction="sum", ignore_index=_IGNORED)


def _places(input_ids: torch.Tensor, end: int | None) -> dict[str, torch.Tensor]:
    positions = positions_of(input_ids, end)
    return {} if positions is None else {"position_ids": positions}


def choose_loss(model: Any, input_ids: torch.Tensor) -> Any:
    """`sliced_loss` where it equals the model's own loss on a few tokens, else `own_loss`."""
    probe = input_ids[:1, :32]
    with torch.no_grad():
        try:
            tolerance = 1e-4 if next(model.parameters()).dtype == torch.float32 else 5e-3
            apart = (sliced_loss(model, probe) - own_loss(model, probe)).abs() / (probe.shape[1] - 1)
        except (AttributeError, TypeError):
            return own_loss
    return sliced_loss if float(apart) <= tolerance else own_loss


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
            logits = model(input_ids=ids, use_cache=False, **_places(ids, end)).logits[:, 4:].float()
    except TypeError:
        logits = None
    if logits is None or not torch.allclose(logits[0], logits[1], rtol=0, atol=1e-3 * float(logits.abs().max())):
        raise InputError(
            f"[train] document_boundaries: {type(model).__name__} cannot keep the documents of a sequence apart; "
            "set it to false"
        )


def train(
    model: Any,
    sequences: np.ndarray,
    config: TrainConfig,
    seed: int,
    state: Path,
    advance: Any,
    end: int | None = None,
    keep: Callable[[int], None] | None = None,
    measure: Callable[[], dict[str, float]] | None = None,
) -> Run:
    """Train a model in place on packed sequences, continuing from `state` where a run before was killed.

    Args:
        model: HF causal language model, float32; left in the configuration's dtype.
        sequences: (sequences, length) int32; `batch_sequences` of them make a step, in order.
        config: schedule, sizes and precision.
        seed: seed of whatever in the model is random (dropout).
        state: checkpoint file: weights, optimiser, position, log and random state.
        advance: called with the tokens of each finished step.
        end: token that ends a document, where documents must not see each other; None: they may.
        keep: called with each token count of `keep_at_tokens` when it is reached, the model being at that count.
        measure: gives bits per byte by language, for the log, at those counts and at the end.

    Under `torchrun` or `accelerate launch` (an initialised process group) each process takes its share of every step's
    sequences and gradients are summed over processes: the result is that of one process up to the order of sums.

    Raises:
        InputError: there are fewer sequences than one step needs, the loss is no number (the last good checkpoint
            stays), or the model cannot keep documents apart.
    """
    size = config.batch_sequences
    steps = len(sequences) // size
    if not steps:
        raise InputError(f"[train] tokens = {config.tokens}: one step needs {size} x {config.sequence_tokens} tokens")
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    if size < world:
        raise InputError(f"[train] batch_sequences = {size}: expected at least one for each of {world} processes")
    device = next(model.parameters()).device
    if end is not None:
        check_boundaries(model, end)
    if config.dtype == "bfloat16":
        model.to(torch.bfloat16)
    weights = [p for p in model.parameters() if p.requires_grad]
    # Steps of continued pre-training are smaller than bfloat16 resolves, so they are taken on float32 masters.
    masters = [p.detach().float().clone().requires_grad_() if p.dtype != torch.float32 else p for p in weights]
    optimiser = _optimiser(masters, config)
    torch.manual_seed(seed + rank)
    run = _restore(masters, optimiser, state)
    _copy(masters, weights)
    advance(run.step * size * config.sequence_tokens)
    every = max(1, config.checkpoint_tokens // (size * config.sequence_tokens))
    loss_of = choose_loss(model, torch.from_numpy(sequences[:1].astype(np.int64)).to(device))
    if config.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
    begun = time.monotonic()
    while run.step < steps:
        rate = learning_rate(run.step, steps, config.learning_rate, config.schedule, config.warmup_share)
        for group in optimiser.param_groups:
            group["lr"] = rate
        batch = torch.from_numpy(sequences[run.step * size : (run.step + 1) * size].astype(np.int64)).to(device)
        loss = _accumulate(model, batch, loss_of, config, end, rank, world)
        _collect(masters, weights, world)
        norm = torch.nn.utils.clip_grad_norm_(masters, config.clip_norm)
        if not math.isfinite(loss) or not math.isfinite(float(norm)):
            kept = f"the last checkpoint is kept at {state}" if state.exists() else "no checkpoint was due before it"
            raise InputError(
                f"train: the loss is not a number at step {run.step}; {kept}: "
                "lower [train] learning_rate or use dtype = 'float32'"
            )
        optimiser.step()
        for master, weight in zip(masters, weights, strict=True):
            if master is weight:
                weight.grad = None
        _copy(masters, weights)
        before, run.step = run.step * size * config.sequence_tokens, run.step + 1
        tokens = run.step * size * config.sequence_tokens
        run.rows.append(
            {"step": run.step, "tokens": tokens, "loss": loss, "learning_rate": rate, "gradient_norm": float(norm)}
        )
        reached = [count for count in config.keep_at_tokens if before < count <= tokens]
        if measure is not None and rank == 0 and (reached or run.step == steps):
            measured = measure()
            model.train()
            run.rows[-1] |= {"languages": list(measured), "bits_per_byte": list(measured.values())}
        if keep is not None and rank == 0:
            for count in reached:
                keep(count)
        if run.step % every == 0 and run.step < steps:
            run.seconds += time.monotonic() - begun
            begun = time.monotonic()
            if rank == 0:
                _save(masters, optimiser, run, state)
        advance(size * config.sequence_tokens)
    run.seconds += time.monotonic() - begun
    if config.gradient_checkpointing:
        model.gradient_checkpointing_disable()
    model.eval()
    return run


def _optimiser(masters: list[torch.Tensor], config: TrainConfig) -> torch.optim.Optimizer:
    groups = [
        {"params": [p for p in masters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in masters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.95), fused=True)


def _collect(masters: list[torch.Tensor], weights: list[torch.Tensor], world: int) -> None:
    """Move the weights' gradients to their masters in float32, and sum them over processes."""
    for master, weight in zip(masters, weights, strict=True):
        if master is not weight:
            if weight.grad is None:
                master.grad = None
            elif master.grad is None:
                master.grad = weight.grad.float()
            else:  # memory that is there already: taking it anew from the system each step costs more than the sum
                master.grad.copy_(weight.grad)
            weight.grad = None
        if world > 1:
            if master.grad is None:  # every process must take part in every sum
                master.grad = torch.zeros_like(master)
            dist.all_reduce(master.grad)


@torch.no_grad()
def _copy(masters: list[torch.Tensor], weights: list[torch.Tensor]) -> None:
    for master, weight in zip(masters, weights, strict=True):
        if master is not weight:
            weight.copy_(master)


def _accumulate(
    model: Any, batch: torch.Tensor, loss_of: Any, config: TrainConfig, end: int | None, rank: int, world: int
) -> float:
    """Gradients of one step's mean loss, a micro-batch at a time; returns that loss in nats, over all processes."""
    targets = max(1, int((targets_of(batch, end) != _IGNORED).sum()))
    total = torch.zeros((), device=batch.device)
    for part in batch[rank::world].split(config.micro_batch_sequences):
        loss = loss_of(model, part, end) / targets
        loss.backward()
        total += loss.detach()
    if world > 1:
        dist.all_reduce(total)
    return float(total)


def _save(masters: list[torch.Tensor], optimiser: torch.optim.Optimizer, run: Run, state: Path) -> None:
    temporary = state.with_suffix(".tmp")
    content = {
        "masters": [m.detach() for m in masters],
        "optimiser": optimiser.state_dict(),
        "run": vars(run),
        "random": torch.get_rng_state(),
    }
    torch.save(content, temporary)
    os.replace(temporary, state)


def _restore(masters: list[torch.Tensor], optimiser: torch.optim.Optimizer, state: Path) -> Run:
    if not state.exists():
        return Run()
    kept = torch.load(state, map_location="cpu", weights_only=True)
    with torch.no_grad():
        for master, value in zip(masters, kept["masters"], strict=True):
            master.copy_(value)
    optimiser.load_state_dict(kept["optimiser"])
    torch.set_rng_state(kept["random"])
    return Run(**kept["run"])
