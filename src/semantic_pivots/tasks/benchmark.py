"""The stage `benchmark`: items of the study's task, word translation unless `[benchmark] task` names another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from semantic_pivots.config import BenchmarkConfig
from semantic_pivots.tasks.pattern import WORD_TRANSLATION

if TYPE_CHECKING:
    import pyarrow as pa

    from semantic_pivots.run import Inputs, Work


def benchmark_stage(config: BenchmarkConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """The table `items`."""
    if config.task == WORD_TRANSLATION:
        from semantic_pivots.lexicon import benchmark

        return benchmark.benchmark_stage(config, inputs, work)
    from semantic_pivots.tables import from_rows
    from semantic_pivots.tasks import ask

    rows = ask.items(config, inputs.table("words"))
    work.note("items", len(rows))
    return {"items": from_rows("items", rows)}
