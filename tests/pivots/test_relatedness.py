"""Units near in meaning are told from others, and chance is held to the stated share."""

import numpy as np
import pytest

from semantic_pivots.errors import InputError
from semantic_pivots.pivots.relatedness import relatedness

TOPICS = {"chat": 0, "cat": 0, "felin": 0, "pain": 1, "bread": 1, "farine": 1, "mer": 2, "sea": 2, "vague": 2}


def embed(texts):
    """One axis per topic; what has none points away from all."""
    rows = np.full((len(texts), 4), 0.0, np.float32)
    for k, text in enumerate(texts):
        rows[k, TOPICS.get(text, 3)] = 1.0
    return rows


def test_units_of_the_topic_are_nearer_than_those_of_others():
    pairs = [("chat", "cat"), ("pain", "bread"), ("mer", "sea")]
    tokens = [[" felin", "ing", "farine"], ["farine"], ["vague", "felin", " of"]]
    found = relatedness(pairs, tokens, embed)
    assert [(own > 0.9).tolist() for own, _ in found] == [[True, False, False], [True], [True, False, False]]
    assert [(share > 0.8).tolist() for _, share in found] == [[True, False, False], [True], [True, False, False]]


def test_without_meaning_the_stated_share_remains():
    generator = np.random.default_rng(0)
    vectors: dict[str, np.ndarray] = {}

    def noise(texts):
        for text in texts:
            vectors.setdefault(text, generator.normal(size=16))
        rows = np.array([vectors[text] for text in texts])
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    pairs = [(f"s{k}", f"t{k}") for k in range(200)]
    found = relatedness(pairs, [[f"w{k}-{j}" for j in range(30)] for k in range(200)], noise)
    assert 0.03 < (np.concatenate([share for _, share in found]) > 0.95).mean() < 0.07


def test_nothing_to_filter_and_nothing_to_compare():
    assert relatedness([], [], embed) == []
    with pytest.raises(InputError, match="two or more that share no word"):
        relatedness([("chat", "cat")], [["felin"]], embed)
