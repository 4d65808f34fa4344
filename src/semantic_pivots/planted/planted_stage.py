"""The stage `planted`: its section of a study and its tables."""

from dataclasses import dataclass
from typing import Annotated, Literal

from semantic_pivots.config import DECIMAL, Count, Form, Number, Positive, Ratio, Share, Stage, TrainedDtype, volatile

World = Literal[
    "base", "long", "knock-out", "hard", "null", "selection", "hub-third", "hub-fourth", "matched", "matched-null"
]
ShapeRate = Annotated[str, Form(rf"(?i)(llama|gpt2|moe|mamba)={DECIMAL}", "ARCHITECTURE=RATE, such as mamba=0.01")]


@dataclass(frozen=True)
class PlantedConfig:
    """Worlds with known ground truth, and small models trained on them from scratch: every measure put to the test."""

    seed: int = 0
    """seed of the first run; the others follow"""
    seeds: Number = 5
    """runs of each world, each with documents and weights of its own"""
    worlds: tuple[World, ...] = ("base", "long", "knock-out", "hard", "null", "selection", "hub-third", "hub-fourth")
    """base (discovery, behaviours, suppression, architectures), long (the same, twice the tokens), knock-out, hard
    (discovery), null, selection, hub-third, hub-fourth; matched and matched-null (link and need, every architecture)"""
    architectures: tuple[Literal["llama", "gpt2", "moe", "mamba"], ...] = ("llama", "gpt2", "moe", "mamba")
    """shapes of the model; base, matched and matched-null are run with each, the other worlds with the first"""
    direct: Count = 300
    """concepts whose words occur together"""
    direct_linked_share: Share = 0.75
    """share of the direct concepts that have pivots too; the others are the labels' clean negatives"""
    bridged: Count = 80
    """concepts whose words never occur together and share their context words, the planted pivots"""
    unrelated: Count = 40
    """concepts whose words share nothing"""
    copied: Count = 20
    """concepts of one spelling"""
    pivots: Count = 2
    """context words of a concept"""
    documents: Number = 30
    """mean documents of a word"""
    null_direct: int = 440
    """concepts of the null world, all of them direct and without pivots; each is asked in both directions"""
    pool: int = 300
    """context words that the concepts of the selection world share; the other worlds' are private"""
    plain_share: Share = 0.75
    """share of a bridged word's running text in the selection world that has none of its pivots"""
    selected_share: Share = 0.25
    """tokens of a selection, as a share of its pool"""
    probed: int = 60
    """concepts of each class that are asked"""
    width: Number = 96
    """width of the model"""
    layers: Number = 3
    """blocks of the model"""
    tokens: Number = 700_000
    """tokens of a training run; long, knock-out and null take twice as many, continued runs a quarter of that"""
    sequence_tokens: Number = 64
    """tokens of one packed sequence"""
    batch_sequences: Number = 8
    """sequences of one optimiser step"""
    learning_rate: Positive = 5e-3
    """peak of the schedule (cosine)"""
    learning_rates: tuple[ShapeRate, ...] = ()
    """ARCHITECTURE=RATE: the peak of shapes that learn at another rate"""
    sinusoids: bool = False
    """whether GPT-2's learned position embeddings begin as sinusoids: small models learn them late from random ones"""
    warmup_share: Share = 0.05
    """share of the steps in which the rate rises to its peak"""
    weight_decay: Ratio = 0.1
    """of AdamW, on matrices"""
    dtype: TrainedDtype = "float32"
    """number format of training"""
    workers: Count = volatile(0)


STAGE = Stage(
    "planted", PlantedConfig, "planted.world_runs:planted_stage", studies="own",
    says="worlds with known ground truth", version=8, view="report.figures_planted:PLANTED",
    work=lambda s, c: len(c.planted.worlds) * c.planted.seeds * c.planted.tokens,
    tables={
        # one row per run (world, architecture, seed) and figure; the summary's n counts seeds; a note says why a figure
        # is missing; the truth's documents are those of each word
        "planted_runs": "world architecture seed:int32 measure group value:float64 note",
        "planted_truth": "world seed:int32 concept_id class source target pivots:[string] documents:int64",
        "planted_summary": "world architecture measure group *figure note",
    },
)  # fmt: skip
