"""Documents that contain each word, and both words of each pair: exact, in one pass (METHOD §4).

The two words of a pair with one spelling and one boundary rule are one pattern; their pair count is the word's own
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
from semantic_pivots.corpus.match import Words, find, normalised
from semantic_pivots.errors import InputError
from semantic_pivots.run import Inputs, Work

Word = tuple[str, str]
"""A spelling and its language code."""


def benchmark_words(items: pa.Table) -> tuple[list[Word], list[tuple[Word, Word]]]:
    """The distinct words of a benchmark, and its distinct unordered pairs (source, target), both sorted."""
    pairs = set()
    for row in items.select(["source", "source_language", "target", "target_language"]).to_pylist():
        pair = sorted([(row["source"], row["source_language"]), (row["target"], row["target_language"])])
        pairs.add((pair[0], pair[1]))
    return sorted({word for pair in pairs for word in pair}), sorted(pairs)


def count_texts(compiled: Words, pairs: np.ndarray, texts: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """The kernel: documents with each word, (words,) int64, and with both words of each pair, (pairs,) int64.

    Args:
        compiled: the words.
        pairs: (pairs, 2) int indices into the words.
        texts: the documents of one shard.
    """
    starts, hits = find(compiled, *normalised(texts))
    pattern_pairs = compiled.pattern_of[pairs].reshape(-1, 2)
    low, high = pattern_pairs.min(axis=1), pattern_pairs.max(axis=1)
    order = np.argsort(low, kind="stable").astype(np.int64)
    begins = np.searchsorted(low[order], np.arange(compiled.patterns + 1))
    by_pattern, by_pair = _count(starts, hits, compiled.patterns, begins, high[order].astype(np.int32))
    counts = np.empty(len(pairs), dtype=np.int64)
    counts[order] = by_pair
    return by_pattern[compiled.pattern_of], counts


@numba.njit(cache=True, nogil=True)
def _count(starts, hits, patterns, begins, partners):  # pragma: no cover - compiled
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


def count_shard(path: Path, spellings: Sequence[Word], pairs: Sequence[tuple[Word, Word]]) -> pa.Table:
    """Count one shard: a table of one row with the lists `words` and `pairs`, in the order given."""
    compiled, indices = _compiled(tuple(spellings), tuple(pairs))
    by_word, by_pair = count_texts(compiled, indices, pq.read_table(path, columns=["text"])["text"])
    return pa.table({"words": [by_word], "pairs": [by_pair]})


_memory: dict[int, tuple[Words, np.ndarray]] = {}


def _compiled(spellings: tuple[Word, ...], pairs: tuple[tuple[Word, Word], ...]) -> tuple[Words, np.ndarray]:
    # One automaton serves all shards of a worker; only the last one is kept.
    key = hash((spellings, pairs))
    if key not in _memory:
        index = {word: i for i, word in enumerate(spellings)}
        table = np.array([[index[a], index[b]] for a, b in pairs], dtype=np.int64).reshape(-1, 2)
        _memory.clear()
        _memory[key] = (Words.compile(spellings), table)
    return _memory[key]


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
    paths = [(row["shard"], inputs.folder("corpus") / row["path"]) for row in inputs.table("shards").to_pylist()]
    by_word, by_pair = np.zeros(len(spellings), dtype=np.int64), np.zeros(len(pairs), dtype=np.int64)
    tasks = [(name, count_shard, (path, spellings, pairs)) for name, path in paths]
    for part in run_shards(tasks, work, config.workers, "count"):
        by_word += np.array(part["words"][0].as_py())
        by_pair += np.array(part["pairs"][0].as_py())
    same = {"unit": "document", "window": 0, "exact": True, "provider": "local"}
    word_rows = [
        {"word": w, "language": code, "value": int(n), **same} for (w, code), n in zip(spellings, by_word, strict=True)
    ]
    pair_rows = [
        {"word_1": a[0], "language_1": a[1], "word_2": b[0], "language_2": b[1], "value": int(n), **same}
        for (a, b), n in zip(pairs, by_pair, strict=True)
    ]
    work.note("pairs_that_meet", int((by_pair > 0).sum()))
    return {"word_counts": pa.Table.from_pylist(word_rows), "pair_counts": pa.Table.from_pylist(pair_rows)}
