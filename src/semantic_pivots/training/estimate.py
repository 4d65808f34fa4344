"""Estimated cost of a study's training, and one step on a random model of its shape."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from semantic_pivots.config import StudyConfig, TrainConfig
from semantic_pivots.errors import InputError

_GIGABYTE = 1e9
_H200_FLOPS = 989e12  # dense bfloat16 peak of one H100 or H200, by its data sheet
_UTILISATION = 0.4
# bfloat16 weights and gradients, float32 masters, their gradients' copy, and two moments
_BYTES_PER_PARAMETER = 2 + 2 + 4 + 4 + 8
_STEP_TOKENS = 64


def shape_of(config: TrainConfig) -> Any:
    """The configuration of the model that is trained: of its `shape` file, or of the model itself.

    Raises:
        InputError: neither can be read.
    """
    import transformers

    if config.shape:
        path = Path(config.shape)
        if not path.is_file():
            raise InputError(f"[train] shape = {config.shape!r}: no such file; expected a model's config.json")
        try:
            values = json.loads(path.read_text("utf-8"))
            return transformers.AutoConfig.for_model(values.pop("model_type"), **values)
        except (ValueError, KeyError) as error:
            raise InputError(f"[train] shape = {config.shape!r}: not a model's config.json ({error})") from error
    from semantic_pivots.models.load import model_folder

    return transformers.AutoConfig.from_pretrained(model_folder(config.model, config.cache))


def parameters(shape: Any) -> int:
    """Parameters of a model of the shape, without making its weights."""
    import torch
    import transformers

    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(shape)
    return sum(p.numel() for p in {id(p): p for p in model.parameters()}.values())


def dry_run(config: StudyConfig) -> Iterator[str]:
    """Lines that say what the study's training and scoring would take, the last after one real step.

    Raises:
        InputError: a shape or a size that cannot work.
    """
    train = config.train
    step_tokens = train.batch_sequences * train.sequence_tokens
    if train.tokens < step_tokens:
        raise InputError(
            f"[train] tokens = {train.tokens:,} is less than one step of {train.batch_sequences:,} x "
            f"{train.sequence_tokens:,} tokens; raise tokens or lower batch_sequences"
        )
    if train.tokens > config.select.budget_tokens:
        passes = train.tokens / config.select.budget_tokens
        yield f"warning   each selection of {config.select.budget_tokens:,} tokens is read {passes:.1f} times"
    shape = shape_of(train)
    longest = getattr(shape, "max_position_embeddings", 0) or train.sequence_tokens
    if train.sequence_tokens > longest:
        raise InputError(f"[train] sequence_tokens = {train.sequence_tokens}: the model reads at most {longest}")
    count = parameters(shape)
    runs = len(config.select.selections) * train.seeds
    flops = 6 * count * train.tokens * runs
    hours = flops / (_H200_FLOPS * _UTILISATION) / 3600
    yield f"model     {shape.model_type}, {count:,} parameters, {shape.num_hidden_layers} blocks, {train.dtype}"
    yield f"runs      {runs} = {len(config.select.selections)} arms x {train.seeds} seeds, {train.tokens:,} tokens each"
    yield f"steps     {train.tokens // step_tokens:,} of {step_tokens:,} tokens, {train.schedule} schedule"
    yield f"compute   {flops:.3g} FLOPs, about {hours:,.0f} H200-hours at {_UTILISATION:.0%} of peak"
    memory = count * _BYTES_PER_PARAMETER
    yield f"memory    {memory / _GIGABYTE:,.1f} GB for weights and optimiser, and the activations of a micro-batch"
    checkpoint_bytes = (count * 4 + memory) * runs
    yield f"disk      {checkpoint_bytes / _GIGABYTE:,.1f} GB for models and their last checkpoints"
    pairs = len(config.lexicon.languages) * (len(config.lexicon.languages) - 1)
    items = config.compare.items_per_direction or "all"
    yield f"compare   {runs + 1} models on {pairs} directions, {items} items each, {config.compare.draws} draws"
    yield _one_step(train, shape, count)


def _one_step(train: TrainConfig, shape: Any, count: int) -> str:
    """Take one optimiser step on a random model of the shape, with as many of its blocks as the memory holds."""
    import psutil
    import torch
    import transformers

    from semantic_pivots.training.loop import train as run_training

    free = psutil.virtual_memory().available
    blocks, whole = shape.num_hidden_layers, shape.num_hidden_layers
    while blocks > 1 and parameters(_cut(shape, blocks)) * _BYTES_PER_PARAMETER > free / 4:
        blocks -= 1
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(_cut(shape, blocks))
    size = min(train.micro_batch_sequences, 2)
    small = replace(
        train,
        tokens=size * _STEP_TOKENS,
        sequence_tokens=_STEP_TOKENS,
        batch_sequences=size,
        micro_batch_sequences=size,
    )
    ids = np.random.default_rng(0).integers(0, shape.vocab_size, (size, _STEP_TOKENS)).astype(np.int32)
    with tempfile.TemporaryDirectory() as scratch:
        run = run_training(model, ids, small, train.seed, Path(scratch) / "state.pt", lambda tokens: None)
    part = "whole" if blocks == whole else f"{blocks} of {whole} blocks, what this machine's memory holds"
    return f"one step  loss {run.rows[0]['loss']:.3f} nats on a random model ({part})"


def _cut(shape: Any, blocks: int) -> Any:
    import copy

    cut = copy.deepcopy(shape)
    cut.num_hidden_layers = blocks
    if getattr(cut, "layer_types", None):
        cut.layer_types = cut.layer_types[:blocks]
    return cut
