"""What a behaviour goes with: areas under the ROC curve, raw and within strata of confidence, and correlations."""

from __future__ import annotations

import numpy as np


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
    """The same over pairs of rows of one stratum only, every such pair weighing alike."""
    total = weight = 0.0
    for stratum in np.unique(strata):
        rows = strata == stratum
        pairs = float(positive[rows].sum() * (~positive[rows]).sum())
        if pairs:
            total, weight = total + pairs * auc(values[rows], positive[rows]), weight + pairs
    return total / weight if weight else float("nan")


def quantile_strata(values: np.ndarray, count: int) -> np.ndarray:
    """(rows,) int: which of `count` equally large groups by value each row falls into (equal values: one group)."""
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
