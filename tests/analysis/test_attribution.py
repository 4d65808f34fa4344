import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from semantic_pivots.analysis.attribution import auc, pearson, quantile_strata, spearman, stratified_auc

ROWS = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=60)


@given(ROWS)
def test_auc_equals_scikit_learn_with_ties(rows):
    values, positive = np.array([v for v, _ in rows], float), np.array([p for _, p in rows])
    if positive.all() or not positive.any():
        assert math.isnan(auc(values, positive))
    else:
        assert abs(auc(values, positive) - roc_auc_score(positive, values)) <= 1e-12


@given(ROWS, st.integers(1, 4))
def test_stratified_auc_is_the_share_of_ordered_pairs_within_strata(rows, count):
    values, positive = np.array([v for v, _ in rows], float), np.array([p for _, p in rows])
    strata = np.arange(len(rows)) % count
    pairs = [
        (values[i] > values[j]) + 0.5 * (values[i] == values[j])
        for i in np.flatnonzero(positive)
        for j in np.flatnonzero(~positive)
        if strata[i] == strata[j]
    ]
    found = stratified_auc(values, positive, strata)
    assert math.isnan(found) if not pairs else math.isclose(found, float(np.mean(pairs)), abs_tol=1e-12)


def test_strata_hold_equally_many_and_equal_values_stay_together():
    values = np.arange(100.0)
    assert np.bincount(quantile_strata(values, 5)).tolist() == [20] * 5
    assert len(set(quantile_strata(np.ones(10), 5).tolist())) == 1


def test_correlations_are_those_of_scipy_and_undefined_without_variation():
    generator = np.random.default_rng(1)
    x, y = generator.integers(0, 5, 50).astype(float), generator.normal(size=50)
    assert pearson(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert spearman(x, y) == pytest.approx(spearmanr(x, y).statistic)
    assert math.isnan(pearson(np.ones(5), y[:5]))


def test_without_a_mechanism_the_raw_auc_departs_from_half_and_the_conditioned_one_does_not():
    """The null of METHOD §3: labels depend on the final confidence alone, which rises with the count."""
    generator = np.random.default_rng(2)
    raw, conditioned = [], []
    for _ in range(20):
        log_count = generator.normal(size=2000)
        final = 1 / (1 + np.exp(-(0.6 * log_count + generator.normal(size=2000))))
        peak = generator.beta(2, 2, 2000)  # an earlier layer that knows nothing of the word
        positive = final >= peak
        raw.append(auc(log_count, positive))
        conditioned.append(stratified_auc(log_count, positive, quantile_strata(final, 20)))
    assert np.mean(raw) > 0.6
    assert abs(np.mean(conditioned) - 0.5) < 0.02
