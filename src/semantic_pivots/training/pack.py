"""Packed sequences of documents: tokens of all documents in one stream, an end token after each, cut at equal lengths.

Documents are in a random order that depends only on the seed and each document's id, and their sequences are shuffled.
A run shorter than its selection trains on a random sample from up to sixteen times its tokens, because its first
documents alone might be a single long one. A selection that is too small is read again in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa

from semantic_pivots.corpus.vocabulary import text_ids
from semantic_pivots.errors import InputError
from semantic_pivots.models.protocols import Tokenizer
from semantic_pivots.scoring.bits_per_byte import end_token
from semantic_pivots.selection.selections import id_hashes
from semantic_pivots.training.stored_tokens import StoredTokens

_SPREAD = 16


def pack(selection: pa.Table, stored_tokens: StoredTokens, tokens: int, length: int, seed: int) -> np.ndarray:
    """Sequences for one training run.

    Args:
        selection: rows of one selection (columns shard, row, doc_id).
        stored_tokens: tokens of its documents.
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
    count, epoch = tokens // length, 0
    tail, parts = np.zeros(0, np.int32), [np.zeros((0, length), np.int32)]
    rng = np.random.default_rng(seed)
    places, names = stored_tokens.places(selection), selection["doc_id"].to_pylist()
    while (missing := count - sum(map(len, parts))) > 0:
        order = places[np.argsort(id_hashes(names, seed + 1_000_003 * epoch), kind="stable")]
        size = np.searchsorted(np.cumsum(stored_tokens.lengths(order)), _SPREAD * count * length) + 1
        stream = _Stream(tail, stored_tokens, order[:size])
        begins = rng.permutation(stream.size // length)[:missing] * length
        sequences = [stream.cut(begin, length) for begin in begins.tolist()] or [parts[0]]
        parts.append(np.stack(sequences).reshape(-1, length))
        tail = stream.cut(stream.size // length * length, stream.size % length)
        epoch += 1
    return np.concatenate(parts)


class _Stream:
    """Documents one behind the other, after the rest of those before, of which only what is asked for is read."""

    def __init__(self, tail: np.ndarray, stored_tokens: StoredTokens, order: np.ndarray):
        self._tail, self._stored_tokens, self._order = tail, stored_tokens, order
        self._begins = np.cumsum([0, len(tail), *stored_tokens.lengths(order)])
        self.size = int(self._begins[-1])

    def cut(self, begin: int, length: int) -> np.ndarray:
        """`length` token ids (int32) of the packed stream, from position `begin` on."""
        sequence = np.empty(length, np.int32)
        position, part = 0, int(np.searchsorted(self._begins, begin, "right")) - 1
        while position < length:
            ids = self._stored_tokens.document(self._order[part - 1]) if part else self._tail
            ids = ids[begin + position - self._begins[part] :][: length - position]
            sequence[position : position + len(ids)] = ids
            position, part = position + len(ids), part + 1
        return sequence


def pack_texts(texts: Iterable[str], tokenizer: Tokenizer, tokens: int, length: int) -> np.ndarray:
    """The texts, in their order, as (tokens // length, length) int32; reading stops when the array is full.

    Raises:
        InputError: the texts have too few tokens.
    """
    size = tokens // length * length
    stream: list[np.ndarray] = []
    count = 0
    for ids in _ids(texts, tokenizer):
        stream.append(ids)
        count += len(ids)
        if count >= size:
            return np.concatenate(stream)[:size].reshape(-1, length)
    raise InputError(f"train: a selection holds no text to train on, or less than the {size:,} tokens asked for")


def _ids(texts: Iterable[str], tokenizer: Tokenizer) -> Iterator[np.ndarray]:
    """Each text's ids and an end token; without one, where the tokenizer names none (`check_end`)."""
    end = end_token(tokenizer)
    for text in texts:
        (ids,) = text_ids(tokenizer.backend_tokenizer, [text])
        yield np.array(ids if end is None else [*ids, end], np.int32)


def check_end(tokenizer: Tokenizer, boundaries: bool, warn: Callable[[str], None]) -> int | None:
    """The end token if documents are to be separated, else None; warns if the tokenizer has no end token.

    Raises:
        InputError: documents are to be separated, but the tokenizer has no end token.
    """
    end = end_token(tokenizer)
    if end is None and boundaries:
        raise InputError("[train] document_boundaries: the tokenizer names no end token; name one, or set it to false")
    if end is None:
        warn("train: the tokenizer names no end token, so that documents follow one another without one")
    return end if boundaries else None
