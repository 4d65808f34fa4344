"""`pivots corpus report`: one page and a JSON file on a corpus."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator
from json import dumps, loads
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semantic_pivots.commands.options import CorpusFolder, Rank, Wait, World, members_of, with_sections
from semantic_pivots.counting.count_stage import CountConfig
from semantic_pivots.files import Record, digest, fingerprint
from semantic_pivots.languages import check_languages

if TYPE_CHECKING:
    from semantic_pivots.run import Work


@with_sections(subsets={"count": ("words", "engine", "workers")})
def report(
    corpus: CorpusFolder,
    count: CountConfig,
    out: Annotated[
        Path | None, typer.Option(help="page to write, with a .json beside it; default: report.html in the folder")
    ] = None,
    lexicon: Annotated[str, typer.Option(help="lexicon whose words are looked for: one that ships, or a TSV file")] = (
        "clwtd-open"
    ),
    languages: Annotated[
        str, typer.Option(help="languages of these words; default: up to eight, each in 1 % of the documents")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="print the JSON instead of a summary")] = False,
    rank: Rank = 0,
    world: World = 1,
    wait: Wait = 0,
) -> None:
    """Report on a corpus: language mix, duplicates, sources and licences, words reached, what a study can tell."""
    from semantic_pivots import ranks, run
    from semantic_pivots.corpus.survey import shard_paths, survey
    from semantic_pivots.files import write_bytes
    from semantic_pivots.report import corpus_page

    codes = tuple(members_of(languages))
    check_languages("--languages", codes, least=0)
    page = out or corpus / "report.html"
    ranks.take_part(page, rank, world, wait, sys.argv[1:])
    shard_paths(corpus)
    run.check_unaltered(corpus)
    page.parent.mkdir(parents=True, exist_ok=True)
    key = _key(corpus, lexicon, languages, count.words)
    if not _is_of_other_rank(page, key):
        with contextlib.suppress(ranks.AlreadyPublished), _parts(page.with_name(f".{page.name}.partial"), key) as work:
            facts = survey(corpus, work, count.workers, count.engine)
            facts["prospects"] = _prospects(corpus, facts, lexicon, codes, count, work)
            facts["warnings"] = work.warnings
            made_with = {"corpus": fingerprint(corpus / "shards.parquet"), "key": key}
            facts["made_with"] = made_with | {"python": run.environment()["python"]}
            write_bytes(page, corpus_page.page(facts, corpus.resolve().name).encode())
            write_bytes(
                page.with_suffix(".json"), f"{dumps(facts, ensure_ascii=False, indent=1, allow_nan=False)}\n".encode()
            )
    text = page.with_suffix(".json").read_text("utf-8")
    facts = loads(text)
    typer.echo(text if json else "\n".join([*corpus_page.summary(facts), f"{page}: the page; its JSON is beside it"]))


def _key(corpus: Path, lexicon: str, languages: str, words_as: str) -> str:
    """What the parts of a report depend on."""
    from semantic_pivots.lexicon.concepts import lexicon_path
    from semantic_pivots.wordforms.table import rule_key

    files = [fingerprint(path) for path in (corpus / "shards.parquet", lexicon_path(lexicon))]
    return digest([*files, languages, rule_key(words_as, "")])


def _is_of_other_rank(page: Path, key: str) -> bool:
    from semantic_pivots import ranks

    facts = page.with_suffix(".json")
    return (
        ranks.current() is not None
        and facts.exists()
        and loads(facts.read_text("utf-8"))["made_with"].get("key") == key
    )


@contextlib.contextmanager
def _parts(folder: Path, key: str) -> Iterator[Work]:
    """Work in a folder that a killed report, or its other ranks, continue; it is removed at the block's end."""
    from semantic_pivots import ranks, run

    turn = folder.with_suffix(".turn")
    with run.disk_errors(folder.parent), ranks.in_turn(turn):
        marker, work = folder / "key", folder / "work"
        if not marker.exists() or marker.read_text() != key:
            shutil.rmtree(folder, ignore_errors=True)
            work.mkdir(parents=True)
            marker.write_text(key)
        yield run.Work(work, work)
        shutil.rmtree(folder)
    turn.unlink(missing_ok=True)


def _prospects(
    corpus: Path, facts: Record, lexicon: str, codes: tuple[str, ...], count: CountConfig, work: Work
) -> Record | None:
    """What is counted of the lexicon's words; None where it has fewer than two languages of the corpus."""
    from semantic_pivots.analysis import prospects
    from semantic_pivots.corpus.survey import languages_of, shard_paths
    from semantic_pivots.counting.counts import count_shards
    from semantic_pivots.lexicon.concepts import lexicon_path, read_lexicon, word_columns
    from semantic_pivots.wordforms.table import rule_of

    path = lexicon_path(lexicon)
    codes = codes or languages_of(facts, 0.01, word_columns(path))[:8]
    if len(codes) < 2:
        return None
    rows = read_lexicon(path, codes)
    words, pairs = prospects.lexicon_pairs(rows, codes)
    rule, shards = rule_of(count.words, "", words), shard_paths(corpus)
    _, of_words, of_pairs = count_shards(shards, words, pairs, work, count.workers, count.engine, rule=rule)
    rows_of_prospects = prospects.prospects(rows, codes, words, pairs, of_words, of_pairs)
    return {"lexicon": lexicon, "languages": list(codes), "rule": rule.signature(*codes), **rows_of_prospects}
