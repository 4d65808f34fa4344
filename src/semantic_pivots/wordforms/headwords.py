"""Lexicon words that a table of forms lists below another lemma: plurals, and infinitives of Turkish.

`dogs` occurs where `dog` does. Asked are languages in which a plural is told from other forms by its ending. The table
must have the word as a form of the singular, and not as a lemma of its own (`news`). Plurals that mean something else
than several of the singular are listed here and have their own forms alone; so the forms of a word do not depend on
which other words are asked.

The table lists Turkish verbs below their bare stems, `yapıyor` and `yapmak` below `yap`. An infinitive has the forms of
its stem without those of a noun that is spelt like it (`atlar`, horses, of `atmak`, to throw; G. Lewis, Turkish
Grammar, 2000, ch. 8), and without a stem of two letters by itself (`de`, which is mostly the particle). A derived verb
has those of the stem's forms that begin with it: `değiştirmek` is listed below `değiş`, and has `değiştirdi`.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

import regex

from semantic_pivots.words import fold

_ENDINGS = {
    "en": (("s", ""), ("es", ""), ("ies", "y")),
    "fr": (("s", ""), ("x", "")),
    **dict.fromkeys(("es", "pt", "ca", "gl"), (("s", ""), ("es", ""))),
    "it": (("i", "o"), ("i", "e"), ("i", "io"), ("e", "a")),
    "ro": (("e", "ă"), ("i", "ă"), ("i", "e"), ("i", "u"), ("i", ""), ("uri", "")),
    "sv": (("or", "a"), ("ar", "e"), ("er", "")),
}
"""Endings of a plural, each with that of its singular."""
_OTHER_SENSE = {
    "en": "arms briefs customs damages drawers glasses goods grounds looks manners minutes pains papers quarters "
    "savings shorts spectacles spirits stairs statistics surroundings tactics tights trunks waters wits woods works",
    "fr": "abats baguettes ciseaux devoirs lettres lunettes mathématiques toilettes vacances échecs",
    "es": "bolos celos correos deberes esposas gafas letras palillos palomitas polvos shorts tortitas vaqueros",
    "pt": "algemas arredores correios correntes letras muitos shorts óculos",
    "ca": "correus lletres ulleres",
    "it": "bacchette calzoni cuffie",
    "gl": "auriculares chulas correos letras vaqueiros",
}


_INFINITIVE = ("mak", "mek")
_CASE = "([aeıiuü]|[ıiuü]n|d[ae]n?|l[ae])"
_OF_NOUN = regex.compile(
    f"(l[ae]r|l[ıiuü]|s[ıiuü]z).*|y?[aeıiuü]|[dt][ae](n|ki.*)?|y?l[ae]|[ıiuü]?m|[ıiuü]m([ıiuü]z)?{_CASE}?|"
    f"[ıiuü]n([ıiuü]z)?{_CASE}|s?[ıiuü][ny]?{_CASE}"
)
"""What follows the stem in forms of a noun: plural, cases, possessives. Not `-ın`, which is the imperative as well."""


def lemma(code: str, word: str, table: Mapping[str, str], lemmas: Container[str]) -> str:
    """The folded lemma, by a table from forms to lemmas, whose forms a word has; empty where it has its own alone."""
    if word not in table or word in lemmas or word in _OTHER_SENSE.get(code, "").split():
        return ""
    lemma = fold(table[word])
    is_plural = any(
        word == lemma.removesuffix(end) + plural for plural, end in _ENDINGS.get(code, ()) if lemma.endswith(end)
    )
    return lemma if is_plural or is_infinitive(code, word) else ""


def is_infinitive(code: str, word: str) -> bool:
    """Whether a word that the table lists below another one is an infinitive of Turkish."""
    return code == "tr" and word.endswith(_INFINITIVE)


def verbal(word: str, lemma: str, forms: Iterable[str]) -> Iterable[str]:
    """The forms of an infinitive, of those of the lemma that the table lists it below."""
    stem = word[:-3]
    is_derived = stem != lemma
    for form in forms:
        if not form.startswith(stem):
            if not is_derived:  # gidiyor of gitmek, diyor of demek
                yield form
        elif (form != stem or len(stem) > 2) and not _OF_NOUN.fullmatch(form[len(stem) :]):
            yield form
