"""Tokens are kept by their meaning, and chance is held to the stated share."""

import numpy as np
import pytest

from semantic_pivots.corpus.related import related
from semantic_pivots.errors import InputError

TOPICS = {"chat": 0, "cat": 0, "felin": 0, "pain": 1, "bread": 1, "farine": 1, "mer": 2, "sea": 2, "vague": 2}


def embed(texts):
    """One axis per topic; what has none points away from all."""
    rows = np.full((len(texts), 4), 0.0, np.float32)
    for k, text in enumerate(texts):
        rows[k, TOPICS.get(text, 3)] = 1.0
    return rows


def test_tokens_of_the_topic_stay():
    pairs = [("chat", "cat"), ("pain", "bread"), ("mer", "sea")]
    tokens = [[" felin", "ing", "farine"], ["farine"], ["vague", "felin", " of"]]
    kept, threshold = related(pairs, tokens, 0.8, embed)
    assert [own.tolist() for own in kept] == [[True, False, False], [True], [True, False, False]]
    assert 0 <= threshold < 1


def test_without_meaning_the_stated_share_remains():
    generator = np.random.default_rng(0)
    vectors: dict[str, np.ndarray] = {}

    def noise(texts):
        for text in texts:
            vectors.setdefault(text, generator.normal(size=16))
        rows = np.array([vectors[text] for text in texts])
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    pairs = [(f"s{k}", f"t{k}") for k in range(200)]
    kept, _ = related(pairs, [[f"w{k}-{j}" for j in range(30)] for k in range(200)], 0.95, noise)
    assert 0.03 < np.concatenate(kept).mean() < 0.07


def test_nothing_to_filter_and_nothing_to_compare():
    assert related([], [], 0.9, embed)[0] == []
    with pytest.raises(InputError, match="two or more that share no word"):
        related([("chat", "cat")], [["felin"]], 0.9, embed)
