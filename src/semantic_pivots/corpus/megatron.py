"""Megatron-core's indexed datasets: STEM.bin, all ids, and STEM.idx, the lengths and places of the documents.

The index is, little-endian: `MMIDIDX` and two zeros, version 1 (uint64), the code of the ids' type (uint8), the number
of sequences (uint64) and of document bounds (uint64), the lengths (int32) and places in bytes (int64) of the sequences,
and the bounds, numbers of sequences from 0 on (int64). A document is one sequence here (megatron-core 0.16).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from semantic_pivots.corpus.document import Document
from semantic_pivots.corpus.formats import SkippedLines, folder_labels
from semantic_pivots.errors import InputError

_MAGIC = b"MMIDIDX\x00\x00"
_KINDS = {1: "<u1", 2: "<i1", 3: "<i2", 4: "<i4", 5: "<i8", 8: "<u2"}
_HEAD = "<QBQQ"
_SMALL = 65_500
"""Entries of a vocabulary below which megatron-core writes uint16, else int32."""


def megatron_dtype(vocabulary: int) -> np.dtype:
    """The type of ids that megatron-core gives a vocabulary."""
    return np.dtype("<u2" if vocabulary < _SMALL else "<i4")


def index_bytes(lengths: np.ndarray, dtype: np.dtype) -> bytes:
    """The content of STEM.idx for documents with these numbers of ids."""
    code = next(code for code, kind in _KINDS.items() if np.dtype(kind) == dtype)
    places = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)[:-1]]) * dtype.itemsize if len(lengths) else []
    head = _MAGIC + struct.pack(_HEAD, 1, code, len(lengths), len(lengths) + 1)
    columns = (lengths, "<i4"), (places, "<i8"), (np.arange(len(lengths) + 1), "<i8")
    return head + b"".join(np.asarray(values).astype(kind).tobytes() for values, kind in columns)


def read_megatron(index: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """All ids of STEM.idx's dataset, (tokens,) mapped from STEM.bin, and where each document begins, with the end of
    the last, (documents + 1,) int64.

    Raises:
        InputError: a file is missing or truncated, or is not an indexed dataset.
    """
    index = Path(index)
    data, size = index.read_bytes(), len(_MAGIC) + struct.calcsize(_HEAD)
    if not data.startswith(_MAGIC) or len(data) < size:
        raise InputError(f"{index}: no index of megatron-core")
    version, code, sequences, bounds = struct.unpack(_HEAD, data[len(_MAGIC) : size])
    if version != 1 or code not in _KINDS or len(data) < size + 12 * sequences + 8 * bounds:
        raise InputError(f"{index}: an index of version {version} and type {code}, or a cut one; expected version 1")
    lengths = np.frombuffer(data, "<i4", sequences, size)
    ends = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    begins = ends[np.frombuffer(data, "<i8", bounds, size + 12 * sequences)]
    ids, dtype = index.with_suffix(".bin"), np.dtype(_KINDS[code])
    if not ids.exists() or os.path.getsize(ids) != ends[-1] * dtype.itemsize:
        raise InputError(f"{ids}: missing, or not of the {ends[-1]:,} ids that {index.name} tells")
    return (np.memmap(ids, dtype, "r") if ends[-1] else np.zeros(0, dtype)), begins


def read_ids(path: str, renames: dict[str, str], skips: SkippedLines) -> Iterator[Document]:
    """The documents of a Megatron data set, decoded by the tokenizer.json beside it."""
    from semantic_pivots.corpus.vocabulary import read_tokenizer

    place = Path(path)
    if not (place.parent / "tokenizer.json").is_file():
        raise InputError(f"corpus {path}: ids without texts; expected the tokenizer.json that made them beside it")
    tokenizer = read_tokenizer(place.parent / "tokenizer.json")
    labels = folder_labels(path, renames, skips)
    ids, begins = read_megatron(place)
    for number in range(len(begins) - 1):
        skips.read += 1
        text = tokenizer.decode(ids[begins[number] : begins[number + 1]].tolist()).strip()
        if text:
            yield Document(f"{place.stem}-{number}", text, labels["language"], labels["source"])
        else:
            skips.add("no text", skips.read)
