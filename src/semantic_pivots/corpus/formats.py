"""Readers of document files: Parquet, Arrow, JSONL, texts; plain or compressed, local or at an address.

Each reader gives the documents of one file in order, and counts in `SkippedLines` what gave none. What is cut off is an
error, never a shorter corpus: an end that a format marks must be there, and checksums are compared where a file has
them.
"""

from __future__ import annotations

import itertools
import json
import os
import tarfile
import urllib.parse
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from semantic_pivots.corpus.document import Document, content_id, given_parts, language_of, of_parts
from semantic_pivots.corpus.streams import filesystem_of, open_file
from semantic_pivots.errors import InputError, first_line, nearest
from semantic_pivots.files import Record

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

# Names of each role's column that are tried in turn where the user names none.
COLUMNS = {
    "text": ("text", "content", "raw_content"),
    "id": ("id", "doc_id", "uuid", "url"),
    "language": ("language", "lang", "metadata.language"),
    "source": ("source", "dataset"),
    "parts": ("parts", "translation"),
}
BATCH_BYTES = 32 << 20
"""Text that is held at once, as far as one document allows: so many rows of books would be gigabytes."""
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_MARK = b"\xef\xbb\xbf"
_ARROW_FILE, _ARROW_MESSAGE, _ARROW_END = b"ARROW1", b"\xff\xff\xff\xff", b"\xff\xff\xff\xff\x00\x00\x00\x00"

Column = tuple[str, ...]
"""A column of a row: its name, or the names of a structure and of the fields inside; empty where there is none."""


@dataclass
class SkippedLines:
    """Lines of one file without a document: for each reason their number and the first (from 1); `read`: all lines."""

    read: int = 0
    reasons: dict[str, tuple[int, int]] = field(default_factory=dict)
    ignored_values: dict[str, tuple[int, int]] = field(default_factory=dict)
    """the same of values that name no language or hold no parts, of lines that gave a document"""
    column_roles: set[str] = field(default_factory=set)
    """roles whose renamed column some line has"""

    def add(self, reason: str, line: int) -> None:
        """Count one line that gave no document."""
        count, first_line = self.reasons.get(reason, (0, line))
        self.reasons[reason] = (count + 1, first_line)

    def ignore(self, value: object, role: str) -> None:
        """Count a value of another type than its role has; none, NaN and what is empty are no value."""
        if value is not None and value == value and value not in ("", [], {}):
            reason = f"{type(value).__name__} in place of {role}"
            count, first_line = self.ignored_values.get(reason, (0, self.read))
            self.ignored_values[reason] = (count + 1, first_line)

    @property
    def total(self) -> int:
        """Lines that gave no document."""
        return sum(count for count, _ in self.reasons.values())


def read_jsonl(path: str, renames: dict[str, str], skips: SkippedLines) -> Iterator[Document]:
    """The documents of a file of JSON lines; NaN and Infinity, which Python and pandas write, are accepted."""
    import orjson

    columns: dict[frozenset[str], dict[str, Column]] = {}
    labels = folder_labels(path, renames, skips)
    with open_file(path) as stream:
        for number, raw in enumerate(stream, 1):
            line = raw.removeprefix(_MARK) if number == 1 else raw
            if not line.strip():
                continue
            skips.read += 1
            try:
                row = orjson.loads(line)
            except ValueError:
                row = _python_json(line)
            if not isinstance(row, dict):
                if skips.read == 1 and line.lstrip().startswith(b"["):
                    raise InputError(f"corpus {path}: {_ARRAY}")
                skips.add(row if isinstance(row, str) and row in _UNREADABLE else "no JSON object", number)
                continue
            if document := _document_of(row, columns, labels, renames, skips, number):
                yield document


_UNREADABLE = ("invalid UTF-8", "invalid JSON")
_ARRAY = "begins with a JSON array; expected one object a line, as `jq -c '.[]'` writes them"


def _python_json(line: bytes) -> object:
    """The value of a line that orjson refuses (NaN, half of a surrogate pair), or the reason why it is invalid."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return _UNREADABLE[0]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _UNREADABLE[1]


def read_parquet(path: str, renames: dict[str, str], skips: SkippedLines) -> Iterator[Document]:
    """The documents of a Parquet file; checksums of its pages are compared where it has them."""
    for batch, columns in parquet_rows(path, renames, 1024):
        yield from batch_documents(batch, columns, renames, path, skips)


def parquet_rows(path: str, renames: dict[str, str], most: int) -> Iterator[tuple[pa.RecordBatch, dict[str, Column]]]:
    """The rows of a Parquet file in batches of at most `most`, each with the columns of the roles."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    filesystem, root, _ = filesystem_of(path)
    with filesystem.open(root, "rb") as stream:
        try:
            file = pq.ParquetFile(stream, page_checksum_verification=True)
            columns = _table_columns(path, renames, file.schema_arrow.names)
            names = sorted({column[0] for column in columns.values() if column})
            for batch in _parquet_batches(file, ".".join(columns["text"] or columns["parts"]), names, most):
                yield batch, columns
        except (pa.ArrowInvalid, OSError) as error:
            message = f"corpus {path}: not a Parquet file, or a damaged one: {first_line(error)}"
            raise InputError(message) from error


def _parquet_batches(file: pq.ParquetFile, text: str, columns: list[str], most: int) -> Iterator[pa.RecordBatch]:
    """The columns of a Parquet file in batches of `most` rows, of fewer where the texts are long (`BATCH_BYTES`).

    Args:
        file: pyarrow.parquet.ParquetFile.
        text: the column of the texts.
        columns: the columns to read.
        most: rows of a batch.
    """

    def rows(number: int) -> int:
        group = file.metadata.row_group(number)
        chunks = map(group.column, range(group.num_columns))
        size = sum(c.total_uncompressed_size for c in chunks if f"{c.path_in_schema}.".startswith(f"{text}."))
        fit = max(1, BATCH_BYTES * group.num_rows // max(size, 1))
        # Powers of two, so that groups of like texts are read as one.
        return most if fit >= most or not group.num_rows else 1 << (fit.bit_length() - 1)

    for size, groups in itertools.groupby(range(file.metadata.num_row_groups), rows):
        yield from file.iter_batches(size, row_groups=list(groups), columns=columns)


def read_arrow(path: str, renames: dict[str, str], skips: SkippedLines) -> Iterator[Document]:
    """The documents of an Arrow stream (as Hugging Face writes it) or file; a stream without end mark is an error."""
    import pyarrow as pa

    filesystem, root, _ = filesystem_of(path)
    with filesystem.open(root, "rb") as stream:
        try:
            magic = stream.read(len(_ARROW_FILE))
            if magic.startswith(_ARROW_MESSAGE):
                stream.seek(-len(_ARROW_END), os.SEEK_END)
                if stream.read() != _ARROW_END:
                    raise InputError(f"corpus {path}: an Arrow stream without its end: it was cut; fetch it again")
            stream.seek(0)
            if magic == _ARROW_FILE:
                file = pa.ipc.open_file(stream)
                batches: Any = (file.get_batch(i) for i in range(file.num_record_batches))
            else:
                file = batches = pa.ipc.open_stream(stream)
            columns = _table_columns(path, renames, file.schema.names)
            for batch in batches:
                yield from batch_documents(batch, columns, renames, path, skips)
        except pa.ArrowInvalid as error:
            raise InputError(f"corpus {path}: not an Arrow file, or a damaged one: {first_line(error)}") from error


def read_fragment(path: str, renames: dict[str, str], skips: SkippedLines) -> Iterator[Document]:
    """The documents of a fragment of a Lance data set, without deleted rows."""
    import pyarrow as pa

    from semantic_pivots.corpus.table_formats import fragment_batches

    names, batches = fragment_batches(path)
    columns = _table_columns(path, renames, names)
    try:
        for batch in batches(sorted({column[0] for column in columns.values() if column})):
            yield from batch_documents(batch, columns, renames, path, skips)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"corpus {path}: a damaged Lance data set: {first_line(error)}") from error


def _table_columns(path: str, renames: dict[str, str], names: list[str]) -> dict[str, Column]:
    columns = {role: column_of(role, renames, names) for role in COLUMNS}
    if not columns["text"] and not columns["parts"]:
        name = renames.get("text", "text")
        raise InputError(
            f"corpus {path}: no column {name!r} among {sorted(names)}; expected text, or a rename text=COLUMN"
            f"{nearest(name, names)}"
        )
    for column in filter(None, columns.values()):
        if names.count(column[0]) > 1:
            raise InputError(f"corpus {path}: {names.count(column[0])} columns are named {column[0]!r}; expected one")
    return columns


def batch_documents(
    batch: pa.RecordBatch, columns: dict[str, Column], renames: dict[str, str], path: str, skips: SkippedLines
) -> Iterator[Document]:
    """The documents of some rows of a table, given the column of each role."""
    labels = folder_labels(path, renames, skips)
    import pyarrow as pa

    names = {column[0] for column in columns.values() if column}
    batch = batch.select([name for name in batch.schema.names if name in names])
    for start in range(0, batch.num_rows, 1024):
        block = batch.slice(start, 1024)
        for role, column in columns.items():
            if len(column) == 1:
                values = block.column(place := block.schema.get_field_index(column[0]))
                if pa.types.is_temporal(values.type) or (role == "id" and _is_uuid(values.type)):
                    block = block.set_column(place, column[0], id_texts(values))
        try:
            rows = block.to_pylist()
        except UnicodeDecodeError:
            rows = [_row_or_none(block, i) for i in range(block.num_rows)]
        for row in rows:
            skips.read += 1
            if row is not None and start == 0:
                skips.column_roles |= {role for role in renames if _has(row, columns[role])}
            try:
                document = _document(row, columns, labels, skips) if row is not None else _UNREADABLE[0]
            except UnicodeDecodeError:
                document = _UNREADABLE[0]
            if isinstance(document, str):
                skips.add(document, skips.read)
            else:
                yield document


def _row_or_none(block: pa.Table, index: int) -> Record | None:
    try:
        return block.slice(index, 1).to_pylist()[0]
    except UnicodeDecodeError:
        return None


def read_text(path: str, renames: dict[str, str], skips: SkippedLines) -> Iterator[Document]:
    """A text file as one document."""
    skips.read += 1
    with open_file(path) as stream:
        data = stream.read().removeprefix(_MARK)
    try:
        text = data.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        skips.add("invalid UTF-8", data[: error.start].count(b"\n") + 1)
        return
    if not text or "\0" in text:  # UTF-16 of ASCII letters is UTF-8 with zeros between them
        skips.add("zero bytes in a text" if text else "no text", 1)
        return
    labels = folder_labels(path, renames, skips)
    yield Document(content_id(text), text, labels["language"], labels["source"])


def read_tar(path: str, renames: dict[str, str], skips: SkippedLines) -> Iterator[Document]:
    """The documents of a WebDataset: consecutive members with one name are a sample, its text in `.txt` or `.json`.

    A sample's id is its name where its JSON gives none; other members (pictures, sounds) are passed over.
    """
    import orjson

    columns: dict[frozenset[str], dict[str, Column]] = {}
    labels = folder_labels(path, renames, skips)
    with open_file(path) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        members = (member for member in archive if member.isfile())
        for name, group in itertools.groupby(members, _sample):
            row: Record = {"id": name}
            skips.read += 1
            try:
                for member in group:
                    data = b"" if (file := archive.extractfile(member)) is None else file.read()
                    if member.name.endswith(".txt"):
                        row["text"] = data.decode("utf-8")
                    elif member.name.endswith(".json"):
                        row |= orjson.loads(data)
            except (ValueError, TypeError):
                skips.add("invalid JSON or UTF-8", skips.read)
                continue
            if document := _document_of(row, columns, labels, renames, skips, skips.read):
                yield document
        _check_end(archive)


def _check_end(archive: tarfile.TarFile) -> None:
    """Refuse an archive that ends without its mark, a block of zeros, or goes on behind it: tarfile says neither."""
    stream: Any = archive.fileobj
    if stream.pos - archive.offset < tarfile.BLOCKSIZE:
        raise EOFError("the archive has no end mark")
    while block := stream.read(1 << 20):
        if block.strip(b"\0"):
            raise EOFError("a member's header is damaged, or another archive follows the end mark")


def _sample(member: tarfile.TarInfo) -> str:
    folder, _, name = member.name.rpartition("/")
    return f"{folder}/{name.split('.')[0]}".lstrip("/")


def folder_labels(path: str, renames: dict[str, str], skips: SkippedLines) -> dict[str, str]:
    """Language and source of a file's documents that name none: those of folders such as `language=fr`, as Hive, Spark
    and `datasets` write them, the innermost first; else no language, and the file's name.
    """
    place = PurePosixPath(path)
    entries = (folder.partition("=") for folder in place.parent.parts)
    folder_values = {name: urllib.parse.unquote(value) for name, _, value in entries if value and value != _NO_VALUE}
    labels = {"language": "", "source": place.name}
    for role in labels:
        names = [name for name in _names(role, renames) if name in folder_values]
        if names:
            labels[role] = folder_values[names[0]]
            skips.column_roles |= {role} & renames.keys()
    return labels | {"language": language_of(labels["language"])}


def _names(role: str, renames: dict[str, str]) -> tuple[str, ...]:
    return (renames[role],) if role in renames else COLUMNS[role]


def column_of(role: str, renames: dict[str, str], names: Container[str]) -> Column:
    """The column of a role: the user's, or the first known name.

    A name may contain dots; if there is no column `a.b`, the name means field b of the structure a.
    """
    for name in _names(role, renames):
        if name in names:
            return (name,)
        if name.split(".")[0] in names:
            return tuple(name.split("."))
    return ()


def id_texts(ids: pa.Array) -> pa.Array:
    """Ids as Arrow writes them, (n,) large_string; those of 16 raw bytes are UUIDs, in the form 8-4-4-4-12.

    Raises:
        pyarrow.ArrowInvalid: other bytes are no UTF-8.
    """
    import uuid

    import pyarrow as pa

    if not _is_uuid(ids.type):
        return ids.cast(pa.large_string())
    storage = ids.storage if isinstance(ids, pa.ExtensionArray) else ids
    texts = [None if value is None else str(uuid.UUID(bytes=value)) for value in storage.to_pylist()]
    return pa.array(texts, pa.large_string())


def _is_uuid(kind: pa.DataType) -> bool:
    import pyarrow as pa

    storage = getattr(kind, "storage_type", kind)  # with or without the type's name, which some writers leave out
    return pa.types.is_fixed_size_binary(storage) and storage.byte_width == 16


def id_text(value: object) -> str:
    """An id as Arrow writes it: 1.0, which pandas makes of 1 where another id is missing, is 1."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _value(row: Record, column: Column) -> object:
    value: Any = row if column else None
    for part in column:
        value = value.get(part) if isinstance(value, dict) else None
    return value.decode("utf-8") if isinstance(value, bytes) else value  # a column of strings that does not say so


def _has(row: Record, column: Column) -> bool:
    value: Any = row
    for part in column:
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return bool(column)


def _document_of(
    row: Record,
    columns: dict[frozenset[str], dict[str, Column]],
    labels: dict[str, str],
    renames: dict[str, str],
    skips: SkippedLines,
    line: int,
) -> Document | None:
    """The document of a row, if it has one; columns are looked up once for rows of the same names, in `columns`."""
    names = frozenset(row)
    if names not in columns:
        columns[names] = {role: column_of(role, renames, names) for role in COLUMNS}
        skips.column_roles |= {role for role in renames if _has(row, columns[names][role])}
    document = _document(row, columns[names], labels, skips)
    if isinstance(document, str):
        skips.add(document, line)
        return None
    return document


def _document(row: Record, columns: dict[str, Column], labels: dict[str, str], skips: SkippedLines) -> Document | str:
    """The document of a row, or why it gives none."""
    content = _value(row, columns["text"])
    text = content if isinstance(content, str) and content.strip() else ""
    parts = given_parts(translations := _value(row, columns["parts"]))
    if not text and not parts:
        is_text = content is None or isinstance(content, str)
        return "no text" if is_text else f"{type(content).__name__} in place of a text"
    source = str(_value(row, columns["source"]) or labels["source"])
    try:
        value = _value(row, columns["id"])  # it may be the number 0; NaN is how pandas writes none
    except UnicodeDecodeError:
        return "an id of bytes that are no text; write ids as texts"
    if isinstance(value, float) and abs(value) >= 2**53:
        return "id without its last digits: a number beyond 2^53; write ids as texts"
    language = _value(row, columns["language"])
    code = (language_of(language) if isinstance(language, str) else "") or labels["language"]
    if not isinstance(language, str):
        skips.ignore(language, "a language")
    if not parts:
        skips.ignore(translations, "parts")
    try:
        document = of_parts("", parts, source, text)
        key = content_id(document.text) if value is None or value == "" or value != value else id_text(value)
        (document.text + key + code + source).encode()
    except UnicodeEncodeError:
        return "half of a surrogate pair, which is no character"
    return document._replace(id=key, language=document.language if parts else code)
