"""The tables and the figure of docs/behaviours.md: python scripts/behaviours_tables.py OUT RUN [RUN ...].

Prints Markdown; writes OUT/behaviours_*.csv (rows of the runs' own tables, with intervals and signatures) and, beside
OUT, behaviours_curves.png: mass of the pivots and of another pair's by layer, a panel per direction of the first run.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

from semantic_pivots.statistics import of_row

LABELS = ("bridged", "redundant", "direct", "undecided", "semantic-pivot", "co-occurrence", "excluded")
STATISTICS = (
    "auc",
    "auc of counts above zero",
    "auc given confidence",
    "auc given confidence and frequencies",
    "r of count and middle confidence given confidence",
    "log odds per doubled count given confidence and frequencies",
)


def interval(row: dict) -> str:
    """value [low, high], n."""
    if row["value"] is None or row["value"] != row["value"]:
        return "–"
    return f"{of_row(row):.2f}, {row['n']}"


def read(run: Path, table: str, stage: str = "behaviour") -> pl.DataFrame:
    """A table of a run, with the run's name in front."""
    frame = pl.read_parquet(run / stage / f"{table}.parquet")
    return frame.select(pl.lit(run.name).alias("study"), *frame.columns)


def shares(labels: pl.DataFrame) -> None:
    """Counts of labels by study, rule and lens."""
    print("| study | rule | lens |", " | ".join(LABELS), "| n |")
    print("|---" * (len(LABELS) + 4) + "|")
    for (study, rule, lens), part in labels.group_by("study", "rule", "lens", maintain_order=True):
        counts = dict(part["label"].value_counts().iter_rows())
        print(f"| {study} | {rule} | {lens} |", " | ".join(str(counts.get(k, 0)) for k in LABELS), f"| {part.height} |")


def attributions(rows: pl.DataFrame) -> None:
    """Statistics of all directions together."""
    pooled = rows.filter((pl.col("source_language") == "all") & pl.col("rule").is_in(["paper"]))
    print("| study | rule | lens |", " | ".join(STATISTICS), "|")
    print("|---" * (len(STATISTICS) + 3) + "|")
    of_labels = pooled.filter(~pl.col("lens").str.contains(" and "))
    for (study, rule, lens), part in of_labels.group_by("study", "rule", "lens", maintain_order=True):
        found = {row["statistic"]: row for row in part.to_dicts()}
        cells = [interval(found[s]) if s in found else "–" for s in STATISTICS]
        print(f"| {study} | {rule} | {lens} |", " | ".join(cells), "|")
    for row in pooled.to_dicts() + rows.filter(~pl.col("rule").is_in(["paper"])).to_dicts():
        if row["statistic"] not in STATISTICS and row["source_language"] == "all":
            print(f"{row['study']}; {row['rule']}; {row['lens']}; {row['statistic']}: {interval(row)}")


def peaks(rows: pl.DataFrame) -> None:
    """Largest mean mass of the pivots by direction and lens, with chance in the same layer."""
    print("| study | lens | direction | layer | mass of the pivots | another pair's |\n|---|---|---|---|---|---|")
    keys = ["study", "lens", "source_language", "target_language"]
    for key, part in rows.group_by(keys, maintain_order=True):
        pivots = part.filter((pl.col("quantity") == "mass_pivot") & (pl.col("n") > 0)).sort("value").to_dicts()
        if not pivots:
            continue
        best = pivots[-1]
        null = part.filter((pl.col("quantity") == "mass_pivot_null") & (pl.col("layer") == best["layer"])).to_dicts()
        cells = [f"{of_row(r):.4f}, {r['n']}" for r in (best, *null)]
        print(f"| {key[0]} | {key[1]} | {key[2]} → {key[3]} | {best['layer']} |", " | ".join(cells), "|")


def curves(rows: pl.DataFrame, path: Path) -> None:
    """Mass of the pivots and of another pair's, layer by layer, one panel per direction and one colour per lens."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pairs = rows.select("source_language", "target_language").unique(maintain_order=True).rows()
    directions = [pair for pair in pairs if pair[0] != "all"]
    columns = 4
    figure, axes = pyplot.subplots(
        -(-len(directions) // columns), columns, figsize=(13, 8), sharex=True, sharey=True, layout="constrained"
    )
    for axis, (source, target) in zip(axes.flat, directions, strict=False):
        here = rows.filter((pl.col("source_language") == source) & (pl.col("target_language") == target))
        for k, lens in enumerate(here["lens"].unique(maintain_order=True)):
            for quantity, style in (("mass_pivot", "-"), ("mass_pivot_null", ":")):
                part = here.filter((pl.col("lens") == lens) & (pl.col("quantity") == quantity)).sort("layer")
                if part.is_empty():
                    continue
                label = f"{lens}, {'own pivots' if style == '-' else 'another pair’s'}"
                axis.plot(part["layer"], part["value"], style, color=f"C{k}", label=label)
                if style == "-":
                    axis.fill_between(part["layer"], part["low"], part["high"], color=f"C{k}", alpha=0.15, linewidth=0)
        axis.set_title(f"{source} → {target}", fontsize=10)
        axis.grid(alpha=0.3)
    for axis in axes[-1]:
        axis.set_xlabel("layer")
    figure.supylabel("probability mass")
    handles, names = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Print and write everything."""
    out, runs = Path(sys.argv[1]), [Path(argument) for argument in sys.argv[2:]]
    labels, attribution, summary = (
        pl.concat([read(run, table) for run in runs]) for table in ("behaviour", "attribution", "trace_summary")
    )
    shares(labels)
    attributions(attribution)
    peaks(summary)
    out.mkdir(parents=True, exist_ok=True)
    attribution.write_csv(out / "behaviours_attribution.csv", float_precision=5)
    kept = pl.col("quantity").is_in(["mass_pivot", "mass_pivot_null", "mass_target", "mass_language:en"])
    of_directions = (pl.col("study") == runs[0].name) | (pl.col("source_language") == "all")
    summary.filter(kept & of_directions & (pl.col("n") > 0)).write_csv(out / "behaviours_masses.csv", float_precision=5)
    curves(summary.filter(pl.col("study") == runs[0].name), out.parent / "behaviours_curves.png")
    for run in runs:
        if (run / "intervene").is_dir():
            effects = read(run, "effect_summary", "intervene")
            effects.write_csv(out / "behaviours_effects.csv", float_precision=5)
            for row in effects.filter(pl.col("source_language") == "all").to_dicts():
                print(f"{row['group']} | {row['intervention']} | less: {row['control'] or '-'} | {interval(row)}")


if __name__ == "__main__":
    main()
