import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from semantic_pivots.pivots.bridge_counts import bridge_counts, join_chances

JOINS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 11)), max_size=40, unique=True)
LANGUAGES = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
CONCEPTS = [0, 1, 2, 3] * 3


@settings(deadline=None)  # the first call compiles
@given(JOINS)
def test_counts_equal_brute_force(joins):
    joined = np.array(joins or np.zeros((0, 2)), np.int64).reshape(-1, 2)
    made = bridge_counts(joined, LANGUAGES, CONCEPTS, 10)
    degrees = np.array(
        [[sum(w // 4 == code for t, w in joins if t == unit) for code in range(3)] for unit in range(10)]
    )
    weights = [np.array([sum(w == 4 * code + c for _, w in joins) for c in range(4)]) for code in range(3)]
    chances = [join_chances(degrees[:, code], np.ones(10, np.int64), weights[code]) for code in range(3)]
    for unit in range(10):
        met = {(LANGUAGES[w], CONCEPTS[w]) for t, w in joins if t == unit}
        both = [(a, b, c) for c in range(4) for a in range(3) for b in range(a + 1, 3) if {(a, c), (b, c)} <= met]
        assert made.n_bridges[unit] == len(both)
        pairs = [(a, b) for a in range(3) for b in range(a + 1, 3)]
        expected = sum(chances[a][unit, c] * chances[b][unit, c] for a, b in pairs for c in range(4))
        assert made.expectation[unit] == pytest.approx(expected, rel=1e-3, abs=1e-4)
        assert set(np.flatnonzero(made.bridges[unit])) == {x for a, b, _ in both for x in (a, b)}


@pytest.mark.parametrize("density", [0.002, 0.01, 0.05])
def test_chances_add_up_to_both_margins(density):
    rng = np.random.default_rng(1)
    weights, liking = rng.pareto(0.7, 60).clip(0.02, 30), rng.pareto(1.5, 500).clip(0.1, 20)
    met = rng.random((500, 60)) < 1 - np.exp(-np.outer(liking, weights) * density)
    degrees, times = np.unique(met.sum(axis=1), return_counts=True)
    made = join_chances(degrees, times, met.sum(axis=0))
    assert made.sum(axis=1) == pytest.approx(degrees, rel=0.01, abs=0.01)
    assert times @ made == pytest.approx(met.sum(axis=0), rel=0.01, abs=0.01)
    assert ((made >= 0) & (made <= 1)).all()


def test_two_words_of_one_concept_may_join_much_without_a_bridge():
    """Words join units by a degree that both languages' words of a concept share; units know no concept."""
    rng = np.random.default_rng(0)
    concepts, units = 200, 4000
    degree = rng.pareto(0.7, concepts).clip(0.02, 30)
    liking = rng.pareto(1.5, units).clip(0.1, 20)
    met = rng.random((2, concepts, units)) < 1 - np.exp(-degree[:, None] * liking * 0.01)
    code, concept, unit = np.nonzero(met)
    joined = np.column_stack([unit, code * concepts + concept])
    made = bridge_counts(joined, np.repeat([0, 1], concepts), np.tile(np.arange(concepts), 2), units)
    assert made.n_bridges.sum() == pytest.approx(made.expectation.sum(), rel=0.05)
    tested = made.expectation > 0
    p_values = poisson.sf(made.n_bridges[tested] - 1, made.expectation[tested])
    assert np.mean(p_values <= 0.01) <= 0.01
    by_language = np.array([np.bincount(unit[code == k], minlength=units) for k in (0, 1)])
    evenly = by_language.prod(axis=0) / concepts
    assert made.n_bridges.sum() > 2 * evenly.sum()  # what chance gives where degrees are not known
