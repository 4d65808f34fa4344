"""A corpus, or a selection of its documents, as a folder for other tools: whole, or not there.

The files are made beside the folder and take its place together, `manifest.json` among them, as results of a stage do
(`run.publish`): a killed export leaves no folder that looks whole, continues when it is given again, and two never mix.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from semantic_pivots import run
from semantic_pivots.corpus.token_shards import check_corpus, read_token_shard
from semantic_pivots.corpus.vocabulary import id_count, read_tokenizer
from semantic_pivots.corpus.writers import write_infini_gram, write_jsonl, write_tokens
from semantic_pivots.errors import InputError, nearest
from semantic_pivots.run import read_table
from semantic_pivots.tables import conform

LAYOUTS = ("jsonl", "olmo", "nanotron", "infini-gram")
_LAST = {"jsonl": "documents/{}.jsonl.zst", "olmo": "{}.csv.gz", "nanotron": "{}.ds.index"}
"""The file of a shard that is written last."""
Chosen = tuple[int, str | None]
"""Row of a document in its shard, and its id"""


@dataclass(frozen=True)
class Export:
    """What is written: a corpus in a layout."""

    corpus: Path
    """folder with shards.parquet, of the corpus stage or of `pivots corpus make`"""
    layout: str
    """jsonl, olmo, nanotron or infini-gram"""
    tokens: Path | None = None
    """folder with token_shards.parquet and tokenizer.json, for the token layouts"""
    end_token: str = ""
    """text of the token after every document, such as <eos>"""
    selection: Path | None = None
    """selection.parquet of the stage select or of `pivots select`; None: every document"""
    name: str = ""
    """the selection in it to write"""

    def key(self) -> dict[str, Any]:
        """What decides the files."""
        folders = {"corpus": self.corpus, "tokens": self.tokens}
        inputs = {name: _identity(folder) for name, folder in folders.items() if folder is not None}
        chosen = {} if self.selection is None else {"name": self.name, "rows": run.fingerprint(self.selection)}
        return {"layout": self.layout, "end_token": self.end_token, "inputs": inputs, "selection": chosen}


def _identity(folder: Path) -> str:
    manifest = run.read_manifest(folder)
    return manifest["digest"] if manifest else run.fingerprint(folder)


def export(asked: Export, out: Path) -> dict[str, Any]:
    """Write a corpus folder in another layout, shard by shard; returns the manifest.

    Raises:
        InputError: a folder is no corpus, the layout or selection is unknown, tokens or selection are those of another
            corpus, the folder to write to holds anything else, or the end token is not in the vocabulary.
    """
    if asked.layout not in LAYOUTS:
        raise InputError(f"layout {asked.layout!r}: expected one of {', '.join(LAYOUTS)}")
    shards = _table(asked.corpus, "shards", "pivots corpus make")
    chosen = None if asked.selection is None else chosen_rows(asked.selection, asked.name)
    if chosen is not None:
        _check_selection(asked.corpus, shards, asked.selection, chosen)
        shards = [row for row in shards if row["shard"] in chosen]
    documents = _Documents(asked.corpus, {row["shard"]: row["path"] for row in shards}, chosen)
    make = _jsonl(documents) if asked.layout == "jsonl" else _tokens(asked, documents)
    run.check_replaceable("export", out)
    key, made = asked.key(), run.read_manifest(out)
    if made is not None and made["key"] == run.digest(key):
        return made
    if made is not None:
        raise InputError(f"{out} holds another export, of layout {made['layout']}: expected a new or an empty folder")

    def stage(work: run.Work) -> dict[str, pa.Table]:
        make(work)
        work.note("shards", len(shards))
        return {}

    return run.publish("export", key, out, stage, conform)


@dataclass
class _Documents:
    """The documents to write, by shard."""

    corpus: Path
    paths: dict[str, str]
    chosen: dict[str, list[Chosen]] | None

    def kept(self, rows: Any, shard: str) -> Any:
        """Of the rows of a shard those that are to be written."""
        return rows if self.chosen is None else rows.take(pa.array([row for row, _ in self.chosen[shard]]))

    def read(self, shard: str, columns: list[str] | None = None) -> pa.Table:
        """Columns of the documents of a shard."""
        return self.kept(read_table(self.corpus / self.paths[shard], columns=columns), shard)

    def held(self, shard: str) -> int:
        """All documents of a shard."""
        return pq.ParquetFile(self.corpus / self.paths[shard]).metadata.num_rows

    def each(self, work: run.Work, layout: str, write: Callable[[str], None]) -> None:
        """Write every shard that a run before this one did not finish."""
        with work.progress(len(self.paths), "shards", "export") as progress:
            for shard in self.paths:
                if not (work.out / _LAST[layout].format(shard)).exists():
                    write(shard)
                progress.advance()


def _jsonl(documents: _Documents) -> Callable[[run.Work], None]:
    def make(work: run.Work) -> None:
        def write(shard: str) -> None:
            write_jsonl(documents.read(shard), work.out / _LAST["jsonl"].format(shard))

        documents.each(work, "jsonl", write)

    return make


def _tokens(asked: Export, documents: _Documents) -> Callable[[run.Work], None]:
    """Writes the token shards, after all that can be wrong with them is looked for."""
    if asked.tokens is None:
        raise InputError(
            f"layout {asked.layout} needs token shards: give --tokens FOLDER, made by `pivots corpus tokens`"
        )
    folder = asked.tokens
    rows = _table(folder, "token_shards", "pivots corpus tokens")
    check_corpus(folder, asked.corpus)
    paths = {row["shard"]: folder / row["path"] for row in rows}
    absent = sorted(documents.paths.keys() - paths.keys())
    if absent:
        raise InputError(f"--tokens {folder}: no shard {absent[0]}; tokenise this corpus with `pivots corpus tokens`")
    tokenizer = read_tokenizer(folder / "tokenizer.json")
    vocabulary = id_count(tokenizer)

    def column(shard: str) -> pa.ListArray:
        found, held = read_token_shard(paths[shard]), documents.held(shard)
        if len(found) != held:
            raise InputError(
                f"--tokens {folder}: shard {shard} has {len(found)} documents there and {held} in the corpus; tokenise "
                "this corpus with `pivots corpus tokens`"
            )
        return documents.kept(found, shard)

    if asked.layout == "infini-gram":
        ordered = [shard for shard in paths if shard in documents.paths]
        return lambda work: _whole(map(column, ordered), work, folder, vocabulary)
    end = _end_token(tokenizer, asked.end_token, folder)

    def make(work: run.Work) -> None:
        def write(shard: str) -> None:
            ids = documents.read(shard, ["id"])["id"].to_pylist()
            write_tokens(column(shard), ids, work.out / shard, asked.layout, end, vocabulary)

        documents.each(work, asked.layout, write)

    return make


def _whole(columns: Any, work: run.Work, tokens: Path, vocabulary: int) -> None:
    write_infini_gram(columns, work.out, tokens / "tokenizer.json", vocabulary)


def _end_token(tokenizer: Any, end_token: str, tokens: Path) -> int:
    """The id of the token after every document.

    Raises:
        InputError: it is not in the vocabulary, or an ordinary word of it.
    """
    end = tokenizer.token_to_id(end_token)
    if end is None:
        raise InputError(
            f"end token {end_token!r} is not in the vocabulary of {tokens}: give --end-token, such as '<eos>'"
        )
    added = {token.content: token.special for token in tokenizer.get_added_tokens_decoder().values()}
    if added and end_token not in added:  # `eos` and `end` are words of a large vocabulary
        known = [text for text, special in added.items() if special][:5]
        raise InputError(
            f"end token {end_token!r} is an ordinary token of {tokens}, met within texts; expected one that was added, "
            f"such as {', '.join(known)}"
        )
    return end


def _check_selection(corpus: Path, shards: list[dict], selection: Any, chosen: dict[str, list[Chosen]]) -> None:
    paths = {row["shard"]: corpus / row["path"] for row in shards}
    for shard, rows in chosen.items():
        ids = read_table(paths[shard], columns=["id"])["id"].to_pylist() if shard in paths else []
        for row, key in rows:
            if row >= len(ids) or key not in (None, ids[row]):
                raise InputError(
                    f"{selection}: row {row} of shard {shard} ({key}) is no document of {corpus}, or another one: "
                    "give the corpus that it was selected from"
                )


def chosen_rows(selection: Path, name: str) -> dict[str, list[Chosen]]:
    """Ascending rows of each shard that a selection holds, with the document's id where the selection says it.

    Raises:
        InputError: the file is no table of selections, or holds none of this name.
    """
    try:
        further = {"doc_id"} & set(pq.read_schema(selection).names)
        table = pq.read_table(selection, columns=["selection", "shard", "row", *further])
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{selection}: no table of selections, as `pivots select` writes it") from error
    found: dict[str, list[Chosen]] = {}
    for row in table.to_pylist():
        if row["selection"] == name:
            found.setdefault(row["shard"], []).append((row["row"], row.get("doc_id")))
    if not found:
        known = sorted(set(table["selection"].to_pylist()))
        raise InputError(f"{selection}: no selection {name!r}{nearest(name, known)}; it holds {', '.join(known)}")
    return {shard: sorted(rows) for shard, rows in found.items()}


def _table(folder: Path, name: str, command: str) -> list[dict]:
    path = folder / f"{name}.parquet"
    if not path.exists():
        raise InputError(f"{folder} has no {name}.parquet: expected a folder made by `{command}` or by a study's stage")
    return pq.read_table(path).to_pylist()
