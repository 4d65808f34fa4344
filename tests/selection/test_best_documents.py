"""What is filled is what a whole sort would fill, whatever ties, signs and scales the scores have."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semantic_pivots.selection import document_columns
from semantic_pivots.selection.best_documents import Budgets, fill
from semantic_pivots.selection.document_columns import CHOSEN, INELIGIBLE, Documents
from semantic_pivots.selection.selectors import gumbel


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> Iterator:
    """New folders."""
    root = tmp_path_factory.mktemp("documents")
    return (root / str(i) for i in itertools.count())


def documents(places, score, hashes, tokens, cell=None, allowed=None, threads: int = 1) -> Documents:
    made = Documents(next(places), hashes.__getitem__, threads)
    cell = np.zeros(len(score), np.int32) if cell is None else cell
    tokens = tokens if allowed is None else np.where(allowed, tokens, INELIGIBLE)
    made.append(score=score, n_tokens=tokens, cell=cell)
    made.release("state")
    return made


def taken(made: Documents) -> list[int]:
    return np.flatnonzero(made.column("state", 0, made.size) == CHOSEN).tolist()


def one_group(tokens: int, scored: bool = False) -> Budgets:
    return Budgets(np.zeros(1, np.int32), np.array([tokens]), scored)


def by_sorting(score, hashes, tokens, budget, allowed=None) -> list[int]:
    found, left = [], budget
    for i in np.lexsort((np.arange(len(score)), hashes, -score)).tolist():
        if (allowed is None or allowed[i]) and 0 < tokens[i] <= left:
            found.append(i)
            left -= int(tokens[i])
    return sorted(found)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(0, 500), st.sampled_from([0, 1, 2, 3]))
def test_equals_a_whole_sort(places, seed: int, n: int, budget: int, kind: int):
    generator = np.random.default_rng(seed)
    score = [
        generator.normal(size=n) * 10.0 ** generator.integers(-200, 200, n),
        generator.integers(-1, 2, n).astype(float),
        np.where(generator.random(n) < 0.5, -np.inf, generator.random(n)),
        np.where(generator.random(n) < 0.5, 0.0, -0.0),
    ][kind]
    hashes = generator.integers(0, 2**64, n, dtype=np.uint64)
    hashes[generator.random(n) < 0.3] = 7  # documents of one hash
    tokens = generator.integers(0, 60, n).astype(np.int32)
    allowed = generator.random(n) < 0.8
    for few, threads in ((1, 1), (1 << 16, 2)):  # few=1: by counting, to the last bits
        made = documents(places, score, hashes, tokens, None, allowed, threads)
        held = fill(made, one_group(budget), budget, few=few)
        assert taken(made) == by_sorting(score, hashes, tokens, budget, allowed)
        assert held.tokens[0] == tokens[taken(made)].sum()
        assert held.without_score == np.isneginf(score[taken(made)]).sum()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 80), st.sampled_from([1, 1 << 16]), st.booleans())
def test_groups_are_filled_one_after_the_other(places, seed: int, n: int, few: int, scored: bool):
    generator = np.random.default_rng(seed)
    score = np.where(generator.random(n) < 0.2, -np.inf, generator.integers(0, 3, n))
    hashes = generator.integers(0, 5, n).astype(np.uint64)
    tokens = generator.integers(0, 60, n).astype(np.int32)
    cell = generator.integers(0, 6, n).astype(np.int32)
    group_of = np.array([0, 1, -1, 2, 1, 0], np.int32)
    budgets, total = generator.integers(0, 300, 3), int(generator.integers(1, 600))
    made = documents(places, score, hashes, tokens, cell)
    fill(made, Budgets(group_of, budgets, scored), total, few=few)
    expected, left = [], total
    for group in range(3):
        inside = (group_of[cell] == group) & ~(scored & np.isneginf(score))
        held = by_sorting(score, hashes, tokens, min(left, int(budgets[group])), inside)
        left -= int(tokens[held].sum())
        expected += held
    assert taken(made) == sorted(expected)


@pytest.mark.parametrize("levels", ["score", "hash"])
def test_a_large_tie_is_settled_by_further_bits_in_blocks(places, levels: str, monkeypatch):
    monkeypatch.setattr(document_columns, "BLOCK", 50_000)
    n = 300_000  # more than are ever sorted, so that the later words of the order decide
    generator = np.random.default_rng(4)
    score = np.zeros(n) if levels == "hash" else 1 + generator.integers(0, 50, n) * 2.0**-40
    hashes = generator.integers(0, 2**64, n, dtype=np.uint64)
    tokens = generator.integers(1, 50, n).astype(np.int32)
    made = documents(places, score, hashes, tokens, threads=2)
    fill(made, one_group(2_000_000), 2_000_000)
    assert taken(made) == by_sorting(score, hashes, tokens, 2_000_000)


def test_one_key_for_all_ends_in_order_of_place(places):
    n = 70_000
    made = documents(places, np.zeros(n), np.full(n, 5, np.uint64), np.ones(n, np.int32))
    fill(made, one_group(10), 10, few=1 << 12)
    assert taken(made) == list(range(10))


@pytest.mark.parametrize("offset", [-10.0, 0.0, 10.0])
def test_a_sample_that_misleads_changes_no_choice(places, offset: float):
    n = 300_000
    generator = np.random.default_rng(6)
    score = generator.normal(size=n) + np.where(np.arange(n) % (n // 4) < 1024, offset, 0.0)  # where samples are drawn
    tokens, cell = generator.integers(1, 200, n).astype(np.int32), generator.integers(0, 2, n)
    hashes = np.arange(n, dtype=np.uint64)
    made = documents(places, score, hashes, tokens, cell)
    budgets = 3_000_001, 20_000_000
    fill(made, Budgets(np.array([0, 1], np.int32), np.array(budgets)), sum(budgets))
    for group, budget in enumerate(budgets):
        expected = by_sorting(score, hashes, tokens, budget, cell == group)
        assert [place for place in taken(made) if cell[place] == group] == expected


def test_a_budget_beyond_the_corpus_takes_everything_and_none_takes_nothing(places):
    columns = np.arange(5.0), np.arange(5, dtype=np.uint64), np.full(5, 3, np.int32)
    for budget, expected in ((100, [0, 1, 2, 3, 4]), (15, [0, 1, 2, 3, 4]), (0, []), (3, [4]), (4, [4]), (6, [3, 4])):
        made = documents(places, *columns)
        fill(made, one_group(budget), budget)
        assert taken(made) == expected


def test_gumbel_draws_in_proportion_and_depends_on_hash_and_seed_alone():
    score = np.array([0.0, np.log(3.0), -np.inf])
    first = 0
    for seed in range(4000):
        noisy = gumbel(score, np.array([11, 12, 13], np.uint64), 1.0, seed)
        assert noisy[2] == -np.inf
        first += noisy[1] > noisy[0]
    assert abs(first / 4000 - 0.75) < 0.025
    hashes = np.arange(100, dtype=np.uint64)
    values = np.linspace(0, 1, 100)
    order = np.random.default_rng(1).permutation(100)
    assert np.allclose(gumbel(values[order], hashes[order], 1.0, 3), gumbel(values, hashes, 1.0, 3)[order])
    assert not np.allclose(gumbel(values, hashes, 1.0, 3), gumbel(values, hashes, 1.0, 4))
