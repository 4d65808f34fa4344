"""Documents drawn for a word: of those that contain it, those with the smallest hash of seed, word and document.

A draw therefore depends neither on the shards nor on their order. The corpus is read twice, shard by shard, on any
engine. The first pass counts the documents with each word and each token. From these counts follows how small a hash
must be to be drawn, since hashes are uniformly distributed; the second pass reads only documents with such a hash.
Memory of the drawing process grows with the number of words, not with the corpus.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from semantic_pivots.counting.counts import Word
from semantic_pivots.counting.match import Words, find
from semantic_pivots.counting.shard_passes import Corpus, Shard
from semantic_pivots.counting.strings import buffers, hash_of, mix
from semantic_pivots.counting.unit_counts import distinct_tokens, frequencies
from semantic_pivots.counting.units import Splitter, Vocabulary
from semantic_pivots.wordforms.rule import SPELLING, Rule

_ALL = np.uint64(np.iinfo(np.uint64).max)


_mix = numba.njit(cache=True)(mix)


@functools.lru_cache(maxsize=1)
def _compile(spellings: tuple[Word, ...], rule: Rule) -> tuple[Words, np.ndarray, np.ndarray]:
    """The words of a worker's shards, compiled once, and those of each pattern as a chain.

    A chain is the first word of each pattern, and after each word the next one of its pattern; -1 ends it.
    """
    matcher = Words.compile(spellings, rule)
    first, following = np.full(matcher.patterns, -1, np.int32), np.full(len(spellings), -1, np.int32)
    for word in reversed(range(len(spellings))):
        if (pattern := matcher.pattern_of[word]) >= 0:
            following[word], first[pattern] = first[pattern], word
    return matcher, first, following


def parts(
    corpus: Corpus,
    label: str,
    function: Callable[..., pa.Table],
    *constants: object,
    of_shards: Sequence[tuple[object, ...]] = (),
) -> Iterator[dict[str, np.ndarray]]:
    """The arrays that `function` returns for each shard (`pack`), in order; arguments as in `Corpus.results`."""
    return map(unpacked, corpus.results(label, function, *constants, of_shards=of_shards))


def unpacked(part: pa.Table) -> dict[str, np.ndarray]:
    """The arrays of one row of `pack`."""
    labels = [(*name.split(), part[name][0]) for name in part.column_names]
    return {name: np.frombuffer(value.as_buffer(), kind) for name, kind, value in labels}


def column(name: str, kind: npt.DTypeLike) -> str:
    """The column of `pack` with an array."""
    return f"{name} {np.dtype(kind).str}"


def pack(arrays: dict[str, np.ndarray]) -> pa.Table:
    """One row with the bytes of each array; a column's name has the dtype. (Lists would be stored value by value.)"""
    columns = {column(name, array.dtype): array.tobytes() for name, array in arrays.items()}
    return pa.table({name: pa.array([value], pa.large_binary()) for name, value in columns.items()})


class _Growing:
    """An array that is added to; the system moves its pages instead of copying it."""

    def __init__(self, kind: type | np.dtype):
        self._array, self._size = np.empty(1 << 16, kind), 0

    def add(self, values: np.ndarray) -> None:
        end = self._size + len(values)
        if end > len(self._array):
            self._array.resize(end + end // 2, refcheck=False)
        self._array[self._size : end] = values
        self._size = end

    def values(self) -> np.ndarray:
        return self._array[: self._size]


class Survey(NamedTuple):
    """Numbers of documents, all int64: `totals` (words,) with each word; `documents` of each language; and `frequency`
    (size,) of each language with each token, empty if no tokens were counted.
    """

    totals: np.ndarray
    documents: dict[str, int]
    frequency: dict[str, np.ndarray]


def survey(corpus: Corpus, spellings: tuple[Word, ...], size: int, rule: Rule = SPELLING) -> Survey:
    """Count the documents that contain each word, and each token with an id below `size`; 0: no tokens."""
    pattern_of = _compile(spellings, rule)[0].pattern_of
    counts = np.zeros(int(pattern_of.max(initial=-1)) + 1, np.int64)
    result = Survey(counts, {}, {})
    for part in parts(corpus, "survey", _survey, spellings, rule, size):
        counts += part["held"]
        for code, count in zip(part["languages"].tolist(), part["documents"].tolist(), strict=True):
            result.documents[code] = result.documents.get(code, 0) + count
        _add_frequencies(result.frequency, part, size)
    return result._replace(totals=np.append(counts, 0)[pattern_of])


def word_frequencies(corpus: Corpus, splitter: Splitter, keys: np.ndarray) -> dict[str, np.ndarray]:
    """By language, the number of documents that contain each word, (words,) int64; `keys` are the word hashes."""
    order = np.argsort(keys)
    by_language: dict[str, np.ndarray] = {}
    for part in parts(corpus, "words", _word_frequencies, splitter, keys[order]):
        _add_frequencies(by_language, part, len(keys))
    place = np.empty(len(keys), np.int64)
    place[order] = np.arange(len(keys))
    return {code: counts[place] for code, counts in by_language.items()}


def _word_frequencies(shard: Shard, splitter: Splitter, keys: np.ndarray) -> pa.Table:
    table = shard.documents(["text", "language"])
    units = splitter.split(*buffers(table["text"]))
    place = np.searchsorted(keys, units.keys) if len(keys) else np.zeros(len(units.keys), np.int64)
    in_vocabulary = keys[np.minimum(place, len(keys) - 1)] == units.keys if len(keys) else np.zeros(len(place), bool)
    number = np.where(in_vocabulary, place, len(keys))
    codes, language = _languages(table)
    return pack(_by_language(codes, language, units.starts, number[units.numbers], len(keys)))


def _add_frequencies(by_language: dict[str, np.ndarray], part: dict[str, np.ndarray], size: int) -> None:
    for i, code in enumerate(part["languages"].tolist()):
        span = slice(part["edges"][i], part["edges"][i + 1])
        by_language.setdefault(code, np.zeros(size, np.int64))[part["tokens"][span]] += part["times"][span]


def _languages(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """The codes of a shard's documents, sorted, and the index of each document's; a document without one has ""."""
    codes = table["language"].fill_null("").to_numpy().astype(str)
    return np.unique(codes, return_inverse=True)


def _by_language(
    codes: np.ndarray, language: np.ndarray, begins: np.ndarray, units: np.ndarray, size: int
) -> dict[str, np.ndarray]:
    """Languages and, at `edges`, the numbers below `size` that documents of each hold (`tokens`), and in how many."""
    of_token = np.repeat(language, np.diff(begins))
    columns = [frequencies(units[of_token == i], size + 1)[:size] for i in range(len(codes))]
    tokens = [np.flatnonzero(counts) for counts in columns]
    return {
        "languages": codes,
        "edges": np.cumsum([0, *map(len, tokens)]),
        "tokens": np.concatenate([np.zeros(0, np.int64), *tokens]),
        "times": np.concatenate([np.zeros(0, np.int64), *(c[t] for c, t in zip(columns, tokens, strict=True))]),
    }


def _survey(shard: Shard, spellings: tuple[Word, ...], rule: Rule, size: int) -> pa.Table:
    table = shard.documents(["text", "language"] if spellings else ["language"])
    matcher = _compile(spellings, rule)[0]
    hits = find(matcher, *buffers(table["text"]))[1] if spellings else np.zeros(0, np.int32)
    codes, language = _languages(table)
    empty = np.zeros(len(table) + 1, np.int64), np.zeros(0, np.int32)
    begins, tokens = distinct_in(shard, size) if size else empty
    arrays = {
        "held": np.bincount(hits, minlength=matcher.patterns),
        "documents": np.bincount(language, minlength=len(codes)),
        **_by_language(codes, language, begins, tokens, size),
    }
    return pack(arrays)


def distinct_in(shard: Shard, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The distinct tokens of a shard's documents (`distinct_tokens`), ids below `size`."""
    return distinct_tokens(*shard.tokens(size), size)


class Sample(NamedTuple):
    """The n documents that were drawn for at least one word.

    `documents` (n,) int64 are their numbers in the corpus, ascending. `draws` are the documents of each word, as
    ascending indices into `documents`. Document i has the distinct units tokens[starts[i]:starts[i + 1]] (uint16 or
    uint32; `starts` (n + 1,) int64), which are numbers of `vocabulary` if the units are words. `keys` and `sources` are
    (n,) uint64 hashes of each document's id and source.
    """

    documents: np.ndarray
    keys: np.ndarray
    sources: np.ndarray
    draws: list[np.ndarray]
    starts: np.ndarray
    tokens: np.ndarray
    vocabulary: Vocabulary


def draw(
    corpus: Corpus,
    spellings: tuple[Word, ...],
    seeds: Sequence[int],
    size: int,
    totals: np.ndarray,
    units: np.ndarray | Splitter,
    rule: Rule = SPELLING,
) -> Sample:
    """Draw up to `size` documents of each word.

    Args:
        corpus: the documents.
        spellings: the words.
        seeds: seed of each word's draw.
        size: number of documents drawn for a word.
        totals: (words,) number of documents that contain each word (`survey`).
        units: the units of the documents. An array: tokens, with the (vocabulary,) int32 number of each, -1 for tokens
            that are left out. A splitter: the words that it gives.
        rule: the rule by which the words are matched.
    """
    # Of a word in h documents `size` are drawn; six deviations more than that are read, to read once.
    share = (size + 6 * np.sqrt(size) + 10) / np.maximum(totals, 1)
    bounds = np.full(len(totals), _ALL)
    bounds[share < 1] = (share[share < 1] * 2.0**64).astype(np.uint64)
    seed_array = np.array([seed % 2**64 for seed in seeds], np.uint64)
    for attempt in itertools.count():
        kinds = {"words": np.int32, "places": np.uint64, "documents": np.int64, "near": np.int64, "lengths": np.int64}
        kinds |= {"ids": np.uint64, "sources": np.uint64}
        read = {name: _Growing(kind) for name, kind in kinds.items()} | {"tokens": _Growing(_kind(units))}
        base, vocabulary = 0, Vocabulary()
        for part in parts(corpus, f"draws-{attempt}", _near_of_shard, spellings, rule, seed_array, bounds, units):
            if "keys" in part:
                part["tokens"] = vocabulary.numbers(part["keys"], part["letters"], part["ends"])[part["tokens"]]
            for name, column in read.items():
                column.add(part[name] + base if name in ("documents", "near") else part[name])
            base += int(part["size"][0])
        word, place, document, near, lengths, ids, sources, tokens = (column.values() for column in read.values())
        short = np.bincount(word, minlength=len(totals)) < np.minimum(totals, size)
        if not short.any():
            break
        # Documents of one id have one hash, and are drawn together or not at all.
        bounds[short] = np.where(bounds[short] > _ALL >> np.uint64(6), _ALL, bounds[short] << np.uint64(6))
    smallest = _smallest(word, place, size, len(totals))
    word, document = word[smallest], document[smallest]
    is_drawn = np.isin(near, document)
    n_tokens = _compact(is_drawn, lengths, tokens)
    starts = np.concatenate([[0], np.cumsum(lengths[is_drawn])]).astype(np.int64)
    documents = near[is_drawn]
    draws = np.split(np.searchsorted(documents, document), np.searchsorted(word, np.arange(1, len(totals))))
    return Sample(documents, ids[is_drawn], sources[is_drawn], draws, starts, tokens[:n_tokens], vocabulary)


def _kind(units: np.ndarray | Splitter) -> type:
    return np.uint32 if isinstance(units, Splitter) or units.max(initial=0) >= 2**16 else np.uint16


def _near_of_shard(
    shard: Shard,
    spellings: tuple[Word, ...],
    rule: Rule,
    seeds: np.ndarray,
    bounds: np.ndarray,
    units: np.ndarray | Splitter,
) -> pa.Table:
    """Hits within the bounds (`words`, `places`, `documents`); those that have any (`near`), and their units."""
    table = shard.documents(["id", "text", "source"])
    matcher, first, following = _compile(spellings, rule)
    starts, hits = find(matcher, *buffers(table["text"]))
    rows, ids = np.repeat(np.arange(len(starts) - 1), np.diff(starts)), hash_of(table["id"])
    words, places, documents = _candidates(rows, hits, ids[rows], first, following, seeds, bounds)
    near = documents[np.diff(documents, prepend=-1) > 0]
    arrays = {"words": words, "places": places, "documents": documents, "near": near, "size": np.array([len(table)])}
    arrays |= {"ids": ids[near], "sources": hash_of(table["source"])[near]}
    if isinstance(units, Splitter):
        cut = units.split(*buffers(table["text"].take(pa.array(near))))
        columns = {"tokens": cut.numbers.astype(np.uint32), "keys": cut.keys, "letters": cut.letters, "ends": cut.ends}
        return pack({**arrays, **columns, "lengths": np.diff(cut.starts)})
    begins, units_of = distinct_in(shard, len(units))
    lengths, tokens = _numbers(begins, units_of, near, units)
    return pack({**arrays, "lengths": lengths, "tokens": tokens.astype(_kind(units))})


@numba.njit(cache=True)
def _compact(is_drawn, lengths, tokens):  # pragma: no cover - compiled
    """Move the tokens of the wanted documents together in place; how many they are."""
    at, n = 0, 0
    for document in range(len(is_drawn)):
        if is_drawn[document]:
            for i in range(at, at + lengths[document]):
                tokens[n] = tokens[i]
                n += 1
        at += lengths[document]
    return n


@numba.njit(cache=True)
def _numbers(begins, tokens, documents, number):  # pragma: no cover - compiled
    """The numbered tokens of the documents: how many each document has, and their numbers."""
    room = 0
    for document in documents:
        room += begins[document + 1] - begins[document]
    lengths, numbers, n = np.zeros(len(documents), np.int64), np.empty(room, np.uint32), 0
    for d in range(len(documents)):
        n_before = n
        for i in range(begins[documents[d]], begins[documents[d] + 1]):
            if number[tokens[i]] >= 0:
                numbers[n] = number[tokens[i]]
                n += 1
        lengths[d] = n - n_before
    return lengths, numbers[:n].copy()


@numba.njit(cache=True)
def _candidates(documents, patterns, keys, first, following, seeds, bounds):  # pragma: no cover - compiled
    """Words, places and documents of the hits that are not beyond their word's bound."""
    words, places, rows = np.empty(1024, np.int32), np.empty(1024, np.uint64), np.empty(1024, np.int64)
    n = 0
    for i in range(len(documents)):
        word = first[patterns[i]]
        while word >= 0:
            place = _mix(keys[i] ^ seeds[word])
            if place <= bounds[word]:
                if n == len(words):
                    words = np.concatenate((words, np.empty(n, np.int32)))
                    places = np.concatenate((places, np.empty(n, np.uint64)))
                    rows = np.concatenate((rows, np.empty(n, np.int64)))
                words[n], places[n], rows[n] = word, place, documents[i]
                n += 1
            word = following[word]
    return words[:n].copy(), places[:n].copy(), rows[:n].copy()


@numba.njit(cache=True)
def _smallest(words, places, size, count):  # pragma: no cover - compiled
    """Indices of each of `count` words' `size` smallest places, by word and in order; of equal places the first."""
    edges = np.zeros(count + 1, np.int64)
    for word in words:
        edges[word + 1] += 1
    for word in range(count):
        edges[word + 1] += edges[word]
    fill, order = edges[:-1].copy(), np.empty(len(words), np.int64)
    for i in range(len(words)):
        order[fill[words[i]]] = i
        fill[words[i]] += 1
    n = 0
    for word in range(count):
        members = order[edges[word] : edges[word + 1]]
        limit, equal = _ALL, len(members)
        if len(members) > size:
            limit = np.partition(places[members], size - 1)[size - 1]
            equal = size
            for i in members:
                equal -= places[i] < limit
        for i in members:
            tie = places[i] == limit and equal > 0
            if places[i] < limit or tie:
                equal -= tie
                order[n] = i
                n += 1
    return order[:n].copy()
