"""The lexicon stage: which concepts a study asks about, as one word in each of its languages.

A lexicon is a TSV file with the columns concept_id, pos and one per language; `X.source` and `X.licence` columns, where
present, say where the word of language X comes from. Three lexicons ship: `cldr` (everyday nouns, seven languages, one
picture each), `cldr-wide` (the same in a hundred languages, as far as each goes) and `clwtd-open` (verbs and adjectives
too, joined from dictionaries).
"""

from __future__ import annotations

import shutil
import unicodedata
from importlib import resources
from pathlib import Path

import pyarrow as pa

from semantic_pivots import grammar
from semantic_pivots.errors import InputError, nearest
from semantic_pivots.held_out import half
from semantic_pivots.languages import language
from semantic_pivots.languages import languages as known_languages
from semantic_pivots.lexicon import near_words
from semantic_pivots.lexicon.cells import CellReader
from semantic_pivots.lexicon.lexicon_stage import LexiconConfig
from semantic_pivots.run import Inputs, Work
from semantic_pivots.tables import from_rows
from semantic_pivots.words import normalise

PACKAGE_LEXICONS = {"cldr": ("cldr", "Unicode-3.0"), "cldr-wide": ("cldr", "Unicode-3.0"), "clwtd-open": ("", "")}
"""Lexicons inside the package: source and licence of every word, where the file itself does not say."""


def lexicon_path(source: str) -> Path:
    """The file of a lexicon, shipped or the user's.

    Raises:
        InputError: there is no such lexicon.
    """
    data_file = Path(str(resources.files("semantic_pivots").joinpath(f"data/{source}.tsv")))
    if source in PACKAGE_LEXICONS and data_file.exists():
        return data_file
    path = Path(source)
    if not path.is_file():
        hint = nearest(source, PACKAGE_LEXICONS)
        raise InputError(f"lexicon {source!r}: expected one of {', '.join(PACKAGE_LEXICONS)} or a TSV file{hint}")
    return path


def read_lexicon(path: Path, languages: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of a lexicon, by column; cells of the wanted languages may be empty.

    A cell that holds more than a word (alternatives, notes, an article, invisible characters) gives the word that is
    meant (`cells.word_of`), with a warning.

    Raises:
        InputError: a column is missing or repeated, a row has the wrong number of cells, a concept appears twice,
            or bad UTF-8.
    """
    try:
        # a spreadsheet's mark at the beginning is no part of the first column; NFC, as words are counted and compared
        text = unicodedata.normalize("NFC", path.read_bytes().decode("utf-8").removeprefix("\ufeff"))
        # one kind of line end a file; old spreadsheets write \r alone
        lines = [line.removesuffix("\r") for line in text.split("\n" if "\n" in text else "\r")]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}; expected a UTF-8 TSV file, convert it") from error
    columns = lines[0].split("\t") if lines[0] else []
    duplicates = {column for column in columns if columns.count(column) > 1}
    if duplicates:
        raise InputError(f"{path}: two columns {min(duplicates)}; expected each once")
    missing = [column for column in ("concept_id", "pos", *languages) if column not in columns]
    _check_tabs(path, columns)
    if missing:
        raise InputError(
            f"{path}: no column {', '.join(missing)}; it has {', '.join(columns) or 'none'}: "
            "name the languages it covers in [lexicon] languages, or add the columns"
        )
    rows: dict[str, dict[str, str]] = {}
    reader = CellReader(path)
    for number, line in enumerate(lines[1:], 2):
        cells = line.split("\t")
        if not line.strip():
            continue
        if len(cells) != len(columns):
            raise InputError(f"{path}, line {number}: {len(cells)} cells, expected {len(columns)} (tab-separated)")
        row = dict(zip(columns, cells, strict=True))
        row |= {name: row[name].strip() for name in ("concept_id", "pos")}
        for code in languages:
            row[code] = reader.word(row[code], code, f"line {number}, {code}")
        if not row["concept_id"] or row["concept_id"] in rows:
            raise InputError(f"{path}, line {number}: concept_id {row['concept_id']!r} is empty or not unique")
        rows[row["concept_id"]] = row
    reader.tell()
    return list(rows.values())


def _check_tabs(path: Path, columns: list[str]) -> None:
    if len(columns) == 1 and "," in columns[0]:
        raise InputError(f"{path}: its columns are separated by commas; expected tabs: save it as TSV")


def word_columns(path: Path) -> tuple[str, ...]:
    """The languages of which a lexicon has a column. Raises InputError where commas separate its columns."""
    with path.open(encoding="utf-8-sig") as stream:
        columns = stream.readline().rstrip("\r\n").split("\t")
    _check_tabs(path, columns)
    return tuple(column for column in columns if column in known_languages())


def lexicon_tables(rows: list[dict[str, str]], languages: tuple[str, ...], source: str, licence: str) -> dict:
    """Build the tables `concepts` and `words` from the concepts that have a word in every language of the study."""
    concepts, words = [], []
    for row in rows:
        if not all(row[code].strip() for code in languages):
            continue
        spellings = {normalise(row[code]) for code in languages}
        strata = [f"pos:{row['pos']}"] + (["shared-spelling"] if len(spellings) < len(languages) else [])
        concepts.append({"concept_id": row["concept_id"], "pos": row["pos"], "strata": strata})
        words += [
            {
                "concept_id": row["concept_id"],
                "language": code,
                "word": row[code].strip(),
                "source": row.get(f"{code}.source", source),
                "licence": row.get(f"{code}.licence", licence),
            }
            for code in languages
        ]
    return {"concepts": from_rows("concepts", concepts), "words": from_rows("words", words)}


def words_by_concept(words: pa.Table) -> dict[str, dict[str, str]]:
    """The first word of each concept in each language, by concept and language code, of the table `words`."""
    by_concept: dict[str, dict[str, str]] = {}
    for concept, code, word in zip(*(words[c].to_pylist() for c in ("concept_id", "language", "word")), strict=True):
        by_concept.setdefault(concept, {}).setdefault(code, word)
    return by_concept


def lexicon_stage(config: LexiconConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Concepts that have a word in every language of the study.

    Raises:
        InputError: unknown lexicon or language, a malformed file, or no concept in all the languages.
    """
    grammar.check(config)
    for code in config.languages:
        language(code)
    if not config.languages or len(set(config.languages)) < len(config.languages):
        raise InputError(f"languages = {', '.join(config.languages) or 'none'}: expected each once, and at least one")
    path = lexicon_path(config.source)
    rows = read_lexicon(path, config.languages)
    if near_words.neighbours_path(path).exists():
        # the benchmark draws its distractors from these
        shutil.copyfile(near_words.neighbours_path(path), work.out / near_words.FILE)
    source, licence = PACKAGE_LEXICONS.get(config.source, (Path(config.source).name, "as the file says"))
    tables = lexicon_tables(rows, config.languages, source, licence)
    if config.held_out_share:
        tables["concepts"] = _with_halves(tables["concepts"], config)
    work.note("concepts", tables["concepts"].num_rows)
    if not tables["concepts"].num_rows:
        raise InputError(
            f"lexicon {config.source}: no concept has a word in every one of {', '.join(config.languages)}: "
            "give fewer languages or another lexicon"
        )
    return tables


def _with_halves(concepts: pa.Table, config: LexiconConfig) -> pa.Table:
    rows = concepts.to_pylist()
    for row in rows:
        row["strata"].append(half(row["concept_id"], config.held_out_share, config.seed))
    return from_rows("concepts", rows)
