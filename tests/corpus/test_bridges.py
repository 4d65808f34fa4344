import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from semantic_pivots.corpus.bridges import bridge_counts, own_pieces
from semantic_pivots.corpus.discover import is_piece, plain
from semantic_pivots.words import normalise

JOINS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 11)), max_size=40)
LANGUAGES = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
CONCEPTS = [0, 1, 2, 3] * 3


@settings(deadline=None)  # the first call compiles
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


TEXTS = st.lists(st.text("abcA àé犬", min_size=1, max_size=5), max_size=12)


@given(TEXTS, TEXTS)
def test_own_pieces_are_those_of_the_definition(texts, spellings):
    words = [(word, "en") for word in dict.fromkeys(spellings)]
    found = own_pieces(texts, np.arange(len(texts), dtype=np.int32), words)
    for word in words:
        own = {i for i, text in enumerate(texts) if is_piece(plain(text), normalise(word[0]))}
        assert set(found[word].tolist()) == own
