"""Exact document counts of words and of word pairs, in one pass over the corpus (METHOD §4).

One pure kernel per shard gives partial counts; partials are summed, so neither the number of workers nor the engine
changes a byte of the result. A pair is counted by partner lookup: for each word found in a document, its partners are
looked up among the words found there, so the cost follows what is present, not the number of wanted pairs. Within a
window, only documents that hold both words of some pair are read a second time, for the places of their words.

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
from semantic_pivots.corpus.match import Occurrences, Words, buffers, find
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
    """Words and pairs compiled for counting; `pairs` (pairs, 2) int64 are indices into the words.

    With a window, a pair is counted in documents where its words begin fewer than `window` tokens apart (`words.meet`).
    """

    def __init__(self, spellings: Sequence[Word], pairs: Sequence[Pair], window: int = 0):
        self.window = window
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
        data, offsets = buffers(texts)
        starts, hits = find(self.compiled, data, offsets)
        by_pattern, sorted_pairs, shared = _tally(starts, hits, self.compiled.patterns, self.begins, self.partners)
        if self.window:
            sorted_pairs[:] = 0
            occurrences = Occurrences(self.compiled)
            for document in np.flatnonzero(shared):
                found, places = occurrences.of(data, int(offsets[document]), int(offsets[document + 1]))
                order = np.lexsort((places, found))
                _near(found[order], places[order], self.begins, self.partners, self.window, sorted_pairs)
        by_pair = np.zeros(len(self.pairs), np.int64)
        by_pair[self.order] = sorted_pairs
        return np.append(by_pattern, 0)[self.compiled.pattern_of], by_pair


@numba.njit(cache=True, nogil=True)
def _tally(starts, hits, patterns, begins, partners):  # pragma: no cover - compiled
    by_pattern = np.zeros(patterns, dtype=np.int64)
    by_pair = np.zeros(len(partners), dtype=np.int64)
    seen = np.full(patterns, -1, dtype=np.int64)
    shared = np.zeros(len(starts) - 1, dtype=np.bool_)
    for document in range(len(starts) - 1):
        held = hits[starts[document] : starts[document + 1]]
        for pattern in held:
            seen[pattern] = document
            by_pattern[pattern] += 1
        for pattern in held:
            for pair in range(begins[pattern], begins[pattern + 1]):
                if seen[partners[pair]] == document:
                    by_pair[pair] += 1
                    shared[document] = True
    return by_pattern, by_pair, shared


@numba.njit(cache=True, nogil=True)
def _near(found, places, begins, partners, window, by_pair):  # pragma: no cover - compiled
    """Add one document's pairs that come within the window; occurrences in order of pattern and place."""
    at = 0
    while at < len(found):
        pattern, end = found[at], at
        while end < len(found) and found[end] == pattern:
            end += 1
        for pair in range(begins[pattern], begins[pattern + 1]):
            i, j = at, np.searchsorted(found, partners[pair])
            while i < end and j < len(found) and found[j] == partners[pair]:
                distance = places[i] - places[j]
                if abs(distance) < window:
                    by_pair[pair] += 1
                    break
                if distance < 0:
                    i += 1
                else:
                    j += 1
        at = end


_memory: list[tuple[tuple[Word, ...], tuple[Pair, ...], int, Task]] = []


def compiled_task(spellings: tuple[Word, ...], pairs: tuple[Pair, ...], window: int = 0) -> Task:
    """The task of a worker's shards, compiled once; only the last one is kept."""
    if not _memory or _memory[0][:3] != (spellings, pairs, window):
        _memory[:] = [(spellings, pairs, window, Task(spellings, pairs, window))]
    return _memory[0][3]


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


def count_shard(
    path: str, text_column: str, spellings: tuple[Word, ...], pairs: tuple[Pair, ...], window: int = 0
) -> pa.Table:
    """Count one file of documents: one row with their number and the lists `words` and `pairs`, in the order given."""
    task = compiled_task(spellings, pairs, window)
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
    window: int = 0,
) -> tuple[int, np.ndarray, np.ndarray]:
    """Documents, documents with each word and with both words of each pair, over (name, path) files of documents.

    With a window, pairs are counted where their words begin fewer than so many tokens apart (`words.meet`).
    """
    shared = (text_column, tuple(spellings), tuple(pairs), window)
    by_word, by_pair, documents = np.zeros(len(spellings), np.int64), np.zeros(len(pairs), np.int64), 0
    tasks = [(name, count_shard, (path,)) for name, path in shards]
    for part in run_shards(tasks, work, workers, "count", engine, shared):
        documents += part["documents"][0].as_py()
        by_word += part["words"].combine_chunks().flatten().to_numpy()
        by_pair += part["pairs"].combine_chunks().flatten().to_numpy()
    return documents, by_word, by_pair


def in_documents(values: np.ndarray, window: int = 0) -> Counts:
    """Exact numbers of documents: that contain, or that contain both within a window."""
    return Counts(values, np.ones(len(values), bool), "window" if window else "document", window)


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
        how = {
            "unit": [counts.unit] * n,
            "window": np.full(n, counts.window, np.int32),
            "exact": counts.exact,
            "approx": pa.nulls(n, pa.bool_()) if counts.approx is None else counts.approx,
        }
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
    if (config.unit == "window") != (config.window_tokens > 0) or config.unit not in ("document", "window"):
        raise InputError(
            f"[count] unit = {config.unit!r}, window_tokens = {config.window_tokens}: expected unit = 'document' with "
            "window_tokens = 0, or unit = 'window' with a window of at least 1"
        )
    documents, by_word, by_pair = count_shards(
        corpus_shards(inputs),
        spellings,
        pairs,
        work,
        config.workers,
        config.engine,
        window=config.window_tokens,
    )
    work.note("documents", documents)
    work.note("pairs_that_meet", int((by_pair > 0).sum()))
    return count_tables(spellings, pairs, in_documents(by_word), in_documents(by_pair, config.window_tokens), "local")
