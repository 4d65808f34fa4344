"""`pivots corpus`: fetch or convert a corpus, tokenise it, and write it for other tools, outside a study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from semantic_pivots import grammar
from semantic_pivots.commands.corpus_report import report
from semantic_pivots.commands.options import CorpusFolder, Writer, members_of, with_sections
from semantic_pivots.config import SharedKeys
from semantic_pivots.corpus.corpus_stage import CorpusConfig
from semantic_pivots.errors import InputError
from semantic_pivots.languages import check_languages
from semantic_pivots.models.tokens_stage import TokensConfig
from semantic_pivots.stages import STAGES
from semantic_pivots.study import run_stage

app = typer.Typer(help="Fetch, convert, tokenise and export a corpus.", no_args_is_help=True)
app.command()(report)


@app.command(cls=Writer)
@with_sections(omit=("languages",), ranks=True)
def make(
    out: Annotated[
        Path, typer.Option(help="folder to write: shards/, shards.parquet, skipped.parquet", show_default=False)
    ],
    corpus: CorpusConfig,
    languages: Annotated[
        str, typer.Option(help="languages it must have, separated by commas; empty: en,fr,zh,ja of a recipe")
    ] = "",
) -> None:
    """Read documents of any format, or fetch a recipe's, into Parquet shards; a killed run continues."""
    if corpus.path and corpus.recipe:
        raise InputError(f"--path {corpus.path} and --recipe {corpus.recipe} are both given: expected one of them")
    codes = tuple(members_of(languages)) or (() if corpus.path else SharedKeys.languages)
    check_languages("--languages", codes, least=0)
    manifest, anew = run_stage(STAGES["corpus"], replace(corpus, languages=codes), {}, out)
    notes, suffix = manifest["notes"], "" if anew else " (up to date)"
    typer.echo(f"{out}: {notes['documents']:,} documents, {notes['text_bytes'] / 1e6:,.1f} MB of text{suffix}")


@app.command(cls=Writer)
@with_sections(subsets={"corpus": ("engine", "workers")}, ranks=True)
def dedup(
    corpus: CorpusFolder,
    out: Annotated[
        Path, typer.Option(help="folder to write: shards/, shards.parquet, duplicates.parquet", show_default=False)
    ],
    processes: CorpusConfig,
) -> None:
    """Write a corpus without duplicates: one document of each text (white space ignored) remains."""
    from semantic_pivots.corpus.duplicates import remove_duplicates

    notes = remove_duplicates(corpus, out, processes.workers, processes.engine)["notes"]
    n_removals, documents = notes["removed_documents"], notes["documents"]
    typer.echo(
        f"{out}: {documents:,} documents, {notes['text_bytes'] / 1e6:,.1f} MB of text; {n_removals:,} removed "
        f"({n_removals / (n_removals + documents):.2%}), by source and language in duplicates.parquet"
    )


@app.command(cls=Writer)
@with_sections(omit=("model",), ranks=True)
def tokens(
    corpus: CorpusFolder,
    out: Annotated[
        Path, typer.Option(help="folder to write: tokens/, token_shards.parquet, tokenizer.json", show_default=False)
    ],
    model: Annotated[str, typer.Option(help=grammar.keys("tokens")["model"].help, show_default=False)],
    tokens: TokensConfig,
) -> None:
    """Tokenise a corpus with a model's tokenizer."""
    from semantic_pivots.models.tokenizer_files import tokenizer_identity

    if not (corpus / "shards.parquet").exists():
        raise InputError(f"{corpus} has no shards.parquet: expected a folder made by `pivots corpus make`")
    config, identity = replace(tokens, model=model), tokenizer_identity(model)
    manifest, anew = run_stage(STAGES["tokens"], config, {"corpus": corpus}, out, tokenizer=identity)
    suffix = "" if anew else " (up to date)"
    typer.echo(f"{out}: {manifest['notes']['tokens']:,} tokens ({manifest['volatile']['encoder']}){suffix}")


@app.command(cls=Writer)
@with_sections(ranks=True)
def export(
    corpus: CorpusFolder,
    out: Annotated[
        Path, typer.Option(help="folder to write, new or empty; a killed export continues", show_default=False)
    ],
    layout: Annotated[
        str, typer.Option(help="jsonl, attributes (Dolma's), hub (a data set), olmo, megatron, nanotron, infini-gram")
    ] = "jsonl",
    tokens: Annotated[
        Path | None, typer.Option(help="folder made by `pivots corpus tokens`, for token layouts")
    ] = None,
    end_token: Annotated[str, typer.Option(help="text of the token written after every document, such as <eos>")] = "",
    selection: Annotated[
        Path | None, typer.Option(help="selection.parquet of `pivots select` or of a study's select stage")
    ] = None,
    name: Annotated[str, typer.Option(help="the selection in it to write")] = "pivot-rich",
) -> None:
    """Write a corpus, or a selection of its documents, for other tools: JSONL.zst, or flat token files to train on."""
    from semantic_pivots.corpus.export import Export
    from semantic_pivots.corpus.export import export as write

    manifest = write(Export(corpus, layout, tokens, end_token, selection, name if selection else ""), out)
    typer.echo(f"{out}: {manifest['notes']['shards']} shards, layout {layout}")
