"""Exact document counts of words and of word pairs, in one pass over the corpus (METHOD §4).

One pure kernel per shard gives partial counts; partials are summed, so neither the number of workers nor the engine
changes a byte of the result. A pair is counted by partner lookup: for each word found in a document, its partners are
looked up among the words found there, so the cost follows what is present, not the number of wanted pairs.

The two words of a pair with one spelling and one boundary rule are one pattern: their pair count is the word's own
count. Zero is a value like any other: a pair that never meets has its row.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numba
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semantic_pivots.config import CountConfig
from semantic_pivots.corpus import documents as readers
from semantic_pivots.corpus.engines import run_shards
from semantic_pivots.corpus.match import Words, buffers, find
from semantic_pivots.corpus.providers import Counts, Pair, Word, open_provider
from semantic_pivots.errors import InputError, nearest
from semantic_pivots.run import Inputs, Work

_BATCH_DOCUMENTS = 8192
_BAD_SHARE = 0.01


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


def text_batches(path: str, text_column: str = "text") -> Iterator[pa.Array]:
    """The texts of one file of documents, some thousands at a time: Parquet as Arrow, other kinds by their reader.

    Raises:
        InputError: the file cannot be read, or has no such column.
    """
    if not path.endswith(".parquet") or "://" in path:
        skipped = readers.Skipped()
        documents, read = readers.read(path, {"text": text_column}, skipped), 0
        while block := [document.text for document in itertools.islice(documents, _BATCH_DOCUMENTS)]:
            read += len(block)
            yield pa.array(block, pa.large_string())
        if skipped.total > _BAD_SHARE * (read + skipped.total):
            reason, (lines, first) = max(skipped.reasons.items(), key=lambda entry: entry[1][0])
            raise InputError(
                f"{path}: {skipped.total} of {read + skipped.total} lines give no document; most: {reason}, {lines} "
                f"times, first in line {first}; expected a text in column {text_column!r} of at least 99 % of the lines"
            )
        return
    try:
        with pq.ParquetFile(path) as file:
            if text_column not in file.schema_arrow.names:
                known = file.schema_arrow.names
                raise InputError(
                    f"{path}: no column {text_column!r}; it has {', '.join(known)}{nearest('text', known)}"
                )
            for batch in file.iter_batches(_BATCH_DOCUMENTS, columns=[text_column]):
                yield batch.column(0)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: cannot be read as Parquet: {str(error).splitlines()[0]}") from error


def count_shard(path: str, text_column: str, spellings: tuple[Word, ...], pairs: tuple[Pair, ...]) -> pa.Table:
    """Count one file of documents: one row with their number and the lists `words` and `pairs`, in the order given."""
    task = compiled_task(spellings, pairs)
    by_word, by_pair = np.zeros(len(spellings), np.int64), np.zeros(len(pairs), np.int64)
    documents = 0
    for texts in text_batches(path, text_column):
        of_words, of_pairs = task.count(texts)
        by_word += of_words
        by_pair += of_pairs
        documents += len(texts)
    return pa.table({"documents": [documents], "words": [by_word], "pairs": [by_pair]})


def count_shards(
    shards: Sequence[tuple[str, str]],
    spellings: Sequence[Word],
    pairs: Sequence[Pair],
    work: Work,
    workers: int = 0,
    engine: str = "pool",
    text_column: str = "text",
) -> tuple[int, np.ndarray, np.ndarray]:
    """Documents, documents with each word and with both words of each pair, over (name, path) files of documents."""
    shared = (text_column, tuple(spellings), tuple(pairs))
    by_word, by_pair, documents = np.zeros(len(spellings), np.int64), np.zeros(len(pairs), np.int64), 0
    tasks = [(name, count_shard, (path,)) for name, path in shards]
    for part in run_shards(tasks, work, workers, "count", engine, shared):
        documents += part["documents"][0].as_py()
        by_word += part["words"].combine_chunks().flatten().to_numpy()
        by_pair += part["pairs"].combine_chunks().flatten().to_numpy()
    return documents, by_word, by_pair


def in_documents(values: np.ndarray) -> Counts:
    """Exact numbers of documents."""
    return Counts(values, np.ones(len(values), bool), "document", 0)


def count_tables(
    spellings: Sequence[Word], pairs: Sequence[Pair], of_words: Counts, of_pairs: Counts, provider: str
) -> dict[str, pa.Table]:
    """The tables `word_counts` and `pair_counts`."""
    word_columns = {"word": [w for w, _ in spellings], "language": [c for _, c in spellings]}
    pair_columns = {
        "word_1": [a[0] for a, _ in pairs],
        "language_1": [a[1] for a, _ in pairs],
        "word_2": [b[0] for _, b in pairs],
        "language_2": [b[1] for _, b in pairs],
    }
    tables = {}
    for name, columns, counts in (("word_counts", word_columns, of_words), ("pair_counts", pair_columns, of_pairs)):
        n = len(counts.values)
        how = {"unit": [counts.unit] * n, "window": np.full(n, counts.window, np.int32), "exact": counts.exact}
        strings = {key: pa.array(values, pa.string()) for key, values in columns.items()}
        tables[name] = pa.table(
            {**strings, "value": counts.values, **how, "provider": pa.array([provider] * n, pa.string())}
        )
    return tables


def corpus_shards(inputs: Inputs) -> list[tuple[str, str]]:
    """Name and path of every document shard, in the order of the corpus."""
    rows = inputs.table("shards").select(["shard", "path"]).to_pylist()
    return [(row["shard"], str(inputs.folder("corpus") / row["path"])) for row in rows]


def count_stage(config: CountConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Count a benchmark's words and pairs over the corpus (tables `word_counts` and `pair_counts`).

    Raises:
        InputError: the configuration asks for a unit or provider that there is not.
    """
    spellings, pairs = benchmark_words(inputs.table("items"))
    if config.provider != "local":
        provider = open_provider(config.provider, config.provider_path)
        return count_tables(spellings, pairs, provider.words(spellings), provider.pairs(pairs), provider.name)
    if config.unit != "document" or config.window_tokens:
        raise InputError(
            f"[count] unit = {config.unit!r}, window_tokens = {config.window_tokens}: the local provider counts whole "
            "documents; expected unit = 'document' and window_tokens = 0, or an infini-gram provider"
        )
    documents, by_word, by_pair = count_shards(
        corpus_shards(inputs), spellings, pairs, work, config.workers, config.engine
    )
    work.note("documents", documents)
    work.note("pairs_that_meet", int((by_pair > 0).sum()))
    return count_tables(spellings, pairs, in_documents(by_word), in_documents(by_pair), "local")
