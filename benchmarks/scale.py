"""Whether time and memory stay in proportion: every corpus command on 1, 2, 4 and 8 times a corpus.

`python -m benchmarks.scale [PART ...] [--work FOLDER] [--scores N] [--repeats 1,2,4,8]` prints of each command the
exponent of its CPU time (1: linear), its peak memory on the largest corpus and its growth, and what 1 and 10 TB of text
would take: core-hours, bytes on disk beside the corpus, and requests where shards of 16 MB lie in an object store. The
corpus is made here: words of a Zipf distribution in two languages, 36 MB once. `degree` is `graph` by a criterion of
degree. The part `scores` is a selection from `--scores` synthetic scores on disk; `report` looks for duplicates too.
With `--work` each measurement is kept there, and a run that was stopped continues.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks import emit
from benchmarks.measure import TERABYTE
from semantic_pivots.files import complete_file
from semantic_pivots.tables import conform

CODES = ("en", "fr")
DOCUMENTS, WORDS, CONCEPTS, OF_PIVOT, BLOCK = 60_000, 5_000, 200, 10, 1 << 20
"""Documents of a file; words of each language; concepts, and those that one pivot stands beside; rows of a group."""
START, RUNS, OF_START = 0, 3, 30
"""The number of the corpus that shows what starting takes, runs of a command on a corpus, the part of a file in it."""
ONE = ["--workers", "1"]
COMMANDS = {
    "make": ["corpus", "make", "made", "--path", "documents", *ONE],
    "dedup": ["corpus", "dedup", "made", "dedup", *ONE],
    "tokens": ["corpus", "tokens", "made", "tokens", "--model", "model", *ONE],
    "report": ["corpus", "report", "made", "--out", "report/page.html", "--lexicon", "lexicon.tsv", "--languages",
               "en,fr", *ONE],
    "count": ["count", "--corpus", "documents", "--pairs", "pairs.tsv", "--out", "count", *ONE],
    "discover": ["discover", "--corpus", "made", "--tokens", "tokens", "--pairs", "pairs.tsv", "--out", "discover",
                 *ONE],
    "graph": ["graph", "--corpus", "made", "--tokens", "tokens", "--lexicon", "lexicon.tsv", "--languages", "en,fr",
              "--criterion", "bridge-fdr", "--unit", "token", "--stability-draws", "0", "--out", "graph", *ONE],
    "degree": ["graph", "--corpus", "made", "--tokens", "tokens", "--lexicon", "lexicon.tsv", "--languages", "en,fr",
               "--criterion", "rarefied", "--stability-draws", "0", "--out", "degree", *ONE],
    "select": ["select", "--corpus", "made", "--tokens", "tokens", "--pivots", "graph", "--lexicon", "lexicon.tsv",
               "--languages", "en,fr", "--budget-tokens", "200000", "--out", "select", *ONE],
    "export": ["corpus", "export", "made", "export"],
}  # fmt: skip
FOLDERS = {"make": "made"}
READS = {"discover": 3, "graph": 2, "degree": 2, "report": 2, "dedup": 2}
"""Times that a command reads each shard, where more than once."""


def vocabulary(first: str, count: int) -> np.ndarray:
    """(count,) words of five letters that begin with the same one."""
    letters = [[chr(97 + n // 26**k % 26) for k in range(4)] for n in range(count)]
    return np.array([first + "".join(row) for row in letters])


def concept_words(code: int) -> list[str]:
    """Words of the concepts in a language: none of the most frequent, which stand beside everything."""
    return vocabulary("qz"[code], WORDS)[-CONCEPTS:].tolist()


def write_documents(folder: Path, part: int, count: int) -> None:
    """Write one file of documents: words of one language, of one concept, and the pivot of the concept."""
    draw, ids = np.random.default_rng(part), [f"{part}-{i}" for i in range(count)]
    languages, concepts = draw.integers(0, 2, count), draw.integers(0, CONCEPTS, count)
    numbers = np.minimum(draw.zipf(1.3, (count, 100)), WORDS) - 1
    words = np.stack([vocabulary(first, WORDS) for first in "qz"])[languages[:, None], numbers]
    words[:, 0] = np.array([concept_words(0), concept_words(1)])[languages, concepts]
    words[:, 1] = vocabulary("x", CONCEPTS // OF_PIVOT)[concepts // OF_PIVOT]
    codes = np.array(CODES)[languages]
    table = pa.table({"id": ids, "text": [" ".join(row) for row in words.tolist()], "language": codes})
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / f"{part:03d}.parquet")


def prepare(root: Path, repeats: Sequence[int]) -> dict[int, int]:
    """Make the corpora, and what the commands are given beside them; returns bytes of text by multiple."""
    from semantic_pivots.training.small_models import word_tokenizer
    from tests.models import tiny

    files = root / "files"
    for part in range(max(repeats)):
        if not (files / f"{part:03d}.parquet").exists():
            write_documents(files, part, DOCUMENTS)
    for times in (START, *repeats):
        folder = root / str(times)
        if not (folder / "model" / "tokenizer.json").exists():
            (folder / "documents").mkdir(parents=True, exist_ok=True)
            if times == START:
                write_documents(folder / "documents", 0, DOCUMENTS // OF_START)
            for part in range(times):
                shutil.copyfile(files / f"{part:03d}.parquet", folder / "documents" / f"{part:03d}.parquet")
            pairs = list(zip(concept_words(0), concept_words(1), strict=True))
            rows = [f"{english}\ten\t{french}\tfr" for english, french in pairs]
            (folder / "pairs.tsv").write_text("\n".join(["word_1\tlanguage_1\tword_2\tlanguage_2", *rows, ""]))
            rows = [f"{english}\tnoun\t{english}\t{french}" for english, french in pairs]
            (folder / "lexicon.tsv").write_text("\n".join(["concept_id\tpos\ten\tfr", *rows, ""]))
            (folder / "report").mkdir(exist_ok=True)
            tiny.model("llama").config.save_pretrained(folder / "model")
            word_tokenizer([word for first in "qzx" for word in vocabulary(first, WORDS)]).save_pretrained(
                folder / "model"
            )
    return {times: _text_bytes(root / str(times) / "documents") for times in (START, *repeats)}


def _text_bytes(folder: Path) -> int:
    lengths = (pc.call_function("binary_length", [pq.read_table(path)["text"]]) for path in folder.iterdir())
    return sum(pc.call_function("sum", [length]).as_py() for length in lengths)


def measured(arguments: Sequence[str], folder: Path, first: Path) -> tuple[float, float]:
    """CPU seconds of a command in a folder, after one in `first` that imports and compiles, and peak MB of both."""
    # the peak that the system tells of a child holds what its parent had when it began
    code = (
        "import os, sys, time\n"
        "from semantic_pivots.cli import main\n"
        "*folders, place = sys.argv[-3:]; sys.argv[:] = ['pivots', *sys.argv[1:-3]]\n"
        "for folder in folders:\n"
        "    os.chdir(folder); begun = time.process_time()\n"
        "    try: main()\n"
        "    except SystemExit as end: assert not end.code, end.code\n"
        "spent = time.process_time() - begun\n"
        "peak = next(int(l.split()[1]) for l in open('/proc/self/status') if l.startswith('VmHWM'))\n"
        "open(place, 'w').write(f'{spent} {peak}')\n"
    )
    with tempfile.NamedTemporaryFile("r") as result:
        command = [sys.executable, "-c", code, *arguments, str(first), str(folder), result.name]
        subprocess.run(command, check=True, stdout=sys.stderr)
        spent, peak = result.read().split()
        return float(spent), int(peak) * 1024 / 1e6


class Measurements:
    """CPU seconds, peak MB and bytes written per byte of text, by command and multiple; kept in a file of lines."""

    def __init__(self, root: Path):
        self.root, self._path = root, root / "measurements.jsonl"
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        self._rows: dict[tuple[str, int], list[float]] = {(n, t): row for n, t, *row in map(json.loads, lines)}

    def of(self, name: str, times: int, text_bytes: int) -> list[float]:
        """The measurement of a command on a multiple of the corpus, made where it is not kept yet."""
        out, (first, folder) = FOLDERS.get(name, name), (self.root / str(n) for n in (START, times))
        if (name, times) not in self._rows:
            runs = []
            for _ in range(RUNS):
                copy = self.root / "first"  # the command meets no result of its own
                for place in (copy, folder / out):
                    shutil.rmtree(place, ignore_errors=True)
                shutil.copytree(first, copy, ignore=shutil.ignore_patterns(out))
                for place in (copy, folder):
                    (place / "report").mkdir(exist_ok=True)
                runs.append(measured(COMMANDS[name], folder.resolve(), copy.resolve()))
            files = [path.stat().st_size for path in (folder / out).rglob("*") if path.is_file()]
            row = [min(seconds for seconds, _ in runs), max(peak for _, peak in runs), sum(files) / text_bytes]
            with self._path.open("a") as stream:
                stream.write(json.dumps([name, times, *row]) + "\n")
            self._rows[name, times] = row
        return self._rows[name, times]


def exponent(sizes: Iterable[float], values: Iterable[float]) -> float:
    """Slope of logarithm over logarithm."""
    return float(np.polyfit(np.log(list(sizes)), np.log(list(values)), 1)[0])


def commands(names: Sequence[str], repeats: Sequence[int], root: Path) -> None:
    """Each command on each multiple of the corpus: the least CPU time and the highest peak of some runs.

    Imports and compilation are done before; what a command takes on hardly any text is subtracted, and so is that text.
    """
    sizes, measurements = prepare(root, repeats), Measurements(root)
    for name in names:
        start, *rows = (measurements.of(name, times, size) for times, size in sizes.items())
        seconds, peaks, written = zip(*rows, strict=True)
        own = [spent - start[0] for spent in seconds]
        slope = exponent([sizes[times] - sizes[START] for times in repeats], [max(value, 1e-3) for value in own])
        text = sizes[repeats[-1]]
        emit(
            f"{name}.seconds",
            round(own[-1], 2),
            f"s of CPU at {text / 1e6:.0f} MB, without {start[0]:.2f} of hardly any text",
        )
        emit(f"{name}.exponent", round(slope, 3), "of CPU time over text", 1.05, slope <= 1.05)
        emit(f"{name}.peak_memory", round(peaks[-1]), f"MB at {text / 1e6:.0f} MB of text")
        growth = f"times from {repeats[0]} to {repeats[-1]} times the corpus"
        emit(f"{name}.memory_growth", round(peaks[-1] / peaks[0], 3), growth)
        for terabytes in (1, 10):
            hours = own[-1] / (text - sizes[START]) * terabytes * TERABYTE / 3600
            emit(f"{name}.core_hours_{terabytes}_tb", round(hours, 2), "core-hours")
            emit(f"{name}.disk_{terabytes}_tb", round(written[-1] * terabytes, 3), "TB written")
            requests = math.ceil(terabytes * TERABYTE / 16e6) * (READS.get(name, 1) + 1)
            emit(f"{name}.requests_{terabytes}_tb", requests, "of an object store: reads and the part of each shard")


def synthetic(folder: Path, count: int) -> None:
    """Write `doc_scores` of documents, in shards of a block each; those that are there stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for begin in range(0, count, BLOCK):
        shard, n = f"files-{begin // BLOCK:05d}", min(BLOCK, count - begin)
        if not (folder / f"{shard}.parquet").exists():
            with complete_file(folder / f"{shard}.parquet") as path:
                # without attempts at dictionaries: a billion documents take ten minutes
                texts: Any = ["shard", "language"]
                table = conform("doc_scores", _scores(shard, begin, n))
                pq.write_table(table, path, 1 << 17, use_dictionary=texts, compression="zstd", write_page_checksum=True)


def _scores(shard: str, begin: int, n: int) -> pa.Table:
    draw = np.random.default_rng(begin)
    tokens, zeros = draw.lognormal(6, 0.8, n).astype(np.int32) + 5, np.zeros(n, np.int32)
    none = dict.fromkeys(("languages_met", "lexicon_words", "dominant_words", "concepts", "parallel_concepts"), zeros)
    languages = pa.DictionaryArray.from_arrays(draw.integers(0, 4, n), ["en", "fr", "zh", "ja"])
    return pa.table({
        "shard": pa.DictionaryArray.from_arrays(zeros, [shard]), "row": np.arange(n),
        "doc_id": _ids(b"crawl-2026-0123456789abcdef-", np.arange(begin, begin + n)), "language": languages,
        "n_tokens": tokens, "units": tokens, "pivot_units": (tokens * draw.beta(2, 12, n)).astype(np.int32),
        **none, "holds_pair": zeros.astype(bool), "dsir": pa.nulls(n, pa.float64()),
    })  # fmt: skip


def _ids(prefix: bytes, numbers: np.ndarray) -> pa.Array:
    """A prefix and each number, in ten digits."""
    texts = np.empty((len(numbers), len(prefix) + 10), np.uint8)
    texts[:, : len(prefix)] = np.frombuffer(prefix, np.uint8)
    for place in range(1, 11):
        numbers, texts[:, -place] = numbers // 10, numbers % 10 + ord("0")
    ends = np.arange(len(numbers) + 1, dtype=np.int32) * texts.shape[1]
    return pa.Array.from_buffers(pa.string(), len(numbers), [None, pa.py_buffer(ends), pa.py_buffer(texts)])


def selecting(count: int) -> None:
    """A selection from scores on disk at a quarter of the count and at all of it."""
    figures = []
    for n in (count // 4, count):
        with tempfile.TemporaryDirectory() as folder:
            synthetic(Path(folder) / "doc_scores.parquet", n)
            command = [sys.executable, "-m", "benchmarks.scale_select", folder, str(n)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            figures.append(tuple(map(float, done.stdout.split())))
    (one, small), (four, large) = figures
    growth = large / small
    emit("select.scores", count, "synthetic scores on disk")
    emit("select.scores_memory", round(large), "MB", 2000, large <= 2000)
    emit("select.scores_memory_growth", round(growth, 3), "times from a quarter", 1.1, growth <= 1.1)
    emit("select.scores_seconds", round(four, 1), f"s of CPU; {one:.1f} of a quarter")
    emit("select.scores_billion", round((four - one) / (count * 3 / 4) * 1e9 / 3600, 2), "core-hours of 10^9 scores")
    emit("select.scores_billion_disk", 15, "GB beside the scores and the selection")


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], "scores", *COMMANDS], help="scores, or commands; all")
    parser.add_argument("--work", type=Path, help="folder that keeps corpora and measurements")
    parser.add_argument("--repeats", default="1,2,4,8", help="multiples of the corpus")
    parser.add_argument("--scores", type=float, default=3.2e7, help="synthetic scores of the selection")
    options = parser.parse_args()
    if not options.parts or "scores" in options.parts:
        selecting(int(options.scores))
    names = [name for name in COMMANDS if name in (options.parts or COMMANDS)]
    repeats = [int(times) for times in options.repeats.split(",")]
    with tempfile.TemporaryDirectory() as temporary:
        if names:
            commands(names, repeats, options.work or Path(temporary))


if __name__ == "__main__":
    main()
