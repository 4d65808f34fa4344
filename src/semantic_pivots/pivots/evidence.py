"""Evidence that a unit co-occurs with both words of a pair, tested at a stated error rate.

A unit in k of a word's n documents could be there by chance: thrown among all documents at random, it would come into
so many with a binomial probability (at least the exact hypergeometric one). A document catches it by its length: one of
a thousand words holds some of any kind, and says little of each. Both words need evidence, but the larger of the two
probabilities asks more than it must: a rare pivot in one document of each word is strange twice over. The
statistic is the probability that chance does as much on both sides together; documents that hold both words serve both
sides, so chance may use them twice too. Its p-value is Fisher's (the logarithm's null distribution), within the
outcomes that have the unit on both sides at all: a unit that has nothing to do with one of the words gets no credit
from the other alone. Benjamini and Hochberg's step-up then takes all units of the corpus for each pair as tests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np

_OF_WORD = 1 / 3


@dataclass(frozen=True)
class PairCounts:
    """Units that co-occur with both words of a pair, and how many drawn documents of each word have them."""

    units: np.ndarray
    """(n,) int32 vocabulary ids"""
    times: np.ndarray
    """(2, n) int64 documents of each word that hold it"""
    documents_with_both: np.ndarray
    """(n,) int64 of them, documents that hold both words"""
    draw_sizes: tuple[int, int]
    """documents drawn of each word"""
    together: int
    """of them, documents that hold both"""
    frequency: np.ndarray
    """(n,) int64 documents of the corpus that hold each unit"""
    documents: int
    """documents of the corpus"""
    lengths: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """mean units of documents that hold the first word alone, the second alone, and both, over the corpus's mean"""

    def p_values(self) -> np.ndarray:
        """(n,) float64: the probability that chance gives as much evidence of both sides."""
        rates = np.outer(self.lengths, self.frequency / self.documents)
        return _p_values(self.times, np.clip(rates, 1e-300, 1 - 1e-9), *self.draw_sizes, self.together)

    def take(self, rows: np.ndarray) -> PairCounts:
        """Some of the units."""
        of = self.units[rows], self.times[:, rows], self.documents_with_both[rows]
        return PairCounts(*of, self.draw_sizes, self.together, self.frequency[rows], self.documents, self.lengths)


@numba.njit(cache=True)
def _tail(k, n, rate):  # pragma: no cover - compiled
    """P(at least k of n), each with a probability of its own `rate`."""
    if k <= 0:
        return 1.0
    if k > n:
        return 0.0
    chance = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    chance += k * math.log(rate) + (n - k) * math.log1p(-rate)
    term, total, odds = 1.0, 1.0, rate / (1 - rate)
    for i in range(k, n):
        term *= (n - i) / (i + 1) * odds
        total += term
        if term < 1e-12 * total:
            break
    return min(1.0, math.exp(chance) * total)


@numba.njit(cache=True)
def _joint_tail(k, m, n_first, n_second, n_joint, rates):  # pragma: no cover - compiled
    """P(at least k of the first word's documents and at least m of the second's), `n_joint` of them being both's.

    Rates are those of documents with the first word alone, with the second alone, and with both.
    """
    total, left = 0.0, 1.0
    for j in range(min(k, m, n_joint) + 1):
        after = _tail(j + 1, n_joint, rates[2])
        first_tail, second_tail = _tail(k - j, n_first - n_joint, rates[0]), _tail(m - j, n_second - n_joint, rates[1])
        total += (left - after) * first_tail * second_tail
        left = after
        if after < 1e-9 * total:
            return total
    return total + left


@numba.njit(cache=True)
def _p_values(times, rates, n_first, n_second, n_joint):  # pragma: no cover - compiled
    p_values = np.empty(rates.shape[1])
    for i in range(rates.shape[1]):
        tail_of_one = _joint_tail(1, 1, n_first, n_second, n_joint, rates[:, i])
        chance = max(_joint_tail(times[0, i], times[1, i], n_first, n_second, n_joint, rates[:, i]), 1e-300)
        p_values[i] = min(1.0, chance * (1 + math.log(max(tail_of_one / chance, 1.0))))
    return p_values


def q_values(p_values: np.ndarray, tests: int) -> np.ndarray:
    """Benjamini and Hochberg's adjusted p-values of `tests` tests, of which those not given have a p-value of 1."""
    order = np.argsort(p_values, kind="stable")
    steps = p_values[order] * tests / np.arange(1, len(order) + 1)
    corrected_values = np.empty(len(order))
    corrected_values[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    return corrected_values


def tversky(pair_counts: PairCounts, totals: Sequence[int]) -> np.ndarray:
    """(n,) float64 from 0 to 1: Tversky's index of each unit with both words, from numbers of documents.

    If k documents contain the unit and the word, f the unit and n the word, the index is k / (n / 3 + 2 f / 3). With
    the weights 1/2 and 1/2 it would be Dice's coefficient, the base of logDice in lexicography. Neither needs the
    number of documents in the corpus. A unit that occurs in many documents has a low index, and so has a unit that
    shares one document with a frequent word. The weight 2/3 penalises documents that contain the unit without the word
    more than documents that contain the word without the unit. A document with both words counts 1/2 for each word.
    The value is the geometric mean of the two words' indices.

    Args:
        pair_counts: units that co-occur with both words, with their counts in the drawn documents.
        totals: number of documents in the corpus that contain each word.
    """
    total = np.array(totals, np.float64)[:, None]
    draw_sizes = np.maximum(np.array(pair_counts.draw_sizes, np.float64)[:, None], 1)
    common = (pair_counts.times - pair_counts.documents_with_both / 2) * total / draw_sizes
    size = total - pair_counts.together / 2 * total / draw_sizes
    index = common / (_OF_WORD * size + (1 - _OF_WORD) * np.maximum(pair_counts.frequency, 1))
    return np.sqrt(np.prod(np.minimum(index, 1.0), axis=0))


def measures(
    count: np.ndarray, draw_size: int, frequency: np.ndarray, documents: int, totals: int = 0
) -> dict[str, np.ndarray]:
    """Association of units with one word, from counts: all arrays (units,) float64.

    Args:
        count: drawn documents that hold each unit.
        draw_size: documents drawn of those that contain the word.
        frequency: documents of the whole corpus that hold each unit.
        documents: documents of the whole corpus.
        totals: documents that contain the word, where only some were drawn; 0: those drawn.
    """
    inside, outside = count / draw_size, frequency / documents
    outside_count = np.maximum(frequency - count, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        pmi = np.log(inside / outside)
        joint = inside * (totals or draw_size) / documents
        npmi = np.where(count > 0, pmi / -np.log(np.minimum(joint, 1 - 1e-12)), -1.0)
        # Dunning's log-likelihood ratio of the unit inside and outside the drawn documents, signed by direction.
        pooled_share = (count + outside_count) / documents
        ratio = np.zeros(len(count))
        for times, total in ((count, draw_size), (outside_count, documents - draw_size)):
            for part, share in ((times, pooled_share), (total - times, 1 - pooled_share)):
                ratio += np.where(part > 0, 2 * part * np.log(part / np.maximum(total * share, 1e-300)), 0.0)
    return {"min": inside - outside, "pmi": pmi, "npmi": npmi, "llr": np.sign(inside - outside) * ratio}
