"""Documents that repeat the id of another one: their share, of any corpus, in a few megabytes.

Documents with the same id are treated alike: they are drawn, sampled and held out together, stay in the order of the
corpus, and all get a column that is joined by id. Their share is therefore reported. Each shard stores the smallest
hashes of its ids. Below the smallest of the shards' largest stored hashes, all ids of the corpus are known, so the
share among them is that of a random sample of ids, or of all ids if every shard stored all of its hashes.
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
    """The number of documents that repeat an id, and the number of documents that were examined.

    Args:
        shards: for each shard, (hashes,) uint64 from `smallest_hashes`.
        documents: number of documents in each shard.
    """
    cut = [hashes[-1] for hashes, count in zip(shards, documents, strict=True) if 0 < len(hashes) < count]
    pool = np.concatenate([np.zeros(0, np.uint64), *shards])
    sample = pool[pool <= min(cut)] if cut else pool
    return len(sample) - len(np.unique(sample)), len(sample)
