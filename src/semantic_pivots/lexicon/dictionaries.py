"""Dictionaries of the user's own, beside those that CLWTD-open is joined from: `KIND:FIRST-SECOND:FILE[:LICENCE]`.

One line per format: a reader yields `Entry`, and nothing else here knows what a file looks like. docs/dictionaries.md
shows how a format is added.
"""

from __future__ import annotations

import gzip
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from xml.etree.ElementTree import ParseError

from semantic_pivots.errors import InputError, nearest
from semantic_pivots.lexicon.join import SPELLINGS
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
    # a byte order mark is no part of the first word
    with (
        gzip.open(path, "rt", encoding="utf-8-sig")
        if path.suffix == ".gz"
        else path.open(encoding="utf-8-sig") as stream
    ):
        yield from stream


def _wordnets(path: Path, first: str, second: str) -> Iterator[Entry]:
    """FILE is a folder with one WordNet per language: FIRST.tab and SECOND.tab, or both .xml (LMF), or gzipped."""
    for suffix in (".tab", ".xml"):
        files = [_either(path / f"{code}{suffix}") for code in (first, second)]
        if all(file.exists() for file in files):
            yield from wordnet.entries(_wordnet(files[0]), _wordnet(files[1]), first, second)
            return
    # a tab file names synsets by offset and LMF by the interlingual index: the two forms do not join
    for code in (first, second):
        if not any(_either(path / f"{code}{suffix}").exists() for suffix in (".tab", ".xml")):
            raise InputError(f"{path}: neither {code}.tab nor {code}.xml; expected one WordNet per language")
    raise InputError(f"{path}: one WordNet is a tab file and one is LMF; expected both in one form")


def _wordnet(path: Path) -> wordnet.WordNet:
    if ".tab" in path.suffixes:
        return wordnet.read_tab(_lines(path))
    with _bytes(path) as stream:
        return wordnet.read_lmf(stream)


def _either(path: Path) -> Path:
    gzip_file = path.with_name(path.name + ".gz")
    return path if path.exists() or not gzip_file.exists() else gzip_file


def _xml(read: Callable[..., Iterable[Entry]], path: Path, *languages: str) -> Iterator[Entry]:
    with _bytes(path) as stream:
        yield from read(stream, *languages)


def _bytes(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


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
_FIRST_LANGUAGES = {"cedict": "zh", "jmdict-xml": "ja", "jmdict-sqlite": "ja"}


def dictionary(spec: str) -> Dictionary:
    """The dictionary of a specification such as `muse:en-fr:en-fr.txt:CC-BY-NC-4.0`.

    Raises:
        InputError: the specification, its format or its languages are not known, or the file does not exist; while the
            entries are read, the file is damaged or gives none.
    """
    kind, _, rest = spec.partition(":")
    languages, _, rest = rest.partition(":")
    name, _, licence = rest.partition(":")
    first, _, second = languages.partition("-")
    if not (first and second and name):
        raise InputError(f"dictionary {spec!r}: expected KIND:FIRST-SECOND:FILE[:LICENCE], as muse:en-fr:en-fr.txt")
    if kind not in KINDS:
        raise InputError(f"dictionary {spec!r}: unknown kind; expected {', '.join(KINDS)}{nearest(kind, KINDS)}")
    unknown = [code for code in (first, second) if code not in SPELLINGS]
    if unknown or first == second:
        raise InputError(
            f"dictionary {spec!r}: languages {first} and {second}; the join has {', '.join(SPELLINGS)}, and a lexicon "
            "of other languages is a TSV file of your own (docs/dictionaries.md)"
        )
    if kind in _FIRST_LANGUAGES and (first, second) != (_FIRST_LANGUAGES[kind], "en"):
        raise InputError(f"dictionary {spec!r}: a file of kind {kind} is {_FIRST_LANGUAGES[kind]}-en")
    path = Path(name)
    if not path.exists():
        raise InputError(f"dictionary {spec!r}: {path} does not exist")
    return Dictionary(f"{kind}-{path.name}", licence or "see the file", _entries(spec, kind, path, first, second))


def _entries(spec: str, kind: str, path: Path, first: str, second: str) -> Iterator[Entry]:
    """The entries of a dictionary, of which there must be one."""
    any_entry = False
    try:
        for entry in KINDS[kind](path, first, second):
            any_entry = True
            yield entry
    except (UnicodeDecodeError, ParseError, OSError, EOFError, zlib.error, sqlite3.Error) as error:
        raise InputError(f"dictionary {spec!r}: damaged, or not of this kind: {error}") from error
    except InputError as error:
        raise InputError(f"dictionary {spec!r}: {error}") from error
    if not any_entry:
        raise InputError(f"dictionary {spec!r}: no entry of {first} with a translation into {second} in it")
