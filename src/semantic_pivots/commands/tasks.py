"""`pivots tasks`: the tasks beside word translation, and their prompts."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from semantic_pivots.commands.options import with_sections
from semantic_pivots.lexicon.lexicon_stage import LexiconConfig
from semantic_pivots.scoring.score_stage import ScoreConfig
from semantic_pivots.tasks.benchmark_stage import BenchmarkConfig

app = typer.Typer(help="Tasks beyond word translation.", no_args_is_help=True)


@app.command("list")
@with_sections(subsets={"benchmark": ("languages",)})
def list_tasks(benchmark: BenchmarkConfig) -> None:
    """List the tasks with their directions and items, and those of installed packages."""
    from semantic_pivots.commands.steps import lexicon_tables
    from semantic_pivots.tasks import own, questions

    words = lexicon_tables(LexiconConfig(languages=benchmark.languages))["words"]
    for name in questions.PAIR_MAKERS:
        rows = questions.items(replace(benchmark, task=name), words)
        directions = {(row["source_language"], row["target_language"]) for row in rows}
        typer.echo(f"{name:16} {len(rows):6,} items in {len(directions):2} directions")
    typer.echo("sentences        parallel files of yours: [benchmark] task_path = FOLDER (FLORES format)")
    typer.echo("lm-eval:TASK     a multiple-choice task of lm-evaluation-harness")
    for name, package in own.packages().items():
        typer.echo(f"{name:16} of {package}")
    typer.echo("file             questions and answers of yours: [benchmark] task_path = FILE.tsv (docs/tasks.md)")


@app.command()
@with_sections(subsets={"benchmark": ("languages", "task_path", "distractors"), "score": ("shots",)})
def show(
    task: Annotated[str, typer.Argument(help="name of the task, as in [benchmark] task")],
    benchmark: BenchmarkConfig,
    score: ScoreConfig,
    count: Annotated[int, typer.Option(help="prompts shown, one per direction at most", min=1)] = 3,
) -> None:
    """Show prompts of a task as the model reads them, with answer and wrong sources."""
    from semantic_pivots.commands.steps import word_items
    from semantic_pivots.tasks import questions
    from semantic_pivots.tasks.translation import items_of

    tables, _ = word_items(LexiconConfig(languages=benchmark.languages), replace(benchmark, task=task))
    items = items_of(tables["items"])
    first_item = {item.direction: item for item in reversed(items)}
    examples = [first_item[direction] for direction in dict.fromkeys(item.direction for item in items)][:count]
    shots_of = questions.shots_by_direction(items, tables["words"], 0)
    for item in examples:
        sample = shots_of[item.direction].draw(item, 0, score.shots) if score.shots else []
        typer.echo(questions.prompt(item, sample, item.source) + typer.style(f" {item.target}", bold=True))
        typer.echo(typer.style(f"[{item.item_id}] wrong sources: {' · '.join(item.distractors)}\n", dim=True))
