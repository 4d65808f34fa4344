"""Sorts and joins of more rows than fit into memory, by DuckDB: what does not fit lies in a folder until they end."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY = "1GB"
ROWS = 1 << 17
"""Rows of a batch of results."""


@contextlib.contextmanager
def database(folder: Path) -> Iterator[DuckDBPyConnection]:
    """An empty database in the memory of `MEMORY` and, beyond it, in a folder that is removed at the block's end."""
    import duckdb

    settings = {"memory_limit": MEMORY, "threads": 1, "temp_directory": str(folder), "preserve_insertion_order": False}
    try:
        with duckdb.connect(config=settings) as connection:
            yield connection
    finally:
        shutil.rmtree(folder, ignore_errors=True)
