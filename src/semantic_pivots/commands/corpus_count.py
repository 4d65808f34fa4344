"""`pivots count`: counts of any words and pairs in any corpus, without a study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from semantic_pivots import grammar
from semantic_pivots.commands.options import READING, with_sections
from semantic_pivots.commands.records import Format, show
from semantic_pivots.corpus.corpus_stage import CorpusConfig
from semantic_pivots.counting.count_stage import CountConfig
from semantic_pivots.errors import InputError, quantity
from semantic_pivots.files import Record, digest, fingerprints
from semantic_pivots.lexicon.cells import is_quoted, plain_cell
from semantic_pivots.run import Inputs, Work, check_outside, warn
from semantic_pivots.stages import STAGES
from semantic_pivots.study import run_stage

Corpus = Annotated[str, typer.Option(help="file or folder of documents (Parquet, JSONL plain/gz/zst, Dolma, text)")]
Out = Annotated[Path, typer.Option(help="folder to write; a stopped command continues in it")]
Pairs = Annotated[
    Path | None,
    typer.Option(help="TSV file with word_1, language_1, word_2, language_2, or a file of `pivots benchmark build`"),
]


@with_sections(subsets=READING, ranks=True)
def count(
    out: Out,
    count: CountConfig,
    documents: CorpusConfig,
    corpus: Corpus = "",
    words: Annotated[Path | None, typer.Option(help="TSV file with the columns word and language")] = None,
    pairs: Pairs = None,
    text_column: Annotated[str, typer.Option(hidden=True, help="the same as --columns text=COLUMN")] = "",
    format: Format = "table",
) -> None:
    """Count the documents that contain each word, and both words of each pair."""
    from semantic_pivots.corpus import documents as readers
    from semantic_pivots.counting import counts as counting
    from semantic_pivots.counting.providers import open_provider
    from semantic_pivots.wordforms import table

    spellings, word_pairs = read_pairs(words, pairs)
    columns = (*documents.columns, *([f"text={text_column}"] if text_column else []))
    local = count.provider == "local"
    if count.window_tokens and not local:
        raise InputError(f"pivots count: --window {count.window_tokens}: expected --provider local")
    if count.window_tokens:  # without a study it says alone that pairs are counted within one
        count = replace(count, unit="window")
    grammar.check(count)
    if local and not corpus:
        raise InputError("pivots count: --corpus is missing; expected a file or folder of documents")
    if local and not readers.is_made(corpus):
        check_outside(out, corpus)
    sizes = readers.list_files(corpus) if local else []
    readers.check_columns(sizes, readers.column_map(columns))

    def stage(config: CountConfig, inputs: Inputs, work: Work) -> dict:
        if not local:
            source = open_provider(config.provider, config.provider_path)
            counts = source.words(spellings), source.pairs(word_pairs)
            return counting.count_tables(spellings, word_pairs, *counts, source.name)
        rows, rule = table.forms_and_rule(config.words, config.forms_path, spellings)
        shards = [(f"{i:06d}", run) for i, run in enumerate(readers.runs(sizes, TOGETHER_BYTES))]
        number, by_word, by_pair = counting.count_shards(
            shards, spellings, word_pairs, work, config.workers, config.engine, columns, config.window_tokens,
            documents.max_bad_share, rule,
        )  # fmt: skip
        if not number:
            raise InputError(f"corpus {corpus}: no document with text was found")
        work.note("documents", number)
        of_words, of_pairs = counting.in_documents(by_word), counting.in_documents(by_pair, config.window_tokens)
        tables = counting.count_tables(spellings, word_pairs, of_words, of_pairs, "local", rule)
        return {**tables, "forms": counting.forms_table(rows)}

    manifest, anew = run_stage(
        STAGES["count"],
        count,
        {},
        out,
        function=stage,
        read=[path for path, _ in sizes],
        requested={"words": digest([list(w) for w in spellings]), "pairs": digest([[*a, *b] for a, b in word_pairs])},
        documents=_identities([path for path, _ in sizes]) or sizes,
        columns=columns,
        max_bad_share=documents.max_bad_share,
    )
    notes = manifest["notes"]
    scope = f" in {quantity(notes['documents'], 'document')}" if "documents" in notes else ""
    suffix = "" if anew else " (up to date)"
    told = f"{quantity(len(spellings), 'word')}, {quantity(len(word_pairs), 'pair')}"
    typer.echo(f"{out}: {told}{scope}{suffix}", err=format != "table")
    if format != "table":
        show(_records(out), format)


def _records(out: Path) -> list[Record]:
    """A record per word and per pair; a word's has no second word."""
    from semantic_pivots.files import read_table

    words = read_table(out / "word_counts.parquet").rename_columns({"word": "word_1", "language": "language_1"})
    pairs = read_table(out / "pair_counts.parquet")
    names = [*_PAIR, "value", "unit", "exact"]
    return [{name: row.get(name) for name in names} for table in (words, pairs) for row in table.to_pylist()]


def _identities(files: list[str]) -> dict[str, str]:
    """The fingerprints of the files that lie on this machine."""
    local = [path for path in files if Path(path).exists()]
    identities = dict(zip(local, fingerprints(list(map(Path, local)), by_sample=True), strict=True))
    first = {identity: path for path, identity in reversed(identities.items())}
    copies = [(path, first[of]) for path, of in identities.items() if first[of] != path and Path(path).stat().st_size]
    if copies:
        path, first_copy = copies[0]
        n_copies = quantity(len(copies), "file")
        warn(f"{n_copies} with the content of another one, whose documents count twice: {path} is {first_copy}")
    return identities


TOGETHER_BYTES = 4 << 20
"""Smaller files are counted by one worker, up to so many bytes: to start a task takes longer than to count one."""
_PAIR = ("word_1", "language_1", "word_2", "language_2")
ITEM = ("source", "source_language", "target", "target_language")


def read_pairs(words: Path | None, pairs: Path | None) -> tuple[list, list]:
    """Words, those of the pairs included, and unordered pairs; sorted and distinct.

    Both come from TSV files with a header; pairs also from the items of a benchmark (.parquet or .jsonl).

    Raises:
        InputError: neither file is given, or one is missing or empty, lacks a column or a word, or holds an unknown
            language.
    """
    from semantic_pivots.languages import language

    if words is None and pairs is None:
        raise InputError("expected --words FILE or --pairs FILE")
    word_pairs, spellings = set(), set()
    if words is not None:
        word_pairs = {(word, code) for word, code in _columns(words, ("word", "language"))}
    if pairs is not None:
        read = of_items if pairs.suffix in (".parquet", ".jsonl") else _columns
        for word_1, code_1, word_2, code_2 in read(pairs, _PAIR if read is _columns else ITEM):
            first, second = sorted([(word_1, code_1), (word_2, code_2)])
            spellings.add((first, second))
    word_pairs |= {word for pair in spellings for word in pair}
    for code in sorted({code for _, code in word_pairs}):
        try:
            language(code)
        except InputError as error:
            raise InputError(f"{' or '.join(str(file) for file in (words, pairs) if file)}: {error}") from None
    return sorted(word_pairs), sorted(spellings)


def _check(path: Path, rows: list[tuple]) -> list[tuple[str, ...]]:
    """The rows without white space around their cells, which would be asked for in the text."""
    if not rows:
        raise InputError(f"{path}: no row below its first line; expected at least one")
    for row in rows:
        if not all(isinstance(cell, str) and plain_cell(cell) for cell in row):
            raise InputError(f"{path}: a row holds {', '.join(map(repr, row))}; expected words and language codes")
    cells = [cell.strip() for row in rows for cell in row]
    if quotations := [cell for cell in cells if is_quoted(cell)]:
        marks = quantity(len(quotations), "word")
        warn(f"{path}: quotation marks are counted as part of {marks}, such as {quotations[0]}")
    return [tuple(cell.strip() for cell in row) for row in rows]


def of_items(path: Path, names: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The named columns of a benchmark's items, in their order.

    Raises:
        InputError: the file holds no items, or one without text in a column.
    """
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if path.suffix == ".parquet":
            rows = pq.read_table(path, columns=list(names)).to_pylist()
        else:
            rows = [json.loads(line) for line in path.read_text("utf-8-sig").split("\n") if line.strip()]
        values = [tuple(row[name] for name in names) for row in rows]
    except (OSError, pa.ArrowInvalid, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: no items of a benchmark ({str(error).splitlines()[0]}); expected {', '.join(names)}, as "
            "`pivots benchmark build` writes them"
        ) from error
    return _check(path, values)


def _columns(path: Path, names: tuple[str, ...]) -> list[tuple[str, ...]]:
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a TSV file with the columns {', '.join(names)}")
    # One row a line and nothing quoted: a quotation mark is a character like any other.
    try:
        lines = path.read_text("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}; expected a TSV file as plain UTF-8 text") from error
    header = lines[0].rstrip("\r").split("\t")
    missing = [name for name in names if name not in header]
    if missing:
        commas = "; its columns are parted by commas, expected tabs" if "," in lines[0] and len(header) == 1 else ""
        message = f"{path}: column {missing[0]!r} is missing from its first line; expected {', '.join(names)}"
        raise InputError(message + commas)
    places, rows = [header.index(name) for name in names], []
    for number, line in enumerate(lines[1:], 2):
        cells = line.rstrip("\r").split("\t")
        if len(cells) == len(header):
            rows.append(tuple(cells[place] for place in places))
        elif line.strip():
            raise InputError(f"{path}: line {number} has {len(cells)} columns; its first line has {len(header)}")
    return _check(path, rows)
