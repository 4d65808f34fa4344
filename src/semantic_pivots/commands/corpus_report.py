"""`pivots corpus report`: one page and a JSON file on a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semantic_pivots import grammar
from semantic_pivots.config import CountConfig
from semantic_pivots.files import Record, fingerprint

if TYPE_CHECKING:
    from semantic_pivots.run import Work


def report(
    corpus: Annotated[Path, typer.Argument(help="folder made by `pivots corpus make` or by a study's corpus stage")],
    out: Annotated[
        Path | None, typer.Option(help="page to write, with a .json beside it; default: report.html in the folder")
    ] = None,
    lexicon: Annotated[str, typer.Option(help="lexicon whose words are looked for: one that ships, or a TSV file")] = (
        "clwtd-open"
    ),
    languages: Annotated[
        str, typer.Option(help="languages of these words; default: up to eight, each in 1 % of the documents")
    ] = "",
    words_as: Annotated[str, typer.Option(help=grammar.keys("count")["words"].help)] = CountConfig.words,
    json: Annotated[bool, typer.Option("--json", help="print the JSON instead of a summary")] = False,
    engine: Annotated[str, typer.Option(help="pool, ray or datatrove")] = "pool",
    workers: Annotated[int, typer.Option(help="processes; 0: one per core")] = 0,
) -> None:
    """Report on a corpus: language mix, duplicates, sources and licences, words reached, what a study can tell."""
    import tempfile

    from semantic_pivots import run
    from semantic_pivots.corpus.survey import shard_paths, survey
    from semantic_pivots.files import write_bytes
    from semantic_pivots.report import corpus_page

    page = out or corpus / "report.html"
    shard_paths(corpus)
    run.check_unaltered(corpus)
    page.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=page.parent) as name:
        work = run.Work(Path(name), Path(name))
        facts = survey(corpus, work, workers, engine)
        facts["prospects"] = _prospects(corpus, facts, lexicon, languages, words_as, work, workers, engine)
        facts["warnings"] = work.warnings
    versions = run.environment()
    facts["made_with"] = {"corpus": fingerprint(corpus / "shards.parquet"), "python": versions["python"]}
    text = _json(facts)
    write_bytes(page.with_suffix(".json"), text.encode())
    write_bytes(page, corpus_page.page(facts, corpus.resolve().name).encode())
    typer.echo(text if json else "\n".join([*corpus_page.summary(facts), f"{page}: the page; its JSON is beside it"]))


def _prospects(
    corpus: Path, facts: Record, lexicon: str, codes_given: str, words_as: str, work: Work, workers: int, engine: str
) -> Record | None:
    """What is counted of the lexicon's words; None where it has fewer than two languages of the corpus."""
    from semantic_pivots.analysis import prospects
    from semantic_pivots.corpus.survey import languages_of, shard_paths
    from semantic_pivots.counting.counts import count_shards
    from semantic_pivots.lexicon.concepts import lexicon_path, read_lexicon, word_columns
    from semantic_pivots.wordforms.table import rule_of

    path = lexicon_path(lexicon)
    codes = tuple(code for code in codes_given.split(",") if code) or languages_of(facts, 0.01, word_columns(path))[:8]
    if len(codes) < 2:
        return None
    rows = read_lexicon(path, codes)
    words, pairs = prospects.lexicon_pairs(rows, codes)
    rule = rule_of(words_as, "", words)
    _, of_words, of_pairs = count_shards(shard_paths(corpus), words, pairs, work, workers, engine, rule=rule)
    rows_of_prospects = prospects.prospects(rows, codes, words, pairs, of_words, of_pairs)
    return {"lexicon": lexicon, "languages": list(codes), "rule": rule.signature(*codes), **rows_of_prospects}


def _json(facts: Record) -> str:
    import json

    return json.dumps(facts, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
