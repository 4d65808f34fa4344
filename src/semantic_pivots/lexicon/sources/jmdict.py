"""JMdict, as the SQLite file of `jamdict-data` and as the project's own XML."""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

from semantic_pivots.lexicon.sources.entry import Entry, part_of_speech

_NOTE = re.compile(r"\([^()]*\)")
_RARE = ("archaism", "obsolete term", "obscure term", "rare", "slang", "dated term", "vulgar expression or word")
_USUALLY_KANA = "word usually written using kana alone"


def _entry(kanji: list[str], kana: list[str], senses: list[tuple[list[str], list[str], list[str]]]) -> Iterator[Entry]:
    # senses: (part-of-speech labels, misc labels, glosses); a sense without labels has those of the one before.
    labels: list[str] = []
    by_pos: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    in_kana = not kanji or any(_USUALLY_KANA in misc for _, misc, _ in senses[:1])
    for parts, misc, glosses in senses:
        labels = parts or labels
        plain = tuple(g for g in (_NOTE.sub("", gloss).strip() for gloss in glosses) if g)
        if labels and plain and not any(rare in misc for rare in _RARE):
            by_pos[part_of_speech(labels[0])].append(plain)
    # The first form is the usual one; the others are variants of the same word.
    word = (kana if in_kana else kanji)[0]
    for pos, senses_of in by_pos.items():
        yield Entry(word, "ja", "en", pos, tuple(senses_of))


def read_sqlite(path: Path) -> Iterator[Entry]:
    """Entries of `jamdict.db`: the usual written form with English glosses, one entry per part of speech."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:

        def values_by_key(query: str) -> dict[int, list]:
            rows: dict[int, list] = defaultdict(list)
            for key, value in database.execute(query):
                rows[key].append(value)
            return rows

        kanji = values_by_key("SELECT idseq, text FROM Kanji ORDER BY ID")
        kana = values_by_key("SELECT idseq, text FROM Kana ORDER BY ID")
        senses = values_by_key("SELECT idseq, ID FROM Sense ORDER BY ID")
        labels = values_by_key("SELECT sid, text FROM pos ORDER BY rowid")
        misc = values_by_key("SELECT sid, text FROM misc ORDER BY rowid")
        glosses = values_by_key("SELECT sid, text FROM SenseGloss WHERE lang = 'eng' ORDER BY rowid")
    for key in sorted(senses):
        rows = [(labels.get(s, []), misc.get(s, []), glosses.get(s, [])) for s in senses[key]]
        yield from _entry(kanji.get(key, []), kana.get(key, [""]), rows)


def read_xml(stream: IO[bytes]) -> Iterator[Entry]:
    """Entries of JMdict.xml, streamed."""
    for _, element in ElementTree.iterparse(stream):
        if element.tag != "entry":
            continue
        senses = []
        for sense in element.iter("sense"):
            # An English gloss carries no language or "eng".
            english = [g.text or "" for g in sense.iter("gloss") if _language(g) in ("", "eng")]
            senses.append(
                ([p.text or "" for p in sense.iter("pos")], [m.text or "" for m in sense.iter("misc")], english)
            )
        kanji = [keb.text or "" for keb in element.iter("keb")]
        kana = [reb.text or "" for reb in element.iter("reb")]
        yield from _entry(kanji, kana, senses)
        element.clear()


def _language(gloss: ElementTree.Element) -> str:
    return gloss.get("{http://www.w3.org/XML/1998/namespace}lang", "")
