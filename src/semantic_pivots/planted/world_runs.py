"""The stage `planted`: validation of this project's measures on worlds with known ground truth.

A run is one world, one architecture and one seed: the world is generated, a small model is trained on it from scratch,
and everything that is asked of a real model is asked of this one. A run is a pure function of its arguments with one
table of figures as its result, so runs go through the corpus engines: in parallel, resumable, each run one file.
Figures of a run are means over its concepts; the summary's intervals are Student's over seeds.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa

from semantic_pivots import tables
from semantic_pivots.engines import run_shards
from semantic_pivots.errors import InputError, nearest
from semantic_pivots.files import Record
from semantic_pivots.planted import causal_measure, corpus_measures, readout_measures, suppression_measure, worlds
from semantic_pivots.planted.planted_stage import PlantedConfig
from semantic_pivots.planted.seed_summary import summary
from semantic_pivots.planted.world_model import figure, fit, new_trial, rate_of, train, translation
from semantic_pivots.planted.worlds import World
from semantic_pivots.run import Inputs, Work
from semantic_pivots.statistics import seed_of
from semantic_pivots.training.small_models import fresh_model

WORLDS: dict[str, Record] = {
    "base": {},
    "long": {},
    "knock-out": {},
    "hard": {
        # noise that both languages share, decoys as frequent and as bilingual as pivots, topic words more frequent
        "zipf": 1.0,
        "noise": 8,
        "noise_words": 300,
        "shared_noise": True,
        "decoys": 3,
        "shown": 2,
        "topics": 40,
    },
    "null": {"bridged": 0, "unrelated": 0, "copied": 0, "direct_linked_share": 0.0, "zipf": 1.0},
    "selection": {"unrelated": 0, "copied": 0, "bridged_boost": 3.0},
    "matched": {"matched": True, "copied": 0, "mixed_share": 0.0, "dictionary_share": 0.25},
    "matched-null": {
        "matched": True,
        "bridged": 0,
        "copied": 0,
        "mixed_share": 0.0,
        "dictionary_share": 0.4,
        "direct": 200,
        "direct_linked_share": 0.0,
    },
    "hub-third": {"languages": ("en", "fr", "de", "es"), "hub": "de"},
    "hub-fourth": {"languages": ("en", "fr", "de", "es"), "hub": "es"},
}
"""What a run's world is beside the study's sizes. In the `matched` worlds frequency says nothing."""
_EVERY_ARCHITECTURE = ("base", "matched", "matched-null")
"""Worlds that are run with each architecture, the others with the first."""
_OF_BRIDGED = ("base", "long", "hard", "selection")
_HARD_DOCUMENTS = 16
_LENGTH = {"long": 2.0, "knock-out": 2.0, "null": 2.0, "matched-null": 0.7}
"""Tokens of a run beside the study's: without pivots even direct pairs are learned late, and there must be something to
lose; `long` is the base world at as many tokens as `knock-out`; `matched-null` has half as many concepts."""


def world_of(config: PlantedConfig, seed: int, name: str = "base") -> World:
    """A world of the study.

    Raises:
        InputError: there is no world of that name, or none of these sizes.
    """
    if name not in WORLDS:
        raise InputError(f"world {name!r}: expected one of {', '.join(WORLDS)}{nearest(name, WORLDS)}")
    keys = ("direct", "direct_linked_share", "bridged", "unrelated", "copied", "documents", "pivots")
    sizes = {key: getattr(config, key) for key in keys}
    settings: Record = {}
    if name == "null":
        settings["direct"] = config.null_direct
    elif name == "selection":
        settings = {"pool": config.pool, "plain_share": config.plain_share}
    elif name == "hard":
        settings["documents"] = _HARD_DOCUMENTS
    if name in _OF_BRIDGED and config.bridged < 2:
        raise InputError(
            f"[planted] bridged = {config.bridged}: world {name!r} measures bridged concepts; expected two or more"
        )
    try:
        return World(seed=seed, **{**sizes, **WORLDS[name], **settings})
    except ValueError as error:
        raise InputError(f"[planted] world {name!r}: {error}") from error


def _figures(config: PlantedConfig, name: str, seed: int, architecture: str) -> list[Record]:
    world = world_of(config, seed, name)
    tokens, rate = int(_LENGTH.get(name, 1.0) * config.tokens), rate_of(config, architecture)
    config = dataclasses.replace(config, tokens=tokens, learning_rate=rate)
    if name in ("base", "long"):
        # the knocked-out world's words are known too, so that both models start from equal weights
        trial = train(config, world, architecture, vocabulary_of=suppression_measure.without(world))
        figures = translation(trial, config, logs=name == "long")
        if architecture == config.architectures[0]:
            figures += corpus_measures.discovery(trial) if name == "base" else []
            figures += readout_measures.behaviours(trial, config) + suppression_measure.suppression(trial, config)
        return figures
    if name == "knock-out":
        return suppression_measure.knock_out(config, world, architecture)
    if name == "hard":
        return corpus_measures.discovery(new_trial(config, world, architecture))
    if name == "selection":
        return _selection(config, world, architecture)
    trial = train(config, world, architecture)
    if name in ("matched", "matched-null"):
        lenses = name == "matched" and architecture == config.architectures[0]
        figures = translation(trial, config) + causal_measure.link_and_need(trial, config, lenses)
        return figures + (readout_measures.behaviours(trial, config) if lenses else [])
    if name == "null":
        return translation(trial, config) + readout_measures.null_attribution(trial)
    return translation(trial, config) + readout_measures.language_census(trial, config)


def _selection(config: PlantedConfig, world: World, architecture: str) -> list[Record]:
    """One model per selection, each from the same weights, on the core and what the selection took."""
    trial = new_trial(config, world, architecture)
    offer = corpus_measures.offer(trial, config)
    figures = offer.figures
    init = seed_of(world.seed, "init") % 2**31
    for name, texts in offer.arms.items():
        trial.model = fresh_model(architecture, trial.tokenizer, config.width, config.layers, init, config.sinusoids)
        fit(trial.model, trial.tokenizer, offer.core + texts, config, config.tokens, world.seed)
        value = float(np.exp(trial.logprobs(offer.held_out)).mean())
        figures.append(figure("P(target) of held-out bridged concepts", name, value))
    return figures


def run_table(name: str, architecture: str, seed: int, config: PlantedConfig) -> pa.Table:
    """One run, as rows of the table `planted_runs`."""
    import torch

    torch.set_num_threads(1)  # small products gain nothing from more threads; runs take one core each
    keys = {"world": name, "architecture": architecture, "seed": seed}
    rows = [keys | row for row in _figures(config, name, seed, architecture)]
    return tables.from_rows("planted_runs", rows)


def truth_table(config: PlantedConfig) -> pa.Table:
    """Every concept of every world of the study: its class, words, pivots and documents (table `planted_truth`)."""
    rows = [
        {"world": name, **row}
        for name in config.worlds
        for seed in range(config.seed, config.seed + config.seeds)
        for row in worlds.generate(world_of(config, seed, name)).truth()
    ]
    return tables.from_rows("planted_truth", rows)


def _shapes(config: PlantedConfig) -> list[tuple[str, str]]:
    """Every world with the first architecture, then those that are run with the others."""
    shapes = [(name, config.architectures[0]) for name in config.worlds]
    names = [name for name in config.worlds if name in _EVERY_ARCHITECTURE]
    return shapes + [(name, shape) for shape in config.architectures[1:] for name in names]


def planted_stage(config: PlantedConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Every run of the study, the truth, and the figures over seeds."""
    for name in config.worlds:  # before the first model is trained
        world_of(config, config.seed, name)
    plain = dataclasses.replace(config, workers=0)
    tasks = [
        (f"{name}-{architecture}-{seed}", run_table, (name, architecture, seed, plain))
        for seed in range(config.seed, config.seed + config.seeds)  # a study that is cut short has whole seeds
        for name, architecture in _shapes(config)
    ]
    runs = pa.concat_tables(run_shards(tasks, work, config.workers, "planted"))
    return {
        "planted_runs": runs,
        "planted_truth": truth_table(config),
        "planted_summary": tables.from_rows("planted_summary", summary(runs, config)),
    }
