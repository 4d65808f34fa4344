"""Sentences, key figures and a panel of the rule `causal`, from the table `attribution`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pyarrow as pa

from semantic_pivots.panel import Panel, direction, direction_order, figures_of, interval_dots, is_pooled
from semantic_pivots.report.html import interval_text
from semantic_pivots.statistics import Interval, of_row

LABELS = ("bridged", "direct", "redundant")
_ODDS = "log odds of need per doubled excess"
_WHY_RULES_DIFFER = (
    "The two differ because “causal” changes the model's input and measures the effect on the answer, while "
    "“paper” compares the confidence of layers under a lens: it says semantic pivot wherever an earlier layer is more "
    "confident than the last, whether or not any pivot is used."
)


def pooled_figures(attribution: pa.Table | None) -> dict[str, Interval]:
    """The rule's figures over all directions, by statistic; those that are no number left out."""
    rows = attribution.to_pylist() if attribution is not None else []
    figures = {r["statistic"]: of_row(r) for r in rows if r["rule"] == "causal" and is_pooled(r)}
    return {name: figure for name, figure in figures.items() if not math.isnan(figure.value)}


def key_figures(attribution: pa.Table | None) -> list[tuple[str, Interval]]:
    """Shares of the labels and the odds of need: name and figure."""
    by = pooled_figures(attribution)
    names = [*(f"share {label} of answered" for label in LABELS), _ODDS]
    return [(f"{name}, rule causal", by[name]) for name in names if name in by]


def sentences(attribution: pa.Table | None) -> Iterator[str]:
    """Sentences on the labels of the model's own right answers; none without the rule `causal`."""
    by = pooled_figures(attribution)
    shares = [by.get(f"share {label} of answered") for label in LABELS]
    intervals = [share for share in shares if share is not None]
    if len(intervals) == len(shares):
        bridged_share, direct, redundant = (f"{100 * s.value:.0f}\u00a0% [{_ends(s)}]" for s in intervals)
        yield (
            f"By the rule “causal”, {bridged_share} of the model's right answers need their pivots and are reached by "
            f"them (bridged), {direct} need none (direct), and {redundant} could be reached by them and are not lost "
            f"without (redundant); {intervals[0].n:,} concepts, the rest is undecided."
        )
    odds, p = by.get(_ODDS), by.get(f"{_ODDS}, p by exchange")
    if odds is not None and p is not None:
        yield (
            f"Log odds of need per doubling of co-occurrence beyond both frequencies: {interval_text(odds)}, "
            f"n = {odds.n:,}, p = {p.value:.3g} by exchanging partners of like frequency."
        )


def why_rules_differ(attribution: pa.Table | None) -> Iterator[str]:
    """Why the shares of the two rules differ: one sentence if the table has figures of the rule `causal`, else none."""
    if pooled_figures(attribution):
        yield _WHY_RULES_DIFFER


def _ends(share: Interval) -> str:
    return "no interval" if math.isnan(share.low) else f"{100 * share.low:.0f}, {100 * share.high:.0f}"


def causal_panels(attribution: pa.Table, languages: Sequence[str]) -> list[Panel]:
    """Link and need by direction, and all figures of the rule `causal`; none if the stage did not run."""
    rows = sorted(attribution.to_pylist(), key=direction_order(languages))
    if not rows:
        return []
    table = figures_of(rows, {"direction": direction, "lens": "lens", "statistic": "statistic"})
    series = {
        name: [
            (direction(r), of_row(r))
            for r in rows
            if r["statistic"] == f"{name} in nats" and not math.isnan(of_row(r).low)
        ]
        for name in ("link", "need", "told")
    }
    reading = (
        "Of answers that are the model's own. Link: what the pivots, put in the source word's place, tell of the "
        "answer beyond control words. Need: what is lost without the pivots' part of the source word, beyond as much "
        "of its rest and beyond control sets. Told: what the source word itself tells. Each interval is that of one "
        "figure."
    )
    figure = interval_dots(series, "nats", 0.0) if any(series.values()) else None
    return [Panel("Is the way over pivots there, and is it used?", reading, table, figure, wide=True)]
