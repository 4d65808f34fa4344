"""`pivots tasks`: the tasks beside word translation, and their prompts."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Tasks beyond word translation.", no_args_is_help=True)
Languages = Annotated[str, typer.Option(help="language codes, separated by commas")]


def _lexicon(languages: tuple[str, ...]):
    """The words of the shipped lexicon, as the table `words`."""
    import tempfile
    from pathlib import Path

    from semantic_pivots.config import LexiconConfig
    from semantic_pivots.lexicon.concepts import lexicon_stage
    from semantic_pivots.run import Inputs, Work

    with tempfile.TemporaryDirectory() as scratch:
        return lexicon_stage(LexiconConfig(languages=languages), Inputs({}), Work(Path(scratch), Path(scratch)))[
            "words"
        ]


def _translation(config):
    """The table `items` of word translation, from the shipped lexicon."""
    import tempfile
    from pathlib import Path

    from semantic_pivots.config import LexiconConfig
    from semantic_pivots.files import write_table
    from semantic_pivots.lexicon.concepts import lexicon_stage
    from semantic_pivots.run import Inputs, Work
    from semantic_pivots.tasks.items import benchmark_stage

    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        work = Work(scratch, scratch)
        for key, table in lexicon_stage(LexiconConfig(languages=config.languages), Inputs({}), work).items():
            write_table(scratch / f"{key}.parquet", table)
        return benchmark_stage(config, Inputs({"lexicon": scratch}), work)["items"]


@app.command("list")
def list_tasks(languages: Languages = "en,fr,zh,ja") -> None:
    """List the tasks with their directions and items, and those of installed packages."""
    from semantic_pivots.config import BenchmarkConfig
    from semantic_pivots.tasks import own, questions

    codes = tuple(languages.split(","))
    words = _lexicon(codes)
    for name in questions.COMMITTED:
        rows = questions.items(BenchmarkConfig(languages=codes, task=name), words)
        directions = {(row["source_language"], row["target_language"]) for row in rows}
        typer.echo(f"{name:16} {len(rows):6,} items in {len(directions):2} directions")
    typer.echo("sentences        parallel files of yours: [benchmark] task_path = FOLDER (FLORES format)")
    typer.echo("lm-eval:TASK     a multiple-choice task of lm-evaluation-harness")
    for name, package in own.packages().items():
        typer.echo(f"{name:16} of {package}")
    typer.echo("file             questions and answers of yours: [benchmark] task_path = FILE.tsv (docs/tasks.md)")


@app.command()
def show(
    task: Annotated[str, typer.Argument(help="name of the task, as in [benchmark] task")],
    languages: Languages = "en,fr,zh,ja",
    shots: Annotated[int, typer.Option(help="examples before the question")] = 2,
    count: Annotated[int, typer.Option(help="prompts shown, one per direction at most")] = 3,
    path: Annotated[str, typer.Option(help="task_path: parallel files, task files of lm-eval, or a TSV file")] = "",
    distractors: Annotated[int, typer.Option(help="wrong sources of each item")] = 9,
) -> None:
    """Show prompts of a task as the model reads them, with answer and wrong sources."""
    from semantic_pivots.config import BenchmarkConfig
    from semantic_pivots.tables import from_rows
    from semantic_pivots.tasks import questions
    from semantic_pivots.tasks.pattern import WORD_TRANSLATION
    from semantic_pivots.tasks.translation import items_of

    codes = tuple(languages.split(","))
    words = _lexicon(codes)
    config = BenchmarkConfig(languages=codes, task=task, task_path=path, distractors=distractors)
    if task == WORD_TRANSLATION:
        items = items_of(_translation(config))
    else:
        items = items_of(from_rows("items", questions.items(config, words)))
    first_item = {item.direction: item for item in reversed(items)}
    examples = [first_item[direction] for direction in dict.fromkeys(item.direction for item in items)][:count]
    shots_of = questions.shots_by_direction(items, words, 0)
    for item in examples:
        sample = shots_of[item.direction].draw(item, 0, shots) if shots else []
        typer.echo(questions.prompt(item, sample, item.source) + typer.style(f" {item.target}", bold=True))
        typer.echo(typer.style(f"[{item.item_id}] wrong sources: {' · '.join(item.distractors)}\n", dim=True))
