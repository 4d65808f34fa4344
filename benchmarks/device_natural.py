"""The steps of `python -m benchmarks.device natural`: the models of docs/natural.md, from packed sequences.

Models are trained side by side, one process each: a small model leaves most of an accelerator idle. Those that begin
with another's weights come after it. Rows are written as they come. The summary of a part is of the seeds whose models
are all there; its rules are those of the stage.
"""

from __future__ import annotations

import pickle
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.device import Line, Steps
from benchmarks.device_pack import Pack
from semantic_pivots import tables
from semantic_pivots.engines import Task
from semantic_pivots.files import write_table
from semantic_pivots.natural.arm_runs import task_of, waves
from semantic_pivots.natural.effects import summary
from semantic_pivots.natural.models import Arm
from semantic_pivots.natural.natural_stage import NaturalConfig
from semantic_pivots.run import Work

Result = tuple[pa.Table, float]
"""Rows of one model, and its seconds"""


def natural(
    steps: Steps, folder: Path, out: Path, workers: int | None = None, causal_concepts: int | None = None
) -> None:
    """Train every model of every part and seed, and say what the parts amount to over the seeds that are whole.

    Args:
        steps: the steps of the command.
        folder: the pack.
        out: folder of the tables.
        workers: models at once; None: as many as the packed study says.
        causal_concepts: concepts whose link and need are measured; None: all.
    """
    pack = Pack(folder)
    settings: dict[str, Any] = pack.manifest["natural"]
    settings = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    config = replace(NaturalConfig(**settings), device="auto")
    rows: dict[str, list[dict[str, Any]]] = {part: [] for part in config.parts}
    missing: set[tuple[str, int]] = set()
    with tempfile.TemporaryDirectory() as scratch:
        models = [
            arm
            for seed in range(config.seed, config.seed + config.seeds)
            for part in config.parts
            for arm in map(partial(_asked, causal_concepts), pickle.loads(pack.read(f"models/{part}-{seed}.pickle")))
        ]
        work = Work(Path(scratch), out)
        for wave in waves(models):
            tasks = [task_of(arm, config, work) for arm in wave]
            finished: set[int] = set()
            for number, result in _results(tasks, workers or config.workers, steps):
                arm = wave[number]
                if steps.run(tasks[number][0], lambda arm=arm, result=result: _line(arm, result, rows[arm.part])):
                    finished.add(number)
                every = [row for own in rows.values() for row in own]
                write_table(out / "natural_concepts.parquet", tables.from_rows("natural_concepts", every))
            missing |= {(arm.part, arm.seed) for number, arm in enumerate(wave) if number not in finished}
    for part in config.parts:
        own = [row for row in rows[part] if (part, row["seed"]) not in missing]
        if own:
            steps.run(f"{part}, summary", lambda part=part, own=own: _summary(part, own, config, out))
        else:
            steps.say({"step": f"{part}, summary", "skipped": "no seed has all of its models"})


def _asked(concepts: int | None, arm: Arm) -> Arm:
    """A model of which link and need are asked for so many concepts, the first by id; None: for all."""
    return arm if concepts is None else replace(arm, pivots=dict(sorted(arm.pivots.items())[:concepts]))


def _results(tasks: Sequence[Task], workers: int, steps: Steps) -> Iterator[tuple[int, Callable[[], Result]]]:
    """Number and result of each task as it ends, until the seconds are over; a failure is raised by the result."""
    if workers == 1:
        for number, task in enumerate(tasks):
            if steps.left() > 0:
                yield number, partial(_timed, task)
        return
    pool = ProcessPoolExecutor(workers or None, get_context("spawn"))  # 0: one per core, as in [natural]
    numbers = {pool.submit(_timed, task): number for number, task in enumerate(tasks)}
    try:
        for future in as_completed(numbers, timeout=max(steps.left(), 0)):
            yield numbers[future], future.result
    except TimeoutError:
        for process in list(pool._processes.values()):  # what they do would come too late
            process.kill()
    pool.shutdown(cancel_futures=True)


def _timed(task: Task) -> Result:
    _, train_and_ask, given = task
    begun = time.monotonic()
    return train_and_ask(*given), time.monotonic() - begun


def _line(arm: Arm, result: Callable[[], Result], rows: list[dict[str, Any]]) -> Line:
    """What one model amounts to; adds its rows."""
    table, seconds = result()
    own = table.to_pylist()
    ending = own.pop()
    rows += own
    halves = {half: [row["chosen"] for row in own if row["half"] == half] for half in {row["half"] for row in own}}
    return {
        "tokens": int(arm.sequences.size),
        "model_seconds": round(seconds, 1),
        "loss_nats": round(-ending["logprob"], 4),
        **{f"chosen, {half}": round(sum(each) / len(each), 4) for half, each in sorted(halves.items())},
    }


def _summary(part: str, rows: list[dict[str, Any]], config: NaturalConfig, out: Path) -> Line:
    seeds = sorted({row["seed"] for row in rows})
    figures = summary(rows, replace(config, parts=(part,), seed=seeds[0], seeds=len(seeds)))  # for the signature
    write_table(out / f"natural_summary_{part}.parquet", tables.from_rows("natural_summary", figures))
    return {"seeds": seeds, "conclusion": [row["conclusion"] for row in figures if row["conclusion"]]}
