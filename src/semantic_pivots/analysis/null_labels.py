"""Labels of a model without any pivots: what a rule and its attribution say where there is nothing to find (METHOD §3).

Every simulated item has a log count of co-occurrence; the final confidence rises with it by a stated slope; the middle
layers are sure of some unrelated token, independently of the count. The labels are those of the package's own rule on
these paths, so whatever departs from one half does so by the rule's construction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from semantic_pivots.analysis.attribution import auc, likelihood_strata, log_odds, stratified_auc
from semantic_pivots.analysis.rules import CO_OCCURRENCE, Path, paper
from semantic_pivots.statistics import Interval, seed_of

SLOPES = (0.0, 0.3, 0.6, 1.0)
RAW = "auc"
_LAYERS = 8


def simulated(log_counts: np.ndarray, slope: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Final confidence and labels of items with these log counts.

    Args:
        log_counts: (items,) float; standardised inside.
        slope: change of the final confidence's logit per standard deviation of the log count.
        seed: of the noise and of the middle layers.

    Returns:
        (items,) float in (0, 1), and (items,) bool: labelled co-occurrence by the published rule.
    """
    rng = np.random.default_rng(seed)
    scaled = (log_counts - log_counts.mean()) / (log_counts.std() or 1.0)
    final = 1 / (1 + np.exp(-(slope * scaled + rng.normal(size=len(scaled)))))
    middle = rng.beta(2, 5, (len(scaled), _LAYERS - 1))
    source, target = frozenset({0}), frozenset({1})
    labels = [
        paper(Path([*range(2, _LAYERS + 1), 1], [*probs, end], source, target)) == CO_OCCURRENCE
        for probs, end in zip(middle.tolist(), final.tolist(), strict=True)
    ]
    return final, np.array(labels)


def table(
    log_counts: np.ndarray, slopes: Sequence[float] = SLOPES, runs: int = 20, seed: int = 0
) -> list[dict[str, Any]]:
    """Every statistic at every slope: its mean over runs, and the interval that holds 95 % of the runs.

    Args:
        log_counts: (items,) float: those of a study, or drawn.
        slopes: of `simulated`.
        runs: simulations of each slope.
        seed: of all of them.

    Returns:
        Rows with slope, statistic, reference (the value where the label owes nothing to the count) and interval.
    """
    rows = []
    for slope in slopes:
        found: dict[str, list[float]] = {}
        for run in range(runs):
            final, labels = simulated(log_counts, slope, seed_of("null", seed, slope, run))
            confidence = np.log(final / (1 - final))[:, None]
            each = np.arange(len(labels))
            for name, value in (
                (RAW, auc(log_counts, labels)),
                ("auc given confidence", stratified_auc(log_counts, labels, likelihood_strata(labels, confidence))),
                ("log odds given confidence", log_odds(log_counts, labels, confidence, each).value),
            ):
                found.setdefault(name, []).append(value)
        for name, values in found.items():
            kept = np.array([v for v in values if not np.isnan(v)])
            low, high = np.quantile(kept, [0.025, 0.975]) if len(kept) else (np.nan, np.nan)
            interval = Interval(float(kept.mean()) if len(kept) else np.nan, float(low), float(high), len(kept))
            reference = 0.0 if name.startswith("log odds") else 0.5
            rows.append({"slope": slope, "statistic": name, "reference": reference, "interval": interval})
    return rows
