"""Seconds of `import semantic_pivots` in a new process, above those of an empty one.

python -m benchmarks.import_time
"""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks import emit

BAR, REPEATS = 0.2, 5


def seconds(command: str) -> float:
    """Least seconds of a new interpreter that runs a command."""
    least = float("inf")
    for _ in range(REPEATS):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", command], check=True)
        least = min(least, time.perf_counter() - begun)
    return least


if __name__ == "__main__":
    value = seconds("import semantic_pivots") - seconds("pass")
    emit("import semantic_pivots", round(value, 4), "s", BAR, value <= BAR)
