"""Number of concepts that each unit bridges, observed and expected by chance.

Chance is degree-corrected: words join from a few to thousands of units, and the words of one concept are frequent
together, so a unit meets two well-joined words of one concept more often than two words drawn evenly. Here a unit that
is joined to k words of a language is thought to have met each of them with probability 1 - exp(-s x d), where d is the
number of units that the word joins and s is such that the probabilities add up to k (a configuration model of the
joins, Chung and Lu's, with room for one join per word). The alternative, words permuted within strata of near degree,
has no model to be wrong, but a stratum of n words cannot show less than one bridge in n by chance, and most pivots of
planted worlds have only one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numba
import numpy as np

_ROUNDS, _CLOSE = 100, 1e-3
_DECIMALS = 9
"""Of expectations: a matrix product's last digits depend on how many threads made it."""


class BridgeCounts(NamedTuple):
    """Bridges of each unit: arrays by unit, (size,)."""

    n_bridges: np.ndarray
    """float64 concepts that the unit is joined to in two languages, summed over pairs of languages"""
    expectation: np.ndarray
    """float64 the same by chance"""
    bridges: np.ndarray
    """(size, languages) bool: languages in which it is joined to a word of a concept it bridges"""


def bridge_counts(joins: np.ndarray, languages: Sequence[int], concepts: Sequence[int], size: int) -> BridgeCounts:
    """Count the concepts that each unit bridges.

    Args:
        joins: (joins, 2) int32 or int64 rows of unit and number of a word; each once.
        languages: language of each word, as a number.
        concepts: concept of each word, as a number.
        size: number of units.
    """
    of_language, of_concept = np.asarray(languages, np.int64), np.asarray(concepts, np.int64)
    count = int(of_language.max(initial=-1)) + 1
    total = int(of_concept.max(initial=-1)) + 1
    degrees, n_bridges, bridges, weights = _bridges(joins, of_language, of_concept, size, count, total)
    return BridgeCounts(n_bridges, _expected_bridges(degrees, weights), bridges)


def _expected_bridges(degrees: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(size,) float64 number of bridges that the configuration model expects of each unit.

    Args:
        degrees: (size, languages) int64 concepts whose words each unit is joined to.
        weights: (concepts, languages) int64 units that are joined to each concept's words.
    """
    of_language = []  # number of each unit's degree, and the chances of each degree, (degrees, concepts)
    for degree, weight in zip(degrees.T, weights.T, strict=True):
        values, number, times = np.unique(degree, return_inverse=True, return_counts=True)
        of_language.append((number, join_chances(values, times, weight)))
    expectation = np.zeros(len(degrees))
    for (first, first_chances), (second, second_chances) in combinations(of_language, 2):
        expectation += (first_chances @ second_chances.T)[first, second]
    return expectation.round(_DECIMALS)


def join_chances(degrees: np.ndarray, times: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The probability, under the configuration model, that a unit with a given degree is joined to each word.

    It is 1 - exp(-s x t), with s for the unit's degree and t for the word. Both are chosen so that every unit and every
    word has its observed number of joins in expectation.

    Args:
        degrees: (degrees,) the distinct numbers of joins that units have.
        times: (degrees,) number of units with each degree.
        weights: (words,) number of units joined to each word. Its sum equals that of degrees x times.

    Returns:
        (degrees, words) float64. Each row sums to its degree; each column, summed over all units, to its weight.
    """
    values, word, words = np.unique(weights, return_inverse=True, return_counts=True)
    joins = max(float(weights.sum()), 1.0)
    of_unit, of_word = degrees / np.sqrt(joins), values / np.sqrt(joins)
    for _ in range(_ROUNDS):
        absent = np.exp(-np.outer(of_unit, of_word))
        missing = degrees - (1 - absent) @ words
        of_unit = _step(of_unit, missing / np.maximum((absent * of_word) @ words, 1e-12))
        absent = np.exp(-np.outer(of_unit, of_word))
        lacking = values - times @ (1 - absent)
        of_word = _step(of_word, lacking / np.maximum((times * of_unit) @ absent, 1e-12))
        errors = np.abs(missing / np.maximum(degrees, 1)), np.abs(lacking / np.maximum(values, 1))
        if max(error.max(initial=0) for error in errors) <= _CLOSE:
            break
    return 1 - np.exp(-np.outer(of_unit, of_word[word]))


def _step(scale: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Newton's step, at most to twice or to half of what was there."""
    return np.clip(scale + step, scale / 2, 2 * scale)


@numba.njit(cache=True)
def _bridges(joins, of_language, of_concept, size, count, total):  # pragma: no cover - compiled
    """Of units: concepts joined by language, pairs of languages bridged, languages they are in; then units of words."""
    starts = np.zeros(size + 1, np.int64)
    for i in range(len(joins)):
        starts[joins[i, 0] + 1] += 1
    for unit in range(size):
        starts[unit + 1] += starts[unit]
    ends, words_of = starts[:-1].copy(), np.empty(len(joins), np.int32)
    for i in range(len(joins)):
        unit = joins[i, 0]
        words_of[ends[unit]] = joins[i, 1]
        ends[unit] += 1
    degrees, n_bridges = np.zeros((size, count), np.int64), np.zeros(size)
    bridges = np.zeros((size, count), np.bool_)
    weights = np.zeros((total, count), np.int64)
    is_met = np.zeros((total, count), np.bool_)  # of the unit at hand; false before and after
    for unit in range(size):
        of_unit = words_of[starts[unit] : starts[unit + 1]]
        for word in of_unit:
            code, concept = of_language[word], of_concept[word]
            if not is_met[concept, code]:
                degrees[unit, code] += 1
                weights[concept, code] += 1
                is_met[concept, code] = True
        for word in of_unit:
            concept, codes = of_concept[word], 0
            for code in range(count):
                codes += is_met[concept, code]
            n_bridges[unit] += codes * (codes - 1) // 2
            for code in range(count):
                bridges[unit, code] |= codes > 1 and is_met[concept, code]
                is_met[concept, code] = False
    return degrees, n_bridges, bridges, weights
