"""Units that are pieces or inflected forms of a pair's own words; such units are never pivots of that pair."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from semantic_pivots import words
from semantic_pivots.counting.match import Words, find
from semantic_pivots.counting.strings import buffers
from semantic_pivots.wordforms.rule import Rule, Word

_ENDING, _STEM = 3, 3
"""Letters that an ending has at most, and that a stem has at least."""
_CLITICS = (0x0590, 0x06FF)  # Hebrew and Arabic write articles and prepositions before the word, as one
_CLITIC = 2


def plain(token: str) -> str:
    """A unit's text as `is_piece` compares it: normalised, without white space around it."""
    return words.normalise(token).strip()


def units_that_hold(spellings: Sequence[Word], texts: Sequence[str], rule: Rule) -> dict[Word, np.ndarray]:
    """For each word, the indices (int64) of the texts that contain it under `rule`: the text `went` contains `go`."""
    matcher = Words.compile(spellings, rule)
    starts, hits = find(matcher, *buffers(pa.array(texts, pa.large_string())))
    places = np.repeat(np.arange(len(texts)), np.diff(starts))
    order = np.argsort(hits, kind="stable")
    of_pattern = np.split(places[order], np.searchsorted(hits[order], np.arange(1, matcher.patterns + 1)))
    return {word: of_pattern[p] for word, p in zip(spellings, matcher.pattern_of.tolist(), strict=True)}


def is_piece(token: str, word: str) -> bool:
    """Whether a token's text (`plain`) is part of the word (normalised) or holds it."""
    return token in word or word in token


def is_form(unit: str, word: str) -> bool:
    """Whether a unit may be a form of the word, judged by spelling only; both are normalised.

    In a script without spaces: the unit contains the word, or is part of it. In other scripts: after accents are
    removed, both share a stem of at least three letters (or the whole word), and at most three letters follow the stem.
    A unit in Hebrew or Arabic script may also have two letters before the word. So `mountains` is a form of
    `mountain`. There are false positives: `carte` passes as a form of `car`.
    """
    if not (words.is_joining(word[0]) and words.is_joining(unit[0])):
        return is_piece(unit, word)
    text, part = _bare(unit), _bare(word)
    if _CLITICS[0] <= ord(part[0]) <= _CLITICS[1] and text.endswith(part) and len(text) - len(part) <= _CLITIC:
        return True
    common = 0
    while common < min(len(text), len(part)) and text[common] == part[common]:
        common += 1
    stem = len(part) if common == len(part) else _STEM
    return common >= stem and max(len(text), len(part)) - common <= _ENDING


def _bare(text: str) -> str:
    """Without accents; other marks stay."""
    apart = unicodedata.normalize("NFD", text)
    bare = unicodedata.normalize("NFC", "".join(c for c in apart if not 0x300 <= ord(c) <= 0x36F))
    return bare or text
