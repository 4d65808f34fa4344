"""Number of units of each document that are in a pivot set: words, each counted once in a document, or tokens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba
import numpy as np
import pyarrow as pa

from semantic_pivots.counting.strings import buffers
from semantic_pivots.counting.units import Splitter
from semantic_pivots.errors import InputError
from semantic_pivots.pivots.word_contexts import splitter_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

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
        """Number of tokens of each document, and of its tokens in the set, repetitions included."""
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


def pivots_of(table: pa.Table, words: Iterable[str], tokenizer: Backend) -> PivotTokens | PivotWords:
    """A pivot set as it is counted in documents; a set without a column `unit` is one of tokens.

    Args:
        table: the table `pivot_set`.
        words: the lexicon beside which documents are cut into words.
        tokenizer: the corpus's.

    Raises:
        InputError: the column `unit` names an unknown unit.
    """
    units = set(table["unit"].to_pylist()) if "unit" in table.column_names else {"token"}
    if units <= {"token"}:
        if table["token"].null_count or table["token"].to_numpy().min(initial=0) < 0:
            raise InputError("pivot_set: a pivot has no token; expected the id of a token in each row")
        tokens = table["token"].to_numpy()
        is_pivot = np.zeros(int(tokens.max(initial=-1)) + 1, np.uint8)
        is_pivot[tokens] = 1
        return PivotTokens(is_pivot)
    if units != {"word"}:
        raise InputError(f"pivot_set: column unit holds {', '.join(sorted(map(str, units)))}; expected word or token")
    texts = table["text"].to_pylist()
    # The pivots are given beside the lexicon that they were discovered with: `pivots select` may have another one.
    splitter = splitter_of(tokenizer, [*texts, *sorted(set(words))])
    split = splitter.split(*buffers(pa.array(texts)))
    pivot_texts = set(texts)
    return PivotWords(splitter, split.keys[[text in pivot_texts for text in split.texts()]])
