"""The stage that makes a corpus: documents of any origin to Parquet shards of one form.

A shard holds the columns id, text, language and source, some 16 MB of text, zstd. One unit (a package, or one of the
user's files) is extracted by one worker to its own shards, so the bytes do not depend on the number of workers.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from semantic_pivots import run as runs
from semantic_pivots.config import CorpusConfig
from semantic_pivots.corpus import documents as readers
from semantic_pivots.corpus.fetch import package_version
from semantic_pivots.corpus.recipes import debian
from semantic_pivots.errors import InputError, nearest

SHARD_SCHEMA = pa.schema(
    [("id", pa.string()), ("text", pa.string()), ("language", pa.string()), ("source", pa.string())]
)


@dataclass(frozen=True)
class _Job:
    """One worker's task: either a unit of a recipe or a file of the user's."""

    name: str
    unit: debian.Unit | None
    file: str
    config: CorpusConfig
    cache: Path
    out: Path


def workers(wanted: int) -> int:
    """Worker processes to use: as asked, or one per core."""
    return wanted or len(os.sched_getaffinity(0))


def corpus_stage(config: CorpusConfig, inputs: runs.Inputs, work: runs.Work) -> dict[str, pa.Table]:
    """Fetch or read documents into shards (tables `shards` and `skipped`, shard files under shards/).

    Raises:
        InputError: neither a recipe nor a path is given, the documents cannot be read, too many lines are bad, or the
            corpus is empty.
    """
    jobs = list(_jobs(config, work))
    (work.out / "shards").mkdir(exist_ok=True)
    parts = {}
    context = multiprocessing.get_context("forkserver")
    with (
        work.progress(len(jobs), "files", "corpus") as progress,
        ProcessPoolExecutor(min(workers(config.workers), len(jobs)), mp_context=context) as pool,
    ):
        futures = {}
        for job in jobs:
            done = work.folder / f"{job.name}.parquet"
            if done.exists():
                parts[job.name] = done
                progress.advance()
            else:
                futures[pool.submit(_extract, job, done)] = job
        for future in as_completed(futures):
            future.result()
            parts[futures[future].name] = work.folder / f"{futures[future].name}.parquet"
            progress.advance()
    rows = [row for job in jobs for row in runs_table(parts[job.name])]
    shards = [row for row in rows if row["documents"]]
    skipped = [row for row in rows if not row["documents"]]
    if not shards:
        raise InputError(f"corpus {config.path or config.recipe}: no document with text was found")
    lines, bad = sum(s["documents"] for s in shards), sum(s["text_bytes"] for s in skipped)
    if bad > config.max_bad_share * (lines + bad):
        worst = max(skipped, key=lambda s: s["text_bytes"])
        raise InputError(
            f"corpus: {bad} of {lines + bad} lines cannot be read, above max_bad_share = {config.max_bad_share}; "
            f"{worst['source']} first at {worst['path']} line {worst['language']}"
        )
    work.note("documents", lines)
    work.note("text_bytes", sum(s["text_bytes"] for s in shards))
    return {
        "shards": pa.Table.from_pylist(shards),
        "skipped": pa.table(
            {
                "path": pa.array([s["path"] for s in skipped], pa.string()),
                "reason": pa.array([s["source"] for s in skipped], pa.string()),
                "lines": pa.array([s["text_bytes"] for s in skipped], pa.int64()),
                "first_line": pa.array([int(s["language"]) for s in skipped], pa.int64()),
            }
        ),
    }


def runs_table(path: Path) -> list[dict[str, Any]]:
    """Rows of a kept part."""
    import pyarrow.parquet as pq

    return pq.read_table(path).to_pylist()


def _jobs(config: CorpusConfig, work: runs.Work) -> Iterator[_Job]:
    from semantic_pivots.caching import cache_folder

    cache = cache_folder(config.cache)
    if config.path:
        for index, file in enumerate(readers.list_files(config.path)):
            yield _Job(f"file-{index:05d}", None, file, config, cache, work.out)
        return
    if config.recipe not in debian.FAMILIES:
        known = ", ".join(debian.FAMILIES)
        raise InputError(
            f"[corpus] recipe {config.recipe!r}: expected one of {known}, or path = FILE OR FOLDER"
            + nearest(config.recipe, debian.FAMILIES)
        )
    units, absent = debian.units(config.recipe, config.languages, cache)
    if absent:
        work.note("absent_packages", absent)
    work.note("packages", {u.package: package_version(Path(u.path)) for u in units if u.path.endswith(".deb")})
    for unit in units:
        yield _Job(unit.name, unit, "", config, cache, work.out)


def _extract(job: _Job, done: Path) -> None:
    """Write a job's shards, then its table of shards and skipped lines (documents = 0), which marks it complete."""
    skipped = readers.Skipped()
    if job.unit is not None:
        found: Iterable[readers.Document] = debian.documents(job.unit, job.cache)
    else:
        found = readers.read(job.file, readers.column_map(job.config.columns), skipped)
    rows = []
    for index, block in enumerate(_blocks(found, job.config.shard_bytes)):
        name = f"{job.name}-{index:03d}"
        path = f"shards/{name}.parquet"
        runs.write_table(job.out / path, pa.Table.from_pylist([d._asdict() for d in block], schema=SHARD_SCHEMA))
        codes, sources = {d.language for d in block}, {d.source for d in block}
        rows.append(
            {
                "shard": name,
                "path": path,
                "language": codes.pop() if len(codes) == 1 else "mixed",
                "source": sources.pop() if len(sources) == 1 else "mixed",
                "documents": len(block),
                "text_bytes": sum(len(d.text.encode()) for d in block),
            }
        )
    for reason, (count, first) in sorted(skipped.reasons.items()):
        row = {"shard": "", "path": job.file, "language": str(first), "source": reason}
        rows.append({**row, "documents": 0, "text_bytes": count})
    names = ("shard", "path", "language", "source")
    columns = [*((name, pa.string()) for name in names), ("documents", pa.int64()), ("text_bytes", pa.int64())]
    runs.write_table(done, pa.Table.from_pylist(rows, schema=pa.schema(columns)))


def _blocks(documents: Iterable[readers.Document], limit: int) -> Iterator[list[readers.Document]]:
    block: list[readers.Document] = []
    size = 0
    for document in documents:
        block.append(document)
        size += len(document.text.encode("utf-8", "surrogatepass"))
        if size >= limit:
            yield block
            block, size = [], 0
    if block:
        yield block
