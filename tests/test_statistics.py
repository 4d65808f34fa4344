import math

import numpy as np
import pytest

from semantic_pivots import statistics as st


def test_interval_of_a_mean_covers_the_truth_about_95_percent_of_the_time():
    rng = np.random.default_rng(1)
    hits = 0
    for trial in range(300):
        interval = st.bootstrap_mean(rng.normal(2.0, 1.0, 60), seed=trial, resamples=400)
        hits += interval.low <= 2.0 <= interval.high
    assert 0.90 <= hits / 300 <= 0.985


def test_clustered_rows_give_a_wider_interval_than_the_same_rows_taken_as_independent():
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(40), 12)
    values = rng.normal(size=40)[groups] + 0.1 * rng.normal(size=480)
    naive = st.bootstrap_mean(values, seed=0)
    clustered = st.bootstrap_mean(values, seed=0, groups=groups)
    assert naive.value == clustered.value
    assert clustered.n == 40
    assert clustered.high - clustered.low > 2.5 * (naive.high - naive.low)


def test_a_crossed_second_source_widens_the_interval_where_it_varies():
    rng = np.random.default_rng(3)
    items, draws = np.repeat(np.arange(50), 8), np.tile(np.arange(8), 50)
    values = rng.normal(size=8)[draws] + 0.1 * rng.normal(size=400)
    one = st.bootstrap_mean(values, seed=0, groups=items)
    both = st.bootstrap_mean(values, seed=0, groups=items, draws=draws)
    assert both.high - both.low > 4 * (one.high - one.low)


def test_absent_values_take_no_part():
    values = np.array([[1.0, math.nan], [3.0, 5.0]])
    first, second = st.bootstrap_means(values, [np.arange(2)], seed=0, resamples=200)
    assert (first.value, first.n) == (2.0, 2)
    assert (second.value, second.low, second.high, second.n) == (5.0, 5.0, 5.0, 1)
    assert math.isnan(st.bootstrap_mean(np.array([]), seed=0).value)


def test_bootstrap_of_any_statistic_agrees_with_that_of_the_mean():
    values = np.random.default_rng(4).normal(size=200)
    groups = np.repeat(np.arange(50), 4)
    general = st.bootstrap(lambda rows: float(values[rows].mean()), 200, seed=5, groups=groups)
    mean = st.bootstrap_mean(values, seed=6, groups=groups)
    assert general.value == pytest.approx(mean.value)
    assert general.low == pytest.approx(mean.low, abs=0.03)
    assert general.high == pytest.approx(mean.high, abs=0.03)


def test_wilson_matches_the_published_example_and_its_limits():
    # Newcombe 1998, table I: 81 of 263 gives .2553 to .3662
    interval = st.wilson(81, 263)
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.2553, 0.3662)
    assert st.wilson(0, 10).low == pytest.approx(0.0)
    assert st.wilson(10, 10).high == pytest.approx(1.0)
    with pytest.raises(ValueError, match="11 successes of 10"):
        st.wilson(11, 10)


def test_holm_steps_down_in_the_given_order():
    assert st.holm([0.04, 0.01, 0.03, 0.005]) == pytest.approx([0.06, 0.03, 0.06, 0.02])


def test_sign_flip_finds_a_shift_and_not_its_absence():
    rng = np.random.default_rng(7)
    assert st.sign_flip_p(rng.normal(0.5, 1, 100), seed=0, resamples=2000) < 0.01
    centred = rng.normal(0, 1, 100)
    assert st.sign_flip_p(centred - centred.mean(), seed=0, resamples=2000) > 0.9


def test_seeds_come_from_identifiers_alone():
    assert st.seed_of("en", 1) == st.seed_of("en", 1) != st.seed_of("en1")
