"""What a verdict says against what is known of the runs: coverage over runs, power, and the sentence."""

from __future__ import annotations

import math

import numpy as np
import pytest

from semantic_pivots.statistics import Estimate, Interval
from semantic_pivots.training.verdict import conclusion, detectable, holm_p, over_seeds, study_growth, variance_of_runs


def simulated(gain: float, runs: int, items: int, rng: np.random.Generator) -> list[Estimate]:
    """Gains of some runs over the same items: noise of items (shared), of runs, and of both."""
    of_items = rng.normal(gain, 0.2, items)
    weights = rng.multinomial(items, np.full(items, 1 / items), size=400)
    parts = []
    for _ in range(runs):
        figures = of_items + rng.normal(0, 0.03) + rng.normal(0, 0.1, items)
        parts.append(Estimate(float(figures.mean()), weights @ figures / items, frozenset(range(items))))
    return parts


@pytest.mark.parametrize("runs", [2, 3, 5])
def test_intervals_over_items_and_runs_cover_the_gain(runs: int):
    rng = np.random.default_rng(runs)
    covered, alone = 0, 0
    for number in range(300):
        parts = simulated(0.05, runs, 60, rng)
        interval = over_seeds(parts, "coverage", number).interval()
        covered += interval.low <= 0.05 <= interval.high
        one = parts[0].interval()
        alone += one.low <= 0.05 <= one.high
    assert covered >= 0.93 * 300
    assert alone < covered
    assert over_seeds(parts[:1]).interval() == parts[0].interval()
    assert over_seeds(parts, 1).n == 60


def test_a_detectable_gain_is_detected_four_times_of_five():
    rng = np.random.default_rng(0)
    size = detectable(over_seeds(simulated(0.0, 5, 200, rng), "size").interval())
    seen = 0
    for number in range(300):
        seen += over_seeds(simulated(size, 5, 200, rng), "power", number).interval().low > 0
    assert 0.68 <= seen / 300 <= 0.97
    assert study_growth(Interval(size, 0, 2 * size / (2.8 / 1.96), 9)).joint_factor == pytest.approx(1.0)
    assert study_growth(Interval(0.1, -0.9, 1.1, 9)).joint_factor == pytest.approx((2.8 / 1.96 * 10) ** 2, rel=1e-3)


def test_what_falls_with_concepts_is_apart_from_what_falls_with_runs():
    """By hand: a gain of 2.8 may have a variance of 1; of 4 measured, 0.5 falls with runs and 3.5 with concepts."""
    interval = Interval(2.8, 2.8 - 2 * 1.96, 2.8 + 2 * 1.96, 40)
    size = study_growth(interval, 0.5)
    assert size.joint_factor == pytest.approx(4.0)
    assert size.concepts == pytest.approx(3.5 / 0.5)
    assert size.runs == math.inf
    assert study_growth(interval, 1.5).concepts == math.inf
    assert study_growth(interval).concepts == pytest.approx(4.0)
    rng = np.random.default_rng(3)
    parts = simulated(0.05, 5, 4000, rng)
    assert variance_of_runs(parts) == pytest.approx(0.03**2 / 5, rel=1.5)
    assert variance_of_runs(parts[:1]) == 0.0


@pytest.mark.parametrize(
    ("random", "matched", "said"),
    [
        ((0.02, 0.06), (0.01, 0.05), "x helps: better than random and language-matched"),
        ((0.02, 0.06), (-0.01, 0.05), "cannot be told at this size"),
        ((0.02, 0.06), (-0.01, 0.005), "cannot be told at this size"),
        ((-0.06, -0.02), (-0.5, 0.5), "cannot be told at this size"),
        ((-0.06, -0.02), (-0.01, 0.005), "x does not help: its gain over random and language-matched is below 0.01"),
        ((float("nan"), float("nan")), (0.1, 0.2), "no interval, 50 concepts are too few"),
    ],
)
def test_the_sentence(random, matched, said):
    gains = {
        name: Interval(sum(ends) / 2, *ends, 50) for name, ends in (("random", random), ("language-matched", matched))
    }
    assert said in conclusion("x", gains, 0.01, holm_p({"x": gains})["x"])


@pytest.mark.parametrize(
    ("ends", "sentence"),
    [
        (
            (0.02, 0.06),
            "x is better than random (p = 8.9e-05); whether it helps cannot be told without language-matched",
        ),
        (
            (-0.06, 0.005),
            "x gains less than 0.01 over random; whether it helps cannot be told without language-matched",
        ),
        ((-0.06, -0.01), "x is worse than random; whether it helps cannot be told without language-matched"),
        ((-0.06, 0.02), "x: cannot be told at this size"),
    ],
)
def test_over_one_control_alone_an_arm_neither_helps_nor_fails_to(ends, sentence):
    gains = {"random": Interval(sum(ends) / 2, *ends, 50)}
    assert conclusion("x", gains, 0.01, holm_p({"x": gains})["x"]).startswith(sentence)


def test_of_several_arms_one_must_hold_among_them_all():
    """By hand: an interval of 0.01 to 0.21 has p = 0.031; among four arms without any effect Holm makes it 0.12."""
    one = {"random": Interval(0.11, 0.01, 0.21, 50), "language-matched": Interval(0.31, 0.21, 0.41, 50)}
    none = {"random": Interval(0.01, -0.09, 0.11, 50), "language-matched": Interval(-0.3, -0.4, -0.2, 50)}
    alone = holm_p({"x": one})["x"]
    assert alone == pytest.approx(0.0311, abs=1e-3)
    assert "x helps" in conclusion("x", one, 0.01, alone)
    among = holm_p({"x": one, "a": none, "b": none, "c": none})
    assert among["x"] == pytest.approx(4 * 0.0311, abs=4e-3)
    assert among["a"] == 1.0
    assert "not among as many arms" in conclusion("x", one, 0.01, among["x"], 4)
