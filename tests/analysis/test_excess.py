"""Odds of need per doubled excess, on tables whose odds are known by hand."""

import math

import numpy as np
import pytest

from semantic_pivots.analysis import excess
from semantic_pivots.analysis.null_labels import FREQUENCY, Documents, drawn_documents
from semantic_pivots.analysis.null_labels import simulate as simulated_world


def table(rows):
    """Values, labels, strata from (stratum, value, label, times)."""
    every = [(s, x, y) for s, x, y, times in rows for _ in range(times)]
    strata, values, labels = (np.array(column) for column in zip(*every, strict=True))
    return values.astype(float), labels.astype(bool), strata


def test_excess_counts_doublings_beyond_both_frequencies():
    found = excess.excess(np.array([3.5, 7.5, 0]), np.array([10.0, 10, 10]), np.array([10.0, 10, 20]))
    assert found[1] - found[0] == pytest.approx(1)
    assert found[2] == pytest.approx(math.log2(0.5 / 200))


def test_in_one_stratum_the_odds_are_those_of_the_fourfold_table():
    values, labels, strata = table([(0, 1, 1, 30), (0, 1, 0, 10), (0, 0, 1, 12), (0, 0, 0, 24)])
    value, error = excess.log_odds_in_strata(values, labels, strata, np.arange(len(values)))
    assert value == pytest.approx(math.log(30 * 24 / (10 * 12)), abs=1e-6)
    assert error == pytest.approx(math.sqrt(1 / 30 + 1 / 10 + 1 / 12 + 1 / 24), rel=0.02)  # Woolf's


def test_a_stratum_of_one_label_tells_nothing():
    rows = [(0, 1, 1, 30), (0, 1, 0, 10), (0, 0, 1, 12), (0, 0, 0, 24)]
    first = excess.log_odds_in_strata(*table(rows), np.arange(76))
    second = excess.log_odds_in_strata(*table([*rows, (1, 5, 1, 40)]), np.arange(116))
    assert second == pytest.approx(first)


def test_frequency_alone_gives_no_odds_within_strata():
    # frequent pairs have both more excess and more need; within a stratum neither goes with the other
    rare = [(0, 1, 1, 10), (0, 1, 0, 30), (0, 0, 1, 10), (0, 0, 0, 30)]
    rows = [*rare, (1, 4, 1, 30), (1, 4, 0, 10), (1, 3, 1, 30), (1, 3, 0, 10)]
    values, labels, strata = table(rows)
    assert excess.log_odds_in_strata(values, labels, np.zeros(len(values), int), np.arange(len(values)))[0] > 0.5
    assert excess.log_odds_in_strata(values, labels, strata, np.arange(len(values)))[0] == pytest.approx(0, abs=1e-9)


def test_zeros_cap_what_counts_can_tell():
    # 93 of 100 pairs never meet, half are needed: at best the seven that meet are among the needed
    values = np.array([0.0] * 93 + [1.0] * 7)
    labels = np.arange(100) < 50
    assert excess.attainable_auc(values, labels) == pytest.approx(7 / 50 + (43 / 50) * 0.5)


def simulated(effect: float, seed: int):
    rng = np.random.default_rng(seed)
    concepts = np.repeat(np.arange(100), 6)
    rarity, ease = rng.normal(size=100)[concepts], rng.normal(size=100)[concepts]
    values = rng.normal(0, 1.5, 100)[concepts] + rng.normal(0, 0.5, 600) + rarity
    labels = rng.random(600) < 1 / (1 + np.exp(-(effect * (values - rarity) + ease - rarity)))
    return excess.odds_of_need(values, labels, excess.quantile_strata(rarity, 8), concepts, rarity, seed, 99)


def test_an_effect_is_found_and_its_absence_too():
    found = [simulated(0.8, seed) for seed in range(5)]
    assert all(one.p <= 0.05 and one.odds.low > 0 for one in found)
    assert all(abs(one.wrong_partners.value) < 0.35 for one in found)
    nothing = [simulated(0.0, seed) for seed in range(20)]
    assert sum(one.p <= 0.05 for one in nothing) <= 3
    assert sum(one.odds.low <= 0.12 and one.odds.high >= -0.12 for one in nothing) >= 17


def test_labels_of_a_handful_of_concepts_give_no_odds():
    values, labels = np.arange(40.0), np.arange(40) >= 31
    assert excess.odds_of_need(values, labels, np.zeros(40, int), np.arange(40), values, 0, 9) is None


@pytest.mark.parametrize("never", [0.2, 0.9])
def test_need_that_goes_with_frequency_alone_gives_no_odds_however_few_pairs_meet(never):
    """The world `frequency` of `pivots null`; without `beyond_frequencies` sparse counts reject in nearly all runs."""
    rejected = {"raw": 0, "beyond": 0}
    for seed in range(20):
        documents = drawn_documents(700, seed)
        together = documents.together
        if never > 0.5:
            together = np.random.default_rng(seed).binomial(together.astype(int), 0.004).astype(float)
        assert abs(np.mean(together == 0) - never) < 0.1
        need = simulated_world(FREQUENCY, Documents(together, documents.first, documents.second), 1.0, seed).need
        raw = excess.excess(together, documents.first, documents.second)
        strata = excess.frequency_strata(documents.first, documents.second)
        beyond = excess.beyond_frequencies(raw, documents.first, documents.second)
        for name, values in (("raw", raw), ("beyond", beyond)):
            value, error = excess.log_odds_in_strata(values, need, strata, np.arange(700))
            rejected[name] += abs(value) > 1.96 * error
    assert rejected["beyond"] <= 4
    if never > 0.5:
        assert rejected["raw"] >= 15
