"""The table that a run ends with in the terminal: one line per key figure, with its interval and n."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich import box
from rich.console import Console
from rich.table import Table

from semantic_pivots.markup import in_terminal
from semantic_pivots.report import figures_causal
from semantic_pivots.report.figures import is_control, is_main, unit
from semantic_pivots.report.figures_pivots import clearest
from semantic_pivots.report.findings import pivot_share, units_of
from semantic_pivots.report.html import interval_text
from semantic_pivots.report.panel import direction, is_pooled, unique
from semantic_pivots.statistics import Interval, of_row, share

MISSING = "—"

Tables = Mapping[str, pa.Table]


@dataclass(frozen=True)
class Line:
    """One line: a key figure as an interval, or as text where it has none."""

    stage: str
    figure: str
    value: Interval | str
    n: int | None = None


def read_tables(study_folder: Path) -> dict[str, pa.Table]:
    """The tables behind the summary that a study's folder holds (STAGE/TABLE.parquet), by name."""
    tables = {}
    for _, names, _ in STAGES.values():
        for name in names:
            paths = sorted(Path(study_folder).glob(f"*/{name}.parquet"))
            if paths:
                tables[name] = pq.read_table(paths[0])
    return tables


def lines(tables: Tables) -> list[Line]:
    """The key figures of every stage whose tables exist, in the order of the study."""
    out: list[Line] = []
    for stage in _stages_with_lines(tables):
        make, own, others = STAGES[stage]
        if not any(name in tables for name in own):
            if stage != "intervene":  # in no study but those that name it
                out.append(Line(stage, "has not run", MISSING))
            continue
        out += make(*(tables.get(name) for name in (*own, *others)))
    return out


def _stages_with_lines(tables: Tables) -> list[str]:
    """Worlds are studies of their own, in which no other stage is missing, and missing in no other."""
    if "planted_summary" in tables and "concepts" not in tables:
        return ["planted"]
    if "natural_summary" in tables and "items" not in tables:
        return ["lexicon", "corpus", "natural"]
    return [stage for stage in STAGES if stage not in ("planted", "natural")]


def print_summary(study_folder: Path | str, console: Console | None = None) -> None:
    """Print the summary of a study's folder as a table: stage, key figure, value with its 95 % interval, n."""
    rows = lines(read_tables(Path(study_folder)))
    missing = [line.stage for line in rows if line.value == MISSING]
    table = Table(
        title=in_terminal(f"Study {Path(study_folder).name}"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("stage", no_wrap=True)
    table.add_column("figure")
    table.add_column("value [95 % interval]", justify="right", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    previous = ""
    for line in (line for line in rows if line.value != MISSING):
        value = interval_text(line.value) if isinstance(line.value, Interval) else line.value
        n = line.value.n if isinstance(line.value, Interval) else line.n
        stage = line.stage if line.stage != previous else ""
        table.add_row(stage, in_terminal(line.figure), in_terminal(value), "" if n is None else f"{n:,}")
        previous = line.stage
    console = console or Console()
    console.print(table)
    if missing:
        console.print(f"not run: {', '.join(missing)}")


def _lexicon(concepts: pa.Table | None, words: pa.Table | None) -> list[Line]:
    languages = set(words["language"].to_pylist()) if words is not None else set()
    return [
        Line(
            "lexicon",
            f"concepts in {len(languages)} languages",
            f"{concepts.num_rows if concepts is not None else 0:,}",
        )
    ]


def _benchmark(items: pa.Table) -> list[Line]:
    pairs = set(zip(items["source_language"].to_pylist(), items["target_language"].to_pylist(), strict=True))
    return [Line("benchmark", f"items in {len(pairs)} directions", f"{items.num_rows:,}")]


def _score(summary: pa.Table) -> list[Line]:
    out = []
    rows = summary.to_pylist()
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


def _corpus(shards: pa.Table | None, sources: pa.Table | None, skipped: pa.Table | None) -> list[Line]:
    if shards is None or sources is None:
        return []
    size, documents = sum(shards["text_bytes"].to_pylist()), sum(shards["documents"].to_pylist())
    out = [
        Line(
            "corpus",
            f"text in {len(set(sources['language'].to_pylist()))} languages",
            f"{size / 1e6:,.1f} MB",
            documents,
        )
    ]
    bad = sum(skipped["lines"].to_pylist()) if skipped is not None else 0
    return [*out, Line("corpus", "unreadable lines left out", f"{bad:,}")] if bad else out


def _tokens(token_shards: pa.Table) -> list[Line]:
    return [
        Line(
            "tokens",
            "tokens",
            f"{sum(token_shards['tokens'].to_pylist()):,}",
            sum(token_shards["documents"].to_pylist()),
        )
    ]


def _count(pair_counts: pa.Table) -> list[Line]:
    values = pair_counts["value"].to_pylist()
    hits = sum(v > 0 for v in values)
    return [Line("count", "pairs that meet in the corpus", f"{100 * hits / max(len(values), 1):.1f} %", len(values))]


def _discover(pivots: pa.Table | None, evidence: pa.Table | None, items: pa.Table | None) -> list[Line]:
    some = set() if pivots is None else set(pivots["item_id"].to_pylist())
    if evidence is None or not evidence.num_rows:
        return [Line("discover", "items with pivots", f"{len(some):,}")]
    ids = evidence["item_id"].to_pylist()
    return [Line("discover", "items with pivots", share([i in some for i in ids], units_of(ids, items)))]


def _trace(summary: pa.Table | None) -> list[Line]:
    rows = [r for r in (summary.to_pylist() if summary is not None else []) if is_pooled(r) and r["value"] is not None]
    out = []
    for quantity, name in (("mass_pivot", "pivots"), ("mass_target", "target word")):
        members = [r for r in rows if r["quantity"] == quantity and r["lens"] == "logit"]
        if members:
            top = max(members, key=lambda r: (r["value"], r["layer"]))
            out.append(Line("trace", f"largest mass of the {name}, layer {top['layer']}", of_row(top)))
    ratio = [r for r in rows if r["quantity"] == "pivot_ratio" and r["lens"] == "logit" and r["n"]]
    top = clearest(ratio)
    if top:
        out.append(Line("trace", f"own pivots' mass over another pair's, layer {top['layer']}", of_row(top)))
    elif ratio:
        out.append(Line("trace", "own pivots' mass over another pair's", "above one in no layer"))
    return out


def _behaviour(behaviour: pa.Table | None, attribution: pa.Table | None, items: pa.Table | None) -> list[Line]:
    out = [Line("behaviour", name, figure) for name, figure in figures_causal.key_figures(attribution)]
    rows = behaviour.to_pylist() if behaviour is not None else []
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


def _intervene(summary: pa.Table) -> list[Line]:
    return [
        Line("intervene", f"change of log P by {row['intervention']}, less {row['control']}", of_row(row))
        for row in summary.to_pylist()
        if is_pooled(row) and row["group"] == "all" and row["control"]
    ]


def _graph(pivot_set: pa.Table) -> list[Line]:
    return [Line("graph", "words or tokens in the pivot set", f"{pivot_set.num_rows:,}")]


def _select(selection: pa.Table) -> list[Line]:
    sums = selection.group_by("selection", use_threads=False).aggregate([("n_tokens", "sum"), ("n_tokens", "count")])
    return [
        Line("select", f"tokens of {row['selection']}", f"{row['n_tokens_sum']:,}", row["n_tokens_count"])
        for row in sums.to_pylist()
    ]


def _train(log: pa.Table) -> list[Line]:
    final: dict[tuple[str, int], dict] = {}
    for row in log.to_pylist():
        key = (row["arm"], row["seed"])
        if key not in final or row["step"] > final[key]["step"]:
            final[key] = row
    return [
        Line("train", f"last loss of {arm}, seed {seed} (nats)", f"{row['loss']:.3f}", row["tokens"])
        for (arm, seed), row in sorted(final.items())
    ]


def _compare(comparison: pa.Table | None, verdicts: pa.Table | None) -> list[Line]:
    gains = verdicts.to_pylist() if verdicts is not None else []
    variants = unique([*(r["variant"] for r in gains), "paper", "accuracy"])[:2]
    rows = [r for r in (comparison.to_pylist() if comparison is not None else []) if r["baseline"]]
    members = [r for r in rows if is_main(r["stratum"]) and r["variant"] in variants]
    members = [r for r in members if is_pooled(r)] or members
    return [
        *(
            Line("compare", f"{r['arm']} minus {r['baseline']}, {r['variant']}: {_plain(of_row(r))}", of_row(r))
            for r in members
        ),
        *(Line("compare", f"{r['verdict']} ({r['stratum']})", of_row(r)) for r in gains if not r["baseline"]),
    ]


def _plain(difference: Interval) -> str:
    if not difference.known:
        return "no interval"
    if not difference.excludes_zero:
        return "no difference shown"
    return "better" if difference.value > 0 else "worse"


def _planted(summary: pa.Table) -> list[Line]:
    return [
        Line("planted", f"{r['world']}, {r['architecture']}: {r['measure']}, {r['group']}", of_row(r))
        for r in summary.to_pylist()
    ]


def _natural(summary: pa.Table) -> list[Line]:
    return [
        Line("natural", f"{r['part']}: {r['conclusion'] or r['measure'] + ', ' + r['group']}", of_row(r))
        for r in sorted(summary.to_pylist(), key=lambda row: not row["conclusion"])
    ]


STAGES: dict[str, tuple[Callable[..., list[Line]], tuple[str, ...], tuple[str, ...]]] = {
    "lexicon": (_lexicon, ("concepts", "words"), ()),
    "benchmark": (_benchmark, ("items",), ()),
    "score": (_score, ("score_summary",), ()),
    "corpus": (_corpus, ("shards", "sources", "skipped"), ()),
    "tokens": (_tokens, ("token_shards",), ()),
    "count": (_count, ("pair_counts",), ()),
    "discover": (_discover, ("pivots", "pivot_evidence"), ("items",)),
    "trace": (_trace, ("trace_summary",), ()),
    "behaviour": (_behaviour, ("behaviour", "attribution"), ("items",)),
    "intervene": (_intervene, ("effect_summary",), ()),
    "graph": (_graph, ("pivot_set",), ()),
    "select": (_select, ("selection",), ()),
    "train": (_train, ("training_log",), ()),
    "compare": (_compare, ("comparison", "verdict"), ()),
    "natural": (_natural, ("natural_summary",), ()),
    "planted": (_planted, ("planted_summary",), ()),
}
"""By stage: the function of its lines, its tables that the function takes, and those of other stages."""
