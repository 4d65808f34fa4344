"""Power of a study on a corpus: concepts with enough documents, pairs that co-occur, the smallest detectable effect.

Two analyses of the package depend on the corpus. *Attribution* compares the m items whose words co-occur in a document
with the u items whose words never do. One comparison is the AUC, whose standard error under the null hypothesis is that
of Mann and Whitney, sqrt((m+u+1)/(12 m u)); the other is the difference in the share of right choices, with a standard
error of at most sqrt((1/m+1/u)/4). An effect of 2.80 standard errors is significant at the 5 % level in 4 of 5 studies.
*Discovery* needs documents with each word.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from semantic_pivots.counting.counts import Pair, Word
from semantic_pivots.files import Record

DOCUMENT_LEVELS = (1, 10, 50)
"""Numbers of documents at which words and pairs are reported."""
ENOUGH = 10
"""Documents of each word from which on a pair that never meets says something."""
_POWER = 1.959964 + 0.841621


def lexicon_pairs(rows: Sequence[Mapping[str, str]], codes: Sequence[str]) -> tuple[list[Word], list[Pair]]:
    """The words of a lexicon in some languages, and the pairs of each concept's words; both sorted."""
    words: set[Word] = set()
    pairs: set[Pair] = set()
    for row in rows:
        words_of_row = [(row[code], code) for code in codes if row[code]]
        words.update(words_of_row)
        pairs.update((first, second) for first, second in combinations(sorted(words_of_row), 2))
    return sorted(words), sorted(pairs)


def prospects(
    rows: Sequence[Mapping[str, str]],
    codes: Sequence[str],
    words: Sequence[Word],
    pairs: Sequence[Pair],
    of_words: np.ndarray,
    of_pairs: np.ndarray,
) -> Record:
    """Numbers of words and of complete concepts with enough documents, and one row for each two languages.

    Args:
        rows: the lexicon.
        codes: languages of the study.
        words, pairs: the counted words and pairs (`lexicon_pairs`).
        of_words: (words,) documents with each word.
        of_pairs: (pairs,) documents with both words of each pair.
    """
    documents = dict(zip(words, of_words.tolist(), strict=True))
    rarest = [min(documents[row[code], code] for code in codes) for row in rows if all(row[code] for code in codes)]
    return {
        "words": [_reach(code, [n for (_, c), n in documents.items() if c == code]) for code in codes],
        "concepts": _reach("all languages", rarest),
        "pairs": [
            _prospect(a, b, _between(a, b, pairs, documents, of_pairs.tolist())) for a, b in combinations(codes, 2)
        ],
    }


def _reach(name: str, counts: Sequence[int]) -> Record:
    return {"language": name, "asked": len(counts)} | {f"in_{n}": sum(c >= n for c in counts) for n in DOCUMENT_LEVELS}


def _between(
    a: str, b: str, pairs: Sequence[Pair], documents: Mapping[Word, int], meetings: Sequence[int]
) -> list[tuple[int, int]]:
    """(documents of the rarer word, documents with both) of each pair of the two languages."""
    return [
        (min(documents[first], documents[second]), meeting)
        for (first, second), meeting in zip(pairs, meetings, strict=True)
        if {first[1], second[1]} == {a, b}
    ]


def _prospect(a: str, b: str, cells: Sequence[tuple[int, int]]) -> Record:
    meet = sum(together > 0 for _, together in cells)
    never = sum(together == 0 and rarer >= ENOUGH for rarer, together in cells)
    auc = 0.5 + _POWER * math.sqrt((meet + never + 1) / (12 * meet * never)) if meet and never else math.nan
    choice = _POWER * math.sqrt((1 / meet + 1 / never) / 4) if meet and never else math.nan
    return {
        "languages": [a, b],
        "pairs": len(cells),
        "both_words": sum(rarer > 0 for rarer, _ in cells),
        f"both_words_in_{ENOUGH}": sum(rarer >= ENOUGH for rarer, _ in cells),
        "meet": meet,
        **{f"meet_in_{n}": sum(together >= n for _, together in cells) for n in DOCUMENT_LEVELS[1:]},
        "never_meet": never,
        "detectable_auc": round(auc, 3) if auc < 1 else None,
        "detectable_choice": round(choice, 3) if choice < 1 else None,
    }
