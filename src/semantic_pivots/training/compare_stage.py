"""The stage `compare`: its section of a study and its tables."""

from dataclasses import dataclass
from typing import Literal

from semantic_pivots.config import Count, Dtype, Number, Ratio, Stage, volatile


@dataclass(frozen=True)
class CompareConfig:
    """The benchmark again on the base and on every trained arm, paired."""

    seed: int = 0
    shots: Count = 5
    """translations shown before the question"""
    draws: Number = 2
    """draws of the shots per item"""
    pool: Count = 4
    """draws shared by all items of a direction; 0: independent per item"""
    items_per_direction: Count = 20
    """random items of each direction; 0: all"""
    variant: Literal["paper", "sum", "mean-token", "per-byte", "pmi", "choice", "accuracy"] = "paper"
    """score that the verdict is on: paper, sum, per-byte, mean-token, pmi or choice; the others are given beside it"""
    smallest_gain: Ratio = 0.01
    """gain below which an arm does not help, in the unit of the variant"""
    text_tokens: Number = 256
    """first tokens of each held-out document whose bits per byte are measured"""
    sentences_per_direction: Count = 0
    """sentences of held-out documents that are translated in each direction (chrF); 0: none"""
    behaviours: Literal["", "paper"] = ""
    """rule (paper) whose labels are compared, read with each model's own lens; empty: none"""
    dtype: Dtype = "float32"
    """number format of the weights when scored"""
    resamples: Number = 2000
    """bootstrap resamples of each interval"""
    batch_tokens: Number = volatile(4096)
    """tokens of one forward pass"""
    processes: Number = volatile(1)
    """models that are asked side by side, each by a process of its own: one per accelerator"""
    cache: str = volatile("")


STAGE = Stage(
    "compare", CompareConfig, "training.comparison:compare_stage",
    after=("lexicon", "benchmark", "corpus", "tokens", "discover", "select", "train"),
    says="the trained models against the base", version=7, view="report.figures_training:COMPARE",
    work=lambda s, c: (
        (s.runs() + 1) * s.items(c.compare.items_per_direction) * c.compare.draws * s.parameters("train")
    ),
    tables={
        "comparison": "source_language target_language arm baseline stratum variant *figure verdict",
        # gains over each control, mean of directions: one row per arm, baseline and stratum, and one with an empty
        # baseline that concludes; detectable is a gain seen with 80 % power, needed the times as many concepts and runs
        # that would show the measured one, needed_concepts and needed_runs the times of either alone (infinite: never)
        "verdict": "arm baseline stratum variant *figure runs:int32 detectable:float64 needed:float64 needed_concepts:float64 needed_runs:float64 verdict",
    },
)  # fmt: skip
