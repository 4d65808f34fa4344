"""The corpus engine, measured: `python -m benchmarks.corpus [--corpus FOLDER] [--tokens FOLDER] [PART ...]`.

Parts: count, discover, graph, select, io (reading and tokenising); none: all. A part of count can be asked alone:
forms, the ratio of the two rules by which words are matched.
Without folders, the text of the recipe debian-large (315 MB in four languages) is fetched and tokenised once into the
cache. Every ratio is taken within one run on the same shards; a corpus smaller than a figure asks for is read
repeatedly, and the figure counts what was read. The asked words are the most frequent ones of the corpus itself, the
hardest case for any matcher. The limit of a figure is measured too: what the same data costs without the step.
"""

from __future__ import annotations

import argparse
import tempfile
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks import corpus_io, corpus_tokens, emit
from benchmarks.measure import TERABYTE, frequent_words, peak_of, text_bytes, timed
from semantic_pivots.caching import cache_folder
from semantic_pivots.corpus.corpus_stage import CorpusConfig
from semantic_pivots.corpus.shards import corpus_stage
from semantic_pivots.counting.counts import Pair, Word, corpus_shards, count_shard, count_shards
from semantic_pivots.models.tokenise import tokens_stage
from semantic_pivots.models.tokens_stage import TokensConfig
from semantic_pivots.run import Inputs, Work, publish
from semantic_pivots.tables import conform
from semantic_pivots.wordforms.rule import SPELLING, Rule
from semantic_pivots.wordforms.table import rule_of
from semantic_pivots.words import is_joining

WORDS, PAIRS = 10_000, 30_000
BYTES_ASKED = 200_000_000


def corpus(folder: Path | None, tokens: Path | None, model: str = TokensConfig().model) -> Inputs:
    """Document and token shards: of the folders given, or made of the recipe debian-large in the cache."""
    cache = cache_folder("")
    own = "benchmark-tokens" + ("" if model == TokensConfig().model else f"-{model.removeprefix('package:')}")
    folder, tokens = folder or cache / "benchmark-corpus", tokens or cache / own
    if not folder.exists():
        config = CorpusConfig(recipe="debian-large")
        publish("corpus", {}, folder, lambda work: corpus_stage(config, Inputs({}), work), conform)
    inputs = Inputs({"corpus": folder})
    if not tokens.exists():
        publish("tokens", {}, tokens, lambda work: tokens_stage(TokensConfig(model=model), inputs, work), conform)
    return Inputs({"corpus": folder, "tokens": tokens})


def chain(
    paths: list[Path], words: list[Word], pairs: list[Pair], workers: int = 1, rule: Rule = SPELLING
) -> tuple[int, np.ndarray, np.ndarray]:
    """The counting chain as a study runs it."""
    with tempfile.TemporaryDirectory() as folder:
        shards = [(f"{i:05d}", str(path)) for i, path in enumerate(paths)]
        return count_shards(shards, words, pairs, Work(Path(folder), Path(folder)), workers, rule=rule)


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


def forms(inputs: Inputs) -> None:
    """The rate of the chain that matches words by their forms, over that of the one that matches spellings."""
    paths = [Path(path) for _, path in corpus_shards(inputs)]
    words, pairs = frequent_words(paths, WORDS, PAIRS)
    rules = SPELLING, rule_of("forms", "", words)
    several = paths * -(-BYTES_ASKED // text_bytes(paths))
    for rule in rules:
        chain(paths[:1], words, pairs, rule=rule)  # compiles, or loads what an earlier run compiled
    # In turn, so that a busy machine slows both.
    turns = [[timed(lambda r=rule: chain(several, words, pairs, rule=r))[0] for rule in rules] for _ in range(3)]
    ratio = min(spelling for spelling, _ in turns) / min(by_forms for _, by_forms in turns)
    emit("count.forms_over_spelling", round(ratio, 2), "of the rate by spelling", 0.7, ratio >= 0.7)


def counting(inputs: Inputs) -> None:
    """Figures of the counting chain."""
    paths = [Path(path) for _, path in corpus_shards(inputs)]
    size = text_bytes(paths)
    words, pairs = frequent_words(paths, WORDS, PAIRS)
    count_shard(str(paths[0]), (), tuple(words), tuple(pairs))  # compiles, or loads what an earlier run compiled
    several = paths * -(-BYTES_ASKED // size)
    read = size * len(several) / len(paths)
    own, (_, of_word, of_pair) = timed(lambda: chain(several, words, pairs), 3)
    decode, _ = timed(lambda: [pq.read_table(path, columns=["text"]) for path in several], 3)
    other, (their_word, their_pair) = timed(lambda: chain_ahocorasick(paths, words, pairs))
    other *= len(several) / len(paths)
    times = len(several) // len(paths)
    emit("count.text", round(read / 1e6), "MB", 200, read >= BYTES_ASKED)
    emit("count.words", len(words), "words", 10_000, len(words) >= 10_000)
    emit("count.pairs", len(pairs), "pairs", 30_000, len(pairs) >= 30_000)
    emit("count.rate", round(read / 1e6 / own, 1), "MB/s, one worker, Parquet to pair counts")
    emit("count.limit", round(read / 1e6 / decode, 1), "MB/s, Parquet to Arrow alone")
    emit("count.share_of_limit", round(decode / own, 3), "of the limit's rate")
    emit("count.over_ahocorasick_rs", round(other / own, 2), "times", 3, other / own >= 3)
    forms(inputs)
    emit("count.words_that_differ", int((of_word != times * their_word).sum()), "of the words (lower-casing differs)")
    emit("count.pairs_that_differ", int((of_pair != times * their_pair).sum()), "of the pairs (lower-casing differs)")
    emit("count.per_terabyte", round(TERABYTE / (read / own) / 3600, 2), "core-hours")
    more = paths * -(-1_200_000_000 // size)
    for times, bar in ((1, None), (4, 1.8)):  # starting workers takes them seconds, whatever there is to do
        one, _ = timed(lambda n=times: chain(more * n, words, pairs, 1))
        two, _ = timed(lambda n=times: chain(more * n, words, pairs, 2))
        how = f"times one worker, {times * len(more) * size / len(paths) / 1e9:.1f} GB, start included"
        emit(f"count.two_workers_{times}", round(one / two, 2), how, bar, None if bar is None else one / two >= bar)
    several_times = -(-200_000_000 // size), len(more) // len(paths)
    peaks = [peak_of("benchmarks.corpus:chain", paths * n, words, pairs)[0] for n in several_times]
    emit("count.peak_memory", round(peaks[1]), "MB, one worker on 1.2 GB", 600, peaks[1] <= 600)
    emit(
        "count.memory_growth",
        round(peaks[1] / peaks[0], 3),
        "times from 0.2 to 1.2 GB",
        1.1,
        peaks[1] / peaks[0] <= 1.1,
    )


PARTS = {
    "count": counting,
    "forms": forms,
    "discover": corpus_tokens.discovery,
    "graph": corpus_tokens.graph_rows,
    "select": corpus_tokens.selecting,
    "io": corpus_io.measure,
}


def main() -> None:
    """Print every figure of the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="folder made by `pivots corpus make`")
    parser.add_argument("--tokens", type=Path, help="folder made by `pivots corpus tokens` from it")
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], metavar="PART")
    asked = parser.parse_args()
    inputs = corpus(asked.corpus, asked.tokens)
    for part in asked.parts or [name for name in PARTS if name != "forms"]:
        PARTS[part](inputs)


if __name__ == "__main__":
    main()
