"""The causal tables of docs/behaviours.md: python scripts/causal_tables.py OUT RUN STUDY [LENS ...] [--profile NAME].

The stage may still be under way: it asks concept by concept, so that what is there is a draw of concepts by hash. Items
that were answered and measured are traced under the lenses (none: no model is loaded), and OUT/behaviours_causal.csv
gets the rows of `attribution` by the rule `causal`.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from semantic_pivots import tables
from semantic_pivots.analysis.behaviour_stage import BehaviourConfig
from semantic_pivots.analysis.behaviours import label_items
from semantic_pivots.analysis.causal_figures import causal_figures, causal_labels
from semantic_pivots.models.tokenizer_files import load_tokenizer
from semantic_pivots.models.trace import trace_stage
from semantic_pivots.models.trace_stage import TraceConfig
from semantic_pivots.run import Inputs, Work
from semantic_pivots.signature import Signature
from semantic_pivots.statistics import of_row
from semantic_pivots.study import load_study
from semantic_pivots.tasks.translation import items_of


def effects_of(run: Path, items: dict) -> pa.Table:
    """Rows of `causal_effects` of the concepts whose items are all asked."""
    whole = run / "causal" / "causal_effects.parquet"
    if whole.exists():
        return pq.read_table(whole)
    parts = sorted((run / ".causal.partial" / "work").glob("part-*.parquet"))
    rows = pa.concat_tables(map(pq.read_table, parts))
    last = items[rows["item_id"].to_pylist()[-1]].concept_id
    return rows.filter(pa.array([items[i].concept_id != last for i in rows["item_id"].to_pylist()]))


def main(out: Path, run: Path, study: Path, lenses: tuple[str, ...], profile: str) -> None:
    config = load_study(study, profile).config
    out.mkdir(parents=True, exist_ok=True)
    folders = {name: run / name for name in ("lexicon", "benchmark", "corpus", "count", "discover")}
    every = pq.read_table(run / "benchmark" / "items.parquet")
    effects = effects_of(run, {item.item_id: item for item in items_of(every)})
    scratch = run / ".tables"
    measured = effects.filter(pc.and_(effects["answered"].fill_null(False), effects["link"].is_valid()))["item_id"]
    of_run = {"benchmark": every, "discover": pq.read_table(run / "discover" / "pivots.parquet")}
    part = {name: table.filter(pc.is_in(table["item_id"], measured)) for name, table in of_run.items()} | {
        "causal": effects
    }
    for (name, table), file in zip(part.items(), ("items", "pivots", "causal_effects"), strict=True):
        (scratch / name).mkdir(parents=True, exist_ok=True)
        pq.write_table(table, scratch / name / f"{file}.parquet")
    inputs = Inputs({**folders, "benchmark": scratch / "benchmark", "discover": scratch / "discover"})
    own = {"model": config.trace.model, "seed": config.trace.seed}
    traced = TraceConfig(**own, dtype=config.trace.dtype, lenses=lenses)
    work = scratch / f"trace-{len(measured)}-{len(lenses)}"
    work.mkdir(exist_ok=True)
    trace = trace_stage(traced, inputs, Work(work, work))["trace"] if lenses else tables.from_rows("trace", [])
    (scratch / "trace").mkdir(exist_ok=True)
    pq.write_table(trace, scratch / "trace" / "trace.parquet")
    inputs = Inputs({**folders, "causal": scratch / "causal", "trace": scratch / "trace"})
    behaviour = BehaviourConfig(**own)
    items = items_of(every)
    by_trace = (
        label_items(items, trace, load_tokenizer(behaviour.model, behaviour.cache), behaviour.rules) if lenses else []
    )
    labels = causal_labels(effects)
    of_item = {item.item_id: item for item in items}
    signature = Signature.of("behaviour", **own, dtype=traced.dtype, resamples=behaviour.resamples)
    rows = list(causal_figures(behaviour, inputs, items, [*labels, *by_trace], signature))
    found = pl.from_arrow(tables.from_rows("attribution", rows))
    found.write_csv(out / "behaviours_causal.csv", quote_style="non_numeric")
    print(len({of_item[i].concept_id for i in effects["item_id"].to_pylist()}), "concepts,", effects.num_rows, "items")
    print(Counter(row["label"] for row in labels))
    for row in rows:
        if row["source_language"] == "all":
            print(f"| {row['statistic']} | {row['lens']} | {of_row(row):.2f}, {row['n']} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("out", "run", "study"):
        parser.add_argument(name, type=Path)
    parser.add_argument("lenses", nargs="*")
    parser.add_argument("--profile", default="", help="of the run: its model signs the rows and is read by the lenses")
    arguments = parser.parse_args()
    main(arguments.out, arguments.run, arguments.study, tuple(arguments.lenses), arguments.profile)
