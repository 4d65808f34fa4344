"""Cloze from a definition: the word that an English definition defines, in each language of the study.

Definitions are first-sense glosses of WordNet 3.0, joined with the lexicon by the English word. English to English
needs no translation; the other directions ask for a meaning that was never shown as a word.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from semantic_pivots.tasks.committed import rows
from semantic_pivots.tasks.pattern import Pair, Pattern, constant, target_name
from semantic_pivots.words import normalise

PATTERN = Pattern(
    lambda first, second: f"Please name what is defined, in {target_name(first, second)}.",
    constant("Definition"),
    target_name,
)


def pairs(words: Iterable[tuple[str, str, str]], languages: Sequence[str]) -> dict[tuple[str, str], list[Pair]]:
    """Pairs (definition, word) for every concept of the lexicon whose English word has a committed definition."""
    lexicon: dict[str, dict[str, str]] = defaultdict(dict)
    for concept, code, word in words:
        lexicon[concept].setdefault(code, word)
    definitions = {row["word"]: row["definition"] for row in rows("definitions")}
    by_direction: dict[tuple[str, str], list[Pair]] = {("en", code): [] for code in languages}
    for concept in sorted(lexicon):
        definition = definitions.get(normalise(lexicon[concept].get("en", "")))
        if definition is None:
            continue
        for code in languages:
            if code in lexicon[concept]:
                by_direction["en", code].append(Pair(concept, definition, lexicon[concept][code]))
    return by_direction
