"""Windows of held-out words in packed sequences, the pivots of each pair there, and which concepts share documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semantic_pivots.natural.texts import MULTILINGUAL, Pieces, Sequences
from semantic_pivots.natural.world import Concept, World
from semantic_pivots.pivots.discover_stage import DiscoverConfig
from semantic_pivots.pivots.discovery import correct, rank_pivots, search
from semantic_pivots.pivots.word_contexts import WordContexts, eligible
from semantic_pivots.words import is_readable

_SHARED_PIECES = 0.1
"""Share of the rarer concept's pieces from which two concepts are assigned together."""
_LARGEST = 8
"""Concepts of a cluster, at most."""


@dataclass(frozen=True)
class Windows:
    """Positions of one concept's two words in the flat packed tokens, and of the tokens near them.

    Attributes:
        words: for each language of the pair, (occurrences,) int64 positions of the word.
        sides: for each language of the pair, (positions,) int64 positions in its windows, without those of the word.
    """

    words: tuple[np.ndarray, np.ndarray]
    sides: tuple[np.ndarray, np.ndarray]


def windows_of(corpus: Sequences, concepts: Sequence[Concept], pair: tuple[str, str], reach: int) -> list[Windows]:
    """The windows of each concept: up to `reach` tokens on either side, within the piece and the sequence."""
    tokens, piece = corpus.sequences.ravel(), corpus.piece.ravel()
    length = corpus.sequences.shape[1]
    row = np.arange(len(tokens)) // length
    order = np.argsort(tokens, kind="stable")
    by_token = np.searchsorted(tokens[order], np.arange(int(tokens.max(initial=0)) + 2))

    def positions_beside(places: np.ndarray) -> np.ndarray:
        every = places[:, None] + np.arange(-reach, reach + 1)
        is_near = (every >= 0) & (every < len(tokens))
        every = np.where(is_near, every, places[:, None])
        is_near &= (piece[every] == piece[places][:, None]) & (row[every] == row[places][:, None])
        return np.setdiff1d(np.unique(every[is_near]), places)

    windows = []
    for concept in concepts:
        ids = [concept.ids[code] for code in pair]
        words = [np.sort(order[by_token[i] : by_token[i + 1]]) if i + 1 < len(by_token) else order[:0] for i in ids]
        windows.append(Windows((words[0], words[1]), (positions_beside(words[0]), positions_beside(words[1]))))
    return windows


def contexts_of(pieces: Pieces, world: World, concepts: Sequence[Concept], pair: tuple[str, str]) -> WordContexts:
    """The pieces as contexts for the discovery of pivots, with tokens as units and pieces as documents."""
    size = world.vocabulary.size
    keys = np.unique(pieces.piece_of().astype(np.int64) * size + pieces.tokens)
    piece, token = keys // size, keys % size
    codes = {
        str(code): np.flatnonzero(pieces.language == code) for code in [*range(len(world.languages)), MULTILINGUAL]
    }
    code_of = pieces.language[piece]
    frequency = {code: np.bincount(token[code_of == int(code)], minlength=size) for code in codes}
    texts = world.vocabulary.texts()
    can = np.array([is_readable(text) for text in texts]) & eligible(
        frequency, {code: len(rows) for code, rows in codes.items()}, size
    )
    total = sum(frequency.values(), np.zeros(size, np.int64))
    ids = np.argsort(-total, kind="stable").astype(np.int32)
    ids = ids[can[ids]]
    number = np.full(size, -1, np.int64)
    number[ids] = np.arange(len(ids))
    in_vocabulary = number[token] >= 0
    starts = np.concatenate([[0], np.cumsum(np.bincount(piece[in_vocabulary], minlength=len(pieces)))]).astype(np.int64)
    by_token = np.argsort(token, kind="stable")
    begins = np.searchsorted(token[by_token], np.arange(size + 1))
    draws = {
        (c.words[code], code): piece[by_token[begins[c.ids[code]] : begins[c.ids[code] + 1]]]
        for c in concepts
        for code in pair
    }
    totals = {word: len(rows) for word, rows in draws.items()}
    flat = number[token[in_vocabulary]].astype(np.uint16)
    return WordContexts(starts, ids, flat, draws, total, len(pieces), totals, texts)


def pivots_of(
    contexts: WordContexts, concepts: Sequence[Concept], pair: tuple[str, str], rate: float, top: int
) -> list[np.ndarray]:
    """Token ids of each concept's pivots, best first, by the rule of the stage `discover`; empty without pivots."""
    config = DiscoverConfig(unit="token", false_discovery_rate=rate, top=top, least_share=0.0)
    pairs = [tuple((c.words[code], code) for code in pair) for c in concepts]
    searches = [search(contexts, word_pair, config) for word_pair in pairs]  # type: ignore[arg-type]
    correct(searches, len(contexts.ids), rate)
    return [
        rank_pivots(outcome, [contexts.totals[word] for word in word_pair], config).units
        for outcome, word_pair in zip(searches, pairs, strict=True)
    ]


def clusters(contexts: WordContexts, concepts: Sequence[Concept], pair: tuple[str, str]) -> np.ndarray:
    """(concepts,) int64 cluster of each concept; two are joined if they share a tenth of the rarer one's pieces.

    The pairs that share the most are joined first. A cluster has at most eight concepts, because chains of weak links
    would otherwise join all concepts.
    """
    documents = [np.unique(np.concatenate([contexts.draws[c.words[code], code] for code in pair])) for c in concepts]
    flat = np.concatenate([np.zeros(0, np.int64), *documents])
    of = np.repeat(np.arange(len(concepts)), [len(rows) for rows in documents])
    order = np.argsort(flat, kind="stable")
    overlap = np.zeros((len(concepts), len(concepts)), np.int64)
    for together in np.split(of[order], np.flatnonzero(np.diff(flat[order])) + 1):
        overlap[np.ix_(together, together)] += 1
    sizes = np.diag(overlap)
    share = np.triu(overlap / np.maximum(np.minimum.outer(sizes, sizes), 1), 1)
    cluster = np.arange(len(concepts))
    first, second = np.nonzero(share >= _SHARED_PIECES)
    for i in np.argsort(-share[first, second], kind="stable").tolist():
        is_same = (cluster == cluster[first[i]]) | (cluster == cluster[second[i]])
        if is_same.sum() <= _LARGEST:
            cluster[is_same] = cluster[is_same].min()
    return cluster
