"""Words as people mean them: documents that hold a word by the rule, against an analyser that is no source of it.

`python -m benchmarks.words [LANGUAGE ...] [--seed 3]`, in an environment with the group `words-gold`
(`pip install --group words-gold`); about 60 MB of Debian packages are fetched once. Of each language 300 documents of
LibreOffice's help or messages are analysed, and 200 lemmas drawn among those that stand in at least three documents and
at most four in ten, and once as they are. Recall is the share of (word, document) that the analyser has which the rule
has too, precision the reverse; where a token may be a form of several lemmas, its document counts for none of them,
unless another token decides. Where a language has two analysers, both bars are asked against the first;
`second` is what the other one reaches against it, `other` what the rule reaches against the other one, `agreed` the
rule's where both say the same. docs/words.md names the seeds on which the rule of each language was built.
"""

from __future__ import annotations

import argparse
import collections
import functools
import itertools
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
from semantic_pivots.counting.match import Words, find
from semantic_pivots.counting.strings import buffers
from semantic_pivots.statistics import wilson
from semantic_pivots.wordforms.cutting import is_clause
from semantic_pivots.wordforms.table import rule_of
from semantic_pivots.words import fold, is_joining

DOCUMENTS, WORDS, BAR = 300, 200, 0.9
LEAST, MOST = 3, 0.4
"""Documents that hold a drawn word, at least; their share, at most."""
LATIN = tuple("en fr de es it pt nl pl cs tr hu fi sv da no ro sk sl hr".split())
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

    def agreed(self, other: Gold) -> Gold:
        """What both say surely; what only one says is unsure."""
        sure = [one & two for one, two in zip(self.sure, other.sure, strict=True)]
        sides = zip(self.sure, self.unsure, other.sure, other.unsure, sure, strict=True)
        return Gold(self.texts, sure, [(a | b | c | d) - both for a, b, c, d, both in sides])

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


def matches(texts: list[str], words: list[str], code: str, name: str) -> list[set[str]]:
    """Of each text, the words that it holds by a rule."""
    asked = [(word, code) for word in words]
    compiled = Words.compile(asked, rule_of(name, "", asked))
    starts, hits = find(compiled, *buffers(pa.array(texts)))
    entries = compiled.pattern_of.tolist()
    found = [set(hits[begin:end].tolist()) for begin, end in itertools.pairwise(starts)]
    return [{word for word, entry in zip(words, entries, strict=True) if entry in held} for held in found]


def compare(gold: Gold, words: list[str], found: list[set[str]]) -> dict[str, np.ndarray]:
    """By word, (3,) documents that both have, that only `found` has, and only the analyser."""
    by_word = {word: np.zeros(3, np.int64) for word in words}
    for held, sure, unsure in zip(found, gold.sure, gold.unsure, strict=True):
        for word in words:
            if word not in unsure and (word in held or word in sure):
                by_word[word][0 if word in held and word in sure else 1 if word in held else 2] += 1
    return by_word


def show(figure: str, by_word: dict[str, np.ndarray], unit: str, bar: float | None = None) -> None:
    """Print recall and precision."""
    both, alone, missed = np.sum(list(by_word.values()), axis=0).tolist()
    for name, other in (("recall", missed), ("precision", alone)):
        share = wilson(both, both + other)
        holds = None if bar is None else share.value >= bar
        emit(f"words.{figure}.{name}", round(share.value, 3), f"share, {unit}, n {both + other}", bar, holds)


def report(code: str, seed: int, cache: Path) -> None:
    """Print one language's figures."""
    texts = documents(code, DOCUMENTS, seed, cache)
    golds = {}
    for name, make in ANALYSERS[code]:
        try:
            golds[name] = Gold.of(texts, make(code, tools(cache))(texts))
        except ImportError as error:
            raise SystemExit(f"{name} is not installed ({error}): pip install --group words-gold") from None
    (name, gold), *others = golds.items()
    words = gold.draw(code, seed)
    by_forms = matches(texts, words, code, "forms")
    unit = f"{name}, {len(texts)} documents, {len(words)} words"
    show(f"{code}.spelling", compare(gold, words, matches(texts, words, code, "spelling")), unit)
    show(f"{code}.forms", compare(gold, words, by_forms), unit, BAR)
    for second, other in others:
        by_second = [sure | unsure for sure, unsure in zip(other.sure, other.unsure, strict=True)]
        show(f"{code}.second", compare(gold, words, by_second), f"{second} against {unit}")
        show(f"{code}.other", compare(other, words, by_forms), f"{second}, the same documents and words")
        show(f"{code}.agreed", compare(gold.agreed(other), words, by_forms), f"{second} and {unit}")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("languages", nargs="*", default=LANGUAGES, help="codes (default: all)")
    parser.add_argument("--seed", type=int, default=3, help="of documents and words (default: 3)")
    options = parser.parse_args()
    for code in options.languages:
        if code in ANALYSERS:
            report(code, options.seed, cache_folder())


if __name__ == "__main__":
    main()
