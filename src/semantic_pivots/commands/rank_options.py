"""Options of a command that several processes share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

Rank = Annotated[int, typer.Option(help="number of this process among --world, from 0 (docs/engines.md)")]
World = Annotated[int, typer.Option(help="processes that share the shards; `pivots merge OUT` puts them together")]
Wait = Annotated[float, typer.Option(help="seconds to wait for parts of other ranks before it ends")]


def take_part(out: Path, rank: int, world: int, wait: float) -> None:
    """Make this process a rank of the command that it was started with."""
    from semantic_pivots import ranks

    ranks.take_part(out, rank, world, wait, sys.argv[1:])
