"""Real multilingual text from Debian: help pages, manual pages, handbooks, package descriptions.

Help and manual pages are aligned across languages and half translated, so they hold what this project looks for:
documents in which two languages meet. A family of packages is one row of `FAMILIES`; its extractor turns one file into
one text.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from semantic_pivots.corpus.documents import Document
from semantic_pivots.corpus.fetch import DebianPackages, package_files

# apt's and the packages' names of a language where they are not its ISO 639-1 code.
_LOCALE = {"zh": "zh_CN"}
_HELP = {"en": "en-us", "zh": "zh-cn"}


def html_text(data: bytes) -> str:
    """The text of an HTML page's content, one block a line."""
    from lxml import html

    tree = html.fromstring(data)
    areas = tree.xpath("//*[@id='DisplayArea']") or tree.xpath("//body") or [tree]
    for noise in areas[0].xpath(".//script | .//style | .//nav | .//header | .//footer"):
        noise.drop_tree()
    return _blocks(areas[0].itertext())


def xml_text(data: bytes) -> str:
    """The text of a Mallard or DocBook page, one block a line."""
    from lxml import etree

    tree = etree.fromstring(data, etree.XMLParser(recover=True, resolve_entities=False, no_network=True))
    if tree is None:
        return ""
    for noise in tree.xpath("//*[local-name()='info' or local-name()='credit']"):
        noise.getparent().remove(noise)
    return _blocks(tree.itertext())


def _blocks(pieces: Iterator[str]) -> str:
    lines = (" ".join(line.split()) for line in "".join(pieces).splitlines())
    return "\n".join(line for line in lines if line)


_ROFF_ESCAPES = (
    (re.compile(r'\\".*'), ""),
    (re.compile(r"\\f(\(..|\[[^]]*\]|.)"), ""),
    (re.compile(r"\\s[-+]?\d+|\\[|&^/,:%]|\\[hvw]'[^']*'|\\m\[[^]]*\]"), ""),
    (re.compile(r"\\\*(\(..|\[[^]]*\]|.)"), ""),
    (re.compile(r"\\\((aq|cq|oq)"), "'"),
    (re.compile(r"\\\((lq|rq|dq)"), '"'),
    (re.compile(r"\\\((em|en|hy|mi)|\\-"), "-"),
    (re.compile(r"\\\((..)|\\\[[^]]*\]"), " "),
    (re.compile(r"\\[ ~0]"), " "),
    (re.compile(r"\\e|\\\\"), "\\\\"),
)
# Macros whose arguments are text; the arguments of all others are layout.
_ROFF_TEXT = {"SH", "SS", "B", "I", "BR", "RB", "IR", "RI", "BI", "IB", "SM", "SB", "TP", "IP", "Sh", "Ss", "Nd", "It"}


def roff_text(data: bytes) -> str:
    """The text of a manual page's roff source; empty for a page that only points to another."""
    text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8", errors="ignore")
    if text.startswith(".so "):
        return ""
    lines = []
    for line in text.splitlines():
        if line[:1] in (".", "'"):
            macro, _, arguments = line[1:].strip().partition(" ")
            if macro not in _ROFF_TEXT:
                continue
            line = re.sub(r'(?<!\\)"', "", arguments)
        for pattern, replacement in _ROFF_ESCAPES:
            line = pattern.sub(replacement, line)
        if line.strip():
            lines.append(" ".join(line.split()))
    return "\n".join(lines)


def plain_text(data: bytes) -> str:
    """A text file, possibly gzipped."""
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8", errors="ignore").strip()


@dataclass(frozen=True)
class Family:
    """Packages of one kind."""

    name: str
    package: Callable[[str], tuple[str, ...]]
    """packages of a language"""
    pattern: Callable[[str], str]
    """regular expression of a language's files within them"""
    text: Callable[[bytes], str]


def _folder(code: str) -> str:
    return "C" if code == "en" else _LOCALE.get(code, code)


_HELP_PAGES = Family(
    "libreoffice-help",
    lambda code: (f"libreoffice-help-{_HELP.get(code, code)}",),
    lambda code: r"/help/[^/]+/text/.*\.html$",
    html_text,
)
_MANUALS = Family(
    "manpages",
    lambda code: ("manpages", "manpages-dev") if code == "en" else (f"manpages-{code}", f"manpages-{code}-dev"),
    lambda code: r"/man/man\d/" if code == "en" else rf"/man/{_LOCALE.get(code, code)}/man\d/",
    roff_text,
)
_DESKTOP = Family(
    "gnome-user-docs",
    lambda code: ("gnome-user-docs",),
    lambda code: rf"/help/{_folder(code)}/.*\.page$",
    xml_text,
)
_REFERENCE = Family(
    "debian-reference",
    lambda code: (f"debian-reference-{_HELP.get(code, code).replace('en-us', 'en')}",),
    lambda code: rf"/debian-reference/[^/]*\.{_HELP.get(code, code).replace('en-us', 'en')}\.html$",
    html_text,
)
_HANDBOOK = Family(
    "debian-handbook",
    lambda code: ("debian-handbook",),
    # Its folders carry a country: fr-FR, zh-CN, ja-JP.
    lambda code: rf"/debian-handbook/html/{code}-[A-Z]{{2}}/.*\.html$",
    html_text,
)
FAMILIES = {
    "debian-demo": (_HELP_PAGES, _MANUALS, _DESKTOP, _REFERENCE),
    "debian-full": (_HELP_PAGES, _MANUALS, _DESKTOP, _REFERENCE, _HANDBOOK),
}


@dataclass(frozen=True)
class Unit:
    """Documents of one family and language in one package: what one worker extracts."""

    recipe: str
    family: str
    package: str
    language: str
    path: str

    @property
    def name(self) -> str:
        """Name of the unit, unique in a recipe; its shards are called NAME-000, NAME-001, ..."""
        return f"{self.package}.{self.language}"


def units(recipe: str, languages: tuple[str, ...], cache: Path) -> tuple[list[Unit], list[str]]:
    """Fetch a recipe's packages; its units in order, and the packages that the distribution lacks."""
    debian = DebianPackages(cache, tuple(_LOCALE.get(code, code) for code in languages))
    rows = [(f, name, code) for f in FAMILIES[recipe] for code in languages for name in f.package(code)]
    found, absent = debian.fetch(sorted({name for _, name, _ in rows}))
    result = [Unit(recipe, f.name, name, code, str(found[name])) for f, name, code in rows if name in found]
    for code in languages:
        path = debian.description_list(_LOCALE.get(code, code))
        if path is not None:
            result.append(Unit(recipe, "descriptions", "package-descriptions", code, str(path)))
    return result, absent


def documents(unit: Unit, cache: Path) -> Iterator[Document]:
    """The documents of a unit, in a fixed order."""
    if unit.family == "descriptions":
        yield from _descriptions(unit, DebianPackages(cache))
        return
    family = next(f for f in FAMILIES[unit.recipe] if f.name == unit.family)
    pages = ((path, family.text(data)) for path, data in package_files(Path(unit.path), family.pattern(unit.language)))
    for path, text in sorted(pages):
        if text:
            yield Document(f"{unit.package}:{path}", text, unit.language, unit.family)


def _descriptions(unit: Unit, debian: DebianPackages) -> Iterator[Document]:
    field = re.compile(r"^Description-[\w@]+: ", re.M)
    for stanza in debian.read_list(Path(unit.path)).split("\n\n"):
        name = re.search(r"^Package: (.*)$", stanza, re.M)
        start = field.search(stanza)
        if name and start:
            lines = (line.strip() for line in stanza[start.end() :].splitlines())
            text = "\n".join(line for line in lines if line != ".")
            yield Document(f"description:{unit.language}:{name[1]}", text, unit.language, "package-descriptions")
