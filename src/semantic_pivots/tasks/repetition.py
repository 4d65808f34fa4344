"""Repetition: the word that was shown, again, in the same language; a baseline of copying without translation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from semantic_pivots.tasks.pattern import Pair, Pattern, source_name

PATTERN = Pattern(
    lambda first, second: f"Please repeat words in {source_name(first, second)}.", source_name, source_name
)


def pairs(words: Iterable[tuple[str, str, str]], languages: Sequence[str]) -> dict[tuple[str, str], list[Pair]]:
    """One pair per concept and language of the lexicon's (concept_id, language, word) rows."""
    by_direction: dict[tuple[str, str], dict[str, Pair]] = {(code, code): {} for code in languages}
    for concept, code, word in words:
        if (code, code) in by_direction:
            by_direction[code, code].setdefault(concept, Pair(concept, word, word))
    return {direction: list(by_concept.values()) for direction, by_concept in by_direction.items()}
