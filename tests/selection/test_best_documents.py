"""The boundary of a selection is that of a whole sort, whatever ties, signs and scales the scores have."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semantic_pivots.selection.best_documents import choose, fill, gumbel


def by_sorting(score, hashes, tokens, budget, allowed=None) -> list[int]:
    allowed = np.ones(len(score), bool) if allowed is None else allowed
    order = [i for i in np.lexsort((np.arange(len(score)), hashes, -score)) if allowed[i]]
    chosen, held = [], 0
    for i in order:
        if held >= budget:
            break
        chosen.append(int(i))
        held += int(tokens[i])
    return sorted(chosen)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(0, 500), st.sampled_from([0, 1, 2, 3]))
def test_equals_a_whole_sort(seed: int, n: int, budget: int, kind: int):
    generator = np.random.default_rng(seed)
    score = [
        generator.normal(size=n) * 10.0 ** generator.integers(-200, 200, n),
        generator.integers(-1, 2, n).astype(float),
        np.where(generator.random(n) < 0.5, -np.inf, generator.random(n)),
        np.where(generator.random(n) < 0.5, 0.0, -0.0),
    ][kind]
    hashes = generator.integers(0, 2**64, n, dtype=np.uint64)
    hashes[generator.random(n) < 0.3] = 7  # documents of one hash
    tokens = generator.integers(0, 30, n).astype(np.int32)
    allowed = generator.random(n) < 0.8
    expected = by_sorting(score, hashes, tokens, budget, allowed)
    assert choose(score, hashes, tokens, budget, allowed).tolist() == expected
    assert choose(score, hashes, tokens, budget, allowed, few=1).tolist() == expected  # by counting, to the last bits


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(0, 500), st.sampled_from([1, 1 << 16]))
def test_filling_takes_in_order_what_still_fits(seed: int, n: int, budget: int, few: int):
    generator = np.random.default_rng(seed)
    score = generator.integers(-1, 3, n).astype(float)
    hashes = generator.integers(0, 5, n).astype(np.uint64)
    tokens = generator.integers(0, 60, n).astype(np.int32)
    allowed = generator.random(n) < 0.8
    expected, left = [], budget
    for i in np.lexsort((np.arange(n), hashes, -score)).tolist():
        if allowed[i] and 0 < tokens[i] <= left:
            expected.append(i)
            left -= int(tokens[i])
    assert fill(score, hashes, tokens, budget, allowed, few).tolist() == sorted(expected)


@pytest.mark.parametrize("levels", ["score", "hash"])
def test_a_large_tie_is_settled_by_further_bits(levels: str):
    n = 300_000  # more than are ever sorted, so that the later words of the key decide
    generator = np.random.default_rng(4)
    score = np.zeros(n) if levels == "hash" else 1 + generator.integers(0, 50, n) * 2.0**-40
    hashes = generator.integers(0, 2**64, n, dtype=np.uint64)
    tokens = generator.integers(1, 50, n).astype(np.int32)
    chosen = choose(score, hashes, tokens, 2_000_000)
    assert chosen.tolist() == by_sorting(score, hashes, tokens, 2_000_000)


def test_one_key_for_all_ends_in_order_of_place():
    n = 70_000
    chosen = choose(np.zeros(n), np.full(n, 5, np.uint64), np.ones(n, np.int32), 10)
    assert chosen.tolist() == list(range(10))


def test_a_budget_beyond_the_corpus_takes_everything_and_none_takes_nothing():
    score, hashes, tokens = np.arange(5.0), np.arange(5, dtype=np.uint64), np.full(5, 3, np.int32)
    assert choose(score, hashes, tokens, 100).tolist() == [0, 1, 2, 3, 4]
    assert choose(score, hashes, tokens, 0).tolist() == []
    assert choose(score, hashes, tokens, 3).tolist() == [4]
    assert choose(score, hashes, tokens, 4).tolist() == [3, 4]


def test_gumbel_draws_in_proportion_and_depends_on_hash_and_seed_alone():
    score = np.array([0.0, np.log(3.0), -np.inf])
    scale = 1 / score[:2].std()  # undo the scaling: chances of 1 to 3
    first = 0
    for seed in range(4000):
        noisy = gumbel(score, np.array([11, 12, 13], np.uint64), scale, seed)
        assert noisy[2] == -np.inf
        first += noisy[1] > noisy[0]
    assert abs(first / 4000 - 0.75) < 0.025
    hashes = np.arange(100, dtype=np.uint64)
    values = np.linspace(0, 1, 100)
    order = np.random.default_rng(1).permutation(100)
    assert np.allclose(gumbel(values[order], hashes[order], 1.0, 3), gumbel(values, hashes, 1.0, 3)[order])
    assert not np.allclose(gumbel(values, hashes, 1.0, 3), gumbel(values, hashes, 1.0, 4))
