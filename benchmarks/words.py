"""Words as people mean them: documents that hold a word by the rule, against an analyser that is no source of it.

`python -m benchmarks.words [LANGUAGE ...] [--seed 1]`, in an environment with the group `words-gold`
(`pip install --group words-gold`); about 60 MB of Debian packages are fetched once. Of each language 300 documents of
LibreOffice's help or messages are analysed, and 200 lemmas drawn among those that stand in at least three documents and
at most four in ten, and once as they are. Recall is the share of (word, document) that the analyser has which the rule
has too, precision the reverse; where a token may be a form of several lemmas, its document counts for none of them,
unless another token decides. Seed 0 was used to build the rules, seed 1 is the one to report.
"""

from __future__ import annotations

import argparse
import collections
import functools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks import emit
from benchmarks.words_gold import ANALYSERS, Readings, tools
from benchmarks.words_text import LANGUAGES, documents
from semantic_pivots.caching import cache_folder
from semantic_pivots.counting.match import Words, buffers, find
from semantic_pivots.statistics import wilson
from semantic_pivots.wordforms.cutting import is_clause
from semantic_pivots.wordforms.table import rule_of
from semantic_pivots.words import fold, is_joining

DOCUMENTS, WORDS, BAR = 300, 200, 0.9
LEAST, MOST = 3, 0.4
"""Documents that hold a drawn word, at least; their share, at most."""
LATIN = tuple("en fr de es it pt nl pl cs tr hu fi".split())
UNSPACED = ("zh", "ja", "th")


@dataclass(frozen=True)
class Gold:
    """Texts with the words that each surely holds, and those that it may hold."""

    texts: list[str]
    sure: list[set[str]]
    unsure: list[set[str]]

    @classmethod
    def of(cls, texts: list[str], readings: Sequence[Readings]) -> Gold:
        """Fold the lemmas of all readings."""
        folded = functools.cache(fold)
        sure, unsure = [], []
        for tokens in readings:
            lemmas = [{folded(lemma) for lemma in token} for token in tokens]
            sure.append(set().union(*(found for found in lemmas if len(found) == 1)))
            unsure.append(set().union(*lemmas) - sure[-1])
        return cls(texts, sure, unsure)

    def draw(self, code: str, seed: int) -> list[str]:
        """Words of the language's script that surely are in some documents."""
        documents = collections.Counter(word for words in self.sure for word in words)
        doubtful = collections.Counter(word for words in self.unsure for word in words)
        stand = set().union(*(fold(text).split() for text in self.texts))

        def is_asked(word: str) -> bool:
            if code in UNSPACED:
                return bool(word) and all(map(is_clause, word))
            letters = len(word) > 1 and all(map(is_joining, word)) and word in stand
            return letters and (code in LATIN or not word.isascii())

        words = [
            word
            for word, count in sorted(documents.items())
            if LEAST <= count <= MOST * len(self.texts) and count >= doubtful[word] and is_asked(word)
        ]
        return random.Random(f"{seed}-{code}").sample(words, min(WORDS, len(words)))


def compare(gold: Gold, words: list[str], code: str, name: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """(3,) pairs of word and document in both, by the rule alone, by the analyser alone; and the same by word."""
    asked = [(word, code) for word in words]
    compiled = Words.compile(asked, rule_of(name, "", asked))
    starts, hits = find(compiled, *buffers(pa.array(gold.texts)))
    by_word = {word: np.zeros(3, np.int64) for word in words}
    for i, (sure, unsure) in enumerate(zip(gold.sure, gold.unsure, strict=True)):
        held = set(hits[starts[i] : starts[i + 1]].tolist())
        for word, pattern in zip(words, compiled.pattern_of.tolist(), strict=True):
            rule, analyser = pattern in held, word in sure
            if word not in unsure and (rule or analyser):
                by_word[word][0 if rule and analyser else 1 if rule else 2] += 1
    return np.sum(list(by_word.values()), axis=0), by_word


def report(code: str, seed: int, cache: Path) -> None:
    """Print one language's figures."""
    texts = documents(code, DOCUMENTS, seed, cache)
    name, make = ANALYSERS[code]
    try:
        analyse = make(code, tools(cache))
    except ImportError as error:
        raise SystemExit(f"{name} is not installed ({error}): pip install --group words-gold") from None
    gold = Gold.of(texts, analyse(texts))
    words = gold.draw(code, seed)
    for rule in ("spelling", "forms"):
        (both, by_rule, by_gold), _ = compare(gold, words, code, rule)
        for figure, other in (("recall", by_gold), ("precision", by_rule)):
            share = wilson(int(both), int(both + other))
            bar = BAR if rule == "forms" else None
            unit = f"share, {name}, {len(texts)} documents, {len(words)} words, n {both + other}"
            holds = None if bar is None else share.value >= bar
            emit(f"words.{code}.{rule}.{figure}", round(share.value, 3), unit, bar, holds)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("languages", nargs="*", default=LANGUAGES, help="codes (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="of documents and words (default: 1)")
    options = parser.parse_args()
    for code in options.languages:
        if code in ANALYSERS:
            report(code, options.seed, cache_folder())


if __name__ == "__main__":
    main()
