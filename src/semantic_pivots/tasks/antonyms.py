"""Antonyms: the opposite of a frequent English word, from WordNet 3.0; of each pair one word is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from semantic_pivots.statistics import seed_of
from semantic_pivots.tasks.committed import rows
from semantic_pivots.tasks.pattern import Pair, Pattern, constant

PATTERN = Pattern(constant("Please name the opposite of each word."), constant("Word"), constant("Opposite"))


def pairs(words: Iterable[tuple[str, str, str]], languages: Sequence[str]) -> dict[tuple[str, str], list[Pair]]:
    """Pairs in English; neither the lexicon nor the study's languages matter.

    Which word is the question is drawn by hash, because the table is alphabetical and `bad` stands before `good`.
    """
    antonyms = []
    for row in rows("antonyms"):
        pair = [row["word"], row["antonym"]]
        source, target = pair if seed_of("antonyms", *pair) % 2 else pair[::-1]
        antonyms.append(Pair("-".join(pair), source, target))
    return {("en", "en"): antonyms}
