"""Panels of the corpus, graph, selection and training stages. Each is a function of their tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import plotly.graph_objects as go
import pyarrow as pa

from semantic_pivots.markup import in_page
from semantic_pivots.report.figures import unit
from semantic_pivots.report.panel import (
    PALETTE,
    Numbers,
    Panel,
    bars,
    colour,
    direction,
    direction_order,
    interval_dots,
    layout,
    stacked_shares,
    unique,
)
from semantic_pivots.statistics import of_row

TOP_TOKENS = 60
SOURCES_SHOWN = 100
_COMPARED = ("paper", "accuracy", "bits-per-byte", "chrf")
"""Measures of the comparison that are drawn; the others stand in a table."""


def ordered(codes: set[str] | Sequence[str], languages: Sequence[str]) -> list[str]:
    """The study's languages first, in its order, then the others."""
    return [c for c in languages if c in codes] + sorted(set(codes) - set(languages))


def corpus_panels(
    shards: pa.Table,
    sources: pa.Table,
    skipped: pa.Table | None,
    token_shards: pa.Table | None,
    languages: Sequence[str],
) -> list[Panel]:
    """Documents and bytes by language and source, with licences; what could not be read."""
    totals: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    for row in sources.to_pylist():
        total = totals[row["language"], row["source"], row["licence"], row["attribution"]]
        total[0] += row["documents"]
        total[1] += row["text_bytes"]
    codes = ordered({language for language, *_ in totals}, languages)
    keys = sorted(totals, key=lambda k: (codes.index(k[0]), k[1:]))[:SOURCES_SHOWN]
    per_language = {c: sum(v[1] for (language, *_), v in totals.items() if language == c) for c in codes}
    table = Numbers(
        ("language", "source", "documents", "text (MB)", "licence", "attribution"),
        tuple((k[0], k[1], totals[k][0], round(totals[k][1] / 1e6, 2), *k[2:]) for k in keys),
    )
    documents, size = sum(shards["documents"].to_pylist()), sum(shards["text_bytes"].to_pylist())
    reading = f"{documents:,} documents, {size / 1e6:,.1f} MB of text"
    if token_shards is not None:
        reading += f", {sum(token_shards['tokens'].to_pylist()):,} tokens of the measured model"
    reading += ". A document in several languages is counted in each, as it was read"
    points = [(c, round(per_language[c] / 1e6, 3)) for c in codes]
    panels = [Panel("Composition", reading + ".", table, bars(points, "text (MB)", "%{y}: %{x:,.1f} MB"))]
    bad = skipped.to_pylist() if skipped is not None else []
    if bad:
        rows = tuple((r["path"], r["reason"], r["lines"], r["first_line"]) for r in bad[:50])
        panels.append(
            Panel(
                "Skipped",
                f"{sum(r['lines'] for r in bad):,} lines could not be read and were left out.",
                Numbers(("file", "reason", "lines", "first line"), rows),
            )
        )
    return panels


def graph_panels(pivot_set: pa.Table, languages: Sequence[str]) -> list[Panel]:
    """The pivot set: tokens that co-occur with more tokens than their frequency explains."""
    rows = sorted(pivot_set.to_pylist(), key=lambda r: (-(r["strength"] or 0.0), r["text"]))
    if not rows:
        return []
    points = rows[:400]
    figure = go.Figure(
        go.Scatter(
            x=[max(r["expected_degree"], 1e-2) for r in points],
            y=[r["degree"] for r in points],
            mode="markers",
            marker={"color": PALETTE[3], "size": 6, "opacity": 0.65},
            showlegend=False,
            customdata=[[in_page(r["text"]), r["documents"]] for r in points],
            hovertemplate="“%{customdata[0]}”: degree %{y:,}, expected %{x:,.1f}, "
            "%{customdata[1]:,} documents<extra></extra>",
        )
    )
    ends = [max(min(r["expected_degree"] for r in points), 1e-2), max(r["degree"] for r in points)]
    figure.add_trace(
        go.Scatter(
            x=ends,
            y=ends,
            mode="lines",
            line={"dash": "dot", "color": "#8a8f98"},
            name="as expected",
            hoverinfo="skip",
            showlegend=False,
        )
    )
    layout(figure, 420, x="degree expected from its frequency", y="degree: tokens it co-occurs with")
    figure.update_xaxes(type="log")
    figure.update_yaxes(type="log")
    table = Numbers(
        ("token", "documents", "degree", "expected", "strength", "q", "languages"),
        tuple(
            (
                r["text"],
                r["documents"],
                r["degree"],
                r["expected_degree"],
                r["strength"],
                r["q_value"],
                " ".join(ordered(r["languages"] or [], languages)),
            )
            for r in rows[:TOP_TOKENS]
        ),
    )
    return [
        Panel(
            "Pivot set",
            f"{len(rows):,} tokens that co-occur with many others; the {len(points):,} strongest are drawn, the "
            f"{min(len(rows), TOP_TOKENS)} strongest are listed. Dotted: what frequency alone would give.",
            table,
            figure,
        ),
    ]


def select_panels(selection: pa.Table, doc_scores: pa.Table | None, languages: Sequence[str]) -> list[Panel]:
    """Composition of each selection by language, in tokens, beside the whole corpus."""
    groups: dict[str, dict[str, tuple[int, int]]] = {}
    if doc_scores is not None and doc_scores.num_rows:
        groups["whole corpus"] = _tokens_by(doc_scores)
    labels = selection["selection"].to_pylist()
    names = unique(labels)
    for name in names:
        groups[name] = _tokens_by(selection.filter(pa.array([n == name for n in labels])))
    codes = ordered({c for g in groups.values() for c in g}, languages)
    series: dict[str, list] = {c: [] for c in codes}
    rows = []
    for name, group in groups.items():
        total = sum(tokens for tokens, _ in group.values()) or 1
        for code in codes:
            tokens, documents = group.get(code, (0, 0))
            series[code].append((name, tokens / total))
            rows.append((name, code, documents, tokens, f"{100 * tokens / total:.1f} %"))
    figure = stacked_shares(series, "share of tokens (%)")
    return [
        Panel(
            "Selections by language",
            "Equal tokens do not mean equal languages: a difference between two selections of unlike "
            "composition may be a difference of languages.",
            Numbers(("selection", "language", "documents", "tokens", "share of tokens"), tuple(rows)),
            figure,
        ),
    ]


def _tokens_by(table: pa.Table) -> dict[str, tuple[int, int]]:
    sums = table.group_by("language").aggregate([("n_tokens", "sum"), ("n_tokens", "count")])
    columns = (sums[c].to_pylist() for c in ("language", "n_tokens_sum", "n_tokens_count"))
    return {code: (tokens, documents) for code, tokens, documents in zip(*columns, strict=True)}


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
                opacity=0.55 if seed != runs_first(runs, arm) else 1,
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


def runs_first(runs: dict[tuple[str, int], list[dict]], arm: str) -> int:
    """The lowest seed of an arm, drawn at full strength."""
    return min(seed for name, seed in runs if name == arm)


def compare_panels(comparison: pa.Table, languages: Sequence[str], verdicts: pa.Table | None = None) -> list[Panel]:
    """The verdict, forest plots of paired differences in the main figures, every measure as numbers, and own scores."""
    rows = sorted(comparison.to_pylist(), key=direction_order(languages))
    gains = verdicts.to_pylist() if verdicts is not None else []
    main = unique([*(r["variant"] for r in gains), *(v for v in _COMPARED if any(r["variant"] == v for r in rows))])
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
    table = Numbers(
        ("arm", "words", "against", "gain [95 %]", "n", "runs", "seen with 80 % power", "verdict", "signature"),
        tuple(
            (
                r["arm"],
                r["stratum"].removeprefix("words:"),
                r["baseline"] or "all controls",
                of_row(r),
                r["n"],
                r["runs"],
                r["detectable"],
                r["verdict"],
                r["signature"],
            )
            for r in rows
        ),
    )
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
    table = Numbers(
        ("measure", "unit", "items", "arm", "against", "difference [95 %]", "n", "verdict", "signature"),
        tuple(
            (
                r["variant"],
                unit(r["variant"]),
                r["stratum"],
                r["arm"],
                r["baseline"],
                of_row(r),
                r["n"],
                r["verdict"],
                r["signature"],
            )
            for r in sorted(rows, key=lambda r: (r["variant"], r["stratum"] != "all", r["stratum"]))
        ),
    )
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
    table = Numbers(
        ("direction", "arm", "against", "difference [95 %]", "n", "verdict", "signature"),
        tuple((direction(r), r["arm"], r["baseline"], of_row(r), r["n"], r["verdict"], r["signature"]) for r in rows),
    )
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
    table = Numbers(
        ("direction", "arm", "value [95 %]", "n", "signature"),
        tuple((direction(r), r["arm"], of_row(r), r["n"], r["signature"]) for r in rows),
    )
    reading = "What each model reaches by itself, before differences are taken."
    return Panel(f"Each model's own {variant}", reading, table, interval_dots(series, unit(variant)))
