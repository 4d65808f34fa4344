"""Records on disk in 256 buckets by the first byte of a 64-bit hash: equal hashes are in one bucket.

One bucket is in memory at a time, so what is repeated in a corpus of any size is found in bounded memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

_BUCKETS = 256


class HashBuckets:
    """Buckets of records of one dtype.

    Args:
        folder: is made; files of an earlier run in it are removed.
        dtype: of a record.
    """

    def __init__(self, folder: Path, dtype: np.dtype):
        folder.mkdir(parents=True, exist_ok=True)
        self._dtype = dtype
        self._paths = [folder / f"{number:02x}" for number in range(_BUCKETS)]
        for path in self._paths:
            path.unlink(missing_ok=True)

    def add(self, hashes: np.ndarray, records: np.ndarray) -> None:
        """Append records, (n,), to the buckets of their hashes, (n,) uint64."""
        first_bytes = (hashes >> np.uint64(56)).astype(np.uint8)
        records = records[np.argsort(first_bytes, kind="stable")].astype(self._dtype, copy=False)
        ends = np.cumsum(np.bincount(first_bytes, minlength=_BUCKETS))
        for path, first, last in zip(self._paths, [0, *ends[:-1]], ends, strict=True):
            if first < last:
                with path.open("ab") as stream:
                    stream.write(records[first:last].tobytes())

    def __iter__(self) -> Iterator[np.ndarray]:
        """The records of each bucket that has some, (n,)."""
        for path in self._paths:
            if path.exists():
                yield np.fromfile(path, self._dtype)
