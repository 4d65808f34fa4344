"""A corpus for other tools: JSONL.zst in Dolma's form, flat token files that OLMo-core and nanotron train on, and the
token file of an infini-gram index.

Every file is written under a temporary name and renamed, so that a file that is there is complete; equal documents give
equal bytes.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semantic_pivots.corpus.token_shards import check_corpus, flat_tokens, largest_id, read_token_shard
from semantic_pivots.corpus.vocabulary import id_count, read_tokenizer
from semantic_pivots.errors import InputError, nearest

LAYOUTS = ("jsonl", "olmo", "nanotron", "infini-gram")
_SUFFIXES = {
    "jsonl": (".jsonl.zst",),
    "olmo": (".npy", ".csv.gz"),
    "nanotron": (".ds", ".ds.index"),
    "infini-gram": (),
}
Chosen = tuple[int, str | None]
"""Row of a document in its shard, and its id"""


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file that is either complete or absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data)
    os.replace(temporary, path)


def write_jsonl(documents: pa.Table, path: Path) -> None:
    """Write a document shard as JSONL.zst, one line a document: id, text, source and metadata.language, as in Dolma."""
    import orjson
    import zstandard

    lines = (
        orjson.dumps(
            {"id": d["id"], "text": d["text"], "source": d["source"], "metadata": {"language": d["language"]}},
            option=orjson.OPT_APPEND_NEWLINE,
        )
        for d in documents.to_pylist()
    )
    write_bytes(path, zstandard.compress(b"".join(lines), 3))


def token_dtype(vocabulary: int) -> np.dtype:
    """The narrowest of uint16 and uint32 that holds every id of a vocabulary; both readers take either."""
    return np.dtype("<u2" if vocabulary <= 1 << 16 else "<u4")


def write_tokens(
    tokens: pa.ListArray, ids: Sequence[str], stem: Path, layout: str, end_token: int, vocabulary: int
) -> None:
    """Write a token shard as a flat file, each document followed by the end token, and its documents' bounds.

    Args:
        tokens: list<int32>, a row per document.
        ids: a document id per row.
        stem: path of the files without suffix.
        layout: olmo: STEM.npy (ids without a header, despite the suffix: what Dolma's tokenizer writes and OLMo-core
            maps) and STEM.csv.gz (start, end, id, source shard, row); nanotron: STEM.ds and STEM.ds.index (uint64 ends
            of documents), which datatrove writes and nanotron's Nanoset reads.
        end_token: id written after every document.
        vocabulary: number of ids of the tokenizer; decides between uint16 and uint32.

    Raises:
        InputError: an id lies outside the vocabulary.
    """
    values, offsets = flat_tokens(tokens)
    largest = max(largest_id(values), end_token)
    if largest >= vocabulary:
        raise InputError(
            f"token id {largest} of {stem.name} is outside the vocabulary of {vocabulary}: another tokenizer's"
        )
    ends = offsets[1:] + np.arange(1, len(offsets))
    flat = np.full(int(ends[-1]) if len(ends) else 0, end_token, token_dtype(vocabulary))
    is_end = np.zeros(len(flat), bool)
    is_end[ends - 1] = True
    flat[~is_end] = values
    if layout == "nanotron":
        # The index is written last: where it is, the tokens are.
        write_bytes(stem.with_name(f"{stem.name}.ds"), flat.tobytes())
        write_bytes(stem.with_name(f"{stem.name}.ds.index"), ends.astype("<u8").tobytes())
        return
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    starts = np.concatenate([[0], ends[:-1]]).tolist()
    rows.writerows(zip(starts, ends.tolist(), ids, [stem.name] * len(ids), range(len(ids)), strict=True))
    write_bytes(stem.with_name(f"{stem.name}.npy"), flat.tobytes())
    write_bytes(stem.with_name(f"{stem.name}.csv.gz"), gzip.compress(text.getvalue().encode(), mtime=0))


def write_infini_gram(columns: Iterable[pa.ListArray], out: Path, tokenizer: Path, vocabulary: int) -> int:
    """Write the files that `python -m infini_gram.indexing` starts from, and tokenizer.json beside; returns documents.

    `tokenized.0` holds every document after a separator of all ones, ids little-endian; `offset.0` where each begins,
    in bytes (uint64). The indexer makes its own only with a few tokenizers of the hub; where these files lie it goes on
    to build the suffix array: `--token_dtype u16` (u32 for more than 65,536 ids), with the folder as --save_dir.

    Raises:
        InputError: an id lies outside the vocabulary, or would read as a separator.
    """
    dtype = token_dtype(vocabulary)
    separator = np.iinfo(dtype).max
    out.mkdir(parents=True, exist_ok=True)
    written = documents = 0
    temporary = {name: out / f".{name}.tmp" for name in ("tokenized.0", "offset.0")}
    with temporary["tokenized.0"].open("wb") as tokens, temporary["offset.0"].open("wb") as begins:
        for column in columns:
            values, offsets = flat_tokens(column)
            if largest_id(values) >= min(vocabulary, separator):
                raise InputError(
                    f"token id {largest_id(values)}: outside the vocabulary of {vocabulary}, or its last id"
                )
            starts = offsets[:-1] + np.arange(len(offsets) - 1)
            flat = np.full(len(values) + len(starts), separator, dtype)
            inside = np.ones(len(flat), bool)
            inside[starts] = False
            flat[inside] = values
            tokens.write(flat.tobytes())
            begins.write((starts * dtype.itemsize + written).astype("<u8").tobytes())
            written += flat.nbytes
            documents += len(starts)
    write_bytes(out / "tokenizer.json", tokenizer.read_bytes())
    for name, path in temporary.items():
        os.replace(path, out / name)
    return documents


def export(
    corpus: Path,
    out: Path,
    layout: str,
    tokens: Path | None = None,
    end_token: str = "",
    selection: Path | None = None,
    name: str = "",
) -> Iterator[str]:
    """Write a corpus folder in another layout, shard by shard; yields each shard's name when it is done.

    Args:
        corpus: folder with shards.parquet, of the corpus stage or of `pivots corpus make`.
        out: folder to write to.
        layout: jsonl, olmo, nanotron or infini-gram.
        tokens: folder with token_shards.parquet and tokenizer.json, for the token layouts.
        end_token: text of the token after every document, such as <eos>.
        selection: selection.parquet of the stage select or of `pivots select`; None: every document.
        name: the selection in it to write.

    Raises:
        InputError: a folder is no corpus, the layout or selection is unknown, tokens or selection are those of another
            corpus, the folder to write to holds other shards, or the end token is not in the vocabulary.
    """
    if layout not in LAYOUTS:
        raise InputError(f"layout {layout!r}: expected one of {', '.join(LAYOUTS)}")
    shards = _table(corpus, "shards", "pivots corpus make")
    chosen = None if selection is None else chosen_rows(selection, name)
    if chosen is not None:
        _check_selection(corpus, shards, selection, chosen)
        shards = [row for row in shards if row["shard"] in chosen]
    _check_empty(out, layout, {row["shard"] for row in shards})

    def kept(rows: Any, shard: str) -> Any:
        return rows if chosen is None else rows.take(pa.array([row for row, _ in chosen[shard]]))

    if layout == "jsonl":
        for row in shards:
            documents = kept(pq.read_table(corpus / row["path"]), row["shard"])
            write_jsonl(documents, out / "documents" / f"{row['shard']}.jsonl.zst")
            yield row["shard"]
        return
    if tokens is None:
        raise InputError(f"layout {layout} needs token shards: give --tokens FOLDER, made by `pivots corpus tokens`")
    rows = _table(tokens, "token_shards", "pivots corpus tokens")
    check_corpus(tokens, corpus)
    tokenizer = read_tokenizer(tokens / "tokenizer.json")
    vocabulary = id_count(tokenizer)
    paths = {row["shard"]: corpus / row["path"] for row in shards}
    absent = sorted(paths.keys() - {row["shard"] for row in rows})
    if absent:
        raise InputError(f"--tokens {tokens}: no shard {absent[0]}; tokenise this corpus with `pivots corpus tokens`")
    rows = [row for row in rows if row["shard"] in paths]

    def column(row: dict) -> pa.ListArray:
        found = read_token_shard(tokens / row["path"])
        documents = pq.ParquetFile(paths[row["shard"]]).metadata.num_rows
        if len(found) != documents:
            raise InputError(
                f"--tokens {tokens}: shard {row['shard']} has {len(found)} documents there and {documents} in the "
                "corpus; tokenise this corpus with `pivots corpus tokens`"
            )
        return kept(found, row["shard"])

    if layout == "infini-gram":
        write_infini_gram(map(column, rows), out, tokens / "tokenizer.json", vocabulary)
        yield from (row["shard"] for row in rows)
        return
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
    for row in rows:
        ids = kept(pq.read_table(paths[row["shard"]], columns=["id"]), row["shard"])["id"].to_pylist()
        write_tokens(column(row), ids, out / row["shard"], layout, end, vocabulary)
        yield row["shard"]


def _check_selection(corpus: Path, shards: list[dict], selection: Any, chosen: dict[str, list[Chosen]]) -> None:
    paths = {row["shard"]: corpus / row["path"] for row in shards}
    for shard, rows in chosen.items():
        ids = pq.read_table(paths[shard], columns=["id"])["id"].to_pylist() if shard in paths else []
        for row, key in rows:
            if row >= len(ids) or key not in (None, ids[row]):
                raise InputError(
                    f"{selection}: row {row} of shard {shard} ({key}) is no document of {corpus}, or another one: "
                    "give the corpus that it was selected from"
                )


def _check_empty(out: Path, layout: str, shards: set[str]) -> None:
    """Refuse a folder with shards that this export would leave beside its own, to be read together with them."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: expected a folder, new or empty")
    for suffix in _SUFFIXES[layout]:
        for path in sorted((out / "documents" if layout == "jsonl" else out).glob(f"*{suffix}")):
            if not path.name.startswith(".") and path.name.removesuffix(suffix) not in shards:
                raise InputError(f"{out} holds {path.name} of another export: expected a new or an empty folder")


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
