"""The table of forms: for each word, the texts as which it occurs, with their edges and where each comes from.

`forms_of` makes the table of any words; a study writes it beside its counts, and a table of the user's (Parquet or TSV,
columns word, language, form and, if wanted, edges and source) takes the place of the made one for the words it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from semantic_pivots import words
from semantic_pivots.errors import InputError, nearest
from semantic_pivots.files import file_hash, text_hash
from semantic_pivots.languages import language
from semantic_pivots.wordforms import (
    affixes,
    chinese,
    cutting,
    inflection,
    japanese,
    korean,
    semitic,
    spellings,
    vietnamese,
)
from semantic_pivots.wordforms.inflection import Inflection
from semantic_pivots.wordforms.rule import SPELLING, Form, Rule, Word, own_form

VERSION = 7
"""Raised when the same words get other forms from the same sources."""
NAMES = ("forms", "spelling")
_PARTICLE_FORMS: dict[str, Callable[[str, list[str], list[str]], Iterable[tuple[str, str]]]] = {
    "ko": korean.forms,
    "ar": semitic.arabic,
    "he": semitic.hebrew,
}
_VARIANTS: dict[str, tuple[Callable[[str], Iterable[str]], str]] = {
    "ja": (japanese.stems, "conjugation"),
    "vi": (vietnamese.variants, "tone mark"),
    "zh": (chinese.variants, chinese.source()),
}
"""Further texts of a word, with the same edges, and their source."""


class Row(NamedTuple):
    """One form of a word."""

    word: str
    language: str
    form: str
    edges: str
    source: str


def rule_of(name: str, path: str, spellings: Iterable[Word]) -> Rule:
    """The rule of a configuration (`words`, `forms_path`) for some words; `forms_and_rule` also returns their forms.

    Raises:
        InputError: as there.
    """
    return forms_and_rule(name, path, spellings)[1]


def _absent(path: str | Path) -> str:
    return f"forms_path = {str(path)!r}: no such file; expected Parquet or TSV with word, language, form"


def rule_key(name: str, path: str) -> list[str]:
    """What decides the forms of any words: the rule, its version, the sources with theirs, the user's table."""
    if name == "spelling":
        return [name]
    if path and not Path(path).is_file():
        raise InputError(_absent(path))
    sources = [inflection.source(), *map(cutting.source, cutting.LANGUAGES)]
    return [f"{name}-{VERSION}", *sources, file_hash(Path(path)) if path else ""]


def forms_and_rule(name: str, path: str, spellings: Iterable[Word]) -> tuple[list[Row], Rule]:
    """The table of forms of some words, and the rule by which they are matched.

    Raises:
        InputError: the rule or a language is unknown, or the user's table cannot be used.
    """
    if name not in NAMES:
        raise InputError(f"words = {name!r}: expected {' or '.join(NAMES)}{nearest(name, NAMES)}")
    if name == "spelling":
        if path:
            raise InputError(f"forms_path = {path!r}: expected no path with words = 'spelling', which has no forms")
        return [], SPELLING
    rows = forms_of(spellings, path)
    return rows, rule_of_rows(rows, path)


def rule_of_rows(rows: Sequence[Row], path: str = "") -> Rule:
    """The rule of a table of forms, given the user's file if there was one."""
    table: dict[Word, list[Form]] = {}
    for row in rows:
        table.setdefault((row.word, row.language), []).append(Form(row.form, row.edges))
    digest = text_hash(repr([tuple(row) for row in rows]))
    user_table = f" given-{file_hash(Path(path))[:8]}" if path else ""
    signatures = {code: signature(code) + user_table for code in sorted({row.language for row in rows})}
    return Rule("forms", digest, {word: tuple(dict.fromkeys(forms)) for word, forms in table.items()}, signatures)


def signature(code: str) -> str:
    """What decides the forms of a language's words: the rule, its version, and the sources with theirs."""
    parts = [f"forms-{VERSION}"]
    if code in cutting.LANGUAGES:
        parts.append(cutting.source(code) + (f"+{chinese.source()}" if code == "zh" else ""))
    elif code in inflection.languages():
        parts.append(inflection.source())
    return " ".join(parts)


def forms_of(spellings: Iterable[Word], path: str = "") -> list[Row]:
    """The forms of words, sorted by language and word; a word in the user's table gets only the forms given there."""
    user_rows = read(path) if path else []
    user_words = {(row.word, row.language) for row in user_rows}
    by_language: dict[str, list[str]] = {}
    for word, code in sorted(set(spellings) - user_words):
        by_language.setdefault(code, []).append(word)
    form_rows = [row for code, texts in by_language.items() for row in _form_rows(code, texts)]
    requests = set(spellings)
    rows = dict.fromkeys([*form_rows, *(row for row in user_rows if (row.word, row.language) in requests)])
    return sorted(rows, key=lambda row: (row.language, row.word, row.form, row.edges))


def _form_rows(code: str, texts: list[str]) -> Iterator[Row]:
    """The forms that this package makes; of two sources of a form the first is named."""
    variants = spellings.spellings_of(code)
    lemmas = {word: [(word, "word"), *variants.get(words.fold(word), ())] for word in texts}
    folds = {words.fold(text) for entries in lemmas.values() for text, _ in entries}
    inflections = inflection.forms(code, folds) if code in inflection.languages() else {}
    if code == "ar":
        free = inflection.unlisted_words(code, set().union(*map(semitic.endings, folds)))
        inflections = {
            word: Inflection(forms.table_forms, tuple(sorted(semitic.endings(word) & free)))
            for word, forms in inflections.items()
        }
    for word, entries in lemmas.items():
        pairs: set[tuple[str, str]] = set()
        for text, source in entries:
            for form, edges, origin in _forms(code, text, source, inflections.get(words.fold(text), _NONE)):
                if form and (form, edges) not in pairs:
                    pairs.add((form, edges))
                    yield Row(word, code, form, edges, origin)


_NONE = Inflection((), ())


def _forms(code: str, text: str, source: str, inflections: Inflection) -> Iterator[tuple[str, str, str]]:
    word_form = own_form((text, code), True)
    joins = all(map(words.is_joining, word_form.text))
    if code in _PARTICLE_FORMS and joins:
        plain = [form for form in inflections.table_forms if all(map(words.is_joining, form))]
        for form, edges in _PARTICLE_FORMS[code](word_form.text, plain, list(inflections.rule_forms)):
            yield form, edges, source if form == word_form.text else inflection.source() if form in plain else "joined"
        return
    yield word_form.text, word_form.edges, source
    for form in inflections.table_forms:
        yield form, "letters", inflection.source()
    for form in inflections.rule_forms:
        yield form, "letters", "analogy"
    if code in _VARIANTS:
        variants, origin = _VARIANTS[code]
        for variant in variants(word_form.text):
            yield variant, word_form.edges, origin


def read(path: str) -> list[Row]:
    """Read a user's table of forms and fold the forms.

    A row without edges gets the default of its language: `letters`, or the dictionary of a script without spaces.

    Raises:
        InputError: the file is missing, lacks a column, or holds an unknown language or unknown edges.
    """
    rows = []
    for number, row in enumerate(_cells(Path(path)), 1):
        place = f"{path}: row {number}"
        missing = [name for name in ("word", "language", "form") if not row.get(name)]
        if missing:
            raise InputError(f"{place}: no {missing[0]}; expected the columns word, language, form, edges, source")
        try:
            language(row["language"])
        except InputError as error:
            raise InputError(f"{place}: {error}") from None
        edges = row.get("edges") or own_form((row["form"], row["language"]), True).edges
        names = ("letters", "any", "script", *cutting.LANGUAGES, *affixes.classes())
        if edges not in names:
            raise InputError(f"{place}: edges {edges!r}: expected one of {', '.join(names)}{nearest(edges, names)}")
        rows.append(Row(row["word"], row["language"], words.fold(row["form"]), edges, row.get("source") or "given"))
    return rows


def _cells(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise InputError(_absent(path))
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return pq.read_table(path).to_pylist()
    lines = [line.split("\t") for line in path.read_text("utf-8-sig").splitlines() if line.strip()]
    return [dict(zip(lines[0], line, strict=False)) for line in lines[1:]]
