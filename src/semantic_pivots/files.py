"""Files: atomic writes, and hashes of their content.

Every file of the package goes through `complete_file`: one that exists is complete; equal tables give equal bytes.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semantic_pivots import ranks
from semantic_pivots.errors import InputError, first_line

if TYPE_CHECKING:  # pyarrow is imported where a table is touched: `pivots status` and a finished study never need it
    import pyarrow as pa
    import pyarrow.parquet as pq

Record = dict[str, Any]
"""A row of a table, or an object of a JSON file: values by name."""

_SAMPLED_ABOVE_BYTES = 64 << 20
ROWS, BATCH_ROWS = 1 << 17, 1 << 15
"""Rows of a row group, and of a batch: what a reader of a large table holds."""


def data_cells(name: str) -> list[list[str]]:
    """The cells of each line of a tab-separated file that ships with the package, data/NAME."""
    text = resources.files("semantic_pivots").joinpath("data", name).read_text("utf-8")
    return [line.split("\t") for line in text.splitlines()]


def data_rows(name: str) -> list[dict[str, str]]:
    """The rows of such a file, by the names in its first line."""
    header, *lines = data_cells(name)
    return [dict(zip(header, cells, strict=True)) for cells in lines]


def digest(value: object) -> str:
    """sha256 of a JSON-able value, independent of the order of its keys."""
    return text_hash(json.dumps(value, sort_keys=True, ensure_ascii=False))


def text_hash(*parts: str | bytes) -> str:
    """sha256 of texts (as UTF-8) or bytes, concatenated."""
    return hashlib.sha256(b"".join(part.encode() if isinstance(part, str) else part for part in parts)).hexdigest()


def file_hash(*paths: Path) -> str:
    """sha256 of the content of a file, or of the concatenated contents of several."""
    content = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            while block := stream.read(1 << 22):
                content.update(block)
    return content.hexdigest()


def files_under(root: str) -> dict[str, int]:
    """Files under a folder with their sizes; links are followed, hidden files and folders are left out.

    A file is listed once, under its own name, even if several links lead to it. Pipes and devices are not listed.

    Raises:
        OSError: a folder cannot be listed.
        InputError: a name is not valid text.
    """

    def refuse(error: OSError) -> None:
        raise error

    sizes: dict[str, int] = {}
    folders = {os.path.realpath(root)}
    for folder, inner, files in os.walk(root, onerror=refuse if os.path.exists(root) else None, followlinks=True):
        places = {name: os.path.realpath(os.path.join(folder, name)) for name in inner if not name.startswith(".")}
        inner.clear()
        for name in sorted(places, key=lambda name: (os.path.islink(os.path.join(folder, name)), name)):
            is_parent = os.path.join(os.path.realpath(folder), "").startswith(os.path.join(places[name], ""))
            if places[name] not in folders and not is_parent:  # a link back would give documents twice
                folders.add(places[name])
                inner.append(name)
        for path in (os.path.join(folder, name) for name in files):
            if not path.isprintable() and any("\ud800" <= char <= "\udfff" for char in path):
                raise InputError(f"{path!a}: its name is not UTF-8; rename it")
            sizes[path] = os.path.getsize(path) if os.path.exists(path) else 0
    return _each_once(sizes)


def _each_once(sizes: dict[str, int]) -> dict[str, int]:
    """The regular files, each under the name that is no link, or the first; and links that lead nowhere."""
    names: dict[tuple[int, int], str] = {}
    paths = []
    for path in sorted(sizes, key=lambda path: (os.path.islink(path), path)):
        try:
            status = os.stat(path)
        except OSError:
            paths.append(path)
            continue
        if stat.S_ISREG(status.st_mode) and names.setdefault((status.st_dev, status.st_ino), path) == path:
            paths.append(path)
    unique = set(paths)
    return {path: size for path, size in sizes.items() if path in unique}


def fingerprint(path: Path, by_sample: bool = False) -> str:
    """A hash of the whole content of an input file or folder.

    Args:
        path: file or folder.
        by_sample: for files above 64 MiB, use only their size, time of change, first MiB and last MiB. This is for
            documents: to read terabytes only to detect a change would cost more than the stage.
    """
    if by_sample and ranks.current() is not None:  # each rank would read the whole corpus
        return digest(sorted((name, stamp[:2]) for name, stamp in stamps([path]).items()))
    if path.is_dir():
        try:
            files = files_under(str(path))
        except OSError as error:
            raise InputError(f"{error.filename or path}: cannot be listed: {error.strerror or error}") from error
        parts = sorted(p for p in map(Path, files) if p.is_file() and not p.name.startswith("."))
        return digest(
            [[str(p.relative_to(path)), hash_] for p, hash_ in zip(parts, fingerprints(parts, by_sample), strict=True)]
        )
    stamp = path.stat()
    size = stamp.st_size
    if size <= _SAMPLED_ABOVE_BYTES:
        return file_hash(path)
    if not by_sample:
        return _large_hash(path, size, stamp.st_mtime_ns, stamp.st_ctime_ns, stamp.st_ino)
    with path.open("rb") as stream:
        head = stream.read(1 << 20)
        stream.seek(-(1 << 20), os.SEEK_END)
        return text_hash(f"{size} {stamp.st_mtime_ns}", head, stream.read())


def fingerprints(paths: Sequence[Path], by_sample: bool = False) -> list[str]:
    """The fingerprint of each file; as many files are read in parallel as there are cores."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        return list(threads.map(lambda path: fingerprint(path, by_sample), paths))


@functools.lru_cache(maxsize=1024)
def _large_hash(path: Path, *seen_at: int) -> str:
    """`file_hash`, once in a process for as long as the file is not written: several stages ask for one model."""
    return file_hash(path)


@contextlib.contextmanager
def complete_file(path: Path, several: bool = False) -> Iterator[Path]:
    """A temporary path that replaces `path` when the block ends, so that the file is complete or absent.

    The bytes are written to disk before the file gets its name, so this holds after a power loss too. After an error
    the temporary file is removed.

    Args:
        path: file to write; its folder is created.
        several: whether several processes or threads may write the file at the same time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = f".{os.getpid()}-{threading.get_ident()}" if several else ""
    temporary = path.with_name(f".{path.name}{writer}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold a lock file while the block runs; another process that wants it waits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file that is either complete or absent."""
    with complete_file(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file that is either complete or absent."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: object) -> None:
    """Write a JSON file that is either complete or absent."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def write_tsv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    """Write rows as tab-separated cells under a line of names; a cell that a row lacks is empty."""
    lines = ["\t".join(columns), *("\t".join(row.get(column, "") for column in columns) for row in rows)]
    write_text(path, "\n".join(lines) + "\n")


def write_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet-zstd file with checksums that is either complete or absent; equal tables give equal bytes."""
    import pyarrow.parquet as pq

    # The pandas or study metadata of a schema is not part of the public table.
    table = table.combine_chunks().replace_schema_metadata(None)
    with complete_file(path) as temporary:
        pq.write_table(table, temporary, ROWS, compression="zstd", write_page_checksum=True)


def table_files(path: Path) -> list[Path]:
    """The files of a table: one, or in a folder of its name one of each shard, by name."""
    return sorted(path.glob("*.parquet")) if path.is_dir() else [path]


def read_batches(
    path: Path | str,
    columns: list[str] | None = None,
    dictionaries: Sequence[str] = (),
    groups: list[int] | None = None,
) -> Iterator[pa.RecordBatch]:
    """A Parquet file's rows, or some of its groups, in batches, checksums compared; some columns as dictionaries.

    Raises:
        InputError: it is missing or damaged.
    """
    with _parquet_file(path, read_dictionary=dictionaries) as file:
        yield from file.iter_batches(BATCH_ROWS, groups, columns, use_threads=False)


def read_table(path: Path | str, columns: list[str] | None = None) -> pa.Table:
    """A Parquet file, or a folder of them as one table, checksums compared.

    Raises:
        InputError: it is missing or damaged.
    """
    import pyarrow as pa

    tables = []
    for part in table_files(Path(path)):
        with _parquet_file(part) as file:
            tables.append(file.read(columns))
    return tables[0] if len(tables) == 1 else pa.concat_tables(tables)


@contextlib.contextmanager
def _parquet_file(path: Path | str, **options: Any) -> Iterator[pq.ParquetFile]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True, **options) as file:
            yield file
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: missing or damaged ({first_line(error)}); make it again") from error


Stamps = dict[str, tuple[int, ...]]
"""Size, times and number of each file of some inputs: what changes when one is written."""


def stamps(paths: Iterable[Path | str]) -> Stamps:
    """The stamps of files, and of all files in folders; paths that are not on this machine have none."""
    times: Stamps = {}
    for path in map(str, paths):
        for name in files_under(path) if os.path.isdir(path) else [path]:
            with contextlib.suppress(OSError):
                status = os.stat(name)
                times[name] = status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
    return times


def check_unchanged(paths: Iterable[Path | str], before: Stamps, stage: str) -> None:
    """Refuse a result if one of its inputs changed while it was made.

    Raises:
        InputError: an input changed; the message names it.
    """
    after = stamps(paths)
    changes = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if changes:
        raise InputError(
            f"{changes[0]} was changed while `{stage}` read it ({len(changes)} files in all); run the command again"
        )
