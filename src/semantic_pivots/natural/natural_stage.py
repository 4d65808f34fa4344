"""The stage `natural`: do pivots carry words across languages in natural text? Small models from scratch decide.

A model is a pure function of its arguments with one table as its result, so models go through the corpus engines: one
process a core, resumable by model, and within a model by step. What they are trained on is made anew by a continued run
(a minute), equal for equal seeds. Hypotheses, outcomes, exclusions and decision rules stand in docs/natural.md.
"""

from __future__ import annotations

import pyarrow as pa

from semantic_pivots import tables
from semantic_pivots.config import NaturalConfig
from semantic_pivots.engines import Task, run_shards
from semantic_pivots.errors import InputError, nearest
from semantic_pivots.natural.effects import summary
from semantic_pivots.natural.models import job
from semantic_pivots.natural.part_arms import PARTS, Arm, arms
from semantic_pivots.run import Inputs, Work


def check(config: NaturalConfig) -> None:
    """Refuse unknown parts and invalid numbers.

    Raises:
        InputError: a key is invalid; the message names it.
    """
    for part in config.parts:
        if part not in PARTS:
            hint = nearest(part, PARTS)
            raise InputError(f"[natural] parts: unknown part {part!r}{hint}; expected {', '.join(PARTS)}")
    if not config.readers:
        raise InputError("[natural] readers: expected counts, model or both")
    if not 0 < config.dictionary_share < 1:
        raise InputError(f"[natural] dictionary_share = {config.dictionary_share}: expected a number between 0 and 1")
    if len(config.pair) != 2:
        raise InputError(f"[natural] pair = {list(config.pair)}: expected two languages")
    for key in ("spiked_share", "selected_share", "false_discovery_rate"):
        value = getattr(config, key)
        if not 0 < value <= 1:
            raise InputError(f"[natural] {key} = {value}: expected a number above 0 and of at most 1")
    for key in ("seeds", "tokens", "concepts", "fewest_documents", "window_tokens", "pivots"):
        value = getattr(config, key)
        if value < 1:
            raise InputError(f"[natural] {key} = {value}: expected at least 1")
    if not 2 <= config.sequence_tokens <= 256:
        raise InputError(f"[natural] sequence_tokens = {config.sequence_tokens}: expected 2 to 256")
    if config.vocabulary > 50_000:
        raise InputError(f"[natural] vocabulary = {config.vocabulary}: expected at most 50,000, ids are of 16 bits")


def natural_stage(config: NaturalConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Train every model of every part and report (tables `natural_concepts`, `natural_models`, `natural_summary`).

    Raises:
        InputError: a key has an unknown value, or too few documents of the corpus contain the concepts' words.
    """
    check(config)
    found, figures = [], []
    for part in config.parts:
        for seed in range(config.seed, config.seed + config.seeds):
            made = list(arms(part, config, inputs, seed))
            for arm in made:
                keys = {"part": part, "seed": seed, "arm": arm.name}
                figures += [{**keys, "figure": name, "value": value} for name, value in arm.figures.items()]
            # those that begin with another's weights come after it
            for later in (False, True):
                tasks = [task_of(arm, config, seed, work) for arm in made if bool(arm.start) == later]
                for table in run_shards(tasks, work, config.workers, "natural"):
                    rows = table.to_pylist()
                    last = rows.pop()  # the loss
                    keys = {key: last[key] for key in ("part", "seed", "arm")}
                    if last["logprob"] is not None:
                        figures.append({**keys, "figure": "loss in nats a token", "value": -last["logprob"]})
                    found += rows
    return {
        "natural_concepts": tables.from_rows("natural_concepts", found),
        "natural_models": tables.from_rows("natural_models", figures),
        "natural_summary": tables.from_rows("natural_summary", summary(found, config)),
    }


def task_of(arm: Arm, config: NaturalConfig, seed: int, work: Work) -> Task:
    """The task of one model; states of one part and seed lie in one folder."""
    state = work.folder / "states" / f"{arm.part}-{seed}" / f"{arm.name}.pt"
    data = (arm.sequences, arm.world.vocabulary, arm.world.concepts, arm.labels, state)
    name = f"{arm.part}-{seed}-{arm.name.replace(', ', '-')}"
    return name, job, (arm.part, arm.name, *data, config, seed, arm.start, arm.pivots)
