"""Documents to packed sequences: tokens of all documents in one stream, an end token after each, cut at equal lengths.

Documents are read in a random order that depends on the seed and each document's id alone, and only until the run's
tokens are full; a selection that is too small is read again in another order (its epochs are reported).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semantic_pivots.corpus.select import id_hashes
from semantic_pivots.errors import InputError
from semantic_pivots.models.bits import end_token


def pack(
    selection: pa.Table, shards: dict[str, Path], tokenizer: Any, tokens: int, length: int, seed: int
) -> np.ndarray:
    """Sequences for one training run.

    Args:
        selection: rows of one selection (columns shard, row, doc_id).
        shards: files of the document shards by name.
        tokenizer: tokenizer of the model that is trained.
        tokens: tokens of the run; rounded down to whole sequences.
        length: tokens of a sequence.
        seed: order of the documents.

    Returns:
        (tokens // length, length) int32.

    Raises:
        InputError: the selection has no text.
    """
    return pack_texts(_texts(selection, shards, seed), tokenizer, tokens, length)


def pack_texts(texts: Iterable[str], tokenizer: Any, tokens: int, length: int) -> np.ndarray:
    """Texts in their order as (tokens // length, length) int32, read only until they are full.

    Raises:
        InputError: the texts end before.
    """
    wanted = tokens // length * length
    stream: list[np.ndarray] = []
    filled = 0
    for text in texts:
        ids = [*tokenizer(text, add_special_tokens=False)["input_ids"], end_token(tokenizer)]
        stream.append(np.array(ids, dtype=np.int32))
        filled += len(ids)
        if filled >= wanted:
            return np.concatenate(stream)[:wanted].reshape(-1, length)
    raise InputError(f"train: a selection holds no text to train on, or less than the {wanted:,} tokens asked for")


def _texts(selection: pa.Table, shards: dict[str, Path], seed: int) -> Iterator[str]:
    names, rows = selection["shard"].to_pylist(), selection["row"].to_numpy()
    if not len(rows):
        return
    columns: dict[str, pa.ChunkedArray] = {}
    epoch = 0
    while True:
        for index in np.argsort(id_hashes(selection["doc_id"].to_pylist(), seed + 1_000_003 * epoch), kind="stable"):
            name = names[index]
            if name not in columns:
                columns[name] = pq.read_table(shards[name], columns=["text"])["text"]
            yield columns[name][int(rows[index])].as_py()
        epoch += 1
