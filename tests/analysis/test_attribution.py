import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, rankdata, spearmanr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from semantic_pivots.analysis.attribution import (
    auc,
    kappa,
    likelihood_strata,
    log_odds,
    partial_correlation,
    pearson,
    quantile_strata,
    spearman,
    stratified_auc,
)
from semantic_pivots.analysis.null_labels import COLLIDER, CONDITIONAL_AUC, NEED, Documents, drawn_documents, table

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


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=40))
def test_kappa_equals_scikit_learn(rows):
    first, second = zip(*rows, strict=True)
    found = kappa(first, second)
    if len({*first, *second}) == 1:
        assert math.isnan(found)
    else:
        assert found == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)


def test_odds_are_those_of_a_plain_logistic_regression_and_their_interval_covers_the_truth():
    generator = np.random.default_rng(3)
    covered = 0
    for _ in range(100):
        covariate = generator.normal(size=(500, 1))
        values = covariate[:, 0] + generator.normal(size=500)
        positive = generator.random(500) < 1 / (1 + np.exp(-(0.5 * values - covariate[:, 0])))
        odds = log_odds(values, positive, covariate, np.arange(500))
        covered += odds.low <= 0.5 <= odds.high
    assert 88 <= covered <= 100
    scores = norm.ppf(rankdata(covariate, axis=0) / 501)
    design = np.column_stack([values, scores, scores**2, scores**3])
    plain = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(design, positive)
    assert odds.value == pytest.approx(plain.coef_[0, 0], abs=1e-4)


def test_odds_of_separated_labels_are_undefined():
    values = np.arange(40.0)
    none = np.zeros((40, 1))
    assert math.isnan(log_odds(values, values > 20, none, values).value)
    assert math.isnan(log_odds(values, np.ones(40, bool), none, values).value)


def test_rows_that_share_a_group_widen_the_interval():
    generator = np.random.default_rng(4)
    values, covariate = generator.normal(size=100), generator.normal(size=(100, 1))
    positive = generator.random(100) < 0.5
    once = log_odds(values, positive, covariate, np.arange(100))
    fourfold = [np.tile(x, 4) for x in (values, positive, np.arange(100))]
    many = log_odds(fourfold[0], fourfold[1], np.tile(covariate, (4, 1)), fourfold[2])
    assert many.n == once.n == 100
    assert many.high - many.low == pytest.approx(once.high - once.low, rel=0.05)


def told(world: str, documents: Documents, slope: float) -> dict[str, dict]:
    return {row["statistic"]: row for row in table(documents, (world,), (slope,), runs=12)}


@pytest.fixture(scope="module", params=["a quarter never meets", "nine of ten never meet"])
def documents(request) -> Documents:
    drawn = drawn_documents(1200, 1)
    if request.param == "a quarter never meets":
        return drawn
    rare = np.random.default_rng(0).binomial(drawn.together.astype(int), 0.004).astype(float)
    assert 0.85 < np.mean(rare == 0) < 0.97
    return replace(drawn, together=rare)


def test_where_confidence_rises_with_the_count_the_raw_auc_departs_and_the_conditioned_one_does_not(documents):
    found = told("frequency", documents, 1.0)
    assert found["auc"]["interval"].excludes(0.5)
    for name in (CONDITIONAL_AUC, COLLIDER, NEED):
        assert not found[name]["interval"].excludes(found[name]["reference"]), name


def test_where_ease_moves_all_layers_conditioning_finds_what_is_not_there_and_the_odds_of_need_do_not(documents):
    found = told("ease", documents, 1.0)
    assert found[CONDITIONAL_AUC]["interval"].low > 0.5
    assert found[COLLIDER]["interval"].high < 0
    assert not found[NEED]["interval"].excludes(0)


def test_where_co_occurrence_works_through_confidence_conditioning_misses_it_and_the_odds_of_need_do_not():
    """The mechanism is stated: need falls by one logit per standard deviation of the excess."""
    documents = drawn_documents(1200, 1)
    found = told("path", documents, 1.0)
    assert not found[CONDITIONAL_AUC]["interval"].excludes(0.5)
    assert found[NEED]["interval"].high < 0
    assert found[NEED]["interval"].value == pytest.approx(-1 / documents.excess().std(), abs=0.1)


def test_a_partial_correlation_is_what_is_left_without_the_covariate():
    generator = np.random.default_rng(6)
    covariate = generator.normal(size=4000)
    x, y = (covariate + generator.normal(size=4000) for _ in range(2))
    assert pearson(x, y) > 0.4
    assert abs(partial_correlation(x, y, covariate[:, None])) < 0.05
    # by the formula for three normal variables of correlation one half each: (1/2 - 1/4) / (1 - 1/4)
    shared = generator.normal(size=4000)
    x, y, z = ((shared + generator.normal(size=4000)) for _ in range(3))
    assert partial_correlation(x, y, z[:, None]) == pytest.approx(1 / 3, abs=0.04)


def test_likelihood_strata_hold_what_the_covariates_tell():
    generator = np.random.default_rng(5)
    covariates = generator.normal(size=(400, 2))
    positive = generator.random(400) < 1 / (1 + np.exp(-2 * covariates[:, 1]))
    strata = likelihood_strata(positive, covariates)
    assert np.bincount(strata).tolist() == [20] * 20
    assert positive[strata == 19].mean() > 0.8 > 0.2 > positive[strata == 0].mean()
    assert set(likelihood_strata(np.ones(5, bool), covariates[:5])) == {0}
