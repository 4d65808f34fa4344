"""Output of records by a command: a table on the terminal, JSON, or CSV with numbers in its cells."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Sequence
from typing import Annotated, Literal

import typer

from semantic_pivots.files import Record
from semantic_pivots.statistics import Interval

Format = Annotated[
    Literal["table", "json", "csv"], typer.Option("--format", help="table, or numbers for machines: json or csv")
]


def show(records: Sequence[Record], format: str) -> None:
    """Print records with the same fields, one per line of a table, as JSON, or as CSV.

    Args:
        records: values are texts, numbers, intervals or None.
        format: table, json or csv.
    """
    if format == "table":
        lines = [[*records[0]], *([_cell(value) for value in record.values()] for record in records)] if records else []
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        return
    flat = [_flat(record) for record in records]
    if format == "json":
        typer.echo(json.dumps(flat, ensure_ascii=False, indent=1, allow_nan=False))
        return
    writer = csv.DictWriter(sys.stdout, list(flat[0]) if flat else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)


def _cell(value: object) -> str:
    if isinstance(value, Interval):
        return f"{value:.4f}"
    return "" if value is None else f"{value:,.4g}" if isinstance(value, float) else str(value)


def _flat(record: Record) -> Record:
    """The record as plain numbers; null for a missing or infinite one, which JSON does not have."""
    flat: Record = {}
    for name, value in record.items():
        if isinstance(value, Interval):
            ends = {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high, f"{name}_n": value.n}
            flat |= {key: number if math.isfinite(number) else None for key, number in ends.items()}
        else:
            flat[name] = value if not isinstance(value, float) or math.isfinite(value) else None
    return flat
