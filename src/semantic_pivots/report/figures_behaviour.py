"""What is shown of behaviours and of interventions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from semantic_pivots.panel import (
    Line,
    Numbers,
    Panel,
    StageView,
    Tables,
    direction,
    direction_order,
    figures_of,
    interval_dots,
    is_pooled,
    stacked_shares,
)
from semantic_pivots.report.figures_causal import causal_panels, key_figures
from semantic_pivots.report.findings import pivot_share
from semantic_pivots.statistics import of_row, share


def behaviour_panels(
    behaviour: pa.Table, attribution: pa.Table | None, items: pa.Table, languages: Sequence[str]
) -> list[Panel]:
    """Panels of the labels' shares under each rule, and of the association of labels and scores with counts."""
    columns = ("item_id", "source_language", "target_language", "concept_id")
    of_item = {
        i: ({"source_language": s, "target_language": t}, concept)
        for i, s, t, concept in zip(*(items[c].to_pylist() for c in columns), strict=True)
    }
    rows = [r for r in behaviour.to_pylist() if r["item_id"] in of_item]
    panels = []
    for rule, lens in sorted({(r["rule"], r["lens"]) for r in rows}, key=lambda k: (k[0] != "causal", k)):
        triples = [(*of_item[r["item_id"]], r["label"]) for r in rows if (r["rule"], r["lens"]) == (rule, lens)]
        panels.append(_label_shares(triples, rule, lens, languages))
    if attribution is not None and attribution.num_rows:
        causal = np.array([rule == "causal" for rule in attribution["rule"].to_pylist()])
        panels[1:1] = causal_panels(attribution.filter(pa.array(causal)), languages)
        panels += _attribution_panels(attribution.filter(pa.array(~causal)), languages)
    return panels


def _label_shares(triples: list[tuple[dict, str, str]], rule: str, lens: str, languages: Sequence[str]) -> Panel:
    all_key = {"source_language": "all", "target_language": "all"}
    groups = sorted(
        [all_key, *{(d["source_language"], d["target_language"]): d for d, _, _ in triples}.values()],
        key=direction_order(languages),
    )
    labels = [
        label for label, _ in sorted(Counter(label for _, _, label in triples).items(), key=lambda c: (-c[1], c[0]))
    ]
    series: dict[str, list] = {label: [] for label in labels}
    rows = []
    for group in groups:
        members = [(concept, label) for d, concept, label in triples if is_pooled(group) or d == group]
        for label in labels:
            part = share([value == label for _, value in members], [concept for concept, _ in members])
            series[label].append((direction(group), part.value))
            rows.append((direction(group), label, part, part.n, f"behaviour|{rule}|{lens}"))
    return Panel(
        f"Behaviour shares by the rule “{rule}”" + (f" ({lens} lens)" if lens != "none" else ""),
        "The share of items that carry each label; intervals and n are over concepts.",
        Numbers(("direction", "label", "share [95 %]", "n", "signature"), tuple(rows)),
        stacked_shares(series, "share of items (%)"),
    )


def _attribution_panels(attribution: pa.Table, languages: Sequence[str]) -> list[Panel]:
    rows = sorted(attribution.to_pylist(), key=direction_order(languages))
    columns = {"direction": direction, "rule": "rule", "lens": "lens", "statistic": "statistic"}
    table = figures_of(rows, columns).without_constant("lens")
    series: dict[str, list] = {}
    for row in rows:
        if "auc" in row["statistic"].lower() and not math.isnan(of_row(row).value):
            name = " · ".join(
                filter(None, (row["rule"], row["statistic"], row["lens"] if row["lens"] != "logit" else ""))
            )
            series.setdefault(name, []).append((direction(row), of_row(row)))
    figure = interval_dots(series, "area under the ROC curve", reference=0.5) if series else None
    return [
        Panel(
            "Association of the labels with co-occurrence",
            "AUC of the pair's co-occurrence count against the label: 0.5 (dotted) means that the count says nothing. "
            "An AUC by a rule that compares confidences can depart from 0.5 without any pivot mechanism; the "
            "conditioned statistics in the table account for confidence and word frequency. Each interval is that of "
            "one figure, not corrected for their number.",
            table,
            figure,
        )
    ]


def intervene_panels(summary: pa.Table, languages: Sequence[str]) -> list[Panel]:
    """Effects over all items and by label, and over all items of each direction."""
    rows = [r for r in sorted(summary.to_pylist(), key=direction_order(languages)) if not math.isnan(of_row(r).value)]

    def text(row: dict) -> str:
        return row["intervention"] + (f", less {row['control']}" if row["control"] else "")

    panels = []
    for title, members, name in (
        ("By behaviour", [r for r in rows if is_pooled(r)], lambda r: r["group"]),
        ("By direction", [r for r in rows if r["group"] == "all"], direction),
    ):
        series = {text(r): [(name(o), of_row(o)) for o in members if text(o) == text(r)] for r in members}
        columns = {title.lower().removeprefix("by "): name, "intervention": text}
        reading = (
            "Change of log P(answer) by an intervention, and by it less its control; below zero (dotted) the answer "
            "lost. Intervals resample concepts."
        )
        panels.append(
            Panel(title, reading, figures_of(members, columns, "change"), interval_dots(series, "nats", 0.0), wide=True)
        )
    return panels


def _behaviour_lines(tables: Tables) -> list[Line]:
    attribution, items = tables.get("attribution"), tables.get("items")
    out = [Line("behaviour", name, figure) for name, figure in key_figures(attribution)]
    rows = tables["behaviour"].to_pylist()
    for rule in sorted({r["rule"] for r in rows}, key=lambda r: (r != "paper", r)):
        members = [r for r in rows if r["rule"] == rule and r["lens"] == "logit" and "exclud" not in r["label"]]
        if members:
            out.append(Line("behaviour", f"semantic-pivot share, rule {rule}", pivot_share(members, items)))
    for row in attribution.to_pylist() if attribution is not None else []:
        if (
            is_pooled(row)
            and "auc" in row["statistic"].lower()
            and row["lens"] == "logit"
            and not math.isnan(of_row(row).value)
        ):
            out.append(Line("behaviour", f"{row['statistic']}, rule {row['rule']} (0.5: none)", of_row(row)))
    return out


def _intervene_lines(tables: Tables) -> list[Line]:
    return [
        Line("intervene", f"change of log P by {row['intervention']}, less {row['control']}", of_row(row))
        for row in tables["effect_summary"].to_pylist()
        if is_pooled(row) and row["group"] == "all" and row["control"]
    ]


BEHAVIOUR = StageView(
    40,
    "Behaviour",
    "How each answer came about, and whether co-occurrence in the corpus explains it.",
    ("behaviour", "items"),
    lambda tables, order: behaviour_panels(tables["behaviour"], tables.get("attribution"), tables["items"], order),
    _behaviour_lines,
    ("attribution",),
)
INTERVENE = StageView(
    50,
    "Interventions",
    "Effect on the answer of suppressing pivots, or of patching in the concept.",
    ("effect_summary",),
    lambda tables, order: intervene_panels(tables["effect_summary"], order),
    _intervene_lines,
)
