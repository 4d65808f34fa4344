"""Files for other tools: JSONL.zst in Dolma's form, flat token files that OLMo-core and nanotron train on, and the
token file of an infini-gram index.

Every file is written under a temporary name and renamed, so that a file that is there is complete; equal documents give
equal bytes.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from semantic_pivots.corpus.megatron import index_bytes, megatron_dtype
from semantic_pivots.corpus.token_shards import flat_tokens, largest_id
from semantic_pivots.errors import InputError
from semantic_pivots.files import Record, complete_file, write_bytes


def write_jsonl(documents: pa.Table, path: Path) -> None:
    """Write a document shard as JSONL.zst, one line a document: id, text, source and metadata.language, as in Dolma.

    A document in several languages has its `parts` too.
    """
    rows = (
        {
            **{name: d[name] for name in ("id", "text", "source")},
            "metadata": {"language": d["language"]},
            **({"parts": d["parts"]} if d.get("parts") else {}),
        }
        for batch in documents.to_batches(max_chunksize=1024)  # rows of Python take ten times their text
        for d in batch.to_pylist()
    )
    _write_lines(rows, path)


def _write_lines(rows: Iterable[Record], path: Path) -> None:
    import orjson
    import zstandard

    lines = io.BytesIO()  # lines that are held one by one keep the space of their longest escapes
    lines.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
    write_bytes(path, zstandard.compress(lines.getbuffer(), 3))


def write_attributes(documents: pa.Table, selection: pa.Table, name: str, path: Path) -> None:
    """Write Dolma's attributes of a shard as JSONL.zst, a line a document: the whole text's score where it is chosen.

    Args:
        documents: id and text of every document of the shard.
        selection: row of each selected document, and its score if there is one.
        name: name of the selection; the attribute is NAME__score.
    """
    scores = selection["score"].to_numpy() if "score" in selection.column_names else np.ones(len(selection))
    scores = np.nan_to_num(scores.astype(np.float64)).tolist()  # JSON has no infinity: that of no score stays the least
    of_row = dict(zip(selection["row"].to_pylist(), scores, strict=True))
    rows = []
    for row, (key, text) in enumerate(zip(documents["id"].to_pylist(), documents["text"].to_pylist(), strict=True)):
        spans = [[0, len(text), of_row[row]]] if row in of_row else []
        rows.append({"id": key, "attributes": {f"{name}__score": spans}})
    _write_lines(rows, path)


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
            of documents), which datatrove writes and nanotron's Nanoset reads; megatron: STEM.bin and STEM.idx
            (`corpus.megatron`).
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
    dtype = megatron_dtype(vocabulary) if layout == "megatron" else token_dtype(vocabulary)
    flat = np.full(int(ends[-1]) if len(ends) else 0, end_token, dtype)
    is_end = np.zeros(len(flat), bool)
    is_end[ends - 1] = True
    flat[~is_end] = values
    if layout == "megatron":
        write_bytes(stem.with_name(f"{stem.name}.bin"), flat.tobytes())
        write_bytes(stem.with_name(f"{stem.name}.idx"), index_bytes(np.diff(offsets) + 1, dtype))
        return
    if layout == "nanotron":
        # The index is written last, as the bounds are of the other layout: where it is, the tokens are.
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
    in bytes (uint64). The indexer can tokenise only with a few tokenizers of the hub; if these files exist, it goes on
    to the suffix array: `--token_dtype u16` (u32 for more than 65,536 ids), with the folder as --save_dir.

    Raises:
        InputError: an id lies outside the vocabulary, or would read as a separator.
    """
    dtype = token_dtype(vocabulary)
    separator = np.iinfo(dtype).max
    out.mkdir(parents=True, exist_ok=True)
    size = documents = 0
    with (
        complete_file(out / "tokenized.0") as token_file,
        complete_file(out / "offset.0") as offset_file,
        token_file.open("wb") as tokens,
        offset_file.open("wb") as begins,
    ):
        for column in columns:
            values, offsets = flat_tokens(column)
            if largest_id(values) >= min(vocabulary, separator):
                raise InputError(
                    f"token id {largest_id(values)}: outside the vocabulary of {vocabulary}, or its last id"
                )
            starts = offsets[:-1] + np.arange(len(offsets) - 1)
            flat = np.full(len(values) + len(starts), separator, dtype)
            is_kept_token = np.ones(len(flat), bool)
            is_kept_token[starts] = False
            flat[is_kept_token] = values
            tokens.write(flat.tobytes())
            begins.write((starts * dtype.itemsize + size).astype("<u8").tobytes())
            size += flat.nbytes
            documents += len(starts)
        write_bytes(out / "tokenizer.json", tokenizer.read_bytes())
    return documents
