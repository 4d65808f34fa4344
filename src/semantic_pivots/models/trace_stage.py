"""The stage `trace`: its section of a study and its table."""

from dataclasses import dataclass
from typing import Annotated

from semantic_pivots.config import Form, Number, OnModel, Stage, volatile

LensName = Annotated[
    str, Form("logit|patchscope|(tuned|jacobian):.+", "logit, patchscope, tuned:FOLDER or jacobian:FOLDER")
]


@dataclass(frozen=True)
class TraceConfig(OnModel):
    """Layer by layer, what the model would answer (METHOD §2)."""

    lenses: tuple[LensName, ...] = ("logit",)
    """logit, tuned:FOLDER, jacobian:FOLDER, or patchscope"""
    top: Number = 10
    """number of top tokens stored per layer"""
    batch_tokens: Number = volatile(4096)
    """tokens of one forward pass"""


STAGE = Stage(
    "trace", TraceConfig, "models.trace:trace_stage", after=("lexicon", "benchmark", "discover"),
    optional=("discover",), says="predictions after every layer", version=3, view="report.figures_trace:TRACE",
    work=lambda s, c: s.prompts("trace") * len(c.trace.lenses),
    tables={
        # one row per item x layer x lens; masses are sums of probability over token sets (null: the item has no
        # pivots); the null is the mass of another item's pivots; those of languages are over tokens that may begin the
        # concept's word in one language alone; off_target_correct: the top token begins it in a further language
        "trace": "item_id lens layer:int32 top_ids:[int32] top_probs:[float32] entropy:float32 mass_source:float32 mass_target:float32 mass_pivot:float32 mass_pivot_null:float32 languages:[string] mass_languages:[float32] top_language off_target_correct:bool",
    },
)  # fmt: skip
