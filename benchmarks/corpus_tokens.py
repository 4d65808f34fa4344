"""Discovery, graph, scores and selection, measured: parts of `python -m benchmarks.corpus`.

The limit of what counts tokens is the rate of adds when all counters lie in the nearest cache, measured on the same
tokens; that of a selection is one pass over its three columns.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from pathlib import Path

import numba
import numpy as np
import pyarrow as pa

from benchmarks import emit
from benchmarks.measure import TERABYTE, cached_adds, frequent_words, peak_of, text_bytes, timed
from semantic_pivots.corpus.token_shards import flat_tokens, read_token_shard
from semantic_pivots.corpus.vocabulary import read_tokenizer
from semantic_pivots.counting.counts import corpus_shards
from semantic_pivots.counting.document_draws import distinct_in, draw, survey
from semantic_pivots.counting.shard_passes import StoredCorpus
from semantic_pivots.counting.unit_counts import renumber
from semantic_pivots.pivots import token_graph, word_contexts
from semantic_pivots.pivots.discover_stage import DiscoverConfig
from semantic_pivots.run import Inputs, Work
from semantic_pivots.selection.best_documents import Budgets, fill
from semantic_pivots.selection.document_columns import CHOSEN, Documents
from semantic_pivots.selection.pivot_density import PivotTokens
from semantic_pivots.statistics import seed_of

DISCOVERY_WORDS, DISCOVERY_DOCUMENTS = 8_000, 2_000
VOCABULARY, PIVOTS, SCORES = 50_000, 2_000, 50_000_000


def published_counting(documents: list[list[int]]) -> dict[int, int]:
    """Document frequency of every token, one document and one token at a time, as the published scripts count it."""
    frequency: dict[int, int] = {}
    for tokens in documents:
        for token in set(tokens):
            frequency[token] = frequency.get(token, 0) + 1
    return frequency


def published_on(inputs: Inputs, words: list, config: DiscoverConfig) -> tuple[float, dict[int, int]]:
    """Seconds of the published logic on the documents drawn of some words, and the counts of the last."""
    size = len(word_contexts.token_texts(read_tokenizer(inputs.folder("tokens") / "tokenizer.json")))
    seeds = [seed_of("discover", config.seed, *word) for word in words]
    with tempfile.TemporaryDirectory() as folder:
        how = StoredCorpus(inputs, Work(Path(folder), Path(folder)), config.workers, config.engine)
        held = survey(how, tuple(words), size).totals
        drawn = draw(how, tuple(words), seeds, config.documents, held, np.full(size, -1, np.int32))
    wanted = drawn.documents
    tokens, base = {}, 0
    for path in token_columns(inputs):
        shard = read_token_shard(path)
        here = wanted[(wanted >= base) & (wanted < base + len(shard))]
        tokens.update(zip(here.tolist(), shard.take(pa.array(here - base)).to_pylist(), strict=True))
        base += len(shard)
    documents = [[tokens[d] for d in wanted[own].tolist()] for own in drawn.draws]
    seconds, counts = timed(lambda: [published_counting(of_word) for of_word in documents])
    return seconds, counts[-1]


def token_columns(inputs: Inputs) -> list[Path]:
    """Paths of the token shards."""
    return [inputs.folder("tokens") / row["path"] for row in inputs.table("token_shards").to_pylist()]


def discovery(inputs: Inputs) -> None:
    """Document frequencies around the most frequent words, from the shards to the counts, and the published logic."""
    paths = [Path(path) for _, path in corpus_shards(inputs)]
    words, _ = frequent_words(paths, DISCOVERY_WORDS, 1)
    config = DiscoverConfig(documents=DISCOVERY_DOCUMENTS, workers=1, unit="token")

    def gather(how: DiscoverConfig = config) -> word_contexts.WordContexts:
        with tempfile.TemporaryDirectory() as folder:
            return word_contexts.word_contexts_of(
                StoredCorpus(inputs, Work(Path(folder), Path(folder)), how.workers), words, how
            )

    def count() -> None:
        for word in words:
            around.unit_counts(word)

    by_words = dataclasses.replace(config, unit="word")
    gather(by_words).unit_counts(words[0])  # compiles, or loads what an earlier run compiled
    gathered, around = timed(lambda: gather(by_words))
    of_words = gathered + timed(count)[0]
    gather().unit_counts(words[0])
    gathered, around = timed(gather)
    counted, _ = timed(count)
    few = words[:: -(-len(words) // 12)]
    theirs, frequency = published_on(inputs, few, config)
    found, times = around.unit_counts(few[-1])
    last = dict(zip(found.tolist(), times.tolist(), strict=True))
    frequency = {token: n for token, n in frequency.items() if token in last}  # of tokens that can be pivots
    drawn = sum(len(draw) for draw in around.draws.values())
    lengths = np.diff(around.starts)
    updates = sum(int(lengths[draw].sum()) for draw in around.draws.values())
    theirs *= updates / max(sum(int(lengths[around.draws[word]].sum()) for word in few), 1)
    ratio = theirs / (gathered + counted)
    rate, limit = updates / counted, cached_adds(around.tokens)
    emit("discover.words", len(words), f"words, {drawn / len(words):,.0f} documents each", 8_000, len(words) >= 8_000)
    emit("discover.seconds", round(gathered + counted, 2), "s, one worker, from the shards to the counts")
    emit("discover.counting_seconds", round(counted, 2), "s of them, counting")
    emit("discover.rate", round(rate / 1e6), "M updates/s")
    emit("discover.limit", round(limit / 1e6), "M updates/s, all counters in the nearest cache")
    emit("discover.share_of_limit", round(rate / limit, 3), "of the limit's rate")
    emit(
        "discover.over_published",
        round(ratio, 1),
        "times, reading and matching included on this side only",
        50,
        ratio >= 50,
    )
    ratio = theirs / of_words
    emit("discover.words_seconds", round(of_words, 2), "s where the units are words")
    emit("discover.words_over_published", round(ratio, 1), "times, which counts tokens", 50, ratio >= 50)
    emit("discover.equal", float(last == frequency), "same frequencies as the published logic", 1, last == frequency)
    size = text_bytes(paths)
    emit("discover.per_terabyte", round(TERABYTE / (size / gathered) / 3600, 2), "core-hours, and the counting once")


@numba.njit(cache=True)
def _below(starts, tokens, size):  # pragma: no cover - compiled
    """Documents without the tokens from `size` on: starts anew, and tokens, moved together in place."""
    begins, m = np.zeros(len(starts), np.int64), 0
    for document in range(len(starts) - 1):
        for i in range(starts[document], starts[document + 1]):
            tokens[m] = tokens[i]
            m += tokens[i] < size
        begins[document + 1] = m
    return begins, tokens[:m]


def frequent_documents(inputs: Inputs) -> token_graph.Documents:
    """The corpus as documents of its 50,000 most frequent tokens."""
    corpus = StoredCorpus(inputs, Work(Path(), Path()))
    size = len(word_contexts.token_texts(corpus.tokenizer))
    starts, tokens = [np.zeros(1, np.int64)], []
    for shard in corpus.shards():
        begins, distinct = distinct_in(shard, size)
        starts.append(begins[1:] + starts[-1][-1])
        tokens.append(distinct)
    begins, frequent = _below(np.concatenate(starts), renumber(np.concatenate(tokens), size)[1], VOCABULARY)
    return token_graph.Documents(begins, frequent.astype(np.uint16))  # as they are where the vocabulary is of this size


def whole_graph(folders: dict[str, Path]) -> None:
    """Every row of the graph, from the token shards; prints seconds of counting and the number of updates."""
    documents = frequent_documents(Inputs(folders))
    size = int(documents.tokens.max()) + 1
    chosen = np.arange(size, dtype=np.int32)
    token_graph.rows(documents, size, chosen[[0, -1]], 1, 10, 20)  # the counters' dtype is the timed one
    seconds, rows = timed(lambda: token_graph.rows(documents, size, chosen, 1, 10, 20))
    updates = int((np.diff(documents.starts) ** 2).sum())
    print(seconds, updates, float(rows.degree.mean()))


def graph_rows(inputs: Inputs) -> None:
    """Rows of the graph of 50,000 tokens, against scipy's sparse product of the same rows."""
    from scipy import sparse

    folders = {name: inputs.folder(name) for name in inputs.stages()}
    peak, printed = peak_of("benchmarks.corpus_tokens:whole_graph", folders)
    seconds, updates, degree = map(float, printed.split())
    documents = frequent_documents(inputs)
    count, size = len(documents.starts) - 1, int(documents.tokens.max()) + 1
    chosen = np.arange(0, size, 4, dtype=np.int32)
    rows = np.repeat(np.arange(count), np.diff(documents.starts))
    ones = np.ones(len(rows), np.int32)
    matrix = sparse.csr_matrix((ones, (rows, documents.tokens)), (count, size))
    some = matrix[:, chosen].T.tocsr()
    token_graph.rows(documents, size, chosen[[0, -1]], 1, 10, 20)  # the counters' dtype is the timed one
    own, made = timed(lambda: token_graph.rows(documents, size, chosen, 1, 10, 20), 2)
    theirs, product = timed(lambda: [(block @ matrix) for block in _blocks(some, 128)])
    degree_there = np.concatenate([np.diff(block.indptr) for block in product]) - 1  # a token is not its own neighbour
    same = bool((made.degree == degree_there).all())
    rate, limit = updates / seconds, cached_adds(documents.tokens)
    read_bytes = text_bytes([Path(path) for _, path in corpus_shards(inputs)])
    emit(
        "graph.vocabulary",
        size,
        f"tokens; mean degree {degree:,.0f}",
        50_000,
        size >= 50_000,
    )
    emit("graph.seconds", round(seconds, 1), f"s for all rows of {read_bytes / 1e6:.0f} MB, one worker")
    emit("graph.rate", round(rate / 1e6), "M updates/s")
    emit("graph.limit", round(limit / 1e6), "M updates/s, all counters in the nearest cache")
    emit("graph.share_of_limit", round(rate / limit, 3), "of the limit's rate")
    emit("graph.over_scipy", round(theirs / own, 2), "times, rows of every fourth token", 5, theirs / own >= 5)
    emit("graph.equal", float(same), "same degrees as scipy's product", 1, same)
    emit("graph.peak_memory", round(peak), "MB, from token shards to rows", 1000, peak <= 1000)
    emit("graph.per_terabyte", round(TERABYTE / (read_bytes / seconds) / 3600, 1), "core-hours")


def _blocks(matrix, rows: int) -> list:
    return [matrix[i : i + rows] for i in range(0, matrix.shape[0], rows)]


def python_selection(paths: list[Path], pivots: set[int], budget: int) -> list[tuple[int, int]]:
    """Score and select as a script does: a loop over documents, a sort, and the best that fit the budget."""
    scored = []
    for shard, path in enumerate(paths):
        for row, tokens in enumerate(read_token_shard(path).to_pylist()):
            held = sum(1 for token in tokens if token in pivots)
            scored.append((-held / max(len(tokens), 1), shard, row, len(tokens)))
    scored.sort()
    chosen, filled = [], 0
    for _, shard, row, n in scored:
        if 0 < n <= budget - filled:
            chosen.append((shard, row))
            filled += n
    return sorted(chosen)


def own_selection(paths: list[Path], pivots: np.ndarray, size: int, budget: int) -> list[tuple[int, int]]:
    """The same by the kernels of the stage `select`, ties in the order of the documents."""
    is_pivot = np.zeros(size, np.uint8)
    is_pivot[pivots] = 1
    counted = PivotTokens(is_pivot)
    share, lengths, places = [], [], []
    for shard, path in enumerate(paths):
        flat, offsets = flat_tokens(read_token_shard(path))
        n = np.diff(offsets)
        share.append(counted.counts(pa.chunked_array([pa.array([], pa.string())]), flat, offsets)[1] / np.maximum(n, 1))
        lengths.append(n)
        places.append(np.column_stack([np.full(len(n), shard), np.arange(len(n))]))
    n_tokens = np.concatenate(lengths)
    order = np.arange(len(n_tokens), dtype=np.uint64)
    chosen = _filled(np.concatenate(share), order, n_tokens, budget)
    return [tuple(place) for place in np.concatenate(places)[chosen].tolist()]


def _filled(score: np.ndarray, hashes: np.ndarray, n_tokens: np.ndarray, budget: int) -> np.ndarray:
    """Places of the documents that fill a budget, best first."""
    with tempfile.TemporaryDirectory() as folder:
        documents = _documents(Path(folder), score, hashes, n_tokens)
        fill(documents, Budgets(np.zeros(1, np.int32), np.array([budget])), budget)
        return np.flatnonzero(documents.column("state", 0, documents.size) == CHOSEN)


def _documents(folder: Path, score: np.ndarray, hashes: np.ndarray, n_tokens: np.ndarray) -> Documents:
    documents = Documents(folder, hashes.__getitem__)
    documents.append(score=score, n_tokens=n_tokens, cell=np.zeros(len(score), np.uint16))
    documents.release("state")
    return documents


def select_many() -> None:
    """Select from 50 million scores; prints seconds, those of one pass over the columns, and seconds of CPU."""
    generator = np.random.default_rng(0)
    score = np.round(generator.random(SCORES), 4)  # many ties, as shares of short documents have
    hashes = generator.integers(0, 2**64, SCORES, dtype=np.uint64)
    n_tokens = generator.integers(1, 2000, SCORES, dtype=np.int32)
    _filled(score[:1000], hashes[:1000], n_tokens[:1000], 1000)
    begun, cpu = time.perf_counter(), time.process_time()
    chosen = _filled(score, hashes, n_tokens, 5_000_000_000)
    spent, cpu = time.perf_counter() - begun, time.process_time() - cpu
    begun = time.perf_counter()
    total = score.sum(), hashes.sum(), n_tokens.sum(dtype=np.int64)
    print(
        spent, time.perf_counter() - begun, cpu, len(chosen), int(n_tokens[chosen].sum(dtype=np.int64)), float(total[0])
    )


def selecting(inputs: Inputs) -> None:
    """Scoring and selection from token shards against a Python loop, and selection from 50 million scores."""
    paths = token_columns(inputs)
    tokens = sum(row["tokens"] for row in inputs.table("token_shards").to_pylist())
    size = text_bytes([Path(path) for _, path in corpus_shards(inputs)])
    budget = tokens // 10
    flat = flat_tokens(read_token_shard(paths[0]))[0]
    pivots = np.unique(flat)[:: max(1, len(np.unique(flat)) // PIVOTS)]
    own_selection(paths[:1], pivots, 1 << 20, 1000)
    own, chosen = timed(lambda: own_selection(paths, pivots, 1 << 20, budget), 2)
    theirs, loop = timed(lambda: python_selection(paths, set(pivots.tolist()), budget))
    read, _ = timed(lambda: [flat_tokens(read_token_shard(path)) for path in paths], 2)
    emit("select.text", round(size / 1e6), f"MB, {tokens / 1e6:.0f} M tokens", 200, size >= 200e6)
    emit("select.over_python", round(theirs / own, 1), "times, token shards to selection", 10, theirs / own >= 10)
    emit("select.equal", float(chosen == loop), "same documents as the loop", 1, chosen == loop)
    emit("select.rate", round(tokens / own / 1e6), "M tokens/s, token shards to selection, one worker")
    emit("select.share_of_limit", round(read / own, 3), "of the rate of reading the token shards alone")
    emit("select.per_terabyte", round(TERABYTE / (size / own) / 3600, 2), "core-hours")
    peak, printed = peak_of("benchmarks.corpus_tokens:select_many")
    seconds, once, cpu = map(float, printed.split()[:3])
    emit("select.fifty_million", round(seconds, 2), "s", 3, seconds <= 3)
    emit("select.fifty_million_cpu", round(cpu, 2), "s of CPU")
    emit("select.fifty_million_memory", round(peak), "MB, the columns included", 2000, peak <= 2000)
    emit("select.fifty_million_share_of_limit", round(once / seconds, 3), "of the rate of one pass over the columns")
