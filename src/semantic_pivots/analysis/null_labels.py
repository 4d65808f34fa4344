"""Simulated items with a known mechanism: labels, and what conditioning on confidence does to attribution (METHOD §3).

Every simulated item has numbers of documents with both words and with each word, a final confidence, middle layers with
some confidence in an unrelated token, and a need of pivots, as an intervention would measure it. The package's own rule
labels these paths. There are three worlds, in which effects have the size `slope`, the change of a logit per standard
deviation:

    frequency   The final confidence rises with the log count, middle layers do not depend on it, and need falls with
                the frequency of both words. There is no mechanism: every statistic should be at its null value.
    ease        An item's ease raises middle and final confidence and lowers need; the count raises the final
                confidence. There is no mechanism either. But among items with equal final confidence, frequent pairs
                are hard ones with low middle confidence: conditioning on a common effect (a collider) creates an
                association.
    path        Co-occurrence beyond chance makes a direct path: need falls with the excess, and a direct path raises
                the final confidence. The mechanism works through confidence, and conditioning on it hides the effect.

The odds of need per doubled excess, log2(n12 / (n1 n2)), given both frequencies, do not depend on confidence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semantic_pivots.analysis.attribution import auc, likelihood_strata, log_odds, partial_correlation, stratified_auc
from semantic_pivots.analysis.rules import CO_OCCURRENCE, Path, paper
from semantic_pivots.files import Record
from semantic_pivots.statistics import Interval, seed_of

SLOPES = (0.0, 0.3, 0.6, 1.0)
FREQUENCY, EASE, PATH = "frequency", "ease", "path"
WORLDS = (FREQUENCY, EASE, PATH)
RAW_AUC, CONDITIONAL_AUC = "auc", "auc given confidence"
COLLIDER = "r of count and middle confidence given confidence"
NEED = "log odds of need per doubled excess given frequencies"
REFERENCES = {RAW_AUC: 0.5, CONDITIONAL_AUC: 0.5, "log odds given confidence": 0.0, COLLIDER: 0.0, NEED: 0.0}
"""The value of each statistic if there is no mechanism."""
_LAYERS = 8


@dataclass(frozen=True)
class Documents:
    """Numbers of documents with both words of each item, with the first, and with the second: (items,) float each."""

    together: np.ndarray
    first: np.ndarray
    second: np.ndarray

    def excess(self) -> np.ndarray:
        """(items,) log2 of documents with both words over the product of each word's documents, up to a constant."""
        return np.log2((self.together + 0.5) / (np.maximum(self.first, 1) * np.maximum(self.second, 1)))

    def frequencies(self) -> np.ndarray:
        """(items, 2) log documents with each word."""
        return np.log1p(np.column_stack([self.first, self.second]))


@dataclass(frozen=True)
class Simulation:
    """One simulation: (items,) final and largest middle confidence in (0, 1), label "co-occurrence", and need."""

    final: np.ndarray
    middle: np.ndarray
    label: np.ndarray
    need: np.ndarray


def drawn_documents(items: int, seed: int) -> Documents:
    """Random document counts of word pairs, with log-normal frequencies; a quarter of the pairs never co-occur."""
    rng = np.random.default_rng(seed)
    first, second = (np.exp(rng.normal(6, 1.2, items)) for _ in range(2))
    together = rng.poisson(first * second / 50_000 * 2 ** rng.normal(0, 1.5, items))
    return Documents(together.astype(float), np.round(first) + together, np.round(second) + together)


def simulate(world: str, documents: Documents, slope: float, seed: int) -> Simulation:
    """Simulate the items of one world.

    Args:
        world: one of WORLDS.
        documents: numbers of documents of each item.
        slope: change of a logit per standard deviation of the variable that affects it.
        seed: seed of all random numbers.
    """
    rng = np.random.default_rng(seed)
    n = len(documents.together)
    count = _zscore(np.log1p(documents.together))
    ease = slope * rng.normal(size=n) if world == EASE else np.zeros(n)
    shift = {FREQUENCY: -_zscore(documents.frequencies().sum(1)), EASE: np.zeros(n), PATH: -_zscore(documents.excess())}
    need = rng.random(n) < _logistic(slope * shift[world] - ease)
    gain = 2 * slope * ~need if world == PATH else slope * count
    final = _logistic(gain + ease + rng.normal(size=n))
    null_masses = rng.beta(2, 5, (n, _LAYERS - 1))
    middle = _logistic(np.log(null_masses / (1 - null_masses)) + ease[:, None])
    source, target = frozenset({0}), frozenset({1})
    labels = [
        paper(Path([*range(2, _LAYERS + 1), 1], [*probs, end], source, target)) == CO_OCCURRENCE
        for probs, end in zip(middle.tolist(), final.tolist(), strict=True)
    ]
    return Simulation(final, middle.max(1), np.array(labels), need)


def table(
    documents: Documents,
    worlds: Sequence[str] = WORLDS,
    slopes: Sequence[float] = SLOPES,
    runs: int = 20,
    seed: int = 0,
) -> list[Record]:
    """Every statistic in every world at every slope: its mean over runs, and the interval that holds 95 % of the runs.

    Args:
        documents: numbers of documents from a study, or random ones (`drawn_documents`).
        worlds: worlds to simulate.
        slopes: slopes to simulate (`simulate`).
        runs: number of simulations of each world at each slope.
        seed: seed of all simulations.

    Returns:
        Rows with world, slope, statistic, reference (the statistic's value without a mechanism) and interval.
    """
    rows = []
    for world in worlds:
        for slope in slopes:
            draws = (simulate(world, documents, slope, seed_of("null", world, seed, slope, run)) for run in range(runs))
            statistics = [_statistics(documents, sample) for sample in draws]
            for name, reference in REFERENCES.items():
                interval = _of_runs([row[name] for row in statistics])
                key = {"world": world, "slope": slope, "statistic": name}
                rows.append({**key, "reference": reference, "interval": interval})
    return rows


def _statistics(documents: Documents, sample: Simulation) -> dict[str, float]:
    counts, confidence = np.log1p(documents.together), _logit(sample.final)[:, None]
    rows = np.arange(len(counts))
    strata = likelihood_strata(sample.label, confidence)
    return {
        RAW_AUC: auc(counts, sample.label),
        CONDITIONAL_AUC: stratified_auc(counts, sample.label, strata),
        "log odds given confidence": log_odds(counts, sample.label, confidence, rows).value,
        COLLIDER: partial_correlation(counts, _logit(sample.middle), confidence),
        NEED: log_odds(documents.excess(), sample.need, documents.frequencies(), rows).value,
    }


def _of_runs(values: Sequence[float]) -> Interval:
    finite = np.array([value for value in values if not math.isnan(value)])
    if not len(finite):
        return Interval(math.nan, math.nan, math.nan, 0)
    low, high = np.quantile(finite, [0.025, 0.975])
    return Interval(float(finite.mean()), float(low), float(high), len(finite))


def _zscore(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / (values.std() or 1.0)


def _logistic(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def _logit(values: np.ndarray) -> np.ndarray:
    return np.log(values / (1 - values))
