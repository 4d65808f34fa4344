"""What is shown of the corpus, its tokens, the pivot set and selections."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import plotly.graph_objects as go
import pyarrow as pa

from semantic_pivots.markup import in_page
from semantic_pivots.panel import (
    PALETTE,
    Line,
    Numbers,
    Panel,
    StageView,
    Tables,
    bars,
    layout,
    stacked_shares,
    unique,
)

TOP_TOKENS = 60
MOST_SOURCES = 100


def study_order(codes: set[str] | Sequence[str], languages: Sequence[str]) -> list[str]:
    """The study's languages first, in its order, then the others."""
    return [c for c in languages if c in codes] + sorted(set(codes) - set(languages))


def corpus_panels(
    shards: pa.Table,
    sources: pa.Table,
    skips: pa.Table | None,
    token_shards: pa.Table | None,
    languages: Sequence[str],
) -> list[Panel]:
    """Documents and bytes by language and source, with licences; what could not be read."""
    totals: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    for row in sources.to_pylist():
        total = totals[row["language"], row["source"], row["licence"], row["attribution"]]
        total[0] += row["documents"]
        total[1] += row["text_bytes"]
    codes = study_order({language for language, *_ in totals}, languages)
    keys = sorted(totals, key=lambda k: (codes.index(k[0]), k[1:]))[:MOST_SOURCES]
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
    bad = skips.to_pylist() if skips is not None else []
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
    """The pivot set; its degrees count bridged concepts, or neighbours under the criteria of degree (unit: token)."""
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
    unit = rows[0]["unit"]
    degree = "bridged concepts" if unit == "word" else "bridged concepts, or neighbours under a criterion of degree"
    layout(figure, 420, x="degree expected by chance", y=f"degree: {degree}")
    figure.update_xaxes(type="log")
    figure.update_yaxes(type="log")
    columns = ("text", "documents", "degree", "expected_degree", "strength", "q_value")
    table = Numbers(
        (unit, "documents", "degree", "expected", "strength", "q", "languages"),
        tuple(
            (*(r[name] for name in columns), " ".join(study_order(r["languages"] or [], languages)))
            for r in rows[:TOP_TOKENS]
        ),
    )
    return [
        Panel(
            "Pivot set",
            f"{len(rows):,} {unit}s that connect languages; their degree counts {degree}. "
            f"The {len(points):,} strongest are drawn, the {min(len(rows), TOP_TOKENS)} strongest are listed. "
            "Dotted: what chance alone would give.",
            table,
            figure,
        )
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
    codes = study_order({c for g in groups.values() for c in g}, languages)
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
        )
    ]


def _tokens_by(table: pa.Table) -> dict[str, tuple[int, int]]:
    sums = table.group_by("language").aggregate([("n_tokens", "sum"), ("n_tokens", "count")])
    columns = (sums[c].to_pylist() for c in ("language", "n_tokens_sum", "n_tokens_count"))
    return {code: (tokens, documents) for code, tokens, documents in zip(*columns, strict=True)}


def _corpus_lines(tables: Tables) -> list[Line]:
    shards, skips = tables["shards"], tables.get("skipped")
    size, documents = sum(shards["text_bytes"].to_pylist()), sum(shards["documents"].to_pylist())
    codes = set(tables["sources"]["language"].to_pylist()) if "sources" in tables else set()
    out = [Line("corpus", f"text in {len(codes)} languages", f"{size / 1e6:,.1f} MB", documents)]
    bad = sum(skips["lines"].to_pylist()) if skips is not None else 0
    return [*out, Line("corpus", "unreadable lines left out", f"{bad:,}")] if bad else out


def _tokens_lines(tables: Tables) -> list[Line]:
    shards = tables["token_shards"]
    return [Line("tokens", "tokens", f"{sum(shards['tokens'].to_pylist()):,}", sum(shards["documents"].to_pylist()))]


def _graph_lines(tables: Tables) -> list[Line]:
    return [Line("graph", "words or tokens in the pivot set", f"{tables['pivot_set'].num_rows:,}")]


def _select_lines(tables: Tables) -> list[Line]:
    selection = tables["selection"]
    sums = selection.group_by("selection", use_threads=False).aggregate([("n_tokens", "sum"), ("n_tokens", "count")])
    return [
        Line("select", f"tokens of {row['selection']}", f"{row['n_tokens_sum']:,}", row["n_tokens_count"])
        for row in sums.to_pylist()
    ]


def _corpus_panels(tables: Tables, languages: Sequence[str]) -> list[Panel]:
    later_tables = (tables.get("skipped"), tables.get("token_shards"))
    return corpus_panels(tables["shards"], tables["sources"], *later_tables, languages)


CORPUS = StageView(
    150,
    "Corpus",
    "The pre-training documents that counts, pivots and selections come from.",
    ("shards", "sources"),
    _corpus_panels,
    _corpus_lines,
    ("skipped",),
)
TOKENS = StageView(0, "", "", ("token_shards",), lambda tables, order: (), _tokens_lines)
GRAPH = StageView(
    100,
    "Pivot set",
    "Words or tokens that connect languages beyond what chance explains.",
    ("pivot_set",),
    lambda tables, order: graph_panels(tables["pivot_set"], order),
    _graph_lines,
)
SELECT = StageView(
    110,
    "Selection",
    "Documents chosen at equal tokens.",
    ("selection",),
    lambda tables, order: select_panels(tables["selection"], tables.get("doc_scores"), order),
    _select_lines,
)
