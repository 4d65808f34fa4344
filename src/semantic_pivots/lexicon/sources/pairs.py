"""Plain lists of pairs: MUSE's dictionaries (two words a line), and TSV with an optional part of speech."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from semantic_pivots.errors import InputError
from semantic_pivots.lexicon.sources.entry import Entry, part_of_speech


def read_muse(lines: Iterable[str], language: str, target_language: str) -> Iterator[Entry]:
    """Entries of a MUSE dictionary: `dog chien`, separated by space or tab; no senses and no part of speech.

    Raises:
        InputError: a line does not hold two words.
    """
    rows = []
    for number, line in enumerate(lines, 1):
        cells = line.split()
        if cells and len(cells) != 2:
            raise InputError(f"MUSE dictionary, line {number}: {len(cells)} words, expected two")
        if cells:
            rows.append((cells[0], "", cells[1]))
    yield from _grouped(rows, language, target_language)


def read_tsv(lines: Iterable[str], language: str, target_language: str) -> Iterator[Entry]:
    """Entries of a TSV file `word, translation[, part of speech]`; lines that begin with # are comments.

    Raises:
        InputError: a line has no second cell.
    """
    rows = []
    for number, line in enumerate(lines, 1):
        cells = [cell.strip() for cell in line.rstrip("\r\n").split("\t")]
        if not line.strip() or line.startswith("#"):
            continue
        if len(cells) not in (2, 3) or not all(cells[:2]):
            raise InputError(f"dictionary TSV, line {number}: expected word, translation and optionally part of speech")
        rows.append((cells[0], part_of_speech(cells[2]) if len(cells) == 3 else "", cells[1]))
    yield from _grouped(rows, language, target_language)


def _grouped(rows: Iterable[tuple[str, str, str]], language: str, target_language: str) -> Iterator[Entry]:
    found: dict[tuple[str, str], list[str]] = {}
    for word, pos, translation in rows:
        translations = found.setdefault((word, pos), [])
        if translation not in translations:
            translations.append(translation)
    for (word, pos), translations in found.items():
        yield Entry(word, language, target_language, pos, (tuple(translations),))
