"""Whether a selection of documents helps: its gain over the controls, and the gain that this study can detect.

An arm helps if the intervals of its gains over random *and* over language-matched random documents are above zero
(METHOD §6). It does not help if the intervals of both gains are below the smallest gain of interest. If only one
control was trained, neither can be said. In all other cases the study is too small to tell, and the size that would be
enough is estimated from the interval, separately for the variance over concepts and the variance over runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from semantic_pivots.statistics import FEWEST, Estimate, Interval, average, holm, p_of_zero, seed_of

CONTROLS = ("random", "language-matched")
_LEVEL = 0.05
_NORMAL = 1.96
_POWER = (_NORMAL + 0.84) / _NORMAL
"""Half an interval times this is seen in four of five studies (power 80 % at the 5 % level)."""


def over_seeds(parts: Sequence[Estimate], *name: object) -> Estimate:
    """One figure over several training runs: its mean, with bootstrap values that include the variance between runs.

    The bootstrap values over items are averaged over runs, and Student noise with the runs' standard error is added.
    The interval is therefore over items and over runs. With one run the variance between runs is unknown, and nothing
    is added. Draws of the shots are the same in all runs, so their values are averaged draw by draw.

    Args:
        parts: the figure in each run, or its difference from the run of another arm with the same seed.
        name: identifiers from which the seed of the noise is derived.
    """
    by_draw = zip(*(part.draw_deviations for part in parts), strict=True)
    mean = replace(average(parts), draw_deviations=tuple(np.mean(sets, axis=0) for sets in by_draw))
    if len(parts) < 2:
        return mean
    error = math.sqrt(variance_of_runs(parts))
    rng = np.random.default_rng(seed_of("over seeds", *name))
    return replace(mean, samples=mean.samples + error * rng.standard_t(len(parts) - 1, len(mean.samples)))


def detectable(interval: Interval) -> float:
    """The gain that a study with an interval of this width shows with a power of 80 %."""
    return _POWER * (interval.high - interval.low) / 2


def variance_of_runs(parts: Sequence[Estimate]) -> float:
    """The part of the variance of a mean over runs that only more runs reduce; 0 for one run."""
    if len(parts) < 2:
        return 0.0
    return float(np.var([part.value for part in parts], ddof=1)) / len(parts)


@dataclass(frozen=True)
class StudyGrowth:
    """Factors, at least 1, by which a study must grow to detect the measured gain with a power of 80 %.

    Attributes:
        joint_factor: factor for the numbers of concepts and of runs together.
        concepts: factor for concepts alone; infinite if the variance between runs alone is too large.
        runs: factor for runs alone; infinite if the variance between concepts alone is too large.
    """

    joint_factor: float
    concepts: float
    runs: float


def study_growth(interval: Interval, of_runs: float = 0.0) -> StudyGrowth:
    """The size of a study that would detect the measured gain; NaN if there is no interval.

    Args:
        interval: interval of the gain.
        of_runs: the part of its variance that more runs reduce (`variance_of_runs`); more concepts reduce the rest.
    """
    if not interval.exists:
        return StudyGrowth(math.nan, math.nan, math.nan)
    variance = (detectable(interval) / (_POWER * _NORMAL)) ** 2
    of_runs = min(of_runs, variance)
    target = (abs(interval.value) / (_POWER * _NORMAL)) ** 2
    parts = ((variance, target), (variance - of_runs, target - of_runs), (of_runs, target - (variance - of_runs)))
    return StudyGrowth(*(max(1.0, part / remainder) if remainder > 0 else math.inf for part, remainder in parts))


def holm_p(gains: Mapping[str, Mapping[str, Interval]]) -> dict[str, float]:
    """For each arm the p-value of "no better than one of its controls", by Holm's method over the arms.

    An arm must be better than every control, so its own p-value is the largest of them and needs no correction.
    """
    worst = [max(p_of_zero(gain) if gain.value > 0 else 1.0 for gain in of_arm.values()) for of_arm in gains.values()]
    return dict(zip(gains, holm(worst).tolist(), strict=True))


def conclusion(
    arm: str,
    gains: Mapping[str, Interval],
    smallest: float,
    p: float,
    arms: int = 1,
    of_runs: Mapping[str, float] | None = None,
) -> str:
    """The verdict on an arm, as one sentence.

    Args:
        arm: the arm.
        gains: its gain over each control that was trained, in the unit of the score, larger being better.
        smallest: smallest gain of interest.
        p: p-value of the hypothesis that the arm is no better than one of its controls (`holm_p`).
        arms: the number of arms that are judged together.
        of_runs: for each gain, the part of its variance that more runs reduce.
    """
    if not all(gain.exists for gain in gains.values()):
        fewest = min(gain.n for gain in gains.values())
        return f"{arm}: no interval, {fewest} concepts are too few ({FEWEST} needed)"
    over = " and ".join(gains)
    holm_text = f"p = {p:.2g} by Holm's method over {arms} arms" if arms > 1 else f"p = {p:.2g}"
    missing = " and ".join(control for control in CONTROLS if control not in gains)
    untold = f"whether it helps cannot be told without {missing}"
    if all(gain.low > 0 for gain in gains.values()):
        if p < _LEVEL:
            if missing:
                return f"{arm} is better than {over} ({holm_text}); {untold}"
            return f"{arm} helps: better than {over} ({holm_text})"
        return f"{arm}: better than {over} by itself, but not among as many arms ({holm_text})"
    if all(gain.high < smallest for gain in gains.values()):
        loses = all(gain.high < 0 for gain in gains.values())
        if missing:
            result = "is worse than" if loses else f"gains less than {smallest:g} over"
            return f"{arm} {result} {over}; {untold}"
        reason = f"it is worse than {over}" if loses else f"its gain over {over} is below {smallest:g}"
        return f"{arm} does not help: {reason}"
    weakest = max(gains.values(), key=detectable)
    least = min(gains, key=lambda name: gains[name].value)
    sentence = (
        f"{arm}: cannot be told at this size; a gain of {detectable(weakest):.3g} would be seen in 4 of 5 studies"
    )
    if gains[least].value > 0:
        size = study_growth(gains[least], (of_runs or {}).get(least, 0.0))
        factor = f"{size.joint_factor:,.0f} times the concepts and runs"
        by_concepts = f"{size.concepts:,.0f} times the concepts" if size.concepts < math.inf else "never by concepts"
        return f"{sentence}, the measured {gains[least].value:.3g} with {factor} ({by_concepts} alone)"
    return sentence
