"""Arrow strings as bytes, and the hashes by which documents are ordered at random, without compiled functions."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

_IDS = 1 << 14
"""Ids that are hashed at once: their bytes stay in the processor's cache."""


def buffers(texts: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Bytes (uint8) and offsets (documents + 1,) int64 of Arrow strings, without a copy of a single chunk's bytes."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.chunk(0) if texts.num_chunks == 1 else pa.concat_arrays(texts.cast(pa.large_string()).chunks)
    large = pa.types.is_large_string(texts.type)
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int64 if large else np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return np.frombuffer(data or b"", np.uint8), ends.astype(np.int64)


def hash_of(ids: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """(ids,) uint64: FNV-1a of each id, the same on every machine."""
    data, offsets = buffers(ids)
    keys = np.full(len(offsets) - 1, 0xCBF29CE484222325, np.uint64)
    for first in range(0, len(keys), _IDS):
        ends, part_keys = offsets[first : first + _IDS + 1], keys[first : first + _IDS]
        order = np.argsort(ends[:-1] - ends[1:], kind="stable")  # the longest first: a slice has a k-th byte
        starts, lengths = ends[:-1][order], np.diff(ends)[order]
        for k, count in enumerate(np.searchsorted(-lengths, -np.arange(lengths.max(initial=0)))):
            np.bitwise_xor(part_keys[:count], data.take(starts[:count] + k), out=part_keys[:count])
            np.multiply(part_keys[:count], np.uint64(0x100000001B3), out=part_keys[:count])
        part_keys[order] = part_keys.copy()
    return keys


def shuffle(keys: np.ndarray, seed: int) -> np.ndarray:
    """Hash keys with a seed, so that each seed gives another order."""
    return mix(keys ^ np.uint64(seed % 2**64))


def mix(key):
    """The finaliser of splitmix64, of uint64; kernels compile it."""
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))
