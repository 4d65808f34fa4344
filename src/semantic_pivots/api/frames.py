"""Frames of any library in, frames of polars out; and documents in memory as a corpus."""

from __future__ import annotations

import contextlib
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from semantic_pivots.corpus.shards import SHARD_SCHEMA
from semantic_pivots.corpus.vocabulary import as_text
from semantic_pivots.counting.shard_passes import MemoryCorpus
from semantic_pivots.errors import InputError, nearest
from semantic_pivots.languages import language, languages
from semantic_pivots.lexicon.cells import CellReader, plain_cell
from semantic_pivots.models.protocols import Tokenizer
from semantic_pivots.run import Work
from semantic_pivots.tables import SCHEMAS, from_rows

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend


class ArrowStream(Protocol):
    """A frame that exports its columns as Arrow, as those of polars, pandas, pyarrow and duckdb do."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A capsule of the Arrow stream."""
        ...


Frame = ArrowStream | pl.LazyFrame | Sequence[Mapping[str, object]] | Mapping[str, Sequence[object]]
"""A frame, a list of one dictionary per row, or a dictionary of columns."""
Documents = Iterable[str] | Frame
"""Texts, or a frame with the column text and, where they are there, id, language and source."""


def arrow(name: str, frame: Frame) -> pa.Table:
    """A frame as an Arrow table. Raises InputError, which begins with `name`, where it is no frame."""
    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect()
    if frame is None or isinstance(frame, str):
        kind = type(frame).__name__
        raise InputError(
            f"{name}: an object of type {kind}; expected a frame, a list of rows or a dictionary of columns"
        )
    try:
        return pl.DataFrame(frame).to_arrow()
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{name}: {reason}; expected a frame, a list of rows or columns of equal length") from error


def polars(table: pa.Table) -> pl.DataFrame:
    """An Arrow table as a frame of polars."""
    return pl.DataFrame(table)


def table_of(name: str, frame: Frame, optional: Sequence[str] = ()) -> pa.Table:
    """A frame as the table `name` of a study; optional columns may be missing, further ones are left out.

    Raises:
        InputError: a column is missing, or its values have another type.
    """
    table, schema = arrow(name, frame), SCHEMAS[name]
    columns = []
    for field in schema:
        if field.name in table.column_names:
            columns.append(_cast(name, field, table[field.name]))
        elif field.name in optional:
            empty = [[]] * table.num_rows if pa.types.is_list(field.type) else [None] * table.num_rows
            columns.append(pa.array(empty, field.type))
        else:
            hint = nearest(field.name, table.column_names)
            raise InputError(
                f"{name}: no column {field.name!r}; it has {', '.join(table.column_names) or 'none'}{hint}"
            )
    return pa.Table.from_arrays(columns, schema=schema)


def _cast(name: str, field: pa.Field, values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    try:
        return values.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        requirement = f"expected {field.type}"
        raise InputError(f"{name}: column {field.name} is of type {values.type}; {requirement}") from error


def items_table(items: Frame, optional: Sequence[str] = ("strata", "distractors")) -> pa.Table:
    """A frame as the table `items`.

    Raises:
        InputError: a column is missing, an item_id is not unique, a source or target is empty, or an item that has
            distractors has its own source among them.
    """
    table = table_of("items", items, optional)
    ids = Counter(table["item_id"].to_pylist())
    if duplicates := [item_id for item_id, rows in ids.items() if rows > 1]:
        raise InputError(f"items: item_id {duplicates[0]!r} is not unique; expected one row per item")
    for row in table.select(["item_id", "source", "target", "distractors"]).to_pylist():
        if not ((row["source"] or "").strip() and (row["target"] or "").strip()):
            raise InputError(f"items: {row['item_id']!r} has no source or no target; expected a word each")
        if "distractors" not in optional and (not row["distractors"] or row["source"] in row["distractors"]):
            rule = "one distractor at least, and none that is the source"
            raise InputError(f"items: {row['item_id']!r} has the distractors {row['distractors']}; expected {rule}")
    return table


def words_of(frame: Frame, codes: Sequence[str] = ()) -> pa.Table:
    """Words as the table `words`: a frame of that table, or one with a row per concept and a column per language.

    A cell of the second kind is read as a cell of a file of words: the first of several alternatives, without notes.

    Args:
        frame: the words. Columns of the second kind are named by language codes, and optionally concept_id and pos.
        codes: the languages that are read; none: those of the columns.

    Raises:
        InputError: a word is no text, a concept_id is not unique, a language is unknown or has no column.
    """
    table = arrow("words", frame)
    if {"concept_id", "language", "word"} <= set(table.column_names):
        words = table_of("words", table, ("source", "licence"))
        plain = [plain_cell(unicodedata.normalize("NFC", word or "")) for word in words["word"].to_pylist()]
        for code in words["language"].unique().to_pylist():
            language(code)
        return words.set_column(words.column_names.index("word"), "word", pa.array(plain, pa.string()))
    codes = tuple(codes) or tuple(name for name in table.column_names if name in languages())
    for code in codes:
        language(code)
        if code not in table.column_names:
            raise InputError(f"words: no column {code!r}; it has {', '.join(table.column_names) or 'none'}")
    concepts = concept_ids(table)
    if duplicates := [concept for concept, rows in Counter(concepts).items() if rows > 1]:
        raise InputError(f"words: concept_id {duplicates[0]!r} is not unique; expected one row per concept")
    reader, rows = CellReader("words"), []
    for code in codes:
        for concept, cell in zip(concepts, table[code].to_pylist(), strict=True):
            if cell is None or cell != cell:
                continue
            if not isinstance(cell, str):
                raise InputError(f"words: column {code} holds {cell!r}; expected texts")
            word = reader.word(unicodedata.normalize("NFC", cell), code, code)
            rows.append({"concept_id": concept, "language": code, "word": word, "source": "", "licence": ""})
    reader.tell()
    return from_rows("words", rows)


def concept_ids(table: pa.Table) -> list[str]:
    """The concept of each row: its concept_id, or its number where it has none."""
    ids = table["concept_id"].to_pylist() if "concept_id" in table.column_names else [None] * table.num_rows
    return [str(row if concept is None else concept) for row, concept in enumerate(ids)]


def _texts(documents: Documents) -> list[str] | None:
    """Documents that are texts alone (a list, an array or a series of any library, an iterator); None: a frame."""
    if isinstance(documents, str):
        raise InputError("documents: one text; expected a sequence of texts, such as [text]")
    if isinstance(documents, Mapping | pl.LazyFrame) or hasattr(documents, "columns"):
        return None
    if not isinstance(documents, Iterable):
        return None
    values: list[Any] = list(documents)
    if isinstance(documents, pa.Array | pa.ChunkedArray):
        values = [value.as_py() for value in values]
    bad_row = next((row for row, value in enumerate(values) if not isinstance(value, str)), None)
    if bad_row is not None and not isinstance(values[bad_row], Mapping):
        kind = type(values[bad_row]).__name__
        raise InputError(f"documents: row {bad_row} holds an object of type {kind}; expected a text")
    return values if bad_row is None else None


def documents_of(documents: Documents) -> pa.Table:
    """Documents in the columns of a document shard; where there is no id, the row number is the id.

    Raises:
        InputError: there is no document, a row has no text, or the frame has no column `text`.
    """
    texts = _texts(documents)
    if texts is None:
        table = arrow("documents", documents)  # type: ignore[arg-type]
    else:
        try:
            table = pa.table({"text": pa.array(texts, pa.string())})
        except UnicodeEncodeError as error:
            raise InputError("documents: a text holds half of a surrogate pair, which is no character") from error
    if "text" not in table.column_names or not table.num_rows or table["text"].null_count:
        shape = f"{table.num_rows} rows with the columns {', '.join(table.column_names) or 'none'}"
        raise InputError(f"documents: {shape}; expected texts, or a frame with a text in each row of the column text")
    count = table.num_rows
    default = {"id": [f"{row:09d}" for row in range(count)], "language": [""] * count, "source": [""] * count}
    arrays = {"text": table["text"]}
    for field in SHARD_SCHEMA:
        is_given = field.name in default and field.name in table.column_names
        arrays.setdefault(field.name, table[field.name] if is_given else pa.nulls(count, field.type))
    of_shard = {field.name: _cast("documents", field, arrays[field.name]) for field in SHARD_SCHEMA}
    return pa.table(of_shard | {name: pc.coalesce(of_shard[name], pa.array(v)) for name, v in default.items()})  # type: ignore[attr-defined]


@contextlib.contextmanager
def scratch() -> Iterator[Work]:
    """A `Work` in a temporary folder, for a call on data in memory; the folder is deleted when the block ends."""
    with tempfile.TemporaryDirectory(prefix="pivots-") as name:
        work = Work(Path(name) / "work", Path(name) / "out")
        work.folder.mkdir()
        work.out.mkdir()
        yield work


def corpus_of(documents: Documents, tokenizer: Tokenizer | Backend | str) -> MemoryCorpus:
    """Documents as a corpus in memory, tokenised by a tokenizer, or by that of the model that a spec names.

    Raises:
        InputError: the documents are invalid, or there is no fast tokenizer.
    """
    from tokenizers import Tokenizer as Backend

    from semantic_pivots.models.tokenizer_files import load_tokenizer

    fast = load_tokenizer(tokenizer) if isinstance(tokenizer, str) else tokenizer
    backend = fast if isinstance(fast, Backend) else getattr(fast, "backend_tokenizer", None)
    if backend is None:
        raise InputError(
            f"tokenizer: an object of type {type(fast).__name__}; expected a fast tokenizer or a model's spec"
        )
    return MemoryCorpus(documents_of(documents), as_text(Backend.from_str(backend.to_str())))
