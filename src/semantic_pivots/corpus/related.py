"""Which tokens are related in meaning to a pair of words: the filter of METHOD §5, in place of the paper's judge.

A token is related to a pair when the cosine of its text with the pair's mean embedding lies above what such tokens
reach with other pairs: the threshold is a quantile of that null, so it needs no scale and its error rate is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from semantic_pivots.embedding import sentence_embeddings
from semantic_pivots.errors import InputError

Embed = Callable[[Sequence[str]], np.ndarray]
_SHIFTS = 5


def related(
    pairs: Sequence[tuple[str, str]],
    tokens: Sequence[Sequence[str]],
    quantile: float,
    embed: Embed = sentence_embeddings,
) -> tuple[list[np.ndarray], float]:
    """Which tokens of each pair are related to it.

    Args:
        pairs: source and target of each item.
        tokens: texts of the candidates of each item.
        quantile: share of (token, other pair) combinations that the threshold lies above.
        embed: texts to (texts, width) vectors of unit length.

    Returns:
        (candidates,) bool for each item, and the threshold, a cosine (NaN without candidates).

    Raises:
        InputError: candidates, but no pairs without a common word to hold them against.
    """
    texts = sorted({text.strip() for own in tokens for text in own} | {word for pair in pairs for word in pair})
    place = {text: k for k, text in enumerate(texts)}
    vectors = embed(texts) if texts else np.zeros((0, 1), np.float32)
    meanings = np.stack([vectors[place[a]] + vectors[place[b]] for a, b in pairs]) if pairs else vectors
    meanings /= np.maximum(np.linalg.norm(meanings, axis=1, keepdims=True), 1e-9)
    rows = [vectors[[place[text.strip()] for text in own]] for own in tokens]
    words = [frozenset(pair) for pair in pairs]
    # items of one concept lie together: shifts of different lengths, and never a pair that shares a word
    null = [
        own @ meanings[other]
        for k, own in enumerate(rows)
        for shift in range(1, _SHIFTS + 1)
        if not words[other := (k + shift * (len(pairs) // (_SHIFTS + 1) + 1)) % len(pairs)] & words[k]
    ]
    if not null and any(map(len, rows)):
        raise InputError("[discover] relatedness compares pairs; expected two or more that share no word, or 0")
    threshold = float(np.quantile(np.concatenate(null), quantile)) if null else float("nan")
    return [own @ meaning > threshold for own, meaning in zip(rows, meanings, strict=True)], threshold
