"""The stage `causal`: its section of a study and its table."""

from dataclasses import dataclass

from semantic_pivots.config import Count, Number, OnModel, Stage, volatile


@dataclass(frozen=True)
class CausalConfig(OnModel):
    """Whether an item's pivots lead to its answer (link), and whether they are used (need)."""

    items_per_direction: Count = 10
    """items with pivots drawn from each direction, if possible the same concepts in all directions; 0: all items"""
    pivots: Number = 3
    """number of best pivots of an item that are measured"""
    control_sets: Count = 39
    """sets of other pairs' pivots, matched in frequency and tokens; a p-value of 0.025 needs at least 39"""
    batch: Number = volatile(64)
    """rows of one forward pass"""
    workers: Count = volatile(0)


STAGE = Stage(
    "causal", CausalConfig, "analysis.causal_effects:causal_stage",
    after=("lexicon", "benchmark", "corpus", "discover"), says="link and need of pivots", version=2,
    work=lambda s, c: s.prompts("causal") * c.causal.control_sets,
    tables={
        # log P(answer) in nats; told is what the source word tells of the answer; each effect (nats) is less the mean
        # of its control sets, low and high less the ends of the range that holds 95 % of them, p by permutation among
        # the sets; null: not measured (no control sets, or the model's answer is not the target)
        "causal_effects": "item_id pivots:[string] control_sets:int32 logprob:float64 answered:bool told:float64 link:float64 link_low:float64 link_high:float64 link_p:float64 need:float64 need_low:float64 need_high:float64 need_p:float64 screen:float64 screen_low:float64 screen_high:float64 screen_p:float64",
    },
)  # fmt: skip
