"""Results of a natural world: effects by concept, their tests, and decisions by rules fixed before the run.

Masking is randomised, so it has a randomisation test: if masking pivots has the same effect as masking other tokens,
the two conditions of a cluster of concepts are exchangeable. Every model has every condition, so the mean over a
model's held-out concepts is subtracted first. Arrangement and selection compare models with the same initial weights,
concept by concept. Their intervals are over concepts; with one seed they do not include the variance between initial
weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from semantic_pivots.corpus.document import HINGE
from semantic_pivots.files import Record
from semantic_pivots.held_out import HELD_OUT
from semantic_pivots.natural.masking import CONDITIONS
from semantic_pivots.natural.natural_stage import NaturalConfig
from semantic_pivots.natural.part_arms import STARTS
from semantic_pivots.resampling import bootstrap_mean, sign_flip_p
from semantic_pivots.signature import Signature
from semantic_pivots.statistics import SHARE, Figure, seed_of
from semantic_pivots.training.verdict import detectable

LEVEL = 0.01
"""Level of the tests that decide."""
QUARTER = 0.25
"""Share of the placebo's specificity below which an effect is called small."""
MASKING = {
    "placebo less masked": ("placebo", "masked"),
    "placebo less bridges": ("placebo", "bridges"),
    "spiked less placebo": ("spiked", "placebo"),
}
ARRANGEMENT = {
    "rows less split": ("rows", "split"),
    "joined less rows": ("joined", "rows"),
    "joined less split": ("joined", "split"),
}
SELECTION = {
    "pivot-rich less random": ("pivot-rich", "random"),
    "pivot-rich less language-matched": ("pivot-rich", "language-matched"),
    "pivot-rich less length-matched": ("pivot-rich", "length-matched"),
    "parallel less random": ("parallel", "random"),
    "pivot-rich less parallel": ("pivot-rich", "parallel"),
}
_CONTROLS = ("random", "language-matched", "length-matched")
_REQUIRED_CONTROLS = _CONTROLS[:2]
"""Controls without which nothing is decided; studies before seed 2607 have no others."""
_OUTCOMES = ("specificity", "chosen", "rank", "rank_by_counts")
_SHARES = _OUTCOMES[1:]
_CAUSAL = ("link", "need")
"""Outcomes of masking that decide nothing: the rule `causal` asked of every held-out pair, answered or not."""
_RESAMPLES = 4000
_SETTINGS = (
    "seed seeds concepts dictionary_share pivot_text embeddings tokens width layers learning_rate batch_sequences"
).split()

Row = Record


class Outcome(NamedTuple):
    """An outcome that is tested and decides."""

    chance: float
    """level by chance"""
    unit: str
    reader: str
    """who reads the sequences"""


DECISIVE = {
    "specificity": Outcome(0.0, "nats of specificity", "models"),
    "rank_by_counts": Outcome(0.5, "of rank by counts above chance", "counts"),
}


def summary(rows: Sequence[Row], config: NaturalConfig) -> list[Row]:
    """Rows of the table `natural_summary`: levels, effects and decisions of the parts that were run."""
    makers = {"masking": _masking, "arrangement": _arrangement, "selection": _selection}
    figures: list[Row] = []
    for part in config.parts:
        members = [row for row in rows if row["part"] == part]
        if members:
            figures += makers[part](members, config)
    return figures


class _Part:
    """Figures of one part, with one signature."""

    def __init__(self, part: str, config: NaturalConfig):
        self.part, self.config = part, config
        sizes = {key: getattr(config, key) for key in _SETTINGS}
        self.signature = Signature.of("natural", part, **sizes)

    def row(self, measure: str, group: str, values: np.ndarray, units: np.ndarray, chance: float | None = None) -> Row:
        """The mean of one value per concept, with its interval over units and, given `chance`, a test against it."""
        seed = seed_of("natural", self.part, measure, group, self.config.seed)
        interval = bootstrap_mean(values, seed, _RESAMPLES, units, SHARE if measure in _SHARES else None)
        return {
            "part": self.part,
            "measure": measure,
            "group": group,
            **Figure(interval, self.signature.with_settings(measure=measure, group=group)).columns(),
            "p_value": sign_flip_p(values - chance, seed, units, 20_000)
            if chance is not None and len(values)
            else None,
            "detectable": detectable(interval) if chance is not None and interval.exists else None,
            "conclusion": "",
        }

    def conclusion(self, text: str, outcome: str) -> Row:
        """A row with the conclusion from one outcome."""
        empty = dict.fromkeys(("value", "low", "high", "p_value", "detectable"))
        return {
            "part": self.part,
            "measure": "decision",
            "group": outcome,
            **empty,
            "n": 0,
            "signature": str(self.signature),
            "conclusion": f"{DECISIVE[outcome].reader}: {text}",
        }


def _means(rows: Iterable[Row], outcome: str, key: str) -> dict[tuple[int, str], dict[str, float]]:
    """Mean over directions by (seed, concept) and by the row's `key`."""
    sums: dict[tuple[int, str], dict[str, list[float]]] = {}
    for row in rows:
        by_condition = sums.setdefault((row["seed"], row["concept_id"]), {})
        by_condition.setdefault(row[key], []).append(row[outcome])
    return {unit: {name: float(np.mean(v)) for name, v in by_condition.items()} for unit, by_condition in sums.items()}


def _rows_with(rows: Iterable[Row], outcome: str) -> list[Row]:
    """The rows that have an outcome; those of readers that were not run have none."""
    return [row for row in rows if row.get(outcome) is not None]


def _without_model_mean(rows: Sequence[Row], outcome: str) -> list[Row]:
    """The rows minus the mean of their model."""
    of: dict[tuple[int, str], list[float]] = {}
    for row in rows:
        of.setdefault((row["seed"], row["arm"]), []).append(row[outcome])
    return [{**row, outcome: row[outcome] - float(np.mean(of[row["seed"], row["arm"]]))} for row in rows]


def _masking(rows: Sequence[Row], config: NaturalConfig) -> list[Row]:
    part = _Part("masking", config)
    held_out = [row for row in rows if row["half"] == HELD_OUT]
    minimum = max(1, config.fewest_documents // 2)
    eligible = [r for r in held_out if r["pivots"] and min(r["windows_source"], r["windows_target"]) >= minimum]
    cluster = _clusters(held_out)
    figures = _trained_level(part, rows)
    effects: dict[str, Row] = {}
    levels: dict[str, Row] = {}
    for outcome in (*_OUTCOMES, *_CAUSAL):
        outcome_rows = _rows_with(eligible, outcome)
        if not outcome_rows:
            continue
        for condition in CONDITIONS:
            means = _means([r for r in outcome_rows if r["condition"] == condition], outcome, "condition")
            values, units = _columns(means, lambda arm_values, c=condition: arm_values[c], cluster)
            chance = DECISIVE[outcome].chance if outcome in DECISIVE else None
            figures.append(part.row(outcome, f"held-out, {condition}", values, units, chance))
            levels[f"{outcome}, {condition}"] = figures[-1]
        means = _means(_without_model_mean(outcome_rows, outcome), outcome, "condition")
        for name, (first, second) in MASKING.items():
            values, units = _columns(
                means, lambda arm_values, a=first, b=second: arm_values[a] - arm_values[b], cluster
            )
            row = part.row(f"effect on {outcome}", name, values, units, chance=0.0)
            effects[f"{outcome}, {name}"] = row
            figures += [row, *_by_seed(part, row, means, values, units)]
    for outcome in DECISIVE:
        if f"{outcome}, placebo" in levels:
            decision = masking_decision(effects, levels[f"{outcome}, placebo"], outcome)
            figures.append(part.conclusion(decision, outcome))
    return figures


def _clusters(rows: Iterable[Row]) -> dict[tuple[int, str], str]:
    """By (seed, concept), the cluster of the concept in its first seed, so that a concept in two seeds is one unit."""
    first: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: row["seed"]):
        first.setdefault(row["concept_id"], f"{row['seed']}-{row['cluster']}")
    return {(row["seed"], row["concept_id"]): first[row["concept_id"]] for row in rows}


def _by_seed(part: _Part, effect: Row, means: dict, values: np.ndarray, units: np.ndarray) -> list[Row]:
    """An effect in each seed, if there are several: the interval over concepts does not include their variance."""
    seeds = np.array([seed for seed, _ in sorted(means)])
    rows = []
    for seed in np.unique(seeds) if len(set(seeds)) > 1 else ():
        in_seed, group = seeds == seed, f"{effect['group']}, seed {seed}"
        rows.append(part.row(effect["measure"], group, values[in_seed], units[in_seed], chance=0.0))
    return rows


def _columns(means: dict, value: Any, unit: dict) -> tuple[np.ndarray, np.ndarray]:
    keys = sorted(means)
    return np.array([value(means[k]) for k in keys], np.float64), np.array([unit[k] for k in keys])


def masking_decision(effects: dict[str, Row], placebo: Row, outcome: str = "specificity") -> str:
    """The decision on masking by the rule of docs/natural.md.

    Args:
        effects: rows by "OUTCOME, CONTRAST".
        placebo: the row with the level of the placebo.
        outcome: the outcome that decides, a key of DECISIVE.
    """
    cost, spike = (effects[f"{outcome}, {name}"] for name in ("placebo less masked", "spiked less placebo"))
    if cost["low"] is None:
        return "cannot be told: no interval, too few clusters of concepts"
    unit = DECISIVE[outcome].unit
    level = placebo["value"] - DECISIVE[outcome].chance
    bar = QUARTER * level
    share_text = f"{cost['value']:.3f} of {level:.3f} {unit}"
    if cost["value"] > 0 and cost["p_value"] < LEVEL:
        return f"pivots matter: masking them costs {share_text} (p = {cost['p_value']:.2g})"
    spike_holds = spike["value"] > 0 and spike["p_value"] < LEVEL
    is_learned = level > 0 and placebo["p_value"] < LEVEL
    if spike_holds and is_learned and cost["high"] < bar:
        return f"pivots carry less than a quarter: {share_text}, at most {cost['high']:.3f}, and the spike is found"
    reasons = [
        *([] if is_learned else ["held-out pairs are not translated at all"]),
        *([] if spike_holds else [f"the spike is not found (p = {spike['p_value']:.2g})"]),
        *([] if cost["high"] < bar else [f"up to {cost['high']:.3f} are possible and a quarter is {bar:.3f} {unit}"]),
    ]
    return f"cannot be told: {'; '.join(reasons)}{_size(cost, bar)}"


def _size(effect: Row, bar: float) -> str:
    """What size would tell an effect of a quarter from none, from the interval."""
    if not bar > 0:
        return ""
    # the width at which no effect is told from a quarter, in four of five studies
    factor = (effect["detectable"] / bar) ** 2
    return f"; an effect of a quarter would be seen with {max(factor, 1.0):.1f} times the concepts"


def _trained_level(part: _Part, rows: Sequence[Row]) -> list[Row]:
    """Specificity and choice of the trained half, as a check that the question was learned."""
    trained_rows = [row for row in rows if row["half"] != HELD_OUT]
    figures = []
    for outcome in _OUTCOMES:
        by_arm = _means(_rows_with(trained_rows, outcome), outcome, "arm")
        means = {key: float(np.mean(list(row.values()))) for key, row in by_arm.items()}
        if means:
            values = np.array([means[key] for key in sorted(means)])
            units = np.array([concept for _, concept in sorted(means)])
            figures.append(part.row(outcome, "trained", values, units))
    return figures


def _arms(part: _Part, rows: Sequence[Row], kinds: dict[str, list[Row]], contrasts: dict) -> tuple[list[Row], dict]:
    """Levels of each arm and paired effects, by kind of pair."""
    figures, effects = _trained_level(part, rows), {}
    names = list(dict.fromkeys(row["arm"] for row in rows))
    for kind, members in kinds.items():
        for outcome in _OUTCOMES:
            means = _means(_rows_with(members, outcome), outcome, "arm")
            if not means:
                continue
            unit = {key: key[1] for key in means}
            for arm in names:
                values, units = _columns(means, lambda arm_values, a=arm: arm_values[a], unit)
                figures.append(part.row(outcome, f"{kind}, {arm}", values, units))
            for name, (first, second) in contrasts.items():
                values, units = _columns(
                    means, lambda arm_values, a=first, b=second: arm_values[a] - arm_values[b], unit
                )
                row = part.row(f"effect on {outcome}", f"{kind}, {name}", values, units, chance=0.0)
                effects[f"{outcome}, {kind}, {name}"] = row
                figures += [row, *_by_seed(part, row, means, values, units)]
    return figures, effects


def _arrangement(rows: Sequence[Row], config: NaturalConfig) -> list[Row]:
    part = _Part("arrangement", config)
    held_out = [row for row in rows if row["half"] == HELD_OUT]
    without = [r for r in held_out if HINGE not in (r["source_language"], r["target_language"])]
    kinds = {"without English": without, "with English": [r for r in held_out if r not in without]}
    figures, effects = _arms(part, rows, {k: v for k, v in kinds.items() if v}, ARRANGEMENT)
    for outcome in DECISIVE:
        row = effects.get(f"{outcome}, without English, rows less split")
        if row is not None:
            figures.append(part.conclusion(arrangement_decision(row, outcome), outcome))
    return figures


def arrangement_decision(row: Row, outcome: str = "specificity") -> str:
    """The decision on English as a hub: do pairs that never co-occur gain if each word co-occurs with English?"""
    if row["low"] is None:
        return "cannot be told: no interval, too few concepts"
    gain = f"{row['value']:.3f} {DECISIVE[outcome].unit} [{row['low']:.3f}, {row['high']:.3f}]"
    if row["value"] > 0 and row["p_value"] < LEVEL:
        return f"documents that translate into English join two further languages: {gain}"
    if row["value"] < 0 and row["p_value"] < LEVEL:
        return f"documents that translate into English part two further languages: {gain}"
    return f"cannot be told whether English joins two further languages: {gain}; {row['detectable']:.3f} would be seen"


def _selection(rows: Sequence[Row], config: NaturalConfig) -> list[Row]:
    part = _Part("selection", config)
    held_out = [row for row in rows if row["half"] == HELD_OUT]
    names = {row["arm"] for row in rows}
    contrasts = {
        name + suffix: (first + suffix, second + suffix)
        for suffix in STARTS.values()
        for name, (first, second) in SELECTION.items()
        if {first + suffix, second + suffix} <= names
    }
    figures, effects = _arms(part, rows, {"held-out": held_out}, contrasts)
    level_of = {(row["measure"], row["group"]): row["value"] for row in figures}
    for outcome, settings in DECISIVE.items():
        for suffix in STARTS.values():
            if (outcome, f"held-out, random{suffix}") not in level_of:
                continue
            level = level_of[outcome, f"held-out, random{suffix}"] - settings.chance
            over = {name: effects.get(f"{outcome}, held-out, pivot-rich less {name}{suffix}") for name in _CONTROLS}
            gains = {name: row for name, row in over.items() if row is not None}
            start = "continued from a base of other documents" if suffix else "from scratch"
            decision = selection_decision(gains, level, outcome)
            figures.append(part.conclusion(f"{start}: {decision}", outcome))
    return figures


def selection_decision(gains: dict[str, Row], level: float, outcome: str = "specificity") -> str:
    """The decision on pivot-rich documents: better than every control, not better by a quarter, or not known.

    Args:
        gains: rows of the gains, by control.
        level: level of random documents, above chance.
        outcome: the outcome that decides, a key of DECISIVE.
    """
    rows = gains.values()
    if missing := [name for name in _REQUIRED_CONTROLS if name not in gains]:
        return f"cannot be told without {' and '.join(missing)} documents"
    if any(row["low"] is None for row in rows):
        return "cannot be told: no interval, too few concepts"
    unit = DECISIVE[outcome].unit
    gains_text = ", ".join(
        f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}] over {name}" for name, row in gains.items()
    )
    if all(row["value"] > 0 and row["p_value"] < LEVEL for row in rows):
        return f"pivot-rich documents help: {gains_text} documents, {unit}"
    bar = QUARTER * level
    if all(row["high"] < bar for row in rows) and not math.isnan(bar):
        return f"pivot-rich documents do not help by a quarter of {level:.3f} {unit}: {gains_text} documents"
    return f"cannot be told whether pivot-rich documents help: {gains_text} documents, {unit}"
