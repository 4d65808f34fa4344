"""Documents from files: Parquet, JSONL (plain or compressed), Dolma and Hugging Face dataset folders, text folders.

What cannot be read is counted by reason with its file and first line, never silently dropped. Addresses such as s3://
and hf:// go through fsspec, whose drivers the user installs.
"""

from __future__ import annotations

import bz2
import collections
import gzip
import io
import itertools
import lzma
import os
import zlib
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from semantic_pivots.corpus.document import Document, content_id, given_parts, language_of, of_parts
from semantic_pivots.errors import InputError
from semantic_pivots.run import digest, files_under, fingerprint, warn

_KINDS = {".parquet": "parquet", ".arrow": "arrow", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
_KINDS |= {".txt": "text", ".md": "text"}
_COMPRESSIONS = (".gz", ".zst", ".bz2", ".xz")
_EXPECTED = f"{', '.join(_KINDS)}; the lines and texts also with {', '.join(_COMPRESSIONS)} behind it"
# Files of Hugging Face dataset folders that describe documents and hold none; README.md only where there are others.
_DESCRIPTIONS = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}
_CARD = "README.md"
# Names of each role's column that are tried in turn where the user names none.
_COLUMNS = {
    "text": ("text", "content", "raw_content"),
    "id": ("id", "doc_id", "uuid", "url"),
    "language": ("language", "lang", "metadata.language"),
    "source": ("source", "dataset"),
    "parts": ("parts", "translation"),
}

_LOOKED_INTO, _LOOKED_AT = 20, 200
BATCH_BYTES = 32 << 20
"""Text that is held at once, as far as one document allows: so many rows of books would be gigabytes."""


@dataclass
class Skipped:
    """Lines of one file that gave no document: number and first line (from 1) by reason; `read` counts all lines."""

    read: int = 0
    reasons: dict[str, tuple[int, int]] = field(default_factory=dict)
    renamed: set[str] = field(default_factory=set)
    """roles whose renamed column some line has"""

    def add(self, reason: str, line: int) -> None:
        """Count one line that gave no document."""
        count, first = self.reasons.get(reason, (0, line))
        self.reasons[reason] = (count + 1, first)

    @property
    def total(self) -> int:
        """Lines that gave no document."""
        return sum(count for count, _ in self.reasons.values())


def column_map(columns: tuple[str, ...]) -> dict[str, str]:
    """The user's role=column renames.

    Raises:
        InputError: a rename has another form or names an unknown role.
    """
    renames = {}
    for entry in columns:
        role, sign, column = entry.partition("=")
        if not sign or role not in _COLUMNS or not column:
            raise InputError(f"column map {entry!r}: expected role=column with a role of {', '.join(_COLUMNS)}")
        renames[role] = column
    return renames


def kind(path: str) -> tuple[str, str]:
    """What a file's name says, in capitals or not: parquet, arrow, jsonl, text or nothing; and its compression."""
    stem, last = os.path.splitext(path.lower())
    if last not in _COMPRESSIONS:
        return _KINDS.get(last, ""), ""
    inner = _KINDS.get(os.path.splitext(stem)[1], "")
    return (inner, last) if inner in ("jsonl", "text") else ("", last)


def list_files(path: str, tell: Callable[[str], None] = warn) -> list[tuple[str, int]]:
    """The document files of a file, folder or address with their sizes in bytes, sorted.

    Left out are hidden files, the `attributes` beside the `documents` of a Dolma folder, the descriptions of a
    Hugging Face dataset, what `pivots corpus make` wrote beside its shards, and files of other kinds; of these `tell`
    is told.

    Raises:
        InputError: nothing is there, or no file in it has a known suffix.
    """
    filesystem, root, prefix = _filesystem(path)
    try:
        if filesystem.isfile(root):
            return [(path, filesystem.size(root) or 0)]
        if prefix:
            found = {name: entry["size"] or 0 for name, entry in filesystem.find(root, detail=True).items()}
        else:
            found = files_under(root)
    except Exception as error:
        if not prefix and not isinstance(error, OSError):
            raise
        raise InputError(f"corpus {path}: cannot be listed: {first_line(error)}") from error
    if not found:
        raise InputError(f"corpus {path}: no such file or folder, or an empty one; expected documents to read")
    inner = {name: PurePosixPath(name[len(root) :].lstrip("/")).parts for name in found}
    dolma = any("documents" in parts[:-1] for parts in inner.values())
    own = ("shards.parquet",) in inner.values()
    rows = [parts for name, parts in inner.items() if kind(name)[0] not in ("", "text")]
    described = {parts[:depth] for parts in rows if parts[-1] not in _DESCRIPTIONS for depth in range(len(parts))}
    meant = sorted(
        name
        for name, parts in inner.items()
        if not any(part.startswith(".") for part in parts)
        and not (dolma and "attributes" in parts[:-1])
        and not (own and parts[0] != "shards")
        and parts[-1] not in _DESCRIPTIONS
        and not (parts[-1] == _CARD and parts[:-1] in described)
    )
    files = [name for name in meant if kind(name)[0]]
    if not files:
        raise InputError(f"corpus {path}: none of its {len(found)} files holds documents ({_EXPECTED})")
    if others := [name for name in meant if not kind(name)[0]]:
        tell(
            f"corpus {path}: {len(others)} of {len(meant)} files are left out, of a kind that holds no documents, such "
            f"as {inner[others[0]][-1]}"
        )
    return [(prefix + name, found[name]) for name in files]


def identity(path: str) -> str:
    """What tells whether a corpus has changed: the content of its files, or the names and sizes at an address."""
    if os.path.exists(path):
        return fingerprint(Path(path))
    return digest(list_files(path, lambda text: None))


def check_columns(files: list[tuple[str, int]], renames: dict[str, str]) -> None:
    """Make sure that the columns a user names are there, in the first lines of the first files that have any.

    A file may lack one that others have; its documents then have the role as where no column is named.

    Raises:
        InputError: none of those lines has a column.
    """
    missing = set(renames) - {"text"}  # a line without a text is counted, and told where there are many
    for path, _ in files[:_LOOKED_INTO]:
        if not missing:
            return
        skipped = Skipped()
        collections.deque(itertools.islice(read(path, renames, skipped), _LOOKED_AT), maxlen=0)
        missing -= skipped.renamed
    if missing:
        role = min(missing)
        where = f"the first lines of {min(len(files), _LOOKED_INTO)} files"
        raise InputError(f"corpus {files[0][0]}: no column {renames[role]!r} for the {role} in {where}")


def read(path: str, renames: dict[str, str], skipped: Skipped) -> Iterator[Document]:
    """The documents of one file, in order.

    Raises:
        InputError: the file is missing, truncated, of an unknown kind, or lacks a text column.
    """
    try:
        match kind(path)[0]:
            case "parquet":
                yield from _read_parquet(path, renames, skipped)
            case "arrow":
                yield from _read_arrow(path, renames, skipped)
            case "text":
                yield from _read_text(path, skipped)
            case "jsonl":
                yield from _read_jsonl(path, renames, skipped)
            case _:
                raise InputError(f"corpus {path}: unknown kind of file; expected one of {_EXPECTED}")
    except FileNotFoundError:
        raise InputError(f"corpus {path}: no such file") from None
    except (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError) as error:
        raise InputError(
            f"corpus {path}: truncated or damaged compression: {first_line(error)}; fetch it again"
        ) from error
    except OSError as error:
        raise InputError(f"corpus {path}: cannot be read: {first_line(error)}") from error
    except InputError:
        raise
    except Exception as error:  # the drivers of hf:// and s3:// have exceptions of their own
        if "://" not in path:
            raise
        raise InputError(f"corpus {path}: cannot be read: {first_line(error)}") from error


def _filesystem(path: str) -> tuple[Any, str, str]:
    import fsspec

    if "://" not in path:  # a name of this machine may hold `::`, which chains addresses
        return fsspec.filesystem("file"), os.path.abspath(os.path.expanduser(path)), ""
    try:
        filesystem, root = fsspec.core.url_to_fs(path)
    except (ImportError, ValueError) as error:
        raise InputError(f"corpus {path}: {first_line(error)}") from error
    return filesystem, root, path.split("://", 1)[0] + "://"


def _open(path: str) -> Any:
    """The bytes of a file, decompressed by its suffix."""
    filesystem, root, _ = _filesystem(path)
    stream = filesystem.open(root, "rb")
    match kind(path)[1]:
        case ".gz":
            return gzip.open(stream)
        case ".bz2":
            return bz2.open(stream)
        case ".xz":
            return lzma.open(stream)
        case ".zst":
            return io.BufferedReader(_WholeFrames(stream, path), 1 << 20)
    return stream


class _WholeFrames(io.RawIOBase):
    """A zstd stream that raises EOFError where its last frame is cut; zstandard's own reader ends there silently."""

    def __init__(self, stream: Any, path: str):
        import zstandard

        self._stream, self._path, self._pending = stream, path, b""
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 31)
        self._frame: Any = None
        self._error = zstandard.ZstdError

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._pending:
            block = (self._frame.unused_data if self._frame and self._frame.eof else b"") or self._stream.read(1 << 17)
            if self._frame is None or self._frame.eof:
                if not block:
                    return 0
                self._frame = self._decompressor.decompressobj()
            elif not block:
                raise EOFError("the last zstd frame is not complete")
            try:
                self._pending = self._frame.decompress(block)
            except self._error as error:
                raise EOFError(f"not a valid zstd stream: {error}") from error
        count = min(len(buffer), len(self._pending))
        buffer[:count] = self._pending[:count]
        self._pending = self._pending[count:]
        return count


def _read_jsonl(path: str, renames: dict[str, str], skipped: Skipped) -> Iterator[Document]:
    import orjson

    columns: dict[frozenset[str], dict[str, str]] = {}
    with _open(path) as stream:
        for number, raw in enumerate(stream, 1):
            line = raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw
            if not line.strip():
                continue
            skipped.read += 1
            try:
                row = orjson.loads(line)
            except ValueError:
                skipped.add(_why_not_json(line), number)
                continue
            if not isinstance(row, dict):
                skipped.add("no JSON object", number)
                continue
            names = frozenset(row)
            if names not in columns:
                columns[names] = {role: _column(role, renames, names) for role in _COLUMNS}
                skipped.renamed |= {role for role, column in renames.items() if _has(row, column)}
            document = _document(row, columns[names], path)
            if document is None:
                skipped.add("no text", number)
            else:
                yield document


def _why_not_json(line: bytes) -> str:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return "invalid UTF-8"
    return "invalid JSON"


def _read_parquet(path: str, renames: dict[str, str], skipped: Skipped) -> Iterator[Document]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    filesystem, root, _ = _filesystem(path)
    with filesystem.open(root, "rb") as stream:
        try:
            file = pq.ParquetFile(stream)
            columns = _table_columns(path, renames, file.schema_arrow.names)
            needed = sorted({column.split(".")[0] for column in columns.values() if column})
            for batch in parquet_batches(file, columns["text"] or columns["parts"], needed, 1024):
                yield from _rows(batch, columns, renames, path, skipped)
        except pa.ArrowInvalid as error:
            raise InputError(f"corpus {path}: not a Parquet file, or a damaged one: {first_line(error)}") from error


def blocks(documents: Iterable[Document], limit: int, most: int | None = None) -> Iterator[list[Document]]:
    """Documents in lists that end with the one that reaches `limit` bytes of text, or at `most` documents."""
    block: list[Document] = []
    size = 0
    for document in documents:
        block.append(document)
        size += len(document.text.encode())
        if size >= limit or len(block) == most:
            yield block
            block, size = [], 0
    if block:
        yield block


def parquet_batches(file: Any, text: str, columns: list[str], most: int) -> Iterator[Any]:
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


def _read_arrow(path: str, renames: dict[str, str], skipped: Skipped) -> Iterator[Document]:
    import pyarrow as pa

    filesystem, root, _ = _filesystem(path)
    with filesystem.open(root, "rb") as stream:
        try:
            # Hugging Face writes streams; other tools write files, which begin with a magic word.
            magic = stream.read(6)
            stream.seek(0)
            if magic == b"ARROW1":
                file = pa.ipc.open_file(stream)
                batches: Any = (file.get_batch(i) for i in range(file.num_record_batches))
            else:
                file = batches = pa.ipc.open_stream(stream)
            columns = _table_columns(path, renames, file.schema.names)
            for batch in batches:
                yield from _rows(batch, columns, renames, path, skipped)
        except pa.ArrowInvalid as error:
            raise InputError(f"corpus {path}: not an Arrow file, or a damaged one: {first_line(error)}") from error


def _table_columns(path: str, renames: dict[str, str], names: list[str]) -> dict[str, str]:
    columns = {role: _column(role, renames, names) for role in _COLUMNS}
    if not columns["text"] and not columns["parts"]:
        raise InputError(f"corpus {path}: no text column among {sorted(names)}; name it with columns = ['text=X']")
    return columns


def _rows(
    batch: Any, columns: dict[str, str], renames: dict[str, str], path: str, skipped: Skipped
) -> Iterator[Document]:
    batch = batch.select([name for name in batch.schema.names if name in {c.split(".")[0] for c in columns.values()}])
    for start in range(0, batch.num_rows, 1024):
        block = batch.slice(start, 1024)
        try:
            rows = block.to_pylist()
        except UnicodeDecodeError:
            rows = [_row_or_none(block, i) for i in range(block.num_rows)]
        for row in rows:
            skipped.read += 1
            if row is not None and start == 0:
                skipped.renamed |= {role for role, column in renames.items() if _has(row, column)}
            try:
                document = _document(row, columns, path) if row is not None else None
            except UnicodeDecodeError:
                row = document = None
            if document is None:
                skipped.add("invalid UTF-8" if row is None else "no text", skipped.read)
            else:
                yield document


def _row_or_none(block: Any, index: int) -> dict[str, Any] | None:
    try:
        return block.slice(index, 1).to_pylist()[0]
    except UnicodeDecodeError:
        return None


def _read_text(path: str, skipped: Skipped) -> Iterator[Document]:
    skipped.read += 1
    with _open(path) as stream:
        data = stream.read().removeprefix(b"\xef\xbb\xbf")
    try:
        text = data.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        skipped.add("invalid UTF-8", data[: error.start].count(b"\n") + 1)
        return
    if not text:
        skipped.add("no text", 1)
        return
    yield Document(content_id(text), text, "", PurePosixPath(path).name)


def _column(role: str, renames: dict[str, str], names: Container[str]) -> str:
    """The column of a role: the user's, or the first known name; `a.b` is field b of the structure a; or empty."""
    wanted = (renames[role],) if role in renames else _COLUMNS[role]
    return next((name for name in wanted if name in names or name.split(".")[0] in names), "")


def _value(row: dict[str, Any], column: str) -> Any:
    if not column or column in row:
        return row.get(column)
    value: Any = row
    for part in column.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _has(row: dict[str, Any], column: str) -> bool:
    value: Any = row
    for part in [column] if column in row else column.split("."):
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return True


def _document(row: dict[str, Any], columns: dict[str, str], path: str) -> Document | None:
    text = _value(row, columns["text"])
    if isinstance(text, bytes):  # a column of strings that does not say so
        text = text.decode("utf-8")
    parts = given_parts(_value(row, columns["parts"]))
    if not isinstance(text, str) or not text.strip():
        text = ""
    if not text and not parts:
        return None
    source = str(_value(row, columns["source"]) or PurePosixPath(path).name)
    document = of_parts("", parts, source, text)
    # An id may be the number 0.
    given = _value(row, columns["id"])
    key = content_id(document.text) if given is None or given == "" else str(given)
    language = _value(row, columns["language"])
    code = language_of(language) if isinstance(language, str) else ""  # a list or a structure names none
    return document._replace(id=key, language=document.language if parts else code)


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its kind where it says nothing."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
