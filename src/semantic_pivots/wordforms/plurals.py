"""Lexicon words that are plurals: `dogs` occurs where `dog` does.

Asked are the languages whose regular plural ends in s, where a plural is told from other forms by its ending. The table
of forms must have the word as a form of the singular, and not as a lemma of its own (`news`). Plurals that mean
something else than several of the singular are listed here and have their own forms alone; so the forms of a word do
not depend on which other words are asked.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from semantic_pivots.words import fold

_ENDINGS = {
    "en": (("s", ""), ("es", ""), ("ies", "y")),
    "fr": (("s", ""), ("x", "")),
    **dict.fromkeys(("es", "pt", "ca", "gl"), (("s", ""), ("es", ""))),
}
"""Endings of a plural, each with that of its singular."""
_OTHER_SENSE = {
    "en": "arms briefs customs damages drawers glasses goods grounds looks manners minutes pains papers quarters "
    "savings shorts spectacles spirits stairs statistics surroundings tactics tights trunks waters wits woods works",
    "fr": "abats baguettes ciseaux devoirs lettres lunettes mathématiques toilettes vacances échecs",
    "es": "bolos celos correos deberes esposas gafas letras palillos palomitas polvos shorts tortitas vaqueros",
    "pt": "algemas arredores correios correntes letras muitos shorts óculos",
    "ca": "correus lletres ulleres",
    "gl": "auriculares chulas correos letras vaqueiros",
}


def singular(code: str, word: str, table: Mapping[str, str], lemmas: Container[str]) -> str:
    """The folded singular of a plural, by a table from forms to lemmas; empty where it has its own forms alone."""
    if word not in table or word in lemmas or word in _OTHER_SENSE.get(code, "").split():
        return ""
    lemma = fold(table[word])
    is_plural = any(
        word == lemma.removesuffix(end) + plural for plural, end in _ENDINGS.get(code, ()) if lemma.endswith(end)
    )
    return lemma if is_plural else ""
