"""Words of scripts without spaces: a text cut into the words of a dictionary, by the most probable division.

A clause is a run of letters of such scripts. Of all divisions of it into words of the dictionary, the one with the
largest product of the words' probabilities is taken; a character that begins no word is a word of its own, and a run of
katakana that is no series of words may be one. Nothing but the clause and the dictionary decides, so what a word counts
does not depend on which other words are counted. The dictionaries ship in `data/`, with their sources beside them.
"""

from __future__ import annotations

import functools
import gzip
import itertools
import unicodedata
from importlib import resources

from semantic_pivots import words
from semantic_pivots.files import data_cells

LANGUAGES = ("zh", "ja", "th")
UNKNOWN, UNKNOWN_RUN = 22_000, 26_000
"""Costs of a character, and of a run of katakana, that is in no dictionary (1,000 times a negative log probability)."""


@functools.cache
def is_clause(char: str) -> bool:
    """Whether a character is a letter or mark of a script that is written without spaces."""
    return unicodedata.category(char)[0] in "LM" and not words.is_joining(char)


def _is_katakana(char: str) -> bool:
    return "\u30a1" <= char <= "\u30ff" and char != "\u30fb"


@functools.cache
def dictionary_bytes(code: str) -> bytes:
    """The dictionary of a language: lines of word, tabulator, cost (1,000 times the negative log probability)."""
    file = resources.files("semantic_pivots").joinpath(f"data/cutting/{code}.tsv.gz")
    return gzip.decompress(file.read_bytes())


@functools.cache
def _sources() -> dict[str, tuple[str, int]]:
    return {code: (name, int(edges)) for code, name, _, edges in data_cells("cutting/sources.tsv")}


def source(code: str) -> str:
    """Name and version of a language's dictionary."""
    return _sources()[code][0]


def edges_of(code: str) -> int:
    """Distinct beginnings of two characters or more of the words of a language's dictionary."""
    return _sources()[code][1]


def words_of(code: str) -> list[str]:
    """The words of a language's dictionary, sorted."""
    return [line.split("\t")[0] for line in dictionary_bytes(code).decode("utf-8").splitlines()]


@functools.cache
def _dictionary(code: str) -> tuple[dict[str, int], int]:
    lines = dictionary_bytes(code).decode("utf-8").splitlines()
    costs = {word: int(cost) for word, cost in (line.split("\t") for line in lines)}
    return costs, max(map(len, costs))


def cut(clause: str, code: str) -> list[str]:
    """The words of a clause, by the dictionary of a language: the reference of the compiled cutter."""
    costs, longest = _dictionary(code)
    best, back = [0] + [2**30] * len(clause), [0] * (len(clause) + 1)

    def step(begin: int, end: int, cost: int) -> None:
        if best[begin] + cost < best[end]:
            best[end], back[end] = best[begin] + cost, begin

    for begin, char in enumerate(clause):
        katakana = _is_katakana(char)
        if katakana and not (begin and _is_katakana(clause[begin - 1])):
            run = next((k for k in range(begin, len(clause)) if not _is_katakana(clause[k])), len(clause))
            step(begin, run, UNKNOWN_RUN)
        step(begin, begin + 1, 2 * UNKNOWN if katakana else UNKNOWN)
        for end in range(begin + 1, min(len(clause), begin + longest) + 1):
            if (cost := costs.get(clause[begin:end])) is not None:
                step(begin, end, cost)
    edges = [len(clause)]
    while edges[-1]:
        edges.append(back[edges[-1]])
    edges.reverse()
    return [clause[a:b] for a, b in itertools.pairwise(edges)]


def cuts_around(text: str, place: int, code: str) -> set[int]:
    """The cuts of the clause that a place is inside of, as places of the text."""
    begin, end = place, place
    while begin and is_clause(text[begin - 1]):
        begin -= 1
    while end < len(text) and is_clause(text[end]):
        end += 1
    cuts, at = {begin}, begin
    for word in _cut(text[begin:end], code):
        at += len(word)
        cuts.add(at)
    return cuts


@functools.lru_cache(maxsize=4096)
def _cut(clause: str, code: str) -> tuple[str, ...]:
    return tuple(cut(clause, code))
