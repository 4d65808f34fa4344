"""Documents from files: Parquet, JSONL (plain, gz, zst), Dolma and Hugging Face dataset folders, text folders.

A document is an id, a text, a language and a source. What cannot be read is counted by reason with its file and first
line, never silently dropped. Addresses such as s3:// and hf:// go through fsspec, whose drivers the user installs.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from semantic_pivots.errors import InputError

SUFFIXES = (".parquet", ".jsonl", ".json", ".jsonl.gz", ".json.gz", ".jsonl.zst", ".json.zst", ".txt", ".txt.gz", ".md")
# Names of each role's column that are tried in turn where the user names none.
_COLUMNS = {
    "text": ("text", "content", "raw_content"),
    "id": ("id", "doc_id", "uuid", "url"),
    "language": ("language", "lang"),
    "source": ("source", "dataset"),
}


class Document(NamedTuple):
    """One pre-training document; language is an ISO 639-1 code or empty where it is not known."""

    id: str
    text: str
    language: str
    source: str


@dataclass
class Skipped:
    """Lines of one file that gave no document: number and first line (from 1) by reason; `read` counts all lines."""

    read: int = 0
    reasons: dict[str, tuple[int, int]] = field(default_factory=dict)

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


def content_id(text: str) -> str:
    """The id of a document without one: a hash of its text, the same on every machine."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def list_files(path: str) -> list[str]:
    """The document files of a file, folder or address, sorted.

    Raises:
        InputError: nothing is there, or no file in it has a known suffix.
    """
    filesystem, root, prefix = _filesystem(path)
    try:
        if filesystem.isfile(root):
            return [path]
        found = filesystem.find(root)
    except (OSError, ValueError) as error:
        raise InputError(f"corpus {path}: cannot be listed: {_line(error)}") from error
    if not found:
        raise InputError(f"corpus {path}: no such file or folder, or an empty one; expected documents to read")
    hidden = (any(part.startswith(".") for part in PurePosixPath(f[len(root) :]).parts) for f in found)
    files = sorted(f for f, skip in zip(found, hidden, strict=True) if f.endswith(SUFFIXES) and not skip)
    if not files:
        raise InputError(f"corpus {path}: none of its {len(found)} files ends in {', '.join(SUFFIXES)}")
    return [prefix + f for f in files]


def read(path: str, renames: dict[str, str], skipped: Skipped) -> Iterator[Document]:
    """The documents of one file, in order.

    Raises:
        InputError: the file is missing, truncated, of an unknown kind, or lacks a text column.
    """
    try:
        if path.endswith(".parquet"):
            yield from _read_parquet(path, renames, skipped)
        elif path.endswith((".txt", ".txt.gz", ".md")):
            yield from _read_text(path, skipped)
        elif path.endswith(SUFFIXES):
            yield from _read_jsonl(path, renames, skipped)
        else:
            raise InputError(f"corpus {path}: unknown kind of file; expected one of {', '.join(SUFFIXES)}")
    except FileNotFoundError:
        raise InputError(f"corpus {path}: no such file") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"corpus {path}: truncated or damaged compression: {_line(error)}; fetch it again") from error
    except OSError as error:
        raise InputError(f"corpus {path}: cannot be read: {_line(error)}") from error


def _filesystem(path: str) -> tuple[Any, str, str]:
    import fsspec

    try:
        filesystem, root = fsspec.core.url_to_fs(path)
    except (ImportError, ValueError) as error:
        raise InputError(f"corpus {path}: {_line(error)}") from error
    protocol = path.split("://", 1)[0] + "://" if "://" in path else ""
    return filesystem, root, protocol


def _open(path: str) -> Any:
    """The bytes of a file, decompressed by its suffix."""
    filesystem, root, _ = _filesystem(path)
    stream = filesystem.open(root, "rb")
    if path.endswith(".gz"):
        return gzip.open(stream)
    if path.endswith(".zst"):
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
    with _open(path) as stream:
        for number, raw in enumerate(stream, 1):
            if not raw.strip():
                continue
            skipped.read += 1
            try:
                row = json.loads(raw.decode("utf-8"))
            except UnicodeDecodeError:
                skipped.add("invalid UTF-8", number)
                continue
            except ValueError:
                skipped.add("invalid JSON", number)
                continue
            document = _document(row, renames, path) if isinstance(row, dict) else None
            if document is None:
                skipped.add("no text", number)
            else:
                yield document


def _read_parquet(path: str, renames: dict[str, str], skipped: Skipped) -> Iterator[Document]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    filesystem, root, _ = _filesystem(path)
    with filesystem.open(root, "rb") as stream:
        try:
            file = pq.ParquetFile(stream)
        except pa.ArrowInvalid as error:
            raise InputError(f"corpus {path}: not a Parquet file: {_line(error)}") from error
        names = set(file.schema_arrow.names)
        wanted = {role: _column(role, renames, names) for role in _COLUMNS}
        if not wanted["text"]:
            raise InputError(f"corpus {path}: no text column among {sorted(names)}; name it with columns = ['text=X']")
        chosen = {role: column for role, column in wanted.items() if column}
        for batch in file.iter_batches(batch_size=1024, columns=sorted(set(chosen.values()))):
            for row in batch.to_pylist():
                skipped.read += 1
                document = _document({role: row[column] for role, column in chosen.items()}, {}, path)
                if document is None:
                    skipped.add("no text", skipped.read)
                else:
                    yield document


def _read_text(path: str, skipped: Skipped) -> Iterator[Document]:
    skipped.read += 1
    with _open(path) as stream:
        data = stream.read()
    try:
        text = data.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        skipped.add("invalid UTF-8", data[: error.start].count(b"\n") + 1)
        return
    if not text:
        skipped.add("no text", 1)
        return
    yield Document(PurePosixPath(path).name, text, "", PurePosixPath(path).parent.name)


def _column(role: str, renames: dict[str, str], names: set[str]) -> str:
    if role in renames:
        return renames[role] if renames[role] in names else ""
    return next((name for name in _COLUMNS[role] if name in names), "")


def _document(row: dict[str, Any], renames: dict[str, str], path: str) -> Document | None:
    values = {role: row.get(_column(role, renames, set(row)) or role) for role in _COLUMNS}
    text = values["text"]
    if not isinstance(text, str) or not text.strip():
        return None
    code = str(values["language"] or "").lower().replace("_", "-").split("-")[0]
    source = str(values["source"] or PurePosixPath(path).name)
    return Document(str(values["id"] or content_id(text)), text, code, source)


def _line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
