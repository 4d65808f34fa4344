"""`pivots discover`, `pivots graph`, `pivots select`: the corpus stages of a study on any documents, without a study.

Documents are given as files of any format, or as a folder that `pivots corpus make` or a study's stage wrote; their
tokens as such a folder, or as the model whose tokenizer makes them. Each command publishes its steps under `--out` as a
study does, so a stopped command continues and a step that is up to date is not repeated.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from semantic_pivots import grammar
from semantic_pivots.commands.options import READING, with_sections
from semantic_pivots.commands.steps import Steps
from semantic_pivots.corpus.corpus_stage import CorpusConfig
from semantic_pivots.errors import InputError
from semantic_pivots.files import fingerprint, table_files
from semantic_pivots.lexicon.lexicon_stage import LexiconConfig
from semantic_pivots.pivots.discover_stage import DiscoverConfig
from semantic_pivots.pivots.graph_stage import GraphConfig
from semantic_pivots.run import Inputs, Work
from semantic_pivots.selection.select_stage import SelectConfig

Corpus = Annotated[
    str, typer.Option(help="documents of any format, or a folder made by `pivots corpus make`", show_default=False)
]
Out = Annotated[Path, typer.Option(help="folder to write; a stopped command continues in it", show_default=False)]
Tokens = Annotated[str, typer.Option(help="folder made by `pivots corpus tokens` from this corpus", show_default=False)]
Model = Annotated[
    str, typer.Option(help="without --tokens: model whose tokens are counted (hub id, folder, package:NAME)")
]


@with_sections(omit=("measure",), subsets=READING, ranks=True)
def discover(
    corpus: Corpus,
    pairs: Annotated[
        Path,
        typer.Option(
            help="TSV file with word_1, language_1, word_2, language_2, or a file of `pivots benchmark build`",
            show_default=False,
        ),
    ],
    out: Out,
    discover: DiscoverConfig,
    documents: CorpusConfig,
    tokens: Tokens = "",
    model: Model = "",
    measure: Annotated[
        list[str] | None, typer.Option(help=f"{grammar.keys('discover')['measure'].help}; repeat for several")
    ] = None,
) -> None:
    """Find the words that co-occur with both words of each pair; writes OUT/discover/pivots.parquet."""
    import pyarrow as pa

    from semantic_pivots.pivots.discovery import discover_stage
    from semantic_pivots.tables import conform

    if (
        discover.form == "paper" and discover.unit == DiscoverConfig.unit
    ):  # as published, tokens by their smaller surplus
        discover = replace(discover, unit="token")
    default = "min" if discover.form == "paper" else discover.measure
    key = grammar.keys("discover")["measure"]
    configs = [replace(discover, measure=key.convert(name, "--measure")) for name in measure or [default]]
    for config in configs:
        grammar.check(config)
    steps = Steps(out)
    count = steps.benchmark(pairs)
    steps.documents(corpus, documents, tokens, model, discover)

    def stage(_: DiscoverConfig, inputs: Inputs, work: Work) -> dict:
        results = [discover_stage(config, inputs, work) for config in configs]
        pivots = pa.concat_tables([conform("pivots", tables["pivots"]) for tables in results])
        return {"pivots": pivots, "pivot_evidence": results[0]["pivot_evidence"]}

    steps.run("discover", configs[0], stage, measures=[config.measure for config in configs])
    typer.echo(f"{out / 'discover' / 'pivots.parquet'}: pivots of {count:,} pairs")


@with_sections(subsets=READING, ranks=True)
def graph(
    corpus: Corpus,
    out: Out,
    graph: GraphConfig,
    lexicon: LexiconConfig,
    documents: CorpusConfig,
    tokens: Tokens = "",
    model: Model = "",
) -> None:
    """Make the pivot set: units that join words of several languages beyond chance, and how stable it is.

    Writes OUT/graph/pivot_set.parquet and pivot_stability.parquet.
    """
    import pyarrow.parquet as pq

    grammar.check(graph)
    steps = Steps(out)
    steps.lexicon(lexicon)
    steps.documents(corpus, documents, tokens, model, graph)
    manifest = steps.run("graph", graph)
    texts = pq.read_table(out / "graph" / "pivot_set.parquet", columns=["text"])["text"].to_pylist()
    examples = ", ".join(text.strip() for text in texts[:12])
    typer.echo(f"{out / 'graph' / 'pivot_set.parquet'}: {len(texts):,} pivots: {examples}{', ...' * (len(texts) > 12)}")
    overlaps = {name: value for name, value in manifest["notes"].items() if name.startswith("overlap_")}
    if overlaps:
        shares = ", ".join(f"{name.removeprefix('overlap_')} {value:.2f}" for name, value in overlaps.items())
        typer.echo(f"overlap with the sets of samples of the documents: {shares}")


@with_sections(subsets={"corpus": ("max_bad_share",)}, ranks=True)
def select(
    corpus: Corpus,
    pivots: Annotated[
        Path, typer.Option(help="--out of `pivots graph`, or a Parquet file with the column token", show_default=False)
    ],
    out: Out,
    select: SelectConfig,
    lexicon: LexiconConfig,
    documents: CorpusConfig,
    tokens: Tokens = "",
    model: Model = "",
    corpus_columns: Annotated[list[str] | None, typer.Option(help=grammar.keys("corpus")["columns"].help)] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(help="benchmark pairs to guard against: a TSV file, or a file of `pivots benchmark build`"),
    ] = None,
) -> None:
    """Score every document once, then select under a token budget; change the selection and only that is repeated.

    Writes OUT/scores/doc_scores.parquet and OUT/select/selection.parquet (selection, shard, row, doc_id, ...), each a
    folder with a file of each shard.
    """
    import pyarrow.parquet as pq

    from semantic_pivots.corpus.documents import identity
    from semantic_pivots.selection import selections as room
    from semantic_pivots.selection.document_scores import document_scores
    from semantic_pivots.selection.score_files import Scores

    grammar.check(select)
    columns = grammar.keys("corpus")["columns"].convert(corpus_columns or [], "--corpus-columns")
    if (select.exclude_pairs or select.stratify_pairs) and pairs is None:
        raise InputError("--exclude-pairs and --stratify-pairs need --pairs FILE, the benchmark's pairs")
    pivot_set = _pivot_set(pivots)
    steps = Steps(out)
    steps.lexicon(lexicon)
    if pairs is not None:
        steps.benchmark(pairs)
    steps.documents(corpus, replace(documents, columns=columns), tokens, model, select)
    # of the section the scores ask these keys alone: another budget asks for no new scores
    keys = ("dsir_languages", "dsir_units", "words", "forms_path", "engine", "workers")
    target = identity(select.dsir_target) if select.dsir_target else ""

    def scores(config: SelectConfig, inputs: Inputs, work: Work) -> dict:
        _check_pivots(pivot_set, inputs.folder("tokens") / "tokenizer.json")
        stage_folders = {name: inputs.folder(name) for name in inputs.stages()}
        stages = Inputs({**stage_folders, "graph": pivot_set.parent})
        config = replace(config, dsir_target=select.dsir_target)
        return {"doc_scores": document_scores(config, stages, work).source}

    scoring = SelectConfig(**{name: getattr(select, name) for name in keys})
    steps.run("scores", scoring, scores, pivot_set=fingerprint(pivot_set), dsir_target=[select.dsir_target, target])

    def selection(config: SelectConfig, inputs: Inputs, work: Work) -> dict:
        return {
            "selection": room.select(
                config, Scores({part.stem: part for part in table_files(inputs.path("doc_scores"))}), work
            )
        }

    manifest = steps.run("select", select, selection)
    score_files = table_files(out / "scores" / "doc_scores.parquet")
    number = sum(pq.read_metadata(part).num_rows for part in score_files)
    typer.echo(f"{out / 'select' / 'selection.parquet'}: of {number:,} documents")
    for name in select.selections:
        document_count, token_count = (manifest["notes"][f"{name}_{unit}"] for unit in ("documents", "tokens"))
        typer.echo(f"  {name}: {document_count:,} documents, {token_count:,} tokens")


def _pivot_set(place: Path) -> Path:
    """The file pivot_set.parquet of a folder or of `pivots graph`'s --out.

    Raises:
        InputError: there is no pivot set, or it has no column `token`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    places = [place / "pivot_set.parquet", place / "graph" / "pivot_set.parquet", place]
    file = next((path for path in places if path.is_file()), None)
    if file is None:
        raise InputError(f"--pivots {place}: no pivot_set.parquet there; expected the --out of `pivots graph`")
    try:
        names = pq.read_schema(file).names
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"--pivots {file}: not Parquet: {str(error).splitlines()[0]}") from error
    if file.name != "pivot_set.parquet" or "token" not in names:
        raise InputError(f"--pivots {file}: expected a file pivot_set.parquet with the column token")
    return file


def _check_pivots(pivot_set: Path, tokenizer: Path) -> None:
    """Make sure that a pivot set's tokens are ids of the corpus's tokenizer; others' ids would be any of its tokens.

    Raises:
        InputError: they are not.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from semantic_pivots.corpus.vocabulary import read_tokenizer
    from semantic_pivots.pivots.word_contexts import token_texts

    table = pq.read_table(pivot_set)
    if "unit" in table.column_names and set(table["unit"].to_pylist()) == {"word"}:
        return
    if not pa.types.is_integer(table.schema.field("token").type) or table["token"].null_count:
        raise InputError(f"--pivots {pivot_set}: column token is of type {table.schema.field('token').type}, with "
                         f"{table['token'].null_count} nulls; expected the ids of tokens")  # fmt: skip
    texts = token_texts(read_tokenizer(tokenizer))
    all_texts = table["text"].to_pylist() if "text" in table.column_names else [None] * len(table)
    for token, text in zip(table["token"].to_pylist(), all_texts, strict=True):
        if not 0 <= token < len(texts) or text not in (None, texts[token]):
            own_text = repr(texts[token]) if 0 <= token < len(texts) else "none"
            raise InputError(
                f"--pivots {pivot_set}: token {token}{f' ({text!r})' if text else ''} is {own_text} in the corpus's "
                "tokenizer; expected a pivot set made from the same tokens"
            )
