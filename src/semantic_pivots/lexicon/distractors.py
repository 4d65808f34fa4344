"""Wrong source-language words for an item: same part of speech, alike in length, never a translation.

Ranking needs no model: among the concepts whose words may serve, those of like length come first, ties in an order
drawn from the item. An embedding's nearest neighbours make harder distractors; pass their order as `near`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

from semantic_pivots.words import normalise


def draw(*parts: object) -> int:
    """A number drawn from identifiers: the same on every machine and in every order of work."""
    return int.from_bytes(hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()[:8], "big")


def is_variant(word: str, other: str) -> bool:
    """Whether one word contains the other: `sun` and `sunflower`, 花 and 花束."""
    word, other = normalise(word), normalise(other)
    return word in other or other in word


def choose(
    item_id: str,
    candidates: Iterable[str],
    forbidden: Callable[[str], bool],
    source: str,
    count: int,
    seed: int,
    near: Sequence[str] = (),
) -> list[str]:
    """Up to `count` distractors of an item, in an order drawn from its identifier.

    Args:
        item_id: identifier of the item.
        candidates: words of the source language with the item's part of speech.
        forbidden: whether a word may not serve (a translation or variant of source or target).
        source: the right word; those of like length are preferred.
        count: how many are wanted.
        seed: of the study.
        near: words in order of similarity, taken before all others.
    """
    order = {word: rank for rank, word in enumerate(near)}
    ranked = sorted(
        {word for word in candidates if not forbidden(word)},
        key=lambda word: (
            order.get(word, len(order)),
            abs(len(word) - len(source)) // 2,
            draw(seed, item_id, word),
            word,
        ),
    )
    chosen: list[str] = []
    for word in ranked:
        # Distractors that contain one another would be one distractor asked twice.
        if len(chosen) < count and normalise(word) not in {normalise(other) for other in chosen}:
            chosen.append(word)
    return sorted(chosen, key=lambda word: (draw(seed, item_id, "order", word), word))
