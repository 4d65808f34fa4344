"""Exact document counts of words and of word pairs, in one pass over the corpus (METHOD §4).

A pure function counts each shard, and the counts of the shards are summed, so the result is identical to the byte with
any number of workers and any engine. To count pairs, the partners of each word in a document are looked up among the
other words in it; the cost therefore depends on the words that occur, not on the number of pairs. With a window, only
documents with both words of some pair are read a second time, for the positions of the words.

Two words with the same spelling and the same boundary rule are one pattern, so the count of their pair equals the count
of the word. A pair that never co-occurs has a row with 0.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semantic_pivots import grammar
from semantic_pivots.corpus import documents as readers
from semantic_pivots.corpus.corpus_stage import CorpusConfig
from semantic_pivots.corpus.formats import (
    BATCH_BYTES,
    Column,
    SkippedLines,
    batch_documents,
    parquet_rows,
)
from semantic_pivots.corpus.streams import kind
from semantic_pivots.counting.count_stage import CountConfig
from semantic_pivots.counting.match import Occurrences, Words, find
from semantic_pivots.counting.providers import Counts, Pair, Word, open_provider
from semantic_pivots.counting.strings import buffers
from semantic_pivots.engines import run_shards
from semantic_pivots.errors import InputError, quantity
from semantic_pivots.run import Inputs, Work
from semantic_pivots.tables import SCHEMAS
from semantic_pivots.wordforms.rule import SPELLING, Rule
from semantic_pivots.wordforms.table import Row, forms_and_rule

_BATCH_DOCUMENTS = 8192
_WRONG_SHARE, _FEW_LINES = 0.5, 100


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

    With a window, a pair is counted in documents where its words begin fewer than `window` tokens apart
    (`rule.within_window`).
    """

    def __init__(self, spellings: Sequence[Word], pairs: Sequence[Pair], window: int = 0, rule: Rule = SPELLING):
        self.window = window
        self.matcher = Words.compile(spellings, rule)
        index = {word: i for i, word in enumerate(spellings)}
        self.pairs = np.array([[index[a], index[b]] for a, b in pairs], np.int64).reshape(-1, 2)
        # A partner table by pattern: the pairs of pattern p are those whose lower pattern is p, in `order`.
        ends = np.sort(self.matcher.pattern_of[self.pairs].reshape(-1, 2), axis=1)
        self.order = np.argsort(ends[:, 0], kind="stable")
        self.begins = np.searchsorted(ends[self.order, 0], np.arange(self.matcher.patterns + 1))
        self.partners = ends[self.order, 1].astype(np.int32)

    def count(self, texts: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
        """Number of texts with each word, (words,) int64, and with both words of each pair, (pairs,) int64."""
        data, offsets = buffers(texts)
        starts, hits = find(self.matcher, data, offsets)
        by_pattern, sorted_pairs, joint = _count_hits(starts, hits, self.matcher.patterns, self.begins, self.partners)
        if self.window:
            sorted_pairs[:] = 0
            occurrences = Occurrences(self.matcher)
            for document in np.flatnonzero(joint):
                patterns, places = occurrences.of(data, int(offsets[document]), int(offsets[document + 1]))
                order = np.lexsort((places, patterns))
                _count_windows(patterns[order], places[order], self.begins, self.partners, self.window, sorted_pairs)
        by_pair = np.zeros(len(self.pairs), np.int64)
        by_pair[self.order] = sorted_pairs
        return np.append(by_pattern, 0)[self.matcher.pattern_of], by_pair


@numba.njit(cache=True, nogil=True)
def _count_hits(starts, hits, patterns, begins, partners):  # pragma: no cover - compiled
    by_pattern = np.zeros(patterns, dtype=np.int64)
    by_pair = np.zeros(len(partners), dtype=np.int64)
    last_document = np.full(patterns, -1, dtype=np.int64)
    joint = np.zeros(len(starts) - 1, dtype=np.bool_)
    for document in range(len(starts) - 1):
        hits_here = hits[starts[document] : starts[document + 1]]
        for pattern in hits_here:
            last_document[pattern] = document
            by_pattern[pattern] += 1
        for pattern in hits_here:
            for pair in range(begins[pattern], begins[pattern + 1]):
                if last_document[partners[pair]] == document:
                    by_pair[pair] += 1
                    joint[document] = True
    return by_pattern, by_pair, joint


@numba.njit(cache=True, nogil=True)
def _count_windows(patterns, places, begins, partners, window, by_pair):  # pragma: no cover - compiled
    """Add the pairs of one document whose words are within the window; occurrences are sorted by pattern and place."""
    at = 0
    while at < len(patterns):
        pattern, end = patterns[at], at
        while end < len(patterns) and patterns[end] == pattern:
            end += 1
        for pair in range(begins[pattern], begins[pattern + 1]):
            i, j = at, np.searchsorted(patterns, partners[pair])
            while i < end and j < len(patterns) and patterns[j] == partners[pair]:
                distance = places[i] - places[j]
                if abs(distance) < window:
                    by_pair[pair] += 1
                    break
                if distance < 0:
                    i += 1
                else:
                    j += 1
        at = end


@functools.lru_cache(maxsize=1)
def compiled_task(spellings: tuple[Word, ...], pairs: tuple[Pair, ...], window: int = 0, rule: Rule = SPELLING) -> Task:
    """The compiled task of a worker's shards; the last one is cached."""
    return Task(spellings, pairs, window, rule)


def text_batches(path: str, columns: Sequence[str] = (), skips: SkippedLines | None = None) -> Iterator[pa.Array]:
    """The texts of the documents of one file, in batches of some thousands; batches are smaller if texts are long.

    The documents are those of `pivots corpus make`. Rows of Parquet are read as documents only where Arrow cannot tell
    which of a batch are.

    Args:
        path: the file.
        columns: members `role=column`, as [corpus] columns has them.
        skips: counts the rows that give no document.

    Raises:
        InputError: the file cannot be read, has no such column, or too many of its lines give no document.
    """
    skips = SkippedLines() if skips is None else skips
    renames = readers.column_map(tuple(columns))
    with readers.errors_of(path):
        if kind(path)[0] == "parquet":
            for batch, roles in parquet_rows(path, renames, _BATCH_DOCUMENTS):
                texts = _arrow_texts(batch, roles, skips)
                yield _texts(batch_documents(batch, roles, renames, path, skips)) if texts is None else texts
        else:
            yield from map(_texts, readers.blocks(readers.read(path, renames, skips), BATCH_BYTES, _BATCH_DOCUMENTS))
    # A wrong column is told at the first file of some size; smaller shares are those of the corpus.
    if skips.read >= _FEW_LINES and skips.total > _WRONG_SHARE * skips.read:
        raise InputError(
            f"{path}: {skips.total} of {skips.read} lines give no document; most: {_worst(skips)}; expected "
            f"texts in {_role(columns)}"
        )


def _texts(documents: Iterable[readers.Document]) -> pa.Array:
    return pa.array([document.text for document in documents], pa.large_string())


_STRINGS, _BYTES = (pa.string(), pa.large_string()), (pa.binary(), pa.large_binary(), pa.binary_view())


def _arrow_texts(batch: pa.RecordBatch, roles: dict[str, Column], skips: SkippedLines) -> pa.Array | None:
    """The texts of the rows that have one; None where only reading the rows tells which of them are documents."""
    (text, *inner) = roles["text"] or ("", "")
    if inner or batch.schema.field(text).type not in _STRINGS:
        return None
    for name, *fields in filter(None, roles.values()):
        values = batch.schema.field(name).type
        for field in fields:
            place = values.get_field_index(field) if pa.types.is_struct(values) else -1
            values = values.field(place).type if place >= 0 else pa.null()
        values = values.value_type if pa.types.is_dictionary(values) else values
        # Bytes may be no text, and a number with a point may be too large for an id.
        if values in _BYTES or pa.types.is_fixed_size_binary(values) or pa.types.is_floating(values):
            return None
    try:
        batch.validate(full=True)  # a Parquet file may hold any bytes under the name of a string
    except pa.ArrowInvalid:
        return None
    texts = batch.column(text)
    lengths = pc.call_function("binary_length", [texts]).fill_null(0).to_numpy()
    blank = pc.call_function("utf8_is_space", [texts]).fill_null(True).to_numpy(zero_copy_only=False)
    has_text = (lengths > 0) & ~blank
    if roles["parts"] and not has_text.all():  # the text of a row without one is that of its parts
        return None
    for row in np.flatnonzero(~has_text).tolist():
        skips.add("no text", skips.read + row + 1)
    skips.read += len(texts)
    return texts if has_text.all() else texts.filter(pa.array(has_text))


def _role(columns: Sequence[str]) -> str:
    text = readers.column_map(tuple(columns)).get("text")
    return f"column {text!r}" if text else "column text, content or raw_content, or --columns text=NAME"


def _worst(skips: SkippedLines) -> str:
    reason, (lines, line) = max(skips.reasons.items(), key=lambda entry: entry[1][0])
    return f"{reason}, {quantity(lines, 'time')}, first in line {line}"


def count_shard(
    path: str | tuple[str, ...],
    columns: tuple[str, ...],
    spellings: tuple[Word, ...],
    pairs: tuple[Pair, ...],
    window: int = 0,
    rule: Rule = SPELLING,
) -> pa.Table:
    """Count one file of documents, or some small ones together: one row.

    Columns: the number of `documents`; the lists of counts `words` and `pairs`, in the given order; `skipped`, the
    number of lines without a document; and `most`, the most frequent reason for that.
    """
    task = compiled_task(spellings, pairs, window, rule)
    by_word, by_pair = np.zeros(len(spellings), np.int64), np.zeros(len(pairs), np.int64)
    documents, lines, worst = 0, 0, (0, "")
    for file in (path,) if isinstance(path, str) else path:
        skips = SkippedLines()
        for texts in text_batches(file, columns, skips):
            of_words, of_pairs = task.count(texts)
            by_word += of_words
            by_pair += of_pairs
            documents += len(texts)
        lines += skips.total
        if skips.total > worst[0]:
            worst = skips.total, f"{file}: {_worst(skips)}"
    counts = {"documents": [documents], "words": [by_word], "pairs": [by_pair]}
    return pa.table({**counts, "skipped": [lines], "most": [worst[1]]})


def count_shards(
    shards: Sequence[tuple[str, str | tuple[str, ...]]],
    spellings: Sequence[Word],
    pairs: Sequence[Pair],
    work: Work,
    workers: int = 0,
    engine: str = "pool",
    columns: tuple[str, ...] = (),
    window: int = 0,
    max_bad_share: float = CorpusConfig.max_bad_share,
    rule: Rule = SPELLING,
) -> tuple[int, np.ndarray, np.ndarray]:
    """Numbers of documents in all, with each word, and with both words of each pair, in (name, path) files.

    With a window, a pair is counted in documents where its words begin fewer than `window` tokens apart
    (`rule.within_window`).

    Raises:
        InputError: too many lines of all files together have no document.
    """
    constants = (columns, tuple(spellings), tuple(pairs), window, rule)
    by_word, by_pair, documents = np.zeros(len(spellings), np.int64), np.zeros(len(pairs), np.int64), 0
    tasks = [(name, count_shard, (path,)) for name, path in shards]
    skips, worst = 0, (0, "")
    for part in run_shards(tasks, work, workers, "count", engine, constants):
        documents += part["documents"][0].as_py()
        by_word += part["words"].combine_chunks().flatten().to_numpy()
        by_pair += part["pairs"].combine_chunks().flatten().to_numpy()
        skips += part["skipped"][0].as_py()
        worst = max(worst, (part["skipped"][0].as_py(), part["most"][0].as_py()))
    if skips > max_bad_share * (documents + skips):
        raise InputError(
            f"{skips} of {documents + skips} lines give no document, above max_bad_share = {max_bad_share}; most: "
            f"{worst[1]}; expected a text in {_role(columns)}"
        )
    if skips:
        work.note("skipped", skips)
        work.warn(f"count: {skips} of {documents + skips} lines give no document; most: {worst[1]}")
    return documents, by_word, by_pair


def in_documents(values: np.ndarray, window: int = 0) -> Counts:
    """Exact numbers of documents as `Counts`."""
    return Counts(values, np.ones(len(values), bool), "window" if window else "document", window)


def count_tables(
    spellings: Sequence[Word],
    pairs: Sequence[Pair],
    of_words: Counts,
    of_pairs: Counts,
    provider: str,
    rule: Rule | None = None,
) -> dict[str, pa.Table]:
    """The tables `word_counts` and `pair_counts`; without a rule, the provider defines what a word is."""
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
        source = {
            "unit": [counts.unit] * n,
            "window": np.full(n, counts.window, np.int32),
            "exact": counts.exact,
            "approx": pa.nulls(n, pa.bool_()) if counts.approx is None else counts.approx,
        }
        strings = {key: pa.array(values, pa.string()) for key, values in columns.items()}
        codes = zip(*(columns[key] for key in columns if key.startswith("language")), strict=True)
        pair_names = {
            "provider": pa.array([provider] * n, pa.string()),
            "rule": pa.array(["provider" if rule is None else rule.signature(*of) for of in codes], pa.string()),
        }
        tables[name] = pa.table({**strings, "value": counts.values, **source, **pair_names})
    return tables


def forms_table(rows: Sequence[Row]) -> pa.Table:
    """The table `forms`: the forms by which each word is matched."""
    return pa.Table.from_pylist([row._asdict() for row in rows], SCHEMAS["forms"])


def corpus_shards(inputs: Inputs) -> list[tuple[str, str]]:
    """Name and path of every document shard, in the order of the corpus."""
    rows = inputs.table("shards").select(["shard", "path"]).to_pylist()
    return [(row["shard"], str(inputs.folder("corpus") / row["path"])) for row in rows]


def count_stage(config: CountConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Count a benchmark's words and pairs over the corpus (tables `word_counts` and `pair_counts`).

    Raises:
        InputError: the configuration names an unknown unit or provider.
    """
    grammar.check(config)
    spellings, pairs = benchmark_words(inputs.table("items"))
    if config.provider != "local":
        provider = open_provider(config.provider, config.provider_path)
        return count_tables(spellings, pairs, provider.words(spellings), provider.pairs(pairs), provider.name)
    rows, rule = forms_and_rule(config.words, config.forms_path, spellings)
    documents, by_word, by_pair = count_shards(
        corpus_shards(inputs),
        spellings,
        pairs,
        work,
        config.workers,
        config.engine,
        window=config.window_tokens,
        rule=rule,
    )
    work.note("documents", documents)
    work.note("pairs_that_meet", int((by_pair > 0).sum()))
    of_words, of_pairs = in_documents(by_word), in_documents(by_pair, config.window_tokens)
    return {**count_tables(spellings, pairs, of_words, of_pairs, "local", rule), "forms": forms_table(rows)}
