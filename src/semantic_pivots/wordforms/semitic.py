"""Arabic and Hebrew words with what is written together with them.

Arabic's classes are `ar-noun` (conjunction and preposition before, pronoun behind), `ar-the` (with the article; not
behind the construct's ي, which has none) and `ar-particle` (conjunction alone). To the word and its forms of the table
come the regular endings of dual and plural, ة as ت before a pronoun, and the accusative's alef, where the table has no
other word of that text (K. Ryding, A Reference Grammar of Modern Standard Arabic, 2005, ch. 7). Hebrew's is `he-noun`,
with the plurals ים and ות and the construct's ת and י (L. Glinert, The Grammar of Modern Hebrew, 1989, ch. 4).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_LEAST = 3  # letters of a stem to which endings are joined
_PARTICLES = frozenset(
    (
        "هو هي هم هن هما ها انا نحن انت انتم ذا ذي ذو تي الذي التي الذين لو لا لم لن ما قد او ام ثم بل هل كي اذ اذا ان"
    ).split()
)
"""Pronouns and particles: with an article or a pronoun they would be other words (التي is not ال and تي)."""


def endings(word: str) -> set[str]:
    """A folded Arabic word with its regular endings; some of these forms are also other words (حالة from حال)."""
    bare = _bare(word)
    if bare.endswith("ة"):
        return {bare[:-1] + ending for ending in ("ت", "ات", "تان", "تين")}
    return {bare + ending for ending in ("ا", "ات", "ان", "ين", "ون", "ة")} if len(bare) >= _LEAST else set()


def arabic(word: str, inflections: Iterable[str], clitics: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Texts with their classes; the word, its forms of the table and those by `endings` are folded."""
    if word in _PARTICLES:
        yield word, "ar-particle"
        return
    bare = _bare(word)
    stem = bare[:-1] + "ت" if bare.endswith("ة") else bare
    indefinite = {stem + ending for ending in ("ي", "ا", "و")}
    forms = [form for form in map(_bare, inflections) if len(form) > 1 and not _is_derived(form, bare)]
    for text in dict.fromkeys((bare, *forms, *sorted(clitics))):
        yield text, "ar-noun"
        if text not in indefinite:
            yield text, "ar-the"


def _bare(word: str) -> str:
    return word.removeprefix("ال") if len(word) > 4 else word


def _is_derived(form: str, word: str) -> bool:
    """Whether a form is a participle, or the verbal noun of the second stem: words of their own (مميز, تمييز)."""
    is_verbal = len(word) == _LEAST and form == f"ت{word[:2]}ي{word[2]}"
    return is_verbal or (form[0] == "م" and word[0] != "م")


def hebrew(word: str, inflections: Iterable[str], _: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Texts with their class."""
    stems = dict.fromkeys((word, *inflections))
    if len(word) >= _LEAST:
        base = word[:-1] if word.endswith("ה") else word.translate(str.maketrans("ךםןףץ", "כמנפצ"))
        stems |= dict.fromkeys(base + ending for ending in ("ים", "ות", "י", *(("ת",) if word.endswith("ה") else ())))
    for stem in stems:
        yield stem, "he-noun"
