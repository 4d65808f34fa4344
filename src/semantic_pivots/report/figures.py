"""Panels of the measuring stages: lexicon, benchmark, score, trace and behaviour, each a function of their tables."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pyarrow as pa
from plotly.subplots import make_subplots

from semantic_pivots.report.figures_causal import causal_panels
from semantic_pivots.report.panel import (
    Numbers,
    Panel,
    Word,
    bars,
    colour,
    direction,
    direction_order,
    interval_dots,
    is_pooled,
    layout,
    stacked_shares,
    unique,
)
from semantic_pivots.statistics import of_row, share
from semantic_pivots.tasks.pattern import groups

EXAMPLES = 10
MASS_NAMES = {
    "mass_source": "source word",
    "mass_pivot": "pivots",
    "mass_target": "target word",
    "mass_pivot_null": "another pair's pivots (null)",
}
_LANGUAGE, _ASTRAY = "mass_language:", "share: the surest token begins the word in a further language"
_MASSES_READ = (
    "What the model would answer if it stopped after each layer: the mean probability of the first tokens of the "
    "source word, of the pair's pivots, and of the target word. Bands are 95 % intervals over items."
)
_LANGUAGES_READ = (
    "The mean probability of tokens that may begin the concept's word in one language alone, by language (with the "
    "source and target of each direction among them), and how often the surest token begins it in a further one."
)


def sample(identifiers: Sequence[str], count: int) -> list[str]:
    """`count` identifiers in the order of their hashes, so that examples are not selected by their results."""
    return sorted(set(identifiers), key=lambda i: hashlib.sha256(i.encode()).digest())[:count]


def is_main(stratum: str) -> bool:
    """Whether a stratum is the whole benchmark."""
    return stratum in ("all", "")


def is_control(row: dict) -> bool:
    """Whether a score row is a control, which must come out at zero."""
    return row["variant"].startswith("control:")


def lexicon_panels(concepts: pa.Table, words: pa.Table, languages: Sequence[str]) -> list[Panel]:
    """Words per language, and examples of concepts."""
    rows = words.to_pylist()
    per_language = Counter(row["language"] for row in rows)
    codes = [code for code in languages if code in per_language] + sorted(set(per_language) - set(languages))
    sources: dict[str, list[str]] = {
        code: unique(f"{r['source']} ({r['licence']})" for r in rows if r["language"] == code) for code in codes
    }
    counts = Numbers(
        ("language", "words", "source (licence)"),
        tuple((code, per_language[code], ", ".join(sources[code])) for code in codes),
    )
    table: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        table[row["concept_id"]][row["language"]] = row["word"]
    pos = dict(zip(concepts["concept_id"].to_pylist(), concepts["pos"].to_pylist(), strict=True))
    examples = Numbers(
        ("concept", "part of speech", *codes),
        tuple(
            (c, pos.get(c, ""), *(Word(table[c].get(code, "—"), code) for code in codes))
            for c in sample(list(table), EXAMPLES)
        ),
    )
    return [
        Panel(
            "Words per language",
            f"{concepts.num_rows:,} concepts, each one word in every language that has it.",
            counts,
            bars([(code, per_language[code]) for code in codes], "words"),
        ),
        Panel("Examples of concepts", "Drawn by the hash of their identifiers.", examples),
    ]


def benchmark_panels(items: pa.Table, languages: Sequence[str], answers: pa.Table | None = None) -> list[Panel]:
    """Items per direction with their strata, and example questions with the model's answers where it was asked."""
    answer = {row["item_id"]: row for row in (answers.to_pylist() if answers is not None else []) if row["draw"] == 0}
    rows = items.to_pylist()
    per_direction = Counter((r["source_language"], r["target_language"]) for r in rows)
    strata = Counter((r["source_language"], r["target_language"], s) for r in rows for s in groups([r["strata"] or ()]))
    names = sorted({s for *_, s in strata})
    order = direction_order(languages)
    keys = sorted(per_direction, key=lambda k: order({"source_language": k[0], "target_language": k[1]}))
    labels = {k: f"{k[0]} → {k[1]}" for k in keys}
    counts = Numbers(
        ("direction", "items", *names),
        tuple((labels[k], per_direction[k], *(strata[*k, s] for s in names)) for k in keys),
    )
    by_id = {r["item_id"]: r for r in rows}
    picks = [by_id[i] for i in sample(list(by_id), EXAMPLES)]
    examples = Numbers(
        ("direction", "source", "target", "the model's answer", "right", "distractors (wrong source words)"),
        tuple(
            (
                direction(r),
                Word(r["source"], r["source_language"]),
                Word(r["target"], r["target_language"]),
                Word(answer.get(r["item_id"], {}).get("greedy", "").strip(), r["target_language"]),
                {True: "yes", False: "no"}.get(answer.get(r["item_id"], {}).get("correct"), ""),
                Word(" · ".join(r["distractors"]), r["source_language"]),
            )
            for r in picks
        ),
    ).without_constant(*(() if answer else ("the model's answer", "right")))
    return [
        Panel(
            "Items per direction",
            "Each item is one target word, its source and its wrong sources; a stratum tags "
            "items that need care, such as identical spelling.",
            counts,
            bars([(labels[k], per_direction[k]) for k in keys], "items"),
        ),
        Panel("Examples of items", "Drawn by the hash of their identifiers.", examples, wide=True),
    ]


# Variants by what their value is; a variant that is not listed is a difference of probabilities.
SHARES = ("choice", "accuracy", "copy-rate", "off-target", "chrf")
FURTHER = {"bits-per-byte": "bits per byte", "sentences-off-target": "share of sentences"}
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
    if variant in FURTHER:
        return FURTHER[variant]
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
    table = Numbers(
        ("direction", "stratum", "variant", "value [95 %]", "n", "signature"),
        tuple((direction(r), r["stratum"], r["variant"], of_row(r), r["n"], r["signature"]) for r in rows),
    ).without_constant("variant" if by == "stratum" else "stratum")
    return Panel(title, reading, table, figure)


def trace_panels(trace_summary: pa.Table, languages: Sequence[str]) -> list[Panel]:
    """Layerwise masses of source, pivots and target: pooled (where given) and per direction, one panel per lens."""
    rows = sorted(trace_summary.to_pylist(), key=direction_order(languages))
    panels = []
    for lens in unique(r["lens"] for r in rows):
        members = [r for r in rows if r["lens"] == lens]
        masses = unique(r["quantity"] for r in members if r["quantity"].startswith(_LANGUAGE))
        in_languages = {q: f"{q.removeprefix(_LANGUAGE)} word" for q in masses} | {"off_target_correct": _ASTRAY}
        for names, title, reading in (
            (MASS_NAMES, "Probability mass by layer", _MASSES_READ),
            (in_languages, "Languages by layer", _LANGUAGES_READ),
        ):
            for is_pooled_ in (True, False):
                part = [r for r in members if r["quantity"] in names and is_pooled(r) == is_pooled_]
                if part:
                    scope = "all directions" if is_pooled_ else "per direction"
                    panels.append(_mass_curves(part, names, f"{title}, {scope} ({lens} lens)", reading, is_pooled_))
    return panels


def _mass_curves(rows: list[dict], quantities: dict[str, str], title: str, reading: str, is_pooled_: bool) -> Panel:
    names = unique(direction(r) for r in rows)
    columns = 1 if is_pooled_ else min(3, len(names))
    lines = math.ceil(len(names) / columns)
    figure = make_subplots(
        rows=lines,
        cols=columns,
        shared_xaxes=True,
        shared_yaxes=True,
        subplot_titles=None if is_pooled_ else names,
        horizontal_spacing=0.03,
        vertical_spacing=min(0.09, 0.3 / lines),
    )
    for place, name in enumerate(names):
        for index, quantity in enumerate(quantities):
            points = sorted(
                (r for r in rows if direction(r) == name and r["quantity"] == quantity), key=lambda r: r["layer"]
            )
            if not points:
                continue
            for trace in mass_band(points, quantity, quantities[quantity], index, place == 0):
                figure.add_trace(trace, row=place // columns + 1, col=place % columns + 1)
    height = 430 if is_pooled_ else 90 + 190 * lines
    top = 84
    inside = height - top - 48
    layout(figure, height, updatemenus=[_scale_buttons(lines * columns, 1 + (44 if is_pooled_ else 32) / inside)])
    figure.update_xaxes(title_text="layer (0: after the first block)", row=lines)
    figure.update_yaxes(title_text="probability", col=1, rangemode="tozero")
    figure.update_layout(margin={"t": top}, legend={"y": 1 + (2 if is_pooled_ else 36) / inside})
    if not is_pooled_:
        figure.update_annotations(font={"size": 13})
    order = list(quantities)
    table = Numbers(
        ("direction", "layer", "mass of", "value [95 %]", "n", "signature"),
        tuple(
            (direction(r), r["layer"], quantities[r["quantity"]], of_row(r), r["n"], r["signature"])
            for r in sorted(rows, key=lambda r: (names.index(direction(r)), r["layer"], order.index(r["quantity"])))
        ),
    )
    return Panel(title, reading, table, figure, wide=not is_pooled_)


def interval_band(
    layers: list[int], low: list[float], high: list[float], ink: str, legendgroup: str | None = None
) -> go.Scatter:
    """The area between two curves over the layers, in a light tone of `ink` (#rrggbb)."""
    return go.Scatter(
        x=layers + layers[::-1],
        y=high + low[::-1],
        fill="toself",
        fillcolor=f"rgba({int(ink[1:3], 16)},{int(ink[3:5], 16)},{int(ink[5:7], 16)},0.2)",
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
        legendgroup=legendgroup,
    )


def mass_band(points: list[dict], quantity: str, name: str, index: int, in_legend: bool) -> list[go.Scatter]:
    """A line and its interval band; values are kept above 1e-7 so that a logarithmic axis can show them."""
    layers, floor = [p["layer"] for p in points], 1e-7
    ink = colour(quantity, index)
    # where there is no interval the band has no width
    ends = [i if i.known else replace(i, low=i.value, high=i.value) for i in map(of_row, points)]
    band = interval_band(layers, [max(i.low, floor) for i in ends], [max(i.high, floor) for i in ends], ink, quantity)
    line = go.Scatter(
        x=layers,
        y=[max(i.value, floor) for i in ends],
        mode="lines",
        line={"color": ink, "width": 2, "dash": "dot" if quantity == "mass_pivot_null" else "solid"},
        name=name,
        legendgroup=quantity,
        showlegend=in_legend,
        customdata=[[i.value, i.low, i.high, i.n] for i in map(of_row, points)],
        hovertemplate="layer %{x}: %{customdata[0]:.4g} [%{customdata[1]:.4g}, %{customdata[2]:.4g}], "
        "n = %{customdata[3]}<extra>" + name + "</extra>",
    )
    return [band, line]


def _scale_buttons(axes: int, y: float) -> dict:
    names = ["yaxis" if i == 0 else f"yaxis{i + 1}" for i in range(axes)]
    return {
        "type": "buttons",
        "direction": "right",
        "x": 1,
        "xanchor": "right",
        "y": y,
        "yanchor": "bottom",
        "pad": {"b": 4},
        "showactive": False,
        "buttons": [
            {"label": scale, "method": "relayout", "args": [{f"{name}.type": kind for name in names}]}
            for scale, kind in (("linear", "linear"), ("logarithmic", "log"))
        ],
    }


def behaviour_panels(
    behaviour: pa.Table, attribution: pa.Table | None, items: pa.Table, languages: Sequence[str]
) -> list[Panel]:
    """Shares of the labels under each rule, and what the labels and scores go with."""
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
    table = Numbers(
        ("direction", "rule", "lens", "statistic", "value [95 %]", "n", "signature"),
        tuple((direction(r), r["rule"], r["lens"], r["statistic"], of_row(r), r["n"], r["signature"]) for r in rows),
    ).without_constant("lens")
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
            "What the behaviours go with",
            "AUC of the pair's co-occurrence count against the label: 0.5 (dotted) means that the count says nothing. "
            "An AUC by a rule that compares confidences can depart from 0.5 without any pivot mechanism; the "
            "conditioned statistics in the table account for confidence and word frequency. Each interval is that of "
            "one figure, not corrected for their number.",
            table,
            figure,
        ),
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
        table = Numbers(
            (title.lower().removeprefix("by "), "intervention", "change [95 %]", "n", "signature"),
            tuple((name(r), text(r), of_row(r), r["n"], r["signature"]) for r in members),
        )
        reading = (
            "Change of log P(answer) by an intervention, and by it less its control; below zero (dotted) the answer "
            "lost. Intervals resample concepts."
        )
        panels.append(Panel(title, reading, table, interval_dots(series, "nats", 0.0), wide=True))
    return panels
