"""Columns of any number of documents, a file each, that are read in blocks: what a selection decides by."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np

BLOCK = 1 << 16
"""Documents that a thread holds at once: their columns stay in the processor's cache."""
_HASH_BATCH = 1 << 17
"""Documents that are hashed at once."""
FREE, CHOSEN, FILLED = 0, 1, 2
"""States of a document: not taken, taken by its selector, taken at random beside those."""
INELIGIBLE = -1
"""Number of tokens of a document that may not be taken."""
_TYPES = {"score": np.float64, "n_tokens": np.int32, "cell": np.uint16, "state": np.uint8, "hashes": np.uint64}
Result = TypeVar("Result")


def gather(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Values at some int64 indices, of which -1 is the last: `values[index]` in a third of the time."""
    return np.take(values, index, mode="wrap")


class Documents:
    """Columns of documents on disk, a file each; a cell is what decides a document's group.

    Args:
        folder: is made; files of an earlier run in it are removed.
        hashes_at: the hashes, uint64, of the documents at some places, ascending.
        threads: number of threads in a pass over the documents.
    """

    def __init__(self, folder: Path, hashes_at: Callable[[np.ndarray], np.ndarray], threads: int = 1):
        folder.mkdir(parents=True, exist_ok=True)
        self._paths = {name: folder / name for name in _TYPES}
        for name in _TYPES:
            self.clear(name)
        self.threads, self.size, self._hashes_at = threads, 0, hashes_at

    def clear(self, name: str) -> None:
        """Empty a column, which is filled again."""
        self._paths[name].write_bytes(b"")

    def append(self, **columns: np.ndarray) -> None:
        """Add the next documents' values to columns."""
        for name, values in columns.items():
            with self._paths[name].open("ab") as stream:
                np.ascontiguousarray(values, _TYPES[name]).tofile(stream)
        if "n_tokens" in columns:
            self.size += len(columns["n_tokens"])

    def column(self, name: str, begin: int, count: int) -> np.ndarray:
        """Values of documents from a place on."""
        kind = np.dtype(_TYPES[name])
        return np.fromfile(self._paths[name], kind, count, offset=begin * kind.itemsize)

    def put(self, name: str, begin: int, values: np.ndarray) -> None:
        """Write values of documents from a place on."""
        with self._paths[name].open("r+b") as stream:
            stream.seek(begin * values.itemsize)
            values.tofile(stream)

    @property
    def is_hashed(self) -> bool:
        """Whether the hashes of all documents are stored."""
        return os.path.getsize(self._paths["hashes"]) > 0

    def store_hashes(self) -> None:
        """Compute the hashes of all documents, once."""
        if not self.is_hashed:
            for begin in range(0, self.size, _HASH_BATCH):
                self.append(hashes=self._hashes_at(np.arange(begin, min(begin + _HASH_BATCH, self.size))))

    def hashes(self, places: np.ndarray) -> np.ndarray:
        """The hashes, uint64, of the documents at some places, ascending."""
        if not len(places):
            return np.zeros(0, np.uint64)
        if self.is_hashed:
            return np.memmap(self._paths["hashes"], np.uint64, "r")[places]
        return self._hashes_at(places)

    @property
    def states(self) -> Path:
        """The file of the documents' states."""
        return self._paths["state"]

    def release(self, name: str) -> None:
        """Make all documents free, in a new file of states."""
        self._paths["state"] = self.states.with_name(name)
        self.clear("state")
        os.truncate(self.states, self.size)  # zeros, which take no place on the disk

    def block(self, begin: int, count: int) -> Block:
        """The documents from a place on, at most so many."""
        return Block(self, begin, min(count, self.size - begin))

    def map(self, task: Callable[[Iterator[Block]], Result]) -> list[Result]:
        """A task's results, of each thread's blocks in their order."""
        begins = range(0, self.size, BLOCK)
        shares = [begins[k :: self.threads] for k in range(self.threads)]

        def of_share(share: range) -> Result:
            return task(self.block(begin, BLOCK) for begin in share)

        if self.threads == 1:
            return [of_share(begins)]
        with ThreadPoolExecutor(self.threads) as threads:
            return list(threads.map(of_share, shares))


class Block:
    """Columns of the documents from place `begin` on, each (documents,) and read when it is first used."""

    def __init__(self, documents: Documents, begin: int, size: int):
        self._documents, self.begin, self.size = documents, begin, size

    def _read(self, name: str) -> np.ndarray:
        return self._documents.column(name, self.begin, self.size)

    @cached_property
    def score(self) -> np.ndarray:
        """float64, the largest first."""
        return self._read("score")

    @cached_property
    def n_tokens(self) -> np.ndarray:
        """int32, `INELIGIBLE` of a document that may not be taken."""
        return self._read("n_tokens")

    @cached_property
    def cell(self) -> np.ndarray:
        """uint16."""
        return self._read("cell")

    @cached_property
    def state(self) -> np.ndarray:
        """uint8."""
        return self._read("state")
