"""Removal of duplicates: a corpus without the documents whose text another document has.

Two texts are equal if they differ only in white space, as in the report (`corpus.survey`); near duplicates are not
searched. Of the documents with one text, that stays whose content (id, language, source, parts and exact text) has the
smallest hash. So neither the names nor the number nor the order of files decide what stays.

One function hashes each shard, on any engine. The hashes, 32 bytes a document, are distributed over buckets on disk,
and one process marks the documents of each bucket that go, one byte a document. A second function writes each shard
without them. The hashes of texts have 128 bits: that two texts of 10^12 have the same by chance has a probability below
10^-14.
"""

from __future__ import annotations

import collections
import os
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from semantic_pivots import run
from semantic_pivots.corpus.hash_buckets import HashBuckets
from semantic_pivots.corpus.shards import ORIGIN
from semantic_pivots.corpus.survey import shard_paths
from semantic_pivots.engines import read_parts, run_shards, shard_parts
from semantic_pivots.files import Record, complete_file, digest, read_batches, read_table, write_table
from semantic_pivots.run import Work
from semantic_pivots.tables import SCHEMAS, conform, from_rows

_VERSION = 1
_HASHES = {"text_high": "<u8", "text_low": "<u8", "content": "<u8"}
"""Columns of a shard's hashes: 128 bits of the text, and 64 of the content, which decides what stays."""
_RECORD = np.dtype([*_HASHES.items(), ("place", "<i8")])
_COUNT_NAMES = ("source", "language", "documents", "text_bytes")


def remove_duplicates(corpus: Path, out: Path, workers: int = 0, engine: str = "pool") -> Record:
    """Write a corpus without duplicates; returns the manifest.

    The folder is one of `pivots corpus make`, whose shards have the names of those of the corpus; a shard without a
    document is left out. Its table `duplicates` has the removed documents by source and language.

    Args:
        corpus: folder of a corpus.
        out: folder to publish.
        workers: processes; 0: one per core.
        engine: pool, ray or datatrove.

    Raises:
        InputError: the folder is not a corpus or was altered, or `out` has other content.
    """
    shards = shard_paths(corpus)
    run.check_outside(out, corpus)
    run.check_unaltered(corpus)
    key = {"version": _VERSION, "inputs": {"corpus": run.content_of(corpus)}}
    manifest = run.read_manifest(out)
    if manifest is not None and manifest["key"] == digest(key):
        return manifest

    def stage(work: Work) -> dict[str, pa.Table]:
        marks = _marks(shards, work, workers, engine)
        return _tables(corpus, shards, marks, work, workers, engine)

    return run.publish("dedup", key, out, stage, conform, [path for _, path in shards])


def _marks(shards: Sequence[tuple[str, str]], work: Work, workers: int, engine: str) -> Path:
    """A file with a byte for each document, in the order of the shards: 1 for those that go."""
    marks = work.folder / "marks"
    parts = shard_parts([(name, hash_shard, (path,)) for name, path in shards], work, workers, "hashes", engine)
    if marks.exists():  # a killed run has made it, or another rank while this one waited
        return marks
    buckets = HashBuckets(work.folder / "buckets", _RECORD)
    documents = 0
    for part in read_parts(parts):
        records = np.zeros(len(part), _RECORD)
        for name in _HASHES:
            records[name] = part[name].to_numpy()
        records["place"] = np.arange(documents, documents + len(part))
        buckets.add(records["text_high"], records)
        documents += len(part)
    with complete_file(marks) as temporary:
        with temporary.open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, max(documents, 1))  # a full disk is met here, as an error
        mark_bytes = np.memmap(temporary, np.uint8, "r+")
        for records in buckets:
            mark_bytes[_repeats(records)] = 1
        mark_bytes.flush()
    return marks


def _repeats(records: np.ndarray) -> np.ndarray:
    """Places of the documents of a bucket that are not the first with their text."""
    order = np.lexsort([records[name] for name in ("place", "content", "text_low", "text_high")])
    texts = records[["text_high", "text_low"]][order]
    return records["place"][order[1:][texts[1:] == texts[:-1]]]


def hash_shard(path: str) -> pa.Table:
    """The hashes of a shard's documents: columns `text_high`, `text_low` and `content`, all uint64."""
    hashes = []
    for batch in read_batches(path):
        columns = batch.to_pydict()
        fields = [columns.get(name, [None] * len(batch)) for name in ("id", "language", "source", "parts")]
        for text, *labels in zip(columns["text"], *fields, strict=True):
            content = blake2b(repr(labels).encode(), digest_size=8)
            content.update(text.encode())
            hashes.append(blake2b(" ".join(text.split()).encode(), digest_size=16).digest() + content.digest())
    values = np.frombuffer(b"".join(hashes), np.dtype(list(_HASHES.items())))
    return pa.table({name: np.ascontiguousarray(values[name]) for name in _HASHES})


def _tables(
    corpus: Path, shards: Sequence[tuple[str, str]], marks: Path, work: Work, workers: int, engine: str
) -> dict[str, pa.Table]:
    """Write the shards without the marked documents; returns the tables of the corpus."""
    (work.out / "shards").mkdir(exist_ok=True)
    tasks, begin = [], 0
    for name, path in shards:
        tasks.append((name, write_shard, (name, path, begin)))
        begin += pq.read_metadata(path).num_rows
    parts = run_shards(tasks, work, workers, "shards", engine, (marks, work.out))
    rows = pa.concat_tables(parts).to_pylist()
    shard_rows = [row for row in rows if row["kind"] == "shard"]
    work.note("documents", sum(row["documents"] for row in shard_rows))
    work.note("text_bytes", sum(row["text_bytes"] for row in shard_rows))
    work.note("removed_documents", begin - work.notes["documents"])
    duplicates = [dict(zip(_COUNT_NAMES, row, strict=True)) for row in _sums(rows, "duplicate")]
    tables = {
        "shards": from_rows("shards", [{name: row[name] for name in SCHEMAS["shards"].names} for row in shard_rows]),
        "sources": from_rows("sources", _sources(corpus, _sums(rows, "remaining"))),
        "duplicates": from_rows("duplicates", duplicates),
    }
    skips_file = corpus / "skipped.parquet"
    return tables | ({"skipped": read_table(skips_file)} if skips_file.exists() else {})


_PART = pa.schema([("kind", pa.string()), *SCHEMAS["shards"]])


def write_shard(name: str, path: str, begin: int, marks: Path, out: Path) -> pa.Table:
    """Write a shard without the marked documents; returns its row, and counts of remaining and of duplicate documents.

    Args:
        name: name of the shard.
        path: file of the shard.
        begin: documents before it.
        marks: file of the documents' marks.
        out: folder of the new corpus.
    """
    table = read_table(path)
    is_duplicate = np.fromfile(marks, np.uint8, len(table), offset=begin).astype(np.bool_)
    remaining, duplicates = table.filter(pa.array(~is_duplicate)), table.filter(pa.array(is_duplicate))
    rows = [{"kind": "remaining", **row} for row in _counts(remaining)]
    rows += [{"kind": "duplicate", **row} for row in _counts(duplicates)]
    if len(remaining):
        place = f"shards/{name}.parquet"
        write_table(out / place, remaining)
        languages, sources = (remaining[column].unique().to_pylist() for column in ("language", "source"))
        rows.append({
            "kind": "shard", "shard": name, "path": place, "documents": len(remaining),
            "language": languages[0] if len(languages) == 1 else "mixed",
            "source": sources[0] if len(sources) == 1 else "mixed",
            "text_bytes": pc.call_function("sum", [_bytes(remaining)]).as_py(),
        })  # fmt: skip
    return pa.Table.from_pylist(rows, schema=_PART)


def _bytes(documents: pa.Table) -> pa.ChunkedArray:
    return pc.call_function("binary_length", [documents["text"]]).cast(pa.int64())


def _counts(documents: pa.Table) -> Iterator[Record]:
    """Documents and bytes by source and language; a document with parts counts for the language of each."""
    counts: dict[tuple[str, str], list[int]] = collections.defaultdict(lambda: [0, 0])
    columns = documents.select([name for name in documents.column_names if name in ("source", "language", "parts")])
    for row, size in zip(columns.to_pylist(), _bytes(documents).to_pylist(), strict=True):
        sizes: collections.Counter[str] = collections.Counter()
        for part in row.get("parts") or ():
            sizes[part["language"] or ""] += len(part["text"].encode())
        for code, of_code in sizes.items() or [(row["language"] or "", size)]:
            count = counts[row["source"] or "", code]
            count[0] += 1
            count[1] += of_code
    for key, sums in sorted(counts.items()):
        yield dict(zip(_COUNT_NAMES, (*key, *sums), strict=True))


def _sums(rows: list[Record], kind: str) -> list[tuple[str, str, int, int]]:
    """(source, language, documents, bytes) of the counts of one kind, over all shards, sorted."""
    sums: dict[tuple[str, str], list[int]] = collections.defaultdict(lambda: [0, 0])
    for row in rows:
        if row["kind"] == kind:
            total = sums[row["source"], row["language"]]
            total[0] += row["documents"]
            total[1] += row["text_bytes"]
    return [(*key, documents, text_bytes) for key, (documents, text_bytes) in sorted(sums.items())]


def _sources(corpus: Path, sums: list[tuple[str, str, int, int]]) -> Iterator[Record]:
    """Rows of the table `sources`, with the packages and licences that the corpus names for each source."""
    path = corpus / "sources.parquet"
    origins: dict[str, list[Record]] = collections.defaultdict(list)
    for row in read_table(path).to_pylist() if path.exists() else ():
        origins[row["source"]].append(row)
    for source, code, documents, text_bytes in sums:
        # a document that was joined from several sources names them all
        rows = [row for name in (source, *source.split("+")) for row in origins.get(name, ())]
        rows = [row for row in rows if row.get("language") == code] or rows
        about = {name: ", ".join(sorted({row.get(name) or "" for row in rows} - {""})) for name in ORIGIN}
        yield {"source": source, "language": code, **about, "documents": documents, "text_bytes": text_bytes}
