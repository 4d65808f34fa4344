"""Semantic relatedness of a unit and a pair of words: columns beside the pivots (METHOD §5).

The cosine of a unit with a pair is that of its embedding with the pair's mean embedding. What a cosine means is told by
units and pairs that do not belong together: its quantile is the share of them that lie below. It needs no scale, and
a threshold on it has a known error rate. The embedding knows 16 languages, and neither names nor rare words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from semantic_pivots.embedding import sentence_embeddings
from semantic_pivots.errors import InputError

Embed = Callable[[Sequence[str]], np.ndarray]
_SHIFTS = 5


def relatedness(
    pairs: Sequence[tuple[str, str]], units: Sequence[Sequence[str]], embed: Embed = sentence_embeddings
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cosine of each unit with its pair, and the share of units with other pairs that are less near.

    Args:
        pairs: source and target of each item.
        units: texts of the candidates of each item.
        embed: texts to (texts, width) vectors of unit length.

    Returns:
        Cosines and quantiles of each item, both (candidates,) float64.

    Raises:
        InputError: candidates, but no pairs without a common word to hold them against.
    """
    texts = sorted(
        {text.strip() for item_texts in units for text in item_texts} | {word for pair in pairs for word in pair}
    )
    place = {text: k for k, text in enumerate(texts)}
    vectors = embed(texts) if texts else np.zeros((0, 1), np.float32)
    meanings = np.stack([vectors[place[a]] + vectors[place[b]] for a, b in pairs]) if pairs else vectors
    meanings /= np.maximum(np.linalg.norm(meanings, axis=1, keepdims=True), 1e-9)
    rows = [vectors[[place[text.strip()] for text in item_texts]] for item_texts in units]
    words = [frozenset(pair) for pair in pairs]
    # items of one concept lie together: shifts of different lengths, and never a pair that shares a word
    null = [
        row @ meanings[partner]
        for k, row in enumerate(rows)
        for shift in range(1, _SHIFTS + 1)
        if not words[partner := (k + shift * (len(pairs) // (_SHIFTS + 1) + 1)) % len(pairs)] & words[k]
    ]
    if not null and any(map(len, rows)):
        raise InputError("[discover] relatedness compares pairs; expected two or more that share no word, or false")
    null_values = np.sort(np.concatenate(null)) if null else np.zeros(0)
    cosines = [(row @ meaning).astype(np.float64) for row, meaning in zip(rows, meanings, strict=True)]
    return [(row, np.searchsorted(null_values, row) / max(len(null_values), 1)) for row in cosines]
