"""Documents and sentences that are translations of one another, recognised by ids and line numbers.

Two documents are taken for translations if their ids differ only in language codes (`…/help/fr/x.html` and
`…/help/en-US/x.html`). Their lines are aligned if both have the same number of lines. Translated manuals and web sites
have such documents; in a web crawl the functions find none.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from semantic_pivots.corpus.identify import identify
from semantic_pivots.statistics import seed_of

_SHORTEST, _SHORTEST_WITHOUT_SPACES, _LONGEST = 20, 8, 160


def alignment_keys(ids: Sequence[str], languages: Iterable[str]) -> list[str]:
    """Each document's id without codes of these languages (fr, zh-CN, pt_BR) and without /C/ (software manuals)."""
    codes = "|".join(re.escape(code) for code in sorted(set(languages) - {""}))
    code = re.compile(rf"(?<![A-Za-z0-9])(?:{codes})(?:[-_](?:[A-Za-z]{{2}}|Hans|Hant))?(?![A-Za-z0-9])")
    return [re.sub(r"[-_./:]+", "/", code.sub("", name).replace("/C/", "//")) for name in ids]


def held_out(documents: Iterable[tuple[int, str, int]], per_language: int) -> np.ndarray:
    """Places of the documents to hold out, ascending.

    Documents with the same alignment key are translations of one another. Whole groups are held out, those with the
    most languages first. Of groups with the same languages only the first `per_language` are stored, since no more can
    be held out; memory therefore does not grow with the number of documents.

    Args:
        documents: number, language and place of each document, sorted by number. The number is a random one that all
            documents with the same key share; groups with the same number of languages are taken in its order.
        per_language: largest number of documents per language; a group that would exceed it in a language is skipped.
    """
    groups: dict[tuple[tuple[str, int], ...], list[tuple[int, int, dict[str, int], list[int]]]] = {}
    room: dict[str, int] = {}
    for number, rows in itertools.groupby(documents, lambda row: row[0]):
        counts: dict[str, int] = {}
        places: list[int] = []
        for _, code, place in rows:
            counts[code] = counts.get(code, 0) + 1
            if counts[code] <= per_language:
                places.append(place)
        room |= dict.fromkeys(counts, per_language)
        same = groups.setdefault(tuple(sorted(counts.items())), []) if max(counts.values()) <= per_language else []
        if len(same) < per_language:
            same.append((-len(counts), number, counts, places))
    places_of_choice: list[int] = []
    for _, _, counts, places in sorted(itertools.chain.from_iterable(groups.values()), key=lambda row: row[:2]):
        if all(room[code] >= n for code, n in counts.items()):
            places_of_choice += places
            for code, n in counts.items():
                room[code] -= n
    return np.array(sorted(places_of_choice), dtype=np.int64)


def sentence_pairs(
    texts: Mapping[str, Mapping[str, str]], source: str, target: str, count: int, seed: int
) -> list[tuple[str, str, str]]:
    """Up to `count` triples (name, sentence, translation) from all documents, in an order that depends on the seed.

    A pair of lines is kept if both have 20 to 160 characters (8 to 160 in scripts without spaces), if they differ, and
    if each is identified as its language. The last condition excludes untranslated lines of partly translated pages.

    Args:
        texts: for each alignment key, the text in each language.
        source: language of the sentences.
        target: language of the translations.
        count: largest number of pairs.
        seed: seed of the order.
    """
    lines: list[tuple[str, str, str]] = []
    for key, by_language in texts.items():
        if source in by_language and target in by_language:
            sources, targets = (_lines(by_language[code]) for code in (source, target))
            if len(sources) == len(targets):
                lines += [(f"{key}#{n}", a, b) for n, (a, b) in enumerate(zip(sources, targets, strict=True))]
    lines.sort(key=lambda line: seed_of(seed, "sentence", line[0]))
    pairs: list[tuple[str, str, str]] = []
    sentences: set[str] = set()
    for name, a, b in lines:
        if len(pairs) == count:
            break
        if a != b and a not in sentences and _fits(a, source) and _fits(b, target):
            sentences.add(a)
            pairs.append((name, a, b))
    return pairs


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _fits(line: str, code: str) -> bool:
    shortest = _SHORTEST if line.isascii() or " " in line else _SHORTEST_WITHOUT_SPACES
    return shortest <= len(line) <= _LONGEST and identify(line) == code
