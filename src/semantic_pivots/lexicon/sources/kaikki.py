"""Wiktextract's JSONL, as kaikki.org publishes it: one JSON object per word and part of speech.

Two places hold translations: tables under a word (`translations`, of the word or of one of its senses), and, in the
edition of the gloss language, the glosses of foreign words. Both are read; forms of other words are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from semantic_pivots.errors import InputError
from semantic_pivots.lexicon.sources.entry import Entry, part_of_speech

_NOTE = re.compile(r"\([^()]*\)|\[[^]]*\]")
_CODES = {"cmn": "zh"}  # English Wiktionary translates into Mandarin, not into Chinese
_POINTERS = {"form-of", "alt-of", "misspelling", "obsolete", "archaic"}


def read(lines: Iterable[str], language: str, target_language: str, gloss_language: str = "en") -> Iterator[Entry]:
    """Entries of one language with their translations into another, one sense for each table or gloss.

    Args:
        lines: lines of the file.
        language: code of the headwords (`lang_code`); other languages' entries are passed over.
        target_language: code of the translations.
        gloss_language: language of the edition, in which foreign words are explained.

    Raises:
        InputError: a line is not a JSON object.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"kaikki file, line {number}: not JSON ({error}); expected one object a line") from error
        if not isinstance(row, dict):
            raise InputError(f"kaikki file, line {number}: expected an object, found {type(row).__name__}")
        if row.get("lang_code") != language or not row.get("word"):
            continue
        senses = list(_tables(row, target_language))
        if not senses and target_language == gloss_language:
            senses = list(_glosses(row))
        if senses:
            yield Entry(row["word"], language, target_language, part_of_speech(row.get("pos", "")), tuple(senses))


def _tables(row: dict[str, Any], target: str) -> Iterator[tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    places = [(row, "")]
    places += [(sense, " ".join(sense.get("glosses", [])[-1:])) for sense in row.get("senses", [])]
    for holder, name in places:
        for translation in holder.get("translations", []):
            code = translation.get("lang_code") or translation.get("code")
            word = (translation.get("word") or "").strip()
            if _CODES.get(code, code) == target and word:
                words = found.setdefault(translation.get("sense") or name, [])
                if word not in words:
                    words.append(word)
    yield from map(tuple, found.values())


def _glosses(row: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for sense in row.get("senses", []):
        if _POINTERS & set(sense.get("tags", [])) or "form_of" in sense or "alt_of" in sense:
            continue
        # the last gloss is the most specific; the ones before it are the headings it stands under
        text = _NOTE.sub("", (sense.get("glosses") or [""])[-1]).strip(" .")
        words = tuple(word.strip() for word in re.split(r"[,;]", text) if word.strip())
        if words:
            yield words
