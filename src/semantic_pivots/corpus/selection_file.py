"""The rows of one selection, shard by shard, in the memory of a row group of the selection's file."""

from __future__ import annotations

import functools
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from semantic_pivots.errors import InputError, nearest

_COLUMNS = ("selection", "shard", "row", "doc_id", "score")


class SelectionFile:
    """A selection in a file of `pivots select`.

    Raises:
        InputError: the file is no table of selections, or holds none of this name.
    """

    def __init__(self, path: Path, name: str):
        self.path, self.name = path, name
        try:
            self._file = pq.ParquetFile(path)
            absent = {"selection", "shard", "row"} - set(self._file.schema_arrow.names)
        except (OSError, pa.ArrowInvalid) as error:
            raise InputError(f"{path}: no table of selections, as `pivots select` writes it") from error
        if absent:
            raise InputError(f"{path}: no table of selections, as `pivots select` writes it")
        self._columns = [column for column in _COLUMNS if column in self._file.schema_arrow.names]
        self._groups: dict[str, list[int]] = {}
        shards: set[str] = set()
        for number in range(self._file.num_row_groups):
            table = self._file.read_row_group(number, ["selection", "shard"])
            shards |= set(table["selection"].unique().to_pylist())
            for shard in _of(table, "selection", name)["shard"].unique().to_pylist():
                self._groups.setdefault(shard, []).append(number)
        if not self._groups:
            names = sorted(shards)
            raise InputError(f"{path}: no selection {name!r}{nearest(name, names)}; it holds {', '.join(names)}")
        self._group = functools.lru_cache(maxsize=1)(self._read)

    def _read(self, number: int) -> pa.Table:
        return _of(self._file.read_row_group(number, self._columns), "selection", self.name)

    @property
    def shards(self) -> list[str]:
        """The shards that hold a document of the selection."""
        return list(self._groups)

    def rows(self, shard: str) -> pa.Table:
        """Of a shard `row`, ascending, and where the file has them `doc_id` and `score`."""
        parts = [_of(self._group(number), "shard", shard) for number in self._groups[shard]]
        return pa.concat_tables(parts).sort_by("row")

    def check(self, shard: str, ids: list[str], corpus: Path) -> None:
        """Make sure that the rows of a shard are the documents that were selected.

        Raises:
            InputError: naming one that is not.
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
