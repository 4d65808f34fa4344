"""One command as several independent processes: `--rank R --world N`, for any scheduler that numbers its tasks.

Every rank is given the same command and makes the parts R, R + N, ... of each phase; the file of a part is the marker
that it is done. Ranks share nothing but the folder that they write to. What is not done by shards is done by one rank
at a time, under a lock, by whichever comes there first. A rank ends where parts of others are missing, or waits.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from semantic_pivots.errors import InputError

Task = TypeVar("Task")
_POLL_SECONDS = 1.0


class UnfinishedRanks(Exception):  # noqa: N818 - no error
    """A rank has completed its parts, but other ranks have not; this is not an error."""


class AlreadyPublished(Exception):  # noqa: N818 - no error
    """Another rank has published the result in the meantime."""


@dataclass(frozen=True)
class Share:
    """The part of a command's work that one process does."""

    rank: int
    world: int
    wait_seconds: float = 0.0
    """how long to wait for the parts of other ranks"""
    merging: bool = False
    """make no parts, and refuse a phase that lacks some"""

    def of_rank(self, tasks: Sequence[Task]) -> list[Task]:
        """The tasks of this rank."""
        return [] if self.merging else list(tasks[self.rank :: self.world])

    def settle(self, phase: str, names: Sequence[str], exists: Callable[[str], bool]) -> None:
        """Wait until every part of a phase exists.

        Raises:
            Unfinished: parts of other ranks are missing.
            InputError: the same in `pivots merge`; both messages name the ranks.
        """
        missing, deadline = list(enumerate(names)), time.monotonic() + self.wait_seconds
        while missing := [(i, name) for i, name in missing if not exists(name)]:
            if self.merging or time.monotonic() >= deadline:
                break
            time.sleep(_POLL_SECONDS)
        if not missing:
            return
        ranks = sorted({i % self.world for i, _ in missing})
        text = ", ".join(map(str, ranks[:20])) + (", ..." if len(ranks) > 20 else "")
        message = f"{len(missing)} of {len(names)} parts of `{phase}` are missing, the first {missing[0][1]}"
        if self.merging:
            raise InputError(f"rank {text} of {self.world} has not finished: {message}; run it again, then merge")
        raise UnfinishedRanks(f"rank {self.rank} of {self.world} is done; {message}, of rank {text}")


_share: Share | None = None
_lock: int | None = None


def current() -> Share | None:
    """The share of this process; None if it processes everything."""
    return _share


def take_part(out: Path, rank: int, world: int, wait_seconds: float, arguments: Sequence[str]) -> None:
    """Register this process as one rank of a command, and record the command beside its output folder.

    Raises:
        InputError: there is no such rank.
    """
    global _share
    if _share is not None and _share.merging:
        return
    if not 0 <= rank < world or wait_seconds < 0:
        raise InputError(f"--rank {rank} --world {world} --wait {wait_seconds:g}: expected a rank from 0 to world - 1")
    _share = Share(rank, world, wait_seconds) if world > 1 else None
    if _share is not None:
        note = _note(out)
        note.parent.mkdir(parents=True, exist_ok=True)
        temporary = note.with_name(f"{note.name}.{rank}.tmp")
        temporary.write_text(json.dumps({"arguments": list(arguments), "world": world, "folder": os.getcwd()}))
        os.replace(temporary, note)


def _note(out: Path) -> Path:
    out = Path(os.path.abspath(out))
    return out.with_name(f".{out.name}.ranks.json")


@contextlib.contextmanager
def merging(out: Path) -> Iterator[list[str]]:
    """The arguments, without the rank, of the command whose ranks wrote a folder; run the command inside the block.

    Raises:
        InputError: no rank wrote it.
    """
    global _share
    note = _note(out)
    if not note.exists():
        raise InputError(f"{out}: no rank has written there; expected the --out of a command with --rank and --world")
    record = json.loads(note.read_text())
    os.chdir(record["folder"])
    _share = Share(0, record["world"], merging=True)
    try:
        yield _without_rank(record["arguments"])
        note.unlink()
    finally:
        _share = None


def _without_rank(arguments: Sequence[str]) -> list[str]:
    rest: list[str] = []
    skip = False
    for argument in arguments:
        name = argument.split("=")[0]
        if not skip and name not in ("--rank", "--world", "--wait"):
            rest.append(argument)
        skip = not skip and name in ("--rank", "--world", "--wait") and "=" not in argument
    return rest


@contextlib.contextmanager
def in_turn(path: Path) -> Iterator[None]:
    """A lock for work that only one rank may do at a time; without ranks it does nothing."""
    global _lock
    if _share is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    _lock = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        _flock(fcntl.LOCK_EX)
        yield
    finally:
        os.close(_lock)
        _lock = None


@contextlib.contextmanager
def exclusive(work: Path) -> Iterator[None]:
    """Release the lock of `in_turn` while the block computes parts, so that other ranks can continue.

    Raises:
        Published: after the block the work's folder is gone, because another rank has published the result.
    """
    if _share is None or _lock is None:
        yield
        return
    _flock(fcntl.LOCK_UN)
    try:
        yield
    finally:
        _flock(fcntl.LOCK_EX)
    if not work.exists():
        raise AlreadyPublished


def _flock(operation: int) -> Any:
    with contextlib.suppress(OSError):  # a file system without locks: ranks that come there together write twice
        return fcntl.flock(_lock, operation)  # type: ignore[arg-type]
