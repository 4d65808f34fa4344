"""`pivots keys`: the manual of a study file, read off the dataclasses that check it."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import textwrap
from collections.abc import Iterator
from typing import Any

from semantic_pivots import config
from semantic_pivots.errors import InputError, nearest


def manual(section: str = "") -> Iterator[str]:
    """Lines of TOML that set every key of a section, or of all, to its default, with its manual as comments.

    Raises:
        InputError: no section has the name.
    """
    kinds = {field.name: field.default_factory for field in dataclasses.fields(config.StudyConfig)}
    if section and section not in kinds:
        raise InputError(f"unknown section {section!r}: expected one of {', '.join(kinds)}{nearest(section, kinds)}")
    shared = {field.name for field in dataclasses.fields(config.Shared)}
    for name, kind in kinds.items():
        if section in ("", name):
            yield from _section(name, kind, shared if name != "study" else set())
            yield ""


def _section(name: str, kind: Any, shared: set[str]) -> Iterator[str]:
    yield from _comment(inspect.getdoc(kind) or "")
    yield f"[{name}]"
    texts = _field_texts(kind)
    shared_texts = _field_texts(config.Shared)
    for field in dataclasses.fields(kind):
        text = texts.get(field.name) or shared_texts.get(field.name, "")
        if field.name in shared:
            text += " (unset: as in [study])" if text else "unset: as in [study]"
        yield from _comment(text)
        yield f"{field.name} = {_toml(field.default)}"


def _field_texts(kind: Any) -> dict[str, str]:
    """The string that stands under each field of a dataclass, by the field's name."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0].body  # type: ignore[attr-defined]
    texts = {}
    for statement, following in itertools.pairwise(body):
        if isinstance(statement, ast.AnnAssign) and isinstance(following, ast.Expr):
            texts[statement.target.id] = " ".join(ast.literal_eval(following.value).split())  # type: ignore[union-attr]
    return texts


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(" ".join(text.split()), 110)]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)
