"""The stage `corpus`: documents of any origin as Parquet shards of one form.

A shard holds the columns id, text, language, source, parts and language_confidence (the model's probability of a
language that was identified, null where the corpus gives it), some 16 MB of text, zstd. A unit (a package's files in
one language, one large file of the user's, or a run of small ones) is extracted by one worker to shards of its own, so
the bytes do not depend on the number of workers. Rows that an arrangement joins are stored by the units first; when all
units are complete, they are joined in buckets, by their English sentences.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from semantic_pivots import grammar
from semantic_pivots.caching import cache_folder
from semantic_pivots.corpus import documents as readers
from semantic_pivots.corpus.corpus_stage import CorpusConfig
from semantic_pivots.corpus.document import MULTILINGUAL, Document, content_id, hinge, join, split
from semantic_pivots.corpus.identify import identify_with_confidence
from semantic_pivots.corpus.recipes import units
from semantic_pivots.corpus.repeats import KEPT_OF_CORPUS, LEAST_OF_SHARD, repeats, smallest_hashes
from semantic_pivots.engines import run_shards
from semantic_pivots.errors import InputError
from semantic_pivots.files import write_table
from semantic_pivots.languages import languages
from semantic_pivots.run import Inputs, Work
from semantic_pivots.tables import from_rows

_PART = pa.struct([("language", pa.string()), ("text", pa.string())])
SHARD_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "text", "language", "source")),
        ("parts", pa.list_(_PART)),
        ("language_confidence", pa.float32()),
    ]
)
# What a unit of work leaves behind: a row per shard, a row per source and language, a row per reason of skipped lines
# of a file, and a row that counts the documents put aside to be joined.
_PART_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("kind", "unit", "shard", "path", "language", "source", "reason")),
        *((name, pa.int64()) for name in ("documents", "text_bytes", "lines", "first_line")),
        ("ids", pa.list_(pa.uint64())),
    ]
)
_BUCKET_BYTES = 256_000_000
_TOLD_LABELS = 5


@dataclass(frozen=True)
class _Job:
    """One worker's task: either a unit of a recipe or files of the user's."""

    name: str
    unit: Any
    files: tuple[str, ...]
    config: CorpusConfig
    cache: Path
    out: Path
    aside: Path
    """folder of the documents that are to be joined"""
    hashes: int = 0
    """hashes of ids that are kept of each shard"""


def corpus_stage(config: CorpusConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Fetch or read documents into shards (tables `shards`, `sources` and `skipped`, shard files under shards/).

    Raises:
        InputError: neither a recipe nor a path is given, the documents cannot be read, too many lines are bad, the
            corpus is empty, or it lacks a language that it should have.
    """
    grammar.check(config)
    jobs = list(_jobs(config, work))
    hashes = max(LEAST_OF_SHARD, KEPT_OF_CORPUS // max(len(jobs), 1))
    jobs = [dataclasses.replace(job, hashes=hashes) for job in jobs]
    (work.out / "shards").mkdir(exist_ok=True)
    (work.folder / "aside").mkdir(exist_ok=True)
    parts = run_shards([(job.name, _extract, (job,)) for job in jobs], work, config.workers, "corpus", config.engine)
    table = pa.concat_tables(parts)
    rows = table.drop_columns(["ids"]).to_pylist()
    _tell_repeated(table, work)
    skips = [row for row in rows if row["kind"] == "skipped"]
    documents = sum(row["documents"] for row in rows if row["kind"] in ("shard", "aside"))
    lines = [(row["path"], row["reason"], row["lines"], row["first_line"]) for row in skips]
    readers.check_share(documents, lines, config.max_bad_share, config.path or config.recipe, work.warn)
    _tell_ignored([row for row in rows if row["kind"] == "ignored"], work)
    sources = _sources(rows, config, jobs, work)
    shards = [row for row in rows if row["kind"] == "shard"] + _join_rows(rows, config, jobs, work)
    work.note("documents", sum(s["documents"] for s in shards))
    work.note("text_bytes", sum(s["text_bytes"] for s in shards))
    names = ("shard", "path", "language", "source", "documents", "text_bytes")
    return {
        "shards": pa.Table.from_pylist([{name: s[name] for name in names} for s in shards]),
        "sources": sources,
        "skipped": pa.Table.from_pylist(skips, schema=_PART_SCHEMA).select(["path", "reason", "lines", "first_line"]),
    }


def _tell_repeated(table: pa.Table, work: Work) -> None:
    """Warn of documents that repeat the id of another one."""
    shards = table.filter(pc.equal(table["kind"], "shard"))  # type: ignore[attr-defined]
    hashes = [np.array(row.as_py() or [], np.uint64) for row in shards["ids"]]
    count, sample = repeats(hashes, shards["documents"].to_pylist())
    if count:
        exact = sample == sum(shards["documents"].to_pylist())
        share = count / sample
        work.note("repeated_ids", round(share, 6))
        work.warn(
            f"corpus: {share:.2%} of the documents{'' if exact else f' (of {sample:,} looked at)'} repeat the id of an "
            "earlier one; documents with one id are drawn, sampled and held out together, and a column that is joined "
            "by id applies to all of them"
        )


def _tell_ignored(rows: list[dict], work: Work) -> None:
    """Warn of values that name no language, or hold no parts."""
    for reason in sorted({row["reason"] for row in rows}):
        files = [row for row in rows if row["reason"] == reason]
        value, role = reason.split(" in place of ")
        requirement = "a code or a name (it is identified)" if role == "a language" else "texts by language"
        work.warn(
            f"corpus: {sum(row['lines'] for row in files):,} documents have {value} in place of {role}, first at "
            f"{files[0]['path']} line {files[0]['first_line']}, which is ignored; expected {requirement}"
        )


def _sources(rows: list[dict], config: CorpusConfig, jobs: list[_Job], work: Work) -> pa.Table:
    """The table `sources`, after a look at the languages: each of the study should occur."""
    sources = [row for row in rows if row["kind"] == "source"]
    _tell_unknown_labels(sources, work)
    names = {job.name for job in jobs if job.unit is not None}
    if empty := sorted(names - {row["unit"] for row in sources}):
        work.warn(
            f"corpus {config.recipe}: {len(empty)} of {len(names)} packages give no text, such as {empty[0]}: they "
            "lack the language, or are laid out otherwise than expected"
        )
    absent = [code for code in config.languages if code not in {row["language"] for row in sources}]
    if absent:
        message = f"corpus {config.path or config.recipe}: no document in {', '.join(absent)}"
        if not config.allow_missing_languages:
            raise InputError(
                f"{message}: expected all of languages = {list(config.languages)}; name another corpus, or set "
                "[corpus] allow_missing_languages = true"
            )
        work.warn(message)
    if config.arrangement != "rows" and not any(row["reason"] for row in sources):
        raise InputError(
            f"corpus {config.path or config.recipe}: no document has parts in several languages, so arrangement = "
            f"{config.arrangement!r} changes nothing: take rows, or name their column with columns = ['parts=X']"
        )
    origin = {job.name: job.unit.origin() if job.unit is not None else {} for job in jobs}
    totals: dict[tuple, list[int]] = collections.defaultdict(lambda: [0, 0])
    for row in sources:
        fields = tuple(origin[row["unit"]].get(name, "") for name in ORIGIN)
        total = totals[row["source"], row["language"], *fields]
        total[0] += row["documents"]
        total[1] += row["text_bytes"]
    columns = ("source", "language", *ORIGIN, "documents", "text_bytes")
    return from_rows("sources", (dict(zip(columns, (*key, *sums), strict=True)) for key, sums in totals.items()))


def _tell_unknown_labels(sources: list[dict], work: Work) -> None:
    """Say which language labels the table of languages does not have, with their share of the documents."""
    labels = collections.Counter()
    for row in sources:
        if row["language"] and row["language"] not in languages():
            labels[row["language"]] += row["documents"]
    if not labels:
        return
    documents = sum(row["documents"] for row in sources)
    ranking = sorted(labels.items(), key=lambda entry: (-entry[1], entry[0]))
    work.note("unknown_languages", dict(ranking))
    top = ", ".join(f"{label!r} ({count / documents:.2%})" for label, count in ranking[:_TOLD_LABELS])
    remainder = f" and {len(ranking) - _TOLD_LABELS} further labels" if len(ranking) > _TOLD_LABELS else ""
    work.warn(
        f"corpus: {labels.total()} of {documents} documents ({labels.total() / documents:.2%}) have a language label "
        f"that is not known, and count for no language of a study: {top}{remainder}; rename them to codes of BCP 47"
    )


ORIGIN = ("package", "version", "sha256", "licence", "attribution")
"""What the table `sources` says of a unit's package, beside documents and bytes by language."""


def _join_rows(rows: list[dict], config: CorpusConfig, jobs: list[_Job], work: Work) -> list[dict]:
    """Shards of the documents that were put aside, joined where their English sentences are equal."""
    size = sum(row["text_bytes"] for row in rows if row["kind"] == "aside")
    if not size:
        return []
    buckets = 1 + size // _BUCKET_BYTES
    constants = (tuple(job.name for job in jobs), config.shard_bytes, work.out, work.folder / "aside")
    tasks = [(f"joined-{n:05d}", _join, (n, buckets, *constants)) for n in range(buckets)]
    return pa.concat_tables(run_shards(tasks, work, config.workers, "joined", config.engine)).to_pylist()


def _join(bucket: int, buckets: int, names: tuple[str, ...], shard_bytes: int, out: Path, aside: Path) -> pa.Table:
    """Write the shards of one bucket of sentences; returns their rows of `_PART_SCHEMA`."""
    documents = (d for name in names for d in _documents_of(aside / f"{name}.parquet") if _bucket(d, buckets) == bucket)
    name = f"joined-{bucket:05d}"
    return pa.Table.from_pylist(list(_write(join(documents), name, shard_bytes, out)), schema=_PART_SCHEMA)


def _bucket(document: Document, buckets: int) -> int:
    return int(content_id(hinge(document)), 16) % buckets


def _documents_of(path: Path) -> Iterator[Document]:
    for batch in pq.ParquetFile(path).iter_batches():
        for row in batch.to_pylist():
            parts = tuple((part["language"], part["text"]) for part in row["parts"])
            yield Document(row["id"], row["text"], row["language"], row["source"], parts)


def _jobs(config: CorpusConfig, work: Work) -> Iterator[_Job]:
    cache = cache_folder(config.cache)
    make = functools.partial(_Job, config=config, cache=cache, out=work.out, aside=work.folder / "aside")
    if config.path:
        paths = readers.list_files(config.path, work.warn)
        readers.check_columns(paths, readers.column_map(config.columns))
        for index, files in enumerate(readers.runs(paths, config.shard_bytes)):
            yield make(f"files-{index:05d}", None, files)
        return
    for unit in units(config.recipe, config.languages, cache, work.note):
        yield make(unit.name, unit, ())


def _extract(job: _Job) -> pa.Table:
    """Write a job's shards; returns its rows of `_PART_SCHEMA`."""
    skips = {file: readers.SkippedLines() for file in job.files}
    counts: dict[tuple[str, str, bool], list[int]] = collections.defaultdict(lambda: [0, 0])
    documents = _count(_with_language(_read(job, skips), job.config.identify_language), counts)
    rows = []
    if job.config.arrangement == "split":
        documents = (part for document in documents for part in split(document))
    elif job.config.arrangement == "joined":
        documents, aside = _put_aside(documents)
    rows = list(_write(documents, job.name, job.config.shard_bytes, job.out, job.hashes))
    if job.config.arrangement == "joined":
        write_table(job.aside / f"{job.name}.parquet", _table(aside))
        size = sum(len(d.text.encode()) for d in aside)
        rows.append({"kind": "aside", "documents": len(aside), "text_bytes": size})
    for (source, code, is_mixture), (number, size) in counts.items():
        row = {"kind": "source", "source": source, "language": code, "reason": MULTILINGUAL if is_mixture else ""}
        rows.append({**row, "documents": number, "text_bytes": size})
    for file, bad in skips.items():
        for kind, reasons in (("skipped", bad.reasons), ("ignored", bad.ignored_values)):
            for reason, (lines, line) in sorted(reasons.items()):
                rows.append({"kind": kind, "path": file, "reason": reason, "lines": lines, "first_line": line})
    return pa.Table.from_pylist([{**row, "unit": job.name} for row in rows], schema=_PART_SCHEMA)


def _read(job: _Job, skips: dict[str, readers.SkippedLines]) -> Iterator[Document]:
    if job.unit is not None:
        yield from job.unit.read(job.cache)
        return
    renames = readers.column_map(job.config.columns)
    for file in job.files:
        yield from readers.read(file, renames, skips[file])


def _with_language(documents: Iterable[Document], identify_all: bool) -> Iterator[Document]:
    """The documents with a language each: as given, or identified; parts name their own."""
    for document in documents:
        if document.parts or (document.language and not identify_all):
            yield document
        else:
            code, confidence = identify_with_confidence(document.text)
            yield document._replace(language=code, confidence=confidence)


def _count(documents: Iterable[Document], counts: dict[tuple[str, str, bool], list[int]]) -> Iterator[Document]:
    """Pass documents on, counted by source, language, and whether they are in several languages."""
    for document in documents:
        texts: dict[str, int] = collections.Counter()
        for code, text in document.parts or ((document.language, document.text),):
            texts[code] += len(text.encode())
        for code, size in texts.items():
            count = counts[document.source, code, bool(document.parts)]
            count[0] += 1
            count[1] += size
        yield document


def _put_aside(documents: Iterable[Document]) -> tuple[list[Document], list[Document]]:
    rows: list[Document] = []
    aside: list[Document] = []
    for document in documents:
        (aside if hinge(document) else rows).append(document)
    return rows, aside


def _write(documents: Iterable[Document], unit: str, shard_bytes: int, out: Path, hashes: int = 0) -> Iterator[dict]:
    """Write documents as the shards of a unit; yields a row of `_PART_SCHEMA` for each, with so many hashes of ids."""
    for index, block in enumerate(readers.blocks(documents, shard_bytes)):
        name = f"{unit}-{index:03d}"
        path = f"shards/{name}.parquet"
        write_table(out / path, _table(block))
        codes, sources = {d.language for d in block}, {d.source for d in block}
        yield {
            "kind": "shard",
            "shard": name,
            "path": path,
            "language": codes.pop() if len(codes) == 1 else "mixed",
            "source": sources.pop() if len(sources) == 1 else "mixed",
            "documents": len(block),
            "text_bytes": sum(len(d.text.encode()) for d in block),
            "ids": smallest_hashes((d.id for d in block), hashes) if hashes else None,
        }


def _table(documents: list[Document]) -> pa.Table:
    columns = {name: [getattr(d, name) for d in documents] for name in ("id", "text", "language", "source")}
    parts = [[{"language": code, "text": text} for code, text in d.parts] for d in documents]
    confidences = [d.confidence for d in documents]
    return pa.table({**columns, "parts": parts, "language_confidence": confidences}, SHARD_SCHEMA)
