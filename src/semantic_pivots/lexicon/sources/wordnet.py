"""Open Multilingual WordNet: synsets of two languages joined into translations.

Two forms: the tab files (`wn-data-fra.tab`: synset, `fra:lemma`, word), joined by the synset's offset, and the XML of
the Global WordNet Association (LMF, what the package `wn` reads), joined by the interlingual index.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO
from xml.etree import ElementTree

from semantic_pivots.errors import InputError
from semantic_pivots.lexicon.sources.entry import Entry

_POS = {"n": "noun", "v": "verb", "a": "adjective", "s": "adjective", "r": "other"}


@dataclass(frozen=True)
class WordNet:
    """Words of one language by synset, and synsets by word, both in the order of the file."""

    licence: str
    words: dict[str, list[str]]
    """synset (or interlingual index) to its words"""
    senses: dict[tuple[str, str], list[str]]
    """(word, part of speech) to its synsets"""


def read_tab(lines: Iterable[str]) -> WordNet:
    """A tab file of Open Multilingual WordNet; relations other than lemmas (definitions, examples) are passed over.

    Raises:
        InputError: a line has fewer than three cells, or a synset does not name its part of speech.
    """
    licence = ""
    rows = []
    for number, line in enumerate(lines, 1):
        cells = line.rstrip("\r\n").split("\t")
        if line.startswith("#"):
            licence = licence or (cells[3].strip() if len(cells) > 3 else "")
            continue
        if not line.strip():
            continue
        if len(cells) < 3 or cells[0][-2:-1] != "-" or cells[0][-1:] not in _POS:
            raise InputError(f"WordNet tab file, line {number}: expected synset-pos, LANGUAGE:lemma, word")
        if cells[1] == "lemma" or cells[1].endswith(":lemma"):
            # adjectives and satellite adjectives are one part of speech, under either letter
            synset = cells[0][:-1] + ("a" if cells[0].endswith("s") else cells[0][-1])
            rows.append((synset, _POS[cells[0][-1]], cells[2]))
    return _wordnet(licence, rows)


def read_lmf(stream: IO[bytes]) -> WordNet:
    """A WordNet in LMF; synsets without an interlingual index join nothing and are left out."""
    licence, entries, index = "", [], {}
    for event, element in ElementTree.iterparse(stream, events=("start", "end")):
        if event == "start":
            if element.tag == "Lexicon":
                licence = element.get("license", "")
            continue
        if element.tag == "LexicalEntry":
            lemma = element.find("Lemma")
            if lemma is not None:
                synsets = [sense.get("synset", "") for sense in element.iter("Sense")]
                entries.append((lemma.get("writtenForm", ""), lemma.get("partOfSpeech", ""), synsets))
            element.clear()
        elif element.tag == "Synset":
            index[element.get("id", "")] = element.get("ili", "")
            element.clear()
    rows = [
        (index[synset], _POS.get(pos, "other"), word)
        for word, pos, synsets in entries
        for synset in synsets
        if word and index.get(synset, "") not in ("", "in")
    ]
    return _wordnet(licence, rows)


def entries(first: WordNet, second: WordNet, language: str, target_language: str) -> Iterator[Entry]:
    """Words of the first with those of the second in the same synsets, one sense a synset."""
    for (word, pos), synsets in first.senses.items():
        senses = tuple(tuple(second.words[synset]) for synset in synsets if second.words.get(synset))
        if senses:
            yield Entry(word, language, target_language, pos, senses)


def _wordnet(licence: str, rows: Iterable[tuple[str, str, str]]) -> WordNet:
    words: dict[str, list[str]] = defaultdict(list)
    senses: dict[tuple[str, str], list[str]] = defaultdict(list)
    for synset, pos, word in rows:
        word = word.replace("_", " ")
        if word not in words[synset]:
            words[synset].append(word)
        if synset not in senses[word, pos]:
            senses[word, pos].append(synset)
    return WordNet(licence, dict(words), dict(senses))
