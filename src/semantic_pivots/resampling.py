"""Intervals and a test from resamples of independent units, by the rules that stand at the head of `statistics`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from semantic_pivots.statistics import (
    FEWEST,
    LEVEL,
    SHARE,
    Bounds,
    Estimate,
    Interval,
    student_quantile,
    wilson_interval,
)

_BLOCK_BYTES = 64_000_000


def bootstrap_means(
    values: np.ndarray,
    groups: np.ndarray,
    seed: int,
    resamples: int = 2000,
    bounds: Sequence[Bounds] | None = None,
) -> list[Interval]:
    """Means of several figures over the same rows, from the same resamples of the groups.

    Args:
        values: (rows, figures) float; NaN where a row takes no part in a figure.
        groups: (rows,) the independent unit that each row belongs to.
        seed: seed of the resampling.
        resamples: number of resamples.
        bounds: bounds of each figure; by default none.
    """
    values = np.asarray(values, dtype=np.float64)
    present = (~np.isnan(values)).astype(np.float64)
    sums, counts = _by_unit(np.where(present > 0, values, 0.0), groups), _by_unit(present, groups)
    limits: Sequence[Bounds] = bounds or [None] * values.shape[1]
    intervals = _bootstrap_intervals(sums, counts, seed, resamples, limits)
    return [_within_wilson(*of_figure) for of_figure in zip(intervals, counts.T, limits, strict=True)]


def bootstrap_ratio(
    above: np.ndarray, below: np.ndarray, groups: np.ndarray, seed: int, resamples: int = 2000
) -> Interval:
    """The mean of (rows,) numbers over the mean of others of the same rows, all of them at least zero.

    If p is the share of `above` in the sum of both, the ratio is the odds p / (1 - p). Its interval is therefore that
    of a mass, by the bootstrap-t on the logit scale, which is the logarithm of the ratio.

    Args:
        above, below: (rows,) float; a row that is NaN in either is left out.
        groups: (rows,) the independent unit that each row belongs to.
        seed: seed of the resampling.
        resamples: number of resamples.
    """
    rows = ~(np.isnan(above) | np.isnan(below))
    part, totals = (_by_unit(column[rows, None], groups[rows]) for column in (above, above + below))
    (of_both,) = _bootstrap_intervals(part, totals, seed, resamples, [SHARE])
    value, low, high = (math.inf if end >= 1 else end / (1 - end) for end in (of_both.value, of_both.low, of_both.high))
    return Interval(value, low, high, of_both.n)


def _by_unit(rows: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(units, figures) sums of rows: those of a unit are resampled together, so their sums are all that is needed."""
    units, codes = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.zeros((len(units), rows.shape[1]))
    np.add.at(sums, codes, rows)
    return sums


def _bootstrap_intervals(
    sums: np.ndarray, counts: np.ndarray, seed: int, resamples: int, bounds: Sequence[Bounds]
) -> list[Interval]:
    """Sums over counts of (units, figures), each with its interval from resamples of the units."""
    samples, errors = (np.full((resamples, sums.shape[1]), np.nan) for _ in range(2))
    with np.errstate(invalid="ignore", divide="ignore"):
        means, error = _ratios(np.ones((1, len(sums))), sums, counts)
        for start, weights in _resample_weights(len(sums), resamples, seed):
            part = slice(start, start + len(weights))
            samples[part], errors[part] = _ratios(weights, sums, counts)
    intervals = []
    for k, limits in enumerate(bounds):
        units = frozenset(np.flatnonzero(counts[:, k]).tolist())
        estimate = Estimate(float(means[0, k]), samples[:, k], units, bounds=limits)
        interval_t = None
        if limits is not None and len(units) >= FEWEST:
            interval_t = _bootstrap_t(estimate, float(error[0, k]), errors[:, k], limits)
        intervals.append(interval_t or estimate.interval())
    return intervals


def _ratios(weights: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(resamples, figures) means of rows, and their linearised standard errors, from units' sums and counts of rows."""
    rows = weights @ counts
    means = (weights @ sums) / rows
    deviations = weights @ sums**2 - 2 * means * (weights @ (sums * counts)) + means**2 * (weights @ counts**2)
    return means, np.sqrt(np.maximum(deviations, 0.0)) / rows


def _bootstrap_t(estimate: Estimate, error: float, errors: np.ndarray, bounds: tuple[float, float]) -> Interval | None:
    """The bootstrap-t interval of a mean on the logit scale; None where too many resamples have no spread."""
    low, high = bounds
    at = (estimate.value - low) / (high - low)
    samples = (estimate.samples - low) / (high - low)
    if not 0 < at < 1 or error == 0:
        return None
    # resamples of hardly more than one value have next to no spread, but rounding
    usable = (samples > 0) & (samples < 1) & (errors > 1e-6 * error)
    if usable.mean() < LEVEL:
        return None
    logit = math.log(at / (1 - at))
    pivot = error / (high - low) / (at * (1 - at))
    samples, errors = samples[usable], errors[usable] / (high - low)
    ratios = (np.log(samples / (1 - samples)) - logit) / (errors / (samples * (1 - samples)))
    tails = np.quantile(ratios, [(1 + LEVEL) / 2, (1 - LEVEL) / 2])
    ends = [low + (high - low) / (1 + math.exp(min(-(logit - pivot * float(t)), 700.0))) for t in tails]
    return Interval(estimate.value, ends[0], ends[1], estimate.n)


def _within_wilson(interval: Interval, rows: np.ndarray, bounds: Bounds) -> Interval:
    """The part of an interval of a bounded mean that lies in Wilson's of as many answers of yes or no.

    No numbers in bounds vary more about their mean than the bounds themselves do (Hoeffding 1963). The bootstrap-t
    interval has no such limit: of 40 masses of which 37 are alike, one resample in twenty has next to no spread.

    Args:
        interval: of the mean.
        rows: (units,) rows of each unit; units of unequal size count as fewer (Kish 1965).
        bounds: of the mean.
    """
    if bounds is None or not interval.exists:
        return interval
    low, high = bounds
    at = (interval.value - low) / (high - low)
    variance = at * (1 - at) * float((rows**2).sum()) / float(rows.sum()) ** 2 * (high - low) ** 2
    widest = wilson_interval(interval.value, variance, interval.n, student_quantile(interval.n - 1), bounds)
    ends = max(interval.low, widest.low), min(interval.high, widest.high)
    return Interval(interval.value, *ends, interval.n)


def bootstrap_mean(
    values: np.ndarray, seed: int, resamples: int = 2000, groups: np.ndarray | None = None, bounds: Bounds = None
) -> Interval:
    """The mean of (rows,) values with its interval; NaN rows are left out.

    Args:
        values: (rows,) float.
        seed: seed of the resampling.
        resamples: number of resamples.
        groups: (rows,) the independent unit of each row (a concept); each row its own by default.
        bounds: smallest and largest possible mean.
    """
    values = np.asarray(values, dtype=np.float64)
    labels = np.arange(len(values)) if groups is None else np.asarray(groups)
    return bootstrap_means(values[:, None], labels, seed, resamples, [bounds])[0]


def bootstrap(
    statistic: Callable[[np.ndarray], float],
    n: int,
    seed: int,
    resamples: int = 2000,
    groups: np.ndarray | None = None,
    bounds: Bounds = None,
) -> Interval:
    """Any statistic of row indices with its interval.

    Args:
        statistic: takes (k,) int64 row indices, with repetitions, and returns one number (NaN: undefined, left out).
        n: number of rows.
        seed: seed of the resampling.
        resamples: number of resamples.
        groups: (n,) the independent unit of each row; each row its own by default.
        bounds: smallest and largest possible value.
    """
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    codes = np.unique(np.arange(n) if groups is None else np.asarray(groups), return_inverse=True)[1]
    members = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    value, units = float(statistic(np.arange(n))), len(members)
    if units < FEWEST:
        return Interval(value, math.nan, math.nan, units)
    rng = np.random.default_rng(seed)
    draws = (rng.integers(0, units, units) for _ in range(resamples))
    samples = [statistic(np.concatenate([members[unit] for unit in draw])) for draw in draws]
    return Estimate(value, np.array(samples, dtype=np.float64), frozenset(range(units)), bounds=bounds).interval()


def bootstrap_columns(
    statistic: Callable[..., float],
    columns: Sequence[np.ndarray],
    seed: int,
    resamples: int,
    groups: np.ndarray,
    bounds: Bounds = None,
) -> Interval:
    """Any statistic of whole columns with its interval, from resamples of their rows by groups.

    Args:
        statistic: takes the (rows,) columns, with rows repeated or absent, and returns one number.
        columns: arrays of equal length.
        seed, resamples, groups, bounds: as in `bootstrap`.
    """
    of_rows = lambda rows: statistic(*(column[rows] for column in columns))  # noqa: E731
    return bootstrap(of_rows, len(columns[0]), seed, resamples, groups, bounds)


def sign_flip_p(differences: np.ndarray, seed: int, groups: np.ndarray | None = None, resamples: int = 10_000) -> float:
    """Two-sided p-value of the paired randomisation test that (rows,) differences have mean zero; groups flip sign."""
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


def _resample_weights(units: int, resamples: int, seed: int) -> Iterator[tuple[int, np.ndarray]]:
    """Blocks of (start, (resamples, units) float64 how often each unit was drawn)."""
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK_BYTES // (8 * max(1, units)))
    for start in range(0, resamples if units else 0, block):
        size = min(block, resamples - start)
        yield start, rng.multinomial(units, np.full(units, 1 / units), size=size).astype(np.float64)
