"""Accepted spellings: other ways to write a word that people take for the same word (colour, color)."""

from __future__ import annotations

import functools
from importlib import resources

from semantic_pivots.words import fold


@functools.cache
def _table() -> dict[tuple[str, str], list[tuple[str, str]]]:
    file = resources.files("semantic_pivots").joinpath("data/spellings.tsv")
    if not file.is_file():
        return {}
    table: dict[tuple[str, str], list[tuple[str, str]]] = {}
    header, *lines = file.read_text("utf-8").splitlines()
    for line in lines:
        row = dict(zip(header.split("\t"), line.split("\t"), strict=True))
        table.setdefault((row["language"], fold(row["word"])), []).append((row["form"], row["source"]))
    return table


def spellings_of(code: str) -> dict[str, list[tuple[str, str]]]:
    """Spellings with their sources of each folded word of a language (`data/spellings.tsv`)."""
    return {word: entries for (of, word), entries in _table().items() if of == code}
