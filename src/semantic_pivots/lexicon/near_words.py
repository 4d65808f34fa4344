"""Near words that are no translations, from which CLWTD-open's distractors are drawn, and word frequencies.

Computed once, when the lexicon is joined, because a study has neither the dictionaries nor the embedding. A neighbour
of a concept in a language is another concept's word of the same part of speech and of like frequency, in order of
cosine in the embedding. Left out is whatever any dictionary calls a translation of any of the concept's words, shares a
translation with its word (a synonym), contains it or is contained in it, or is nearly the same point (cosine above
0.8: a synonym that the dictionaries missed). The concepts that a dictionary or the cosine excludes in any language are
published too, as alike: no word of theirs completes the distractors of an item that has too few neighbours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from semantic_pivots import embedding
from semantic_pivots.errors import InputError
from semantic_pivots.files import write_tsv
from semantic_pivots.lexicon.distractors import is_variant
from semantic_pivots.lexicon.join import Translations
from semantic_pivots.words import normalise

Row = dict[str, str]
FILE = "neighbours.tsv"
"""Name of the file that the stage `lexicon` publishes."""
ALIKE = "alike"
"""Column of the concepts of the same part of speech that may translate a concept in some language."""
_NEAREST_COSINE = 0.8
_ZIPF_STEPS = (1.0, 1.5, 9.0)


class NearWords(NamedTuple):
    """The content of the file of neighbours."""

    neighbours: dict[tuple[str, str], list[str]]
    """(concept, language) to its near concepts"""
    zipf: dict[tuple[str, str], float]
    """(concept, language) to the Zipf frequency of its word"""
    alike: dict[str, list[str]]
    """concept to those whose words may translate its words"""


def translations_of(table: Translations, row: Row, languages: Sequence[str]) -> set[tuple[str, str]]:
    """(language, normalised word) of every dictionary translation of a concept's words, and of words sharing one."""
    pairs: set[tuple[str, str]] = set()
    for (first, second, pos), edges in table.weights.items():
        word = row.get(first, "")
        if not word or second not in languages or word not in edges:
            continue
        back = table.weights[second, first, pos]
        for neighbour in edges[word]:
            pairs.add((second, normalise(neighbour)))
            pairs.update((first, normalise(synonym)) for synonym in back.get(neighbour, ()))
    return pairs


def neighbours(
    rows: Sequence[Row],
    languages: Sequence[str],
    table: Translations,
    frequency: Callable[[str, str], float],
    embed: Callable[[Sequence[str]], np.ndarray],
    count: int = 12,
) -> list[Row]:
    """For each concept, the concepts alike; by language, its word's Zipf frequency and up to `count` near concepts.

    Args:
        rows: the lexicon.
        languages: languages of the lexicon.
        table: all dictionaries.
        frequency: Zipf frequency of a word of a language.
        embed: (words, width) unit vectors.
        count: number of neighbours stored.
    """
    translations = {row["concept_id"]: translations_of(table, row, languages) for row in rows}
    sharing: dict[str, set[str]] = defaultdict(set)
    concept_of: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for row in rows:
        for code in languages:
            if row[code]:
                sharing[normalise(row[code])].add(row["concept_id"])
                concept_of[row["pos"], code, normalise(row[code])].add(row["concept_id"])
    alike = {
        row["concept_id"]: set().union(
            *(concept_of.get((row["pos"], *word), ()) for word in translations[row["concept_id"]])
        )
        for row in rows
    }
    table_rows: dict[str, Row] = {row["concept_id"]: {"concept_id": row["concept_id"]} for row in rows}
    for code in languages:
        for row in rows:
            table_rows[row["concept_id"]][f"{code}.zipf"] = f"{frequency(row[code], code):.2f}" if row[code] else ""
            table_rows[row["concept_id"]][f"{code}.near"] = ""
        for pos in sorted({row["pos"] for row in rows}):
            # in order of concept_id, which settles ties of cosine
            members = sorted((r for r in rows if r["pos"] == pos and r[code]), key=lambda r: r["concept_id"])
            if not members:
                continue
            # the English words stand for those of a language that the encoder does not know
            vectors = embed([row[code if code in embedding.LANGUAGES else "en"] for row in members])
            # rounded: the last bits of another machine's arithmetic must not reorder words
            cosines = np.round(vectors @ vectors.T, 3)
            zipf = np.array([float(table_rows[row["concept_id"]][f"{code}.zipf"]) for row in members])
            for place, row in enumerate(members):
                words = [row[c] for c in languages if row[c]]
                relatives = set().union(*(sharing[normalise(word)] for word in words))
                is_candidate = _filter(members, code, words, relatives, translations[row["concept_id"]])
                alike[row["concept_id"]].update(
                    members[k]["concept_id"] for k in np.flatnonzero(cosines[place] > _NEAREST_COSINE).tolist()
                )
                nearest = _nearest(members, cosines[place], np.abs(zipf - zipf[place]), is_candidate, count)
                table_rows[row["concept_id"]][f"{code}.near"] = ",".join(nearest)
    for concept, relatives in alike.items():
        table_rows[concept][ALIKE] = ",".join(sorted(relatives - {concept}))
    return list(table_rows.values())


def _filter(
    members: Sequence[Row], code: str, words: Sequence[str], relatives: set[str], translations: set[tuple[str, str]]
) -> Callable[[int], bool]:
    """Whether the word of members[k] is no translation, synonym or variant of a concept with these words."""

    def is_allowed(k: int) -> bool:
        word = members[k][code]
        return (
            members[k]["concept_id"] not in relatives
            and (code, normalise(word)) not in translations
            and not any(is_variant(word, answer) for answer in words)
        )

    return is_allowed


def _nearest(
    members: Sequence[Row], cosine: np.ndarray, gap: np.ndarray, is_candidate: Callable[[int], bool], count: int
) -> list[str]:
    """The first `count` allowed concepts by cosine, of like frequency as far as there are enough."""
    order = np.argsort(-cosine, kind="stable")
    order = order[cosine[order] <= _NEAREST_COSINE]
    words: dict[int, str] = {}
    for step in _ZIPF_STEPS:
        for k in order[gap[order] <= step].tolist():
            if len(words) == count:
                return list(words.values())
            if k not in words and is_candidate(k):
                words[k] = members[k]["concept_id"]
    return list(words.values())


def neighbours_path(lexicon: Path) -> Path:
    """The file of a lexicon's neighbours: `X.neighbours.tsv` beside `X.tsv`."""
    return lexicon.with_name(lexicon.stem + ".neighbours.tsv")


def write(rows: Iterable[Row], languages: Sequence[str], path: Path) -> None:
    """Write the neighbours as TSV, sorted by concept."""
    columns = ["concept_id", ALIKE, *(f"{code}.{field}" for code in languages for field in ("zipf", "near"))]
    write_tsv(path, columns, sorted(rows, key=lambda row: row["concept_id"]))


def read(path: Path) -> NearWords:
    """The neighbours of a lexicon; empty if the file does not exist.

    Raises:
        InputError: a line has another number of cells than the first, a frequency is no number, or concept_id missing.
    """
    words = NearWords({}, {}, {})
    if not path.exists():
        return words
    header, *lines = (line.split("\t") for line in path.read_text("utf-8-sig").rstrip("\n").split("\n"))
    if "concept_id" not in header:
        raise InputError(f"{path}: no column concept_id; expected concept_id, and X.zipf and X.near of each language")
    for number, line in enumerate(lines, 2):
        if len(line) != len(header):
            raise InputError(f"{path}, line {number}: {len(line)} cells, expected {len(header)} (tab-separated)")
        row = dict(zip(header, line, strict=True))
        for column, cell in row.items():
            code, _, field = column.partition(".")
            if column == ALIKE and cell:
                words.alike[row["concept_id"]] = cell.split(",")
            elif field == "near" and cell:
                words.neighbours[row["concept_id"], code] = cell.split(",")
            elif field == "zipf" and cell:
                try:
                    words.zipf[row["concept_id"], code] = float(cell)
                except ValueError as error:
                    raise InputError(f"{path}, line {number}: {column} is {cell!r}, expected a number") from error
    return words
