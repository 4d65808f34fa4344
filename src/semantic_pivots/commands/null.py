"""`pivots null`: what the published statistic says of a model without any pivots."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semantic_pivots.errors import InputError


def null(
    run: Annotated[
        str, typer.Argument(help="folder of a study's run, whose counts are used; none: counts are drawn")
    ] = "",
    slopes: Annotated[str, typer.Option(help="change of logit confidence per deviation of log count")] = "0,0.3,0.6,1",
    items: Annotated[int, typer.Option(help="items drawn where no run is given")] = 2000,
    runs: Annotated[int, typer.Option(help="simulations of each slope")] = 20,
    seed: Annotated[int, typer.Option(help="seed of all simulations")] = 0,
) -> None:
    """Simulate labels without a pivot mechanism: the raw AUC departs from 0.5, the conditioned figures do not.

    Where confidence rises with frequency the published rule finds "co-occurrence" among frequent pairs by itself; a
    study's AUC means something beyond the one printed here for its counts.
    """
    import numpy as np

    from semantic_pivots.analysis.null_labels import table

    try:
        values = tuple(float(slope) for slope in slopes.split(","))
    except ValueError:
        raise InputError(f"--slopes {slopes}: expected numbers separated by commas, such as 0,0.3,1") from None
    if items < 20 or runs < 2:
        raise InputError(f"--items {items} --runs {runs}: expected at least 20 items and 2 runs")
    log_counts = _counts(Path(run)) if run else np.random.default_rng(seed).normal(size=items)
    rows = table(log_counts, values, runs, seed)
    width = max(len(row["statistic"]) for row in rows)
    typer.echo(f"{len(log_counts):,} items, {'counts of ' + run if run else 'counts drawn'}; {runs} runs; seed {seed}")
    for row in rows:
        figure = row["interval"]
        beside = "" if figure.low <= row["reference"] <= figure.high else f"   beside {row['reference']:g}"
        typer.echo(
            f"slope {row['slope']:<4g} {row['statistic']:{width}}  {figure.value:7.3f} [{figure.low:.3f}, "
            f"{figure.high:.3f}]{beside}"
        )


def _counts(run: Path):
    import numpy as np
    import pyarrow.parquet as pq

    from semantic_pivots.tasks.translation import items_of

    files = {
        name: run / stage / f"{name}.parquet" for name, stage in (("items", "benchmark"), ("pair_counts", "count"))
    }
    for path in files.values():
        if not path.exists():
            raise InputError(f"{path}: no such table; expected the folder of a run, such as runs/demo")
    counted = {
        frozenset([(r["word_1"], r["language_1"]), (r["word_2"], r["language_2"])]): r["value"]
        for r in pq.read_table(files["pair_counts"]).to_pylist()
    }
    items = items_of(pq.read_table(files["items"]))
    pairs = [frozenset([(i.source, i.direction[0]), (i.target, i.direction[1])]) for i in items]
    return np.log1p(np.array([counted.get(pair, 0) for pair in pairs], dtype=np.float64))
