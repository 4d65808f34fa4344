"""Packed sequences of documents: tokens of all documents in one stream, an end token after each, cut at equal lengths.

Documents follow one another in a random order that depends on the seed and each document's id alone, and their
sequences are shuffled: a run shorter than its selection reads a sample of sixteen times as much, where its first
documents might be one long one. A selection that is too small is read again in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from semantic_pivots.corpus.vocabulary import text_ids
from semantic_pivots.errors import InputError
from semantic_pivots.files import read_table
from semantic_pivots.scoring.bits_per_byte import end_token
from semantic_pivots.selection.selections import id_hashes

_SPREAD = 16


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
    if not len(selection):
        raise InputError("train: a selection holds no text to train on")
    wanted, epoch = tokens // length, 0
    rest, made = np.zeros(0, np.int32), [np.zeros((0, length), np.int32)]
    rng = np.random.default_rng(seed)
    while sum(map(len, made)) < wanted:
        texts = _texts(selection, shards, seed + 1_000_003 * epoch)
        stream = np.concatenate([rest, *_up_to(_SPREAD * wanted * length, _ids(texts, tokenizer))])
        whole, rest = np.split(stream, [len(stream) // length * length])
        made.append(rng.permutation(whole.reshape(-1, length)))
        epoch += 1
    return np.concatenate(made)[:wanted]


def pack_texts(texts: Iterable[str], tokenizer: Any, tokens: int, length: int) -> np.ndarray:
    """Texts in their order as (tokens // length, length) int32, read only until they are full.

    Raises:
        InputError: the texts end before.
    """
    wanted = tokens // length * length
    stream: list[np.ndarray] = []
    filled = 0
    for ids in _ids(texts, tokenizer):
        stream.append(ids)
        filled += len(ids)
        if filled >= wanted:
            return np.concatenate(stream)[:wanted].reshape(-1, length)
    raise InputError(f"train: a selection holds no text to train on, or less than the {wanted:,} tokens asked for")


def _up_to(tokens: int, documents: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Documents until they hold so many tokens."""
    for ids in documents:
        yield ids
        tokens -= len(ids)
        if tokens <= 0:
            return


def _ids(texts: Iterable[str], tokenizer: Any) -> Iterator[np.ndarray]:
    """Each text's ids and an end token; without one, where the tokenizer names none (`check_end`)."""
    end = end_token(tokenizer)
    for text in texts:
        (ids,) = text_ids(tokenizer.backend_tokenizer, [text])
        yield np.array(ids if end is None else [*ids, end], np.int32)


def check_end(tokenizer: Any, boundaries: bool, warn: Callable[[str], None]) -> int | None:
    """The end token where documents are to be kept apart, else None; warns where the tokenizer names none.

    Raises:
        InputError: they are to be kept apart, and nothing parts them.
    """
    end = end_token(tokenizer)
    if end is None and boundaries:
        raise InputError("[train] document_boundaries: the tokenizer names no end token; name one, or set it to false")
    if end is None:
        warn("train: the tokenizer names no end token, so that documents follow one another without one")
    return end if boundaries else None


def _texts(selection: pa.Table, shards: dict[str, Path], seed: int) -> Iterator[str]:
    names, rows = selection["shard"].to_pylist(), selection["row"].to_numpy()
    columns: dict[str, pa.ChunkedArray] = {}
    for index in np.argsort(id_hashes(selection["doc_id"].to_pylist(), seed), kind="stable"):
        name = names[index]
        if name not in columns:
            columns[name] = read_table(shards[name], columns=["text"])["text"]
        yield columns[name][int(rows[index])].as_py()
