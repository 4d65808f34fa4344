"""The documents drawn of each word are those of the definition, however the hits come."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semantic_pivots.corpus import draws
from semantic_pivots.corpus.draws import Draws, hash_of, shuffled

PATTERNS = [2, 0, -1, 1, 0, 2, 0]  # of seven words; three share a pattern, one has none
SHARDS = st.lists(st.lists(st.sets(st.integers(0, 2)), max_size=9), max_size=6)


@pytest.mark.parametrize("room", [0, 5, 1 << 22])
@settings(deadline=None, max_examples=200)
@given(shards=SHARDS, size=st.integers(1, 4), ids=st.integers(1, 50))
def test_draws_are_those_with_the_smallest_hashes(room, shards, size, ids):
    seeds = [3, -1, 2**70, 5, 3, 6, 7]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(draws, "_ROOM", room)
        drawing, met, base = Draws(np.array(PATTERNS), seeds, size), [], 0
        for shard in shards:
            keys = hash_of(pa.array([f"{(base + i) % ids}" for i in range(len(shard))], pa.string()))  # some repeat
            hits = [(base + i, pattern, keys[i]) for i, held in enumerate(shard) for pattern in sorted(held)]
            columns = zip(*hits, strict=True) if hits else ([], [], [])
            drawing.add(*map(np.array, columns, [np.int64, np.int32, np.uint64]))
            met += hits
            base += len(shard)
        found = drawing.drawn()
    for word, pattern in enumerate(PATTERNS):
        holders = [(int(shuffled(np.array([key]), seeds[word])[0]), at) for at, p, key in met if p == pattern]
        assert drawing.held[word] == len(holders)
        assert found[word].tolist() == sorted(at for _, at in sorted(holders)[:size])
