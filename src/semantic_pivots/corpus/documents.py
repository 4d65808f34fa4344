"""Documents from files: Parquet, JSONL (plain or compressed), Dolma and Hugging Face dataset folders, text folders.

A document is an id, a text, a language and a source. What cannot be read is counted by reason with its file and first
line, never silently dropped. Addresses such as s3:// and hf:// go through fsspec, whose drivers the user installs.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from semantic_pivots.corpus.corpus_stage import CorpusConfig
from semantic_pivots.corpus.formats import (
    Document,
    SkippedLines,
    read_arrow,
    read_fragment,
    read_jsonl,
    read_parquet,
    read_tar,
    read_text,
)
from semantic_pivots.corpus.streams import COMPRESSIONS, KINDS, filesystem_of, kind
from semantic_pivots.corpus.table_formats import FRAGMENT, current_files
from semantic_pivots.errors import InputError, first_line, quantity
from semantic_pivots.files import digest, files_under, fingerprint
from semantic_pivots.run import check_unaltered, warn

_SUFFIXES = ", ".join(suffix for suffix in KINDS if suffix != FRAGMENT)
_FORMATS_TEXT = f"{_SUFFIXES}; the lines and texts also with {', '.join(COMPRESSIONS)} behind it"
# Files of dataset folders and of exports that describe documents and hold none; README.md only where there are others.
_DESCRIPTIONS = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}
_DESCRIPTIONS |= {"manifest.json", "croissant.json", "tokenizer.json"}
_CARD = "README.md"
_TEMPORARY_FOLDER = "_temporary"
"""Folder of what a job of Hadoop or Spark has not committed: copies of documents that are there, or parts of them."""
_LOOKED_INTO, _LOOKED_AT = 20, 200


def column_map(columns: tuple[str, ...]) -> dict[str, str]:
    """The column of each role that is renamed, of members `role=column` as [corpus] columns has them."""
    return dict(entry.split("=", 1) for entry in columns)


def list_files(path: str, notice: Callable[[str], None] = warn) -> list[tuple[str, int]]:
    """The document files of a file, folder or address with their sizes in bytes, sorted.

    Left out are hidden files, the `attributes` beside the `documents` of a Dolma folder, the descriptions of a
    Hugging Face dataset, what `pivots corpus make` wrote beside its shards, files of older versions of a Lance data set
    or an Iceberg table, and files of other kinds; the latter are reported to `notice`.

    Raises:
        InputError: nothing is there, or no file in it has a known suffix.
    """
    filesystem, root, prefix = filesystem_of(path)
    try:
        if filesystem.isfile(root):
            return [(path, filesystem.size(root) or 0)]
        if prefix:
            sizes = {name: entry["size"] or 0 for name, entry in filesystem.find(root, detail=True).items()}
        else:
            sizes = files_under(root)
    except Exception as error:
        if not prefix and not isinstance(error, OSError):
            raise
        raise InputError(f"corpus {path}: cannot be listed: {first_line(error)}") from error
    if not sizes:
        raise InputError(f"corpus {path}: no such file or folder, or an empty one; expected documents to read")
    sizes = current_files(sizes, prefix)
    inner = {name: PurePosixPath(name[len(root) :].lstrip("/")).parts for name in sizes}
    dolma = any("documents" in parts[:-1] for parts in inner.values())
    is_corpus = not prefix and is_made(root)
    if is_corpus:
        check_unaltered(Path(root))
    rows = [parts for name, parts in inner.items() if kind(name)[0] not in ("", "text")]
    folders = {parts[:depth] for parts in rows if parts[-1] not in _DESCRIPTIONS for depth in range(len(parts))}
    names = sorted(
        name
        for name, parts in inner.items()
        if not any(part.startswith(".") for part in parts)
        and _TEMPORARY_FOLDER not in parts[:-1]
        and not (dolma and "attributes" in parts[:-1])
        and not (is_corpus and parts[0] != "shards")
        and parts[-1] not in _DESCRIPTIONS
        and not (name.endswith(".bin") and f"{name[:-4]}.idx" in sizes)
        and not (parts[-1] == _CARD and parts[:-1] in folders)
    )
    if temporary_files := [name for name, parts in inner.items() if _TEMPORARY_FOLDER in parts[:-1]]:
        files = quantity(len(temporary_files), "file")
        notice(f"corpus {path}: left out {files} that a job has not committed ({_TEMPORARY_FOLDER})")
    if dolma and (lone := _without_documents(inner.values())):
        notice(f"corpus {path}: left out {quantity(len(lone), 'file')} of attributes, such as {'/'.join(lone[0])}")
    files = [name for name in names if kind(name)[0]]
    if not files:
        raise InputError(f"corpus {path}: no documents in {quantity(len(sizes), 'file')}; expected {_FORMATS_TEXT}")
    if other_files := [name for name in names if not kind(name)[0]]:
        notice(
            f"corpus {path}: left out {len(other_files)} of {len(names)} files, of a kind without documents, such as "
            f"{inner[other_files[0]][-1]}"
        )
    stems = {name.removesuffix(kind(name)[1]).rpartition(".")[0]: name for name in files}
    if twins := [name for name in files if name not in stems.values()]:
        notice(
            f"corpus {path}: {quantity(len(twins), 'file')} named as another one but for its kind, such as {twins[0]}: "
            "documents of both are read; remove one where they are the same"
        )
    return [(prefix + name, sizes[name]) for name in files]


def _without_documents(files: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Files of attributes/NAME that have no file of documents beside them: perhaps the name means another thing."""
    paths = [parts for parts in files if parts[0] in ("documents", "attributes")]
    stems = {parts[1:] for parts in paths if parts[0] == "documents"}
    return [parts for parts in paths if parts[0] == "attributes" and parts[2:] not in stems]


def is_made(folder: str | Path) -> bool:
    """Whether `pivots corpus make` or a study wrote a folder: its shards.parquet is the table of that name."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(folder) / "shards.parquet"
    try:
        return path.is_file() and {"shard", "path", "documents"} <= set(pq.read_schema(path).names)
    except (pa.ArrowInvalid, OSError):
        return False


def identity(path: str) -> str:
    """A value that changes when a corpus changes: hashes of local files, or names and sizes at an address."""
    if os.path.exists(path):
        return fingerprint(Path(path), by_sample=True)
    return digest(list_files(path, lambda text: None))


def check_columns(files: list[tuple[str, int]], renames: dict[str, str]) -> None:
    """Make sure that the columns a user names are there, in the first lines of the first files that have any.

    A file may lack one that others have; its documents then have the role as where no column is named.

    Raises:
        InputError: none of those lines has a column; a line for each.
    """
    missing = set(renames)
    for path, _ in files[:_LOOKED_INTO]:
        if not missing:
            return
        skips = SkippedLines()
        collections.deque(itertools.islice(read(path, renames, skips), _LOOKED_AT), maxlen=0)
        missing -= skips.column_roles
    if missing:
        place = f"the first lines of {quantity(min(len(files), _LOOKED_INTO), 'file')}"
        lines = (f"corpus {files[0][0]}: no column {renames[r]!r} for the {r} in {place}" for r in sorted(missing))
        raise InputError("\n".join(lines))


def documents(
    path: str,
    renames: dict[str, str],
    max_bad_share: float = CorpusConfig.max_bad_share,
    most: int | None = None,
    notice: Callable[[str], None] = warn,
) -> Iterator[Document]:
    """The documents of a file, folder or address, in order, for whoever reads them all in one process.

    Args:
        path: file, folder or address, as for `list_files`.
        renames: column of each role, from `column_map`.
        max_bad_share: share of lines without a document above which an error is raised at the end.
        most: largest number of documents to read.
        notice: is called with a message about lines without a document.

    Raises:
        InputError: nothing is there, it holds no document, a column is missing, or too many lines give none.
    """
    files = list_files(path, notice)
    check_columns(files, renames)
    skips = {file: SkippedLines() for file, _ in files}
    count = 0
    for document in itertools.islice((d for file, _ in files for d in read(file, renames, skips[file])), most):
        count += 1
        yield document
    rows = [(file, reason, *of) for file, counts in skips.items() for reason, of in counts.reasons.items()]
    check_share(count, rows, max_bad_share, path, notice)


def check_share(
    count: int,
    skips: Sequence[tuple[str, str, int, int]],
    max_bad_share: float,
    place: str,
    notice: Callable[[str], None] = warn,
) -> None:
    """Refuse a corpus with too many unreadable lines or without documents; warn about fewer unreadable lines.

    Args:
        count: documents that were read.
        skips: file, reason, number of lines and the first line of what gave no document.
        max_bad_share: share of all lines above which they are refused.
        place: name of the documents in messages.
        notice: is called with a message if there are fewer such lines.

    Raises:
        InputError: no document, or too many lines without one.
    """
    bad = sum(lines for _, _, lines, _ in skips)
    if bad:
        path, reason, lines, line = max(skips, key=lambda row: row[2])
        message = f"corpus {place}: {bad} of {count + bad} lines cannot be read"
        worst = f"most: {reason}, {quantity(lines, 'time')}, first at {path} line {line}"
        if bad > max_bad_share * (count + bad):
            raise InputError(f"{message}, above max_bad_share = {max_bad_share}; {worst}")
        notice(f"{message}; {worst}")
    if not count:
        raise InputError(f"corpus {place}: no document with text was found")


def read(path: str, renames: dict[str, str], skips: SkippedLines) -> Iterator[Document]:
    """The documents of one file, in order.

    Raises:
        InputError: the file is missing, truncated, of an unknown kind, or lacks a text column.
    """
    with errors_of(path):
        match kind(path)[0]:
            case "parquet":
                yield from read_parquet(path, renames, skips)
            case "arrow":
                yield from read_arrow(path, renames, skips)
            case "text":
                yield from read_text(path, renames, skips)
            case "lance":
                yield from read_fragment(path, renames, skips)
            case "tar":
                yield from read_tar(path, renames, skips)
            case "megatron":
                from semantic_pivots.corpus.megatron import read_ids  # NumPy, which no other reader needs

                yield from read_ids(path, renames, skips)
            case "jsonl":
                yield from read_jsonl(path, renames, skips)
            case _:
                raise InputError(f"corpus {path}: unknown kind of file; expected one of {_FORMATS_TEXT}")


@contextlib.contextmanager
def errors_of(path: str) -> Iterator[None]:
    """Tell what goes wrong when a file is read, with its name.

    Raises:
        InputError: the file is missing, damaged, or cannot be read.
    """
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"corpus {path}: no such file") from None
    except (EOFError, tarfile.TarError) as error:
        raise InputError(f"corpus {path}: truncated or damaged: {first_line(error)}; fetch it again") from error
    except Exception as error:  # the drivers of hf:// and s3:// have exceptions of their own
        if isinstance(error, InputError) or not (isinstance(error, OSError) or "://" in path):
            raise
        raise InputError(f"corpus {path}: cannot be read: {first_line(error)}") from error


def runs(files: Sequence[tuple[str, int]], limit: int) -> list[tuple[str, ...]]:
    """Files, given with their sizes, in runs of up to `limit` bytes: thousands of small ones become few tasks."""
    groups: list[list[str]] = []
    total = 0
    for name, size in files:
        if not groups or total + size > limit:
            groups.append([])
            total = 0
        groups[-1].append(name)
        total += size
    return [tuple(run) for run in groups]


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
