"""Measured claims: `python -m benchmarks.NAME` prints one JSON line per figure."""

from __future__ import annotations

import json
import resource
from pathlib import Path

from semantic_pivots.caching import prepare_process

prepare_process()


def emit(figure: str, value: float, unit: str, bar: float | None = None, holds: bool | None = None) -> None:
    """Print one figure; `holds` says whether it meets its bar (null where there is none)."""
    print(json.dumps({"figure": figure, "value": value, "unit": unit, "bar": bar, "holds": holds}), flush=True)


class WithoutPandas:
    """Hides pandas, which this package does not need, from imports: pyarrow loads it (50 MB) where it is installed."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        """Refuse pandas, and leave other modules to the next finder."""
        if name == "pandas":
            raise ModuleNotFoundError(name, name=name)


def print_usage() -> None:
    """Print this process's seconds of CPU and peak resident MB (Linux); measure.py imports too much for small ones."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    print(used.ru_utime + used.ru_stime, peak * 1024 / 1e6)
