"""Whether a selection of documents helps: the gain over the controls, and what a study of this size could have seen.

An arm helps where its gain over random *and* over language-matched random documents lies above zero (METHOD §6); it
does not help where the interval of one of the two gains lies below the smallest gain of interest. Everything between is
not known at this size, and the size that would tell it is estimated from the interval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from semantic_pivots.statistics import FEWEST, Estimate, Interval, average, holm, p_of_zero, seed_of

CONTROLS = ("random", "language-matched")
_LEVEL = 0.05
_POWER = (1.96 + 0.84) / 1.96
"""Half an interval times this is seen in four of five studies (power 80 % at the 5 % level)."""


def over_seeds(parts: Sequence[Estimate], *name: object) -> Estimate:
    """One figure of several training runs: their mean, its bootstrap values spread by what runs differ in.

    To the resamples of items, averaged over runs, is added Student noise of the runs' standard error, so that the
    interval is one over items and over runs; of one run the spread is unknown and nothing is added. Draws are the same
    in all runs, so they are averaged place by place.

    Args:
        parts: the figure in each run, or its difference to the run of the same seed of another arm.
        name: identifies the noise.
    """
    mean = replace(average(parts), drawn=_mean_drawn(parts))
    if len(parts) < 2:
        return mean
    error = float(np.std([part.value for part in parts], ddof=1)) / math.sqrt(len(parts))
    rng = np.random.default_rng(seed_of("over seeds", *name))
    return replace(mean, sampled=mean.sampled + error * rng.standard_t(len(parts) - 1, len(mean.sampled)))


def _mean_drawn(parts: Sequence[Estimate]) -> tuple[np.ndarray, ...]:
    return tuple(np.mean(sets, axis=0) for sets in zip(*(part.drawn for part in parts), strict=True))


def detectable(interval: Interval) -> float:
    """The gain that a study with an interval of this width shows with a power of 80 %."""
    return _POWER * (interval.high - interval.low) / 2


def needed(interval: Interval) -> float:
    """Times as many items and runs that would show the measured gain with that power; at least 1."""
    if not interval.known:
        return math.nan
    return max(1.0, (detectable(interval) / abs(interval.value)) ** 2) if interval.value else math.inf


def adjusted(gains: Mapping[str, Mapping[str, Interval]]) -> dict[str, float]:
    """For each arm the p-value of "no better than one of its controls", by Holm's method over the arms.

    An arm must be better than every control, so its own p-value is the largest of them and needs no correction.
    """
    own = [max(p_of_zero(gain) if gain.value > 0 else 1.0 for gain in of_arm.values()) for of_arm in gains.values()]
    return dict(zip(gains, holm(own).tolist(), strict=True))


def conclusion(arm: str, gains: Mapping[str, Interval], smallest: float, p: float, arms: int = 1) -> str:
    """One sentence on an arm.

    Args:
        arm: the arm.
        gains: its gain over each control, in the unit of the score, larger being better.
        smallest: smallest gain of interest.
        p: that the arm is no better than one of its controls, adjusted for the number of arms (`adjusted`).
        arms: the number of arms that are judged together.
    """
    if not all(gain.known for gain in gains.values()):
        fewest = min(gain.n for gain in gains.values())
        return f"{arm}: no interval, {fewest} concepts are too few ({FEWEST} needed)"
    over = " and ".join(gains)
    said = f"p = {p:.2g} by Holm's method over {arms} arms" if arms > 1 else f"p = {p:.2g}"
    if all(gain.low > 0 for gain in gains.values()):
        if p < _LEVEL:
            return f"{arm} helps: better than {over} ({said})"
        return f"{arm}: better than {over} by itself, but not among as many arms ({said})"
    short = [name for name, gain in gains.items() if gain.high < smallest]
    if short:
        worst = min(short, key=lambda name: gains[name].high)
        return f"{arm} does not help: its gain over {worst} is below {smallest:g}"
    weakest = max(gains.values(), key=detectable)
    least = min(gains.values(), key=lambda gain: gain.value)
    sentence = (
        f"{arm}: cannot be told at this size; a gain of {detectable(weakest):.3g} would be seen in 4 of 5 studies"
    )
    if least.value > 0:
        return f"{sentence}, the measured {least.value:.3g} with {needed(least):,.0f} times the concepts and runs"
    return sentence
