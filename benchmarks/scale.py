"""Whether time and memory stay in proportion: every corpus command on 1, 2, 4 and 8 times a corpus.

`python -m benchmarks.scale [--scores N] [--repeats 1,2,4,8]` prints of each command the exponent of its CPU time (1:
linear), its peak memory on the largest corpus and its growth, and what 1 and 10 TB of text would take: core-hours,
bytes on disk beside the corpus, and requests where shards of 16 MB lie in an object store. The corpus is made here:
words of a Zipf distribution in two languages, 12 MB once. A selection from `--scores` synthetic scores on disk comes
first.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import emit
from benchmarks.measure import TERABYTE
from semantic_pivots.training.small_models import word_tokenizer
from tests.models import tiny

DOCUMENTS, WORDS, BLOCK = 20_000, 5_000, 1 << 20
PAIRS = "word_1\tlanguage_1\tword_2\tlanguage_2\n" + "".join(f"en{i}w\ten\tfr{i}w\tfr\n" for i in range(200))
LEXICON = "concept_id\tpos\ten\tfr\n" + "".join(f"c{i}\tnoun\ten{i}w\tfr{i}w\n" for i in range(200))
ONE = ["--workers", "1"]
COMMANDS = {
    "make": ["corpus", "make", "made", "--path", "documents", *ONE],
    "tokens": ["corpus", "tokens", "made", "tokens", "--model", "model", *ONE],
    "count": ["count", "--corpus", "documents", "--pairs", "pairs.tsv", "--out", "count", *ONE],
    "discover": ["discover", "--corpus", "made", "--tokens", "tokens", "--pairs", "pairs.tsv", "--out", "discover",
                 *ONE],
    "graph": ["graph", "--corpus", "made", "--tokens", "tokens", "--lexicon", "lexicon.tsv", "--languages", "en,fr",
              "--criterion", "bridge-fdr", "--unit", "token", "--stability-draws", "0", "--out", "graph", *ONE],
    "select": ["select", "--corpus", "made", "--tokens", "tokens", "--pivots", "graph", "--lexicon", "lexicon.tsv",
               "--languages", "en,fr", "--budget-tokens", "200000", "--out", "select", *ONE],
    "export": ["corpus", "export", "made", "export"],
}  # fmt: skip
BESIDE = {"make": "made"}


def documents(folder: Path, files: int, count: int) -> int:
    """Write files of so many documents, and what the commands are given; returns bytes of text."""
    (folder / "documents").mkdir()
    size = 0
    for part in range(files):
        draw = np.random.default_rng(part)
        codes, numbers = draw.integers(0, 2, count), np.minimum(draw.zipf(1.3, (count, 100)), WORDS) - 1
        texts = [" ".join(f"{('en', 'fr')[c]}{n}w" for n in row) for c, row in zip(codes, numbers, strict=True)]
        ids = [f"{part}-{i}" for i in range(count)]
        table = pa.table({"id": ids, "text": texts, "language": [("en", "fr")[c] for c in codes]})
        pq.write_table(table, folder / "documents" / f"{part:03d}.parquet")
        size += sum(map(len, texts))
    (folder / "pairs.tsv").write_text(PAIRS)
    (folder / "lexicon.tsv").write_text(LEXICON)
    tiny.model("llama").config.save_pretrained(folder / "model")
    word_tokenizer([f"{code}{n}w" for code in ("en", "fr") for n in range(WORDS)]).save_pretrained(folder / "model")
    return size


def measured(arguments: list[str], folder: Path) -> tuple[float, float]:
    """CPU seconds and peak MB of a command in a process of its own."""
    pid = os.posix_spawn(
        sys.executable, [sys.executable, "-c", _RUN.format(folder=str(folder)), *arguments], os.environ
    )
    _, status, used = os.wait4(pid, 0)
    if status:
        raise RuntimeError(f"pivots {' '.join(arguments)}: status {status}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1e3


_RUN = "import os, sys; os.chdir({folder!r}); from semantic_pivots.cli import main; sys.argv[0] = 'pivots'; main()"


def exponent(sizes: Iterable[float], values: Iterable[float]) -> float:
    """Slope of logarithm over logarithm."""
    return float(np.polyfit(np.log(list(sizes)), np.log(list(values)), 1)[0])


def commands(repeats: list[int]) -> None:
    """Every command on each multiple of the corpus; what a start takes is measured on one and subtracted."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    peaks: dict[str, list[float]] = {name: [] for name in COMMANDS}
    sizes, written = [], {}
    with tempfile.TemporaryDirectory() as root:
        for times in [0, *repeats]:  # 0: a hundredth of the corpus, which shows what starting takes
            folder = Path(root) / str(times)
            folder.mkdir()
            sizes.append(documents(folder, max(times, 1), DOCUMENTS if times else DOCUMENTS // 100))
            for name, arguments in COMMANDS.items():
                spent, peak = measured(arguments, folder)
                seconds[name].append(spent)
                peaks[name].append(peak)
                out = folder / BESIDE.get(name, name)
                written[name] = sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / sizes[-1]
    for name in COMMANDS:
        own = [spent - seconds[name][0] for spent in seconds[name][1:]]
        slope = exponent(sizes[1:], [max(value, 1e-3) for value in own])
        emit(f"{name}.exponent", round(slope, 3), "of CPU time over text", 1.05, slope <= 1.05)
        emit(f"{name}.peak_memory", round(peaks[name][-1]), f"MB at {sizes[-1] / 1e6:.0f} MB of text")
        growth = peaks[name][-1] / peaks[name][1]
        emit(f"{name}.memory_growth", round(growth, 3), f"times from {repeats[0]} to {repeats[-1]} times the corpus")
        for terabytes in (1, 10):
            hours = own[-1] / (sizes[-1] - sizes[0]) * terabytes * TERABYTE / 3600
            emit(f"{name}.core_hours_{terabytes}_tb", round(hours, 2), "core-hours")
            emit(f"{name}.disk_{terabytes}_tb", round(written[name] * terabytes, 3), "TB written")
            requests = math.ceil(terabytes * TERABYTE / 16e6) * (2 if name in ("make", "tokens", "export") else 3)
            emit(f"{name}.requests_{terabytes}_tb", requests, "of an object store: a read and the parts of each shard")


def synthetic(path: Path, count: int) -> None:
    """Write `doc_scores` of documents, a row group at a time."""
    draw, writer = np.random.default_rng(0), None
    for begin in range(0, count, BLOCK):
        n = min(BLOCK, count - begin)
        tokens, zeros = draw.lognormal(6, 0.8, n).astype(np.int32) + 5, np.zeros(n, np.int32)
        none = dict.fromkeys(
            ("languages_met", "lexicon_words", "dominant_words", "concepts", "parallel_concepts"), zeros
        )
        numbers = np.arange(begin, begin + n)
        table = pa.table({
            "shard": pa.array(np.char.mod("files-%05d", numbers // 20_000)), "row": numbers % 20_000,
            "doc_id": pa.array(np.char.mod("crawl-2026-%010d-0123456789abcdef", numbers)),
            "language": pa.array(np.array(["en", "fr", "zh", "ja"])[draw.integers(0, 4, n)]), "n_tokens": tokens,
            "units": tokens, "pivot_units": draw.binomial(tokens, draw.beta(2, 12, n)).astype(np.int32), **none,
            "holds_pair": zeros.astype(bool), "dsir": pa.nulls(n, pa.float64()),
        })  # fmt: skip
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    if writer is not None:
        writer.close()


def select_synthetic(path: str, folder: str, count: int) -> None:
    """Make a pivot-rich selection of a tenth of the tokens; prints seconds of CPU."""
    from semantic_pivots import run, tables
    from semantic_pivots.config import SelectConfig
    from semantic_pivots.selection.document_scores import Scores
    from semantic_pivots.selection.selections import select

    config = SelectConfig(selections=("pivot-rich",), budget_tokens=count * 55, workers=1)
    scores = Scores([Path(path)])
    run.publish("select", {}, Path(folder) / "out", lambda w: {"selection": select(config, scores, w)}, tables.conform)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime)


def selecting(count: int) -> None:
    """A selection from scores on disk at a quarter of the count and at all of it."""
    found = []
    for n in (count // 4, count):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "doc_scores.parquet"
            synthetic(path, n)
            code = f"from benchmarks.scale import select_synthetic; select_synthetic({str(path)!r}, {folder!r}, {n})"
            done = subprocess.run([sys.executable, "-c", code + _PEAK], check=True, capture_output=True, text=True)
            found.append(tuple(map(float, done.stdout.split())))
    (one, small), (four, large) = found
    growth = large / small
    emit("select.scores", count, "synthetic scores on disk")
    emit("select.scores_memory", round(large), "MB", 2000, large <= 2000)
    emit("select.scores_memory_growth", round(growth, 3), "times from a quarter", 1.1, growth <= 1.1)
    emit("select.scores_seconds", round(four, 1), f"s of CPU; {one:.1f} of a quarter")
    emit("select.scores_billion", round((four - one) / (count * 3 / 4) * 1e9 / 3600, 2), "core-hours of 10^9 scores")
    emit("select.scores_billion_disk", 24, "GB beside the scores and the selection")


_PEAK = "; from benchmarks.measure import own_peak; print(own_peak())"


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", default="1,2,4,8", help="multiples of the corpus")
    parser.add_argument("--scores", type=float, default=8e7, help="synthetic scores of the selection")
    asked = parser.parse_args()
    selecting(int(asked.scores))
    commands([int(times) for times in asked.repeats.split(",")])


if __name__ == "__main__":
    main()
