"""Number of documents with each token: the kernel of discovery and of the graph.

An addition costs one cycle if its counter and its token are in the cache. Four measures keep them there or save work
(`python -m benchmarks.corpus discover graph`). Tokens are numbered by frequency, so frequent counters are next to one
another. Numbers are unsigned, since signed indices would be tested for their sign. The next documents are prefetched
while one is counted. If there are many additions, the counters above zero are listed after them.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

_AHEAD, _FETCHED_LINES = 4, 16


def renumber(tokens: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Number tokens by descending frequency; ties are ordered by id.

    Args:
        tokens: (n,) vocabulary ids below `size`.
        size: size of the vocabulary.

    Returns:
        (m,) int32 vocabulary id of each number, and (n,) numbers: uint16 where they fit, else uint32.
    """
    ids = ids_by_frequency(frequencies(tokens, size))
    number = np.zeros(size, kind_of(len(ids)))
    number[ids] = np.arange(len(ids))
    return ids, number[tokens]


def ids_by_frequency(frequency: np.ndarray) -> np.ndarray:
    """(m,) int32 ids with a frequency above zero, by descending frequency; ties are ordered by id."""
    return np.argsort(-frequency, kind="stable")[: np.count_nonzero(frequency)].astype(np.int32)


def kind_of(size: int) -> type:
    """The unsigned dtype of numbers below `size`."""
    return np.uint16 if size <= 2**16 else np.uint32


@numba.njit(cache=True)
def frequencies(tokens, size):  # pragma: no cover - compiled; np.bincount would copy the tokens to eight bytes each
    """(size,) int64: number of occurrences of each token."""
    counts = np.zeros(size, np.int64)
    for token in tokens:
        counts[token] += 1
    return counts


@numba.njit(cache=True)
def distinct_tokens(tokens, offsets, size):  # pragma: no cover - compiled
    """Each document's distinct tokens in order of appearance: (documents + 1,) int64 offsets, and tokens int32."""
    starts = np.zeros(len(offsets), dtype=np.int64)
    distinct = np.empty(len(tokens), dtype=np.int32)
    last_document = np.full(size, -1, dtype=np.int64)
    count = 0
    for document in range(len(offsets) - 1):
        for i in range(offsets[document], offsets[document + 1]):
            token = tokens[i]
            if last_document[token] != document:
                last_document[token] = document
                distinct[count] = token
                count += 1
        starts[document + 1] = count
    return starts, distinct[:count].copy()


@intrinsic
def _fetch(context: Any, array: Any, index: Any) -> Any:  # pragma: no cover - compiled
    """Bring the cache line of array[index] near; nothing happens where that is not possible."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        line = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [line.type, number, number, number])
        call = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(call, [line, *(ir.Constant(number, value) for value in (0, 3, 1))])  # to read, to keep, data
        return context.get_dummy_value()

    return types.void(array, index), generate


@numba.njit(cache=True, nogil=True)
def add_units(documents, starts, tokens, counts):  # pragma: no cover - compiled
    """Add 1 to the counter of each token of each document; arguments as in `count_units`."""
    line = 64 // tokens.itemsize
    for place in range(len(documents)):
        if place + _AHEAD < len(documents):
            ahead = documents[place + _AHEAD]
            begin = starts[ahead]
            for i in range(begin, min(starts[ahead + 1], begin + _FETCHED_LINES * line), line):
                _fetch(tokens, i)  # type: ignore[call-arg]
        document = documents[place]
        units = tokens[starts[document] : starts[document + 1]]
        even = len(units) - len(units) % 8
        for i in range(0, even, 8):
            counts[units[i]] += 1
            counts[units[i + 1]] += 1
            counts[units[i + 2]] += 1
            counts[units[i + 3]] += 1
            counts[units[i + 4]] += 1
            counts[units[i + 5]] += 1
            counts[units[i + 6]] += 1
            counts[units[i + 7]] += 1
        for i in range(even, len(units)):
            counts[units[i]] += 1


@numba.njit(cache=True, nogil=True)
def list_counted(counts, scratch):  # pragma: no cover - compiled
    """Put the tokens with a count above zero, ascending, first into `scratch`; returns their number."""
    n = 0
    for token in range(len(counts)):
        scratch[n] = token  # overwritten by the next where this one is not held: no branch to foretell
        n += counts[token] > 0
    return n


@numba.njit(cache=True, nogil=True)
def count_units(documents, starts, tokens, counts, scratch):  # pragma: no cover - compiled
    """Count the documents that contain each token, into `counts`; returns the number of tokens with a count above zero.

    Args:
        documents: (d,) indices of documents.
        starts: (n + 1,) int64; document i holds the distinct tokens[starts[i]:starts[i + 1]].
        tokens: unsigned numbers of `renumber`.
        counts: (m,) unsigned, all zero, of the smallest dtype that can represent d.
        scratch: (m,) uint32; when the function returns, its first entries are the tokens with a count above zero.
    """
    updates = 0
    for document in documents:
        updates += starts[document + 1] - starts[document]
    n = 0
    if 8 * updates < len(counts):
        for document in documents:
            for i in range(starts[document], starts[document + 1]):
                token = tokens[i]
                if counts[token] == 0:
                    scratch[n] = token
                    n += 1
                counts[token] += 1
        return n
    add_units(documents, starts, tokens, counts)
    return list_counted(counts, scratch)
