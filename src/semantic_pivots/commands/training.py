"""`pivots train`: continue one model on any documents, outside a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    model: Annotated[str, typer.Argument(help="model to continue: hub id, folder, or package:NAME")],
    corpus: Annotated[
        str, typer.Argument(help="file or folder of documents (Parquet, JSONL plain/gz/zst, Dolma, text)")
    ],
    out: Annotated[Path, typer.Argument(help="folder to write; a stopped command continues")],
    tokens: Annotated[int, typer.Option(help="tokens to train on; the documents are read again where they are fewer")],
    sequence_tokens: Annotated[int, typer.Option(help="tokens of one packed sequence")] = 1024,
    batch_sequences: Annotated[int, typer.Option(help="sequences of one optimiser step, over all processes")] = 8,
    micro_batch_sequences: Annotated[int, typer.Option(help="sequences of one forward pass")] = 8,
    learning_rate: Annotated[float, typer.Option(help="peak of the schedule")] = 1e-4,
    schedule: Annotated[str, typer.Option(help="cosine, wsd or constant")] = "cosine",
    dtype: Annotated[str, typer.Option(help="float32, or bfloat16 with float32 master weights")] = "bfloat16",
    seed: Annotated[int, typer.Option(help="order of the documents")] = 0,
    boundaries: Annotated[bool, typer.Option(help="documents of one sequence do not see each other")] = False,
    gradient_checkpointing: Annotated[bool, typer.Option(help="less memory, about a third more time")] = False,
    shard: Annotated[bool, typer.Option(help="share the model out among processes (FSDP)")] = False,
    lora_rank: Annotated[int, typer.Option(help="train adapters of this rank; 0: all weights")] = 0,
    checkpoint_tokens: Annotated[int, typer.Option(help="tokens between checkpoints of a killed run")] = 1_000_000,
    checkpoint_seconds: Annotated[float, typer.Option(help="least seconds between them")] = 60.0,
    deterministic: Annotated[bool, typer.Option(help="equal bits from equal runs on an accelerator; slower")] = False,
    keep_at_tokens: Annotated[
        str, typer.Option(help="token counts at which the model is also written, by commas")
    ] = "",
    columns: Annotated[str, typer.Option(help="renames as role=column, separated by commas")] = "",
    max_bad_share: Annotated[float, typer.Option(help="share of lines without a text above which it stops")] = 0.01,
    cache: Annotated[str, typer.Option(help="folder for converted models")] = "",
) -> None:
    """Continue a causal language model on documents; on many devices: `torchrun -m semantic_pivots.cli train`."""
    from semantic_pivots.config import TrainConfig
    from semantic_pivots.errors import InputError
    from semantic_pivots.training.single import continue_model

    counts = [part.strip() for part in keep_at_tokens.split(",") if part.strip()]
    if not all(part.isdigit() for part in counts):
        raise InputError(f"--keep-at-tokens {keep_at_tokens!r}: expected whole numbers separated by commas")
    if dtype not in ("float32", "bfloat16"):
        raise InputError(f"--dtype {dtype!r}: expected float32 or bfloat16")
    config = TrainConfig(
        model=model,
        seed=seed,
        tokens=tokens,
        sequence_tokens=sequence_tokens,
        batch_sequences=batch_sequences,
        micro_batch_sequences=micro_batch_sequences,
        learning_rate=learning_rate,
        schedule=schedule,
        dtype=dtype,
        checkpoint_tokens=checkpoint_tokens,
        checkpoint_seconds=checkpoint_seconds,
        deterministic=deterministic,
        keep_at_tokens=tuple(int(part) for part in counts),
        document_boundaries=boundaries,
        gradient_checkpointing=gradient_checkpointing,
        shard=shard,
        lora_rank=lora_rank,
        cache=cache,
    )
    renames = tuple(entry for entry in columns.split(",") if entry)
    result = continue_model(config, corpus, out, renames, lambda line: typer.echo(line, err=True), max_bad_share)
    if result:
        typer.echo(f"{out}: {result['tokens']:,} tokens, {result['tokens_per_second']:,.0f} tokens/s")
