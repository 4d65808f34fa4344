"""The table `doc_scores` in memory or as a file of each shard, read in batches."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semantic_pivots.counting.strings import hash_of
from semantic_pivots.files import ROWS, read_batches, read_table


class Scores:
    """The rows of `doc_scores`: a table in memory, or a Parquet file of each shard, in the order of shard names."""

    def __init__(self, source: pa.Table | dict[str, Path]):
        self.source = dict(sorted(source.items())) if isinstance(source, dict) else source

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        if isinstance(self.source, dict):
            return pq.read_schema(next(iter(self.source.values()))).names
        return self.source.column_names

    @cached_property
    def begins(self) -> list[int]:
        """The place of the first document of each file, and the number of all documents."""
        lengths = [pq.read_metadata(path).num_rows for path in self.source.values()]
        return [0, *np.cumsum(lengths, dtype=np.int64).tolist()]

    def batches(self, columns: Collection[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The documents, in order.

        Raises:
            InputError: a file is missing or damaged.
        """
        for part in self.source.values() if isinstance(self.source, dict) else [self.source]:
            yield from part_batches(part, columns)

    def id_hashes(self, places: np.ndarray) -> np.ndarray:
        """(places,) uint64: hashes of the ids at some places, int64, ascending; other row groups are not read.

        The ids of a batch are hashed at once: small arrays that stay between the large ones of a reader keep the
        allocator from using their memory again, 9 bytes for each row that is read.
        """
        if not isinstance(self.source, dict):
            return hash_of(self.source["doc_id"].combine_chunks().take(pa.array(places)))
        hashes = np.empty(len(places), np.uint64)
        for path, begin, end in zip(self.source.values(), self.begins, self.begins[1:], strict=False):
            of_file = slice(*np.searchsorted(places, [begin, end]))
            rows, file_hashes = places[of_file] - begin, hashes[of_file]
            groups, numbers = np.unique(rows // ROWS, return_inverse=True)
            rows, first = numbers * ROWS + rows % ROWS, 0  # in the groups that are read
            for batch in read_batches(path, ["doc_id"], groups=groups.tolist()) if len(groups) else ():
                batch_slice = slice(*np.searchsorted(rows, [first, first + len(batch)]))
                file_hashes[batch_slice] = hash_of(batch["doc_id"].take(pa.array(rows[batch_slice] - first)))
                first += len(batch)
        return hashes

    def read(self) -> pa.Table:
        """All documents in memory."""
        if isinstance(self.source, dict):
            return pa.concat_tables(map(read_table, self.source.values()))
        return self.source


def part_batches(part: pa.Table | Path, columns: Collection[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Columns of some documents' scores, in batches."""
    names = None if columns is None else list(columns)
    if isinstance(part, Path):
        yield from read_batches(part, names, ("shard", "language"))
    else:
        yield from (part if names is None else part.select(names)).to_batches()
