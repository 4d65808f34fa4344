"""Parts of the stage `score` on several accelerators, through accelerate.

A part's table depends only on the configuration and its items, and every part is one file that is complete or absent.
Processes therefore exchange no tensors: process i of n writes the parts i, i + n, ... to the stage's scratch folder,
where the stage that started them finds all parts. Results do not depend on the number of processes, and an interrupted
run can continue with another number. The stage starts the processes itself (`[score] processes`); on several machines
that share the folder, `accelerate launch ... -m semantic_pivots.scoring.score_worker FOLDER/score-job.json` does it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from semantic_pivots.caching import prepare_process
from semantic_pivots.errors import InputError
from semantic_pivots.files import write_json
from semantic_pivots.run import Work
from semantic_pivots.scoring.design import Design, parts_of
from semantic_pivots.scoring.model_runner import ModelRunner, ScoreJob

JOB = "score-job.json"


def launch(processes: int, items: Path, words: Path, job: ScoreJob, work: Work) -> None:
    """Score the items with one model in several processes, which accelerate launches, and wait until they end.

    Args:
        processes: number of processes on this machine; on a machine with accelerators, each process has its own.
        items: Parquet file of the items.
        words: Parquet file of the lexicon's words.
        job: the model and the design of the prompts.
        work: the stage's work; each process stores the parts of the result that it computes in its folder.

    Raises:
        InputError: there are fewer accelerators than processes, or a process failed; the message quotes its error.
    """
    from semantic_pivots.models.device import device_count, device_processes

    accelerators, processes = device_count(), device_processes(processes, "score")
    path = work.folder / JOB
    places = {"items": str(items), "words": str(words), "folder": str(work.folder), "out": str(work.out)}
    write_json(path, {**asdict(job), **places})
    command = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", str(processes)]
    command += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    command += ["--cpu"] if not accelerators else ["--multi_gpu"] if processes > 1 else []
    command += ["-m", "semantic_pivots.scoring.score_worker", str(path)]
    process = subprocess.run(command, capture_output=True, text=True)
    for line in process.stderr.splitlines():
        if line.startswith("  warning: "):
            work.warn(line.removeprefix("  warning: "))
    if process.returncode:
        lines = [line for line in process.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if "Error" in line] or lines or ["no message"]
        raise InputError(f"a scoring process failed: {errors[0].strip()}; the parts that were done are kept, run again")


def main(path: Path) -> None:
    """Compute this process's share of the parts of the result."""
    import pyarrow.parquet as pq
    from accelerate import PartialState

    from semantic_pivots.tasks.translation import items_of

    fields = json.loads(path.read_text("utf-8"))
    places = {name: Path(fields.pop(name)) for name in ("items", "words", "folder", "out")}
    job = ScoreJob(**{**fields, "design": Design(**fields["design"])})
    state = PartialState()
    items, words = items_of(pq.read_table(places["items"])), pq.read_table(places["words"])
    work = Work(places["folder"], places["out"])
    runner = ModelRunner(job, work.warn, device=str(state.device))
    for part in parts_of(items, words, job.design)[state.process_index :: state.num_processes]:
        runner.part(part, work)
    state.wait_for_everyone()
    state.destroy_process_group()


if __name__ == "__main__":
    prepare_process()
    main(Path(sys.argv[1]))
