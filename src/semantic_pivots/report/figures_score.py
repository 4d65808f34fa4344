"""What is shown of the scores."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from semantic_pivots.panel import (
    Line,
    Panel,
    StageView,
    Tables,
    direction,
    direction_order,
    figures_of,
    interval_dots,
    is_pooled,
)
from semantic_pivots.statistics import of_row


def is_main(stratum: str) -> bool:
    """Whether a stratum is the whole benchmark."""
    return stratum in ("all", "")


def is_control(row: dict) -> bool:
    """Whether a score row is a control, which must come out at zero."""
    return row["variant"].startswith("control:")


# Variants by what their value is; a variant that is not listed is a difference of probabilities.
SHARES = ("choice", "accuracy", "copy-rate", "off-target", "chrf")
UNITS = {"bits-per-byte": "bits per byte", "sentences-off-target": "share of sentences"}
NATS = ("mean-token", "pmi")
_READINGS = {
    "difference of probabilities": "Probability of the target after its source minus the mean after the wrong sources: "
    "of the mean token (paper, as published), of the whole answer (sum), of the mean byte (per-byte, comparable "
    "between tokenizers). Dots are means over items, bars 95 % intervals. Do not compare variants with one another.",
    "nats": "The same contrast in log-probability: per token of the answer, and of the whole answer against all "
    "candidate sources (pointwise mutual information).",
    "share of items": "How often the right source is the best of all candidates (choice), the model's own answer is "
    "the target (accuracy), or repeats the source (copy-rate).",
}


def unit(variant: str) -> str:
    """What a variant of the score is measured in."""
    if variant in UNITS:
        return UNITS[variant]
    if variant in SHARES or variant.startswith("label:"):
        return "share of items"
    return "nats" if variant in NATS else "difference of probabilities"


def score_panels(score_summary: pa.Table, languages: Sequence[str]) -> list[Panel]:
    """Score per direction and variant, by stratum, and the controls."""
    rows = sorted(score_summary.to_pylist(), key=direction_order(languages))
    main = [r for r in rows if is_main(r["stratum"]) and not is_control(r)]
    panels = []
    for kind, reading in _READINGS.items():
        members = [r for r in main if unit(r["variant"]) == kind]
        if members:
            panels.append(_score_dots(f"Score per direction, {kind}", reading, members, "variant", kind))
    strata = [r for r in rows if not is_main(r["stratum"]) and r["variant"] == "paper"]
    if strata:
        reading = "The published score within groups of items. What lives on identical spellings is not translation."
        panels.append(_score_dots("Score by stratum", reading, strata, "stratum", "difference of probabilities"))
    controls = [r for r in rows if is_main(r["stratum"]) and is_control(r)]
    if controls:
        reading = "What the score gives where nothing can be known: these intervals should contain zero."
        panels.append(_score_dots("Controls", reading, controls, "variant", "difference of probabilities"))
    return panels


def _score_dots(title: str, reading: str, rows: list[dict], by: str, x: str) -> Panel:
    series: dict[str, list] = {}
    for row in rows:
        series.setdefault(row[by], []).append((direction(row), of_row(row)))
    figure = interval_dots(series, x, reference=None if x == "share of items" else 0.0)
    table = figures_of(rows, {"direction": direction, "stratum": "stratum", "variant": "variant"})
    return Panel(title, reading, table.without_constant("variant" if by == "stratum" else "stratum"), figure)


def _lines(tables: Tables) -> list[Line]:
    out = []
    rows = tables["score_summary"].to_pylist()
    for row in rows:
        if is_pooled(row) and is_control(row):
            out.append(Line("score", f"{row['variant']} (0: none)", of_row(row)))
        elif is_pooled(row) and is_main(row["stratum"]):
            out.append(Line("score", _variant_name(row["variant"]), of_row(row)))
    if not out:
        out = [
            Line("score", f"{row['variant']}, {direction(row)}", of_row(row))
            for row in rows
            if row["variant"] == "paper" and is_main(row["stratum"])
        ]
    return out


def _variant_name(variant: str) -> str:
    kind = unit(variant)
    return f"{variant} ({kind})" if kind != "difference of probabilities" else variant


SCORE = StageView(
    30,
    "Score",
    "Does the right source make the target more probable than wrong sources do?",
    ("score_summary",),
    lambda tables, order: score_panels(tables["score_summary"], order),
    _lines,
)
