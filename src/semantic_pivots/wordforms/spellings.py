"""Accepted spellings: other ways to write a word that people take for the same word (colour, color)."""

from __future__ import annotations

import functools

from semantic_pivots.files import data_rows
from semantic_pivots.words import fold


@functools.cache
def _table() -> dict[tuple[str, str], list[tuple[str, str]]]:
    table: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in data_rows("spellings.tsv"):
        table.setdefault((row["language"], fold(row["word"])), []).append((row["form"], row["source"]))
    return table


def spellings_of(code: str) -> dict[str, list[tuple[str, str]]]:
    """Spellings with their sources of each folded word of a language (`data/spellings.tsv`)."""
    return {word: entries for (of, word), entries in _table().items() if of == code}
