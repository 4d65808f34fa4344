"""Arabic and Hebrew words with what is written together with them.

Arabic's classes are `ar-noun` (conjunction and preposition before, pronoun behind) and `ar-the` (with the article). To
the word and its forms of the table come the regular endings of dual and plural, ة as ت before a pronoun, and the
accusative's alef (K. Ryding, A Reference Grammar of Modern Standard Arabic, 2005, ch. 7). Hebrew's is `he-noun`, with
the plurals ים and ות and the construct's ת and י (L. Glinert, The Grammar of Modern Hebrew, 1989, ch. 4).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_LEAST = 3  # letters of a stem to which endings are joined


def arabic(word: str, inflected: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Texts with their classes; the word and its forms are folded."""
    stems = dict.fromkeys(form.removeprefix("ال") if len(form) > 4 else form for form in (word, *inflected))
    bare = word.removeprefix("ال") if len(word) > 4 else word
    if bare.endswith("ة"):
        stems |= dict.fromkeys(bare[:-1] + ending for ending in ("ت", "ات", "تان", "تين"))
    elif len(bare) >= _LEAST:
        stems |= dict.fromkeys(bare + ending for ending in ("ا", "ات", "ان", "ين", "ون", "ة"))
    for stem in stems:
        yield stem, "ar-noun"
        yield stem, "ar-the"


def hebrew(word: str, inflected: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Texts with their class."""
    stems = dict.fromkeys((word, *inflected))
    if len(word) >= _LEAST:
        base = word[:-1] if word.endswith("ה") else word.translate(str.maketrans("ךםןףץ", "כמנפצ"))
        stems |= dict.fromkeys(base + ending for ending in ("ים", "ות", "י", *(("ת",) if word.endswith("ה") else ())))
    for stem in stems:
        yield stem, "he-noun"
