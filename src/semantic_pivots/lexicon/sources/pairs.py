"""Plain lists of pairs: MUSE's dictionaries (two words a line), and TSV with an optional part of speech."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from semantic_pivots.errors import InputError
from semantic_pivots.languages import resolve
from semantic_pivots.lexicon.sources.entry import Entry, part_of_speech
from semantic_pivots.run import warn

_WRONG_SHARE = 0.1
_HEADS = {"word", "term", "lemma", "headword", "source"}
_TRANSLATION_HEADS = {"translation", "translations", "target", "gloss", "meaning"}


def read_muse(lines: Iterable[str], language: str, target_language: str) -> Iterator[Entry]:
    """Entries of a MUSE dictionary: `dog chien`, separated by space or tab; no senses and no part of speech.

    If spaces separate the words, a phrase cannot be distinguished from two words; such lines are left out and reported.

    Raises:
        InputError: more than a tenth of the lines do not hold two words.
    """
    rows, wrong = [], []
    for number, line in enumerate(lines, 1):
        cells = [cell.strip() for cell in line.split("\t")] if "\t" in line.strip() else line.split()
        if len(cells) == 2 and all(cells):
            rows.append((cells[0], "", cells[1]))
        elif line.strip():
            wrong.append(f"line {number}: {len(cells)} words separated by spaces")
    if wrong and (not rows or (len(wrong) > 1 and len(wrong) > _WRONG_SHARE * len(rows))):
        raise InputError(
            f"MUSE dictionary, {wrong[0]}, and {len(wrong) - 1} such lines more: expected two words a line"
        )
    if wrong:
        warn(f"MUSE dictionary: {len(wrong)} of {len(rows) + len(wrong)} lines left out, {wrong[0]}, where two belong")
    yield from _group(rows, language, target_language)


def read_tsv(lines: Iterable[str], language: str, target_language: str) -> Iterator[Entry]:
    """Entries of a TSV file `word, translation[, part of speech]`.

    Lines that begin with # are comments; a first line of names (word, translation; or the two languages) is skipped.

    Raises:
        InputError: a line has no second cell.
    """
    rows, is_first = [], True
    for number, line in enumerate(lines, 1):
        cells = [cell.strip() for cell in line.rstrip("\r\n").split("\t")]
        if not line.strip() or line.startswith("#"):
            continue
        if len(cells) not in (2, 3) or not all(cells[:2]):
            raise InputError(f"dictionary TSV, line {number}: expected word, translation and optionally part of speech")
        if not (is_first and _is_header(cells, language, target_language)):
            rows.append((cells[0], part_of_speech(cells[2]) if len(cells) == 3 else "", cells[1]))
        is_first = False
    yield from _group(rows, language, target_language)


def _is_header(cells: list[str], language: str, target_language: str) -> bool:
    first, second = cells[0].lower(), cells[1].lower()
    if first in _HEADS and second in _TRANSLATION_HEADS:
        return True
    return first != second and (resolve(cells[0]), resolve(cells[1])) == (language, target_language)


def _group(rows: Iterable[tuple[str, str, str]], language: str, target_language: str) -> Iterator[Entry]:
    by_word: dict[tuple[str, str], list[str]] = {}
    for word, pos, translation in rows:
        translations = by_word.setdefault((word, pos), [])
        if translation not in translations:
            translations.append(translation)
    for (word, pos), translations in by_word.items():
        yield Entry(word, language, target_language, pos, (tuple(translations),))
