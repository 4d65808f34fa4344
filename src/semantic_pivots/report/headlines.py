"""The first screen: each question answered in one sentence, with one figure that argues it, from the tables alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import plotly.graph_objects as go
import pyarrow as pa

from semantic_pivots.held_out import HELD_OUT
from semantic_pivots.panel import colour, direction, interval_dots, is_pooled, layout, unique
from semantic_pivots.report.figures_causal import LABELS, pooled_figures
from semantic_pivots.report.figures_trace import MASS_NAMES, clearest, mass_band, times_text
from semantic_pivots.report.findings import percent, pivot_share
from semantic_pivots.report.html import interval_text
from semantic_pivots.statistics import Interval, of_row

Tables = Mapping[str, pa.Table]
Headline = tuple[str, go.Figure | None]
"""A sentence and its figure; an empty sentence where the tables are missing."""

_APART = 0.2  # shares of two rules that differ by more contradict each other
_MAIN_SCORES = ("choice", "accuracy", "paper")


def _rows(tables: Tables, name: str) -> list[dict]:
    rows = tables[name].to_pylist() if name in tables else []
    return [row for row in rows if row["value"] is not None and not math.isnan(row["value"])]


def score(tables: Tables) -> Headline:
    """How well: the share of right choices (or the published score), and its directions, the best first."""
    rows = [row for row in _rows(tables, "score_summary") if row["stratum"] in ("all", "")]
    variant = next((v for v in _MAIN_SCORES if any(row["variant"] == v for row in rows)), "")
    group = [row for row in rows if row["variant"] == variant]
    single = sorted((row for row in group if not is_pooled(row)), key=lambda row: -row["value"])
    if not group:
        return "", None
    total = next((row for row in group if is_pooled(row)), single[0])
    figure = of_row(total)
    if variant == "choice":
        chance = _chance(tables)
        chance_text = f", where chance gives {100 * chance:.0f}\u00a0%" if chance else ""
        text = f"The model prefers the right source to every wrong one in {percent(figure)} of the items{chance_text}"
    else:
        chance = 0.0
        figure_text = percent(figure) if variant == "accuracy" else interval_text(figure)
        text = f"The model's score by “{variant}” is {figure_text}"
    if single and single[0]["value"] != single[-1]["value"]:
        text += f"; best from {_variant_name(single[0], variant)}, least from {_variant_name(single[-1], variant)}"
    text += f" ({figure.n:,} concepts)."
    dots = interval_dots({variant: [(direction(row), of_row(row)) for row in single]}, variant, chance)
    return text, dots if single else None


def _variant_name(row: dict, variant: str) -> str:
    value = f"{100 * row['value']:.0f}\u00a0%" if variant in ("choice", "accuracy") else interval_text(of_row(row))
    return f"{row['source_language']} to {row['target_language']} ({value})"


def _chance(tables: Tables) -> float:
    if "items" not in tables or not tables["items"].num_rows:
        return 0.0
    sizes = {len(distractors) for distractors in tables["items"]["distractors"].to_pylist()}
    return 1 / (1 + sizes.pop()) if len(sizes) == 1 else 0.0


def mechanism(tables: Tables) -> Headline:
    """By which mechanism: what the answers need, and the pivots' mass by layer beside another pair's."""
    parts = []
    by = pooled_figures(tables.get("attribution"))
    shares = [by.get(f"share {label} of answered") for label in LABELS]
    if all(share is not None and share.exists for share in shares):
        bridged_share, direct = (percent(share) for share in shares[:2] if share)
        parts.append(
            f"of the model's right answers {bridged_share} need their pivots and are reached by them (bridged), "
            f"{direct} need none (direct), {shares[0].n:,} concepts"  # type: ignore[union-attr]
        )
    rows = [row for row in _rows(tables, "trace_summary") if is_pooled(row)]
    lenses = unique(row["lens"] for row in rows)
    lens = "logit" if "logit" in lenses else next(iter(lenses), "")
    sentences = {name: _largest(rows, name) for name in lenses}
    if lens and sentences[lens]:
        parts.append(f"by the {lens} lens own pivots have {sentences[lens]}")
    lens_sentences = [f"by the {name} lens {sentences[name]}" for name in lenses if name != lens and sentences[name]]
    differ = len({"no more" in sentences[name] for name in lenses if sentences[name]}) > 1
    text = "; ".join(parts)
    if not text:
        return "", None
    text = f"{text[0].upper()}{text[1:]}." + (
        f" {'The lenses disagree: ' if differ else 'And '}{'; '.join(lens_sentences)}." if lens_sentences else ""
    )
    return text, _masses([row for row in rows if row["lens"] == lens])


def _largest(rows: Iterable[dict], lens: str) -> str:
    """The ratio of own pivots' mass to another pair's, at the layer where it is most clearly above 1."""
    ratios = [row for row in rows if row["lens"] == lens and row["quantity"] == "pivot_ratio"]
    top = clearest(ratios)
    if not top:
        return f"no more probability than another pair's in any of {len(ratios)} layers" if ratios else ""
    excess = sum(row["low"] is not None and row["low"] > 1 for row in ratios)
    return (
        f"{times_text(top)} another pair's probability after layer {top['layer']}, and more than it in {excess} of "
        f"{len(ratios)} layers"
    )


def _masses(rows: list[dict]) -> go.Figure | None:
    figure = go.Figure()
    for index, quantity in enumerate(("mass_target", "mass_pivot", "mass_pivot_null")):
        points = sorted((row for row in rows if row["quantity"] == quantity), key=lambda row: row["layer"])
        for trace in mass_band(points, quantity, MASS_NAMES[quantity], index, True) if points else ():
            figure.add_trace(trace)
    if not figure.data:
        return None
    layout(figure, 320, "layer (0: after the first block)", "probability")
    figure.update_yaxes(type="log", exponentformat="power", dtick=1, title_standoff=8)
    return figure


def caution(tables: Tables) -> str:
    """Which of two rules to believe where their shares of pivots' items contradict each other; else empty."""
    bridged_share = pooled_figures(tables.get("attribution")).get("share bridged of answered")
    rows = tables["behaviour"].to_pylist() if "behaviour" in tables else []
    labels = [r for r in rows if (r["rule"], r["lens"]) == ("paper", "logit") and "exclud" not in r["label"]]
    if bridged_share is None or not labels:
        return ""
    paper = pivot_share(labels, tables.get("items"))
    if abs(paper.value - bridged_share.value) < _APART:
        return ""
    if not bridged_share.exists:
        return (
            f"The rule “paper” says {100 * paper.value:.0f}\u00a0%. Do not build on it: it asks whether an earlier "
            f"layer is more confident than the last, and the rule “causal”, the one to believe, was applied to too few "
            f"concepts to say (n = {bridged_share.n:,})."
        )
    return (
        f"The rule “paper” says {100 * paper.value:.0f}\u00a0%, the rule “causal” {100 * bridged_share.value:.0f}\u00a0"
        "%: believe “causal”, which changes the model's input and measures the effect on the answer; “paper” only "
        "compares the confidence of an earlier layer with that of the last."
    )


def documents(tables: Tables) -> Headline:
    """Which documents: the gains of each selection over its controls, on held-out words where there are any."""
    gains = tables["verdict"].to_pylist() if "verdict" in tables else []
    strata = {row["stratum"] for row in gains}
    if gains:
        stratum = next(s for s in (HELD_OUT, "all", *sorted(strata)) if s in strata)
        group = [row for row in gains if row["stratum"] == stratum]
        verdicts = unique(row["verdict"] for row in group if not row["baseline"]) or unique(r["verdict"] for r in group)
        text = "; ".join(verdicts)
        on = " on held-out words" if stratum == HELD_OUT else ""
        gain = next((row for row in group if row["baseline"]), group[0])
        runs = "one run" if gain["runs"] == 1 else f"{gain['runs']} runs"
        text = f"{text[0].upper()}{text[1:]}{on} ({gain['n']:,} concepts, {runs})."
    else:
        group = [row for row in _rows(tables, "comparison") if row["variant"] == "paper" and is_pooled(row)]
        group = [row for row in group if row["baseline"] and row["stratum"] == "all"]
        clear = [f"{r['arm']} against {r['baseline']}" for r in group if of_row(r).excludes_zero]
        text = f"Distinguishable from zero: {', '.join(clear) or 'none'}, of {len(group)} differences." if group else ""
    return text, _gains([row for row in group if row["baseline"]], _rows(tables, "comparison"))


def _gains(gain_rows: list[dict], comparison: list[dict]) -> go.Figure | None:
    """Gains over each control: of one selection by direction, of several over all directions."""
    arms, keys = unique(row["arm"] for row in gain_rows), ("arm", "baseline", "stratum", "variant")
    groups = {tuple(row[key] for key in keys) for row in gain_rows}
    single = [r for r in comparison if not is_pooled(r) and tuple(r[key] for key in keys) in groups]
    series: dict[str, list[tuple[str, Interval]]] = {}
    for row in [*gain_rows, *single] if len(arms) == 1 else gain_rows:
        of_direction = direction(row) if "source_language" in row else "all directions"
        label = of_direction if len(arms) == 1 else row["arm"]
        series.setdefault(f"over {row['baseline']}", []).append((label, of_row(row)))
    if not series:
        return None
    gain = f"gain of {arms[0]}" if len(arms) == 1 else "gain"
    if len(series) == 1:
        gain += f" {next(iter(series))}"
    figure = interval_dots(series, f"{gain} ({gain_rows[0]['variant']})", 0.0)
    for index, name in enumerate(series):
        ink = {"color": colour(name.removeprefix("over "), index)}
        figure.update_traces(marker=ink, error_x=ink, selector={"name": name})
    return figure
