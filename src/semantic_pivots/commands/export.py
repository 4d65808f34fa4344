"""`pivots export ...`: the benchmark for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Write the benchmark for other tools.", no_args_is_help=True)


@app.callback()
def _commands() -> None:
    """Write the benchmark for other tools."""


@app.command("lm-eval")
def lm_eval(
    out: Annotated[Path, typer.Argument(help="folder to write, for `lm_eval --include_path`")],
    study: Annotated[Path | None, typer.Option(help="results of a study (runs/NAME) whose benchmark is taken")] = None,
    lexicon: Annotated[str, typer.Option(help="lexicon that ships, or a TSV file; without --study")] = "clwtd-open",
    languages: Annotated[str, typer.Option(help="language codes, separated by commas")] = "en,fr,zh,ja",
    items: Annotated[int, typer.Option(help="random items of each direction; 0: all")] = 0,
    shots: Annotated[int, typer.Option(help="examples before each question")] = 5,
    draws: Annotated[int, typer.Option(help="draws of the examples per item")] = 5,
    pool: Annotated[int, typer.Option(help="draws shared by the items of a direction; 0: independent")] = 0,
    seed: Annotated[int, typer.Option(help="seed of items and draws")] = 0,
) -> None:
    """Write word translation as a task folder of lm-evaluation-harness."""
    import tempfile

    import pyarrow.parquet as pq

    from semantic_pivots.config import BenchmarkConfig, LexiconConfig
    from semantic_pivots.errors import InputError
    from semantic_pivots.lexicon.concepts import lexicon_stage
    from semantic_pivots.run import Inputs, Work, write_table
    from semantic_pivots.tasks.lm_eval_export import export_tasks
    from semantic_pivots.tasks.translation import items_of
    from semantic_pivots.tasks.word_items import benchmark_stage

    if study is not None:
        paths = study / "benchmark" / "items.parquet", study / "lexicon" / "words.parquet"
        absent = [str(path) for path in paths if not path.exists()]
        if absent:
            raise InputError(f"{absent[0]} is missing: run the study's stages lexicon and benchmark first")
        made, words = (pq.read_table(path) for path in paths)
    else:
        codes = tuple(languages.split(","))
        with tempfile.TemporaryDirectory() as name:
            scratch = Path(name)
            work = Work(scratch, scratch)
            tables = lexicon_stage(LexiconConfig(languages=codes, source=lexicon), Inputs({}), work)
            for key, table in tables.items():
                write_table(scratch / f"{key}.parquet", table)
            config = BenchmarkConfig(languages=codes, seed=seed, items_per_direction=items)
            made = benchmark_stage(config, Inputs({"lexicon": scratch}), work)["items"]
            words = tables["words"]
    names = export_tasks(items_of(made), words, out, shots, draws, pool, seed)
    typer.echo(f"{out}: {len(names)} tasks of {made.num_rows:,} items; run them with")
    typer.echo(f"  lm_eval --model hf --model_args pretrained=MODEL --include_path {out} --tasks clwtd_open")
