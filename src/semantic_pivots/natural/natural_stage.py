"""The stage `natural`: its section of a study and its tables."""

from dataclasses import dataclass
from typing import Annotated, Literal

from semantic_pivots.config import (
    Count,
    Number,
    Positive,
    Range,
    Rate,
    Ratio,
    Rule,
    Share,
    Stage,
    TrainedDtype,
    volatile,
)


@dataclass(frozen=True)
class NaturalConfig:
    """Experiments with small models, trained from scratch on natural text, that test whether pivots cause translation."""

    seed: int = 0
    """decides documents, groups, weights and order"""
    seeds: Number = 1
    """repetitions of each part, each with groups, weights and an order of its own"""
    parts: tuple[Literal["masking", "arrangement", "selection"], ...] = ("masking", "arrangement", "selection")
    """masking (tokens masked in the windows of held-out words), arrangement (which translations stand in one document),
    selection (a quarter of the documents)"""
    pair: tuple[str, ...] = ("en", "fr")
    """the two languages of masking and selection"""
    languages: tuple[str, ...] = ("en", "fr", "zh", "ja")
    """languages of the arrangement; English joins them"""
    sources: tuple[str, ...] = ("tatoeba_ja", "tatoeba_zh")
    """sources of the arrangement: sentences with their translations; empty: all"""
    vocabulary: Annotated[int, Range(1, 50_000)] = 10_000
    """lexicon words and pieces of other words together; ids are of 16 bits"""
    concepts: Number = 600
    """concepts at most, those with the most documents first"""
    fewest_documents: Number = 10
    """pieces of text that hold each word of a concept, at least"""
    dictionary_share: Annotated[float, Range(0, 0.99, above=True)] = 0.05
    """share of the packed tokens that are dictionary documents of the trained concepts"""
    tokens: Number = 2_000_000
    """tokens of one training run, one pass where the corpus has as many"""
    window_tokens: Number = 24
    """tokens before and after a held-out word that are its window"""
    pivots: Number = 50
    """pivots of a held-out pair, at most"""
    pivot_text: Literal["own", "other"] = "own"
    """text in which the masked pivots are searched: the packed text, or as much text of the same sources beside it"""
    false_discovery_rate: Rate = 1.0
    """expected share of pivots that chance put beside both words; 1: no demand, few documents hide no pivot then"""
    spiked_share: Rate = 0.6
    """share of the windows of a spiked concept that get its two private tokens"""
    selected_share: Rate = 0.25
    """share of the documents of each held-out word, and of those without any, that a selection takes"""
    readers: tuple[Literal["counts", "model"], ...] = ("counts", "model")
    """what reads the sequences: counts (similarity of the words' company, in seconds) and a model, which is trained"""
    embeddings: Literal["random", "counts"] = "counts"
    """what a model's embeddings begin as: noise, or singular vectors of the associations in its own sequences"""
    width: Number = 128
    """width of the model"""
    layers: Number = 3
    """blocks of the model"""
    sequence_tokens: Annotated[int, Range(2, 256)] = 64
    """tokens of one packed sequence"""
    batch_sequences: Number = 16
    """sequences of one optimiser step"""
    learning_rate: Positive = 3e-3
    """peak of the schedule (cosine)"""
    embedding_rate: Positive = 0.1
    """share of the rate at which input embeddings learn; unless it is 1, they have no decay and a beta2 of 0.999"""
    warmup_share: Share = 0.05
    """share of the steps in which the rate rises to its peak"""
    weight_decay: Ratio = 0.1
    """of AdamW, on matrices"""
    dtype: TrainedDtype = "bfloat16"
    """number format of training; bfloat16 keeps float32 master weights"""
    checkpoint_tokens: Number = 200_000
    """tokens between checkpoints that a killed run continues from"""
    device: str = volatile("cpu")
    """where models are trained: cpu, auto (the accelerator where there is one) or a device of torch"""
    workers: Count = volatile(0)
    """processes, one model and one core each; 0: one per core"""


STAGE = Stage(
    "natural", NaturalConfig, "natural.arm_runs:natural_stage", after=("lexicon", "corpus"), studies="own",
    says="do pivots carry words across languages in natural text", version=6, view="report.figures_natural:NATURAL",
    work=lambda s, c: len(c.natural.parts) * c.natural.seeds * c.natural.tokens,
    rules=(
        Rule(("readers",), lambda c: bool(c.readers), "expected counts, model or both"),
        Rule(("pair",), lambda c: len(set(c.pair)) == len(c.pair) == 2, "expected two languages"),
    ),
    tables={
        # one row per model, concept and direction; arm is the model of the Latin square, the arrangement or the
        # selection; condition is empty outside masking; logprob, specificity in nats; chosen: the share of ten that is
        # right (ties count by parts); masked: tokens of the concept's windows that were changed
        "natural_concepts": "part seed:int32 arm concept_id half source_language target_language condition cluster:int32 pivots:int32 windows_source:int64 windows_target:int64 masked:int64 logprob:float64 specificity:float64 chosen:float64 rank:float64 rank_by_counts:float64 link:float64 need:float64",
        # what each model was trained on: tokens, shares, loss
        "natural_models": "part seed:int32 arm figure value:float64",
        # n counts clusters of concepts; detectable is an effect seen with 80 % power; a conclusion has no value
        "natural_summary": "part measure group *figure p_value:float64 detectable:float64 conclusion",
    },
)  # fmt: skip
