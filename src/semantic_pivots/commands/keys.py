"""`pivots keys`: the manual of a study file, read off the dataclasses that check it."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from semantic_pivots import grammar
from semantic_pivots.errors import InputError, nearest

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def manual(section: str = "") -> Iterator[str]:
    """Lines of TOML that set every key of a section, or of all, to its default, with its manual as comments.

    Raises:
        InputError: no section has the name.
    """
    kinds = grammar.sections()
    if section and section not in kinds:
        raise InputError(f"unknown section {section!r}: expected one of {', '.join(kinds)}{nearest(section, kinds)}")
    study_keys = set(grammar.keys("study"))
    for name, kind in kinds.items():
        if section in ("", name):
            yield from _section(name, kind, study_keys if name != "study" else set())
            yield ""


def _section(name: str, kind: type[DataclassInstance], study_keys: set[str]) -> Iterator[str]:
    yield from _comment(inspect.getdoc(kind) or "")
    yield f"[{name}]"
    for key in grammar.keys(name).values():
        text = key.help
        if key.name in study_keys:
            text += " (unset: as in [study])" if text else "unset: as in [study]"
        yield from _comment(text)
        yield f"{key.name} = {grammar.text(key.default)}"


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(" ".join(text.split()), 110)]
