"""The stage `corpus`: its section of a study and its tables."""

from dataclasses import dataclass
from typing import Annotated, Literal

from semantic_pivots.config import Count, Engine, Form, Number, Share, Stage, input_path, volatile

Column = Annotated[str, Form("(text|id|language|source|parts)=.+", "ROLE=COLUMN, of text, id, language, source, parts")]
Arrangement = Literal["rows", "split", "joined"]


@dataclass(frozen=True)
class CorpusConfig:
    """The pre-training documents: fetched by a recipe or read from the user's files."""

    languages: tuple[str, ...] = ("en", "fr", "zh", "ja")
    recipe: str = ""
    """a corpus that ships as packages (everyday, also with -SOURCE for a source to leave out and +SOURCE for one of
    unclear rights to add; debian-demo, debian-full, debian-large); empty: read `path`"""
    path: str = input_path("documents")
    """file or folder of documents (Parquet, JSONL, Dolma, text), or a hf:// or s3:// address"""
    columns: tuple[Column, ...] = ()
    """renames of the columns, as role=column for text, id, language, source and parts"""
    arrangement: Arrangement = "rows"
    """documents with parts in several languages: rows (unchanged), split (one document per language) or joined (those
    with the same English sentence become one document)"""
    allow_missing_languages: bool = False
    """accept a corpus that has no document in some of the languages"""
    identify_language: bool = False
    """identify each document's language even if a column states it"""
    max_bad_share: Share = 0.01
    """largest accepted share of unreadable lines"""
    shard_bytes: Number = 16_000_000
    """size of the shards that the stage writes, in bytes of text"""
    cache: str = volatile("")
    engine: Engine = volatile("pool")
    """pool, ray or datatrove, whose nodes share the folder of the run: the same kernel, the same bytes"""
    workers: Count = volatile(0)


STAGE = Stage(
    "corpus", CorpusConfig, "corpus.shards:corpus_stage",
    says="documents, fetched or read, as shards", version=6, view="report.figures_corpus:CORPUS",
    work=lambda s, c: s.text_bytes,
    tables={
        # one row per shard; its language counts are documents
        "shards": "shard path language source documents:int64 text_bytes:int64",
        # what was read, by source and language, before any arrangement; documents have a part in the language; package,
        # version, sha256, licence and attribution where a recipe fetched it
        "sources": "source language package version sha256 licence attribution documents:int64 text_bytes:int64",
        "skipped": "path reason lines:int64 first_line:int64",
        # of `pivots corpus dedup`: the documents that it removed
        "duplicates": "source language documents:int64 text_bytes:int64",
    },
)  # fmt: skip
