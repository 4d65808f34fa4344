"""Passes over a corpus: one pure function per shard, on files by an engine or on documents in memory.

Discovery and the pivot set read their documents through `Corpus` alone, so they give the same tables from either.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa

from semantic_pivots.corpus.token_shards import tokens_below
from semantic_pivots.corpus.vocabulary import read_tokenizer, text_ids
from semantic_pivots.counting.counts import corpus_shards
from semantic_pivots.engines import Task, run_shards, shard_parts
from semantic_pivots.files import read_table
from semantic_pivots.run import Inputs, Work

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

SHARD_DOCUMENTS = 50_000
"""Documents of one shard in memory."""
_MOST_CALLS = 4
"""Calls at the same time on a corpus in memory, each with memory of its own."""


class Shard(Protocol):
    """Some documents of a corpus, and their tokens."""

    def documents(self, columns: list[str]) -> pa.Table:
        """Columns of the documents: id, text, language, source."""
        ...

    @property
    def name(self) -> str:
        """Name of the shard."""
        ...

    def tokens(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        """All ids, (tokens,) int32 below `size`, and where each document begins, (documents + 1,) int64."""
        ...


class Corpus(Protocol):
    """The documents of a corpus in shards, and the tokenizer that their tokens are from."""

    @property
    def tokenizer(self) -> Backend:
        """The tokenizer."""
        ...

    def shards(self) -> Sequence[Shard]:
        """All shards, in the order of the corpus."""
        ...

    def token_count(self) -> int:
        """Number of tokens in all documents."""
        ...

    def results(
        self,
        label: str,
        function: Callable[..., pa.Table],
        *constants: object,
        of_shards: Sequence[tuple[object, ...]] = (),
    ) -> Iterator[pa.Table]:
        """Call function(shard, *own, *shared) on each shard; yields its tables in the order of the shards.

        Args:
            label: name of the pass.
            function: called with each shard.
            constants: arguments that all shards share.
            of_shards: the arguments `own` of each shard; empty: no such arguments.
        """
        ...

    def calls(
        self, label: str, function: Callable[..., pa.Table], arguments: Sequence[tuple[object, ...]], *constants: object
    ) -> Iterator[pa.Table]:
        """Call function(*own, *shared) on each of `arguments`; yields its tables in order.

        Args:
            label: name of the pass.
            function: called with each of `arguments`.
            arguments: the arguments `own`.
            constants: arguments that all calls share.
        """
        ...

    def result_tables(
        self, label: str, function: Callable[..., pa.Table], *constants: object
    ) -> pa.Table | dict[str, Path]:
        """The tables of all shards: one table in memory, or files by shard if they may be larger than memory."""
        ...


@dataclass(frozen=True)
class StoredShard:
    """A shard as two files."""

    name: str
    path: str
    token_path: str

    def documents(self, columns: list[str]) -> pa.Table:
        return read_table(self.path, columns=columns)

    def tokens(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        return tokens_below(self.token_path, size)


@dataclass
class StoredCorpus:
    """The corpus of a study: files from the stages `corpus` and `tokens`, which the workers of an engine read.

    The tables of finished shards are stored in the folder of `work`.
    """

    inputs: Inputs
    work: Work
    workers: int = 1
    engine: str = "pool"

    @cached_property
    def _tokenizer(self) -> Backend:
        return read_tokenizer(self.inputs.folder("tokens") / "tokenizer.json")

    @property
    def tokenizer(self) -> Backend:
        return self._tokenizer

    def shards(self) -> list[StoredShard]:
        folder = self.inputs.folder("tokens")
        tokens = {row["shard"]: str(folder / row["path"]) for row in self.inputs.table("token_shards").to_pylist()}
        return [StoredShard(name, path, tokens[name]) for name, path in corpus_shards(self.inputs)]

    def token_count(self) -> int:
        return sum(self.inputs.table("token_shards")["tokens"].to_pylist())

    def results(
        self,
        label: str,
        function: Callable[..., pa.Table],
        *constants: object,
        of_shards: Sequence[tuple[object, ...]] = (),
    ) -> Iterator[pa.Table]:
        return run_shards(self._tasks(function, of_shards), self.work, self.workers, label, self.engine, constants)

    def calls(
        self, label: str, function: Callable[..., pa.Table], arguments: Sequence[tuple[object, ...]], *constants: object
    ) -> Iterator[pa.Table]:
        tasks: list[Task] = [(f"{number:05d}", function, own) for number, own in enumerate(arguments)]
        return run_shards(tasks, self.work, self.workers, label, self.engine, constants)

    def result_tables(self, label: str, function: Callable[..., pa.Table], *constants: object) -> dict[str, Path]:
        tasks = self._tasks(function)
        parts = shard_parts(tasks, self.work, self.workers, label, self.engine, constants)
        return {name: part for (name, _, _), part in zip(tasks, parts, strict=True)}

    def _tasks(self, function: Callable[..., pa.Table], of_shards: Sequence[tuple[object, ...]] = ()) -> list[Task]:
        shards = self.shards()
        rows = zip(shards, of_shards or [()] * len(shards), strict=True)
        return [(shard.name, function, (shard, *arguments)) for shard, arguments in rows]


class MemoryShard:
    """A shard in memory; its texts are tokenised when tokens are first read."""

    def __init__(self, name: str, table: pa.Table, tokenizer: Backend):
        self.name, self._table, self._tokenizer = name, table, tokenizer

    def documents(self, columns: list[str]) -> pa.Table:
        return self._table.select(columns)

    @cached_property
    def flat_tokens(self) -> tuple[np.ndarray, np.ndarray]:
        """All ids, and where each document begins."""
        ids = text_ids(self._tokenizer, self._table["text"].to_pylist())
        starts = np.cumsum([0, *map(len, ids)])
        flat = np.fromiter((i for row in ids for i in row), np.int32, int(starts[-1]))
        flat.flags.writeable = False  # as the arrays of a file are, for which the loops are compiled already
        return flat, starts

    def tokens(self, size: int) -> tuple[np.ndarray, np.ndarray]:
        return self.flat_tokens


class MemoryCorpus:
    """Documents in memory, read in this process.

    Args:
        documents: a table with the columns id, text, language and source.
        tokenizer: the tokenizer of the documents.
    """

    def __init__(self, documents: pa.Table, tokenizer: Backend):
        self.tokenizer = tokenizer
        starts = range(0, documents.num_rows, SHARD_DOCUMENTS)
        parts = [documents.slice(start, SHARD_DOCUMENTS) for start in starts]
        self._shards = [MemoryShard(f"memory-{number:05d}", part, tokenizer) for number, part in enumerate(parts)]

    def shards(self) -> list[MemoryShard]:
        return self._shards

    def token_count(self) -> int:
        return sum(int(shard.flat_tokens[1][-1]) for shard in self._shards)

    def results(
        self,
        label: str,
        function: Callable[..., pa.Table],
        *constants: object,
        of_shards: Sequence[tuple[object, ...]] = (),
    ) -> Iterator[pa.Table]:
        rows = zip(self._shards, of_shards or [()] * len(self._shards), strict=True)
        return (function(shard, *arguments, *constants) for shard, arguments in rows)

    def calls(
        self, label: str, function: Callable[..., pa.Table], arguments: Sequence[tuple[object, ...]], *constants: object
    ) -> Iterator[pa.Table]:
        with ThreadPoolExecutor(min(len(os.sched_getaffinity(0)), _MOST_CALLS)) as pool:
            yield from pool.map(lambda own: function(*own, *constants), arguments)

    def result_tables(self, label: str, function: Callable[..., pa.Table], *constants: object) -> pa.Table:
        return pa.concat_tables(self.results(label, function, *constants))
