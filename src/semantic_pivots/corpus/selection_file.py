"""The rows of one selection, shard by shard: from a file of each shard, or from one file of all."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from semantic_pivots.errors import InputError, nearest
from semantic_pivots.files import table_files


class SelectionFile:
    """A selection of `pivots select`, in a folder with a file of each shard, or in a file.

    Raises:
        InputError: it is no table of selections, or holds none of this name.
    """

    def __init__(self, path: Path, name: str):
        self.path, self.name = path, name
        self._files: dict[str, list[Path]] = {}
        names: set[str] = set()
        for file in table_files(path):
            table = self._read(file, ["selection", "shard", "row"])
            names |= set(table["selection"].unique().to_pylist())
            for shard in _of(table, "selection", name)["shard"].unique().to_pylist():
                self._files.setdefault(shard, []).append(file)
        if not self._files:
            order = sorted(names)
            raise InputError(f"{path}: no selection {name!r}{nearest(name, order)}; it holds {', '.join(order)}")

    def _read(self, file: Path, columns: list[str] | None = None, shard: str = "") -> pa.Table:
        conditions = [("selection", "==", self.name), ("shard", "==", shard)] if shard else None
        try:
            return pq.read_table(file, columns=columns, filters=conditions, read_dictionary=["selection", "shard"])
        except (OSError, pa.ArrowInvalid) as error:
            raise InputError(f"{self.path}: no table of selections, as `pivots select` writes it") from error

    @property
    def shards(self) -> list[str]:
        """The shards that hold a document of the selection."""
        return list(self._files)

    def rows(self, shard: str) -> pa.Table:
        """The selection's rows of a shard: `row`, ascending, and `doc_id` and `score` if the file has them."""
        tables = [self._read(file, shard=shard) for file in self._files[shard]]
        return pa.concat_tables(tables).sort_by("row")

    def check(self, shard: str, ids: list[str], corpus: Path) -> None:
        """Make sure that the rows of a shard are the documents that were selected.

        Raises:
            InputError: a row is another document; the message names it.
        """
        rows = self.rows(shard)
        keys = rows["doc_id"].to_pylist() if "doc_id" in rows.column_names else [None] * len(rows)
        for row, key in zip(rows["row"].to_pylist(), keys, strict=True):
            if row >= len(ids) or key not in (None, ids[row]):
                raise InputError(
                    f"{self.path}: row {row} of shard {shard} ({key}) is no document of {corpus}, or another one: "
                    "give the corpus that it was selected from"
                )


def _of(table: pa.Table, column: str, value: str) -> pa.Table:
    return table.filter(pc.call_function("equal", [table[column], pa.scalar(value)]))
