"""Dictionaries of the user's own, beside those that CLWTD-open is joined from: `KIND:FIRST-SECOND:FILE[:LICENCE]`.

One line per format: a reader yields `Entry`, and nothing else here knows what a file looks like. docs/dictionaries.md
shows how a format is added.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from semantic_pivots.errors import InputError, nearest
from semantic_pivots.lexicon.sources import cedict, freedict, jmdict, kaikki, pairs, wordnet
from semantic_pivots.lexicon.sources.entry import Entry

Read = Callable[[Path, str, str], Iterable[Entry]]


@dataclass(frozen=True)
class Dictionary:
    """A dictionary to join: its name in the column `source`, its licence, its entries."""

    name: str
    licence: str
    entries: Iterable[Entry]


def _lines(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as stream:
        yield from stream


def _wordnets(path: Path, first: str, second: str) -> Iterator[Entry]:
    """FILE is a folder with one WordNet per language: FIRST.tab and SECOND.tab, or .xml (LMF)."""
    found = []
    for code in (first, second):
        tab, lmf = path / f"{code}.tab", path / f"{code}.xml"
        if tab.exists():
            found.append(wordnet.read_tab(_lines(tab)))
        elif lmf.exists():
            with lmf.open("rb") as stream:
                found.append(wordnet.read_lmf(stream))
        else:
            raise InputError(f"{path}: neither {tab.name} nor {lmf.name}; expected one WordNet per language")
    yield from wordnet.entries(found[0], found[1], first, second)


def _xml(read: Callable[..., Iterable[Entry]], path: Path, *languages: str) -> Iterator[Entry]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
        yield from read(stream, *languages)


KINDS: dict[str, Read] = {
    "cedict": lambda path, first, second: cedict.read(_lines(path)),
    "jmdict-xml": lambda path, first, second: _xml(jmdict.read_xml, path),
    "jmdict-sqlite": lambda path, first, second: jmdict.read_sqlite(path),
    "dictd": lambda path, first, second: freedict.read_dictd(path, first, second),
    "tei": lambda path, first, second: _xml(freedict.read_tei, path, first, second),
    "kaikki": lambda path, first, second: kaikki.read(_lines(path), first, second),
    "muse": lambda path, first, second: pairs.read_muse(_lines(path), first, second),
    "tsv": lambda path, first, second: pairs.read_tsv(_lines(path), first, second),
    "wordnet": _wordnets,
}
"""Formats by name."""


def dictionary(spec: str) -> Dictionary:
    """The dictionary of a specification such as `muse:en-fr:en-fr.txt:CC-BY-NC-4.0`.

    Raises:
        InputError: the specification or its format is not known, or the file does not exist.
    """
    kind, _, rest = spec.partition(":")
    languages, _, rest = rest.partition(":")
    name, _, licence = rest.partition(":")
    first, _, second = languages.partition("-")
    if not (first and second and name):
        raise InputError(f"dictionary {spec!r}: expected KIND:FIRST-SECOND:FILE[:LICENCE], as muse:en-fr:en-fr.txt")
    if kind not in KINDS:
        raise InputError(f"dictionary {spec!r}: unknown kind; expected {', '.join(KINDS)}{nearest(kind, KINDS)}")
    path = Path(name)
    if not path.exists():
        raise InputError(f"dictionary {spec!r}: {path} does not exist")
    return Dictionary(f"{kind}-{path.name}", licence or "see the file", KINDS[kind](path, first, second))
