"""Inflected forms from the tables of simplemma, which map a form to its lemma and are inverted here.

simplemma's tables join several lists of forms (its README names them); a form that several lemmas share stands with the
most usual one alone. A table is read once for all words of a language and not kept: Finnish's holds 3.5 million forms.

No table has all words, nor all forms of those that it has. What it lacks is made by analogy: of the 20 lemmas with the
same ending of which the table has most forms, a change of ending that at least half share gives a form too (слайд,
слайдом as завод, заводом), unless the table has that text as a form of another word.
"""

from __future__ import annotations

import collections
import functools
import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from typing import NamedTuple

from semantic_pivots.words import fold, is_joining

_ENDINGS = (6, 5, 4, 3, 2, 1)
"""Letters of an ending by which lemmas are alike; the longest that enough share is taken."""
_MODELS, _SHARE = 20, 0.5
"""Lemmas that a made form is modelled on, and the share of them that must have it."""
_CHANGED, _STEM = 4, 2
"""Most letters of a lemma that a form may change, fewest that it keeps."""


@functools.cache
def source() -> str:
    """The package and its version."""
    return f"simplemma-{metadata.version('simplemma')}"


@functools.cache
def languages() -> frozenset[str]:
    """Codes of the languages that have a table."""
    from simplemma.strategies.dictionaries.dictionary_factory import SUPPORTED_LANGUAGES

    return frozenset(SUPPORTED_LANGUAGES)


class Inflected(NamedTuple):
    """Folded forms of a lemma, sorted: those of the table, and those made as the table makes the forms of others."""

    listed: tuple[str, ...]
    made: tuple[str, ...]


_memory: dict[str, dict[str, Inflected]] = {}


def forms(code: str, lemmas: Iterable[str]) -> dict[str, Inflected]:
    """The forms of each folded lemma of a language with a table; what stages ask again is remembered."""
    lemmas = frozenset(lemmas)
    memory = _memory.setdefault(code, {})
    if unknown := lemmas - memory.keys():
        memory |= _forms(code, unknown)
    return {lemma: memory[lemma] for lemma in lemmas}


def _forms(code: str, lemmas: frozenset[str]) -> dict[str, Inflected]:
    from simplemma.strategies.dictionaries import DefaultDictionaryFactory

    table = DefaultDictionaryFactory(cache_max_size=0).get_dictionary(code)
    sizes = collections.Counter(table.values())
    folded = {lemma: fold(lemma) for lemma in sizes}  # folding costs more than counting, and many forms share a lemma
    models = _models(lemmas, sizes, folded)
    asked = lemmas.union(*models.values())
    held: dict[str, set[str]] = {}
    for form, lemma in table.items():
        if folded[lemma] in asked:
            held.setdefault(folded[lemma], set()).add(fold(form))
    found = {}
    for lemma in sorted(lemmas):
        listed = held.get(lemma, set())
        made = {form for form in _by_analogy(lemma, models.get(lemma, []), held) if form not in table} - listed
        needed = _needed(listed | made | {lemma})
        found[lemma] = Inflected(tuple(sorted(listed & needed)), tuple(sorted((made & needed) - {lemma})))
    return found


def _models(lemmas: Iterable[str], sizes: Mapping[str, int], folded: dict[str, str]) -> dict[str, list[str]]:
    """For each lemma, those with the longest shared ending that several have; of these, those with the most forms."""
    endings = {lemma[-n:] for lemma in lemmas for n in _ENDINGS if len(lemma) > n}
    ending_with: dict[str, list[tuple[int, str]]] = {}
    for lemma, size in sizes.items():
        word = folded[lemma]
        for n in _ENDINGS:
            if len(word) > n and word[-n:] in endings:
                ending_with.setdefault(word[-n:], []).append((-size, word))
    found = {}
    for lemma in lemmas:
        for n in _ENDINGS:
            like = [pair for pair in ending_with.get(lemma[-n:], ()) if len(lemma) > n and pair[1] != lemma]
            if len(like) >= _MODELS:
                found[lemma] = [word for _, word in heapq.nsmallest(_MODELS, like)]
                break
    return found


def _by_analogy(lemma: str, models: Sequence[str], held: dict[str, set[str]]) -> Iterator[str]:
    """Forms made by the changes of ending that most models have."""
    changes: collections.Counter[tuple[int, str]] = collections.Counter()
    for model in models:
        own = set()
        for form in held.get(model, ()):
            stem = next(
                (i for i, (a, b) in enumerate(zip(form, model, strict=False)) if a != b), min(len(form), len(model))
            )
            if len(model) - stem <= _CHANGED:
                own.add((len(model) - stem, form[stem:]))
        changes.update(own)
    for (removed, ending), count in changes.items():
        if count >= _SHARE * len(models) and len(lemma) - removed >= _STEM:
            yield lemma[: len(lemma) - removed] + ending


def _needed(held: set[str]) -> set[str]:
    """Forms without those that hold another one between boundaries: `child's` is met wherever `child` is."""
    return {form for form in held if all(map(is_joining, form)) or held.isdisjoint(_runs(form))}


def _runs(form: str) -> list[str]:
    return "".join(char if is_joining(char) else " " for char in form).split()
