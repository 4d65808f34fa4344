"""The stage `compare`: the benchmark on the base and on every trained arm, paired item by item and draw by draw."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from semantic_pivots import tables
from semantic_pivots.analysis.scores import Design, directions_of, score_items
from semantic_pivots.analysis.variants import (
    ANSWERS,
    VARIANTS,
    Direction,
    Estimate,
    average,
    concept_weights,
    estimates,
)
from semantic_pivots.config import CompareConfig
from semantic_pivots.errors import InputError, nearest
from semantic_pivots.run import Inputs, Work
from semantic_pivots.statistics import Interval, seed_of
from semantic_pivots.tasks.ask import signature_name
from semantic_pivots.tasks.translation import Item, items_of

VERSION = 1
BASE = "base"


def compare_stage(config: CompareConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Score base and arms on the same items, shots and draws; report every arm, and its differences.

    A row whose `baseline` is empty is the arm's own score; otherwise its value is arm minus baseline. Baselines are the
    base, and the arm `random` where it was trained. An arm's seeds are averaged.
    """
    known = [*(v for v in VARIANTS if not v.startswith("control")), *ANSWERS]
    if config.variant not in known:
        raise InputError(
            f"variant {config.variant!r} is not known; expected one of {known}{nearest(config.variant, known)}"
        )
    folder = inputs.folder("train")
    arms = arms_of(folder)
    items = chosen_items(items_of(inputs.table("items")), config.items_per_direction, config.seed)
    if not items:
        raise InputError("the benchmark has no items to compare the arms on")
    words = inputs.table("words")
    design = Design(config.shots, config.draws, config.pool, config.seed, signature_name(items))
    concepts, weights = concept_weights([item.concept_id for item in items], config.seed, config.resamples)
    found: dict[str, list[dict]] = {}
    models: dict[str, list[str]] = {}
    for arm, specs in arms.items():
        for number, spec in enumerate(specs):
            scores, answers, model = score_items(
                items, words, design, spec, config.dtype, work, f"{arm}-{number}", config.batch_tokens, config.cache
            )
            directions = directions_of(items, scores, answers, design)
            found.setdefault(arm, []).append(_figures(directions, config, concepts, weights))
            models.setdefault(arm, []).append(model)
    figures = {arm: _mean_of_seeds(parts) for arm, parts in found.items()}
    work.note("models", models)
    return {"comparison": tables.from_rows("comparison", _rows(figures, models, design, config))}


def arms_of(folder: Path) -> dict[str, list[str]]:
    """Model specs by arm: the base of base.json, and every folder ARM-seedN, in order of name and seed.

    Raises:
        InputError: base.json names no base.
    """
    path = folder / "base.json"
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        spec = told if isinstance(told, str) else next(told[key] for key in ("model", "spec", "base") if key in told)
    except (OSError, ValueError, StopIteration) as error:
        raise InputError(f"{path} does not name the base model under 'model'; run the stage train again") from error
    arms: dict[str, list[str]] = {BASE: [spec]}
    trained = [(m, path) for path in folder.iterdir() if (m := re.fullmatch(r"(.+)-seed(\d+)", path.name))]
    for match, path in sorted(trained, key=lambda pair: (pair[0][1], int(pair[0][2]))):
        arms.setdefault(match[1], []).append(str(path))
    return arms


def chosen_items(items: Sequence[Item], per_direction: int, seed: int) -> list[Item]:
    """A seeded choice of concepts, the same in all directions; 0: all items."""
    if per_direction <= 0:
        return list(items)
    order = sorted({item.concept_id for item in items}, key=lambda concept: seed_of(seed, "compare", concept))
    rank = {concept: place for place, concept in enumerate(order)}
    kept: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        kept.setdefault(item.direction, []).append(item)
    chosen = {
        item.item_id
        for members in kept.values()
        for item in sorted(members, key=lambda item: rank[item.concept_id])[:per_direction]
    }
    return [item for item in items if item.item_id in chosen]


def verdict(interval: Interval, arm: str, baseline: str) -> str:
    """The plain sentence under a difference."""
    if not baseline:
        return ""
    if np.isnan(interval.low):
        return "no figure: too few items"
    if not interval.excludes_zero:
        return f"{arm} and {baseline} are not distinguishable: the difference is not distinguishable from zero"
    return f"{arm} is {'better' if interval.low > 0 else 'worse'} than {baseline}: the interval excludes zero"


def _figures(
    directions: dict[tuple[str, str], Direction], config: CompareConfig, concepts: dict[str, int], weights: np.ndarray
) -> dict[tuple[str, str, str], Estimate]:
    """Estimates by (source language, target language, variant): the chosen variant, accuracy, and the mean over all."""
    variants = [config.variant] if config.variant in VARIANTS else []
    wanted = [*variants, *ANSWERS]
    found: dict[tuple[str, str, str], Estimate] = {}
    for key, direction in directions.items():
        kept = replace(direction, linear={name: direction.linear[name] for name in ANSWERS})
        for (_, variant), figure in estimates(kept, variants, ["all"], concepts, weights, config.seed).items():
            found[*key, variant] = figure
    for variant in wanted:
        found["all", "all", variant] = average([found[*key, variant] for key in directions])
    return found


def _mean_of_seeds(parts: list[dict]) -> dict:
    """Figures averaged over the training seeds of an arm; `n` stays that of the items."""
    return {key: replace(average([part[key] for part in parts]), n=parts[0][key].n) for key in parts[0]}


def _rows(figures: dict[str, dict], models: dict[str, list[str]], design: Design, config: CompareConfig) -> list[dict]:
    rows = []
    for arm in figures:
        baselines = ["", *(b for b in (BASE, "random") if b in figures and arm not in (b, BASE))]
        for baseline in baselines:
            for (source, target, variant), figure in figures[arm].items():
                shown = figure.minus(figures[baseline][source, target, variant]) if baseline else figure
                interval = shown.interval()
                against = f" minus {','.join(models[baseline])}" if baseline else ""
                direction = None if source == "all" else (source, target)
                signature = design.signature(direction, ",".join(models[arm]) + against, config.dtype, variant)
                rows.append(
                    {
                        "source_language": source,
                        "target_language": target,
                        "arm": arm,
                        "baseline": baseline,
                        "variant": variant,
                        "value": interval.value,
                        "low": interval.low,
                        "high": interval.high,
                        "n": interval.n,
                        "signature": signature,
                        "verdict": verdict(interval, arm, baseline),
                    }
                )
    return rows
