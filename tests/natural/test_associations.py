"""What counts alone tell: associations by hand, ranks, and embeddings in which words of one company are near."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from semantic_pivots.natural.associations import associations, embeddings, rank_rows, share_below, similarities
from semantic_pivots.natural.world import Concept

END, MASK, EN, FR = 0, 1, 2, 3


@dataclass
class Ids:
    """As much of a vocabulary as counts need."""

    size: int
    end: int = END
    mask: int = MASK
    marks: dict[str, int] = field(default_factory=lambda: {"en": EN, "fr": FR})


def test_associations_by_hand():
    """6 and 7 stand together twice, 4 and 5 once; nothing is joined across an end, and a mask joins nothing."""
    sequences = np.array([[EN, 4, 5, END, 6, 7], [FR, 6, 7, MASK, 4, END]], np.uint16)
    found = associations(sequences, Ids(8), reach=1).toarray()
    pairs = {(i, j) for i, j in zip(*np.nonzero(found), strict=True)}
    assert pairs == {(4, 5), (5, 4), (6, 7), (7, 6)}
    # context tokens 4, 5, 6, 7 with 1, 1, 2, 2 neighbours, to the power of 3/4
    total = 2 * 1 + 2 * 2**0.75
    assert np.isclose(found[4, 5], np.log(1 / (1 * 1 / total)), atol=1e-6)
    assert np.isclose(found[6, 7], np.log(2 / (2 * 2**0.75 / total)), atol=1e-6)


def test_reach_is_both_ways_and_ends_with_the_sequence():
    found = associations(np.array([[4, 5, 6], [7, 5, 5]], np.uint16), Ids(8), reach=2).toarray()
    assert found[4, 6] > 0
    assert found[6, 4] > 0
    assert found[6, 7] == 0


def test_share_below_counts_equal_ones_half():
    values = np.array([[0.5, 0.1, 0.2], [0.5, 0.3, 0.9], [0.1, 0.2, 0.4]])
    assert share_below(values).tolist() == [0.75, 1.0, 0.5]


def world(generator: np.random.Generator) -> tuple[np.ndarray, list[Concept]]:
    """Eight concepts whose two words never meet; words of one concept keep the company of the same two tokens."""
    concepts = [Concept(str(k), {}, True, {"en": 4 + k, "fr": 12 + k}) for k in range(8)]
    rows = []
    for _ in range(400):
        concept = generator.integers(8)
        word = concepts[concept].ids[("en", "fr")[generator.integers(2)]]
        company = [20 + 2 * concept, 21 + 2 * concept, *generator.integers(36, 50, 2)]
        rows.append([word, *generator.permutation(company), END])
    return np.array(rows, np.uint16), concepts


def test_words_of_one_company_are_similar_and_near():
    sequences, concepts = world(np.random.default_rng(1))
    associated = associations(sequences, Ids(50), reach=5)
    cosines = similarities(associated, concepts, "en", "fr")
    assert (cosines.argmax(axis=0) == np.arange(8)).all()
    rows = rank_rows(associated, concepts)
    assert len(rows) == 16
    assert {row["rank_by_counts"] for row in rows} == {1.0}
    table = embeddings(associated, 16, seed=2)
    assert table.shape == (50, 16)
    assert table.dtype == np.float32
    assert np.isclose(table.std(), 0.05, rtol=0.01)
    assert np.array_equal(table, embeddings(associated, 16, seed=2))
    sides = [table[[concept.ids[code] for concept in concepts]] for code in ("en", "fr")]
    sides = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides]
    assert ((sides[0] @ sides[1].T).argmax(axis=0) == np.arange(8)).all()
