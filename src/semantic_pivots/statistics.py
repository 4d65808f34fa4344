"""Intervals and tests over stored per-item figures; every interval of the package is computed here, with numpy only.

Rules that hold for every figure of the package:

- n is the number of independent units (concepts; documents, sentences or seeds where those are sampled), not of items.
  Units are resampled whole, with all their items (the cluster bootstrap).
- The variance of a bootstrap over n units is too small by the factor (n - 1)/n, and its percentiles ignore that the
  spread itself is estimated. The distances of the percentiles from the figure are therefore multiplied by the root of
  n/(n - 1) and by the ratio of Student's quantile to the normal one (the expanded percentile interval: Hesterberg 2015,
  The American Statistician).
- Below ten units there is no interval, since a valid one would be too wide to be of use.
- Draws of the shots that all items share are a second source of variance. There are few of them, so they are not
  resampled. Each is left out once (the jackknife, which includes the factor k/(k - 1)), and both variances are added
  with Satterthwaite's degrees of freedom. With a single draw this variance is unknown, and the interval is conditional
  on the draw.
- Shares, masses and areas under a curve have bounds, and their intervals are inside them: Wilson's interval, for the
  number of independent observations that would have the measured variance (Korn and Graubard 1998). Means of masses are
  so skewed that their spread grows with the mean. They have the bootstrap-t interval on the logit scale (Efron 1981),
  limited to Wilson's interval for as many yes-or-no answers, which have the largest possible variance.
- An interval is for one figure. If a verdict depends on several, p-values are adjusted by Holm's method.

`python -m benchmarks.coverage` measures how often intervals contain the true value. Two alternatives were rejected.
BCa's acceleration is as poorly estimated from ten units as the spread is. Resampling draws and units together gives
only three different resamples of two draws. The chosen method has a limit: with two draws, in a single direction in
which draws vary more than concepts, intervals contain the true value in about 90 % of cases instead of 95 %.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from semantic_pivots.files import Record
from semantic_pivots.signature import Signature

FEWEST = 10
"""independent units below which a figure has no interval"""
SHARE, CORRELATION = (0.0, 1.0), (-1.0, 1.0)
"""Bounds of shares, masses and areas; of correlations and agreements."""
Bounds = tuple[float, float] | None
_BLOCK_BYTES = 64_000_000
_LEVEL = 0.95
_NORMAL = NormalDist().inv_cdf((1 + _LEVEL) / 2)


@dataclass(frozen=True)
class Interval:
    """A figure, its 95 % interval (NaN if there is none), and the number of independent units."""

    value: float
    low: float
    high: float
    n: int

    def __post_init__(self) -> None:
        if self.n < 0:
            raise ValueError(f"an interval over {self.n} units")

    def __format__(self, spec: str) -> str:
        """`0.12 [0.10, 0.14]` by the format of a number; `0.12 [no interval]` where there is none."""
        if not self.exists:
            return f"{self.value:{spec}} [no interval]"
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"

    @property
    def exists(self) -> bool:
        """Whether there is an interval."""
        return not (math.isnan(self.low) or math.isnan(self.high))

    def excludes(self, value: float) -> bool:
        """Whether the interval excludes a value; false if there is no interval."""
        return self.low > value or self.high < value

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval excludes zero."""
        return self.excludes(0.0)


@dataclass(frozen=True)
class Estimate:
    """A figure with its bootstrap values, so that differences and means of figures stay paired.

    Attributes:
        value: the figure.
        samples: (resamples,) bootstrap values of the figure; position i is the same resample in all figures.
        units: the independent units.
        draw_deviations: for each set of k shared draws, (k,) the figure without each draw, minus the mean of these.
        bounds: smallest and largest possible value.
        from_permutation: `samples` are permutation values, whose spread needs no correction for the number of units.
    """

    value: float
    samples: np.ndarray
    units: frozenset[Hashable]
    draw_deviations: tuple[np.ndarray, ...] = ()
    bounds: Bounds = None
    from_permutation: bool = False

    @property
    def n(self) -> int:
        """Number of independent units."""
        return len(self.units)

    def minus(self, other: Estimate) -> Estimate:
        """The paired difference of two figures over the same resamples and draws."""
        deviations = self.draw_deviations or other.draw_deviations
        if self.draw_deviations and other.draw_deviations:
            deviations = tuple(a - b for a, b in zip(self.draw_deviations, other.draw_deviations, strict=True))
        return Estimate(self.value - other.value, self.samples - other.samples, self.units & other.units, deviations)

    def interval(self) -> Interval:
        """The figure with its 95 % interval."""
        samples = self.samples[~np.isnan(self.samples)]
        if self.n < FEWEST or not len(samples) or math.isnan(self.value):
            return Interval(self.value, math.nan, math.nan, self.n)
        tails = np.quantile(samples, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]) - self.value
        if self.from_permutation:
            return Interval(self.value, self.value + float(tails[0]), self.value + float(tails[1]), self.n)
        of_units = (float(tails[1] - tails[0]) / (2 * _NORMAL)) ** 2 * self.n / (self.n - 1)
        if self.bounds is not None and self.value in self.bounds:
            # Units that all lie on a bound show no variance: it is Wilson's, at the far end of the interval.
            of_units = _far_variance(self.n, student_quantile(self.n - 1), self.bounds)
        of_draws = [float((len(d) - 1) / len(d) * (d**2).sum()) for d in self.draw_deviations if len(d) > 1]
        variance = of_units + sum(of_draws)
        draw_freedoms = [len(d) - 1 for d in self.draw_deviations if len(d) > 1]
        student = _combined_quantile(of_units, self.n - 1, of_draws, draw_freedoms)
        if self.bounds is not None:
            return _wilson_interval(self.value, variance, self.n, student, self.bounds)
        if of_units == 0:
            half = student * math.sqrt(variance)
            return Interval(self.value, self.value - half, self.value + half, self.n)
        wider = student / _NORMAL * math.sqrt(self.n / (self.n - 1) * variance / of_units)
        return Interval(self.value, self.value + wider * float(tails[0]), self.value + wider * float(tails[1]), self.n)


def average(parts: Sequence[Estimate]) -> Estimate:
    """The unweighted mean of figures over the same resamples, such as those of directions or runs.

    Its units are the union of theirs. Draws of one figure are taken as independent of those of another.
    """
    return Estimate(
        float(np.mean([part.value for part in parts])),
        np.mean([part.samples for part in parts], axis=0),
        frozenset().union(*(part.units for part in parts)),
        tuple(deviations / len(parts) for part in parts for deviations in part.draw_deviations),
        parts[0].bounds,
        parts[0].from_permutation,
    )


def seed_of(*identifiers: object) -> int:
    """A 63-bit seed from identifiers, equal on every machine and in any order of work."""
    text = "\x1f".join(str(identifier) for identifier in identifiers)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


@dataclass(frozen=True)
class Figure:
    """A value with its 95 % interval, the number of independent units, and its signature."""

    interval: Interval
    signature: Signature
    fewest: int = FEWEST
    """independent units below which there is no interval"""

    @property
    def value(self) -> float:
        """The value; NaN where there is none."""
        return self.interval.value

    @property
    def n(self) -> int:
        """Number of independent units."""
        return self.interval.n

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Figure:
        """The figure of a table's row: its columns value, low, high, n and signature."""
        return cls(of_row(row), Signature.parse(row["signature"]))

    def columns(self) -> Record:
        """The columns of the figure in a table: null where there is no number; the signature says why."""
        interval, signature = self.interval, self.signature
        if not math.isnan(interval.value) and not interval.exists:
            why = f"{self.n} units, {self.fewest} needed" if self.n < self.fewest else "undefined"
            signature = dataclasses.replace(signature, note=f"no interval: {why}")
        ends = {"value": interval.value, "low": interval.low, "high": interval.high}
        numbers = {k: None if math.isnan(v) else v for k, v in ends.items()}
        return {**numbers, "n": interval.n, "signature": str(signature)}

    def __str__(self) -> str:
        """`0.12 [0.10, 0.14], n = 60; signature`."""
        return f"{self.interval:.4g}, n = {self.n}; {self.columns()['signature']}"


def of_row(row: Mapping[str, Any]) -> Interval:
    """The figure of a table's row, NaN where the table holds null."""
    value, low, high = (math.nan if row[column] is None else row[column] for column in ("value", "low", "high"))
    return Interval(value, low, high, row["n"])


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
    part, both = (_by_unit(column[rows, None], groups[rows]) for column in (above, above + below))
    (of_both,) = _bootstrap_intervals(part, both, seed, resamples, [SHARE])
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
    beyond = weights @ sums**2 - 2 * means * (weights @ (sums * counts)) + means**2 * (weights @ counts**2)
    return means, np.sqrt(np.maximum(beyond, 0.0)) / rows


def _bootstrap_t(estimate: Estimate, error: float, errors: np.ndarray, bounds: tuple[float, float]) -> Interval | None:
    """The bootstrap-t interval of a mean on the logit scale; None where too many resamples have no spread."""
    low, high = bounds
    at = (estimate.value - low) / (high - low)
    samples = (estimate.samples - low) / (high - low)
    if not 0 < at < 1 or error == 0:
        return None
    # resamples of hardly more than one value have next to no spread, but rounding
    usable = (samples > 0) & (samples < 1) & (errors > 1e-6 * error)
    if usable.mean() < _LEVEL:
        return None
    logit = math.log(at / (1 - at))
    pivot = error / (high - low) / (at * (1 - at))
    samples, errors = samples[usable], errors[usable] / (high - low)
    ratios = (np.log(samples / (1 - samples)) - logit) / (errors / (samples * (1 - samples)))
    tails = np.quantile(ratios, [(1 + _LEVEL) / 2, (1 - _LEVEL) / 2])
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
    wilson_interval = _wilson_interval(interval.value, variance, interval.n, student_quantile(interval.n - 1), bounds)
    ends = max(interval.low, wilson_interval.low), min(interval.high, wilson_interval.high)
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
    samples = [statistic(np.concatenate([members[unit] for unit in units_drawn])) for units_drawn in draws]
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


def share(flags: Sequence[bool] | np.ndarray, groups: Sequence[Hashable] | np.ndarray | None = None) -> Interval:
    """The share of rows for which a condition holds, with its interval over the units that rows belong to.

    The variance is the linearised one of a ratio of sums over units, so no resampling is needed.

    Args:
        flags: (rows,) whether the condition holds.
        groups: (rows,) the independent unit of each row; each row its own by default.
    """
    values = np.asarray(flags, dtype=np.float64)
    if not len(values):
        return Interval(math.nan, math.nan, math.nan, 0)
    labels = np.arange(len(values)) if groups is None else np.asarray(groups)
    codes = np.unique(labels, return_inverse=True)[1]
    n, value = int(codes.max()) + 1, float(values.mean())
    if n < FEWEST:
        return Interval(value, math.nan, math.nan, n)
    beyond = np.bincount(codes, weights=values - value)
    variance = n / (n - 1) * float((beyond**2).sum()) / len(values) ** 2
    return _wilson_interval(value, variance, n, student_quantile(n - 1), SHARE)


def wilson(successes: int, n: int) -> Interval:
    """A share of independent units with its Wilson score interval (Wilson 1927); none below ten units."""
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}")
    if n < FEWEST:
        return Interval(successes / n if n else math.nan, math.nan, math.nan, n)
    value = successes / n
    return _wilson_interval(value, value * (1 - value) / n, n, _NORMAL, SHARE)


def student(values: Sequence[float], bounds: Bounds = None) -> Interval:
    """The mean over independent runs with Student's interval, cut at the bounds; NaN values are left out.

    It is for figures of whole runs (a planted world, a training run). Each is a mean over hundreds of items and thus
    nearly normally distributed, so Student's interval is valid for few runs. At least two are needed.
    """
    finite = np.array([value for value in values if not math.isnan(value)])
    if len(finite) < 2:
        return Interval(float(finite[0]) if len(finite) else math.nan, math.nan, math.nan, len(finite))
    mean = float(finite.mean())
    half = student_quantile(len(finite) - 1) * float(finite.std(ddof=1)) / math.sqrt(len(finite))
    low, high = bounds or (-math.inf, math.inf)
    return Interval(mean, max(mean - half, low), min(mean + half, high), len(finite))


def p_of_zero(interval: Interval) -> float:
    """The two-sided p-value of zero that corresponds to an interval: below 0.05 if the interval excludes zero."""
    if not interval.exists or interval.value == 0:
        return 1.0
    half = interval.value - interval.low if interval.value > 0 else interval.high - interval.value
    at = _NORMAL * abs(interval.value) / half if half > 0 else math.inf
    return 2 * (1 - NormalDist().cdf(at))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """(tests,) p-values adjusted for their number (Holm 1979), in the given order."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    bounds = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    holm_values = np.empty_like(p)
    holm_values[order] = np.minimum(bounds, 1.0)
    return holm_values


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


def _far_variance(n: int, quantile: float, bounds: tuple[float, float]) -> float:
    """The variance of a share of n at the far end of Wilson's interval of a figure that lies on a bound."""
    return (quantile * (bounds[1] - bounds[0]) / (n + quantile**2)) ** 2


def _wilson_interval(value: float, variance: float, n: int, quantile: float, bounds: tuple[float, float]) -> Interval:
    """Wilson's interval of a figure that lies in bounds, at the number of observations that has its variance."""
    low, high = bounds
    at = min(max((value - low) / (high - low), 0.0), 1.0)
    binomial = at * (1 - at) * (high - low) ** 2 if 0 < at < 1 else n * _far_variance(n, quantile, bounds)
    effective = binomial / variance if variance > 0 else n
    spread = quantile**2 / effective
    centre = (at + spread / 2) / (1 + spread)
    half = math.sqrt(spread * (at * (1 - at) + spread / 4)) / (1 + spread)
    ends = [low + (high - low) * min(max(end, 0.0), 1.0) for end in (centre - half, centre + half)]
    return Interval(value, ends[0], ends[1], n)


def _combined_quantile(of_units: float, units: int, of_draws: Sequence[float], draws: Sequence[int]) -> float:
    """Student's quantile for a variance over units plus one over draws, each with its degrees of freedom.

    The mean of two: with Satterthwaite's degrees of freedom intervals are too narrow where two draws vary more than the
    units, since the draws' variance has one degree; with Banerjee's (1960) bound they are too wide for any ratio.
    """
    approximate = student_quantile(_satterthwaite([of_units, *of_draws], [units, *draws]))
    if sum(of_draws) == 0:
        return approximate
    squares = student_quantile(units) ** 2 * of_units
    squares += student_quantile(_satterthwaite(of_draws, draws)) ** 2 * sum(of_draws)
    return (approximate + math.sqrt(squares / (of_units + sum(of_draws)))) / 2


def _satterthwaite(variances: Sequence[float], freedoms: Sequence[int]) -> float:
    """Degrees of freedom of a sum of estimated variances (Satterthwaite 1946)."""
    parts = sum(v**2 / f for v, f in zip(variances, freedoms, strict=True))
    return sum(variances) ** 2 / parts if parts > 0 else float(freedoms[0])


def student_quantile(freedom: float) -> float:
    """Student's 97.5 % quantile."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + _LEVEL) / 2))
