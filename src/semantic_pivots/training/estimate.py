"""Estimated cost of a study's training, from configuration files alone; and one step on a random model of its shape."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from semantic_pivots.errors import InputError, quantity
from semantic_pivots.files import Record
from semantic_pivots.grammar import StudyConfig
from semantic_pivots.training.train_stage import TrainConfig

_GIGABYTE = 1e9
_H200_FLOPS = 989e12  # dense bfloat16 peak of one H100 or H200, by its data sheet
_UTILISATION = 0.4
# bfloat16 weights and gradients, float32 masters, their gradients' copy, and two moments
_BYTES_PER_PARAMETER = 2 + 2 + 4 + 4 + 8
_STEP_TOKENS = 64


def shape_of(config: TrainConfig) -> Record:
    """The config.json of the model that is trained: of its `shape` file, or of the model itself.

    It is empty where the model would first be fetched or converted.

    Raises:
        InputError: the `shape` file cannot be read.
    """
    from semantic_pivots.models.specs import config_here

    if not config.shape:
        return config_here(config.model, config.cache)
    path = Path(config.shape)
    if not path.is_file():
        raise InputError(f"[train] shape = {config.shape!r}: no such file; expected a model's config.json")
    try:
        shape = json.loads(path.read_text("utf-8"))
        return {"model_type": shape["model_type"], **shape}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"[train] shape = {config.shape!r}: not a model's config.json ({error})") from error


def parameters(shape: Record) -> int:
    """Number of parameters of a decoder with this shape, a gated MLP and two norms per block; 0 if sizes are missing.

    It is exact for Llama and similar models. In other models, norms, biases and experts can differ.
    """
    try:
        width, blocks, heads = shape["hidden_size"], shape["num_hidden_layers"], shape["num_attention_heads"]
        inner, vocabulary = shape["intermediate_size"], shape["vocab_size"]
    except KeyError:
        return 0
    head = shape.get("head_dim") or width // heads
    attention = 2 * width * head * (heads + (shape.get("num_key_value_heads") or heads))
    embeddings = vocabulary * width * (1 if shape.get("tie_word_embeddings", True) else 2)
    return embeddings + blocks * (attention + 3 * width * inner + 2 * width) + width


def step_problems(train: TrainConfig) -> Iterator[str]:
    """A line if a run of training is shorter than one step."""
    step_tokens = train.batch_sequences * train.sequence_tokens
    if train.tokens < step_tokens:
        yield (
            f"[train] tokens = {train.tokens:,} is less than one step of {train.batch_sequences:,} x "
            f"{train.sequence_tokens:,} tokens; raise tokens or lower batch_sequences"
        )


def context_problems(train: TrainConfig) -> Iterator[str]:
    """A line if the model does not read sequences as long as those of training, or its shape cannot be read."""
    try:
        longest = shape_of(train).get("max_position_embeddings") or train.sequence_tokens
    except InputError as error:
        yield str(error)
        return
    if train.sequence_tokens > longest:
        yield f"[train] sequence_tokens = {train.sequence_tokens}: the model reads at most {longest}"


def lines(config: StudyConfig) -> Iterator[str]:
    """Lines that say what the study's training and scoring would take."""
    from semantic_pivots.models.specs import parameters_here

    train, shape = config.train, shape_of(config.train)
    step_tokens = train.batch_sequences * train.sequence_tokens
    if train.tokens > config.select.budget_tokens:
        passes = train.tokens / config.select.budget_tokens
        yield f"warning   each selection of {config.select.budget_tokens:,} tokens is read {passes:.1f} times"
    runs = len(config.select.selections) * train.seeds
    arms, seeds = quantity(len(config.select.selections), "arm"), quantity(train.seeds, "seed")
    yield f"runs      {runs} = {arms} x {seeds}, {train.tokens:,} tokens each"
    yield f"steps     {train.tokens // step_tokens:,} of {step_tokens:,} tokens, {train.schedule} schedule"
    count = parameters(shape) if train.shape else parameters_here(train.model, train.cache)
    if count:
        about, kind = "about " if train.shape else "", shape.get("model_type", "of no type")
        blocks = shape.get("num_hidden_layers", "unknown")
        yield f"model     {kind}, {about}{count:,} parameters, {blocks} blocks, {train.dtype}"
        flops = 6 * count * train.tokens * runs
        hours = flops / (_H200_FLOPS * _UTILISATION) / 3600
        yield f"compute   {flops:.3g} FLOPs, about {hours:,.0f} H200-hours at {_UTILISATION:.0%} of peak"
        memory = count * _BYTES_PER_PARAMETER
        yield f"memory    {memory / _GIGABYTE:,.1f} GB for weights and optimiser, and the activations of a micro-batch"
        checkpoint_bytes = (count * 4 + memory) * runs
        yield f"disk      {checkpoint_bytes / _GIGABYTE:,.1f} GB for models and their last checkpoints"
    else:
        yield "model     not on this machine yet, so that its size is not known"
    pairs = len(config.lexicon.languages) * (len(config.lexicon.languages) - 1)
    items = config.compare.items_per_direction or "all"
    draws = quantity(config.compare.draws, "draw")
    yield f"compare   {runs + 1} models on {pairs} directions, {items} items each, {draws}"


def one_step(train: TrainConfig) -> str:
    """Take one optimiser step on a random model of the shape, with as many of its blocks as the memory holds.

    Raises:
        InputError: the shape, or the model, cannot be read.
    """
    import numpy as np
    import psutil
    import torch
    import transformers

    from semantic_pivots.models.specs import model_folder
    from semantic_pivots.training.loop import train as run_training

    values = shape_of(train) if train.shape else {}
    try:
        shape = (
            transformers.AutoConfig.for_model(values.pop("model_type"), **values)
            if values
            else transformers.AutoConfig.from_pretrained(model_folder(train.model, train.cache))
        )
    except (ValueError, KeyError) as error:
        raise InputError(f"[train] shape = {train.shape!r}: not a model's config.json ({error})") from error
    free = psutil.virtual_memory().available
    blocks, layers = shape.num_hidden_layers, shape.num_hidden_layers
    while blocks > 1 and _size(_cut(shape, blocks)) * _BYTES_PER_PARAMETER > free / 4:
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
    part = "whole" if blocks == layers else f"{blocks} of {layers} blocks, what this machine's memory holds"
    return f"one step  loss {run.rows[0]['loss']:.3f} nats on a random model ({part})"


def _size(shape: Any) -> int:
    """Parameters of a model of the shape, without making its weights."""
    import torch
    import transformers

    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(shape)
    return sum(p.numel() for p in {id(p): p for p in model.parameters()}.values())


def _cut(shape: Any, blocks: int) -> Any:
    import copy

    cut = copy.deepcopy(shape)
    cut.num_hidden_layers = blocks
    if getattr(cut, "layer_types", None):
        cut.layer_types = cut.layer_types[:blocks]
    return cut
