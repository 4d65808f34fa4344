"""The everyday lexicon from CLDR's emoji names: one human translation of one picture in every language.

A picture fixes the sense, and the names were voted on by speakers of each language, so no join of dictionaries is
needed. The price: names are made for pictures (`face of a dog`), which is why two small files beside the lexicon hold
what was decided by hand: which of CLDR's own words to take where the name is a phrase, and which pictures are named
differently in different languages.
"""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

from semantic_pivots.errors import InputError
from semantic_pivots.files import write_tsv
from semantic_pivots.words import normalise

LANGUAGES = ("en", "fr", "zh", "ja", "de", "es", "ru")
_SCRIPT = {"zh": re.compile(r"[\u4e00-\u9fff]+"), "ja": re.compile(r"[\u3041-\u30ff\u4e00-\u9fff々]+")}
_SPACED_WORD = re.compile(r"[^\W\d_]+(-[^\W\d_]+)*")
_JAPANESE_PICTURE = re.compile(r"の(顔|マーク|絵文字)$")


def is_single_word(text: str, language: str) -> bool:
    """Whether the text is one word: letters and inner hyphens, or an unbroken string of the language's script."""
    if language in _SCRIPT:
        return bool(_SCRIPT[language].fullmatch(text)) and not (language == "ja" and "の" in text[1:-1])
    return bool(_SPACED_WORD.fullmatch(text))


def read_annotations(folder: Path, language: str) -> dict[str, dict[str, list[str]]]:
    """CLDR's annotations of one language by emoji: `tts` (the name) and `default` (keywords).

    Raises:
        InputError: the folder is not an unpacked cldr-annotations-full.
    """
    path = folder / "annotations" / language / "annotations.json"
    if not path.exists():
        raise InputError(f"{path} is missing: expected the unpacked npm package cldr-annotations-full (npm pack)")
    entries = json.loads(path.read_text("utf-8"))["annotations"].get("annotations", {})
    return {emoji: entry for emoji, entry in entries.items() if "tts" in entry}


def name_of(entry: dict[str, list[str]], language: str) -> str:
    name = re.sub(r"\s*[（(].*?[)）]", "", unicodedata.normalize("NFC", entry["tts"][0]))
    return _JAPANESE_PICTURE.sub("", name) if language == "ja" else name


def _pictures(folder: Path) -> dict[str, dict[str, dict[str, list[str]]]]:
    # Text-presentation duplicates differ by U+FE0F only; flags, keycaps and signs are no everyday things.
    tables = {language: read_annotations(folder, language) for language in LANGUAGES}
    pictures: dict[str, dict] = {}
    for emoji in tables["en"]:
        bare = emoji.replace("\ufe0f", "")
        is_sign = len(bare) == 1 and unicodedata.category(bare) != "So"
        if bare not in pictures and not is_sign and all(emoji in table for table in tables.values()):
            pictures[bare] = {language: table[emoji] for language, table in tables.items()}
    return pictures


def _is_offered(word: str, entry: dict[str, list[str]], language: str) -> bool:
    # A hand-made choice may only pick among CLDR's own words of that picture: parts of compounds (Blutstropfen: Blut)
    # and singulars of plurals (rayos: rayo, стрелы: стрела) included.
    stem = word if language in _SCRIPT or len(word) < 4 else word[:-1]
    return any(normalise(stem) in normalise(text) for text in (entry["tts"][0], *entry["default"]))


def _lines(path: Path, separator: str) -> list[list[str]]:
    rows = [line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return [row.split(separator) for row in rows]


def excluded_names(data: Path) -> set[str]:
    """English names of the emoji that are excluded because languages name them in different senses."""
    return {row[0] for row in _lines(data / "cldr_excluded.txt", "\t")}


def derive(folder: Path, data: Path) -> tuple[list[dict[str, str]], list[str]]:
    """Concepts with one word in each of the seven languages, and the choices that CLDR does not support.

    Args:
        folder: the unpacked package cldr-annotations-full.
        data: folder of cldr_choices.txt and cldr_excluded.txt.

    Returns:
        Rows with concept_id, pos and one word per language, in CLDR's order, one-to-one in every language; and one
        line per rejected choice.
    """
    pictures = _pictures(folder)
    left_out = excluded_names(data)
    choices: dict[str, dict[str, str]] = {}
    rejects = []
    by_name = {entry["en"]["tts"][0]: entry for entry in pictures.values()}
    for name, *words in _lines(data / "cldr_choices.txt", "|"):
        for language, word in zip(LANGUAGES, words, strict=True):
            if word and (name not in by_name or not _is_offered(word, by_name[name][language], language)):
                rejects.append(f"{name}: {language} {word}")
            elif word:
                choices.setdefault(name, {})[language] = word
    rows: list[dict[str, str]] = []
    words_in_use: dict[str, set[str]] = {language: set() for language in LANGUAGES}
    # Names that are single words as they stand go first: a shortened one never displaces them.
    for entry in sorted(pictures.values(), key=lambda entry: len(choices.get(entry["en"]["tts"][0], {}))):
        name = entry["en"]["tts"][0]
        words = {code: choices.get(name, {}).get(code) or name_of(entry[code], code) for code in LANGUAGES}
        if name in left_out or not words["en"].islower() or not all(is_single_word(w, c) for c, w in words.items()):
            continue
        if any(normalise(word) in words_in_use[code] for code, word in words.items()):
            continue
        for code, word in words.items():
            words_in_use[code].add(normalise(word))
        rows.append({"concept_id": words["en"], "pos": "noun", **words})
    return sorted(rows, key=lambda row: row["concept_id"]), rejects


def write(rows: list[dict[str, str]], path: Path) -> None:
    """Write the lexicon as TSV."""
    write_tsv(path, ["concept_id", "pos", *LANGUAGES], rows)
