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

from semantic_pivots.wordforms import headwords
from semantic_pivots.words import fold, is_joining

_ENDINGS = (6, 5, 4, 3, 2, 1)
"""Letters of an ending by which lemmas are alike; the longest that enough share is taken."""
_MODELS, _SHARE = 20, 0.5
"""Lemmas that a made form is modelled on, and the share of them that must have it."""
_CHANGE, _STEM = 4, 2
"""Most letters of a lemma that a form may change, fewest that it keeps."""


@functools.cache
def source() -> str:
    """The package and its version."""
    return f"simplemma-{metadata.version('simplemma')}"


_NAMES = {"bs": "hbs", "hr": "hbs", "no": "nb", "sr": "hbs"}
"""Languages whose table has another name; that of Serbo-Croatian has both scripts."""


@functools.cache
def languages() -> frozenset[str]:
    """Codes of the languages that have a table."""
    from simplemma.strategies.dictionaries.dictionary_factory import SUPPORTED_LANGUAGES

    return frozenset(SUPPORTED_LANGUAGES).union(_NAMES)


class Inflection(NamedTuple):
    """Folded forms of a lemma, sorted: those of the table, and those made as the table makes the forms of others."""

    table_forms: tuple[str, ...]
    rule_forms: tuple[str, ...]


_memory: dict[str, dict[str, Inflection]] = {}


def forms(code: str, lemmas: Iterable[str]) -> dict[str, Inflection]:
    """The forms of each folded lemma of a language with a table; what stages ask again is remembered."""
    lemmas = frozenset(lemmas)
    memory = _memory.setdefault(code, {})
    if unknown := lemmas - memory.keys():
        memory |= _forms(code, unknown)
    return {lemma: memory[lemma] for lemma in lemmas}


def unlisted_words(code: str, texts: Iterable[str]) -> set[str]:
    """Those of the texts that the table of a language does not have."""
    table = _table(code)
    return {text for text in texts if text not in table}


def _table(code: str) -> Mapping[str, str]:
    from simplemma.strategies.dictionaries import DefaultDictionaryFactory

    return DefaultDictionaryFactory(cache_max_size=0).get_dictionary(_NAMES.get(code, code))


def _forms(code: str, lemmas: frozenset[str]) -> dict[str, Inflection]:
    table = _table(code)
    sizes = collections.Counter(table.values())
    texts = {lemma: fold(lemma) for lemma in sizes}  # folding costs more than counting, and many forms share a lemma
    stem_lemmas = {word: lemma for word in lemmas if (lemma := headwords.lemma(code, word, table, sizes))}
    lemmas = (lemmas - stem_lemmas.keys()).union(stem_lemmas.values())
    models = _models(lemmas, sizes, texts)
    all_lemmas = lemmas.union(*models.values())
    table_forms: dict[str, set[str]] = {}
    for form, lemma in table.items():
        if texts[lemma] in all_lemmas:
            table_forms.setdefault(texts[lemma], set()).add(fold(form))
    inflections = {}
    for lemma in sorted(lemmas):
        in_table = table_forms.get(lemma, set())
        extra = {
            form for form in _by_analogy(lemma, models.get(lemma, []), table_forms) if form not in table
        } - in_table
        minimal = _minimal(in_table | extra | {lemma})
        inflections[lemma] = Inflection(tuple(sorted(in_table & minimal)), tuple(sorted((extra & minimal) - {lemma})))
    for word, lemma in stem_lemmas.items():
        groups = inflections[lemma]
        if headwords.is_infinitive(code, word):
            groups = Inflection(*(tuple(headwords.verbal(word, lemma, forms)) for forms in groups))
        inflections[word] = groups
    return inflections


def _models(lemmas: Iterable[str], sizes: Mapping[str, int], texts: dict[str, str]) -> dict[str, list[str]]:
    """For each lemma, those with the longest shared ending that several have; of these, those with the most forms."""
    endings = {lemma[-n:] for lemma in lemmas for n in _ENDINGS if len(lemma) > n}
    ending_with: dict[str, list[tuple[int, str]]] = {}
    for lemma, size in sizes.items():
        word = texts[lemma]
        for n in _ENDINGS:
            if len(word) > n and word[-n:] in endings:
                ending_with.setdefault(word[-n:], []).append((-size, word))
    models = {}
    for lemma in lemmas:
        for n in _ENDINGS:
            like = [pair for pair in ending_with.get(lemma[-n:], ()) if len(lemma) > n and pair[1] != lemma]
            if len(like) >= _MODELS:
                models[lemma] = [word for _, word in heapq.nsmallest(_MODELS, like)]
                break
    return models


def _by_analogy(lemma: str, models: Sequence[str], table_forms: dict[str, set[str]]) -> Iterator[str]:
    """Forms made by the changes of ending that most models have."""
    changes: collections.Counter[tuple[int, str]] = collections.Counter()
    for model in models:
        endings = set()
        for form in table_forms.get(model, ()):
            stem = next(
                (i for i, (a, b) in enumerate(zip(form, model, strict=False)) if a != b), min(len(form), len(model))
            )
            if len(model) - stem <= _CHANGE:
                endings.add((len(model) - stem, form[stem:]))
        changes.update(endings)
    for (cut, ending), count in changes.items():
        if count >= _SHARE * len(models) and len(lemma) - cut >= _STEM:
            yield lemma[: len(lemma) - cut] + ending


def _minimal(forms: set[str]) -> set[str]:
    """Forms without those that hold another one between boundaries: `child's` is met wherever `child` is."""
    return {form for form in forms if all(map(is_joining, form)) or forms.isdisjoint(_runs(form))}


def _runs(form: str) -> list[str]:
    return "".join(char if is_joining(char) else " " for char in form).split()
