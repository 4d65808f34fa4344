"""Wiktextract's JSONL, as kaikki.org publishes it: one JSON object per word and part of speech.

Two places hold translations: tables under a word (`translations`, of the word or of one of its senses), and, in the
edition of the gloss language, the glosses of foreign words. Both are read; forms of other words are left out. Where a
Chinese word is written in both scripts (`詞典 /词典`, or a simplified entry that redirects to the traditional one), the
simplified form is taken. Fields that are null count as absent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from semantic_pivots.errors import InputError
from semantic_pivots.files import Record
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
    entries = _entries(lines, language, target_language, gloss_language)
    return _simplify(entries) if language == "zh" else (entry for entry, _ in entries if entry)


def _entries(
    lines: Iterable[str], language: str, target: str, gloss_language: str
) -> Iterator[tuple[Entry | None, tuple[str, str] | None]]:
    """Each row's entry, or what it redirects as (traditional, own word)."""
    for row in _rows(lines):
        if row.get("lang_code") != language or not row.get("word"):
            continue
        for traditional in row.get("redirects") or ():
            yield None, (traditional, row["word"])
        senses = list(_tables(row, target))
        if not senses and target == gloss_language:
            senses = list(_glosses(row))
        if senses:
            yield Entry(row["word"], language, target, part_of_speech(row.get("pos") or ""), tuple(senses)), None


def _simplify(entries: Iterable[tuple[Entry | None, tuple[str, str] | None]]) -> Iterator[Entry]:
    # Redirects stand anywhere in a file, so the entries of the language are held.
    pending, redirects = [], {}
    for entry, redirect in entries:
        if entry:
            pending.append(entry)
        if redirect:
            redirects[redirect[0]] = redirect[1]
    for entry in pending:
        yield replace(entry, word=redirects.get(entry.word, _one_script(entry.word)))


def _rows(lines: Iterable[str]) -> Iterator[Record]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"kaikki file, line {number}: not JSON ({error}); expected one object a line") from error
        if not isinstance(row, dict):
            raise InputError(f"kaikki file, line {number}: expected an object, found {type(row).__name__}")
        yield row


def _objects(row: Record, name: str) -> list[Record]:
    """The objects of a list, which may be null or hold nulls."""
    return [item for item in row.get(name) or () if isinstance(item, dict)]


def _one_script(word: str) -> str:
    """A Chinese word written in both scripts in the second, which is the simplified one."""
    return re.split(r"\s*[/／]\s*", word)[-1]


def _tables(row: Record, target: str) -> Iterator[tuple[str, ...]]:
    by_sense: dict[str, list[str]] = {}
    senses = _objects(row, "senses")
    places = [(row, ""), *((sense, " ".join((sense.get("glosses") or [])[-1:])) for sense in senses)]
    for holder, name in places:
        for translation in _objects(holder, "translations"):
            code = translation.get("lang_code") or translation.get("code") or ""
            word = (translation.get("word") or "").strip()
            if _CODES.get(code, code) == target and word:
                words = by_sense.setdefault(translation.get("sense") or name, [])
                word = _one_script(word) if target == "zh" else word
                if word not in words:
                    words.append(word)
    yield from map(tuple, by_sense.values())


def _glosses(row: Record) -> Iterator[tuple[str, ...]]:
    for sense in _objects(row, "senses"):
        if _POINTERS & set(sense.get("tags") or ()) or "form_of" in sense or "alt_of" in sense:
            continue
        # the last gloss is the most specific; the ones before it are the headings it stands under
        text = _NOTE.sub("", (sense.get("glosses") or [""])[-1] or "").strip(" .")
        words = tuple(word.strip() for word in re.split(r"[,;]", text) if word.strip())
        if words:
            yield words
