"""Panels of the stage `natural`: for each part of the experiment, its conclusion and then its effects."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from semantic_pivots.panel import Line, Numbers, Panel, StageView, Tables, interval_dots, unique
from semantic_pivots.statistics import of_row

_READINGS = {
    "masking": "Held-out pairs, each under every condition in another of four models. Placebo: as many other tokens "
    "masked. Spiked: two tokens of the pair's own in both words' windows, the control that must be seen.",
    "arrangement": "The same sentences, split by language, as they come, and joined over equal English sentences.",
    "selection": "A share of the documents by four rules, with as many documents of each held-out word.",
}


def _outcome(measures: Iterable[str]) -> tuple[str, str]:
    """What the figure shows, and its unit: models' specificity, or ranks where only counts read the text."""
    return ("specificity", "nats") if "specificity" in measures else ("rank_by_counts", "share of other sources")


def natural_panels(summary: pa.Table, models: pa.Table | None) -> list[Panel]:
    """One panel for each part of the study, with its decision, levels and effects; then one on the training data."""
    rows = summary.to_pylist()
    panels = []
    for part in unique(row["part"] for row in rows):
        members = [row for row in rows if row["part"] == part]
        decisions = [row["conclusion"] for row in members if row["conclusion"]]
        values = [row for row in members if row["value"] is not None]
        outcome, unit = _outcome(row["measure"] for row in values)
        series = {
            measure: [(row["group"], of_row(row)) for row in values if row["measure"] == measure]
            for measure in (outcome, f"effect on {outcome}")
        }
        columns = ("measure", "group", "value [95 %]", "clusters", "p", "seen in 4 of 5", "signature")
        cells = tuple(
            (r["measure"], r["group"], of_row(r), r["n"], r["p_value"], r["detectable"], r["signature"]) for r in values
        )
        figure = interval_dots(series, unit, 0.0)
        reading = " ".join([*(f"Decision: {text}." for text in decisions), _READINGS.get(part, "")])
        panels.append(Panel(part.capitalize(), reading, Numbers(columns, cells), figure, wide=True))
    if models is not None and models.num_rows:
        model_rows = models.to_pylist()
        cells = tuple((row["part"], row["seed"], row["arm"], row["figure"], row["value"]) for row in model_rows)
        columns = ("part", "seed", "model", "figure", "value")
        panels.append(Panel("Models", "What each model was trained on.", Numbers(columns, cells)))
    return panels


def _lines(tables: Tables) -> list[Line]:
    return [
        Line("natural", f"{r['part']}: {r['conclusion'] or r['measure'] + ', ' + r['group']}", of_row(r))
        for r in sorted(tables["natural_summary"].to_pylist(), key=lambda row: not row["conclusion"])
    ]


NATURAL = StageView(
    10,
    "Natural worlds",
    "Small models trained from scratch on natural text, in which pivots are masked, parted or selected.",
    ("natural_summary",),
    lambda tables, order: natural_panels(tables["natural_summary"], tables.get("natural_models")),
    _lines,
)
