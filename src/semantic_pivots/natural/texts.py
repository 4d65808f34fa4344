"""Packed sequences of a corpus without the pieces in which a held-out pair co-occurs.

Documents are cut into pieces that fit a sequence, pieces follow one another in an order that depends on the seed, and
every sequence keeps the number of the piece behind each token, so that a window never leaves its piece.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from semantic_pivots.corpus.document import Document, hinge
from semantic_pivots.errors import InputError
from semantic_pivots.files import read_table
from semantic_pivots.natural.world_vocabulary import Vocabulary
from semantic_pivots.run import Inputs
from semantic_pivots.statistics import seed_of

MULTILINGUAL = -1
"""Language of a piece that has parts in several."""


@dataclass(frozen=True)
class Pieces:
    """Pieces of documents.

    Attributes:
        tokens: uint16 ids of all pieces, one after another.
        starts: (pieces + 1,) int64 index of each piece's first token.
        language: (pieces,) int8 index of the language, or MULTILINGUAL.
        document: (pieces,) int32 number of the document that the piece is from; -1 if it is not needed.
    """

    tokens: np.ndarray
    starts: np.ndarray
    language: np.ndarray
    document: np.ndarray

    def __len__(self) -> int:
        return len(self.language)

    def piece_of(self) -> np.ndarray:
        """(tokens,) int32 number of the piece of each token."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.starts))

    def take(self, rows: np.ndarray) -> Pieces:
        """Some of the pieces, in the given order."""
        lengths = np.diff(self.starts)[rows]
        begins = np.concatenate([[0], np.cumsum(lengths)])
        places = np.arange(begins[-1]) - np.repeat(begins[:-1], lengths) + np.repeat(self.starts[:-1][rows], lengths)
        return Pieces(self.tokens[places], begins, self.language[rows], self.document[rows])

    @classmethod
    def of(cls, rows: Sequence[tuple[np.ndarray, int, int]]) -> Pieces:
        """Pieces from their ids, languages and documents."""
        starts = np.concatenate([[0], np.cumsum([len(ids) for ids, _, _ in rows])]).astype(np.int64)
        flat = np.concatenate([ids for ids, _, _ in rows]) if rows else np.zeros(0, np.uint16)
        codes, documents = (np.array([row[k] for row in rows], kind) for k, kind in ((1, np.int8), (2, np.int32)))
        return cls(flat, starts, codes, documents)

    @classmethod
    def concatenate(cls, several: Sequence[Pieces]) -> Pieces:
        """The pieces of several objects, one after another."""
        begins = np.cumsum([0, *(len(piece_set.tokens) for piece_set in several)])
        starts = [piece_set.starts[:-1] + begin for piece_set, begin in zip(several, begins, strict=False)]
        return cls(
            np.concatenate([piece_set.tokens for piece_set in several]),
            np.concatenate([*starts, begins[-1:]]),
            np.concatenate([piece_set.language for piece_set in several]),
            np.concatenate([piece_set.document for piece_set in several]),
        )


@dataclass(frozen=True)
class Sequences:
    """Sequences, and the piece behind each token.

    Attributes:
        sequences: (sequences, length) uint16.
        piece: (sequences, length) int32.
        pieces: the pieces that were packed.
        dropped_share: share of the tokens that were left out, because a held-out pair co-occurred in their sequence.
    """

    sequences: np.ndarray
    piece: np.ndarray
    pieces: Pieces
    dropped_share: float


class Meetings:
    """Finds spans of tokens with words, or forms of words, of one held-out concept in two of the barred languages."""

    def __init__(self, members: Iterable[tuple[int, int, int]], size: int):
        """Args: members: token, concept and barred language of each form; size: number of ids."""
        rows = np.array(sorted(set(members)), np.int64).reshape(-1, 3)
        self._starts = np.searchsorted(rows[:, 0], np.arange(size + 1))
        self._concept, self._bit = rows[:, 1], 1 << rows[:, 2]
        self._concepts = int(self._concept.max(initial=0)) + 1

    def places_of(self, tokens: np.ndarray, span: np.ndarray) -> np.ndarray:
        """Numbers of the spans in which a pair co-occurs; `span` is the number of each token's span."""
        tokens, span = tokens.ravel(), span.ravel()
        counts = (self._starts[1:] - self._starts[:-1])[tokens]
        at = np.flatnonzero(counts)
        counts = counts[at]
        ends = np.cumsum(counts)
        places = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
        places += np.repeat(self._starts[tokens[at]], counts)
        keys = np.repeat(span[at].astype(np.int64), counts) * self._concepts + self._concept[places]
        order = np.argsort(keys, kind="stable")
        keys, bits = keys[order], self._bit[places][order]
        begins = np.flatnonzero(np.diff(keys, prepend=-1))
        if not len(begins):
            return np.zeros(0, np.int64)
        sides = np.bitwise_or.reduceat(bits, begins)
        return np.unique(keys[begins[sides & (sides - 1) != 0]] // self._concepts)


def read_documents(inputs: Inputs, sources: Sequence[str] = ()) -> Iterator[Document]:
    """The documents of the corpus; with `sources`, only those from these sources."""
    from semantic_pivots.counting.counts import corpus_shards

    for _, path in corpus_shards(inputs):
        for row in read_table(path).to_pylist():
            if not sources or row["source"] in sources:
                parts = tuple((part["language"], part["text"]) for part in row["parts"] or ())
                yield Document(row["id"], row["text"], row["language"], row["source"], parts)


def in_languages(document: Document, languages: Sequence[str]) -> list[tuple[str, str]]:
    """The document's parts in some languages, as (language, text)."""
    parts = document.parts or ((document.language, document.text),)
    return [(code, text) for code, text in parts if code in languages and text.strip()]


def sample_documents(
    documents: Iterable[Document], languages: Sequence[str], budget_bytes: int, seed: int
) -> list[Document]:
    """Documents in some languages, up to `budget_bytes` of text, in an order that depends on the seed and the ids only.

    Documents with the same English sentence are drawn together, so that they can be joined.

    Raises:
        InputError: there is no document in the languages.
    """
    rows = []
    for document in documents:
        size = sum(len(text.encode()) for _, text in in_languages(document, languages))
        if size:
            rows.append((seed_of("natural", seed, hinge(document) or document.id), document.id, size, document))
    if not rows:
        raise InputError(f"natural: the corpus has no document in {', '.join(languages)}; name another [corpus]")
    sample, total = [], 0
    for _, _, size, document in sorted(rows, key=lambda row: row[:2]):
        sample.append(document)
        total += size
        if total >= budget_bytes:
            break
    return sample


def pieces_of(
    documents: Sequence[Sequence[tuple[str, str]]], vocabulary: Vocabulary, languages: Sequence[str], length: int
) -> Pieces:
    """Tokenise documents into pieces of at most `length` tokens: a mark before each part, an end token at the end.

    With the marks, every translated sentence is an example of the format in which words are tested (`<en> dog <fr>`).
    """
    places = {code: place for place, code in enumerate(languages)}
    encodings = iter(vocabulary.encode([text for parts in documents for _, text in parts]))
    rows: list[tuple[np.ndarray, int, int]] = []
    for number, parts in enumerate(documents):
        ids = [np.insert(next(encodings), 0, vocabulary.marks[name]) for name, _ in parts]
        code = np.concatenate(
            [np.full(len(ids_), places[name], np.int8) for ids_, (name, _) in zip(ids, parts, strict=True)]
        )
        stream = np.concatenate(ids)
        for begin in range(0, len(stream), length - 1):
            present = np.unique(code[begin : begin + length - 1])
            rows.append(
                (
                    np.append(stream[begin : begin + length - 1], np.uint16(vocabulary.end)),
                    int(present[0]) if len(present) == 1 else MULTILINGUAL,
                    number,
                )
            )
    return Pieces.of(rows)


def pack(pieces: Pieces, tokens: int, length: int, seed: int, meetings: Meetings) -> Sequences:
    """Sequences of pieces in an order of the seed, in another order for every further pass, up to `tokens` tokens.

    Sequences in which a held-out pair meets are left out.
    """
    generator = np.random.default_rng(seed_of("natural packed", seed))
    passes = max(1, -(-tokens * 11 // 10 // max(len(pieces.tokens), 1)))
    order = np.concatenate([generator.permutation(len(pieces)) for _ in range(passes)])
    lengths = np.diff(pieces.starts)[order]
    count = int(np.searchsorted(np.cumsum(lengths), tokens * 11 // 10)) + 1
    stream = pieces.take(order[:count])
    number = np.repeat(order[:count].astype(np.int32), np.diff(stream.starts))
    size = len(stream.tokens) // length * length
    sequences, piece = (flat[:size].reshape(-1, length) for flat in (stream.tokens, number))
    bad = meetings.places_of(sequences, np.repeat(np.arange(len(sequences)), length))
    rows = np.setdiff1d(np.arange(len(sequences)), bad)[: tokens // length]
    return Sequences(sequences[rows], piece[rows], pieces, len(bad) / max(len(sequences), 1))
