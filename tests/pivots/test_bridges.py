import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from semantic_pivots.counting.unit_counts import renumber
from semantic_pivots.pivots.bridges import deviations, document_draws, joins_of, own_pieces, strongest
from semantic_pivots.pivots.graph_stage import GraphConfig
from semantic_pivots.pivots.own_words import is_piece, plain
from semantic_pivots.pivots.word_contexts import WordContexts
from semantic_pivots.words import normalise

TEXTS = st.lists(st.text("abcA àé犬", min_size=1, max_size=5), max_size=12)


@given(TEXTS, TEXTS)
def test_own_pieces_are_those_of_the_definition(texts, spellings):
    words = [(word, "en") for word in dict.fromkeys(spellings)]
    found = own_pieces(texts, np.arange(len(texts), dtype=np.int32), words)
    for word in words:
        own = {i for i, text in enumerate(texts) if is_piece(plain(text), normalise(word[0]))}
        assert set(found[word].tolist()) == own


def around_of(
    documents: list[list[int]], draws: dict, held: dict | None = None, size: int = 12, sources: list[int] | None = None
) -> WordContexts:
    starts = np.concatenate([[0], np.cumsum([len(d) for d in documents])]).astype(np.int64)
    tokens = np.concatenate([np.array(d, np.int64) for d in documents])
    frequency = np.bincount(tokens, minlength=size)
    held = held or {word: len(drawn) for word, drawn in draws.items()}
    counted = draws, frequency, len(documents), held, [""] * size
    of = None if sources is None else np.array(sources, np.uint64)
    return WordContexts(starts, *renumber(tokens, size), *counted, sources=of)


DOCUMENTS = st.lists(st.lists(st.integers(0, 11), max_size=5, unique=True), min_size=1, max_size=40)


@settings(deadline=None)  # the first call compiles
@given(DOCUMENTS, st.data())
def test_joins_are_those_of_the_definition(documents, data):
    drawn = [np.array(sorted(data.draw(st.sets(st.integers(0, len(documents) - 1)))), np.int64) for _ in range(3)]
    pieces = [np.array(data.draw(st.lists(st.integers(0, 11), max_size=3)), np.int32) for _ in range(3)]
    contexts = around_of(documents, {})
    for _ in range(2):  # the counters are left clean
        found = joins_of(contexts, drawn, pieces)
        for i, (own, piece) in enumerate(zip(drawn, pieces, strict=True)):
            expected = {}
            for token in set(range(12)) - set(piece.tolist()):
                times = sum(token in documents[d] for d in own.tolist())
                rate = len(own) * sum(token in d for d in documents) / len(documents)
                if times >= 3 and times >= 2 * rate and poisson.sf(times - 1, rate) <= 1e-3:
                    expected[token] = times
            here = slice(found.edges[i], found.edges[i + 1])
            assert dict(zip(found.units[here].tolist(), found.times[here].tolist(), strict=True)) == expected


def test_draws_hold_each_word_by_its_share_of_the_text():
    word, rare, capped = ("a", "en"), ("b", "en"), ("c", "en")
    draws = {word: np.arange(100), rare: np.arange(3), capped: np.arange(200)}
    contexts = around_of([[1]] * 400, draws, {word: 100, rare: 3, capped: 300})
    config = GraphConfig(sample_tokens=1000, samples=400)
    found = document_draws(contexts, list(draws), 4000, config)
    assert {len(draw[word]) for draw in found} == {25}
    assert np.isclose(np.mean([len(draw[rare]) for draw in found]), 0.75, atol=0.1)
    assert {len(draw[capped]) for draw in found} == {75}  # of the documents that hold it, not of those drawn before
    frequent = around_of([[1]] * 400, draws, {word: 100, rare: 3, capped: 4000})
    assert {len(draw[capped]) for draw in document_draws(frequent, list(draws), 4000, config)} == {
        100
    }  # never all at hand
    assert (
        found[3][capped].tolist() == document_draws(contexts, [capped], 4000, config)[3][capped].tolist()
    )  # whatever beside
    for draw in found[:5]:
        assert all(len(set(own.tolist())) == len(own) and set(own) <= set(draws[w]) for w, own in draw.items())
    assert found[0][word].tolist() != found[1][word].tolist()
    assert found[3][word].tolist() == document_draws(contexts, list(draws), 4000, config)[3][word].tolist()
    assert {len(draw[word]) for draw in document_draws(contexts, list(draws), 900, config)} == {
        50
    }  # never more than half
    whole = document_draws(contexts, list(draws), 4000, GraphConfig(criterion="bridge-fdr"))
    assert [draw[word].tolist() for draw in whole] == [list(range(100))]


def test_deviations_of_sources_by_hand():
    contexts = around_of([[1, 2], [1, 2], [1, 3], [1], [4, 3]], {}, sources=[0, 0, 1, 1, 2])
    found = deviations(contexts)
    assert found[[1, 2, 3, 4]].round(9).tolist() == [0.2, 0.6, 0.4, 0.8]
    assert not deviations(around_of([[1, 2], [1]], {})).any()  # one source


def test_documents_are_drawn_by_their_ids_whatever_their_order():
    word, keys = ("a", "en"), np.random.default_rng(0).integers(0, 2**63, 300).astype(np.uint64)
    config = GraphConfig(sample_tokens=1000)
    drawn = []
    for order in (np.arange(300), np.random.default_rng(1).permutation(300)):
        contexts = around_of([[1]] * 300, {word: np.arange(300)})
        contexts.keys = keys[order]
        drawn.append(
            [set(contexts.keys[draw[word]].tolist()) for draw in document_draws(contexts, [word], 4000, config)]
        )
    assert drawn[0] == drawn[1]
    assert len(set(map(frozenset, drawn[0]))) == config.samples


def test_pieces_are_left_out_of_any_word_of_a_large_vocabulary():
    size, words = 262_144, 8_200  # more than 2**31 pairs
    documents = [[7, 9]] * 9 + [[8]] * 200
    contexts = around_of(documents, {}, size=size)
    drawn = [np.zeros(0, np.int64)] * (words - 1) + [np.arange(9)]
    found = joins_of(contexts, drawn, [np.array([9], np.int32)] * words)
    assert found.units.tolist() == [7]
    assert found.edges[-2:].tolist() == [0, 1]


@settings(deadline=None)  # the first call compiles
@given(DOCUMENTS.filter(any), st.integers(0, 4))
def test_strongest_neighbours_are_met_in_most_documents(documents, top):
    contexts = around_of(documents, {})
    tokens = contexts.ids[::2]
    for token, found in zip(tokens.tolist(), strongest(contexts, tokens, GraphConfig(top_neighbours=top)), strict=True):
        beside = [other for d in documents if token in d for other in d if other != token]
        times = sorted((beside.count(other) for other in set(beside)), reverse=True)
        assert len(found) == len(set(found))
        assert [beside.count(other) for other in found] == times[:top]
