"""Exceptions for errors that the user can correct."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Something the user gave cannot be used; the command prints one line and exits with code 2.

    The message says what was wrong, in which input (file, row, key), what was expected, and what to do.
    """


class EmptyPivotSetError(InputError):
    """A corpus shows no pivot by the criterion that was asked for."""


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint `; did you mean 'x'?` naming the known value nearest to the given one, or an empty string."""
    matches = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"; did you mean {matches[0]!r}?" if matches else ""


def quantity(number: int, unit: str) -> str:
    """A number and its unit: `1 file`, `2 files`."""
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type if it has none."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
