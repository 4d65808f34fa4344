"""Frames of any library in, frames of polars out; and documents in memory as a corpus."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import polars as pl
import pyarrow as pa

from semantic_pivots.corpus.shards import SHARD_SCHEMA
from semantic_pivots.corpus.vocabulary import as_text
from semantic_pivots.counting.shard_passes import MemoryCorpus
from semantic_pivots.errors import InputError, nearest
from semantic_pivots.models.protocols import Tokenizer
from semantic_pivots.run import Work
from semantic_pivots.tables import SCHEMAS


class ArrowStream(Protocol):
    """A frame that exports its columns as Arrow, as those of polars, pandas, pyarrow and duckdb do."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A capsule of the Arrow stream."""
        ...


Frame = ArrowStream | Sequence[Mapping[str, object]] | Mapping[str, Sequence[object]]
"""A frame, a list of one dictionary per row, or a dictionary of columns."""
Documents = Sequence[str] | Frame
"""Texts, or a frame with the column text and, where they are there, id, language and source."""


def arrow(frame: Frame) -> pa.Table:
    """A frame as an Arrow table."""
    return pl.DataFrame(frame).to_arrow()


def polars(table: pa.Table) -> pl.DataFrame:
    """An Arrow table as a frame of polars."""
    return pl.DataFrame(table)


def table_of(name: str, frame: Frame, optional: Sequence[str] = ()) -> pa.Table:
    """A frame as the table `name` of a study; optional columns may be missing, further ones are left out.

    Raises:
        InputError: a column is missing, or its values have another type.
    """
    table, schema = arrow(frame), SCHEMAS[name]
    columns = []
    for field in schema:
        if field.name in table.column_names:
            try:
                columns.append(table[field.name].cast(field.type))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
                kind = table.schema.field(field.name).type
                raise InputError(f"{name}: column {field.name} is of type {kind}; expected {field.type}") from error
        elif field.name in optional:
            empty = [[]] * table.num_rows if pa.types.is_list(field.type) else [None] * table.num_rows
            columns.append(pa.array(empty, field.type))
        else:
            hint = nearest(field.name, table.column_names)
            raise InputError(f"{name}: no column {field.name!r}; it has {', '.join(table.column_names)}{hint}")
    return pa.Table.from_arrays(columns, schema=schema)


def documents_of(documents: Documents) -> pa.Table:
    """Documents in the columns of a document shard; without a column `id`, the row number is the id.

    Raises:
        InputError: there is no document, a row has no text, or the frame has no column `text`.
    """
    if isinstance(documents, Sequence) and all(isinstance(text, str) for text in documents):
        table = pa.table({"text": pa.array(documents, pa.string())})
    else:
        table = arrow(documents)  # type: ignore[arg-type]
    if "text" not in table.column_names or not table.num_rows or table["text"].null_count:
        shape = f"{table.num_rows} rows with the columns {', '.join(table.column_names) or 'none'}"
        raise InputError(f"documents: {shape}; expected texts, or a frame with a text in each row of the column text")
    count = table.num_rows
    default = {"id": [f"{row:09d}" for row in range(count)], "language": [""] * count, "source": [""] * count}
    columns = {name: table[name] if name in table.column_names else values for name, values in default.items()}
    result = {"text": table["text"], **columns}
    nulls = {name: pa.nulls(count, SHARD_SCHEMA.field(name).type) for name in ("parts", "language_confidence")}
    kinds = {name: pa.chunked_array([v]) if isinstance(v, pa.Array) else v for name, v in {**result, **nulls}.items()}
    return pa.table({name: kinds[name] for name in SHARD_SCHEMA.names}).cast(SHARD_SCHEMA)


@contextlib.contextmanager
def scratch() -> Iterator[Work]:
    """A `Work` in a temporary folder, for a call on data in memory; the folder is deleted when the block ends."""
    with tempfile.TemporaryDirectory(prefix="pivots-") as name:
        work = Work(Path(name) / "work", Path(name) / "out")
        work.folder.mkdir()
        work.out.mkdir()
        yield work


def corpus_of(documents: Documents, tokenizer: Tokenizer | str) -> MemoryCorpus:
    """Documents as a corpus in memory, tokenised by a tokenizer, or by that of the model that a spec names."""
    from tokenizers import Tokenizer as Backend

    from semantic_pivots.models.tokenizer_files import load_tokenizer

    fast: Tokenizer = load_tokenizer(tokenizer) if isinstance(tokenizer, str) else tokenizer
    backend = as_text(Backend.from_str(fast.backend_tokenizer.to_str()))
    return MemoryCorpus(documents_of(documents), backend)
