"""Association of need with co-occurrence beyond both frequencies: odds per doubled excess, within strata.

The excess of a pair is log2(n12 · N / (n1 · n2)), where n12 documents contain both words, n1 and n2 each word, and N is
the number of all documents. Half a document is added to n12, so that pairs that never co-occur have a value. N is the
same for all pairs and is left out. The odds are those of a logistic regression with one intercept for each stratum of
both frequencies; the regressor is the part of the excess that both frequencies do not predict (`beyond_frequencies`).
The analysis does not condition on the model's confidence. Confidence may mediate the effect of co-occurrence, and the
ease of an item affects it together with the middle layers; either would bias the estimate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from semantic_pivots.analysis.attribution import auc, quantile_strata
from semantic_pivots.statistics import Interval

_BINS = 4
"""of each word's frequency; a stratum is a pair of bins"""
_FEWEST = 10
"""concepts with need, and without, below which no odds are given"""


@dataclass(frozen=True)
class Odds:
    """How the log odds that an item needs its pivots change when the excess co-occurrence of its words doubles.

    It has two controls: a permutation test, and the same odds with the excess of other concepts.
    """

    odds: Interval
    p: float
    """two-sided p-value of the permutation of concepts within bins of frequency"""
    wrong_partners: Interval
    """the same odds with the excess of other concepts of a pair's bin: mean, and the range of 95 %"""
    rows: int
    informative: int
    """rows in strata that contain both labels; the others do not change the estimate"""


def excess(together: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(rows,) log2 of the documents with both words over the product of each word's documents, up to a constant."""
    return np.log2((together + 0.5) / (np.maximum(first, 1) * np.maximum(second, 1)))


def beyond_frequencies(values: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(rows,) residuals of the excess after regression on a cubic surface of both words' log document counts.

    Frequencies vary within a stratum too. If most pairs never co-occur, the excess is almost a decreasing function of
    the product of both frequencies, and a need that depends on frequency alone would be associated with it
    (`tests/analysis/test_excess.py`).
    """
    logs = [np.log1p(documents) for documents in (first, second)]
    a, b = ((x - x.mean()) / (x.std() or 1.0) for x in logs)
    design = np.column_stack([a**i * b**j for i in range(4) for j in range(4 - i)])
    return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]


def frequency_strata(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(rows,) int: the stratum of each row, a pair of quantile bins: one for each word's number of documents."""
    return quantile_strata(first, _BINS) * _BINS + quantile_strata(second, _BINS)


def attainable_auc(values: np.ndarray, positive: np.ndarray) -> float:
    """The largest AUC that these values allow for this number of positive rows; it is below 1 if there are ties."""
    best = np.zeros(len(values), bool)
    best[np.argsort(-values, kind="stable")[: int(positive.sum())]] = True
    return auc(values, best)


def log_odds_in_strata(
    values: np.ndarray, positive: np.ndarray, strata: np.ndarray, groups: np.ndarray
) -> tuple[float, float]:
    """Log odds of the label per unit of value, with one intercept per stratum, and its standard error over groups.

    Strata with only one label carry no information and are left out. The error is the sandwich estimator's (Liang and
    Zeger 1986), with the factor k / (k - 1) for k groups. NaN if no stratum has both labels, or if the values separate
    the labels.
    """
    rows = informative(positive, strata)
    x, y = values[rows], positive[rows].astype(np.float64)
    codes = np.unique(strata[rows], return_inverse=True)[1] if rows.any() else np.zeros(0, int)
    if not len(x) or np.ptp(x - _means(x, codes)[codes]) < 1e-12:
        return math.nan, math.nan
    design = np.column_stack([x - x.mean(), np.eye(int(codes.max()) + 1)[codes]])
    weights = np.zeros(design.shape[1])
    for _ in range(50):
        probs = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        bread = np.linalg.pinv((design * (probs * (1 - probs))[:, None]).T @ design)
        step = bread @ (design.T @ (y - probs))
        weights += np.clip(step, -5, 5)
        if np.abs(step).max() < 1e-9:
            break
    else:
        return math.nan, math.nan
    units = np.unique(groups[rows], return_inverse=True)[1]
    k = int(units.max()) + 1
    scores = np.zeros((k, design.shape[1]))
    np.add.at(scores, units, design * (y - probs)[:, None])
    variance = (bread @ scores.T @ scores @ bread)[0, 0] * k / max(k - 1, 1)
    return float(weights[0]), math.sqrt(variance)


def informative(positive: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """(rows,) bool: whether a row's stratum has both labels."""
    codes = np.unique(strata, return_inverse=True)[1] if len(strata) else np.zeros(0, int)
    shares = _means(positive.astype(np.float64), codes)
    return ((shares > 0) & (shares < 1))[codes]


def odds_of_need(
    values: np.ndarray,
    positive: np.ndarray,
    strata: np.ndarray,
    concepts: np.ndarray,
    rarity: np.ndarray,
    seed: int,
    permutations: int = 499,
) -> Odds | None:
    """Log odds of need per unit of excess, with a permutation p-value and the same odds for wrong partners.

    Args:
        values: (rows,) excess.
        positive: (rows,) whether the pair's need holds.
        strata: (rows,) strata of both frequencies.
        concepts: (rows,) the independent unit of each row.
        rarity: (rows,) a number whose mean over a concept's rows decides its bin; concepts of one bin are exchanged.
        seed: seed of the exchanges.
        permutations: number of exchanges.

    Returns:
        None if fewer than ten concepts have the label, fewer than ten lack it, or no stratum has both labels.
    """
    from scipy.stats import t

    if min(len(set(concepts[positive])), len(set(concepts[~positive]))) < _FEWEST:
        return None
    value, error = log_odds_in_strata(values, positive, strata, concepts)
    if math.isnan(value):
        return None
    rng = np.random.default_rng(seed)
    exchange = _Exchange(values, concepts, rarity)
    statistic = abs(_score(values, positive, strata))
    null = [exchange.draw(rng) for _ in range(permutations)]
    extremes = sum(abs(_score(x, positive, strata)) >= statistic * (1 - 1e-12) for x in null)
    wrong = np.array([log_odds_in_strata(x, positive, strata, concepts)[0] for x in null[:99]])
    wrong = wrong[~np.isnan(wrong)]
    low, high = np.quantile(wrong, [0.025, 0.975]) if len(wrong) else (math.nan, math.nan)
    rows = informative(positive, strata)
    n = len(set(concepts[rows]))
    half_width = float(t.ppf(0.975, n - 1)) * error
    return Odds(
        Interval(value, value - half_width, value + half_width, n),
        (extremes + 1) / (permutations + 1),
        Interval(float(wrong.mean()) if len(wrong) else math.nan, float(low), float(high), n),
        len(values),
        int(rows.sum()),
    )


class _Exchange:
    """Exchanges the values of a concept's rows for those of another concept of its bin, in the order of the rows."""

    def __init__(self, values: np.ndarray, concepts: np.ndarray, rarity: np.ndarray):
        names, self.codes = np.unique(concepts, return_inverse=True)
        self.values = values
        self.rows = [np.flatnonzero(self.codes == k) for k in range(len(names))]
        bins = quantile_strata(_means(rarity, self.codes), _BINS)
        # concepts of equally many rows are exchanged, so that every value finds a place
        keys = [(int(b), len(rows)) for b, rows in zip(bins, self.rows, strict=True)]
        self.members = [np.array([k for k, key in enumerate(keys) if key == value]) for value in sorted(set(keys))]

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """(rows,) values after one exchange."""
        values = self.values.copy()
        for members in self.members:
            for to, source in zip(members, rng.permutation(members), strict=True):
                values[self.rows[to]] = self.values[self.rows[source]]
        return values


def _score(values: np.ndarray, positive: np.ndarray, strata: np.ndarray) -> float:
    """The slope of the log-likelihood at zero: covariance of label and value within strata."""
    codes = np.unique(strata, return_inverse=True)[1]
    label = positive - _means(positive.astype(np.float64), codes)[codes]
    return float(label @ (values - _means(values, codes)[codes]))


def _means(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Mean of each code's values."""
    return np.bincount(codes, values) / np.maximum(np.bincount(codes), 1)
