"""`pivots compare`: scored models compared with the first of them, paired over common items."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from semantic_pivots.commands.records import Format, show
from semantic_pivots.errors import InputError
from semantic_pivots.files import Record
from semantic_pivots.run import Inputs, read_manifest, warn

_LEVEL = 0.05
_PROMPTS = (("benchmark", "task"), ("score", "shots"), ("score", "draws"), ("score", "pool"), ("score", "seed"))
"""Keys, each with its stage, that decide the prompts of an item."""
_ASKED = ("source", "target", "distractors")
"""What two runs must have alike of an item: a choice among fewer words is easier."""
Variant = Literal["choice", "per-byte", "paper", "sum", "mean-token", "pmi"]


def compare(
    runs: Annotated[
        list[Path], typer.Argument(help="two folders or more, of `pivots score` or of a study (runs/NAME)")
    ],
    variant: Annotated[
        Variant, typer.Option(help="score that is compared; between tokenizers choice and per-byte compare")
    ] = "choice",
    resamples: Annotated[int, typer.Option(help="bootstrap resamples of each interval", min=100)] = 2000,
    seed: Annotated[int, typer.Option(help="seed of the resampling")] = 0,
    format: Format = "table",
) -> None:
    """Compare scored models with the first, paired over items: difference, interval, p-value and verdict by direction.

    Concepts are resampled whole. p-values are of sign flips of concepts; those of one model's directions are adjusted
    by Holm's method, and a verdict is read off the adjusted one.
    """
    if len(runs) < 2:
        raise InputError("expected two folders or more, such as `pivots compare runs/a runs/b`")
    if duplicate := next((run for run in runs if runs.count(run) > 1), None):
        raise InputError(f"{duplicate} is named twice: expected different folders")
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        names = list(map(str, runs))
    for run, name in zip(runs[1:], names[1:], strict=True):
        keys = [(key, _value(runs[0], stage, key), _value(run, stage, key)) for stage, key in _PROMPTS]
        if different := [f"{key} {ours} and {theirs}" for key, ours, theirs in keys if ours != theirs]:
            warn(f"{names[0]} and {name} have other prompts: {', '.join(different)}; score them with one setting")
    first, *further_runs = [_scores(run, variant) for run in runs]
    records = []
    for name, scores in zip(names[1:], further_runs, strict=True):
        records += _differences(first, scores, name, names[0], resamples, seed)
    show(records, format)


def _value(run: Path, stage: str, key: str) -> object:
    """The value of a key that a stage of a run was made with."""
    return (read_manifest(run / stage) or {"config": {}})["config"].get(key)


def _scores(run: Path, variant: str) -> dict[str, tuple[Any, float]]:
    """Each scored item of a run, and its score, by item id."""
    from semantic_pivots.scoring.benchmark_scores import item_scores
    from semantic_pivots.tasks.translation import items_of

    folders = {name: run / name for name in ("benchmark", "score")}
    for name, table in (("benchmark", "items"), ("score", "scores")):
        if not (path := folders[name] / f"{table}.parquet").exists():
            raise InputError(f"{path}: no such table; expected a folder of `pivots score` or of a study")
    inputs = Inputs(folders)
    items = items_of(inputs.table("items"))
    scores = item_scores(items, inputs.table("scores"), variant)
    return {item.item_id: (item, scores[item.item_id]) for item in items if item.item_id in scores}


def _differences(first: dict, scores: dict, name: str, baseline: str, resamples: int, seed: int) -> list[Record]:
    """A record for each direction and one for all: the other model's score less the first's, of shared items."""
    import numpy as np

    from semantic_pivots.resampling import bootstrap_mean, sign_flip_p
    from semantic_pivots.statistics import holm, seed_of

    common = [
        item for key, (item, _) in first.items()
        if key in scores and all(getattr(scores[key][0], end) == getattr(item, end) for end in _ASKED)
    ]  # fmt: skip
    if not common:
        raise InputError(f"{name} and {baseline} were asked no item alike; score them on one benchmark")
    gains = {item.item_id: scores[item.item_id][1] - first[item.item_id][1] for item in common}
    parts = {"-".join(d): [i for i in common if i.direction == d] for d in dict.fromkeys(i.direction for i in common)}
    figures, p_values = [], []
    for direction, items in [*parts.items(), ("all", common)]:
        values, groups = np.array([gains[i.item_id] for i in items]), np.array([i.concept_id for i in items])
        figures.append((direction, bootstrap_mean(values, seed_of(seed, "compare", direction), resamples, groups)))
        p_values.append(sign_flip_p(values, seed_of(seed, "flip", direction), groups))
    holm_values = [*holm(p_values[:-1]).tolist(), p_values[-1]]  # all together is one question of its own
    return [
        {
            "model": name,
            "baseline": baseline,
            "direction": direction,
            "concepts": interval.n,
            "difference": interval,
            "p": p,
            "p_holm": q,
            "verdict": _verdict(interval.value, q, interval.exists),
        }
        for (direction, interval), p, q in zip(figures, p_values, holm_values, strict=True)
    ]


def _verdict(value: float, p: float, has_bounds: bool) -> str:
    if not has_bounds:
        return "too few concepts"
    return "no difference shown" if p > _LEVEL else "better" if value > 0 else "worse"
