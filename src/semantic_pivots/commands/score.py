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

from semantic_pivots.commands.options import members_of, with_sections
from semantic_pivots.commands.records import Format, show
from semantic_pivots.config import BenchmarkConfig, LexiconConfig, ScoreConfig
from semantic_pivots.errors import InputError, nearest
from semantic_pivots.files import Record
from semantic_pivots.statistics import Interval, of_row

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

VARIANTS = ("paper", "sum", "choice", "per-byte", "accuracy", "copy-rate")


@with_sections(omit=("model", "stages", "name"))
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

    from semantic_pivots.models.load import model_folder
    from semantic_pivots.signature import Signature
    from semantic_pivots.study import load_study, run_study

    bars = [_bar(text) for text in fail_under or ()]
    names = _named_directions(directions, benchmark.languages)
    if len(set(benchmark.languages)) < 2:
        raise InputError(f"--languages {','.join(benchmark.languages)}: expected at least two different languages")
    if not score.revisions:
        model_folder(model, score.cache)  # one that is not there is told before items are made
    out.mkdir(parents=True, exist_ok=True)
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
    records = curve(rows) if score.revisions else directions_of(rows, names)
    target = out / ("learning_curve.tsv" if score.revisions else "directions.tsv")
    text = [[*records[0]], *([_text(cell) for cell in record.values()] for record in records)]
    target.write_text("\n".join("\t".join(line) for line in text) + "\n", "utf-8")
    show(records, format)
    signature = Signature.parse(rows[0]["signature"]).without("variant", "version")
    typer.echo(f"{target}; signature: {signature}", err=format != "table")
    misses = [f"{variant} {figure.value:.4f} < {bar:g}" for variant, bar in bars
              for figure in [_mean(rows, names, variant)] if not figure.value >= bar]  # fmt: skip
    if misses:
        typer.echo(f"below the bar: {', '.join(misses)}", err=True)
        raise typer.Exit(1)


def directions_of(rows: list[dict], names: Sequence[str] = ()) -> list[Record]:
    """One record per direction, and their mean: each variant with its 95 % interval."""
    by_direction: dict[str, dict[str, dict]] = {}
    for row in rows:
        if row["stratum"] == "all":
            key = (row["source_language"], row["target_language"])
            by_direction.setdefault("mean" if key[0] == "all" else "-".join(key), {})[row["variant"]] = row
    order = [name for name in by_direction if name in names] if names else list(by_direction)
    return [
        {
            "direction": name,
            "concepts": by_direction[name]["paper"]["n"],
            **{variant: of_row(by_direction[name][variant]) for variant in VARIANTS if variant in by_direction[name]},
        }
        for name in order
    ]


def curve(rows: list[dict]) -> list[Record]:
    """One record per checkpoint, in the order of the sweep: the mean over directions, with its interval."""
    from semantic_pivots.scoring.benchmark_scores import learning_curve

    points = {variant: learning_curve(rows, variant) for variant in VARIANTS}
    return [
        {
            "checkpoint": point.revision,
            "concepts": point.interval.n,
            **{variant: points[variant][place].interval for variant in VARIANTS if points[variant]},
        }
        for place, point in enumerate(points["paper"])
    ]


def _mean(rows: list[dict], names: Sequence[str], variant: str) -> Interval:
    """The mean over all directions of the last model, or over the named ones (without interval)."""
    members = [r for r in rows if (r["stratum"], r["variant"]) == ("all", variant)]
    if not names:
        return of_row([r for r in members if r["source_language"] == "all"][-1])
    values = [r["value"] for r in members if f"{r['source_language']}-{r['target_language']}" in names]
    return Interval(sum(values) / len(values), math.nan, math.nan, len(values))


def _named_directions(text: str, languages: Sequence[str]) -> list[str]:
    choices = [f"{a}-{b}" for a in languages for b in languages if a != b]
    names = members_of(text)
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
        return variant, float(value)
    except ValueError:
        raise InputError(f"--fail-under {text!r}: {value!r} is no number; expected VARIANT=VALUE") from None


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
