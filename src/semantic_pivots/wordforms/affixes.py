"""Affixes that a language writes together with its words: particles, articles, conjunctions, pronouns, endings.

A class is a set of prefixes and a set of suffixes; a form of the class occurs where a run of letters is a prefix, the
form and a suffix. The classes ship in `data/affixes.tsv` (class, side, affix; empty: none is needed; a suffix `*`: any
letters), written by `scripts/derive_affixes.py` from the grammars that it names.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from semantic_pivots import words
from semantic_pivots.files import data_cells

ANY = "*"
"""The suffix that any letters are."""


class AffixClass(NamedTuple):
    """The prefixes and suffixes that may be attached to a form."""

    prefixes: frozenset[str]
    suffixes: frozenset[str]


@functools.cache
def classes() -> dict[str, AffixClass]:
    """Every class by name, in the order of the file."""
    sides: dict[str, dict[str, set[str]]] = {}
    for name, side, affix in data_cells("affixes.tsv")[1:]:
        sides.setdefault(name, {"prefix": set(), "suffix": set()})[side].add(affix)
    return {
        name: AffixClass(frozenset(rules["prefix"] or {""}), frozenset(rules["suffix"] or {""}))
        for name, rules in sides.items()
    }


def places(text: str, form: str, name: str) -> list[int]:
    """Where a form of a class begins in a folded text: the reference."""
    prefixes, suffixes = classes()[name]
    starts, begin = [], 0
    while begin < len(text):
        if not words.is_joining(text[begin]):
            begin += 1
            continue
        end = begin
        while end < len(text) and words.is_joining(text[end]):
            end += 1
        run = text[begin:end]
        for k in range(len(run) - len(form) + 1):
            ends = ANY in suffixes or run[k + len(form) :] in suffixes
            if run.startswith(form, k) and run[:k] in prefixes and ends:
                starts.append(begin + k)
        begin = end
    return starts
