"""Real multilingual text from Debian: help pages, manual pages, handbooks, package descriptions.

Help and manual pages are aligned across languages and often translated in part only, so many documents contain two
languages. A family is a kind of text. It has a row in `RECIPES`, and a function that names its packages for a language
and the files in them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from semantic_pivots.corpus.document import Document
from semantic_pivots.corpus.fetch import DebianPackages, package_files, package_version
from semantic_pivots.corpus.recipes import extract
from semantic_pivots.files import file_hash

Sources = list[tuple[str, str]]
"""Packages, each with the regular expression of the wanted files in it."""

# apt's name of a language, and the regions that packages are split by, where they are not its ISO 639-1 code.
_LOCALES = {"zh": ("zh_CN", "zh_TW"), "pt": ("pt", "pt_BR")}
_REGIONS = {"en": ("en-us",), "zh": ("zh-cn", "zh-tw"), "pt": ("pt", "pt-br")}


def _regions(code: str) -> tuple[str, ...]:
    return _REGIONS.get(code, (code,))


def _help(code: str) -> Sources:
    return [(f"libreoffice-help-{region}", r"/help/[^/]+/text/.*\.html$") for region in _regions(code)]


def _office(code: str) -> Sources:
    return _help(code)[:1]


def _manuals(code: str) -> Sources:
    if code == "en":
        return [(name, r"/man/man\d/") for name in ("manpages", "manpages-dev")]
    names = [f"manpages-{code}", f"manpages-{code}-dev", *(["manpages-pt-br"] if code == "pt" else [])]
    return [(name, rf"/man/{_LOCALES.get(code, (code,))[name == 'manpages-pt-br']}/man\d/") for name in names]


def _desktop(code: str) -> Sources:
    folder = "C" if code == "en" else _LOCALES.get(code, (code,))[0]
    return [("gnome-user-docs", rf"/help/{folder}/.*\.page$")]


def _reference(code: str) -> Sources:
    regions = ("en",) if code == "en" else _regions(code)
    return [(f"debian-reference-{r}", rf"/debian-reference/[^/]*\.{r}\.html$") for r in regions]


def _simplified_reference(code: str) -> Sources:
    return _reference(code)[:1]


def _handbook(code: str) -> Sources:
    # Its folders carry a country: fr-FR, zh-CN, ja-JP.
    return [("debian-handbook", rf"/debian-handbook/html/{code}-[A-Z]{{2}}/.*\.html$")]


def _image_editor(code: str) -> Sources:
    region = {"zh": "zh-cn"}.get(code, code)
    return [(f"gimp-help-{region}", r"/help/[^/]+/.*\.html$")]


def _guides(code: str) -> Sources:
    names = ("maint-guide", "debian-faq", "developers-reference", "aptitude-doc")
    regions = ("en",) if code == "en" else _regions(code)
    # Not the same book again on one page, nor its index.
    pages = r"/(doc|developers-reference)/(?!.*/(developers-reference|genindex|search)\.html$).*\.html$"
    guides = [(f"{name}-{region}", pages) for name in names for region in regions]
    plain = [(name, pages) for name in names if code == "en"]
    return plain + guides


def _circuits(code: str) -> Sources:
    return [(f"kicad-doc-{code}", rf"/kicad/help/{code}/.*\.html$")]


def _engraving(code: str) -> Sources:
    # One folder for all languages: pages of English carry no code. The big pages repeat all others.
    name = "lilypond-doc-html" + ("" if code == "en" else f"-{code}")
    page = r"[^/.]*" if code == "en" else rf"[^/]*\.{code}"
    return [(name, rf"/Documentation/[^/]+/(?!.*-big-page){page}\.html$")]


def _kernel(code: str) -> Sources:
    folders = {"en": r"(?!translations|genindex|search)", "zh": "translations/zh_(CN|TW)/", "ja": "translations/ja_JP/"}
    folder = folders.get(code, rf"translations/{code}_[A-Z]{{2}}/")
    return [("linux-doc-6.1", rf"/linux-doc-6\.1/html/{folder}.*\.html$")]


def _programming(code: str) -> Sources:
    if code != "en":
        return []
    return [
        ("cppreference-doc-en-html", r"/doc/html/en/.*\.html$"),
        ("erlang-doc", r"/lib/(?!wx)[^/]*/doc/.*\.html$"),
        ("openjdk-17-doc", r"/api/(?!index-files|allclasses).*/(?!package-(use|tree))[^/]*\.html$"),
        ("postgresql-doc-15", r"/postgresql-doc-15/html/.*\.html$"),
        ("python3.11-doc", r"/html/(?!_sources|genindex|search).*\.html$"),
        ("racket-doc", r"/doc/racket/.*\.html$"),
    ]


@dataclass(frozen=True)
class Family:
    """Packages of one kind."""

    name: str
    sources: Callable[[str], Sources]
    """packages of a language"""
    texts: Callable[[bytes, str], Iterator[str]]
    """texts of a file, given its language"""


def _single_text(text: Callable[[bytes], str]) -> Callable[[bytes, str], Iterator[str]]:
    def texts(data: bytes, code: str) -> Iterator[str]:
        yield text(data)

    return texts


_MANUAL_PAGES = Family("manpages", _manuals, _single_text(extract.roff_text))
_DESKTOP_PAGES = Family("gnome-user-docs", _desktop, _single_text(extract.xml_text))
_FULL = (
    Family("libreoffice-help", _help, _single_text(extract.html_text)),
    _MANUAL_PAGES,
    _DESKTOP_PAGES,
    Family("debian-reference", _reference, _single_text(extract.html_text)),
    Family("debian-handbook", _handbook, _single_text(extract.html_text)),
    Family("debian-guides", _guides, _single_text(extract.html_text)),
    Family("gimp-help", _image_editor, _single_text(extract.html_text)),
)
RECIPES: dict[str, tuple[Family, ...]] = {
    "debian-demo": (
        Family("libreoffice-help", _office, _single_text(extract.html_text)),
        _MANUAL_PAGES,
        _DESKTOP_PAGES,
        Family("debian-reference", _simplified_reference, _single_text(extract.html_text)),
    ),
    "debian-full": _FULL,
    "debian-large": (
        *_FULL,
        Family("kicad-doc", _circuits, _single_text(extract.html_text)),
        Family("lilypond-doc", _engraving, _single_text(extract.html_text)),
        Family("linux-doc", _kernel, _single_text(extract.html_text)),
        Family("programming", _programming, _single_text(extract.html_text)),
    ),
}
_DESCRIPTIONS = "package-descriptions"


@dataclass(frozen=True)
class Unit:
    """One package's documents of one family (kind of text) in one language; one worker extracts them."""

    recipe: str
    family: str
    package: str
    language: str
    path: str
    """the package's file, or apt's list of descriptions"""
    pattern: str = ""

    @property
    def name(self) -> str:
        """Name of the unit, unique in a recipe; its shards are called NAME-000, NAME-001, ..."""
        return f"{self.package}.{self.language}"

    def read(self, cache: Path) -> Iterator[Document]:
        """The documents of the unit."""
        return documents(self, cache)

    def origin(self) -> dict[str, str]:
        """Package, version, hash and licence of the unit (columns of `sources`)."""
        path = Path(self.path)
        if path.suffix != ".deb":
            return {}
        licence = f"/usr/share/doc/{self.package}/copyright in the package"
        row = {"package": self.package, "version": package_version(path), "sha256": file_hash(path)}
        return {**row, "licence": licence, "attribution": "Debian"}


def units(recipe: str, languages: tuple[str, ...], cache: Path) -> tuple[list[Unit], list[str]]:
    """Fetch a recipe's packages; its units in order, and the packages that the distribution lacks."""
    locales = {code: _LOCALES.get(code, (code,))[0] for code in languages}
    debian = DebianPackages(cache, tuple(locales.values()))
    rows = [(f, code, *source) for f in RECIPES[recipe] for code in languages for source in f.sources(code)]
    paths, absent = debian.fetch(sorted({package for _, _, package, _ in rows}))
    result = [
        Unit(recipe, f.name, package, code, str(paths[package]), pattern)
        for f, code, package, pattern in rows
        if package in paths
    ]
    for code, locale in locales.items():
        path = debian.description_list(locale)
        if path is not None:
            result.append(Unit(recipe, _DESCRIPTIONS, _DESCRIPTIONS, code, str(path)))
    return result, absent


def documents(unit: Unit, cache: Path) -> Iterator[Document]:
    """The documents of a unit, in a fixed order."""
    if unit.family == _DESCRIPTIONS:
        yield from _descriptions(unit, DebianPackages(cache))
        return
    family = next(f for f in RECIPES[unit.recipe] if f.name == unit.family)
    for path, data in sorted(package_files(Path(unit.path), unit.pattern)):
        for number, text in enumerate(family.texts(data, unit.language)):
            if text:
                key = f"{unit.package}:{path}" + (f"#{number}" if number else "")
                yield Document(key, text, unit.language, unit.family)


def _descriptions(unit: Unit, debian: DebianPackages) -> Iterator[Document]:
    field = re.compile(r"^Description-[\w@]+: ", re.M)
    for stanza in debian.read_list(Path(unit.path)).split("\n\n"):
        name = re.search(r"^Package: (.*)$", stanza, re.M)
        start = field.search(stanza)
        if name and start:
            lines = (line.strip() for line in stanza[start.end() :].splitlines())
            text = "\n".join(line for line in lines if line != ".")
            yield Document(f"description:{unit.language}:{name[1]}", text, unit.language, unit.family)
