"""The tables of facts that ship with the package (data/facts, licences beside them)."""

from __future__ import annotations

import functools

from semantic_pivots.files import data_rows


@functools.cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    """The rows of a committed TSV file by column name: facts, antonyms or definitions."""
    return tuple(data_rows(f"facts/{name}.tsv"))
