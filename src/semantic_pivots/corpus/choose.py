"""The best documents that fill a token budget, without sorting them all.

The order is by score, largest first, ties by a hash of the document's id, then by place. The boundary is found as a
radix selection: the tokens of each value of the next sixteen bits of the sort key are added up, the value that crosses
the budget is kept, and only the few documents that still tie with it are sorted. So the result is that of a whole sort,
to the document, at a few passes over the scores.
"""

from __future__ import annotations

from collections.abc import Mapping

import numba
import numpy as np

from semantic_pivots.corpus.discover import shuffled

_FEW = 1 << 16
"""Documents that are rather sorted than counted again."""
_SIGN = np.uint64(1 << 63)


@numba.njit(cache=True, nogil=True)
def _key(bits):  # pragma: no cover - compiled; ascending keys are descending scores
    return bits if bits & _SIGN else ~(bits | _SIGN)


@numba.njit(cache=True, nogil=True)
def _boundary(bits, hashes, n_tokens, allowed, budget, few):  # pragma: no cover - compiled
    """Key (two words), the bits of it that are settled, and tokens still wanted of the documents that tie with it."""
    high, low = np.uint64(0), np.uint64(0)
    wanted = budget
    for level in range(8):
        shift = np.uint64(48 - 16 * (level % 4))
        filled = np.zeros(1 << 16, dtype=np.int64)
        documents = np.zeros(1 << 16, dtype=np.int64)
        for i in range(len(bits)):
            if not allowed[i]:
                continue
            key = _key(bits[i])
            if level < 4:
                if level > 0 and (key ^ high) >> (shift + np.uint64(16)) != 0:
                    continue
                value = (key >> shift) & np.uint64(0xFFFF)
            else:
                if key != high or (level > 4 and (hashes[i] ^ low) >> (shift + np.uint64(16)) != 0):
                    continue
                value = (hashes[i] >> shift) & np.uint64(0xFFFF)
            filled[value] += n_tokens[i]
            documents[value] += 1
        value = 0
        while value < (1 << 16) - 1 and filled[value] < wanted:
            wanted -= filled[value]
            value += 1
        if level < 4:
            high |= np.uint64(value) << shift
        else:
            low |= np.uint64(value) << shift
        if documents[value] <= few:
            return high, low, (level + 1) * 16, wanted
    return high, low, 128, wanted


@numba.njit(cache=True, nogil=True)
def _split(bits, hashes, allowed, high, low, settled):  # pragma: no cover - compiled
    """Documents before the boundary (uint8 mask), and those whose settled bits are the boundary's (int64)."""
    chosen = np.zeros(len(bits), dtype=np.uint8)
    tied = np.empty(1024, dtype=np.int64)
    n = 0
    for i in range(len(bits)):
        if not allowed[i]:
            continue
        key, other = _key(bits[i]), hashes[i]
        if settled <= 64:
            shift = np.uint64(64 - settled)
            before, same = key >> shift < high >> shift, key >> shift == high >> shift
        else:
            shift = np.uint64(128 - settled)
            before = key < high or (key == high and other >> shift < low >> shift)
            same = key == high and other >> shift == low >> shift
        if before:
            chosen[i] = 1
        elif same:
            if n == len(tied):
                more = np.empty(2 * n, dtype=np.int64)
                more[:n] = tied
                tied = more
            tied[n] = i
            n += 1
    return chosen, tied[:n].copy()


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
    bits = (np.asarray(score, np.float64) + 0.0).view(np.uint64)  # + 0.0: there is one zero
    allowed = np.ones(len(score), np.bool_) if allowed is None else allowed
    if int(allowed.sum()) <= few:
        chosen, tied, wanted = np.zeros(len(score), np.uint8), np.flatnonzero(allowed), budget
    else:
        high, low, settled, wanted = _boundary(bits, hashes, n_tokens, allowed, np.int64(budget), few)
        chosen, tied = _split(bits, hashes, allowed, np.uint64(high), np.uint64(low), settled)
    order = tied[np.lexsort((tied, hashes[tied], -score[tied]))]
    ends = np.cumsum(n_tokens[order], dtype=np.int64)
    chosen[order[: int(np.searchsorted(ends, wanted)) + 1]] = 1
    return np.flatnonzero(chosen)


def choose_by_group(
    score: np.ndarray, hashes: np.ndarray, n_tokens: np.ndarray, group: np.ndarray, budgets: Mapping[int, int]
) -> np.ndarray:
    """The same within each group of documents, (documents,) int, under a budget of its own; ascending."""
    found = [np.zeros(0, np.int64)]
    for number, budget in sorted(budgets.items()):
        found.append(choose(score, hashes, n_tokens, budget, group == number))
    return np.sort(np.concatenate(found))


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
