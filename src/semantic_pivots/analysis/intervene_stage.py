"""The stage `intervene`: its section of a study and its tables."""

from dataclasses import dataclass

from semantic_pivots.config import Count, Number, OnModel, Rule, Share, Stage, volatile


@dataclass(frozen=True)
class InterveneConfig(OnModel):
    """Effect on the answer of suppressing pivots, or of patching in the concept from prompts of other languages."""

    items_per_direction: Count = 20
    """items drawn from each direction; 0: all of them"""
    first: Share = 0.33
    """first layer that is changed, as a share of the model's depth"""
    last: Share = 0.67
    """suppression does not change layers from this share of the depth on"""
    pivots: Number = 10
    """number of best pivots of an item that are suppressed together"""
    batch: Number = volatile(16)
    """rows of one forward pass"""


STAGE = Stage(
    "intervene", InterveneConfig, "analysis.suppression:intervene_stage",
    after=("lexicon", "benchmark", "discover", "behaviour"), studies="some",
    says="effect of suppressing pivots on answers", version=5, view="report.figures_behaviour:INTERVENE",
    work=lambda s, c: s.prompts("intervene"),
    rules=(Rule(("first", "last"), lambda c: c.first < c.last, "expected first to be smaller than last"),),
    tables={
        # log P(answer) in nats without the intervention, and its change; a summary's control is empty for the change
        # itself, else the change less that of the control; a group is "all" or "RULE: LABEL"
        "effects": "item_id intervention before:float64 change:float64",
        "effect_summary": "source_language target_language group intervention control *figure",
    },
)  # fmt: skip
