"""`pivots score`: how well a model, or each of its checkpoints, translates words; no study file needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

VARIANTS = ("paper", "sum", "accuracy", "copy-rate")


def score(
    model: Annotated[str, typer.Argument(help="model: hub id, local folder, or package:NAME")],
    out: Annotated[Path, typer.Argument(help="folder to write; a stopped command continues")],
    revisions: Annotated[
        str, typer.Option(help="checkpoints, by commas: revisions on the hub, or folders inside a local model")
    ] = "",
    lexicon: Annotated[str, typer.Option(help="lexicon that ships, or a TSV file")] = "clwtd-open",
    languages: Annotated[str, typer.Option(help="language codes, by commas")] = "en,fr,zh,ja",
    items: Annotated[int, typer.Option(help="random items of each direction, the same concepts; 0: all")] = 0,
    shots: Annotated[int, typer.Option(help="translations shown before the question")] = 5,
    draws: Annotated[int, typer.Option(help="draws of the shots per item")] = 5,
    pool: Annotated[int, typer.Option(help="draws shared by the items of a direction; 0: independent")] = 0,
    seed: Annotated[int, typer.Option(help="seed of items and draws")] = 0,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16")] = "float32",
    processes: Annotated[int, typer.Option(help="processes that share the items; results do not depend on it")] = 1,
) -> None:
    """Score word translation and print a row per direction, or per checkpoint with --revisions."""
    import pyarrow.parquet as pq

    from semantic_pivots.signature import Signature
    from semantic_pivots.study import load_study, run_study

    out.mkdir(parents=True, exist_ok=True)
    sections: dict[str, dict[str, Any]] = {
        "study": {
            "name": out.name,
            "stages": ["lexicon", "benchmark", "score"],
            "languages": languages.split(","),
            "seed": seed,
            "model": str(Path(model).resolve()) if Path(model).is_dir() else model,
            "dtype": dtype,
        },
        "lexicon": {"source": str(Path(lexicon).resolve()) if Path(lexicon).is_file() else lexicon},
        "benchmark": {"items_per_direction": items},
        "score": {
            "shots": shots,
            "draws": draws,
            "pool": pool,
            "revisions": [name.strip() for name in revisions.split(",") if name.strip()],
            "processes": processes,
        },
    }
    path = out / "study.toml"
    path.write_text("\n".join(_section(name, keys) for name, keys in sections.items()), "utf-8")
    run_study(load_study(path), out.parent, say=lambda line: typer.echo(line, err=True))
    rows = pq.read_table(out / "score" / "score_summary.parquet").to_pylist()
    lines = curve(rows) if revisions else table(rows)
    target = out / ("learning_curve.tsv" if revisions else "directions.tsv")
    target.write_text("\n".join("\t".join(line) for line in lines) + "\n", "utf-8")
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    typer.echo(f"{target}; signature: {Signature.parse(rows[0]['signature']).without('variant', 'version')}")


def table(rows: list[dict]) -> list[list[str]]:
    """One line per direction, and their mean: each variant with its 95 % interval."""
    found: dict[tuple[str, str], dict[str, dict]] = {}
    for row in rows:
        if row["stratum"] == "all":
            found.setdefault((row["source_language"], row["target_language"]), {})[row["variant"]] = row
    lines = [["direction", "items", *VARIANTS]]
    for key, by_variant in found.items():
        name = "mean" if key[0] == "all" else "-".join(key)
        lines.append([name, str(by_variant["paper"]["n"]), *(_cell(by_variant[variant]) for variant in VARIANTS)])
    return lines


def curve(rows: list[dict]) -> list[list[str]]:
    """One line per checkpoint, in the order of the sweep: the mean over directions, with its interval."""
    from semantic_pivots.scoring.benchmark_scores import learning_curve

    points = {variant: learning_curve(rows, variant) for variant in VARIANTS}
    lines = [["checkpoint", "concepts", *VARIANTS]]
    for place, point in enumerate(points["paper"]):
        cells = [points[variant][place].interval for variant in VARIANTS]
        lines.append([point.revision, str(point.interval.n), *(f"{cell:.4f}" for cell in cells)])
    return lines


def _cell(row: dict) -> str:
    from semantic_pivots.statistics import of_row

    return f"{of_row(row):.4f}"


def _section(name: str, keys: dict[str, Any]) -> str:
    # JSON strings, numbers and lists are TOML too
    return f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
