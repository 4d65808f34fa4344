"""Everyday text: what the recipe reaches, how long it takes, and its bytes. `python -m benchmarks.everyday`.

The recipe is made from the cache (the first run fetches about 280 MB): with two workers, timed, then with one, and the
shards compared; then split and joined. Of each arrangement: the share of CLDR's concepts (en, fr, zh, ja) whose four
words occur in at least 1, 10 and 50 documents, and the share of word pairs that meet, by languages and without pairs of
one spelling. `--corpus FOLDER` measures a folder of `pivots corpus make` instead, and makes nothing.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import emit
from semantic_pivots.corpus.corpus_stage import Arrangement, CorpusConfig
from semantic_pivots.corpus.document import ARRANGEMENTS
from semantic_pivots.corpus.shards import corpus_stage
from semantic_pivots.counting.counts import Pair, Task, Word, text_batches
from semantic_pivots.files import file_hash
from semantic_pivots.lexicon.concepts import lexicon_path, read_lexicon
from semantic_pivots.run import Inputs, Work

LANGUAGES = ("en", "fr", "zh", "ja")
SECONDS, ALL_FOUR, MEET = 90, 0.9, 0.53


def counts(shards: list[Path], words: list[Word], pairs: list[Pair]) -> tuple[int, np.ndarray, np.ndarray]:
    """Documents of shards, documents with each word, and with both words of each pair."""
    task, documents = Task(words, pairs), 0
    by_word, by_pair = np.zeros(len(words), np.int64), np.zeros(len(pairs), np.int64)
    for path in shards:
        for texts in text_batches(str(path)):
            of_words, of_pairs = task.count(texts)
            by_word += of_words
            by_pair += of_pairs
            documents += len(texts)
    return documents, by_word, by_pair


def reach(name: str, folder: Path, asked: bool) -> None:
    """Figures of one corpus; only the rows as they come have bars."""
    rows = [r for r in read_lexicon(lexicon_path("cldr"), LANGUAGES) if all(r[code] for code in LANGUAGES)]
    words = sorted({(row[code], code) for row in rows for code in LANGUAGES})
    couples = list(itertools.combinations(sorted(LANGUAGES), 2))
    pairs = sorted({((row[a], a), (row[b], b)) for row in rows for a, b in couples})
    documents, by_word, by_pair = counts(sorted((folder / "shards").glob("*.parquet")), words, pairs)
    emit(f"{name}: documents", documents, "documents")
    of = dict(zip(words, by_word.tolist(), strict=True))
    least = [min(of[row[code], code] for code in LANGUAGES) for row in rows]
    for documents in (1, 10, 50):
        share = float(np.mean([count >= documents for count in least]))
        bar = ALL_FOUR if asked and documents == 1 else None
        holds = None if bar is None else round(share, 2) >= bar
        emit(f"{name}: all four words in {documents}+, {len(rows)} concepts", round(share, 3), "share", bar, holds)
    meets, same = by_pair > 0, np.array([one[0] == two[0] for one, two in pairs])
    share = float(meets.mean())
    emit(
        f"{name}: pairs meet, n {len(pairs)}", round(share, 3), "share", MEET if asked else None, share >= MEET or None
    )
    emit(f"{name}: pairs of two spellings meet, n {(~same).sum()}", round(float(meets[~same].mean()), 3), "share")
    for a, b in couples:
        of_both = np.array([(one[1], two[1]) == (a, b) for one, two in pairs])
        emit(f"{name}: pairs {a}-{b} meet", round(float(meets[of_both].mean()), 3), "share")


def make(folder: Path, workers: int, arrangement: Arrangement = "rows") -> float:
    """Make the corpus in a folder; returns seconds."""
    for name in ("work", "out"):
        (folder / name).mkdir(parents=True)
    config = CorpusConfig(recipe="everyday", workers=workers, arrangement=arrangement)
    begun = time.perf_counter()
    corpus_stage(config, Inputs({}), Work(folder / "work", folder / "out"))
    return time.perf_counter() - begun


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--corpus", type=Path, help="folder of `pivots corpus make` to measure instead")
    given = parser.parse_args().corpus
    if given:
        reach(str(given), given, False)
        return
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        make(root / "fetch", 2)
        seconds = make(root / "rows", 2)
        emit("made from the cache, two workers", round(seconds, 1), "s", SECONDS, seconds < SECONDS)
        make(root / "one", 1)
        files = sorted((root / "rows/out/shards").iterdir())
        same = [file_hash(path) == file_hash(root / "one/out/shards" / path.name) for path in files]
        emit("shards of equal bytes with one and two workers", float(np.mean(same)), "share", 1.0, all(same))
        for arrangement in ARRANGEMENTS:
            if arrangement != "rows":
                make(root / arrangement, 2, arrangement)
            reach(arrangement, root / arrangement / "out", arrangement == "rows")


if __name__ == "__main__":
    main()
