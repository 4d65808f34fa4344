"""The everyday lexicon in every language that CLDR names enough pictures in.

Where `cldr` asks for a word in all of seven languages, a concept here has a word in as many languages as it can, and a
study takes the concepts of its own languages. A language takes part with at least 250 concepts. Nothing is chosen by
hand but what `cldr` holds already: a name counts where it is one word as it stands, in the script of the language, and
names one picture only.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from pathlib import Path

from semantic_pivots.files import write_tsv
from semantic_pivots.languages import language, languages
from semantic_pivots.lexicon import cldr
from semantic_pivots.words import normalise

LEAST_CONCEPTS = 250
# Where so many names are English as they stand (Filipino), an item would test copying.
_MOST_ENGLISH = 0.3
_INNER = "-'’ʼ·\u200c\u200d"
# Phrases are written like words where no space is; two characters more than the longest plain words in `cldr`.
_LONGEST_WITHOUT_SPACES = 8


def derive(folder: Path, everyday: list[dict[str, str]], exclusions: set[str]) -> list[dict[str, str]]:
    """Concepts with a word in each language that has one; every language has at least `LEAST_CONCEPTS`.

    Args:
        folder: the unpacked package cldr-annotations-full.
        everyday: rows of `cldr`, whose words are kept in its languages.
        exclusions: English names of pictures that languages name in different senses.

    Returns:
        Rows with concept_id, pos and a word or an empty cell per language, sorted by concept.
    """
    pictures = _pictures(folder, everyday, exclusions)
    rows_by_id = {row["concept_id"]: row for row in everyday}
    rows = {concept: {"concept_id": concept, "pos": "noun"} for concept in {**pictures, **rows_by_id}}
    for code in _locales(folder):
        words = _words(cldr.read_annotations(folder, code), code, pictures)
        if code in cldr.LANGUAGES:
            words = _not_taken(words, {concept: row[code] for concept, row in rows_by_id.items()})
        loans = sum(normalise(concept) == normalise(word) for concept, word in words.items())
        if len(words) >= LEAST_CONCEPTS and (code == "en" or loans < _MOST_ENGLISH * len(words)):
            for concept, row in rows.items():
                row[code] = words.get(concept, "")
    return [row for _, row in sorted(rows.items()) if row["en"]]


def write(rows: list[dict[str, str]], path: Path) -> None:
    """Write the lexicon as TSV, English first."""
    codes = [code for code in rows[0] if code not in ("concept_id", "pos")]
    write_tsv(path, ["concept_id", "pos", "en", *sorted(code for code in codes if code != "en")], rows)


def _locales(folder: Path) -> list[str]:
    """Languages of the package, without regions and further scripts."""
    names = sorted(path.parent.name for path in (folder / "annotations").glob("*/annotations.json"))
    return [name for name in names if name in languages()]


def _pictures(folder: Path, everyday: list[dict[str, str]], exclusions: set[str]) -> dict[str, str]:
    """Concept to its emoji without variation selectors: those that CLDR names by a single English word.

    A concept of `cldr` whose English word was taken out of a phrase has phrases in other languages too: it has no
    picture here, and its words of `cldr` alone.
    """
    concepts = {row["concept_id"] for row in everyday}
    pictures = {}
    for emoji, entry in cldr.read_annotations(folder, "en").items():
        name, bare = entry["tts"][0], emoji.replace("\ufe0f", "")
        is_sign = len(bare) == 1 and unicodedata.category(bare) != "So"
        is_plain = name.islower() and cldr.is_single_word(name, "en") and not is_sign and name not in exclusions
        if is_plain or name in concepts:
            pictures.setdefault(name, bare)
    return pictures


def _words(entries: dict[str, dict[str, list[str]]], code: str, pictures: dict[str, str]) -> dict[str, str]:
    """Concept to the picture's name where that is one word, in the script of most names, of this picture alone."""
    bare = {emoji.replace("\ufe0f", ""): cldr.name_of(entry, code) for emoji, entry in entries.items()}
    uses = Counter(normalise(name) for name in bare.values())
    scripts = Counter(_script(name) for name in bare.values() if _is_letters(name))
    main = {script for script, _ in scripts.most_common(1)} if language(code).has_spaces else set(scripts)
    words = {}
    for concept, emoji in pictures.items():
        name = bare.get(emoji, "")
        if name and _is_word(name, code) and _script(name) in main and uses[normalise(name)] == 1:
            words[concept] = name
    return words


def _is_word(name: str, code: str) -> bool:
    if code in ("zh", "ja"):
        return cldr.is_single_word(name, code)
    return _is_letters(name) and (language(code).has_spaces or len(name) <= _LONGEST_WITHOUT_SPACES)


def _is_letters(name: str) -> bool:
    """Whether a name is two or more letters and marks, with hyphens, apostrophes and joiners only between them."""
    edges = {0, len(name) - 1}
    inner = (char in _INNER and place not in edges for place, char in enumerate(name))
    letters = (unicodedata.category(char)[0] in "LM" for char in name)
    return len(name) > 1 and all(map(max, inner, letters))


def _script(name: str) -> str:
    """The script of a word's letters as Unicode's names of characters say it; several joined by +."""
    return "+".join(sorted({unicodedata.name(char, "?").split()[0] for char in name if char.isalpha()}))


def _not_taken(words: dict[str, str], rows_by_id: dict[str, str]) -> dict[str, str]:
    """The words of `cldr`, and of the further concepts those that are none of them."""
    words_in_use = {normalise(word) for word in rows_by_id.values()}
    new = {c: word for c, word in words.items() if c not in rows_by_id and normalise(word) not in words_in_use}
    return {**rows_by_id, **new}
