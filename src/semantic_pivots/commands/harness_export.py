"""`pivots export ...`: the benchmark for other tools."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import Annotated

import typer

from semantic_pivots.commands.options import IN_STUDIES, Writer, with_sections
from semantic_pivots.errors import InputError
from semantic_pivots.lexicon.lexicon_stage import LexiconConfig
from semantic_pivots.scoring.score_stage import ScoreConfig
from semantic_pivots.tasks.benchmark_stage import BenchmarkConfig

_WITHOUT_MODEL = ("model", "dtype", "revisions", "processes", "batch_tokens")

app = typer.Typer(help="Write the benchmark for other tools.", no_args_is_help=True)


@app.callback()
def _commands() -> None:
    """Write the benchmark for other tools."""


@app.command("lm-eval", cls=Writer)
@with_sections(omit=(*_WITHOUT_MODEL, *IN_STUDIES, "task", "task_path", "held_out_share"))
def lm_eval(
    out: Annotated[Path, typer.Option(help="folder to write, for `lm_eval --include_path`", show_default=False)],
    lexicon: LexiconConfig,
    benchmark: BenchmarkConfig,
    score: ScoreConfig,
    study: Annotated[
        Path | None, typer.Option(help="results of a study (runs/NAME) whose benchmark is taken; none: one is made")
    ] = None,
) -> None:
    """Write word translation as a task folder of lm-evaluation-harness."""
    import pyarrow.parquet as pq

    from semantic_pivots.commands.steps import word_items
    from semantic_pivots.tasks.lm_eval_export import export_tasks
    from semantic_pivots.tasks.translation import items_of

    if study is not None:
        sections = (("lexicon", lexicon, LexiconConfig()), ("benchmark", benchmark, BenchmarkConfig()))
        options = {
            field.name: f"[{name}] {field.name}"
            for name, section, default in sections
            for field in dataclasses.fields(section)
            if field.name != "seed" and getattr(section, field.name) != getattr(default, field.name)
        }
        if options:
            raise InputError(f"--study {study} has words and items of its own: leave out {', '.join(options.values())}")
        paths = study / "benchmark" / "items.parquet", study / "lexicon" / "words.parquet"
        absent = [str(path) for path in paths if not path.exists()]
        if absent:
            raise InputError(f"{absent[0]} is missing: run the study's stages lexicon and benchmark first")
        items, words = (pq.read_table(path) for path in paths)
    else:
        tables, _ = word_items(lexicon, benchmark)
        items, words = tables["items"], tables["words"]
    names = export_tasks(items_of(items), words, out, score.shots, score.draws, score.pool, score.seed)
    typer.echo(f"{out}: {len(names)} tasks of {items.num_rows:,} items; run them with")
    place = shlex.quote(str(out))
    typer.echo(f"  lm_eval --model hf --model_args pretrained=MODEL --include_path {place} --tasks clwtd_open")
