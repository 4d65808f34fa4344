"""The three questions of the package, answered in sentences that are made from the tables and from nothing else.

A sentence names its figure, the interval and the number of concepts. Where an interval contains the value that means
"nothing", the sentence says so; where a table is missing, it says that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import pyarrow as pa

from semantic_pivots.held_out import HELD_OUT
from semantic_pivots.panel import direction, is_pooled
from semantic_pivots.report import figures_causal
from semantic_pivots.report.figures_score import is_control, is_main
from semantic_pivots.report.figures_trace import above_one
from semantic_pivots.report.html import Answer, interval_text
from semantic_pivots.statistics import Interval, holm, of_row, p_of_zero, share

Tables = Mapping[str, pa.Table]

HOW_WELL = "How well does the model carry words across languages?"
MECHANISM = "By which mechanism?"
DOCUMENTS = "Which documents would teach it more?"
NATURAL = "Do pivots carry words across languages in natural text?"
GROUND_TRUTH = "What do the measures say where the truth is known?"


def answers(tables: Tables) -> tuple[Answer, ...]:
    """The answers, in the order of the questions."""
    if "planted_summary" in tables and "score_summary" not in tables:
        return (Answer(GROUND_TRUTH, tuple(_world_sentences(tables["planted_summary"]))),)
    if "natural_summary" in tables and "score_summary" not in tables:
        rows = tables["natural_summary"].to_pylist()
        return (
            Answer(NATURAL, tuple(f"{r['part'].capitalize()}: {r['conclusion']}." for r in rows if r["conclusion"])),
        )
    return (
        Answer(HOW_WELL, tuple(_score_sentences(tables)) or ("No scores yet: the stage score has not run.",)),
        Answer(MECHANISM, tuple(_mechanism(tables)) or ("No answer yet: it needs the stages trace and behaviour.",)),
        Answer(
            DOCUMENTS, tuple(_documents(tables)) or ("No comparison yet: the stages train and compare have not run.",)
        ),
    )


def percent(part: Interval) -> str:
    """A share in percent with its interval."""
    ends = f"{100 * part.low:.0f}, {100 * part.high:.0f}" if part.exists else "no interval"
    return f"{100 * part.value:.0f}\u00a0% [{ends}]"


def _value(row: dict) -> str:
    return f"{interval_text(of_row(row))}, n = {row['n']:,}"


def _finite(rows: Iterable[dict]) -> list[dict]:
    return [r for r in rows if r["value"] is not None and not math.isnan(r["value"])]


def _score_sentences(tables: Tables) -> Iterable[str]:
    summary = tables.get("score_summary")
    if summary is None:
        return
    rows = _finite(summary.to_pylist())
    rates = {r["variant"]: r for r in rows if is_pooled(r) and is_main(r["stratum"])}
    if "accuracy" in rates:
        text = f"The model's own answer is the expected one in {percent(of_row(rates['accuracy']))} of the cases"
        if "copy-rate" in rates:
            text += f", and repeats the source in {percent(of_row(rates['copy-rate']))}"
        yield f"{text} (n = {rates['accuracy']['n']:,} concepts)."
    scores = [r for r in rows if r["variant"] == "paper" and is_main(r["stratum"]) and not is_control(r)]
    totals = [r for r in scores if is_pooled(r)]
    single = sorted((r for r in scores if not is_pooled(r)), key=lambda r: r["value"])
    if totals:
        yield f"The published score (right minus wrong sources, in probability) is {_value(totals[0])}, all directions."
    if len(single) > 1:
        low, high = single[0], single[-1]
        yield f"It is highest for {direction(high)} ({_value(high)}) and lowest for {direction(low)} ({_value(low)})."
    controls = [r for r in rows if is_control(r) and is_pooled(r)] or [r for r in rows if is_control(r)]
    if controls:
        intervals = [of_row(r) for r in controls if of_row(r).exists]
        p_values = holm([p_of_zero(control) for control in intervals])
        off = int((p_values < 0.05).sum())
        if off:
            yield f"{off} of {len(intervals)} controls do not come out at zero (Holm): such differences mean nothing."
        elif intervals:
            yield f"All {len(intervals)} controls (where nothing can be known) come out at zero (Holm, 5 %)."


def _mechanism(tables: Tables) -> Iterable[str]:
    behaviour, attribution, summary = tables.get("behaviour"), tables.get("attribution"), tables.get("trace_summary")
    yield from figures_causal.sentences(attribution)
    if behaviour is not None and behaviour.num_rows:
        rows = [r for r in behaviour.to_pylist() if r["lens"] == "logit"]
        for rule in sorted({r["rule"] for r in rows}, key=lambda r: (r != "paper", r)):
            members = [r for r in rows if r["rule"] == rule and "exclud" not in r["label"]]
            if members:
                part = pivot_share(members, tables.get("items"))
                yield (
                    f"By the rule “{rule}”, {percent(part)} of {len(members):,} labelled items of {part.n:,} concepts "
                    "show semantic-pivot behaviour."
                )
        yield from figures_causal.why_rules_differ(attribution)
    yield from with_pivots(tables)
    if summary is not None:
        yield from _pivot_mass(_finite(summary.to_pylist()))
    if attribution is not None:
        yield from _auc(_finite(attribution.to_pylist()))


def with_pivots(tables: Tables) -> Iterable[str]:
    """One sentence: the share of pairs that have pivots, and of how many pairs and concepts it is."""
    evidence, items = tables.get("pivot_evidence"), tables.get("items")
    if evidence is None or items is None or not evidence.num_rows:
        return
    ids, pivots = (evidence[name].to_pylist() for name in ("item_id", "pivots"))
    with_pivots = share([count > 0 for count in pivots], units_of(ids, items))
    yield f"{percent(with_pivots)} of {len(ids):,} pairs of {with_pivots.n:,} concepts have semantic pivots."


def pivot_share(rows: list[dict], items: pa.Table | None) -> Interval:
    """The share of rows of `behaviour` that are labelled a pivot's, over the concepts of the table `items`."""
    return share(["pivot" in r["label"] for r in rows], units_of([r["item_id"] for r in rows], items))


def units_of(item_ids: list[str], items: pa.Table | None) -> list[str]:
    """The concept of each item by the table `items`; the item itself where the table is missing."""
    columns = [] if items is None else [items[c].to_pylist() for c in ("item_id", "concept_id")]
    concepts = dict(zip(*columns, strict=True)) if columns else {}
    return [concepts.get(item, item) for item in item_ids]


def _pivot_mass(rows: list[dict]) -> Iterable[str]:
    ratio = [r for r in rows if r["quantity"] == "pivot_ratio" and r["lens"] == "logit" and is_pooled(r)]
    if ratio:
        yield above_one(ratio)
    members = [r for r in rows if r["quantity"] == "mass_pivot" and r["lens"] == "logit" and is_pooled(r)]
    target = [r for r in rows if r["quantity"] == "mass_target" and r["lens"] == "logit" and is_pooled(r)]
    if members:
        top = max(members, key=lambda r: (r["value"], r["layer"]))
        final = max(r["layer"] for r in members)
        yield f"The pivots' probability is largest after layer {top['layer']} of 0–{final}: {_value(top)}."
    if target:
        top = max(target, key=lambda r: (r["value"], r["layer"]))
        yield f"The target word's is largest after layer {top['layer']}: {_value(top)}."


def _auc(rows: list[dict]) -> Iterable[str]:
    aucs = [r for r in rows if "auc" in r["statistic"].lower() and r["lens"] == "logit" and is_pooled(r)]
    for rule in sorted({r["rule"] for r in aucs}, key=lambda r: (r != "paper", r)):
        members = sorted((r for r in aucs if r["rule"] == rule), key=lambda r: r["statistic"])
        words = {True: "distinct", False: "not distinguishable"}
        parts = [f"{r['statistic']} {_value(r)}, {words[of_row(r).excludes(0.5)]} from 0.5" for r in members]
        yield f"How far co-occurrence counts tell the labels of “{rule}” apart: {'; '.join(parts)}."


def _documents(tables: Tables) -> Iterable[str]:
    pivot_set, comparison = tables.get("pivot_set"), tables.get("comparison")
    if pivot_set is not None and pivot_set.num_rows:
        unit = pivot_set["unit"][0].as_py()
        yield (
            f"{pivot_set.num_rows:,} {unit}s make the pivot set of this corpus; documents rich in them form the "
            "pivot-rich selection."
        )
    if comparison is None:
        return
    verdicts = tables.get("verdict")
    if verdicts is not None and verdicts.num_rows:
        yield from _verdict_sentences(verdicts.to_pylist())
        return
    rows = [r for r in _finite(comparison.to_pylist()) if r["baseline"] and r["variant"] == "paper"]
    totals = [r for r in rows if is_pooled(r) and is_main(r["stratum"])]
    for row in totals:
        yield f"Trained on {row['arm']}, against {row['baseline']}: {_value(row)}. {_sentence(row)}"
    if rows and not totals:
        clear = int((holm([p_of_zero(of_row(r)) for r in rows]) < 0.05).sum())
        yield f"{clear} of {len(rows)} paired differences are distinguishable from zero (Holm, 5 %)."


def _verdict_sentences(rows: list[dict]) -> Iterable[str]:
    """The conclusion on each arm: on held-out words where there are any, with the gain over each control."""
    strata = {r["stratum"] for r in rows}
    stratum = next(s for s in (HELD_OUT, "all", *sorted(strata)) if s in strata)
    on = " on held-out words" if stratum == HELD_OUT else ""
    for row in (r for r in rows if r["stratum"] == stratum and not r["baseline"]):
        gains = [r for r in rows if (r["arm"], r["stratum"]) == (row["arm"], stratum) and r["baseline"]]
        parts = ", ".join(f"{interval_text(of_row(r))} over {r['baseline']}" for r in gains)
        yield (
            f"{row['verdict'][0].upper()}{row['verdict'][1:]}. Gain{on} ({row['variant']}): {parts}; "
            f"n = {row['n']:,}, runs = {row['runs']}."
        )


def _sentence(row: dict) -> str:
    if not of_row(row).excludes_zero:
        return "This is not distinguishable from zero."
    return (
        "This is better, and distinguishable from zero."
        if row["value"] > 0
        else "This is worse, and distinguishable from zero."
    )


def _world_sentences(summary: pa.Table) -> Iterable[str]:
    rows = {(r["world"], r["measure"], r["group"]): r for r in reversed(_finite(summary.to_pylist()))}

    def value(world: str, measure: str, group: str) -> str | None:
        row = rows.get((world, measure, group))
        return _value(row) if row else None

    for text, key in (
        ("P(target) of direct pairs: {}.", ("base", "P(target)", "direct")),
        ("P(target) of pairs bridged by pivots only: {}.", ("base", "P(target)", "bridged")),
        ("P(target) of unrelated pairs: {}.", ("base", "P(target)", "unrelated")),
        (
            "Without pivots' documents, bridged pairs change by this more than direct ones that lose theirs: {}.",
            ("knock-out", "difference in differences, knock-out", "bridged less direct with pivots"),
        ),
        ("The paper's rule finds bridged pairs with F1 {}.", ("base", "F1 of bridged, rule paper", "logit")),
        ("Without any pivots the published AUC is {}.", ("null", "AUC without pivots", "raw")),
        ("Given the final confidence it is {}.", ("null", "AUC without pivots", "given final confidence")),
        (
            "Pivot-rich selection against random, held-out bridged pairs: {}.",
            ("selection", "gain of pivot-rich", "over random"),
        ),
    ):
        figure = value(*key)
        if figure:
            yield text.format(figure)
