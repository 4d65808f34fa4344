"""`pivots score`: word translation by a model, or by each of its checkpoints, without a study file."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semantic_pivots.commands.options import IN_STUDIES, members_of, with_sections
from semantic_pivots.commands.records import Format, show
from semantic_pivots.errors import InputError, nearest
from semantic_pivots.files import Record
from semantic_pivots.lexicon.lexicon_stage import LexiconConfig
from semantic_pivots.scoring.score_stage import ScoreConfig
from semantic_pivots.statistics import Interval, of_row
from semantic_pivots.tasks.benchmark_stage import BenchmarkConfig

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

VARIANTS = ("paper", "sum", "choice", "per-byte", "accuracy", "copy-rate")


@with_sections(omit=(*IN_STUDIES, "model"))
def score(
    model: Annotated[str, typer.Argument(help="model: hub id, local folder, or package:NAME")],
    out: Annotated[Path, typer.Option(help="folder to write; a stopped command continues", show_default=False)],
    lexicon: LexiconConfig,
    benchmark: BenchmarkConfig,
    score: ScoreConfig,
    directions: Annotated[
        str, typer.Option(help="directions to print and to fail under, by commas, such as en-fr,fr-en; empty: all")
    ] = "",
    fail_under: Annotated[
        list[str] | None,
        typer.Option(help="VARIANT=VALUE: exit with code 1 where the mean over directions is lower; repeatable"),
    ] = None,
    format: Format = "table",
) -> None:
    """Score word translation and print a row per direction, or per checkpoint with --revisions."""
    import pyarrow.parquet as pq

    from semantic_pivots.models.specs import model_folder
    from semantic_pivots.signature import Signature
    from semantic_pivots.study import load_study, run_study

    bars = [_bar(text) for text in fail_under or ()]
    names = _named_directions(directions, benchmark.languages)
    if Path(model).is_dir() and (absent := [name for name in score.revisions if not (Path(model) / name).is_dir()]):
        raise InputError(f"--revisions: {', '.join(absent)}: no such folder in {model}")
    if not score.revisions:
        model_folder(model, score.cache)  # one that is not there is told before items are made
    out.mkdir(parents=True, exist_ok=True)
    out = out if out.name.strip(".") else out.resolve()  # the study has the folder's name
    path = out / "study.toml"
    common = {
        "name": out.name,
        "stages": ["lexicon", "benchmark", "score"],
        "languages": list(lexicon.languages),
        "model": str(Path(model).resolve()) if Path(model).is_dir() else model,
    }
    if Path(lexicon.source).is_file():
        lexicon = replace(lexicon, source=str(Path(lexicon.source).resolve()))
    configs = {"lexicon": lexicon, "benchmark": benchmark, "score": score}
    sections = {"study": common, **{name: _explicit(config, common) for name, config in configs.items()}}
    path.write_text("\n".join(_section(name, keys) for name, keys in sections.items()), "utf-8")
    run_study(load_study(path), out.parent, say=lambda line: typer.echo(line, err=True))
    rows = pq.read_table(out / "score" / "score_summary.parquet").to_pylist()
    figures = _figures(rows)
    if absent := [name for name in names if any(name not in by_direction for by_direction in figures.values())]:
        raise InputError(f"--directions {','.join(absent)}: the benchmark has no item there")
    records = _records(figures, names, bool(score.revisions))
    target = out / ("learning_curve.tsv" if score.revisions else "directions.tsv")
    text = [[*records[0]], *([_text(cell) for cell in record.values()] for record in records)]
    target.write_text("\n".join("\t".join(line) for line in text) + "\n", "utf-8")
    show(records, format)
    varying = ("model", "variant", "version") if score.revisions else ("variant", "version")
    scope = ",".join(names) or "mean of directions"
    signature = replace(Signature.parse(rows[0]["signature"]), scope=scope, note="").without(*varying)
    typer.echo(f"{target}; signature: {signature}", err=format != "table")
    misses = [f"{variant} {value:.4f} < {bar:g}" for variant, bar in bars
              for value in [_mean([*figures.values()][-1], names, variant)] if not value >= bar]  # fmt: skip
    if misses:
        typer.echo(f"below the bar: {', '.join(misses)}", err=True)
        raise typer.Exit(1)


def _figures(rows: list[dict]) -> dict[str, dict[str, dict[str, Interval]]]:
    """The figures of `score_summary` over all strata, by checkpoint, direction ("mean": of all) and variant."""
    from semantic_pivots.signature import Signature

    figures: dict[str, dict[str, dict[str, Interval]]] = {}
    for row in rows:
        if row["stratum"] == "all":
            source = row["source_language"]
            direction = "mean" if source == "all" else f"{source}-{row['target_language']}"
            by_direction = figures.setdefault(Signature.parse(row["signature"])["model"], {})
            by_direction.setdefault(direction, {})[row["variant"]] = of_row(row)
    return figures


def _records(figures: dict[str, dict[str, dict[str, Interval]]], names: Sequence[str], is_sweep: bool) -> list[Record]:
    """A record per direction, or per checkpoint with the mean of its directions: each variant with its interval.

    Args:
        figures: by checkpoint, direction and variant.
        names: the directions to return; empty: all.
        is_sweep: a checkpoint is named in each record, and a direction only where `names` has any.
    """
    return [
        {
            **({"checkpoint": checkpoint} if is_sweep else {}),
            **({"direction": direction} if names or not is_sweep else {}),
            "concepts": of_variant["paper"].n,
            **{variant: of_variant[variant] for variant in VARIANTS if variant in of_variant},
        }
        for checkpoint, by_direction in figures.items()
        for direction, of_variant in by_direction.items()
        if direction in (names or (["mean"] if is_sweep else by_direction))
    ]


def _mean(by_direction: dict[str, dict[str, Interval]], names: Sequence[str], variant: str) -> float:
    """The mean over all directions, or over the named ones."""
    values = [by_direction[name][variant].value for name in names or ["mean"]]
    return sum(values) / len(values)


def _named_directions(text: str, languages: Sequence[str]) -> list[str]:
    choices = [f"{a}-{b}" for a in languages for b in languages if a != b]
    names = list(dict.fromkeys(members_of(text)))
    for name in names:
        if name not in choices:
            raise InputError(f"--directions: {name!r} is no direction of {','.join(languages)}{nearest(name, choices)}")
    return names


def _bar(text: str) -> tuple[str, float]:
    variant, _, value = text.partition("=")
    if variant not in VARIANTS:
        hint = nearest(variant, VARIANTS)
        raise InputError(f"--fail-under {text!r}: expected VARIANT=VALUE, of {', '.join(VARIANTS)}{hint}")
    try:
        bar = float(value)
    except ValueError:
        bar = math.nan
    if not math.isfinite(bar):
        raise InputError(f"--fail-under {text!r}: {value!r} is no number; expected VARIANT=VALUE")
    return variant, bar


def _text(cell: object) -> str:
    return f"{cell:.4f}" if isinstance(cell, Interval) else str(cell)


def _explicit(config: DataclassInstance, common: Record) -> Record:
    """The keys of a section that are not the default's, nor those of [study]."""
    fields = dataclasses.fields(config)
    values = {f.name: getattr(config, f.name) for f in fields if getattr(config, f.name) != f.default}
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items() if name not in common}


def _section(name: str, keys: Record) -> str:
    # JSON strings, numbers and lists are TOML too
    return f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
