"""Contents of a corpus before anything is measured on it: languages, mixed documents, duplicates, sources.

One pure function reads each shard once and returns counts and 64-bit hashes. Counts are summed. Hashes are distributed
over buckets by their first bits, so memory does not grow with the corpus: for a billion documents a bucket takes 32 MB.
Two texts are duplicates if they differ only in white space; near duplicates are not searched. With a billion texts, the
probability that any two have the same 64-bit hash by chance is 3 %.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from semantic_pivots.corpus.hash_buckets import HashBuckets
from semantic_pivots.engines import read_parts, shard_parts
from semantic_pivots.errors import InputError
from semantic_pivots.files import Record, read_batches
from semantic_pivots.languages import languages
from semantic_pivots.run import Work

_BATCH_DOCUMENTS = 1024
# A script is in a document where two of its letters stand together: one letter is a symbol or a variable.
_SCRIPTS = {
    "Latin": r"\p{Latin}{2}",
    "Han": r"\p{Han}{2}",
    "Kana": r"[\p{Hiragana}\p{Katakana}]{2}",
    "Hangul": r"\p{Hangul}{2}",
    "Cyrillic": r"\p{Cyrillic}{2}",
    "Greek": r"\p{Greek}{2}",
    "Arabic": r"\p{Arabic}{2}",
    "Hebrew": r"\p{Hebrew}{2}",
    "Devanagari": r"\p{Devanagari}{2}",
    "Thai": r"\p{Thai}{2}",
}
_RARER = (
    "Armenian Bengali Cherokee Ethiopic Georgian Gujarati Gurmukhi Kannada Khmer Lao Malayalam Mongolian Myanmar Oriya "
    "Sinhala Syriac Tamil Telugu Thaana Tibetan Tifinagh"
).split()
_ANY_RARER = "[" + "".join(rf"\p{{{name}}}" for name in _RARER) + "]{2}"
"""Scripts that are looked for one by one only in batches of documents that have any of them."""
_COUNT = pa.struct([("kind", pa.string()), ("key", pa.string()), ("documents", pa.int64()), ("bytes", pa.int64())])
_HASHES = pa.list_(pa.uint64())
_PART = pa.schema([("counts", pa.list_(_COUNT)), ("confidence", pa.float64()), ("ids", _HASHES), ("texts", _HASHES)])


def survey(corpus: Path, work: Work, workers: int = 0, engine: str = "pool") -> Record:
    """Documents, bytes, languages, mixed documents, scripts, duplicates and sources of a corpus, as lists and numbers.

    Raises:
        InputError: the folder is not a corpus.
    """
    shards = shard_paths(corpus)
    tasks = [(name, survey_shard, (path,)) for name, path in shards]
    parts = shard_parts(tasks, work, workers, "survey", engine)
    counts: dict[str, Counter[str]] = {}
    sizes: dict[str, Counter[str]] = {}
    confidence = 0.0
    buckets = {name: HashBuckets(work.folder / f"hashes-{name}", np.dtype(np.uint64)) for name in ("ids", "texts")}
    for part in read_parts(parts):
        row = part.drop_columns(list(buckets)).to_pylist()[0]
        confidence += row["confidence"]
        for entry in row["counts"]:
            counts.setdefault(entry["kind"], Counter())[entry["key"]] += entry["documents"]
            sizes.setdefault(entry["kind"], Counter())[entry["key"]] += entry["bytes"]
        for name, bucket in buckets.items():
            hashes = part[name].combine_chunks().flatten().to_numpy()
            bucket.add(hashes, hashes)
    documents = counts["all"][""]
    n_identified = counts.get("identified", Counter()).total()
    return {
        "documents": documents,
        "text_bytes": sizes["all"][""],
        "shards": len(shards),
        "languages": _rows("language", counts["language"], sizes["language"], documents),
        "identified": _rows("language", counts.get("identified", Counter()), None, documents),
        "mean_confidence": round(confidence / n_identified, 4) if n_identified else None,
        "mixed_documents": _rows("languages", counts.get("mixed", Counter()), None, documents),
        "scripts": _rows("scripts", counts["scripts"], None, documents),
        "duplicates": {name.removesuffix("s"): _duplicates(bucket) for name, bucket in buckets.items()},
        "sources": _sources(corpus, counts["source"], sizes["source"]),
    }


def shard_paths(corpus: Path) -> list[tuple[str, str]]:
    """(name, path) of a corpus's shards.

    Raises:
        InputError: the folder holds no table of shards.
    """
    path = corpus / "shards.parquet"
    if not path.exists():
        raise InputError(f"{corpus} has no shards.parquet: expected a folder made by `pivots corpus make`")
    return [(row["shard"], str(corpus / row["path"])) for row in pq.read_table(path).to_pylist()]


def survey_shard(path: str) -> pa.Table:
    """One shard's counts of documents and bytes by kind and key, and hashes of its ids and texts: one row."""
    counts = _Counts()
    ids: list[int] = []
    texts: list[int] = []
    for rows in read_batches(path):
        for begin in range(0, len(rows), _BATCH_DOCUMENTS):
            batch = rows.slice(begin, _BATCH_DOCUMENTS)
            table = batch.to_pydict()
            absent = [None] * batch.num_rows
            lengths = pc.call_function("binary_length", [batch["text"]]).to_pylist()
            fields = (table.get(name, absent) for name in ("language", "source", "parts", "language_confidence"))
            for row in zip(*fields, _scripts(batch["text"]), lengths, strict=True):
                counts.add(*row)
            ids += map(_hash, table["id"])
            texts += (_hash(" ".join(text.split())) for text in table["text"])
    row = {"counts": counts.rows(), "confidence": counts.confidence, "ids": ids, "texts": texts}
    return pa.Table.from_pylist([row], schema=_PART)


class _Counts:
    """Documents and bytes by kind and key, and the sum of the confidences of identified languages."""

    def __init__(self) -> None:
        self._documents: Counter[tuple[str, str]] = Counter()
        self._bytes: Counter[tuple[str, str]] = Counter()
        self.confidence = 0.0

    def add(
        self,
        language: str | None,
        source: str | None,
        parts: list[dict] | None,
        confidence: float | None,
        scripts: str,
        size: int,
    ) -> None:
        """Count one document."""
        codes = sorted({part["language"] for part in parts or ()})
        for key in (("all", ""), ("source", source or ""), ("scripts", scripts)):
            self._documents[key] += 1
            self._bytes[key] += size
        if len(codes) > 1:
            self._documents["mixed", "+".join(codes)] += 1
        for code in codes or [language or ""]:
            texts = [part["text"] for part in parts or () if part["language"] == code]
            self._documents["language", code] += 1
            self._bytes["language", code] += sum(len(text.encode()) for text in texts) if texts else size
        if confidence is not None:
            self._documents["identified", language or ""] += 1
            self.confidence += confidence

    def rows(self) -> list[Record]:
        """The counts, sorted."""
        documents = sorted(self._documents.items())
        return [{"kind": k, "key": key, "documents": n, "bytes": self._bytes[k, key]} for (k, key), n in documents]


def _scripts(texts: pa.Array) -> list[str]:
    """The scripts of each text, joined by +."""
    patterns = dict(_SCRIPTS)
    if any(_matches(texts, _ANY_RARER)):
        patterns |= {name: rf"\p{{{name}}}{{2}}" for name in _RARER}
    hits = [_matches(texts, pattern) for pattern in patterns.values()]
    return ["+".join(name for name, has in zip(patterns, row, strict=True) if has) for row in zip(*hits, strict=True)]


def _matches(texts: pa.Array, pattern: str) -> list[bool]:
    return pc.call_function("match_substring_regex", [texts], pc.MatchSubstringOptions(pattern)).to_pylist()


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _duplicates(buckets: HashBuckets) -> dict[str, int]:
    """The number of documents that repeat an earlier one, of groups of equal ones, and the largest group's size."""
    duplicates = groups = largest = 0
    for hashes in buckets:
        _, sizes = np.unique(hashes, return_counts=True)
        duplicates += int((sizes - 1).sum())
        groups += int((sizes > 1).sum())
        largest = max(largest, int(sizes.max()))
    return {"documents": duplicates, "groups": groups, "largest_group": largest if groups else 0}


def _rows(name: str, counts: Counter[str], sizes: Counter[str] | None, documents: int) -> list[Record]:
    """Rows in descending order of documents; a language that the table of languages lacks is said to be unknown."""
    rows = []
    for key, count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])):
        row: Record = {name: key, "documents": count, "share": round(count / documents, 6)}
        if sizes is not None:
            row["text_bytes"] = sizes[key]
        if name == "language":
            row["name"] = languages()[key].name if key in languages() else "" if not key else "unknown label"
        rows.append(row)
    return rows


def _sources(corpus: Path, counts: Counter[str], sizes: Counter[str]) -> list[Record]:
    """Documents of each source with what the corpus's own table says of its package and licence."""
    path = corpus / "sources.parquet"
    origins: dict[str, dict[str, set[str]]] = {}
    for row in pq.read_table(path).to_pylist() if path.exists() else ():
        about = origins.setdefault(row["source"], {"package": set(), "licence": set(), "attribution": set()})
        for field, values in about.items():
            if row.get(field):
                values.add(row[field])
    fields = ("package", "licence", "attribution")
    rows = []
    for source, count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])):
        # a document that was joined from several sources names them all
        about = [origins[name] for name in source.split("+") if name in origins]
        fields = {
            f: ", ".join(sorted(set().union(*(a[f] for a in about)))) for f in ("package", "licence", "attribution")
        }
        rows.append({"source": source, "documents": count, "text_bytes": sizes[source], **fields})
    return rows


def languages_of(survey: Record, least_share: float, candidates: Sequence[str]) -> tuple[str, ...]:
    """The given languages that have at least a share of the documents, the most frequent first."""
    rows = (row for row in survey["languages"] if row["share"] >= least_share)
    return tuple(row["language"] for row in rows if row["language"] in candidates)
