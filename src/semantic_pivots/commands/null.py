"""`pivots null`: attribution in simulations with a known mechanism."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from semantic_pivots.analysis.null_labels import Documents

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
    """Simulate worlds in which it is known what counts should tell, and print what each statistic tells.

    Where confidence rises with frequency the published rule finds "co-occurrence" among frequent pairs by itself; where
    an item's ease moves middle and final layers alike, conditioning on confidence makes an association of nothing; and
    where co-occurrence works through confidence, conditioning hides it. The odds of need ask no confidence.
    """
    import numpy as np

    from semantic_pivots.analysis.null_labels import PATH, drawn_documents, table

    try:
        values = tuple(float(slope) for slope in slopes.split(","))
    except ValueError:
        raise InputError(f"--slopes {slopes}: expected numbers separated by commas, such as 0,0.3,1") from None
    if items < 20 or runs < 2:
        raise InputError(f"--items {items} --runs {runs}: expected at least 20 items and 2 runs")
    documents = _documents(Path(run)) if run else drawn_documents(items, seed)
    never = float(np.mean(documents.together == 0))
    source = f"counts of {run}" if run else "counts drawn"
    typer.echo(
        f"{len(documents.together):,} items, {source}, {100 * never:.0f} % never meet; {runs} runs; seed {seed}; "
        f"a mechanism is in the world {PATH} alone"
    )
    rows = table(documents, slopes=values, runs=runs, seed=seed)
    width = max(len(row["statistic"]) for row in rows)
    for row in rows:
        figure = row["interval"]
        note = f"   beside {row['reference']:g}" if figure.excludes(row["reference"]) else ""
        typer.echo(f"{row['world']:9} slope {row['slope']:<4g} {row['statistic']:{width}}  {figure:7.3f}{note}")


def _documents(run: Path) -> Documents:
    from semantic_pivots.analysis.co_occurrence import documents
    from semantic_pivots.analysis.null_labels import Documents
    from semantic_pivots.run import Inputs
    from semantic_pivots.tasks.translation import items_of

    stages = {"items": "benchmark", "pair_counts": "count", "word_counts": "count"}
    files = {name: run / stage / f"{name}.parquet" for name, stage in stages.items()}
    for path in files.values():
        if not path.exists():
            raise InputError(f"{path}: no such table; expected the folder of a run, such as runs/demo")
    inputs = Inputs({name: run / name for name in ("benchmark", "count")})
    return Documents(*documents(inputs, items_of(inputs.table("items"))))
