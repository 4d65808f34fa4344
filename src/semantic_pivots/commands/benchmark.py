"""`pivots benchmark ...`: items of word translation without a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semantic_pivots.commands.options import IN_STUDIES, Writer, with_sections
from semantic_pivots.errors import InputError
from semantic_pivots.lexicon.lexicon_stage import LexiconConfig
from semantic_pivots.tasks.benchmark_stage import BenchmarkConfig

app = typer.Typer(help="Items of word translation, without a study.", no_args_is_help=True)


@app.callback()
def _commands() -> None:
    """Items of word translation, without a study."""


@app.command(cls=Writer)
@with_sections(omit=(*IN_STUDIES, "task", "task_path", "held_out_share"))
def build(
    out: Annotated[Path, typer.Option(help="file to write: .jsonl or .parquet", show_default=False)],
    lexicon: LexiconConfig,
    benchmark: BenchmarkConfig,
) -> None:
    """Make items: a target, its source, its wrong sources, and the strata."""
    import json

    from semantic_pivots.commands.steps import word_items
    from semantic_pivots.files import write_table, write_text

    if out.suffix not in (".jsonl", ".parquet"):
        raise InputError(f"{out}: expected a file that ends in .jsonl or .parquet")
    tables, notes = word_items(lexicon, benchmark)
    items = tables["items"]
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".parquet":
        write_table(out, items)
    else:
        write_text(out, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in items.to_pylist()))
    typer.echo(f"{out}: {items.num_rows:,} items; distractors {notes['distractors']}")
