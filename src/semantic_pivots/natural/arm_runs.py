"""The stage `natural`: do pivots carry words across languages in natural text? Small models from scratch decide.

A model is a pure function of its arguments with one table as its result, so models go through the corpus engines: one
process a core, resumable by model, and within a model by step. What they are trained on is made anew by a continued run
(a minute), equal for equal seeds. Hypotheses, outcomes, exclusions and decision rules stand in docs/natural.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow as pa

from semantic_pivots import grammar, tables
from semantic_pivots.engines import Task, run_shards
from semantic_pivots.natural.effects import summary
from semantic_pivots.natural.models import Arm, job
from semantic_pivots.natural.natural_stage import NaturalConfig
from semantic_pivots.natural.part_arms import arms
from semantic_pivots.run import Inputs, Work


def natural_stage(config: NaturalConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Train every model of every part and report (tables `natural_concepts`, `natural_models`, `natural_summary`).

    Raises:
        InputError: a key has an unknown value, or too few documents of the corpus contain the concepts' words.
    """
    grammar.check(config)
    outcomes, figures = [], []
    for part in config.parts:
        for seed in range(config.seed, config.seed + config.seeds):
            models = list(arms(part, config, inputs, seed))
            for arm in models:
                keys = {"part": part, "seed": seed, "arm": arm.name}
                figures += [{**keys, "figure": name, "value": value} for name, value in arm.figures.items()]
            for wave in waves(models):
                tasks = [task_of(arm, config, work) for arm in wave]
                for table in run_shards(tasks, work, config.workers, "natural"):
                    rows = table.to_pylist()
                    last = rows.pop()  # the loss
                    keys = {key: last[key] for key in ("part", "seed", "arm")}
                    if last["logprob"] is not None:
                        figures.append({**keys, "figure": "loss in nats a token", "value": -last["logprob"]})
                    outcomes += rows
    return {
        "natural_concepts": tables.from_rows("natural_concepts", outcomes),
        "natural_models": tables.from_rows("natural_models", figures),
        "natural_summary": tables.from_rows("natural_summary", summary(outcomes, config)),
    }


def waves(models: Sequence[Arm]) -> Iterator[list[Arm]]:
    """The models with new weights, then those that begin with another's."""
    for is_later in (False, True):
        yield [arm for arm in models if bool(arm.start) == is_later]


def task_of(arm: Arm, config: NaturalConfig, work: Work) -> Task:
    """The task of one model; states of one part and seed lie in one folder."""
    state = work.folder / "states" / f"{arm.part}-{arm.seed}" / f"{arm.name}.pt"
    name = f"{arm.part}-{arm.seed}-{arm.name.replace(', ', '-')}"
    return name, job, (replace(arm, world=arm.world.without_text()), state, config)
