"""Shards to workers: a process pool whose dead workers are retried once, then named.

A task is a pure function of one shard that returns a table. Its part is written under its name and that file is the
completion marker, so a killed stage goes on where it stopped. Parts come in the order of the tasks, whatever the
order in which they ended: sums and tables do not depend on the number of workers.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from semantic_pivots.corpus.build import workers as worker_count
from semantic_pivots.errors import InputError
from semantic_pivots.run import Work, write_table

Task = tuple[str, Callable[..., pa.Table], tuple[Any, ...]]
"""Name of the shard, function, arguments."""


def _keep(path: Path, function: Callable[..., pa.Table], arguments: tuple[Any, ...]) -> None:
    write_table(path, function(*arguments))


def run_shards(tasks: list[Task], work: Work, workers: int, label: str) -> Iterator[pa.Table]:
    """Run every task that has no part yet, then yield the parts in order.

    Raises:
        InputError: a shard killed its worker twice (out of memory, or a damaged file).
    """
    parts = {name: work.folder / f"{label}-{name}.parquet" for name, _, _ in tasks}
    with work.progress(len(tasks), "shards", label) as progress:
        progress.advance(sum(path.exists() for path in parts.values()))
        for attempt in range(2):
            missing = [task for task in tasks if not parts[task[0]].exists()]
            if not missing:
                break
            # The second attempt gives every shard a worker of its own, so that a shard that kills is known by name.
            width = 1 if attempt else min(worker_count(workers), len(missing))
            for group in [[task] for task in missing] if attempt else [missing]:
                _attempt(group, parts, width, progress.advance, last=bool(attempt))
    for name, _, _ in tasks:
        yield pq.read_table(parts[name])


def _attempt(tasks: list[Task], parts: dict[str, Path], width: int, advance: Callable[[], None], last: bool) -> None:
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(width, mp_context=context) as pool:
        futures = {pool.submit(_keep, parts[name], function, args): name for name, function, args in tasks}
        for future in as_completed(futures):
            try:
                future.result()
                advance()
            except BrokenProcessPool as error:
                if last:
                    raise InputError(
                        f"shard {futures[future]} killed its worker twice: give the machine more memory, fewer "
                        "workers, or smaller shards, or check the shard's file"
                    ) from error
