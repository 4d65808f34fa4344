"""Intervals and tests over stored per-item figures; numpy only.

One resampling scheme serves every figure: the rows of a table carry one label per source of variation (the concept,
the draw of the shots), each source is resampled with replacement on its own, and a row weighs the product of its
labels' counts (the pigeonhole bootstrap: Owen 2007, Annals of Applied Statistics 1). With one source this is the
ordinary cluster bootstrap. Chosen against a nested bootstrap because pooled draws are crossed with items; the cost is
intervals a little wider than nominal when both sources vary.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

_BLOCK_BYTES = 64_000_000


@dataclass(frozen=True)
class Interval:
    """A figure, its 95 % interval, and the number of independent units behind it (NaN figures where there is none)."""

    value: float
    low: float
    high: float
    n: int

    def __post_init__(self) -> None:
        if self.n < 0:
            raise ValueError(f"an interval over {self.n} units")

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside the interval."""
        return self.low > 0 or self.high < 0


def seed_of(*identifiers: object) -> int:
    """A 63-bit seed from identifiers: the same on every machine, whatever the order of the work."""
    text = "\x1f".join(str(identifier) for identifier in identifiers)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def bootstrap_means(
    values: np.ndarray, groups: Sequence[np.ndarray], seed: int, resamples: int = 2000, level: float = 0.95
) -> list[Interval]:
    """Means of several figures over the same rows, from the same resamples.

    Args:
        values: (rows, figures) float; NaN where a row takes no part in a figure.
        groups: one (rows,) array of labels per source of variation. The first is the unit that `n` counts.
        seed: seed of the resampling.
        resamples: number of resamples.
        level: share of the resamples inside the interval.
    """
    values = np.asarray(values, dtype=np.float64)
    present = (~np.isnan(values)).astype(np.float64)
    filled = np.where(present > 0, values, 0.0)
    codes = [np.unique(np.asarray(labels), return_inverse=True)[1] for labels in groups]
    counts = present.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = filled.sum(axis=0) / counts
    sampled = np.full((resamples, values.shape[1]), np.nan)
    if len(values):
        rng = np.random.default_rng(seed)
        block = max(1, _BLOCK_BYTES // (8 * len(values)))
        for start in range(0, resamples, block):
            stop = min(resamples, start + block)
            weights = _weights(codes, stop - start, rng)
            with np.errstate(invalid="ignore", divide="ignore"):
                sampled[start:stop] = (weights @ filled) / (weights @ present)
    units = [len(np.unique(codes[0][present[:, k] > 0])) if len(values) else 0 for k in range(values.shape[1])]
    return [_percentiles(float(means[k]), sampled[:, k], units[k], level) for k in range(values.shape[1])]


def bootstrap_mean(
    values: np.ndarray,
    seed: int,
    resamples: int = 2000,
    groups: np.ndarray | None = None,
    draws: np.ndarray | None = None,
) -> Interval:
    """The mean of (rows,) values with its bootstrap interval.

    Args:
        values: (rows,) float; NaN rows are left out.
        seed: seed of the resampling.
        resamples: number of resamples.
        groups: (rows,) labels resampled together (concepts that share items); each row its own by default.
        draws: (rows,) labels of a second, crossed source of variation (draws of the shots).
    """
    values = np.asarray(values, dtype=np.float64)
    labels = [np.arange(len(values)) if groups is None else np.asarray(groups)]
    if draws is not None:
        labels.append(np.asarray(draws))
    return bootstrap_means(values[:, None], labels, seed, resamples)[0]


def bootstrap(
    statistic: Callable[[np.ndarray], float],
    n: int,
    seed: int,
    resamples: int = 2000,
    groups: np.ndarray | None = None,
    level: float = 0.95,
) -> Interval:
    """Any statistic of row indices with its percentile interval.

    Args:
        statistic: takes (k,) int64 row indices, with repetitions, and returns one number (NaN: undefined, left out).
        n: number of rows.
        seed: seed of the resampling.
        resamples: number of resamples.
        groups: (n,) labels of rows that are resampled together.
        level: share of the resamples inside the interval.
    """
    rows = np.arange(n)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    rng = np.random.default_rng(seed)
    if groups is None:
        draw = lambda: rng.integers(0, n, n)  # noqa: E731
        units = n
    else:
        codes = np.unique(np.asarray(groups), return_inverse=True)[1]
        order = np.argsort(codes, kind="stable")
        members = np.split(order, np.cumsum(np.bincount(codes))[:-1])
        units = len(members)
        draw = lambda: np.concatenate([members[g] for g in rng.integers(0, units, units)])  # noqa: E731
    sampled = np.array([statistic(draw()) for _ in range(resamples)], dtype=np.float64)
    return _percentiles(float(statistic(rows)), sampled, units, level)


def wilson(successes: int, n: int, level: float = 0.95) -> Interval:
    """A share with its Wilson score interval (Wilson 1927)."""
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}")
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    z = _normal_quantile(0.5 + level / 2)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half), n)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """(tests,) p-values adjusted for their number (Holm 1979), in the given order."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def sign_flip_p(differences: np.ndarray, seed: int, groups: np.ndarray | None = None, resamples: int = 10_000) -> float:
    """Two-sided p-value of a paired randomisation test of mean zero, (rows,) differences, flipped by group."""
    differences = np.asarray(differences, dtype=np.float64)
    labels = np.arange(len(differences)) if groups is None else np.asarray(groups)
    codes = np.unique(labels, return_inverse=True)[1]
    sums = np.bincount(codes, weights=differences)
    rng = np.random.default_rng(seed)
    extreme = 0
    block = max(1, _BLOCK_BYTES // (8 * max(1, len(sums))))
    for start in range(0, resamples, block):
        signs = rng.integers(0, 2, (min(block, resamples - start), len(sums))) * 2.0 - 1.0
        extreme += int((np.abs(signs @ sums) >= abs(sums.sum()) * (1 - 1e-12)).sum())
    return (extreme + 1) / (resamples + 1)


def _weights(codes: list[np.ndarray], resamples: int, rng: np.random.Generator) -> np.ndarray:
    """(resamples, rows) weights: per source, how often its label was drawn, multiplied."""
    weights: np.ndarray | None = None
    for labels in codes:
        size = int(labels.max()) + 1
        drawn = rng.multinomial(size, np.full(size, 1 / size), size=resamples).astype(np.float64)
        weights = drawn[:, labels] if weights is None else weights * drawn[:, labels]
    assert weights is not None
    return weights


def _percentiles(value: float, sampled: np.ndarray, n: int, level: float) -> Interval:
    sampled = sampled[~np.isnan(sampled)]
    if not len(sampled) or math.isnan(value):
        return Interval(value, math.nan, math.nan, n)
    low, high = np.quantile(sampled, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), n)


def _normal_quantile(p: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(p)
