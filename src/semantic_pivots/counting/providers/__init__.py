"""Where counts come from: the local corpus, an infini-gram index or service, or a file of counts.

Every provider gives the same two columns of numbers and says honestly what they are: their unit, their window, and
for each number whether it is exact. A number that a provider does not have is an error, never a zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from semantic_pivots.errors import InputError, nearest

Word = tuple[str, str]
"""A spelling and its language code."""
Pair = tuple[Word, Word]

REMOTE = ("infini-gram", "infini-gram-http", "file")
"""Providers other than the local corpus."""


@dataclass(frozen=True)
class Counts:
    """Numbers of one kind: values (n,) int64 and exact (n,) bool, with their unit and window.

    `unit` is document (documents that contain), window (documents that contain both within the window) or occurrence
    (places in the text); `window` is a width in the provider's tokens, 0 for the whole document.
    """

    values: np.ndarray
    exact: np.ndarray
    unit: str
    window: int
    approx: np.ndarray | None = None
    """(n,) bool: what an infini-gram index says itself, that it estimated the number; None where nothing is said."""


class Provider(Protocol):
    """Counts of words and of pairs."""

    name: str

    def words(self, words: Sequence[Word]) -> Counts:
        """How often the provider's corpus contains each word."""
        ...

    def pairs(self, pairs: Sequence[Pair]) -> Counts:
        """How often the provider's corpus contains both words of each pair."""
        ...


def open_provider(name: str, path: str) -> Provider:
    """A provider that is not the local corpus.

    Args:
        name: infini-gram (path: an index folder), infini-gram-http (path: index@address, or an index of the public
            service) or file (path: a Parquet or TSV file of counts).
        path: see name.

    Raises:
        InputError: the provider is unknown, or its path cannot be used.
    """
    if name == "file":
        from semantic_pivots.counting.providers.counts_file import CountsFile

        return CountsFile(path)
    if name == "infini-gram":
        from semantic_pivots.counting.providers.infini_gram_index import InfiniGramIndex

        return InfiniGramIndex(path)
    if name == "infini-gram-http":
        from semantic_pivots.counting.providers.infini_gram_http import InfiniGramService

        return InfiniGramService(path)
    names = ("local", *REMOTE)
    raise InputError(f"unknown provider {name!r}: expected one of {', '.join(names)}{nearest(name, names)}")
