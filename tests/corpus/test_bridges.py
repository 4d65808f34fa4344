import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from semantic_pivots.corpus.bridges import bridge_counts

JOINS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 11)), max_size=40)
LANGUAGES = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
CONCEPTS = [0, 1, 2, 3] * 3


@given(JOINS)
def test_counts_equal_brute_force(joins):
    joined = np.array(joins or np.zeros((0, 2)), np.int64).reshape(-1, 2)
    bridged, expected, bridges = bridge_counts(joined, LANGUAGES, CONCEPTS, 10)
    for token in range(10):
        met = {(LANGUAGES[w], CONCEPTS[w]) for t, w in joins if t == token}
        both = [(a, b, c) for c in range(4) for a in range(3) for b in range(a + 1, 3) if {(a, c), (b, c)} <= met]
        assert bridged[token] == len(both)
        by = [sum(code == a for code, _ in met) for a in range(3)]
        assert np.isclose(expected[token], sum(by[a] * by[b] / 4 for a in range(3) for b in range(a + 1, 3)))
        assert set(np.flatnonzero(bridges[token])) == {x for a, b, _ in both for x in (a, b)}
