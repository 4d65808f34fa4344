"""`pivots tasks`: the tasks beside word translation, and their prompts."""

from __future__ import annotations

from typing import Annotated

import typer

from semantic_pivots.commands.options import members_of

app = typer.Typer(help="Tasks beyond word translation.", no_args_is_help=True)
Languages = Annotated[str, typer.Option(help="language codes, separated by commas")]


@app.command("list")
def list_tasks(languages: Languages = "en,fr,zh,ja") -> None:
    """List the tasks with their directions and items, and those of installed packages."""
    from semantic_pivots.commands.steps import lexicon_tables
    from semantic_pivots.lexicon.lexicon_stage import LexiconConfig
    from semantic_pivots.tasks import own, questions
    from semantic_pivots.tasks.benchmark_stage import BenchmarkConfig

    codes = tuple(members_of(languages))
    words = lexicon_tables(LexiconConfig(languages=codes))["words"]
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
    count: Annotated[int, typer.Option(help="prompts shown, one per direction at most", min=1)] = 3,
    path: Annotated[str, typer.Option(help="task_path: parallel files, task files of lm-eval, or a TSV file")] = "",
    distractors: Annotated[int, typer.Option(help="wrong sources of each item")] = 9,
) -> None:
    """Show prompts of a task as the model reads them, with answer and wrong sources."""
    from semantic_pivots.commands.steps import word_items
    from semantic_pivots.lexicon.lexicon_stage import LexiconConfig
    from semantic_pivots.tasks import questions
    from semantic_pivots.tasks.benchmark_stage import BenchmarkConfig
    from semantic_pivots.tasks.translation import items_of

    codes = tuple(members_of(languages))
    config = BenchmarkConfig(languages=codes, task=task, task_path=path, distractors=distractors)
    tables, _ = word_items(LexiconConfig(languages=codes), config)
    items = items_of(tables["items"])
    first_item = {item.direction: item for item in reversed(items)}
    examples = [first_item[direction] for direction in dict.fromkeys(item.direction for item in items)][:count]
    shots_of = questions.shots_by_direction(items, tables["words"], 0)
    for item in examples:
        sample = shots_of[item.direction].draw(item, 0, shots) if shots else []
        typer.echo(questions.prompt(item, sample, item.source) + typer.style(f" {item.target}", bold=True))
        typer.echo(typer.style(f"[{item.item_id}] wrong sources: {' · '.join(item.distractors)}\n", dim=True))
