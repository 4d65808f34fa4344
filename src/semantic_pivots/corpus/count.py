"""Exact document counts of words and of word pairs, in one pass over the corpus (METHOD §4).

One pure kernel per shard gives partial counts; partials are summed, so neither the number of workers nor the engine
changes a byte of the result. A pair is counted by partner lookup: for each word found in a document, its partners are
looked up among the words found there, so the cost follows what is present, not the number of wanted pairs.

The two words of a pair with one spelling and one boundary rule are one pattern: their pair count is the word's own
count. Zero is a value like any other: a pair that never meets has its row.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numba
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semantic_pivots.config import CountConfig
from semantic_pivots.corpus.engines import run_shards
from semantic_pivots.corpus.match import Words, buffers, find
from semantic_pivots.errors import InputError
from semantic_pivots.run import Inputs, Work

Word = tuple[str, str]
"""A spelling and its language code."""
Pair = tuple[Word, Word]

_BATCH_DOCUMENTS = 8192


def benchmark_words(items: pa.Table) -> tuple[list[Word], list[Pair]]:
    """The distinct words of a benchmark, and its distinct unordered pairs (source, target), both sorted."""
    columns = ("source", "source_language", "target", "target_language")
    pairs = set()
    for source, source_code, target, target_code in zip(*(items[c].to_pylist() for c in columns), strict=True):
        first, second = sorted([(source, source_code), (target, target_code)])
        pairs.add((first, second))
    return sorted({word for pair in pairs for word in pair}), sorted(pairs)


class Task:
    """Words and pairs compiled for counting; `pairs` (pairs, 2) int64 are indices into the words."""

    def __init__(self, spellings: Sequence[Word], pairs: Sequence[Pair]):
        self.compiled = Words.compile(spellings)
        index = {word: i for i, word in enumerate(spellings)}
        self.pairs = np.array([[index[a], index[b]] for a, b in pairs], np.int64).reshape(-1, 2)
        # A partner table by pattern: the pairs of pattern p are those whose lower pattern is p, in `order`.
        ends = np.sort(self.compiled.pattern_of[self.pairs].reshape(-1, 2), axis=1)
        self.order = np.argsort(ends[:, 0], kind="stable")
        self.begins = np.searchsorted(ends[self.order, 0], np.arange(self.compiled.patterns + 1))
        self.partners = ends[self.order, 1].astype(np.int32)

    def count(self, texts: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
        """The kernel: documents with each word, (words,) int64, and with both words of each pair, (pairs,) int64."""
        starts, hits = find(self.compiled, *buffers(texts))
        by_pattern, sorted_pairs = _tally(starts, hits, self.compiled.patterns, self.begins, self.partners)
        by_pair = np.zeros(len(self.pairs), np.int64)
        by_pair[self.order] = sorted_pairs
        return np.append(by_pattern, 0)[self.compiled.pattern_of], by_pair


@numba.njit(cache=True, nogil=True)
def _tally(starts, hits, patterns, begins, partners):  # pragma: no cover - compiled
    by_pattern = np.zeros(patterns, dtype=np.int64)
    by_pair = np.zeros(len(partners), dtype=np.int64)
    seen = np.full(patterns, -1, dtype=np.int64)
    for document in range(len(starts) - 1):
        held = hits[starts[document] : starts[document + 1]]
        for pattern in held:
            seen[pattern] = document
            by_pattern[pattern] += 1
        for pattern in held:
            for pair in range(begins[pattern], begins[pattern + 1]):
                if seen[partners[pair]] == document:
                    by_pair[pair] += 1
    return by_pattern, by_pair


_memory: list[tuple[tuple[Word, ...], tuple[Pair, ...], Task]] = []


def compiled_task(spellings: tuple[Word, ...], pairs: tuple[Pair, ...]) -> Task:
    """The task of a worker's shards, compiled once; only the last one is kept."""
    if not _memory or _memory[0][:2] != (spellings, pairs):
        _memory[:] = [(spellings, pairs, Task(spellings, pairs))]
    return _memory[0][2]


def count_shard(path: str | Path, spellings: tuple[Word, ...], pairs: tuple[Pair, ...]) -> pa.Table:
    """Count one Parquet shard: one row with its documents and the lists `words` and `pairs`, in the order given."""
    task = compiled_task(spellings, pairs)
    by_word, by_pair = np.zeros(len(spellings), np.int64), np.zeros(len(pairs), np.int64)
    documents = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_BATCH_DOCUMENTS, columns=["text"]):
            of_words, of_pairs = task.count(batch.column(0))
            by_word += of_words
            by_pair += of_pairs
            documents += len(batch)
    return pa.table({"documents": [documents], "words": [by_word], "pairs": [by_pair]})


def count_shards(
    shards: Sequence[tuple[str, str | Path]],
    spellings: Sequence[Word],
    pairs: Sequence[Pair],
    work: Work,
    workers: int = 0,
    engine: str = "pool",
) -> tuple[int, np.ndarray, np.ndarray]:
    """Documents, documents with each word and with both words of each pair, over (name, path) shards."""
    asked = tuple(spellings), tuple(pairs)
    by_word, by_pair, documents = np.zeros(len(spellings), np.int64), np.zeros(len(pairs), np.int64), 0
    tasks = [(name, count_shard, (path,)) for name, path in shards]
    for part in run_shards(tasks, work, workers, "count", engine, asked):
        documents += part["documents"][0].as_py()
        by_word += part["words"].combine_chunks().flatten().to_numpy()
        by_pair += part["pairs"].combine_chunks().flatten().to_numpy()
    return documents, by_word, by_pair


def count_tables(
    spellings: Sequence[Word], pairs: Sequence[Pair], by_word: np.ndarray, by_pair: np.ndarray, **how: object
) -> dict[str, pa.Table]:
    """The tables `word_counts` and `pair_counts`; `how` gives unit, window, exact and provider."""
    word_columns = {"word": [w for w, _ in spellings], "language": [c for _, c in spellings], "value": by_word}
    pair_columns = {
        "word_1": [a[0] for a, _ in pairs],
        "language_1": [a[1] for a, _ in pairs],
        "word_2": [b[0] for _, b in pairs],
        "language_2": [b[1] for _, b in pairs],
        "value": by_pair,
    }
    return {
        "word_counts": pa.table({**word_columns, **{key: [value] * len(spellings) for key, value in how.items()}}),
        "pair_counts": pa.table({**pair_columns, **{key: [value] * len(pairs) for key, value in how.items()}}),
    }


def corpus_shards(inputs: Inputs) -> list[tuple[str, Path]]:
    """Name and path of every document shard, in the order of the corpus."""
    rows = inputs.table("shards").select(["shard", "path"]).to_pylist()
    return [(row["shard"], inputs.folder("corpus") / row["path"]) for row in rows]


def count_stage(config: CountConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Count a benchmark's words and pairs over the corpus (tables `word_counts` and `pair_counts`).

    Raises:
        InputError: the configuration asks for a unit or provider that there is not.
    """
    if config.unit != "document" or config.provider != "local":
        raise InputError(
            f"[count] unit = {config.unit!r}, provider = {config.provider!r}: expected unit = 'document' and "
            "provider = 'local'; windows and other providers are not there yet"
        )
    spellings, pairs = benchmark_words(inputs.table("items"))
    documents, by_word, by_pair = count_shards(
        corpus_shards(inputs), spellings, pairs, work, config.workers, config.engine
    )
    work.note("documents", documents)
    work.note("pairs_that_meet", int((by_pair > 0).sum()))
    return count_tables(spellings, pairs, by_word, by_pair, unit="document", window=0, exact=True, provider="local")
