"""Panels of the planted worlds: the measures beside the known truth."""

from __future__ import annotations

import math

import pyarrow as pa

from semantic_pivots.panel import Line, Numbers, Panel, StageView, Tables, interval_dots, unique
from semantic_pivots.statistics import of_row

_QUESTIONS = (
    (
        "Translation by class and architecture",
        "P(target) after four direct translations. Bridged pairs were never seen together.",
        ("P(target)", "P(target), bridged less unrelated"),
        "probability",
    ),
    (
        "Pivot discovery",
        "Share of the planted pivots among the discovered ones; the hard world has decoys, topics and shared noise.",
        ("discovery recall", "discovery precision", "pivot set"),
        "share",
    ),
    (
        "Behaviour labels against the truth",
        "F1 of telling bridged pairs from direct ones without pivots; share of each class labelled a pivot's.",
        ("F1 of", "labelled pivot, rule", "context words retrieved", "largest mass", "AUC of the contexts' mass"),
        "share",
    ),
    (
        "The published AUC without pivots",
        "AUC of log co-occurrence against the paper rule's labels where no pivots exist; 0.5 says nothing.",
        ("AUC without pivots", "labelled pivot without pivots"),
        "area under the ROC curve",
    ),
    (
        "Knock-out and addition of the pivots' documents",
        "Change of P(target), and differences in differences.",
        ("change of P(target)", "difference in differences, "),
        "difference of probabilities",
    ),
    (
        "Knock-out and addition in nats",
        "The same of the mean log P(target), which a floor of probability does not flatten.",
        (
            "log P(target)",
            "change of log P(target), pivot documents",
            "change of log P(target) by knock-out",
            "change of log P(target) by pivot documents",
            "difference in differences in nats",
        ),
        "nats",
    ),
    (
        "Suppression of pivot directions",
        "Change of log P(target) when directions are taken out of the residual stream before the last layer.",
        ("change of log P(target) by suppression", "suppression"),
        "nats",
    ),
    (
        "Selection at equal tokens",
        "P(target) of bridged pairs whose words had no part in the pivot set.",
        ("P(target) of held-out", "gain of pivot-rich", "share of documents"),
        "probability",
    ),
    (
        "Latent language",
        "Log ratio of the masses of the third and the fourth language's words before the last layer.",
        ("log ratio of latent languages", "latent language follows", "rank of the own word"),
        "nats",
    ),
)


def planted_panels(summary: pa.Table) -> list[Panel]:
    """One panel per question, with the figures whose measure begins with one of its names."""
    rows = [r for r in summary.to_pylist() if r["value"] is not None and not math.isnan(r["value"])]
    panels, row_ids = [], set()
    for title, reading, names, unit in _QUESTIONS:
        exact = [r for r in rows if r["measure"] in names]
        # "P(target) of held-out ..." begins like "P(target)", which is a name of its own
        similar = [r for r in rows if any(r["measure"].startswith(n) for n in names if n != "P(target)")]
        part = [r for r in rows if (r in exact or r in similar) and id(r) not in row_ids]
        if not part:
            continue
        row_ids |= {id(r) for r in part}
        series = {
            measure: [
                (f"{r['world']}, {r['architecture']}: {r['group']}", of_row(r)) for r in part if r["measure"] == measure
            ]
            for measure in unique(r["measure"] for r in part)
        }
        table = Numbers(
            ("world", "architecture", "measure", "group", "value [95 %]", "seeds", "note", "signature"),
            tuple(
                (r["world"], r["architecture"], r["measure"], r["group"], of_row(r), r["n"], r["note"], r["signature"])
                for r in part
            ),
        ).without_constant("note")
        reference = 0.5 if "AUC" in title else 0.0
        panels.append(Panel(title, reading, table, interval_dots(series, unit, reference), wide=True))
    return panels


def _lines(tables: Tables) -> list[Line]:
    return [
        Line("planted", f"{r['world']}, {r['architecture']}: {r['measure']}, {r['group']}", of_row(r))
        for r in tables["planted_summary"].to_pylist()
    ]


PLANTED = StageView(
    20,
    "Planted worlds",
    "Small models trained on corpora in which it is known how each pair of words is linked.",
    ("planted_summary",),
    lambda tables, order: planted_panels(tables["planted_summary"]),
    _lines,
)
