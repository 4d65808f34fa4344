"""`pivots corpus`: fetch or convert a corpus, tokenise it, and write it for other tools, outside a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semantic_pivots.commands import ranks
from semantic_pivots.commands.corpus_report import report

app = typer.Typer(help="Fetch, convert, tokenise and export a corpus.", no_args_is_help=True)
app.command()(report)
Cache = Annotated[str, typer.Option(help="folder for fetched packages and models")]
Workers = Annotated[int, typer.Option(help="processes; 0: one per core")]
Engine = Annotated[str, typer.Option(help="pool, ray or datatrove, whose nodes share the folder to write")]


@app.command()
def make(
    out: Annotated[Path, typer.Argument(help="folder to write: shards/, shards.parquet, skipped.parquet")],
    recipe: Annotated[
        str, typer.Option(help="corpus that ships as packages: everyday, debian-demo, debian-full, debian-large")
    ] = "",
    path: Annotated[str, typer.Option(help="file, folder, or hf:// or s3:// address of documents")] = "",
    languages: Annotated[
        str, typer.Option(help="languages it must have, separated by commas; empty: en,fr,zh,ja of a recipe")
    ] = "",
    columns: Annotated[str, typer.Option(help="renames as role=column, separated by commas")] = "",
    arrangement: Annotated[
        str, typer.Option(help="documents of several languages: rows (as they come), split or joined")
    ] = "rows",
    allow_missing_languages: Annotated[bool, typer.Option(help="go on where a language is missing")] = False,
    identify_language: Annotated[bool, typer.Option(help="identify languages even where a column gives them")] = False,
    max_bad_share: Annotated[float, typer.Option(help="share of unreadable lines above which to stop")] = 0.01,
    cache: Cache = "",
    engine: Engine = "pool",
    workers: Workers = 0,
    rank: ranks.Rank = 0,
    world: ranks.World = 1,
    wait: ranks.Wait = 0,
) -> None:
    """Read documents of any format, or fetch a recipe's, into Parquet shards; a killed run continues."""
    ranks.take_part(out, rank, world, wait)
    from semantic_pivots import run, tables
    from semantic_pivots.config import CorpusConfig, Shared
    from semantic_pivots.corpus import shards
    from semantic_pivots.corpus.documents import identity
    from semantic_pivots.errors import InputError
    from semantic_pivots.languages import language
    from semantic_pivots.study import STAGES

    if path and recipe:
        raise InputError(f"--path {path} and --recipe {recipe} are both given: expected one of them")
    codes = tuple(code for code in languages.split(",") if code) or (() if path else Shared.languages)
    for code in codes:
        language(code)
    renames = tuple(entry for entry in columns.split(",") if entry)
    keys = {"languages": codes, "recipe": recipe, "path": path, "columns": renames}
    keys |= {"arrangement": arrangement, "allow_missing_languages": allow_missing_languages}
    keys |= {"identify_language": identify_language, "max_bad_share": max_bad_share}
    config = CorpusConfig(**keys, cache=cache, engine=engine, workers=workers)  # type: ignore[arg-type]
    key = {**keys, "languages": list(codes), "columns": list(renames)}
    before = run.stamps([path] if path else [])
    files = {path: identity(path)} if path else {}
    manifest = run.publish(
        "corpus",
        {"config": key, "input_files": files, "version": STAGES["corpus"].version},
        out,
        lambda work: shards.corpus_stage(config, run.Inputs({}), work),
        tables.conform,
        [path] if path else [],
        before,
    )
    notes = manifest["notes"]
    typer.echo(f"{out}: {notes['documents']:,} documents, {notes['text_bytes'] / 1e6:,.1f} MB of text")


@app.command()
def tokens(
    corpus: Annotated[Path, typer.Argument(help="folder made by `pivots corpus make` or by a study's corpus stage")],
    out: Annotated[Path, typer.Argument(help="folder to write: tokens/, token_shards.parquet, tokenizer.json")],
    model: Annotated[str, typer.Option(help="hub id, folder or package:NAME whose tokenizer to use")],
    cache: Cache = "",
    engine: Engine = "pool",
    workers: Workers = 0,
    rank: ranks.Rank = 0,
    world: ranks.World = 1,
    wait: ranks.Wait = 0,
) -> None:
    """Tokenise a corpus with a model's tokenizer."""
    ranks.take_part(out, rank, world, wait)
    from semantic_pivots import run, tables
    from semantic_pivots.config import TokensConfig
    from semantic_pivots.errors import InputError
    from semantic_pivots.models.load import tokenizer_identity
    from semantic_pivots.models.tokenise import tokens_stage

    if not (corpus / "shards.parquet").exists():
        raise InputError(f"{corpus} has no shards.parquet: expected a folder made by `pivots corpus make`")
    run.check_unaltered(corpus)
    manifest = run.publish(
        "tokens",
        {"model": model, "tokenizer": tokenizer_identity(model), "corpus": run.fingerprint(corpus / "shards.parquet")},
        out,
        lambda work: tokens_stage(TokensConfig(model, cache, engine, workers), run.Inputs({"corpus": corpus}), work),
        tables.conform,
        [corpus],
    )
    typer.echo(f"{out}: {manifest['notes']['tokens']:,} tokens ({manifest['volatile']['encoder']})")


@app.command()
def export(
    corpus: Annotated[Path, typer.Argument(help="folder made by `pivots corpus make` or by a study's corpus stage")],
    out: Annotated[Path, typer.Argument(help="folder to write, new or empty; a killed export continues")],
    layout: Annotated[
        str,
        typer.Option(help="jsonl, attributes (Dolma's), hub (a data set), olmo, megatron, nanotron, infini-gram"),
    ] = "jsonl",
    tokens: Annotated[
        Path | None, typer.Option(help="folder made by `pivots corpus tokens`, for token layouts")
    ] = None,
    end_token: Annotated[str, typer.Option(help="text of the token written after every document, such as <eos>")] = "",
    selection: Annotated[
        Path | None, typer.Option(help="selection.parquet of `pivots select` or of a study's select stage")
    ] = None,
    name: Annotated[str, typer.Option(help="the selection in it to write")] = "pivot-rich",
    rank: ranks.Rank = 0,
    world: ranks.World = 1,
    wait: ranks.Wait = 0,
) -> None:
    """Write a corpus, or a selection of its documents, for other tools: JSONL.zst, or flat token files to train on."""
    ranks.take_part(out, rank, world, wait)
    from semantic_pivots.corpus.export import Export
    from semantic_pivots.corpus.export import export as write

    manifest = write(Export(corpus, layout, tokens, end_token, selection, name if selection else ""), out)
    typer.echo(f"{out}: {manifest['notes']['shards']} shards, layout {layout}")
