"""The stage `compare`: the benchmark and held-out text on the base and on every trained arm, paired.

Pairs are items, draws, documents and sentences, and training runs of equal seed. The table `comparison` holds every
arm's figures and its differences; the table `verdict` says what they amount to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from semantic_pivots import grammar, tables
from semantic_pivots.analysis.rules import LABELS
from semantic_pivots.engines import Task, shard_parts
from semantic_pivots.errors import InputError
from semantic_pivots.held_out import HELD_OUT, SEEN
from semantic_pivots.models.device import device_processes, take_device
from semantic_pivots.run import Inputs, Work
from semantic_pivots.scoring.benchmark_scores import directions_of
from semantic_pivots.scoring.design import Design, sample_by_direction
from semantic_pivots.scoring.model_runner import ScoreJob, score_items
from semantic_pivots.scoring.variants import VARIANTS, Direction, concept_weights, estimates
from semantic_pivots.signature import Signature
from semantic_pivots.statistics import Estimate, Figure, Interval, of_row, seed_of
from semantic_pivots.tasks.pattern import groups
from semantic_pivots.tasks.questions import signature_name
from semantic_pivots.tasks.translation import Item, items_of
from semantic_pivots.training.compare_stage import CompareConfig
from semantic_pivots.training.evaluation import ASTRAY, BITS, Evaluator, Key, with_means
from semantic_pivots.training.verdict import (
    CONTROLS,
    conclusion,
    detectable,
    holm_p,
    over_seeds,
    study_growth,
    variance_of_runs,
)
from semantic_pivots.words import normalise

BASE = "base"
OFF_TARGET = "off-target"
"""Share of greedy answers that are the concept's word in another language than the target's."""
LABEL = "label:"
_LOWER_IS_BETTER = (BITS, ASTRAY, OFF_TARGET, "copy-rate")
Runs = list[dict[Key, Estimate]]
"""The figures of each training run of an arm, in the order of seeds"""


def compare_stage(config: CompareConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Evaluate base and arms in the same way; report each arm and its differences (tables `comparison`, `verdict`).

    In a row without `baseline` the value is the arm's own figure; otherwise it is arm minus baseline. Baselines are the
    base and, if they were trained, the arms random and language-matched. The intervals of arms with several runs are
    over items and runs.

    Raises:
        InputError: an invalid key, or a benchmark without items.
    """
    grammar.check(config)
    arms = arms_of(inputs.folder("train"))
    items = chosen_items(items_of(inputs.table("items")), config.items_per_direction, config.seed)
    if not items:
        raise InputError("the benchmark has no items to compare the arms on")
    words = inputs.table("words")
    foreign_words = _other_words(items, words)
    design = Design(config.shots, config.draws, config.pool, config.seed, signature_name(items))
    concepts, weights = concept_weights([item.concept_id for item in items], config.seed, config.resamples)
    evaluator = Evaluator(config, inputs, items, work)
    jobs = {
        arm: [
            ScoreJob(design, spec, config.dtype, f"{arm}-{number}", config.batch_tokens, config.cache)
            for number, spec in enumerate(specs)
        ]
        for arm, specs in arms.items()
    }
    if device_processes(config.processes, "compare") > 1:
        tasks: list[Task] = [(job.name, _evaluate, (job,)) for arm_jobs in jobs.values() for job in arm_jobs]
        common = (config, inputs, items, words, work.folder, work.out)
        shard_parts(tasks, work, config.processes, "evaluated", constants=common)
    runs: dict[str, Runs] = {}
    models: dict[str, list[str]] = {}
    for arm, arm_jobs in jobs.items():
        for job in arm_jobs:
            scores, answers, model = score_items(items, words, job, work)
            directions = directions_of(items, scores, answers, design)
            shares = [_off_target(answers, foreign_words)]
            if config.behaviours:
                shares += _label_shares(evaluator.labels(job.spec, job.name), config.behaviours, config.draws)
            directions = {key: _with(direction, shares) for key, direction in directions.items()}
            figures = _figures(directions, config, concepts, weights) | evaluator.figures(job.spec, job.name)
            runs.setdefault(arm, []).append(figures)
            models.setdefault(arm, []).append(model)
    work.note("models", models)
    rows = _rows(runs, models, design, config)
    return {
        "comparison": tables.from_rows("comparison", rows),
        "verdict": tables.from_rows("verdict", _verdicts(runs, rows, config)),
    }


def _evaluate(
    job: ScoreJob,
    config: CompareConfig,
    inputs: Inputs,
    items: Sequence[Item],
    words: pa.Table,
    folder: Path,
    out: Path,
) -> pa.Table:
    """Leave the parts of one model in the folder, where the stage finds them, by an accelerator of its own."""
    take_device(folder)
    work = Work(folder, out)
    evaluator = Evaluator(config, inputs, items, work)
    score_items(items, words, job, work)
    evaluator.figures(job.spec, job.name)
    if config.behaviours:
        evaluator.labels(job.spec, job.name)
    return pa.table({"model": [job.name]})


def arms_of(folder: Path) -> dict[str, list[str]]:
    """The model specs of each arm: the base model that base.json names, and the folders ARM-seedN by name and seed.

    Raises:
        InputError: base.json names no base.
    """
    path = folder / "base.json"
    try:
        spec = json.loads(path.read_text(encoding="utf-8"))["model"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path} does not name the base model under 'model'; run the stage train again") from error
    arms: dict[str, list[str]] = {BASE: [spec]}
    arm_folders = [(m, path) for path in folder.iterdir() if (m := re.fullmatch(r"(.+)-seed(\d+)", path.name))]
    for match, path in sorted(arm_folders, key=lambda pair: (pair[0][1], int(pair[0][2]))):
        arms.setdefault(match[1], []).append(str(path))
    return arms


def chosen_items(items: Sequence[Item], per_direction: int, seed: int) -> list[Item]:
    """A seeded choice of concepts, the same in all directions; 0: all items."""
    sample = sample_by_direction(items, lambda item: seed_of(seed, "compare", item.concept_id), per_direction)
    item_ids = {item.item_id for item in sample}
    return [item for item in items if item.item_id in item_ids]


def verdict(interval: Interval, arm: str, baseline: str, variant: str) -> str:
    """One sentence that states what a difference shows."""
    if not baseline:
        return ""
    if not interval.exists:
        return "no interval: too few concepts"
    if not interval.excludes_zero:
        return f"{arm} and {baseline} are not distinguishable: the difference is not distinguishable from zero"
    if variant.startswith(LABEL):
        word = "above" if interval.low > 0 else "below"
    else:
        word = "better than" if (interval.low > 0) != (variant in _LOWER_IS_BETTER) else "worse than"
    return f"{arm} is {word} {baseline}: the interval excludes zero"


def _other_words(items: Sequence[Item], words: pa.Table) -> dict[str, frozenset[str]]:
    """By item, its concept's words in the languages other than the target's, normalised; without the target."""
    translations: dict[str, list[tuple[str, str]]] = {}
    for row in words.to_pylist():
        translations.setdefault(row["concept_id"], []).append((row["language"], normalise(row["word"])))
    return {
        item.item_id: frozenset(
            word
            for code, word in translations.get(item.concept_id, [])
            if code != item.target_language and word != normalise(item.target)
        )
        for item in items
    }


Share = tuple[str, dict[str, list[float]]]
"""A variant that is a share of items, and by item its value in each draw."""


def _off_target(answers: pa.Table, foreign_words: dict[str, frozenset[str]]) -> Share:
    shares: dict[str, list[float]] = {}
    for item_id, greedy in zip(answers["item_id"].to_pylist(), answers["greedy"].to_pylist(), strict=True):
        shares.setdefault(item_id, []).append(float(normalise(greedy) in foreign_words[item_id]))
    return OFF_TARGET, shares


def _label_shares(labels: dict[str, str], rule: str, draws: int) -> list[Share]:
    """Shares of the labels among items that have one; items whose words share tokens have none (NaN)."""
    rule_labels = {item: label for item, label in labels.items() if label in LABELS[rule]}

    def value(item: str, label: str) -> float:
        return float(rule_labels[item] == label) if item in rule_labels else float("nan")

    return [(LABEL + label, {item: [value(item, label)] * draws for item in labels}) for label in LABELS[rule]]


def _with(direction: Direction, shares: Iterable[Share]) -> Direction:
    """The direction with further figures of its items, each (n, draws)."""
    item_values = {name: np.array([by_item[item.item_id] for item in direction.items]) for name, by_item in shares}
    return replace(direction, linear={**direction.linear, **item_values})


def _figures(
    directions: dict[tuple[str, str], Direction], config: CompareConfig, concepts: dict[str, int], weights: np.ndarray
) -> dict[Key, Estimate]:
    """Every variant and answer share of each direction and stratum, and the means over directions."""
    tags = groups(item.strata for direction in directions.values() for item in direction.items)
    estimate_of: dict[Key, Estimate] = {}
    for key, direction in directions.items():
        figures = estimates(direction, VARIANTS, ["all", *tags], concepts, weights)
        estimate_of |= {(*key, *name): estimate for name, estimate in figures.items()}
    return with_means(estimate_of)


def differences(runs: dict[str, Runs], arm: str, baseline: str, key: Key) -> Estimate:
    """A figure of each run of an arm; with a baseline, minus the figure of the baseline's corresponding run."""
    return over_seeds(_by_run(runs, arm, baseline, key), arm, baseline, *key)


def _by_run(runs: dict[str, Runs], arm: str, baseline: str, key: Key) -> list[Estimate]:
    """The figure of each run of an arm, minus that of the baseline's where a baseline is named."""
    parts = [run[key] for run in runs[arm]]
    if not baseline:
        return parts
    against = runs[baseline]
    return [part.minus(against[min(i, len(against) - 1)][key]) for i, part in enumerate(parts)]


def _rows(arms: dict[str, Runs], models: dict[str, list[str]], design: Design, config: CompareConfig) -> list[dict]:
    rows = []
    order = [arm for arm in (BASE, *CONTROLS) if arm in arms]
    for arm, runs in arms.items():
        lower = order[: order.index(arm)] if arm in order else order
        for baseline in ("", *lower):
            for key in runs[0]:
                source, target, stratum, variant = key
                if not runs[0][key].n or (stratum != "all" and source != "all"):
                    continue
                interval = differences(arms, arm, baseline, key).interval()
                against = f" minus {','.join(models[baseline])}" if baseline else ""
                direction = None if source == "all" else (source, target)
                signature = design.signature(direction, ",".join(models[arm]) + against, config.dtype, variant)
                rows.append(
                    {
                        "source_language": source,
                        "target_language": target,
                        "arm": arm,
                        "baseline": baseline,
                        "stratum": stratum,
                        "variant": variant,
                        **Figure(interval, signature.with_settings(stratum=stratum, runs=len(runs))).columns(),
                        "verdict": verdict(interval, arm, baseline, variant),
                    }
                )
    return rows


def _verdicts(runs: dict[str, Runs], rows: Sequence[dict], config: CompareConfig) -> list[dict]:
    """What the gains over the controls amount to, for each half of the words and arm; arms are judged together."""
    overall = [r for r in rows if r["source_language"] == "all" and r["variant"] == config.variant]
    gain_rows = {(r["stratum"], r["arm"], r["baseline"]): r for r in overall if r["baseline"] in CONTROLS}
    table = []
    for stratum in ("all", HELD_OUT, SEEN):
        gains: dict[str, dict[str, dict]] = {}
        for arm in (arm for arm in runs if arm not in (BASE, *CONTROLS)):
            present = {c: gain_rows[stratum, arm, c] for c in CONTROLS if (stratum, arm, c) in gain_rows}
            if present:
                gains[arm] = present
        p = holm_p({arm: {c: of_row(row) for c, row in present.items()} for arm, present in gains.items()})
        for arm, present in gains.items():
            base = {"arm": arm, "stratum": stratum, "variant": config.variant, "runs": len(runs[arm])}
            key = ("all", "all", stratum, config.variant)
            of_runs = {control: variance_of_runs(_by_run(runs, arm, control, key)) for control in present}
            table += [base | row for row in _gain_rows(arm, present, config.smallest_gain, p[arm], len(gains), of_runs)]
    return table


def _gain_rows(
    arm: str, present: dict[str, dict], smallest: float, p: float, arms: int, of_runs: dict[str, float]
) -> Iterable[dict]:
    """The rows of an arm's gains over each control, and the one that concludes."""
    intervals = {control: of_row(row) for control, row in present.items()}
    for control, row in present.items():
        figure = {name: row[name] for name in ("value", "low", "high", "n", "signature", "verdict")}
        yield {"baseline": control, **figure, **_sizes(intervals[control], intervals[control], of_runs[control])}
    worst = min(intervals, key=lambda control: intervals[control].value)
    # NaN, where a control has no interval, stays NaN
    low, high = (float(np.min([getattr(i, end) for i in intervals.values()])) for end in ("low", "high"))
    least_gain = Interval(intervals[worst].value, low, high, intervals[worst].n)
    yield {
        "baseline": "",
        **Figure(least_gain, Signature.parse(present[worst]["signature"])).columns(),
        **_sizes(max(intervals.values(), key=detectable), intervals[worst], of_runs[worst]),
        "verdict": conclusion(arm, intervals, smallest, p, arms, of_runs),
    }


def _sizes(weakest: Interval, smallest: Interval, of_runs: float) -> dict[str, float | None]:
    """The columns of power: the gain that would be seen, and the times the size that would show the measured one."""
    size = study_growth(smallest, of_runs)
    columns = {
        "detectable": detectable(weakest),
        "needed": size.joint_factor,
        "needed_concepts": size.concepts,
        "needed_runs": size.runs,
    }
    return {name: None if np.isnan(value) else value for name, value in columns.items()}
