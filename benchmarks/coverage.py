"""How often the package's 95 % intervals hold the truth, by simulation: `python -m benchmarks.coverage`.

Concepts are drawn from a population whose figure is known, and the intervals made by the functions that make those of
every table. Three minutes on one core. `means`: the published score of twelve directions that share concepts, and of
one, with draws of the shots that all items share, that are some of a larger pool, or that each has for itself; shared
draws move a direction's mean by 0.08, two thirds of the error that forty concepts give it. `shares`, `masses`, `areas`
and `log odds`: clustered rows of one figure.
"""

from __future__ import annotations

import sys

import numpy as np

from benchmarks import emit
from semantic_pivots.analysis.attribution import auc, log_odds
from semantic_pivots.resampling import bootstrap, bootstrap_mean
from semantic_pivots.scoring.variants import Direction, concept_weights, estimates
from semantic_pivots.statistics import SHARE, Interval, average, seed_of, share
from semantic_pivots.tasks.translation import Item

SIZES, DRAWS = (10, 24, 40, 200), (1, 2, 5)
LEAST, MOST = 0.93, 0.97
_DIRECTIONS = 12
_RESAMPLES = 600


def main(trials: str = "2000") -> None:
    """Print one line per figure; a coverage has a standard error of 0.005 with 2,000 simulations, 0.012 with 333."""
    for concepts in SIZES:
        count = int(trials) // (2 if concepts > 100 else 1)
        for draws in DRAWS:
            # the interval of a single shared draw is one given the draw, so that it is simulated as its own
            several = ((_DIRECTIONS, draws), (1, draws), (1, 2 * draws), (1, 0))
            for directions, pool in several if draws > 1 else ((_DIRECTIONS, 0), (1, 0)):
                runs = count // 2 if directions > 1 else count
                kind = f"{directions} directions, " + (f"of a pool of {pool}" if pool else "own of each item")
                told = [mean_of_scores(concepts, draws, pool, directions, trial) for trial in range(runs)]
                say(f"mean of scores, {concepts} concepts, {draws} draws, {kind}", told)
        for name, simulate in (("share", a_share), ("mass", a_mass), ("area", an_area), ("log odds", odds)):
            runs = count // 6 if name == "area" else count
            say(f"{name}, {concepts} concepts", [simulate(concepts, trial) for trial in range(runs)])


def say(name: str, told: list[tuple[Interval, float]]) -> None:
    """One line: the share of the intervals that hold the truth."""
    known = [(interval, truth) for interval, truth in told if interval.exists]
    coverage = float(np.mean([not interval.excludes(truth) for interval, truth in known]))
    emit(f"{name} ({len(known)} simulations)", round(coverage, 3), "share", LEAST, LEAST <= coverage <= MOST)


def mean_of_scores(concepts: int, draws: int, pool: int, directions: int, trial: int) -> tuple[Interval, float]:
    """Log-probabilities of answers: parts of the concept, of the concept in a direction, of draws, of questions."""
    rng = np.random.default_rng(seed_of("coverage", concepts, draws, pool, directions, trial))
    of_concept = rng.normal(size=concepts)
    names = [f"c{k}" for k in range(concepts)]
    columns, weights = concept_weights(names, trial, _RESAMPLES)
    parts = []
    for direction in range(directions):
        own = of_concept + rng.normal(size=concepts)
        gain = 1 + 0.5 * own[:, None] + rng.normal(0, 0.5, (concepts, draws))
        numbers = np.tile(np.arange(max(pool, draws)), (concepts, 1))
        numbers = np.sort(rng.permuted(numbers, axis=1)[:, :draws], axis=1)
        if pool:
            gain += rng.normal(0, 0.08 * np.sqrt(pool), pool)[numbers]
        summed = np.stack([gain, np.zeros_like(gain)], axis=2)
        items = [Item(f"{direction}-{name}", name, "en", f"x{direction}", "s", "t", ("a",)) for name in names]
        given = Direction(items, summed, np.ones_like(summed), np.full(concepts, 6.0), numbers, pool, {})
        parts.append(estimates(given, ["mean-token"], ["all"], columns, weights)["all", "mean-token"])
    return average(parts).interval(), 1.0


def a_share(concepts: int, trial: int) -> tuple[Interval, float]:
    """Four answers of each concept; what share is right varies between concepts, 0.2 on average."""
    rng = np.random.default_rng(seed_of("coverage of shares", concepts, trial))
    right = rng.random((concepts, 4)) < rng.beta(0.6, 2.4, (concepts, 1))
    return share(right.ravel(), np.repeat(np.arange(concepts), 4)), 0.2


def a_mass(concepts: int, trial: int) -> tuple[Interval, float]:
    """A probability of four items of each concept, skewed as those of a lens are: 0.1 on average."""
    rng = np.random.default_rng(seed_of("coverage of masses", concepts, trial))
    of_concept = rng.beta(0.5, 4.5, (concepts, 1))
    masses = rng.beta(4 * of_concept + 1e-6, 4 * (1 - of_concept) + 1e-6, (concepts, 4))
    groups = np.repeat(np.arange(concepts), 4)
    return bootstrap_mean(masses.ravel(), trial, _RESAMPLES, groups, SHARE), 0.1


def an_area(concepts: int, trial: int) -> tuple[Interval, float]:
    """An area under the curve of 0.76: four items of a concept share a part of their value, half are positive."""
    rng = np.random.default_rng(seed_of("coverage of areas", concepts, trial))
    positive = np.tile([True, False, True, False], concepts)
    groups = np.repeat(np.arange(concepts), 4)
    values = positive + 0.5 * rng.normal(size=concepts)[groups] + np.sqrt(0.75) * rng.normal(size=4 * concepts)
    interval = bootstrap(
        lambda rows: auc(values[rows], positive[rows]), len(values), trial, _RESAMPLES // 2, groups, SHARE
    )
    # of two items of different concepts, nearly all pairs: P(N(1, 2) > 0)
    return interval, 0.7602


def odds(concepts: int, trial: int) -> tuple[Interval, float]:
    """Log odds per unit of a value that a concept's six items share in part, with one covariate."""
    rng = np.random.default_rng(seed_of("coverage of odds", concepts, trial))
    groups = np.repeat(np.arange(concepts), 6)
    covariate = rng.normal(size=6 * concepts)
    values = 0.7 * rng.normal(size=concepts)[groups] + 0.7 * rng.normal(size=6 * concepts)
    positive = rng.random(6 * concepts) < 1 / (1 + np.exp(-(0.5 * values + 0.3 * covariate)))
    return log_odds(values, positive, covariate[:, None], groups), 0.5


if __name__ == "__main__":
    main(*sys.argv[1:2])
