"""Documents that repeat the id of another one: their share, of any corpus, in a few megabytes.

Whatever orders documents by their id treats those of one id alike: they are drawn, sampled and held out together, stand
in the order of the corpus, and a column that is joined by id reaches them all. So their share is told.
Each shard keeps the smallest hashes of its ids; below the least bound of all shards the ids are complete, so that the
share among them is that of a random sample of ids, or of all where every shard is whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from semantic_pivots.corpus.document import content_id

KEPT_OF_CORPUS, LEAST_OF_SHARD = 1_000_000, 256


def smallest_hashes(ids: Iterable[str], count: int) -> list[int]:
    """The `count` smallest hashes of ids, with repetitions, ascending."""
    hashes = sorted(int(content_id(key)[:16], 16) for key in ids)
    while len(hashes) > count and hashes[count] == hashes[count - 1]:  # all of one id, or none
        count += 1
    return hashes[:count]


def repeats(shards: Sequence[np.ndarray], documents: Sequence[int]) -> tuple[int, int]:
    """Documents beyond the first of their id, and documents looked at.

    Args:
        shards: (hashes,) uint64 of `smallest_hashes`, of each shard.
        documents: of each shard.
    """
    cut = [hashes[-1] for hashes, count in zip(shards, documents, strict=True) if 0 < len(hashes) < count]
    pool = np.concatenate([np.zeros(0, np.uint64), *shards])
    sample = pool[pool <= min(cut)] if cut else pool
    return len(sample) - len(np.unique(sample)), len(sample)
