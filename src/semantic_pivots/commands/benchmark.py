"""`pivots benchmark ...`: items of word translation without a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Items of word translation, without a study.", no_args_is_help=True)


@app.callback()
def _commands() -> None:
    """Items of word translation, without a study."""


@app.command()
def build(
    out: Annotated[Path, typer.Argument(help="file to write: .jsonl or .parquet")],
    lexicon: Annotated[str, typer.Option(help="lexicon that ships, or a TSV file")] = "clwtd-open",
    languages: Annotated[str, typer.Option(help="language codes, separated by commas")] = "en,fr,zh,ja",
    items: Annotated[int, typer.Option(help="random items of each direction; 0: all")] = 0,
    seed: Annotated[int, typer.Option(help="seed of the draws")] = 0,
    distractors: Annotated[str, typer.Option(help="who writes them: neighbours or llm")] = "neighbours",
    base_url: Annotated[str, typer.Option(help="with llm: OpenAI-compatible endpoint; key in $OPENAI_API_KEY")] = "",
    model: Annotated[str, typer.Option(help="with llm: the endpoint's name of the model")] = "",
) -> None:
    """Make items: a target, its source, nine wrong sources, and the strata."""
    import json
    import os
    import tempfile

    from semantic_pivots.config import BenchmarkConfig, LexiconConfig
    from semantic_pivots.errors import InputError
    from semantic_pivots.lexicon.concepts import lexicon_stage
    from semantic_pivots.run import Inputs, Work, write_table
    from semantic_pivots.tasks.word_items import benchmark_stage

    if out.suffix not in (".jsonl", ".parquet"):
        raise InputError(f"{out}: expected a file that ends in .jsonl or .parquet")
    codes = tuple(languages.split(","))
    config = BenchmarkConfig(
        languages=codes,
        seed=seed,
        items_per_direction=items,
        writer=distractors,
        base_url=base_url,
        writer_model=model,
    )
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        work = Work(scratch, scratch)
        for key, table in lexicon_stage(LexiconConfig(languages=codes, source=lexicon), Inputs({}), work).items():
            write_table(scratch / f"{key}.parquet", table)
        made = benchmark_stage(config, Inputs({"lexicon": scratch}), work)["items"]
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".parquet":
        write_table(out, made)
    else:
        temporary = out.with_name(out.name + ".tmp")
        temporary.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made.to_pylist()), "utf-8")
        os.replace(temporary, out)
    typer.echo(f"{out}: {made.num_rows:,} items; distractors {work.notes['distractors']}")
