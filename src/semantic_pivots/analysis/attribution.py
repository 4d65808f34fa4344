"""Statistics of attribution: area under the ROC curve and log odds, raw and conditioned; correlations; agreement."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from semantic_pivots.statistics import FEWEST, Interval, student_quantile

_STRATA = 20
_LARGEST_WEIGHT = 50.0
"""a weight per standard deviation that only rows which a covariate separates can ask for"""


def auc(values: np.ndarray, positive: np.ndarray) -> float:
    """The probability that a positive's value exceeds a negative's, ties counted half (Mann–Whitney); NaN if one-sided.

    Args:
        values: (rows,) float.
        positive: (rows,) bool.
    """
    from scipy.stats import rankdata

    n, m = int(positive.sum()), int((~positive).sum())
    if not n or not m:
        return float("nan")
    return float((rankdata(values)[positive].sum() - n * (n + 1) / 2) / (n * m))


def stratified_auc(values: np.ndarray, positive: np.ndarray, strata: np.ndarray) -> float:
    """AUC within strata: the share of concordant pairs among pairs of rows of one stratum, equally weighted."""
    total = weight = 0.0
    for stratum in np.unique(strata):
        rows = strata == stratum
        pairs = float(positive[rows].sum() * (~positive[rows]).sum())
        if pairs:
            total, weight = total + pairs * auc(values[rows], positive[rows]), weight + pairs
    return total / weight if weight else float("nan")


def quantile_strata(values: np.ndarray, count: int) -> np.ndarray:
    """(rows,) int: the quantile group of each row by value, of `count` groups; equal values share a group."""
    edges = np.quantile(values, np.linspace(0, 1, count + 1)[1:-1]) if len(values) else np.zeros(0)
    return np.searchsorted(edges, values, side="right")


def pearson(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's r; NaN where one side does not vary."""
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Spearman's rank correlation, ties at their mean rank."""
    from scipy.stats import rankdata

    return pearson(rankdata(x), rankdata(y))


def partial_correlation(x: np.ndarray, y: np.ndarray, covariates: np.ndarray) -> float:
    """Correlation of the normal scores of x and y after regression on cubics of the covariates' normal scores.

    If it is not zero, any label that compares y with the covariate is associated with x given the covariate, whatever
    mechanism the model uses. The figure therefore shows how far an AUC "given confidence" can depart from 0.5 without a
    mechanism.

    Args:
        x, y: (rows,) float.
        covariates: (rows, k) float.
    """
    from scipy.stats import norm, rankdata

    design = _cubics(covariates)
    scores = norm.ppf(rankdata(np.column_stack([x, y]), axis=0) / (len(x) + 1))
    residuals = scores - design @ np.linalg.lstsq(design, scores, rcond=None)[0]
    return pearson(residuals[:, 0], residuals[:, 1])


def likelihood_strata(positive: np.ndarray, covariates: np.ndarray) -> np.ndarray:
    """(rows,) int: strata of rows with similar predicted probability of the positive label, given the covariates.

    The probability is that of a logistic regression on cubics of the covariates' normal scores. If the label depends on
    a value only through the covariates, both are independent within these strata, and the stratified AUC is 0.5
    (Rosenbaum and Rubin 1983). There are at most 20 strata, of at least ten rows on average; if the regression cannot
    be fitted, there is one.

    Args:
        positive: (rows,) bool.
        covariates: (rows, k) float.
    """
    if positive.all() or not positive.any():
        return np.zeros(len(positive), int)
    propensity = _logistic(_cubics(covariates), positive)
    if propensity is None:
        return np.zeros(len(positive), int)
    return quantile_strata(propensity[0], max(1, min(_STRATA, len(positive) // 10)))


def log_odds(values: np.ndarray, positive: np.ndarray, covariates: np.ndarray, groups: np.ndarray) -> Interval:
    """Logistic regression of the label: the change of its log odds per unit of value, at constant covariates.

    Covariates enter as cubics of their normal scores. The interval is Wald's, with standard errors clustered
    by group (sandwich estimator, Liang and Zeger 1986) and Student's quantile; n counts groups. The value is NaN if one
    label is absent, or if the values separate the labels. With fewer than ten groups there is no interval.

    Args:
        values: (rows,) float.
        positive: (rows,) bool.
        covariates: (rows, k) float.
        groups: (rows,) labels of rows that are not independent.
    """
    codes = np.unique(groups, return_inverse=True)[1] if len(groups) else np.zeros(0, int)
    units = int(codes.max()) + 1 if len(codes) else 0
    empty = Interval(math.nan, math.nan, math.nan, units)
    if positive.all() or not positive.any() or np.ptp(values) == 0:
        return empty
    centre, scale = values.mean(), values.std()
    design = np.column_stack([(values - centre) / scale, _cubics(covariates)])
    fit = _logistic(design, positive)
    if fit is None:
        return empty
    probs, weights, bread = fit
    scores = np.zeros((units, design.shape[1]))
    np.add.at(scores, codes, design * (positive - probs)[:, None])
    value = float(weights[0] / scale)
    if units < FEWEST:
        return Interval(value, math.nan, math.nan, units)
    error = math.sqrt((bread @ scores.T @ scores @ bread)[0, 0] * units / (units - 1)) / scale
    half_width = student_quantile(units - 1) * error
    return Interval(value, value - half_width, value + half_width, units)


def kappa(first: Sequence[str] | np.ndarray, second: Sequence[str] | np.ndarray) -> float:
    """Cohen's kappa (1960) of two labellings of the same rows; NaN if the expected agreement is 1."""
    a, b = np.asarray(first), np.asarray(second)
    if not len(a):
        return float("nan")
    chance = sum(float((a == label).mean() * (b == label).mean()) for label in np.union1d(a, b))
    return float(((a == b).mean() - chance) / (1 - chance)) if chance < 1 else float("nan")


def _logistic(design: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Probabilities (rows,), weights (k,) and their inverse information (k, k) by Newton steps; None: no maximum."""
    weights = np.zeros(design.shape[1])
    for _ in range(30):
        probs = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        bread = np.linalg.pinv((design * (probs * (1 - probs))[:, None]).T @ design)
        step = bread @ (design.T @ (positive - probs))
        weights += step
        if np.abs(step).max() < 1e-8:
            return probs, weights, bread
        if np.abs(weights).max() > _LARGEST_WEIGHT:
            break
    return None


def _cubics(covariates: np.ndarray) -> np.ndarray:
    """(rows, 1 + 3k): one, and the first three powers of each covariate's normal scores (ties share a mean rank)."""
    from scipy.stats import norm, rankdata

    scores = norm.ppf(rankdata(covariates, axis=0) / (len(covariates) + 1))
    return np.column_stack([np.ones(len(covariates)), scores, scores**2, scores**3])
