"""The stage that makes a corpus: documents of any origin to Parquet shards of one form.

A shard holds the columns id, text, language, source and language_confidence (the model's probability of a language that
was identified, null where the corpus gives it), some 16 MB of text, zstd. A unit (a package's files in one
language, one large file of the user's, or a run of small ones) is extracted by one worker to shards of its own, so the
bytes do not depend on the number of workers.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from semantic_pivots.caching import cache_folder
from semantic_pivots.config import CorpusConfig
from semantic_pivots.corpus import documents as readers
from semantic_pivots.corpus.engines import run_shards
from semantic_pivots.corpus.fetch import package_version
from semantic_pivots.corpus.identify import identify_with_confidence
from semantic_pivots.corpus.recipes import debian
from semantic_pivots.errors import InputError, nearest
from semantic_pivots.languages import languages
from semantic_pivots.run import Inputs, Work, write_table

SHARD_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "text", "language", "source")),
        ("language_confidence", pa.float32()),
    ]
)
# What a unit of work leaves behind: a row per shard (documents > 0), a row per reason of skipped lines of a file, and a
# row per language label that the table of languages does not have.
_PART_SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("shard", "path", "language", "source", "reason", "label")),
        *((name, pa.int64()) for name in ("documents", "text_bytes", "lines", "first_line", "labelled")),
    ]
)


_TOLD_LABELS = 5


@dataclass(frozen=True)
class _Job:
    """One worker's task: either a unit of a recipe or files of the user's."""

    name: str
    unit: debian.Unit | None
    files: tuple[str, ...]
    config: CorpusConfig
    cache: Path
    out: Path


def corpus_stage(config: CorpusConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Fetch or read documents into shards (tables `shards` and `skipped`, shard files under shards/).

    Raises:
        InputError: neither a recipe nor a path is given, the documents cannot be read, too many lines are bad, or the
            corpus is empty.
    """
    if not 0 <= config.max_bad_share <= 1:
        raise InputError(f"[corpus] max_bad_share = {config.max_bad_share}: expected a share from 0 to 1")
    jobs = list(_jobs(config, work))
    (work.out / "shards").mkdir(exist_ok=True)
    parts = run_shards([(job.name, _extract, (job,)) for job in jobs], work, config.workers, "corpus", config.engine)
    rows = pa.concat_tables(parts).to_pylist()
    shards = [row for row in rows if row["documents"]]
    skipped = [row for row in rows if row["lines"]]
    documents, bad = sum(s["documents"] for s in shards), sum(s["lines"] for s in skipped)
    if bad > config.max_bad_share * (documents + bad):
        worst = max(skipped, key=lambda s: s["lines"])
        raise InputError(
            f"corpus: {bad} of {documents + bad} lines cannot be read, above max_bad_share = {config.max_bad_share}; "
            f"most: {worst['reason']}, {worst['lines']} times, first at {worst['path']} line {worst['first_line']}"
        )
    if not shards:
        raise InputError(f"corpus {config.path or config.recipe}: no document with text was found")
    if bad:
        work.warn(f"corpus: {bad} of {documents + bad} lines skipped; table `skipped` has file, reason and first line")
    _tell_unknown_labels([row for row in rows if row["label"]], documents, work)
    work.note("documents", documents)
    work.note("text_bytes", sum(s["text_bytes"] for s in shards))
    names = ("shard", "path", "language", "source", "documents", "text_bytes")
    return {
        "shards": pa.Table.from_pylist([{name: s[name] for name in names} for s in shards]),
        "skipped": pa.Table.from_pylist(skipped, schema=_PART_SCHEMA).select(["path", "reason", "lines", "first_line"]),
    }


def _tell_unknown_labels(rows: list[dict], documents: int, work: Work) -> None:
    """Say which language labels the table of languages does not have, with their share of the documents."""
    labels = collections.Counter()
    for row in rows:
        labels[row["label"]] += row["labelled"]
    if not labels:
        return
    most = sorted(labels.items(), key=lambda entry: (-entry[1], entry[0]))
    work.note("unknown_languages", dict(most))
    named = ", ".join(f"{label!r} ({count / documents:.2%})" for label, count in most[:_TOLD_LABELS])
    further = f" and {len(most) - _TOLD_LABELS} further labels" if len(most) > _TOLD_LABELS else ""
    work.warn(
        f"corpus: {labels.total()} of {documents} documents ({labels.total() / documents:.2%}) have a language label "
        f"that is not known, and count for no language of a study: {named}{further}; rename them to codes of BCP 47"
    )


def _jobs(config: CorpusConfig, work: Work) -> Iterator[_Job]:
    cache = cache_folder(config.cache)
    if config.path:
        found = readers.list_files(config.path, work.warn)
        readers.check_columns(found, readers.column_map(config.columns))
        for index, files in enumerate(_runs(found, config.shard_bytes)):
            yield _Job(f"files-{index:05d}", None, files, config, cache, work.out)
        return
    if config.recipe not in debian.RECIPES:
        known = ", ".join(debian.RECIPES)
        raise InputError(
            f"[corpus] recipe {config.recipe!r}: expected one of {known}, or path = FILE OR FOLDER"
            + nearest(config.recipe, debian.RECIPES)
        )
    units, absent = debian.units(config.recipe, config.languages, cache)
    if absent:
        work.note("absent_packages", absent)
    work.note("packages", {u.package: package_version(Path(u.path)) for u in units if u.path.endswith(".deb")})
    for unit in units:
        yield _Job(unit.name, unit, (), config, cache, work.out)


def _runs(files: list[tuple[str, int]], limit: int) -> list[tuple[str, ...]]:
    """Files in runs of up to `limit` bytes: thousands of small text files do not become thousands of shards."""
    runs: list[list[str]] = []
    held = 0
    for name, size in files:
        if not runs or held + size > limit:
            runs.append([])
            held = 0
        runs[-1].append(name)
        held += size
    return [tuple(run) for run in runs]


def _extract(job: _Job) -> pa.Table:
    """Write a job's shards; returns its rows of `_PART_SCHEMA`."""
    skipped = {file: readers.Skipped() for file in job.files}
    if job.unit is not None:
        found: Iterable[readers.Document] = debian.documents(job.unit, job.cache)
    else:
        renames = readers.column_map(job.config.columns)
        found = (d for file in job.files for d in readers.read(file, renames, skipped[file]))
    again = job.config.identify_language
    rows, unknown = [], collections.Counter()
    for index, block in enumerate(readers.blocks(found, job.config.shard_bytes)):
        name = f"{job.name}-{index:03d}"
        path = f"shards/{name}.parquet"
        block, confidences = _with_languages(block, again)
        columns: dict = dict(zip(readers.Document._fields, zip(*block, strict=True), strict=True))
        unknown.update(code for code in columns["language"] if code and code not in languages())
        write_table(job.out / path, pa.table({**columns, "language_confidence": confidences}, SHARD_SCHEMA))
        codes, sources = set(columns["language"]), set(columns["source"])
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
    for file, bad in skipped.items():
        for reason, (lines, first) in sorted(bad.reasons.items()):
            rows.append({"path": file, "reason": reason, "lines": lines, "first_line": first})
    rows += [{"label": label, "labelled": count} for label, count in sorted(unknown.items())]
    return pa.Table.from_pylist(rows, schema=_PART_SCHEMA)


def _with_languages(
    documents: list[readers.Document], again: bool
) -> tuple[list[readers.Document], list[float | None]]:
    """The documents, those without a language (or all) with the one identified, and the confidence in each of these."""
    made, confidences = [], []
    for document in documents:
        confidence = None
        if again or not document.language:
            code, confidence = identify_with_confidence(document.text)
            document = document._replace(language=code)
        made.append(document)
        confidences.append(confidence)
    return made, confidences
