"""Rows of figures by direction, over all directions first, as the tables of the analysis have them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from semantic_pivots.files import Record
from semantic_pivots.signature import Signature
from semantic_pivots.statistics import Figure, Interval
from semantic_pivots.tasks.translation import Item

ALL_DIRECTIONS = "all"
Direction = tuple[str, str]


def directions(items: Iterable[Item]) -> list[Direction]:
    """All directions together, (ALL_DIRECTIONS, ALL_DIRECTIONS), then each direction of the items."""
    return [(ALL_DIRECTIONS, ALL_DIRECTIONS), *dict.fromkeys(item.direction for item in items)]


def figure_row(
    direction: Direction, interval: Interval, signature: Signature, keys: Record, version: int | None = None
) -> Record:
    """A table row of one direction: its keys and a figure; the signature names direction, keys and rule version."""
    settings = keys if version is None else {**keys, "version": version}
    figure = Figure(interval, signature.within("-".join(direction)).with_settings(**settings))
    return {"source_language": direction[0], "target_language": direction[1], **keys, **figure.columns()}


def before_last_layer(trace: pa.Table, *columns: str) -> Iterator[tuple]:
    """(item, lens, *columns) of the rows of the table `trace` whose layer is not the last."""
    rows = list(zip(*(trace[name].to_pylist() for name in ("layer", "item_id", "lens", *columns)), strict=True))
    last = max((row[0] for row in rows), default=0)
    return (row[1:] for row in rows if row[0] < last)
