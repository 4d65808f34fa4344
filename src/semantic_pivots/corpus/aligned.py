"""Documents and sentences that are translations of one another, as far as names and lines tell.

Two documents are taken for one in two languages where their ids differ only by language codes (`…/help/fr/x.html` and
`…/help/en-US/x.html`); their lines are aligned where they have equally many. That holds for translated manuals and web
sites, not for a crawl, in which nothing is aligned and nothing is found here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from semantic_pivots.corpus.identify import identify
from semantic_pivots.statistics import seed_of

_SHORTEST, _SHORTEST_UNSPACED, _LONGEST = 20, 8, 160


def alignment_keys(ids: Sequence[str], languages: Iterable[str]) -> list[str]:
    """Each document's id without the codes of these languages (fr, zh-CN, pt_BR, and /C/ of software manuals)."""
    codes = "|".join(re.escape(code) for code in sorted(set(languages) - {""}))
    code = re.compile(rf"(?<![A-Za-z0-9])(?:{codes})(?:[-_](?:[A-Za-z]{{2}}|Hans|Hant))?(?![A-Za-z0-9])")
    return [re.sub(r"[-_./:]+", "/", code.sub("", name).replace("/C/", "//")) for name in ids]


def held_out(
    keys: Sequence[str], languages: np.ndarray, eligible: np.ndarray, per_language: int, seed: int
) -> np.ndarray:
    """Documents of some keys, ascending: whole groups of translations, those of the most languages first.

    Args:
        keys: alignment key of each document.
        languages: (documents,) languages.
        eligible: (documents,) bool, documents long enough to evaluate on.
        per_language: documents of each language, as far as there are; groups that a full language is part of stay out.
        seed: seed of the order among groups of equally many languages.
    """
    groups: dict[str, list[int]] = {}
    for index in np.flatnonzero(eligible).tolist():
        groups.setdefault(keys[index], []).append(index)
    order = sorted(groups, key=lambda k: (-len({languages[i] for i in groups[k]}), seed_of(seed, "held-out", k)))
    room = dict.fromkeys(languages.tolist(), per_language)
    documents: list[int] = []
    for key in order:
        if not any(room.values()):
            break
        missing: dict[str, int] = {}
        for index in groups[key]:
            missing[languages[index]] = missing.get(languages[index], 0) + 1
        if all(room[code] >= n for code, n in missing.items()):
            documents += groups[key]
            for code, n in missing.items():
                room[code] -= n
    return np.array(sorted(documents), dtype=np.int64)


def sentence_pairs(
    texts: Mapping[str, Mapping[str, str]], source: str, target: str, count: int, seed: int
) -> list[tuple[str, str, str]]:
    """Up to `count` (name, sentence, translation) of two languages, in a seeded order over all documents.

    A pair is kept where both lines are of a sentence's length (20, or 8 in scripts without spaces, to 160 characters),
    differ, and are identified as their languages: half-translated pages hold lines that are not.

    Args:
        texts: text by language, by alignment key.
        source: language of the sentences.
        target: language of the translations.
        count: pairs.
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
    shortest = _SHORTEST if line.isascii() or " " in line else _SHORTEST_UNSPACED
    return shortest <= len(line) <= _LONGEST and identify(line) == code
