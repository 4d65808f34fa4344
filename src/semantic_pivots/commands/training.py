"""`pivots train`: continue one model on any documents, outside a study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from semantic_pivots import grammar
from semantic_pivots.commands.options import READING, with_sections
from semantic_pivots.corpus.corpus_stage import CorpusConfig
from semantic_pivots.training.train_stage import TrainConfig


@with_sections(omit=("model", "tokens", "shape", "seeds", "processes"), subsets=READING)
def train(
    model: Annotated[str, typer.Argument(help="model to continue: hub id, folder, or package:NAME")],
    corpus: Annotated[
        str, typer.Argument(help="file or folder of documents (Parquet, JSONL plain/gz/zst, Dolma, text)")
    ],
    out: Annotated[Path, typer.Option(help="folder to write; a stopped command continues", show_default=False)],
    tokens: Annotated[int, typer.Option(help="tokens to train on; the documents are read again where they are fewer")],
    train: TrainConfig,
    documents: CorpusConfig,
) -> None:
    """Continue a causal language model on documents; on many devices: `torchrun -m semantic_pivots.cli train`."""
    from semantic_pivots.training.continue_model import continue_model

    config = replace(train, model=model, tokens=grammar.keys("train")["tokens"].convert(tokens, "--tokens"))
    result = continue_model(
        config, corpus, out, documents.columns, lambda line: typer.echo(line, err=True), documents.max_bad_share
    )
    if result:
        typer.echo(f"{out}: {result['tokens']:,} tokens, {result['tokens_per_second']:,.0f} tokens/s")
