import math

import numpy as np
import pytest
from scipy.stats import t

from semantic_pivots import resampling
from semantic_pivots import statistics as st
from semantic_pivots.signature import Signature


@pytest.mark.parametrize("n", [10, 24])
def test_the_interval_of_a_mean_covers_the_truth_about_95_percent_of_the_time(n):
    """The bar of every size and number of draws is measured by `python -m benchmarks.coverage`."""
    rng = np.random.default_rng(n)
    intervals = [resampling.bootstrap_mean(rng.normal(2.0, 1.0, n), seed=trial, resamples=400) for trial in range(500)]
    assert 0.925 <= np.mean([not interval.excludes(2.0) for interval in intervals]) <= 0.975


def test_the_interval_of_a_mean_is_student_s_where_values_are_normal():
    values = np.random.default_rng(8).normal(size=12)
    found = resampling.bootstrap_mean(values, seed=0, resamples=20_000)
    half = t.ppf(0.975, 11) * values.std(ddof=1) / math.sqrt(12)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.03)


def test_clustered_rows_give_a_wider_interval_than_the_same_rows_taken_as_independent():
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(40), 12)
    values = rng.normal(size=40)[groups] + 0.1 * rng.normal(size=480)
    naive = resampling.bootstrap_mean(values, seed=0)
    clustered = resampling.bootstrap_mean(values, seed=0, groups=groups)
    assert naive.value == pytest.approx(clustered.value)
    assert (naive.n, clustered.n) == (480, 40)
    assert clustered.high - clustered.low > 2.5 * (naive.high - naive.low)


def test_below_ten_units_there_is_a_figure_and_no_interval():
    groups = np.repeat(np.arange(9), 100)
    values = np.random.default_rng(3).normal(size=900)
    for found in (
        resampling.bootstrap_mean(values, seed=0, groups=groups),
        resampling.bootstrap(lambda rows: float(np.median(values[rows])), 900, seed=0, groups=groups),
        st.share(values > 0, groups),
        st.Estimate(1.0, np.ones(5), frozenset(range(9))).interval(),
    ):
        assert found.n == 9
        assert not math.isnan(found.value)
        assert not found.exists
        assert not found.excludes_zero
    row = st.Figure(st.share(np.arange(9) < 3), Signature.of("x", seed=1)).columns()
    assert (row["value"], row["low"], row["high"], row["n"]) == (3 / 9, None, None, 9)
    assert row["signature"] == "x||seed=1|no interval: 9 units, 10 needed"
    assert f"{st.of_row(row):.2f}" == "0.33 [no interval]"


def test_absent_values_take_no_part():
    values = np.full((20, 2), math.nan)
    values[:, 0] = np.arange(20)
    values[:15, 1] = 5.0
    first, second = resampling.bootstrap_means(values, np.arange(20), seed=0, resamples=200)
    assert (first.value, first.n) == (9.5, 20)
    assert (second.value, second.low, second.high, second.n) == (5.0, 5.0, 5.0, 15)
    assert math.isnan(resampling.bootstrap_mean(np.array([]), seed=0).value)


def test_bootstrap_of_any_statistic_agrees_with_that_of_the_mean():
    values = np.random.default_rng(4).normal(size=200)
    groups = np.repeat(np.arange(50), 4)
    general = resampling.bootstrap(lambda rows: float(values[rows].mean()), 200, seed=5, groups=groups)
    mean = resampling.bootstrap_mean(values, seed=6, groups=groups)
    assert general.value == pytest.approx(mean.value)
    assert general.low == pytest.approx(mean.low, abs=0.03)
    assert general.high == pytest.approx(mean.high, abs=0.03)


def test_differences_of_estimates_are_paired_in_units_and_draws():
    rng = np.random.default_rng(9)
    sampled, drawn = rng.normal(size=500), np.array([0.3, -0.3])
    one = st.Estimate(1.0, 1 + sampled, frozenset(range(20)), (drawn,))
    other = st.Estimate(0.5, 0.5 + sampled, frozenset(range(5, 30)), (drawn,))
    difference = one.minus(other)
    assert difference.n == 15
    assert (difference.interval().low, difference.interval().high) == pytest.approx((0.5, 0.5))
    # of two directions the draws are independent: their variances add, a quarter each
    mean = st.average([one, st.Estimate(1.0, 1 + sampled, frozenset(range(20)), (drawn,))])
    assert [len(each) for each in mean.draw_deviations] == [2, 2]
    assert sum(float((each**2).sum()) for each in mean.draw_deviations) == pytest.approx(0.18 / 2)


def test_a_bounded_figure_s_interval_stays_inside_its_bounds():
    rng = np.random.default_rng(10)
    rare = np.zeros(40)
    rare[0] = 1.0
    for values in (rare, np.zeros(40), np.ones(40), rng.beta(0.1, 5, 40)):
        found = resampling.bootstrap_mean(values, seed=0, bounds=st.SHARE)
        assert 0 <= found.low <= found.value + 1e-12
        assert found.value - 1e-12 <= found.high <= 1
        assert found.high - found.low > 0.01
    sampled = np.clip(0.99 + rng.normal(0, 0.02, 500), -1, 1)
    agreement = st.Estimate(0.99, sampled, frozenset(range(30)), bounds=st.CORRELATION).interval()
    assert 0.8 < agreement.low < 0.99 < agreement.high <= 1


def test_a_share_of_all_units_is_wilson_s_though_its_draws_differ():
    """By hand: two draws of .975 and 1 add .00016 to the .0021 of Wilson's far end, .907 at 40 units.

    Satterthwaite's quantile alone gives .901, Banerjee's .854; the interval takes their mean (docs/method.md).
    """
    units = frozenset(range(40))
    alike = st.Estimate(1.0, np.ones(200), units, bounds=st.SHARE).interval()
    one_apart = st.Estimate(1.0, np.ones(200), units, (np.array([-0.0125, 0.0125]),), st.SHARE).interval()
    assert alike.low == pytest.approx(st.share(np.ones(40)).low) == pytest.approx(0.907, abs=1e-3)
    assert one_apart.low == pytest.approx(0.882, abs=1e-3)
    none = st.Estimate(-1.0, -np.ones(200), units, (np.array([-0.025, 0.025]),), st.CORRELATION).interval()
    assert none.high + 1 == pytest.approx(2 * (1 - one_apart.low))


def test_a_mean_in_bounds_is_no_less_certain_than_a_share_of_as_many_units():
    masses = np.full(40, 0.9999)
    masses[:3] = 0.5, 0.745, 0.99
    found = resampling.bootstrap_mean(masses, seed=1, bounds=st.SHARE)
    mean = float(masses.mean())
    wilson = st.wilson_interval(mean, mean * (1 - mean) / 40, 40, st.student_quantile(39), st.SHARE)
    assert found.low == pytest.approx(wilson.low)
    assert mean < found.high <= wilson.high
    # four rows of one unit for one of each other: Kish's 43 ** 2 / (39 + 16) units
    rows, groups = np.append(masses, [0.5] * 3), np.append(np.arange(40), [0, 0, 0])
    unequal = resampling.bootstrap_mean(rows, seed=1, bounds=st.SHARE, groups=groups)
    mean = float(rows.mean())
    wilson = st.wilson_interval(mean, mean * (1 - mean) * 55 / 43**2, 40, st.student_quantile(39), st.SHARE)
    assert wilson.low == pytest.approx(unequal.low)


def test_units_of_unequal_size_give_the_ratio_s_linearised_error_by_hand():
    # two units, sums 1 and 3 over 2 rows each: mean 1; residuals 1 - 2 and 3 - 2; root of their squares over 4 rows
    means, error = resampling._ratios(np.ones((1, 2)), np.array([[1.0], [3.0]]), np.array([[2.0], [2.0]]))
    assert means[0, 0] == 1.0
    assert error[0, 0] == pytest.approx(math.sqrt(2) / 4)


def test_the_interval_of_a_skewed_mass_reaches_farther_to_its_long_side():
    # most concepts have next to no mass, a few have much: the mean of few concepts is more often too small
    masses = np.array([0.001] * 9 + [0.01, 0.05, 0.3])
    found = resampling.bootstrap_mean(masses, seed=0, bounds=st.SHARE)
    wilson = st.wilson_interval(found.value, float(masses.var(ddof=1)) / 12, 12, st.student_quantile(11), st.SHARE)
    assert 0 < found.low < found.value < found.high < 1
    assert found.high > wilson.high


def test_the_mean_of_masses_covers_the_truth_where_wilson_s_interval_misses_it():
    rng = np.random.default_rng(3)
    draws = rng.beta(0.25, 4.75, (400, 24))
    found = [resampling.bootstrap_mean(row, seed=k, resamples=300, bounds=st.SHARE) for k, row in enumerate(draws)]
    wilson = [
        st.wilson_interval(row.mean(), row.var(ddof=1) / 24, 24, st.student_quantile(23), st.SHARE) for row in draws
    ]
    covered, other = (np.mean([not one.excludes(0.05) for one in each]) for each in (found, wilson))
    assert covered >= max(0.92, other)


def test_a_share_of_independent_rows_is_wilson_s_but_for_student_s_quantile():
    flags = np.arange(200) < 70
    plain, own = st.wilson(70, 200), st.share(flags)
    assert own.value == plain.value == 0.35
    assert (own.low, own.high) == pytest.approx((plain.low, plain.high), abs=2e-3)
    four = st.share(np.repeat(flags, 4), np.repeat(np.arange(200), 4))
    assert four.n == 200
    assert (four.low, four.high) == pytest.approx((own.low, own.high))


def test_wilson_matches_the_published_example_and_its_limits():
    # Newcombe 1998, table I: 81 of 263 gives .2553 to .3662
    interval = st.wilson(81, 263)
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.2553, 0.3662)
    assert st.wilson(0, 10).low == pytest.approx(0.0)
    assert st.wilson(10, 10).high == pytest.approx(1.0)
    with pytest.raises(ValueError, match="11 successes of 10"):
        st.wilson(11, 10)


def test_student_s_interval_of_whole_runs_needs_two():
    values = [0.2, 0.4, math.nan, 0.3]
    found = st.student(values)
    half = t.ppf(0.975, 2) * 0.1 / math.sqrt(3)
    assert (found.value, found.n) == (pytest.approx(0.3), 3)
    assert (found.low, found.high) == pytest.approx((0.3 - half, 0.3 + half))
    assert not st.student([0.2]).exists


def test_the_p_value_of_zero_goes_with_the_interval():
    assert st.p_of_zero(st.Interval(0.5, 0.0, 1.2, 30)) == pytest.approx(0.05)
    assert st.p_of_zero(st.Interval(-0.5, -1.2, 0.0, 30)) == pytest.approx(0.05)
    assert st.p_of_zero(st.Interval(0.5, 0.25, 0.75, 30)) == pytest.approx(8.9e-5, rel=0.01)
    assert st.p_of_zero(st.Interval(0.5, math.nan, math.nan, 3)) == 1.0


def test_holm_steps_down_in_the_given_order():
    assert st.holm([0.04, 0.01, 0.03, 0.005]) == pytest.approx([0.06, 0.03, 0.06, 0.02])


def test_sign_flip_finds_a_shift_and_not_its_absence():
    rng = np.random.default_rng(7)
    assert resampling.sign_flip_p(rng.normal(0.5, 1, 100), seed=0, resamples=2000) < 0.01
    centred = rng.normal(0, 1, 100)
    assert resampling.sign_flip_p(centred - centred.mean(), seed=0, resamples=2000) > 0.9


def test_seeds_come_from_identifiers_alone():
    assert st.seed_of("en", 1) == st.seed_of("en", 1) != st.seed_of("en1")
