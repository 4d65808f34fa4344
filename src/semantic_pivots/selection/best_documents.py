"""The best documents that fill a token budget, without sorting them all.

The order is by score, largest first, ties by a hash of the document's id, then by place; a document is taken when it
fits into what is left of the budget (`fill`). The boundary is found as a radix selection: the tokens of each value of
the next sixteen bits of the sort key are added up, the value that crosses the budget is kept, and only the few
documents that still tie with it are sorted. So the result is that of a whole sort, to the document, at a few passes
over the scores.
"""

from __future__ import annotations

import numba
import numpy as np

from semantic_pivots.counting.document_draws import shuffled

_FEW = 1 << 16
"""Documents that are rather sorted than counted again."""
_SIGN = np.uint64(1 << 63)


@numba.njit(cache=True, nogil=True)
def _key(bits):  # pragma: no cover - compiled; ascending keys are descending scores
    bits = np.uint64(0) if bits == _SIGN else bits  # there is one zero
    return bits if bits & _SIGN else ~(bits | _SIGN)


@numba.njit(cache=True, nogil=True)
def _crossing(filled, wanted):  # pragma: no cover - compiled
    """The value at which (values,) tokens, added up, reach what is wanted, and what is wanted of that value."""
    value = 0
    while value < len(filled) - 1 and filled[value] < wanted:
        wanted -= filled[value]
        value += 1
    return value, wanted


@numba.njit(cache=True, nogil=True)
def _first(bits, n_tokens, allowed, wanted):  # pragma: no cover - compiled
    """Split all documents at the first sixteen bits of the key.

    Returns a uint8 mask of those before the boundary, the documents that tie with it, and tokens still wanted of them.
    """
    shift = np.uint64(48)
    filled = np.zeros(1 << 16, dtype=np.int64)
    documents = np.zeros(1 << 16, dtype=np.int64)
    for i in range(len(bits)):
        value = _key(bits[i]) >> shift
        if allowed[i]:
            filled[value] += n_tokens[i]
            documents[value] += 1
    value, wanted = _crossing(filled, wanted)
    chosen = np.empty(len(bits), dtype=np.uint8)
    tied = np.empty(documents[value] + 1, dtype=np.int64)
    n = 0
    boundary = np.uint64(value)
    for i in range(len(bits)):  # without branches: which documents are chosen cannot be predicted
        own = _key(bits[i]) >> shift
        chosen[i] = np.uint8(own < boundary) & np.uint8(allowed[i])
        tied[n] = i
        n += (own == boundary) & (allowed[i] != 0)
    return chosen, tied[:n], wanted


@numba.njit(cache=True, nogil=True)
def _part(word, is_score, shift):  # pragma: no cover - compiled
    return ((_key(word) if is_score else word) >> shift) & np.uint64(0xFFFF)


@numba.njit(cache=True, nogil=True)
def _further(words, are_scores, shift, n_tokens, tied, chosen, wanted):  # pragma: no cover - compiled
    """Split the tied documents at the next sixteen bits of the key of scores, or of hashes; marks those before."""
    filled = np.zeros(1 << 16, dtype=np.int64)
    for i in tied:
        filled[_part(words[i], are_scores, shift)] += n_tokens[i]
    value, wanted = _crossing(filled, wanted)
    boundary = np.uint64(value)
    left = np.empty(len(tied), dtype=np.int64)
    n = 0
    for i in tied:
        own = _part(words[i], are_scores, shift)
        if own < boundary:
            chosen[i] = 1
        elif own == boundary:
            left[n] = i
            n += 1
    return left[:n].copy(), wanted


def choose(
    score: np.ndarray,
    hashes: np.ndarray,
    n_tokens: np.ndarray,
    budget: int,
    allowed: np.ndarray | None = None,
    few: int = _FEW,
) -> np.ndarray:
    """The first documents of the order that hold the budget; the last one crosses it.

    Args:
        score: (documents,) float64, -inf for documents that come last; no NaN.
        hashes: (documents,) uint64.
        n_tokens: (documents,) int32 or int64.
        budget: tokens.
        allowed: (documents,) bool; none: all.
        few: documents that are sorted at once.

    Returns:
        (chosen,) int64 document numbers, ascending; all that are allowed where they hold less than the budget.
    """
    if budget <= 0 or not len(score):
        return np.zeros(0, np.int64)
    bits = np.ascontiguousarray(score, np.float64).view(np.uint64)
    allowed = np.ones(len(score), np.bool_) if allowed is None else allowed
    if int(allowed.sum()) <= few:
        chosen, tied, wanted = np.zeros(len(score), np.uint8), np.flatnonzero(allowed), budget
    else:
        chosen, tied, wanted = _first(bits, n_tokens, allowed, np.int64(budget))
        for words, shifts in ((bits, (32, 16, 0)), (hashes, (48, 32, 16, 0))):
            for shift in shifts:
                if len(tied) > few:
                    step = words, words is bits, np.uint64(shift)
                    tied, wanted = _further(*step, n_tokens, tied, chosen, wanted)
    order = tied[np.lexsort((tied, hashes[tied], -score[tied]))]
    ends = np.cumsum(n_tokens[order], dtype=np.int64)
    chosen[order[: int(np.searchsorted(ends, wanted)) + 1]] = 1
    return np.flatnonzero(chosen)


def fill(
    score: np.ndarray, hashes: np.ndarray, n_tokens: np.ndarray, budget: int, allowed: np.ndarray, few: int = _FEW
) -> np.ndarray:
    """The documents that are taken where, in order, each is taken that fits into what is left of the budget.

    Arguments as those of `choose`; documents without tokens are not taken.

    Returns:
        (chosen,) int64 document numbers, ascending: at most the budget's tokens, and short of it by less than the
        shortest document that is left.
    """
    rows = np.flatnonzero(allowed & (n_tokens > 0) & (n_tokens <= budget))
    taken = []
    while len(rows):
        own = score[rows], hashes[rows], n_tokens[rows]
        head = choose(*own, budget, few=few)
        if own[2][head].sum(dtype=np.int64) > budget:
            head = np.delete(head, np.lexsort((head, own[1][head], -own[0][head]))[-1])
        taken.append(rows[head])
        budget -= int(own[2][head].sum(dtype=np.int64))
        left = own[2] <= budget  # a document that did not fit never will
        left[head] = False
        rows = rows[left]
    return np.sort(np.concatenate([np.zeros(0, np.int64), *taken]))


def gumbel(score: np.ndarray, hashes: np.ndarray, temperature: float, seed: int) -> np.ndarray:
    """Scores with Gumbel noise: the best of them are a sample without replacement (Gumbel top-k).

    A document is drawn with a chance in proportion to exp(score / (temperature x standard deviation of the scores)).
    The noise depends on the seed and the document's hash alone.
    """
    finite = np.isfinite(score)
    deviation = float(score[finite].std()) if finite.any() else 0.0
    uniform = ((shuffled(hashes, seed) >> np.uint64(11)) + 0.5) / 2.0**53
    scaled = score / (temperature * deviation) if deviation else np.where(finite, 0.0, -np.inf)
    return scaled - np.log(-np.log(uniform))
