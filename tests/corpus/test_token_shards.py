"""Token shards: what is written is read, whatever the rows; a damaged one is named."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semantic_pivots.corpus.token_shards import flat_tokens, read_token_shard, write_token_shard
from semantic_pivots.errors import InputError

IDS = pa.list_(pa.int32())


@pytest.mark.parametrize("rows", [[], [[]], [[], [1, 2], [], [2**31 - 1], []]])
def test_what_is_written_is_read(tmp_path, rows):
    write_token_shard(tmp_path / "a.arrow", pa.array(rows, IDS))
    tokens = read_token_shard(tmp_path / "a.arrow")
    assert tokens.type == IDS
    assert tokens.to_pylist() == rows
    flat, offsets = flat_tokens(tokens)
    assert flat.dtype == np.int32
    assert offsets.dtype == np.int64
    assert [flat[a:b].tolist() for a, b in itertools.pairwise(offsets)] == rows


def test_a_slice_is_its_own_rows_and_equal_tokens_give_equal_bytes(tmp_path):
    whole = pa.array([[5], [1, 2], [3]], IDS)
    write_token_shard(tmp_path / "a.arrow", whole.slice(1))
    write_token_shard(tmp_path / "b.arrow", pa.array([[1, 2], [3]], IDS))
    assert (tmp_path / "a.arrow").read_bytes() == (tmp_path / "b.arrow").read_bytes()
    flat, offsets = flat_tokens(whole.slice(1))
    assert flat.tolist() == [1, 2, 3]
    assert offsets.tolist() == [0, 2, 3]


def test_a_damaged_shard_is_named(tmp_path):
    path = tmp_path / "a.arrow"
    write_token_shard(path, pa.array([list(range(5000))], IDS))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    pq.write_table(pa.table({"tokens": pa.array([[1]], IDS)}), tmp_path / "b.parquet")
    for file in (path, tmp_path / "b.parquet", tmp_path / "none.arrow"):
        with pytest.raises(InputError, match=f"{file.name}.*tokenise the corpus again"):
            read_token_shard(file)
