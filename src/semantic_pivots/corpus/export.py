"""Export of a corpus, or of a selection of its documents, as a folder for other tools; complete or absent.

The files are made beside the folder and take its place together, `manifest.json` among them, as results of a stage do
(`run.publish`): a killed export leaves no folder that looks whole, continues when it is given again, and two never mix.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from semantic_pivots import ranks, run
from semantic_pivots.corpus.hub_folder import describe
from semantic_pivots.corpus.selection_file import SelectionFile
from semantic_pivots.corpus.token_shards import check_corpus, read_token_shard
from semantic_pivots.corpus.vocabulary import id_count, read_tokenizer
from semantic_pivots.corpus.writers import write_attributes, write_infini_gram, write_jsonl, write_tokens
from semantic_pivots.errors import InputError
from semantic_pivots.files import Record, digest, fingerprint, read_table, write_bytes, write_table
from semantic_pivots.tables import conform

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

LAYOUTS = ("jsonl", "attributes", "hub", "olmo", "megatron", "nanotron", "infini-gram")
_LAST = {"jsonl": "documents/{}.jsonl.zst", "attributes": "attributes/pivots/{}.jsonl.zst", "hub": "data/{}.parquet",
         "olmo": "{}.csv.gz", "megatron": "{}.idx", "nanotron": "{}.ds.index"}  # fmt: skip
"""The file of a shard that is written last."""


@dataclass(frozen=True)
class Export:
    """An export: a corpus in a layout."""

    corpus: Path
    """folder with shards.parquet, of the corpus stage or of `pivots corpus make`"""
    layout: str
    """one of `LAYOUTS`"""
    tokens: Path | None = None
    """folder with token_shards.parquet and tokenizer.json, for the token layouts"""
    end_token: str = ""
    """text of the token after every document, such as <eos>"""
    selection: Path | None = None
    """selection.parquet, folder or file, of the stage select or of `pivots select`; None: every document"""
    name: str = ""
    """the selection in it to write"""

    def key(self) -> Record:
        """Everything that the content of the files depends on."""
        folders = {"corpus": self.corpus, "tokens": self.tokens}
        inputs = {name: _identity(folder) for name, folder in folders.items() if folder is not None}
        selected_rows = {} if self.selection is None else {"name": self.name, "rows": fingerprint(self.selection)}
        return {"layout": self.layout, "end_token": self.end_token, "inputs": inputs, "selection": selected_rows}


def _identity(folder: Path) -> str:
    manifest = run.read_manifest(folder)
    return manifest["digest"] if manifest else fingerprint(folder)


def export(config: Export, out: Path) -> Record:
    """Write a corpus folder in another layout, shard by shard; returns the manifest.

    Raises:
        InputError: a folder is not a corpus or was altered, the layout or selection is unknown, tokens or selection are
            those of another corpus, the folder to write to holds anything else, or the end token is not in the
            vocabulary.
    """
    if config.layout not in LAYOUTS:
        raise InputError(f"layout = {config.layout!r}: expected one of {', '.join(LAYOUTS)}")
    for folder in filter(None, (config.corpus, config.tokens)):
        run.check_unaltered(folder)
    shards = _table(config.corpus, "shards", "pivots corpus make")
    selection = None if config.selection is None else SelectionFile(config.selection, config.name)
    if selection is not None:
        corpus_shards = {row["shard"] for row in shards}
        for shard in sorted(set(selection.shards) - corpus_shards):
            selection.check(shard, [], config.corpus)
        if config.layout != "attributes":
            shards = [row for row in shards if row["shard"] in set(selection.shards)]
    elif config.layout == "attributes":
        raise InputError("layout = 'attributes' is of a selection: give --selection FILE, of `pivots select`")
    documents = _Documents(config.corpus, {row["shard"]: row["path"] for row in shards}, selection)
    make = _texts(config, documents) if config.layout in ("jsonl", "attributes", "hub") else _tokens(config, documents)
    run.check_replaceable("export", out)
    key, old = config.key(), run.read_manifest(out)
    if old is not None and old["key"] == digest(key):
        return old
    if old is not None:
        raise InputError(f"{out} holds another export, of layout {old['layout']}: expected a new or an empty folder")

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
    selection: SelectionFile | None

    def select(self, rows: pa.Table, shard: str) -> pa.Table:
        """The rows of a shard that are to be written."""
        return rows if self.selection is None else rows.take(self.selection.rows(shard)["row"].combine_chunks())

    def table(self, shard: str, columns: list[str] | None = None) -> pa.Table:
        """Columns of all documents of a shard, the id among them.

        Raises:
            InputError: what was selected of it are other documents.
        """
        table = read_table(self.corpus / self.paths[shard], columns=columns)
        if self.selection is not None and shard in self.selection.shards:
            self.selection.check(shard, table["id"].to_pylist(), self.corpus)
        return table

    def read(self, shard: str, columns: list[str] | None = None) -> pa.Table:
        """Columns of the documents of a shard that are to be written."""
        return self.select(self.table(shard, columns), shard)

    def count(self, shard: str) -> int:
        """All documents of a shard."""
        return pq.ParquetFile(self.corpus / self.paths[shard]).metadata.num_rows

    def write_shards(self, work: run.Work, layout: str, write: Callable[[str], None]) -> None:
        """Write every shard that an earlier run did not complete."""
        share, names = ranks.current(), {shard: work.out / _LAST[layout].format(shard) for shard in self.paths}
        shards = list(names) if share is None else share.of_rank(list(names))
        with ranks.exclusive(work.folder), work.progress(len(shards), "shards", "export") as progress:
            for shard in shards:
                if not names[shard].exists():
                    write(shard)
                progress.advance()
            if share is not None:
                share.settle("export", list(names), lambda shard: names[shard].exists())


def _texts(config: Export, documents: _Documents) -> Callable[[run.Work], None]:
    """Writes the documents themselves, or the attributes that a selection gives them."""

    def make(work: run.Work) -> None:
        def write(shard: str) -> None:
            path = work.out / _LAST[config.layout].format(shard)
            path.parent.mkdir(parents=True, exist_ok=True)
            if config.layout == "jsonl":
                write_jsonl(documents.read(shard), path)
            elif config.layout == "hub":
                write_table(path, documents.read(shard))
            else:
                table, selection = documents.table(shard, ["id", "text"]), documents.selection
                rows = selection.rows(shard) if shard in selection.shards else pa.table({"row": []})  # type: ignore[union-attr]
                write_attributes(table, rows, config.name, path)

        documents.write_shards(work, config.layout, write)
        if config.layout == "hub":
            files = [_LAST["hub"].format(shard) for shard in documents.paths]
            title = f"selection {config.name}" if config.name else "a corpus"
            describe(work.out, config.corpus.resolve().name, title, files, digest(config.key()))

    return make


def _tokens(config: Export, documents: _Documents) -> Callable[[run.Work], object]:
    """Writes the token shards, after all that can be wrong with them is looked for."""
    if config.tokens is None:
        raise InputError(
            f"layout {config.layout} needs token shards: give --tokens FOLDER, made by `pivots corpus tokens`"
        )
    folder = config.tokens
    rows = _table(folder, "token_shards", "pivots corpus tokens")
    check_corpus(folder, config.corpus)
    paths = {row["shard"]: folder / row["path"] for row in rows}
    absent = sorted(documents.paths.keys() - paths.keys())
    if absent:
        raise InputError(f"--tokens {folder}: no shard {absent[0]}; tokenise this corpus with `pivots corpus tokens`")
    tokenizer = read_tokenizer(folder / "tokenizer.json")
    vocabulary = id_count(tokenizer)

    def column(shard: str) -> pa.ListArray:
        ids, count = read_token_shard(paths[shard]), documents.count(shard)
        if len(ids) != count:
            raise InputError(
                f"--tokens {folder}: shard {shard} has {len(ids)} documents there and {count} in the corpus; tokenise "
                "this corpus with `pivots corpus tokens`"
            )
        return documents.select(ids, shard)

    if config.layout == "infini-gram":
        if ranks.current() is not None:
            raise InputError("layout infini-gram is one file, which ranks cannot share: give it without --world")
        shards = [shard for shard in paths if shard in documents.paths]
        return lambda work: write_infini_gram(map(column, shards), work.out, folder / "tokenizer.json", vocabulary)
    end = _end_token(tokenizer, config.end_token, folder)

    def make(work: run.Work) -> None:
        def write(shard: str) -> None:
            ids = documents.read(shard, ["id"])["id"].to_pylist()
            write_tokens(column(shard), ids, work.out / shard, config.layout, end, vocabulary)

        documents.write_shards(work, config.layout, write)
        if config.layout == "megatron":
            write_bytes(work.out / "tokenizer.json", (folder / "tokenizer.json").read_bytes())

    return make


def _end_token(tokenizer: Backend, end_token: str, tokens: Path) -> int:
    """The id of the token after every document.

    Raises:
        InputError: it is not in the vocabulary, or an ordinary word of it.
    """
    end = tokenizer.token_to_id(end_token)
    if end is None:
        raise InputError(
            f"end token {end_token!r} is not in the vocabulary of {tokens}: give --end-token, such as '<eos>'"
        )
    special_tokens = {token.content: token.special for token in tokenizer.get_added_tokens_decoder().values()}
    if special_tokens and end_token not in special_tokens:  # `eos` and `end` are words of a large vocabulary
        specials = [text for text, special in special_tokens.items() if special][:5]
        raise InputError(
            f"end token {end_token!r} is an ordinary token of {tokens}, met within texts; expected one that was added, "
            f"such as {', '.join(specials)}"
        )
    return end


def _table(folder: Path, name: str, command: str) -> list[dict]:
    path = folder / f"{name}.parquet"
    if not path.exists():
        raise InputError(f"{folder} has no {name}.parquet: expected a folder made by `{command}` or by a study's stage")
    return pq.read_table(path).to_pylist()
