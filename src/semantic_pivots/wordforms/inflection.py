"""Inflected forms out of the tables of simplemma, which give a form its lemma: here they are read backwards.

simplemma's tables join several lists of forms (its README names them); a form that several lemmas share stands with the
most usual one alone. A table is read once for all words of a language and not kept: Finnish's holds 3.5 million forms.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from importlib import metadata

from semantic_pivots.words import fold, is_joining


def source() -> str:
    """The package and its version."""
    return f"simplemma-{metadata.version('simplemma')}"


@functools.cache
def languages() -> frozenset[str]:
    """Codes of the languages that have a table."""
    from simplemma.strategies.dictionaries.dictionary_factory import SUPPORTED_LANGUAGES

    return frozenset(SUPPORTED_LANGUAGES)


def forms(code: str, lemmas: Iterable[str]) -> dict[str, list[str]]:
    """The folded forms of each folded lemma that the table of the language has, sorted."""
    return {lemma: list(found) for lemma, found in _forms(code, frozenset(lemmas)).items()}


@functools.lru_cache(maxsize=32)
def _forms(code: str, lemmas: frozenset[str]) -> dict[str, tuple[str, ...]]:
    from simplemma.strategies.dictionaries import DefaultDictionaryFactory

    found: dict[str, set[str]] = {}
    known: dict[str, str] = {}  # folding costs more than looking up, and many entries share a lemma
    for form, lemma in DefaultDictionaryFactory(cache_max_size=0).get_dictionary(code).items():
        wanted = known.get(lemma)
        if wanted is None:
            wanted = known[lemma] = fold(lemma)
        if wanted in lemmas:
            found.setdefault(wanted, set()).add(fold(form))
    return {lemma: tuple(sorted(_needed(held))) for lemma, held in sorted(found.items())}


def _needed(held: set[str]) -> set[str]:
    """Forms without those that hold another one between boundaries: `child's` is met wherever `child` is."""
    return {form for form in held if all(map(is_joining, form)) or held.isdisjoint(_runs(form))}


def _runs(form: str) -> list[str]:
    return "".join(char if is_joining(char) else " " for char in form).split()
