"""What is shown of continued pre-training and of the comparison of its models."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import plotly.graph_objects as go
import pyarrow as pa

from semantic_pivots.panel import (
    Line,
    Numbers,
    Panel,
    StageView,
    Tables,
    colour,
    direction,
    direction_order,
    figures_of,
    interval_dots,
    is_pooled,
    layout,
    unique,
)
from semantic_pivots.report.figures_score import is_main, unit
from semantic_pivots.statistics import Interval, of_row

_CHART_MEASURES = ("paper", "accuracy", "bits-per-byte", "chrf")
"""Measures of the comparison that are drawn; the others stand in a table."""
_ARMS = {"arm": "arm", "against": "baseline"}


def train_panels(training_log: pa.Table) -> list[Panel]:
    """Loss by tokens of every arm and seed; speed and memory, which differ between equal runs, stay in the table."""
    runs: dict[tuple[str, int], list[dict]] = defaultdict(list)
    for row in training_log.select(["arm", "seed", "step", "tokens", "loss", "learning_rate"]).to_pylist():
        runs[row["arm"], row["seed"]].append(row)
    arms = sorted({arm for arm, _ in runs})
    figure, rows = go.Figure(), []
    for (arm, seed), points in sorted(runs.items()):
        points.sort(key=lambda r: r["step"])
        figure.add_trace(
            go.Scatter(
                x=[p["tokens"] for p in points],
                y=[p["loss"] for p in points],
                mode="lines+markers",
                marker={"size": 4},
                line={"color": colour(arm, arms.index(arm)), "width": 2},
                opacity=1 if seed == min(s for name, s in runs if name == arm) else 0.55,
                name=f"{arm}, seed {seed}",
                hovertemplate="%{x:,} tokens: %{y:.4f} nats<extra>" + f"{arm}, seed {seed}</extra>",
            )
        )
        tail = points[-max(1, len(points) // 5) :]
        rows.append(
            (
                arm,
                seed,
                len(points),
                points[-1]["tokens"],
                points[0]["loss"],
                points[-1]["loss"],
                sum(p["loss"] for p in tail) / len(tail),
            )
        )
    layout(figure, 380, x="training tokens", y="loss (nats per token)", showlegend=True)
    columns = ("arm", "seed", "logged steps", "tokens", "first loss", "last loss", "mean of the last fifth")
    return [
        Panel(
            "Training loss",
            "Loss on each arm's own documents: arms read different text, so their losses are not "
            "comparable with one another.",
            Numbers(columns, tuple(rows)),
            figure,
        )
    ]


def compare_panels(comparison: pa.Table, languages: Sequence[str], verdicts: pa.Table | None = None) -> list[Panel]:
    """The verdict, forest plots of paired differences in the main figures, every measure as numbers, and own scores."""
    rows = sorted(comparison.to_pylist(), key=direction_order(languages))
    gains = verdicts.to_pylist() if verdicts is not None else []
    main = unique(
        [*(r["variant"] for r in gains), *(v for v in _CHART_MEASURES if any(r["variant"] == v for r in rows))]
    )
    panels = [_verdicts(gains)] if gains else []
    all_items = [r for r in rows if r["stratum"] == "all"]
    for variant in main:
        differences = [r for r in all_items if r["variant"] == variant and r["baseline"]]
        if differences:
            panels.append(_forest(differences, variant))
    means = [r for r in rows if r["source_language"] == "all" and r["baseline"]]
    if means:
        panels.append(_all_measures(means))
    values = [r for r in all_items if not r["baseline"]]
    for variant in main:
        differences = [r for r in values if r["variant"] == variant]
        if differences:
            panels.append(_own_scores(differences, variant))
    return panels


def _verdicts(rows: list[dict]) -> Panel:
    series: dict[str, list] = {}
    for row in rows:
        if row["baseline"]:
            place = row["arm"] if row["stratum"] == "all" else f"{row['arm']}, {row['stratum'].removeprefix('words:')}"
            series.setdefault(f"gain over {row['baseline']}", []).append((place, of_row(row)))
    columns = {
        "arm": "arm",
        "words": lambda r: r["stratum"].removeprefix("words:"),
        "against": lambda r: r["baseline"] or "all controls",
    }
    details = {"runs": "runs", "seen with 80 % power": "detectable", "verdict": "verdict"}
    table = figures_of(rows, columns, "gain", details)
    reading = (
        "What each selection gains over documents chosen at random, and at random in the same languages, as the mean "
        "of directions; the intervals are over concepts and training runs. A selection helps where both gains lie "
        "above zero, and still do after Holm's correction for the number of selections. Held-out words are those that "
        "nothing saw which chose documents."
    )
    variant = rows[0]["variant"]
    figure = interval_dots(series, f"gain ({unit(variant)})", reference=0.0)
    return Panel("Does it help?", reading, table, figure, wide=True)


def _all_measures(rows: list[dict]) -> Panel:
    rows = sorted(rows, key=lambda r: (r["variant"], r["stratum"] != "all", r["stratum"]))
    columns = {"measure": "variant", "unit": lambda r: unit(r["variant"]), "items": "stratum", **_ARMS}
    table = figures_of(rows, columns, "difference", {"verdict": "verdict"})
    reading = (
        "The mean of directions, or of languages, of every measure and group of items: scores, answers in another "
        "language (off-target), bits per byte of held-out text, translated sentences, shares of behaviours. Each "
        "interval is that of one figure: of twenty without any effect, one excludes zero."
    )
    return Panel("Every measure", reading, table, wide=True)


def _forest(rows: list[dict], variant: str) -> Panel:
    series: dict[str, list] = {}
    for row in rows:
        series.setdefault(f"{row['arm']} − {row['baseline']}", []).append((direction(row), of_row(row)))
    table = figures_of(rows, {"direction": direction, **_ARMS}, "difference", {"verdict": "verdict"})
    reading = (
        "One model minus another on the same items and the same shots. An interval that contains zero (dotted) is not "
        "distinguishable from no effect; the table's verdict says so in words, of each figure by itself."
    )
    figure = interval_dots(series, f"difference ({unit(variant)})", reference=0.0)
    return Panel(f"Paired differences: {variant}", reading, table, figure)


def _own_scores(rows: list[dict], variant: str) -> Panel:
    series: dict[str, list] = {}
    for row in rows:
        series.setdefault(row["arm"], []).append((direction(row), of_row(row)))
    table = figures_of(rows, {"direction": direction, "arm": "arm"})
    reading = "What each model reaches by itself, before differences are taken."
    return Panel(f"Each model's own {variant}", reading, table, interval_dots(series, unit(variant)))


def _train_lines(tables: Tables) -> list[Line]:
    final: dict[tuple[str, int], dict] = {}
    for row in tables["training_log"].to_pylist():
        key = (row["arm"], row["seed"])
        if key not in final or row["step"] > final[key]["step"]:
            final[key] = row
    return [
        Line("train", f"last loss of {arm}, seed {seed} (nats)", f"{row['loss']:.3f}", row["tokens"])
        for (arm, seed), row in sorted(final.items())
    ]


def _compare_lines(tables: Tables) -> list[Line]:
    gains = tables["verdict"].to_pylist() if "verdict" in tables else []
    variants = unique([*(r["variant"] for r in gains), "paper", "accuracy"])[:2]
    rows = [r for r in tables["comparison"].to_pylist() if r["baseline"]]
    members = [r for r in rows if is_main(r["stratum"]) and r["variant"] in variants]
    members = [r for r in members if is_pooled(r)] or members
    return [
        *(
            Line("compare", f"{r['arm']} minus {r['baseline']}, {r['variant']}: {_plain(of_row(r))}", of_row(r))
            for r in members
        ),
        *(Line("compare", f"{r['verdict']} ({r['stratum']})", of_row(r)) for r in gains if not r["baseline"]),
    ]


def _plain(difference: Interval) -> str:
    if not difference.exists:
        return "no interval"
    if not difference.excludes_zero:
        return "no difference shown"
    return "better" if difference.value > 0 else "worse"


TRAIN = StageView(
    120,
    "Training",
    "Continued pre-training of one base on each selection, at equal tokens.",
    ("training_log",),
    lambda tables, order: train_panels(tables["training_log"]),
    _train_lines,
)
COMPARE = StageView(
    90,
    "Comparison",
    "The benchmark again on the base and on every trained arm, on the same items and shots.",
    ("comparison",),
    lambda tables, order: compare_panels(tables["comparison"], order, tables.get("verdict")),
    _compare_lines,
    ("verdict",),
)
