"""The tables of facts that ship with the package (data/facts, licences beside them)."""

from __future__ import annotations

import functools
from importlib import resources


@functools.cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    """The rows of a committed TSV file by column name: facts, antonyms or definitions."""
    text = resources.files("semantic_pivots").joinpath(f"data/facts/{name}.tsv").read_text("utf-8")
    header, *lines = text.splitlines()
    return tuple(dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines)
