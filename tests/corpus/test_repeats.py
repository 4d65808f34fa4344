"""Repeated ids: the exact share of a small corpus, near it of a large one, whatever its shards."""

from __future__ import annotations

import random

import numpy as np
import pytest

from semantic_pivots.corpus.repeats import repeats, smallest_hashes


def _told(shards: list[list[str]], count: int) -> tuple[int, int]:
    hashes = [np.array(smallest_hashes(ids, count), np.uint64) for ids in shards]
    return repeats(hashes, [len(ids) for ids in shards])


def test_a_small_corpus_is_told_exactly_in_any_shards():
    ids = [f"d{i % 90}" for i in range(100)]
    for cut in (0, 13, 100):
        assert _told([ids[:cut], ids[cut:]], 1000) == (10, 100)
    assert _told([["a"], ["b"]], 1000) == (0, 2)
    assert _told([], 1000) == (0, 0)


def test_a_large_corpus_is_told_from_a_sample_of_its_ids():
    draw = random.Random(2)
    ids = [f"d{i}" for i in range(40_000)] + [f"d{i}" for i in range(10_000)]
    draw.shuffle(ids)
    again, looked_at = _told([ids[:20_000], ids[20_000:]], 2000)
    assert 2000 <= looked_at < 50_000
    assert again / looked_at == pytest.approx(0.2, abs=0.03)
    assert _told([["same"] * 5000, ["same"] * 10], 100) == (5009, 5010)
