"""Measured claims: `python -m benchmarks.NAME` prints one JSON line per figure."""

from __future__ import annotations

import json

from semantic_pivots.caching import prepare_process

prepare_process()


def emit(figure: str, value: float, unit: str, bar: float | None = None, holds: bool | None = None) -> None:
    """Print one figure; `holds` says whether it meets its bar (null where there is none)."""
    print(json.dumps({"figure": figure, "value": value, "unit": unit, "bar": bar, "holds": holds}), flush=True)
