"""Shards to workers: a process pool, a Ray cluster, or datatrove's executors (Slurm), all running the same kernel.

A task is a pure function of one shard that returns a table. Its part is written under its name and that file is the
completion marker, so a killed stage goes on where it stopped. Parts come in the order of the tasks, whatever the
order in which they ended: sums and tables depend neither on the number of workers nor on the engine.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver, resource_tracker
from pathlib import Path
from typing import Any

import pyarrow as pa

from semantic_pivots import ranks
from semantic_pivots.caching import prepare_process
from semantic_pivots.errors import InputError, nearest
from semantic_pivots.files import read_table, write_table
from semantic_pivots.run import Work, is_whole

Task = tuple[str, Callable[..., pa.Table], tuple[object, ...]]
"""Name of the shard, function, arguments; what all shards are given alike goes into `constants`, sent once a worker."""
Parts = dict[str, Path]
"""The file of each task's result."""

ENGINES = ("pool", "ray", "datatrove")
_RETRIES = 3
_FIRST_PAUSE = 0.05
"""Seconds; four times as long before each further try."""
_SIGNAL_OF_PARENTS_DEATH = 1  # PR_SET_PDEATHSIG
_LARGEST_WAIT = 1000


def run_shards(
    tasks: Sequence[Task],
    work: Work,
    workers: int,
    label: str,
    engine: str = "pool",
    constants: tuple[object, ...] = (),
) -> Iterator[pa.Table]:
    """Run every task whose part is missing, then yield the parts in order; arguments as in `shard_parts`."""
    yield from read_parts(shard_parts(tasks, work, workers, label, engine, constants))


def read_parts(paths: Iterable[Path], columns: list[str] | None = None) -> Iterator[pa.Table]:
    """The tables of parts, or some of their columns; one that is damaged is removed, so that the next run makes it.

    Raises:
        InputError: a part is damaged.
    """
    for path in paths:
        try:
            yield read_table(path, columns)
        except InputError:
            path.unlink(missing_ok=True)
            raise


def shard_parts(
    tasks: Sequence[Task],
    work: Work,
    workers: int,
    label: str,
    engine: str = "pool",
    constants: tuple[object, ...] = (),
) -> list[Path]:
    """Run every task whose part is missing, and return the files of all parts in order.

    Args:
        tasks: one per shard; names are unique; a task is called as function(*arguments, *shared).
        work: the work in whose folder the parts are stored.
        workers: number of processes; 0: one per core; 1: the tasks run in this process (engine pool).
        label: name of the work, for progress and for the parts.
        engine: pool, ray (the cluster of $RAY_ADDRESS, or a local one) or datatrove (its local executor).
        constants: further arguments of every task.

    Raises:
        InputError: the engine is unknown or not installed, `workers` is negative, or a shard killed its worker
            repeatedly (out of memory, or a damaged file).
    """
    engines = {"pool": _pool, "ray": _ray, "datatrove": _datatrove}
    if engine not in engines:
        raise InputError(f"unknown engine {engine!r}: expected one of {', '.join(ENGINES)}{nearest(engine, ENGINES)}")
    if workers < 0:
        raise InputError(f"workers = {workers}: expected 0 (one per core) or more")
    parts = {name: work.folder / f"{label}-{name}.parquet" for name, _, _ in tasks}
    share = ranks.current()
    tasks_of_rank = tasks if share is None else share.of_rank(tasks)
    with ranks.exclusive(work.folder), work.progress(len(tasks_of_rank), "shards", label) as progress:
        missing = [task for task in tasks_of_rank if not is_whole(parts[task[0]])]
        progress.advance(len(tasks_of_rank) - len(missing))
        if missing:
            engines[engine](missing, constants, parts, workers or len(os.sched_getaffinity(0)), progress.advance)
        if share is not None:
            share.settle(label, list(parts), lambda name: parts[name].exists())
    return list(parts.values())


_worker_arguments: tuple[object, ...] = ()


def _begin(constants: tuple[object, ...]) -> None:
    """Make a worker of the pool ready."""
    global _worker_arguments
    _worker_arguments = constants
    if sys.platform == "linux":
        # the server that workers come from ends with this process's parent; a busy worker could not look for itself
        ctypes.CDLL(None).prctl(_SIGNAL_OF_PARENTS_DEATH, signal.SIGKILL)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """The workers of a killed parent hold its queue open for one another, and would wait there for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _begin_time(path: Path) -> Path:
    """The file that is there while a worker makes a part: it names the shards at work where a worker dies."""
    return path.with_name(f".{path.name}.begun")


def _keep(path: Path, function: Callable[..., pa.Table], arguments: tuple[object, ...]) -> None:
    _begin_time(path).touch()
    write_table(path, function(*arguments, *_worker_arguments))
    _begin_time(path).unlink()


def _pool(
    tasks: Sequence[Task], constants: tuple[object, ...], parts: Parts, workers: int, advance: Callable[[], None]
) -> None:
    if workers == 1:
        for name, function, arguments in tasks:
            write_table(parts[name], function(*arguments, *constants))
            advance()
        return
    open_tasks, killers, fruitless = list(tasks), [], 0
    while open_tasks:
        for task in open_tasks:
            _begin_time(parts[task[0]]).unlink(missing_ok=True)  # of a killed run
        if _attempt(open_tasks, constants, parts, min(workers, len(open_tasks)), advance):
            break
        # A worker that dies takes its pool along. The shards that were at work get a pool of their own each, as many at
        # a time as before, and those that die again are tried alone: a shard that kills is known by name, and the
        # others are done before it is reported.
        suspects = [task for task in open_tasks if _begin_time(parts[task[0]]).exists() and not parts[task[0]].exists()]
        fruitless = 0 if suspects else fruitless + 1
        if fruitless > _RETRIES:
            raise InputError("worker processes end before they begin: give the machine more memory, or fewer workers")
        if fruitless:  # a server of workers that was killed seems alive until the system has freed its memory
            time.sleep(_FIRST_PAUSE * 4**fruitless)
        with ThreadPoolExecutor(workers) as threads:
            outcomes = list(threads.map(lambda task: _attempt([task], constants, parts, 1, advance), suspects))
        retries = [task for task, outcome in zip(suspects, outcomes, strict=True) if not outcome]
        killers += [task[0] for task in retries if not _attempt([task], constants, parts, 1, advance)]
        names = {task[0] for task in suspects}
        open_tasks = [task for task in open_tasks if not parts[task[0]].exists() and task[0] not in names]
    if killers:
        raise InputError(
            f"shard {', '.join(killers)} killed its worker three times: give it more memory, fewer workers, or "
            "smaller shards, or check the shard's file"
        )


def _attempt(
    tasks: Sequence[Task], constants: tuple[object, ...], parts: Parts, width: int, advance: Callable[[], None]
) -> bool:
    """Whether every task ended in its part; False when a worker died."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["semantic_pivots.counting.worker"])
    pool = None
    try:
        with _interrupts_held():
            pool = ProcessPoolExecutor(width, context, _begin, (constants,))
            futures = [pool.submit(_keep, parts[name], f, arguments) for name, f, arguments in tasks]
        for future in as_completed(futures):
            future.result()
            advance()
    except (BrokenProcessPool, EOFError, ConnectionError):  # a worker died, or the server that workers come from
        return False
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)  # waits for the shards at work: their parts are kept
    return True


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Start workers whole: Ctrl-C takes effect at the block's end, and is the parent's alone.

    Workers come from a server that is started while SIGINT is blocked, which they inherit; the terminal sends it to
    them too.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = []
    handler = signal.signal(signal.SIGINT, lambda *arguments: signals.append(arguments))
    try:
        resource_tracker.ensure_running()  # first: the server starts it, and to start it unblocks SIGINT
        signal_mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, signal_mask)
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if signals:
        raise KeyboardInterrupt


def _ray(
    tasks: Sequence[Task], constants: tuple[object, ...], parts: Parts, workers: int, advance: Callable[[], None]
) -> None:
    """Ray retries what a killed worker or a lost node took along; results come back to the driver, which writes them.

    Returning the tables costs their transfer (kilobytes a shard, or its tokens under a criterion of degree) and asks
    for no shared folder of parts, unless a pass reads those of another; the shards must be readable on every node.
    """
    try:
        import ray
        from ray.exceptions import RayTaskError, WorkerCrashedError
    except ImportError as error:
        raise InputError("engine 'ray' is not installed: pip install 'semantic-pivots[ray]'") from error
    is_owner = not ray.is_initialized()
    if is_owner:
        # Without an address in $RAY_ADDRESS, a local cluster of our own; left to itself, Ray joins any it finds here.
        local = {"address": "local", "num_cpus": workers, "include_dashboard": False}
        local = {} if os.environ.get("RAY_ADDRESS") else local
        begin = {"worker_process_setup_hook": prepare_process}
        ray.init(log_to_driver=False, logging_level="warning", runtime_env=begin, **local)  # type: ignore[arg-type]
    try:
        remote = ray.remote(max_retries=_RETRIES)(_call)
        handle = ray.put(constants)
        waiting = {remote.remote(function, arguments, handle): name for name, function, arguments in tasks}
        while waiting:
            ready, _ = ray.wait(
                list(itertools.islice(waiting, _LARGEST_WAIT))
            )  # it looks at every one, at every result
            for reference in ready:
                name = waiting.pop(reference)
                try:
                    write_table(parts[name], ray.get(reference))
                except WorkerCrashedError as error:
                    raise InputError(
                        f"shard {name} killed its worker {_RETRIES + 1} times: give its node more memory"
                    ) from error
                except RayTaskError as error:  # it says the whole traceback of the worker
                    raise (error.cause if isinstance(error.cause, InputError) else error) from None
                advance()
    finally:
        if is_owner:
            ray.shutdown()


def _call(function: Callable[..., pa.Table], arguments: tuple[object, ...], constants: tuple[object, ...]) -> pa.Table:
    return function(*arguments, *constants)


def _datatrove(
    tasks: Sequence[Task], constants: tuple[object, ...], parts: Parts, workers: int, advance: Callable[[], None]
) -> None:
    try:
        from datatrove.executor import LocalPipelineExecutor
    except ImportError as error:
        raise InputError("engine 'datatrove' is not installed: pip install 'semantic-pivots[datatrove]'") from error
    logs = next(iter(parts.values())).parent / "datatrove"
    # Its own completion markers are off: the part is the marker, and an earlier run may have had other shards missing.
    LocalPipelineExecutor(
        pipeline=[shard_step(tasks, parts, constants)],
        tasks=len(tasks),
        workers=min(workers, len(tasks)),
        logging_dir=str(logs),
        skip_completed=False,
    ).run()
    for _ in tasks:
        advance()


def shard_step(tasks: Sequence[Task], parts: Parts, shared: tuple[object, ...] = ()) -> Any:
    """A datatrove pipeline step for its local and Slurm executors: rank r of n makes the parts r, r + n, ..."""
    from datatrove.pipeline.base import PipelineStep

    class ShardStep(PipelineStep):
        type = "pivots"
        name = "shards"

        def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Any:
            for name, function, arguments in tasks[rank::world_size]:
                if not is_whole(parts[name]):
                    write_table(parts[name], function(*arguments, *shared))
                self.stat_update("shards")
            yield from data or ()

    return ShardStep()
