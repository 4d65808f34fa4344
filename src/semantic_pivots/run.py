"""One stage's run: its inputs, its resumable work, its manifest, and the atomic move that publishes it.

A stage's results lie in one folder: Parquet tables, other files, and manifest.json. While it runs they lie in
`.STAGE.partial/`, which a killed run continues from and which is wiped when the stage's key has changed. The folder is
renamed when everything is in it, so a folder that exists is complete: there is no other completion marker.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import platform
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from semantic_pivots import ranks
from semantic_pivots.errors import InputError
from semantic_pivots.files import (
    Record,
    Stamps,
    check_unchanged,
    digest,
    file_hash,
    fingerprint,
    read_table,
    stamps,
    write_json,
    write_table,
)

if TYPE_CHECKING:  # pyarrow is imported where a table is touched: `pivots status` and a finished study never need it
    import pyarrow as pa

Result = Union["pa.Table", dict[str, Path]]
"""A table, or the files of its shards by their names."""
_PACKAGES = ("semantic-pivots", "torch", "transformers", "tokenizers", "numpy", "numba", "pyarrow", "polars", "scipy")


def is_whole(path: Path) -> bool:
    """Whether a Parquet file exists and is complete; after a power loss a file can have its name but not its bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        pq.read_metadata(path)
    except FileNotFoundError:
        return False
    except (pa.ArrowInvalid, OSError):
        warn(f"{path} is damaged: it is made again")
        return False
    return True


def check_unaltered(folder: Path) -> None:
    """Make sure that a published folder is as its stage wrote it: by size and time and, if these differ, by content.

    A folder without a manifest passes.

    Raises:
        InputError: a file is missing or has changed.
    """
    manifest = read_manifest(folder) or {}
    times = manifest.get("volatile", {}).get("stamps", {})
    for name, content in manifest.get("files", {}).items():
        path = folder / name
        if not path.exists():
            raise InputError(f"{path} is missing, which `{manifest['stage']}` wrote; make the folder again")
        status = path.stat()
        if times.get(name) != [status.st_size, status.st_mtime_ns] and file_hash(path) != content:
            message = f"{path} was altered after `{manifest['stage']}` wrote it"
            raise InputError(f"{message}; make the folder again")


def check_outside(final: Path, place: str | Path) -> None:
    """Refuse an output folder inside a folder of documents, whose next reader would take its tables for documents.

    Raises:
        InputError: the output folder is inside it.
    """
    if os.path.isdir(place) and Path(os.path.realpath(final)).is_relative_to(os.path.realpath(place)):
        raise InputError(f"{final} lies in {place}, which is read as documents; expected a folder outside of it")


class Inputs:
    """The published folders of the stages before this one."""

    def __init__(self, folders: dict[str, Path]):
        self._folders = folders

    def has(self, table: str) -> bool:
        """Whether an upstream stage published the table."""
        return any((folder / f"{table}.parquet").exists() for folder in self._folders.values())

    def path(self, table: str) -> Path:
        """The Parquet file of an upstream table.

        Raises:
            InputError: no upstream stage published it.
        """
        for folder in self._folders.values():
            if (folder / f"{table}.parquet").exists():
                return folder / f"{table}.parquet"
        raise InputError(f"table {table!r} is missing from {', '.join(self._folders)}: run the study without --only")

    def table(self, table: str) -> pa.Table:
        """An upstream table in memory."""
        return read_table(self.path(table))

    def folder(self, stage: str) -> Path:
        """The folder an upstream stage published."""
        return self._folders[stage]

    def manifest(self, stage: str) -> Record:
        """The manifest of an upstream stage."""
        return json.loads((self._folders[stage] / "manifest.json").read_text("utf-8"))

    def stages(self) -> list[str]:
        """The upstream stages there are, in the order of the study."""
        return list(self._folders)


class Progress:
    """Progress as units done of a total, with rate and time left: a bar on a terminal, else one line per minute."""

    def __init__(self, total: float, unit: str, label: str):
        self.total, self.unit, self.label, self.position = total, unit, label, 0.0
        self._start_time = self._report_time = time.monotonic()
        self._bar: Any = None
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = ("{task.description}", BarColumn(), TextColumn("{task.fields[count]}"), TimeRemainingColumn())
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(label, total=total, count=self._count())
            self._bar.start()

    def _count(self) -> str:
        rate = self.position / max(time.monotonic() - self._start_time, 1e-9)
        decimals = 0 if self.total >= 10 or float(self.total).is_integer() else 2  # parts of one MB
        return f"{self.position:,.{decimals}f}/{self.total:,.{decimals}f} {self.unit}, {rate:,.1f}/s"

    def advance(self, units: float = 1) -> None:
        """Record that more units are done."""
        self.position += units
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(self._task, completed=self.position, count=self._count())
        elif now - self._report_time >= 60:
            self._report_time = now
            seconds = (self.total - self.position) * (now - self._start_time) / max(self.position, 1e-9)
            print(f"  {self.label}: {self._count()}, about {seconds:,.0f} s left", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()


@contextlib.contextmanager
def progress(total: float, unit: str, label: str) -> Iterator[Progress]:
    """Show progress while the block runs."""
    bar = Progress(total, unit, label)
    try:
        yield bar
    finally:
        bar.close()


@dataclass
class Work:
    """The state of a running stage that survives an interruption: finished parts, notes and warnings."""

    folder: Path
    """scratch that survives a kill; gone once the stage is published or its key changes"""
    out: Path
    """files here become part of the published folder"""
    notes: Record = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    volatile: Record = field(default_factory=dict)

    def part(self, name: str, make: Callable[[], pa.Table]) -> pa.Table:
        """The table of one part: read from disk if an earlier run finished it, else made by `make()` and stored.

        A new table is also read back from disk, so that a continued run has exactly the same types and chunks.
        """
        path = self.folder / f"{name}.parquet"
        if not is_whole(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_table(path, make())
        return read_table(path)

    def progress(self, total: float, unit: str, label: str) -> contextlib.AbstractContextManager[Progress]:
        """Show progress while the block runs."""
        return progress(total, unit, label)

    def note(self, key: str, value: object, volatile: bool = False) -> None:
        """Put a JSON-able figure into the manifest; volatile ones (times, memory) do not count as results."""
        (self.volatile if volatile else self.notes)[key] = value

    def warn(self, text: str) -> None:
        """Tell the user now and keep the warning in the manifest."""
        self.warnings.append(text)
        warn(text)


def warn(text: str) -> None:
    """Print a warning to the user; `Work.warn` also stores it in the manifest."""
    print(f"  warning: {text}", file=sys.stderr, flush=True)


def peak_memory_bytes() -> int:
    """Peak resident memory of this process and, separately, its largest child: the larger of the two."""
    return max(resource.getrusage(of).ru_maxrss for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) * 1024


def environment() -> Record:
    """Versions of Python, of the platform and of the packages on which figures depend."""
    versions = {}
    for package in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return {"python": platform.python_version(), "platform": platform.platform(), "packages": versions}


def read_manifest(folder: Path) -> Record | None:
    """The manifest of a published stage, or None."""
    path = folder / "manifest.json"
    try:
        return json.loads(path.read_text("utf-8")) if path.exists() else None
    except ValueError as error:
        raise InputError(f"{path}: damaged; remove the folder and make it again") from error


def content_of(folder: Path) -> str:
    """What identifies the content of a folder: the digest in its manifest, or its fingerprint where it has none."""
    manifest = read_manifest(folder)
    return manifest["digest"] if manifest else fingerprint(folder, by_sample=True)


@contextlib.contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn a full disk or a forbidden folder into an error for people."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):  # EFBIG: a limit of the user's (ulimit -f)
            raise InputError(f"disk full while writing under {folder}: free space there and run again") from error
        if error.errno in (errno.EACCES, errno.EROFS) and error.filename and str(folder) in str(error.filename):
            raise InputError(f"cannot write {error.filename}: expected a writable folder, or pass --runs") from error
        raise


def check_replaceable(stage: str, folder: Path) -> None:
    """Refuse a folder that publishing a stage would destroy.

    Raises:
        InputError: it is a file, or a folder with other content than a result of the stage.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder} is a file: expected a folder, new or empty")
    if any(folder.iterdir()) and (read_manifest(folder) or {}).get("stage") != stage:
        raise InputError(f"{folder} holds other files than a result of `{stage}`: expected a new or an empty folder")


@contextlib.contextmanager
def _folder_lock(partial: Path, final: Path) -> Iterator[None]:
    """Hold the folder of a running stage: a second run would wipe it, or write the same files at the same time."""
    import fcntl

    partial.mkdir(parents=True, exist_ok=True)
    folder = os.open(partial, os.O_RDONLY)
    try:
        lock = fcntl.LOCK_EX if ranks.current() is None else fcntl.LOCK_SH  # ranks of one command share it
        fcntl.flock(folder, lock | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(folder)
        raise InputError(f"{final} is being written by another run: wait for it, or name another folder") from error
    except OSError:  # a file system without locks of folders (some NFS): as without this function
        pass
    try:
        yield
    finally:
        os.close(folder)


def publish(
    stage: str,
    key: Record,
    final: Path,
    run: Callable[[Work], Mapping[str, Result]],
    conform: Callable[[str, pa.Table], pa.Table],
    read: Iterable[Path | str] = (),
    stamps_before: Stamps | None = None,
) -> Record:
    """Run a stage, or continue it, and publish its folder atomically.

    Args:
        stage: name of the stage.
        key: everything that the result depends on (configuration, digests of inputs, version), as JSON values.
        final: folder to publish; an earlier result of the same stage is replaced as a whole.
        run: the stage as a function of its work; returns its tables by name. A table that may not fit into memory is
            returned as the files of its shards in the work's folder; they become a folder NAME.parquet.
        conform: function that brings a table to its public schema.
        read: local files and folders that the stage reads, besides the results of earlier stages.
        stamps_before: stamps of these files from before the key was made; None: they are taken now.

    Returns:
        The manifest.

    Raises:
        InputError: `final` has other content than a result of the stage, and is left unchanged; or another run works on
            it; or an input changed during the run.
    """
    read = list(read)
    stamps_before = stamps(read) if stamps_before is None else stamps_before
    final = Path(os.path.abspath(final))  # "." has no name to put a neighbour beside
    check_replaceable(stage, final)
    partial = final.with_name(f".{final.name}.partial")
    key_hash = digest(key)
    turn = ranks.in_turn(final.with_name(f".{final.name}.turn"))
    with disk_errors(final.parent), turn, _folder_lock(partial, final):
        if (manifest := _of_other_rank(final, key_hash)) is not None:
            return manifest
        _begin(partial, final, key_hash)
        manifest = read_manifest(partial / "out")
        if manifest is None:
            try:
                check = functools.partial(check_unchanged, read, stamps_before, stage)
                manifest = _run(stage, key, key_hash, partial, run, conform, check)
            except ranks.AlreadyPublished:
                if (manifest := _of_other_rank(final, key_hash)) is None:
                    raise InputError(f"{final}: another run has removed {partial}; run the command again") from None
                return manifest
        old = final.with_name(f".{final.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if final.exists():
            os.rename(final, old)
        os.rename(partial / "out", final)
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(partial, ignore_errors=True)
        final.with_name(f".{final.name}.turn").unlink(missing_ok=True)
    return manifest


def _of_other_rank(final: Path, key_hash: str) -> Record | None:
    """The manifest of a result that another rank of this command has published."""
    manifest = read_manifest(final) if ranks.current() is not None else None
    return manifest if manifest is not None and manifest["key"] == key_hash else None


def _begin(partial: Path, final: Path, key_hash: str) -> None:
    """Make the folders of a running stage; those of another key are emptied, or refused to a rank."""
    marker = partial / "key"
    stamps_before = marker.read_text() if marker.exists() else ""
    if stamps_before != key_hash:
        if stamps_before and ranks.current() is not None:
            raise InputError(f"{final}: ranks of another command, or of other inputs, write there; remove {partial}")
        for path in partial.iterdir():  # the folder itself is what is held
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (partial / "work").mkdir(parents=True, exist_ok=True)
    (partial / "out").mkdir(exist_ok=True)
    marker.write_text(key_hash)


def _run(
    stage: str, key: dict, key_hash: str, partial: Path, run: Callable, conform: Callable, check: Callable[[], None]
) -> Record:
    start = time.monotonic()
    work = Work(partial / "work", partial / "out")
    results = run(work)
    try:
        check()
    except InputError:
        (partial / "key").unlink()  # what was made of them is of no use to the next run
        raise
    for name, table in results.items():
        path = work.out / f"{name}.parquet"
        if isinstance(table, dict):
            path.mkdir(exist_ok=True)
            for shard, part in table.items():
                os.replace(part, path / f"{shard}.parquet")
        else:
            write_table(path, conform(name, table))
    files, hashes = {}, {}
    for path in sorted(p for p in work.out.rglob("*") if p.is_file()):
        name = str(path.relative_to(work.out))
        if path.name.endswith(".tmp"):  # a temporary file of a killed run
            path.unlink()
        elif name != "manifest.json":
            files[name] = file_hash(path)
            hashes[name] = [path.stat().st_size, path.stat().st_mtime_ns]
    if clash := key.keys() & {"stage", "key", "files", "digest", "notes", "warnings", "volatile"}:
        raise ValueError(f"key of {stage}: {sorted(clash)} are names of the manifest's own")
    manifest = {
        **key,
        "stage": stage,
        "key": key_hash,
        "files": files,
        "digest": digest(files),
        "notes": work.notes,
        "warnings": work.warnings,
        "volatile": {
            "seconds": round(time.monotonic() - start, 2),
            "peak_memory_bytes": peak_memory_bytes(),
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "stamps": hashes,
            **environment(),
            **work.volatile,
        },
    }
    write_json(work.out / "manifest.json", manifest)
    return manifest


@contextlib.contextmanager
def study_lock(folder: Path) -> Iterator[None]:
    """Hold a study's folder for one run at a time.

    Raises:
        InputError: another run holds it.
    """
    import fcntl

    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise InputError(f"{folder} is in use by another run: wait for it, or give --runs another folder") from error
    try:
        yield
    finally:
        lock.close()
