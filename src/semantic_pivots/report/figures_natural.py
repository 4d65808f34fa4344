"""Panels of the natural worlds: whether pivots carry words across languages, part by part, the decision first."""

from __future__ import annotations

import pyarrow as pa

from semantic_pivots.report.panel import Numbers, Panel, interval_dots, unique
from semantic_pivots.statistics import of_row

_READINGS = {
    "masking": "Held-out pairs, each under every condition in another of four models. Placebo: as many other tokens "
    "masked. Spiked: two private tokens beside both words, the control that must be seen.",
    "arrangement": "The same sentences, split by language, as they come, and joined over equal English sentences.",
    "selection": "A share of the documents by four rules, with as many documents of each held-out word.",
}


def natural_panels(summary: pa.Table, models: pa.Table | None) -> list[Panel]:
    """Of each part its decision, levels and effects; then what the models were trained on."""
    rows = summary.to_pylist()
    panels = []
    for part in unique(row["part"] for row in rows):
        members = [row for row in rows if row["part"] == part]
        decisions = [row["conclusion"] for row in members if row["conclusion"]]
        values = [row for row in members if row["value"] is not None]
        series = {
            measure: [(row["group"], of_row(row)) for row in values if row["measure"] == measure]
            for measure in unique(row["measure"] for row in values if "specificity" in row["measure"])
        }
        columns = ("measure", "group", "value [95 %]", "clusters", "p", "seen in 4 of 5", "signature")
        cells = tuple(
            (r["measure"], r["group"], of_row(r), r["n"], r["p_value"], r["detectable"], r["signature"]) for r in values
        )
        figure = interval_dots(series, "nats", 0.0) if series else None
        reading = " ".join([*(f"Decision: {text}." for text in decisions), _READINGS.get(part, "")])
        panels.append(Panel(part.capitalize(), reading, Numbers(columns, cells), figure, wide=True))
    if models is not None and models.num_rows:
        model_rows = models.to_pylist()
        cells = tuple((row["part"], row["seed"], row["arm"], row["figure"], row["value"]) for row in model_rows)
        columns = ("part", "seed", "model", "figure", "value")
        panels.append(Panel("Models", "What each model was trained on.", Numbers(columns, cells)))
    return panels
