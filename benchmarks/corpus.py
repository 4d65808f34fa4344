"""Counting and discovery, measured: `python -m benchmarks.corpus [SHARDS FOLDER]`.

Without a folder, the text of the recipe debian-full is fetched once into the cache. Every ratio is taken within one
run on the same shards; a corpus smaller than a figure asks for is read repeatedly, and the figure counts what was read.
The asked words are the most frequent ones of the corpus itself, the hardest case for any matcher. The limit of a figure
is what the same data costs without the step: decoding Parquet for counting, adding up for discovery.
"""

from __future__ import annotations

import collections
import pickle
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks import emit
from semantic_pivots.caching import cache_folder
from semantic_pivots.config import CorpusConfig
from semantic_pivots.corpus import discover
from semantic_pivots.corpus.build import corpus_stage
from semantic_pivots.corpus.count import Pair, Word, count_shard, count_shards
from semantic_pivots.corpus.match import buffers
from semantic_pivots.run import Inputs, Work, publish
from semantic_pivots.tables import conform
from semantic_pivots.words import is_joining, normalise

WORDS, PAIRS = 10_000, 30_000
BYTES_ASKED = 200_000_000
DISCOVERY_WORDS, DISCOVERY_DOCUMENTS = 8_000, 2_000
TERABYTE = 1e12


def corpus() -> list[Path]:
    """Document shards: those of the folder given, or of the recipe debian-full."""
    if len(sys.argv) > 1:
        return sorted(Path(sys.argv[1]).rglob("*.parquet"))
    folder = cache_folder("") / "benchmark-corpus"
    if not folder.exists():
        config = CorpusConfig(recipe="debian-full")
        publish("corpus", {}, folder, lambda work: corpus_stage(config, Inputs({}), work), conform)
    return sorted((folder / "shards").glob("*.parquet"))


def text_bytes(paths: list[Path]) -> int:
    """UTF-8 bytes of the texts of shards."""
    return sum(int(buffers(pq.read_table(path, columns=["text"])["text"])[1][-1]) for path in paths)


def frequent_words(paths: list[Path], seed: int = 0) -> tuple[list[Word], list[Pair]]:
    """The most frequent words of a sample of the corpus (two characters where no boundary is written), and pairs."""
    counts: collections.Counter[Word] = collections.Counter()
    for path in paths:
        for text in pq.read_table(path, columns=["text"])["text"].slice(0, 300).to_pylist():
            text = normalise(text)
            counts.update((w, "en") for w in set(re.findall(r"[^\W\d_]{2,}", text)) if all(map(is_joining, w)))
            counts.update((w, "zh") for w in set(re.findall(r"[\u3040-\u30ff\u4e00-\u9fff]{2}", text)))
    ranked = sorted(counts, key=lambda w: (-counts[w], w))
    words = [w for code in ("en", "zh") for w in [r for r in ranked if r[1] == code][: WORDS // 2]]
    chooser = random.Random(seed)
    pairs = {tuple(sorted(chooser.sample(words, 2))) for _ in range(2 * PAIRS)}
    return words, sorted(pairs)[:PAIRS]  # type: ignore[return-value]


def timed(function: Callable[[], object], repeats: int = 1) -> tuple[float, object]:
    """Least seconds of the repeats, and the last result."""
    seconds, made = [], None
    for _ in range(repeats):
        begun = time.perf_counter()
        made = function()
        seconds.append(time.perf_counter() - begun)
    return min(seconds), made


def chain(
    paths: list[Path], words: list[Word], pairs: list[Pair], workers: int = 1
) -> tuple[int, np.ndarray, np.ndarray]:
    """The counting chain as a study runs it."""
    with tempfile.TemporaryDirectory() as folder:
        shards = [(f"{i:05d}", str(path)) for i, path in enumerate(paths)]
        return count_shards(shards, words, pairs, Work(Path(folder), Path(folder)), workers)


def chain_ahocorasick(paths: list[Path], words: list[Word], pairs: list[Pair]) -> tuple[np.ndarray, np.ndarray]:
    """The same chain on ahocorasick_rs: Parquet, NFC and lower case, overlapping matches, boundaries, partners."""
    import ahocorasick_rs

    automaton = ahocorasick_rs.AhoCorasick([word for word, _ in words])
    spaced = [code == "en" for _, code in words]
    index = {word: i for i, word in enumerate(words)}
    partners: list[list[tuple[int, int]]] = [[] for _ in words]
    for k, (a, b) in enumerate(pairs):
        partners[index[a]].append((index[b], k))
    of_word, of_pair = np.zeros(len(words), np.int64), np.zeros(len(pairs), np.int64)
    for path in paths:
        for text in pq.read_table(path, columns=["text"])["text"].to_pylist():
            text = unicodedata.normalize("NFC", text).lower()
            held = set()
            for i, begin, end in automaton.find_matches_as_indexes(text, overlapping=True):
                if i in held:
                    continue
                if spaced[i] and (
                    (begin and is_joining(text[begin - 1])) or (end < len(text) and is_joining(text[end]))
                ):
                    continue
                held.add(i)
            for i in held:
                of_word[i] += 1
                for j, k in partners[i]:
                    if j in held:
                        of_pair[k] += 1
    return of_word, of_pair


def counting(paths: list[Path], size: int) -> None:
    """Figures of the counting chain."""
    words, pairs = frequent_words(paths)
    count_shard(str(paths[0]), "text", tuple(words), tuple(pairs))  # compiles, or loads what an earlier run compiled
    several = paths * -(-BYTES_ASKED // size)
    read = size * len(several) / len(paths)
    own, (_, of_word, of_pair) = timed(lambda: chain(several, words, pairs), 3)  # type: ignore[misc]
    decode, _ = timed(lambda: [pq.read_table(path, columns=["text"]) for path in several], 3)
    other, (their_word, their_pair) = timed(lambda: chain_ahocorasick(paths, words, pairs))  # type: ignore[misc]
    other *= len(several) / len(paths)
    times = len(several) // len(paths)
    emit("count.text", round(read / 1e6), "MB", 200, read >= BYTES_ASKED)
    emit("count.words", len(words), "words", 10_000, len(words) >= 10_000)
    emit("count.pairs", len(pairs), "pairs", 30_000, len(pairs) >= 30_000)
    emit("count.rate", round(read / 1e6 / own, 1), "MB/s, one worker, Parquet to pair counts")
    emit("count.limit", round(read / 1e6 / decode, 1), "MB/s, Parquet to Arrow alone")
    emit("count.share_of_limit", round(decode / own, 3), "of the limit's rate")
    emit("count.over_ahocorasick_rs", round(other / own, 2), "times", 3, other / own >= 3)
    emit("count.words_that_differ", int((of_word != times * their_word).sum()), "of the words (lower-casing differs)")
    emit("count.pairs_that_differ", int((of_pair != times * their_pair).sum()), "of the pairs (lower-casing differs)")
    emit("count.per_terabyte", round(TERABYTE / (read / own) / 3600, 2), "core-hours")
    more = paths * -(-1_200_000_000 // size)
    one, _ = timed(lambda: chain(more, words, pairs, 1))
    two, _ = timed(lambda: chain(more, words, pairs, 2))
    emit("count.two_workers", round(one / two, 2), "times one worker, 1.2 GB, start included", 1.8, one / two >= 1.8)
    several_times = -(-200_000_000 // size), len(more) // len(paths)
    peaks = [peak_of(paths, n, words, pairs) for n in several_times]
    emit("count.peak_memory", round(peaks[1]), "MB, one worker on 1.2 GB", 600, peaks[1] <= 600)
    emit(
        "count.memory_growth",
        round(peaks[1] / peaks[0], 3),
        "times from 0.2 to 1.2 GB",
        1.1,
        peaks[1] / peaks[0] <= 1.1,
    )


def peak_of(paths: list[Path], times: int, words: list[Word], pairs: list[Pair]) -> float:
    """Peak resident MB of a fresh process that counts the shards so many times."""
    code = (
        "import pickle, sys; from benchmarks import corpus as b\n"
        "paths, words, pairs = pickle.load(open(sys.argv[1], 'rb'))\n"
        "b.chain(paths, words, pairs); print(b.own_peak())"
    )
    with tempfile.NamedTemporaryFile() as asked:
        pickle.dump((paths * times, words, pairs), asked)
        asked.flush()
        arguments = [sys.executable, "-c", code, asked.name]
        return float(subprocess.run(arguments, check=True, capture_output=True, text=True).stdout)


def own_peak() -> float:
    """Peak resident MB of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def published_counting(documents: list[list[int]]) -> dict[int, int]:
    """Document frequency of every token, one document and one token at a time, as the published scripts count it."""
    frequency: dict[int, int] = {}
    for tokens in documents:
        for token in set(tokens):
            frequency[token] = frequency.get(token, 0) + 1
    return frequency


def discovery(paths: list[Path]) -> None:
    """Document frequencies around words: word x token, over up to 2,000 documents a word."""
    texts = [t for p in paths for t in pq.read_table(p, columns=["text"])["text"].to_pylist()]
    ids: dict[str, int] = {}
    documents = [[ids.setdefault(w, len(ids)) for w in re.findall(r"\w{1,6}", text)] for text in texts]
    offsets = np.concatenate([[0], np.cumsum([len(d) for d in documents])]).astype(np.int64)
    flat = np.array([t for d in documents for t in d], np.int32)
    generator = np.random.default_rng(0)
    size = min(DISCOVERY_DOCUMENTS, len(documents))
    draws = [np.sort(generator.choice(len(documents), size, replace=False)) for _ in range(DISCOVERY_WORDS)]
    counts = discover.scratch(len(ids), size)
    discover.distinct_tokens(flat[:10], np.array([0, 10]), len(ids))
    discover.surround(draws[0][:0], offsets, flat, counts, 1)

    def own() -> dict[int, int]:
        starts, tokens, _ = discover.distinct_tokens(flat, offsets, len(ids))
        for draw in draws:
            found, times = discover.surround(draw, starts, tokens, counts, 1)
        return dict(zip(found.tolist(), times.tolist(), strict=True))

    seconds, last = timed(own)
    few = 12
    theirs, frequency = timed(lambda: [published_counting([documents[d] for d in draw]) for draw in draws[-few:]][-1])
    theirs *= len(draws) / few
    same = last == frequency
    updates = len(draws) * size * float(np.mean([len(set(d)) for d in documents[:5000]]))
    emit("discover.words", len(draws), f"words of {size} documents, {len(flat) / 1e6:.0f} M tokens", 8_000, True)
    emit("discover.seconds", round(seconds, 2), "s, one worker")
    emit("discover.rate", round(updates / seconds / 1e6), "M updates/s (limit: about 3,000, one cached add a cycle)")
    emit("discover.over_published", round(theirs / seconds, 1), "times", 50, theirs / seconds >= 50)
    emit("discover.equal", float(same), "same frequencies as the published logic", 1, bool(same))


def main() -> None:
    """Print every figure."""
    paths = corpus()
    size = text_bytes(paths)
    counting(paths, size)
    discovery(paths)


if __name__ == "__main__":
    main()
