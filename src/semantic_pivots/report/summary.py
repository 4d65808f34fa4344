"""The table that a run ends with in the terminal: one line per key figure, with its interval and n."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich import box
from rich.console import Console
from rich.table import Table

from semantic_pivots.markup import in_terminal
from semantic_pivots.panel import Line, StageView, Tables
from semantic_pivots.report.html import interval_text
from semantic_pivots.stages import STAGES, object_at
from semantic_pivots.statistics import Interval

MISSING = "—"


def views() -> dict[str, StageView]:
    """What is shown of each stage, in the pipeline's order."""
    return {name: object_at(stage.view) for name, stage in STAGES.items() if stage.view}


def read_tables(study_folder: Path) -> dict[str, pa.Table]:
    """The tables behind the summary that a study's folder holds (STAGE/TABLE.parquet), by name."""
    tables = {}
    for view in views().values():
        for name in view.needs + view.optional_tables:
            paths = sorted(Path(study_folder).glob(f"*/{name}.parquet"))
            if paths:
                tables[name] = pq.read_table(paths[0])
    return tables


def lines(tables: Tables) -> list[Line]:
    """The key figures of every stage whose tables exist, in the order of the study."""
    out: list[Line] = []
    for stage, view in _views_of(tables).items():
        if view.needs[0] in tables:
            out += view.lines(tables)
        elif STAGES[stage].studies != "some":
            out.append(Line(view.maker or stage, "has not run", MISSING))
    return out


def _views_of(tables: Tables) -> dict[str, StageView]:
    """A stage with studies of its own stands alone in them, with those it needs, and is missing in no other."""
    of_stage = views()
    for name in (name for name, view in of_stage.items() if STAGES[name].studies == "own" and view.needs[0] in tables):
        if "items" not in tables:
            return {stage: of_stage[stage] for stage in (*STAGES[name].after, name)}
    return {name: view for name, view in of_stage.items() if STAGES[name].studies != "own"}


def print_summary(study_folder: Path | str, console: Console | None = None) -> None:
    """Print the summary of a study's folder as a table: stage, key figure, value with its 95 % interval, n."""
    rows = lines(read_tables(Path(study_folder)))
    missing = dict.fromkeys(line.stage for line in rows if line.value == MISSING)
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
