"""A user's scores of documents, by id: Parquet with doc_id (or id) and numbers, or a Dolma folder of attributes.

Ids are joined on disk (`spilling`); each column becomes a file of 8 bytes a document, in the order of the documents.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from semantic_pivots.corpus.documents import list_files
from semantic_pivots.corpus.formats import id_text, id_texts
from semantic_pivots.corpus.streams import kind, open_file
from semantic_pivots.errors import InputError, first_line
from semantic_pivots.files import Record
from semantic_pivots.run import warn
from semantic_pivots.selection.score_files import Scores
from semantic_pivots.selection.selectors import Columns
from semantic_pivots.selection.spilling import ROWS, database

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

KEYS = ("doc_id", "id")


@dataclass(frozen=True)
class UserColumns:
    """The user's columns of documents: the file of each in a folder, float64, NaN where a document has no row."""

    folder: Path
    files: dict[str, str]

    def of(self, places: slice | np.ndarray) -> Columns:
        """(documents,) float64 of each column at some places."""
        columns = {name: np.memmap(self.folder / file, np.float64, "r") for name, file in self.files.items()}
        return {name: np.array(values[places]) for name, values in columns.items()}


def join(path: str, score_names: tuple[str, ...], scores: Scores, folder: Path) -> UserColumns:
    """Give each document the numbers that a file or folder has for its id.

    Args:
        path: Parquet, or Dolma's attributes.
        score_names: names that its columns may not have.
        scores: the documents.
        folder: where the columns are written.

    Raises:
        InputError: the file is not Parquet, lacks the ids, repeats one, has none of the corpus, or a column is no
            number or has a taken name.
    """
    import duckdb

    table = _Table(path, score_names)
    with database(folder / "join") as connection:
        connection.register("rows", pa.RecordBatchReader.from_batches(table.schema, table.batches()))
        try:
            connection.execute("create table added as select * from rows")
        except duckdb.Error as error:
            raise table.failure or table.unreadable(error) from error
        _check(connection, table)
        connection.register("documents", pa.RecordBatchReader.from_batches(_PLACES, _places(scores)))
        query = "select added.* from documents left join added on documents.id = added.id order by place"
        columns = UserColumns(folder, {name: f"column-{number}" for number, name in enumerate(table.names)})
        if not _write(connection.sql(query).to_arrow_reader(ROWS), columns):
            raise table.error("none of its doc_ids is a document of the corpus")
    return columns


def column_names(path: str) -> list[str] | None:
    """Names of the columns of a user's Parquet file or folder; None for attributes, which only reading tells.

    Raises:
        InputError: it is neither, lacks the ids, or a column is no number.
    """
    return None if kind(_files(path)[0])[0] == "jsonl" else _Table(path, ()).names


_PLACES = pa.schema([("id", pa.large_string()), ("place", pa.int64())])


def _places(scores: Scores) -> Iterator[pa.RecordBatch]:
    begin = 0
    for batch in scores.batches(["doc_id"]):
        places = pa.array(np.arange(begin, begin + len(batch)))
        yield pa.record_batch([batch["doc_id"].cast(pa.large_string()), places], schema=_PLACES)
        begin += len(batch)


def _write(batches: pa.RecordBatchReader, columns: UserColumns) -> int:
    """Write columns behind one another in the order of documents; returns the documents that have a row."""
    matches = 0
    for file in columns.files.values():
        (columns.folder / file).write_bytes(b"")
    for batch in batches:
        matches += len(batch) - batch.column(0).null_count
        for file, values in zip(columns.files.values(), batch.columns[1:], strict=True):
            with (columns.folder / file).open("ab") as stream:
                values.to_numpy(zero_copy_only=False).tofile(stream)
    return matches


def _check(connection: DuckDBPyConnection, table: _Table) -> None:
    def count(condition: str) -> int:
        return connection.execute(f"select count(*) from added where {condition}").fetchall()[0][0]

    if nulls := count("id is null"):
        raise table.error(f"{nulls} rows have no {table.key}; expected one of each document")
    if connection.execute("select id from added group by id having count(*) > 1 limit 1").fetchall():
        raise table.error(f"a {table.key} stands twice; expected one row per document")
    for number, name in enumerate(table.names):
        if infinite := count(f"isinf(c{number})"):
            warn(
                f"[select] columns = {table.path!r}: {infinite:,} values of {name!r} are infinite: the largest and "
                "the smallest scores"
            )


class _Table:
    """A file or folder of numbers by id, read in batches: `id`, and c0, c1, ... as float64.

    Raises:
        InputError: it is neither Parquet nor Dolma's attributes, lacks the ids, or a column is no number or has a
            taken name.
    """

    def __init__(self, path: str, score_names: tuple[str, ...]):
        self.path, self.failure = path, None
        self._is_lines = os.path.exists(path) and kind(_files(path)[0])[0] == "jsonl"
        try:
            if self._is_lines:
                names = dict.fromkeys(name for row in _attributes(path) for name in row)
                types = pa.schema([(name, pa.string() if name == "id" else pa.float64()) for name in names])
            else:
                from pyarrow.dataset import dataset  # 30 MB, which no other selection needs

                self._data = dataset(path, format="parquet", partitioning="hive")
                types = self._data.schema
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise self.unreadable(error) from error
        self.names = [name for name in types.names if name not in KEYS]
        self._check(types, score_names)
        self._types = types
        numbers = [(f"c{number}", pa.float64()) for number in range(len(self.names))]
        self.schema = pa.schema([("id", pa.large_string()), *numbers])

    def error(self, text: str) -> InputError:
        """An error for people, with the place."""
        return InputError(f"[select] columns = {self.path!r}: {text}")

    def unreadable(self, error: Exception) -> InputError:
        """The error of a file that cannot be read."""
        return self.error(f"neither Parquet nor Dolma's attributes: {first_line(error)}")

    def _check(self, types: pa.Schema, score_names: tuple[str, ...]) -> None:
        key = next((name for name in KEYS if name in types.names), None)
        if key is None:
            raise self.error(f"no column doc_id; it has {', '.join(types.names)}")
        self.key = key
        try:
            id_texts(pa.array([], types.field(key).type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise self.error(f"{key} is of type {types.field(key).type}; expected texts") from error
        for name in self.names:
            type_ = types.field(name).type
            if name in score_names:
                raise self.error(f"the name {name!r} is one of doc_scores; rename it")
            if not (pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_boolean(type_)):
                raise self.error(f"{name!r} is of type {type_}; expected numbers")

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows."""
        for batch in _attribute_batches(self.path, self._types) if self._is_lines else self._data.to_batches():
            try:
                ids = id_texts(batch[self.key])
            except pa.ArrowInvalid:  # DuckDB, which reads this, would tell it as its own error
                self.failure = self.error(f"{self.key} has bytes that are no text; expected texts")
                raise
            yield pa.record_batch([ids, *(_float64(batch[name]) for name in self.names)], schema=self.schema)


def _float64(values: pa.Array) -> pa.Array:
    values = values.cast(pa.int8()) if pa.types.is_boolean(values.type) else values
    # Integers beyond 2^53 lose their last digits; as scores they keep their order, but for ties.
    return values.cast(pa.float64(), safe=False)


def _files(path: str) -> list[str]:
    return [name for name, _ in list_files(path, lambda text: None)]


def _attributes(path: str) -> Iterator[Record]:
    """Dolma's attributes, a line a document: of each the value, of several spans the mean by their lengths."""
    import orjson

    for name in _files(path):
        with open_file(name) as stream:
            for line in stream:
                row = orjson.loads(line)
                key = None if row["id"] is None else id_text(row["id"])
                yield {"id": key, **{k: _mean(spans) for k, spans in row["attributes"].items()}}


def _attribute_batches(path: str, types: pa.Schema) -> Iterator[pa.RecordBatch]:
    rows = _attributes(path)
    while block := list(itertools.islice(rows, ROWS)):
        yield pa.RecordBatch.from_pylist(block, types)


def _mean(spans: list[list[float]]) -> float | None:
    if not spans:
        return None
    weights = [max(end - begin, 0) for begin, end, _ in spans]
    if not sum(weights):
        return spans[0][2]
    return sum(weight * value for weight, (_, _, value) in zip(weights, spans, strict=True)) / sum(weights)
