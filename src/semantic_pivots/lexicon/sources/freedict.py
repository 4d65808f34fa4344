"""FreeDict: the dictd form (Debian's packages) and the TEI form (the project's releases)."""

from __future__ import annotations

import gzip
import re
from collections.abc import Container, Iterator
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

from semantic_pivots.errors import InputError
from semantic_pivots.lexicon.sources.entry import Entry, part_of_speech

_BASE64 = {c: k for k, c in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")}
_NOTE = re.compile(r"/+[^/\n]*/+|\[[^]]*\]|\([^()]*\)")
_TAG = re.compile(r"<([^<>]*)>")
_TRAILING = re.compile(r"\s+\d+\.$")  # a sense number whose own line is empty
_NUMBER = re.compile(r"^\s*(?:\d+\.|\(\d+\))\s*")
_TRANSLATIONS = ("trans", "translation", "translationEquivalent")  # and not `example`, in the headword's language
_TEI = "{http://www.tei-c.org/ns/1.0}"


def _number(text: str) -> int:
    value = 0
    for char in text:
        value = value * 64 + _BASE64[char]
    return value


def read_dictd(
    index: Path, language: str, target_language: str, words: Container[str] | None = None
) -> Iterator[Entry]:
    """Entries of a dictd dictionary, given its `.index`; its `.dict.dz` is in the same folder.

    A line of translations is the first line of the body or one that begins with a sense number; other lines are
    definitions and examples. `words` restricts a large dictionary to these headwords.

    Raises:
        InputError: the data file is missing, or a line of the index is invalid.
    """
    data_path = index.with_suffix(".dict.dz")
    if not data_path.exists():
        raise InputError(f"{data_path} is missing: expected beside {index.name} (a dictd dictionary has both)")
    data = gzip.decompress(data_path.read_bytes())
    offsets = set()
    for line in index.read_text("utf-8").splitlines():
        try:
            headword, offset, size = line.split("\t")[:3]
            place = (_number(offset), _number(size))
        except (ValueError, KeyError) as error:
            raise InputError(f"{index}: {line[:60]!r} is no line of an index: expected word, offset, size") from error
        if place in offsets or headword.startswith("00") or (words is not None and headword not in words):
            continue
        offsets.add(place)
        yield from _dictd_entry(data[place[0] : place[0] + place[1]].decode("utf-8"), language, target_language)


def _dictd_entry(text: str, language: str, target_language: str) -> Iterator[Entry]:
    head, *body = text.strip("\n").split("\n")
    labels = _TAG.findall(head)
    pos = part_of_speech(labels[0]) if labels else ""
    words = [word.strip() for word in _TAG.sub("", _NOTE.sub("", head)).split(",")]
    senses = []
    is_first = True
    for line in body:
        grammar = re.match(r"\s*\(([a-zA-Z][^()]*)", line)
        if grammar:  # (noun (common) (futsuumeishi)) on a line of its own
            pos = pos or part_of_speech(grammar[1].strip())
            continue
        has_number = bool(_NUMBER.match(line))
        inner = re.split(r"\(\d+\)", line)
        for part in inner if len(inner) > 1 else [line]:
            tags = _TAG.findall(part)
            content = _TAG.sub("", _NOTE.sub("", _NUMBER.sub("", part)))
            translations = tuple(t for t in (_TRAILING.sub("", t.strip()) for t in content.split(",")) if t)
            if translations and (has_number or is_first or len(inner) > 1) and not line.startswith(("   ", " see:")):
                pos = pos or (part_of_speech(tags[0]) if tags else "")
                senses.append(translations)
                is_first = False
    if senses:
        for word in words:
            if word:
                yield Entry(word, language, target_language, pos, tuple(senses))


def read_tei(stream: IO[bytes], language: str, target_language: str) -> Iterator[Entry]:
    """Entries of a TEI dictionary, streamed; suffixes and phrases included as written."""
    for _, element in ElementTree.iterparse(stream):
        if element.tag != f"{_TEI}entry":
            continue
        words = [orth.text.strip() for orth in element.findall(f"{_TEI}form/{_TEI}orth") if orth.text]
        label = element.findtext(f"{_TEI}gramGrp/{_TEI}pos", "")
        senses = []
        for sense in element.iter(f"{_TEI}sense"):  # inner senses too, each with its own translations
            citations = (cit for cit in sense.findall(f"{_TEI}cit") if cit.get("type", "trans") in _TRANSLATIONS)
            quotes = [quote.text.strip() for cit in citations for quote in cit.findall(f"{_TEI}quote") if quote.text]
            if quotes:
                senses.append(tuple(quotes))
        for word in words:
            if senses:
                yield Entry(word, language, target_language, part_of_speech(label), tuple(senses))
        element.clear()
