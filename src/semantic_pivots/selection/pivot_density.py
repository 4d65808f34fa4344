"""Number of units of each document that are in a pivot set: words, each counted once in a document, or tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import pyarrow as pa

from semantic_pivots.counting.match import buffers
from semantic_pivots.counting.units import Splitter
from semantic_pivots.errors import InputError
from semantic_pivots.held_out import visible_words
from semantic_pivots.pivots.word_contexts import splitter_of
from semantic_pivots.run import Inputs

Counts = tuple[np.ndarray, np.ndarray]
"""Units of each document, and those of them that are pivots: (documents,) int32."""


@numba.njit(cache=True, nogil=True)
def _count(tokens, offsets, is_pivot):  # pragma: no cover - compiled
    counts = np.zeros(len(offsets) - 1, dtype=np.int32)
    for document in range(len(counts)):
        n = 0
        for i in range(offsets[document], offsets[document + 1]):
            if np.uint32(tokens[i]) < len(is_pivot):
                n += is_pivot[tokens[i]]
        counts[document] = n
    return counts


@dataclass(frozen=True, eq=False)
class PivotTokens:
    """A set of tokens: a uint8 mask up to its largest id."""

    is_pivot: np.ndarray

    def counts(self, texts: pa.ChunkedArray, tokens: np.ndarray, offsets: np.ndarray) -> Counts:
        """All tokens of each document, and those of the set, each as often as it is there."""
        return np.diff(offsets).astype(np.int32), _count(tokens, offsets, self.is_pivot)


@dataclass(frozen=True, eq=False)
class PivotWords:
    """A set of words: what cuts texts into words, and the hashes of the set's, uint64."""

    splitter: Splitter
    keys: np.ndarray

    def counts(self, texts: pa.ChunkedArray, tokens: np.ndarray, offsets: np.ndarray) -> Counts:
        """The distinct words of each document, and those of the set."""
        units = self.splitter.split(*buffers(texts))
        is_pivot = np.isin(units.keys, self.keys).astype(np.uint8)
        return np.diff(units.starts).astype(np.int32), _count(units.numbers, units.starts, is_pivot)


def pivots_of(inputs: Inputs) -> PivotTokens | PivotWords:
    """The pivot set of a study, as it is counted in documents; a set without a column `unit` is one of tokens.

    Raises:
        InputError: the set is of units that there are not.
    """
    table = inputs.table("pivot_set")
    units = set(table["unit"].to_pylist()) if "unit" in table.column_names else {"token"}
    if units <= {"token"}:
        tokens = table["token"].to_numpy()
        is_pivot = np.zeros(int(tokens.max(initial=-1)) + 1, np.uint8)
        is_pivot[tokens] = 1
        return PivotTokens(is_pivot)
    if units != {"word"}:
        raise InputError(f"pivot_set.parquet: units {', '.join(sorted(map(str, units)))}; expected word or token")
    texts = table["text"].to_pylist()
    # The pivots beside the lexicon that they were found with, which `pivots select` may be given another of.
    lexicon = {row["word"] for row in visible_words(inputs)} if inputs.has("words") else set()
    splitter = splitter_of(inputs, [*texts, *sorted(lexicon)])
    split = splitter.split(*buffers(pa.array(texts)))
    pivot_texts = set(texts)
    return PivotWords(splitter, split.keys[[text in pivot_texts for text in split.texts()]])
