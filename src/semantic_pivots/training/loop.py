"""Continued pre-training: one explicit loop, HF weights in, HF weights out, exact resume.

With dtype bfloat16 the model's weights are bfloat16, the frequencies of its rotary embedding stay float32, gradients of
micro-batches add up in float32, and the optimiser keeps float32 masters of the weights (measured on a two-core CPU
with avx512_bf16: 248 tokens/s, against 30 under autocast and 13 in float32).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from semantic_pivots.config import TrainConfig
from semantic_pivots.errors import InputError
from semantic_pivots.models.body import check_context
from semantic_pivots.models.device import narrow
from semantic_pivots.training.loss import IGNORED, check_boundaries, choose_loss, targets_of
from semantic_pivots.training.schedule import learning_rate
from semantic_pivots.training.weights import Sharded, Weights, Whole


@dataclass
class Run:
    """One training run: where it stands, its log (one row per step), and at its end the model on the first process."""

    step: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    model: Any = None


def train(
    model: Any,
    sequences: np.ndarray,
    config: TrainConfig,
    seed: int,
    state: Path,
    advance: Any,
    end: int | None = None,
    keep: Callable[[Any, int], None] | None = None,
    measure: Callable[[Any], dict[str, float]] | None = None,
) -> Run:
    """Train a model on packed sequences, continuing from `state` where a run before was killed.

    Args:
        model: HF causal language model, float32; trained in place, and left in the configuration's dtype, unless its
            weights are shared out.
        sequences: (sequences, length) int32; `batch_sequences` of them make a step, in order.
        config: schedule, sizes and precision.
        seed: seed of whatever in the model is random (dropout).
        state: checkpoint file: weights, optimiser, position, log and random state.
        advance: called with the tokens of each finished step.
        end: token that ends a document, where documents must not see each other; None: they may.
        keep: called with the model and each token count of `keep_at_tokens` when it is reached.
        measure: gives a model's bits per byte by language, for the log, at those counts and at the end.

    Returns:
        The run, whose `model` is the trained one.

    Under `torchrun` or `accelerate launch` (an initialised process group) each process takes its share of every step's
    sequences and gradients are summed over processes: the result is that of one process up to the order of sums.

    Raises:
        InputError: there are fewer sequences than one step needs, they are longer than the model's context, the loss is
            no number (the last good checkpoint stays), or the model cannot keep documents apart.
    """
    size = config.batch_sequences
    steps = len(sequences) // size
    check_context(model, sequences.shape[1], "a sequence", "lower sequence_tokens")
    if not steps:
        raise InputError(f"[train] tokens = {config.tokens}: one step needs {size} x {config.sequence_tokens} tokens")
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    _check(config, world)
    device = next(model.parameters()).device
    if end is not None:
        check_boundaries(model, end)
    shard = config.shard and world > 1
    if config.dtype == "bfloat16" and not shard:
        narrow(model, torch.bfloat16)
    loss_of = choose_loss(model, torch.from_numpy(sequences[:1].astype(np.int64)).to(device))
    weights: Weights = (Sharded if shard else Whole)(model, config, loss_of, rank, world)
    torch.manual_seed(seed + rank)
    run = _restore(weights, state)
    advance(run.step * size * config.sequence_tokens)
    every = max(1, config.checkpoint_tokens // (size * config.sequence_tokens))
    if config.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
    begun = time.monotonic()
    while run.step < steps:
        rate = learning_rate(run.step, steps, config.learning_rate, config.schedule, config.warmup_share)
        for group in weights.optimiser.param_groups:
            group["lr"] = rate
        batch = torch.from_numpy(sequences[run.step * size : (run.step + 1) * size].astype(np.int64)).to(device)
        loss = _accumulate(weights, batch, config, end, rank, world)
        norm = weights.step(config.clip_norm)
        if not math.isfinite(loss) or not math.isfinite(norm):
            kept = f"the last checkpoint is kept at {state}" if state.exists() else "no checkpoint was due before it"
            raise InputError(
                f"train: the loss is not a number at step {run.step}; {kept}: "
                "lower [train] learning_rate or use dtype = 'float32'"
            )
        weights.optimiser.step()
        weights.stepped()
        before, run.step = run.step * size * config.sequence_tokens, run.step + 1
        tokens = run.step * size * config.sequence_tokens
        run.rows.append(
            {"step": run.step, "tokens": tokens, "loss": loss, "learning_rate": rate, "gradient_norm": norm}
        )
        reached = [count for count in config.keep_at_tokens if before < count <= tokens]
        if reached or run.step == steps:
            _look(weights, run, reached, keep, measure, rank)
            model.train()
        if run.step % every == 0 and run.step < steps:
            run.seconds += time.monotonic() - begun
            begun = time.monotonic()
            _save(weights, run, state)
        advance(size * config.sequence_tokens)
    run.seconds += time.monotonic() - begun
    if config.gradient_checkpointing:
        model.gradient_checkpointing_disable()
    model.eval()
    return run


def _check(config: TrainConfig, world: int) -> None:
    """Refuse sizes that leave a process without work."""
    if config.batch_sequences < world:
        raise InputError(
            f"[train] batch_sequences = {config.batch_sequences}: expected at least one for each of {world} processes"
        )
    if config.shard and config.batch_sequences % world:
        raise InputError(
            f"[train] batch_sequences = {config.batch_sequences}: with shard, expected a multiple of {world} processes"
        )
    if config.shard and world > 1 and config.lora_rank:
        raise InputError("[train] shard and lora_rank are both set: adapters are small, train them whole")


def _look(
    weights: Weights, run: Run, reached: list[int], keep: Callable | None, measure: Callable | None, rank: int
) -> None:
    """Measure and keep the model as it is now, on the first process."""
    run.model = weights.whole()
    if rank:
        return
    if measure is not None:
        measured = measure(run.model)
        run.rows[-1] |= {"languages": list(measured), "bits_per_byte": list(measured.values())}
    for count in reached if keep is not None else ():
        keep(run.model, count)  # type: ignore[misc]


def _accumulate(
    weights: Weights, batch: torch.Tensor, config: TrainConfig, end: int | None, rank: int, world: int
) -> float:
    """Gradients of one step's mean loss, a micro-batch at a time; returns that loss in nats, over all processes."""
    targets = max(1, int((targets_of(batch, end) != IGNORED).sum()))
    total = torch.zeros((), device=batch.device)
    for part in batch[rank::world].split(config.micro_batch_sequences):
        loss = weights.loss(part, end) / targets
        loss.backward()
        weights.collect()
        total += loss.detach()
    if world > 1:
        dist.all_reduce(total)
    return float(total) / (world if config.shard else 1)


def _save(weights: Weights, run: Run, state: Path) -> None:
    progress = {"step": run.step, "rows": run.rows, "seconds": run.seconds}
    weights.save(state, {"run": progress, "random": torch.get_rng_state()})


def _restore(weights: Weights, state: Path) -> Run:
    kept = weights.restore(state)
    if kept is None:
        return Run()
    torch.set_rng_state(kept["random"])
    return Run(**kept["run"])
