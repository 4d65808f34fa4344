"""Further languages of CLWTD-open: a word for each concept, voted for by the dictionaries of the concept's words.

The concepts are fixed by the join of English, French, Chinese and Japanese (`clwtd`). A word of a further language is
taken where dictionaries from at least two of the concept's languages lead to it and back, by the sum of these votes;
where CLDR names the concept's picture by one word, that is a vote too. So a sense that only one of the concept's words
has gets one vote, and is not taken.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from semantic_pivots.lexicon.join import Translations
from semantic_pivots.lexicon.sources import freedict
from semantic_pivots.words import normalise

LANGUAGES = ("it", "pt", "nl", "sv", "pl", "ru", "bg", "fi", "el", "tr")
GROUPS = {
    "Romance": ("it", "pt"),
    "Germanic": ("nl", "sv"),
    "Slavic": ("pl", "ru", "bg"),
    "Finnish, Greek and Turkish": ("fi", "el", "tr"),
}
"""Groups of languages, each with a reading of its own (benchmarks/clwtd_quality.py)."""
_CODES = {"eng": "en", "fra": "fr", "jpn": "ja", "spa": "es", "deu": "de", "ita": "it", "por": "pt", "nld": "nl"} | {
    "swe": "sv", "pol": "pl", "rus": "ru", "bul": "bg", "fin": "fi", "ell": "el", "tur": "tr",
}  # fmt: skip
_SHARE_ALIKE = """
deu-bul deu-ell deu-fin deu-pol deu-rus deu-swe ell-eng ell-fra ell-jpn ell-spa eng-bul eng-fin fin-deu fin-eng fin-fra
fin-jpn fra-bul fra-ell fra-fin fra-ita fra-pol fra-por fra-rus fra-swe fra-tur ita-jpn ita-spa jpn-rus nld-spa pol-deu
pol-eng pol-fra pol-jpn pol-spa por-fra por-spa swe-deu swe-fra swe-jpn swe-spa
"""
_GPL = """
deu-ita deu-nld deu-por deu-tur eng-ell eng-ita eng-nld eng-por eng-rus eng-swe eng-tur fra-nld ita-deu ita-eng nld-deu
nld-eng nld-fra por-deu por-eng spa-por swe-eng tur-deu tur-eng
"""
LICENCES = {f"freedict-{pair}": "CC-BY-SA-3.0" for pair in _SHARE_ALIKE.split()}
LICENCES |= {f"freedict-{pair}": "GPL-2.0-or-later" for pair in _GPL.split()}
LICENCES |= {"freedict-eng-pol": "GPL-3.0-or-later AND GFDL-1.2-or-later", "cldr": "Unicode-3.0"}
"""Dictionaries of the further languages with their licences; and CLDR."""
_LEAST_VOTES, _LEAST_WEIGHT = 2, 1.9
_FREQUENCY_FLOOR = 1.8
# wordfreq's lists of these end at one in a million words; a word that is not on them may still be well known.
_SHORT_LISTS, _VOTES_WITHOUT_FREQUENCY = ("bg", "el", "tr"), 3


def add_dictionaries(folder: Path, table: Translations, need: Callable[[Path, str], Path]) -> None:
    """Add the dictionaries of the further languages to the table.

    Args:
        folder: the unpacked packages.
        table: the dictionaries so far.
        need: gives a path that exists, or raises with the package's name.
    """
    for name in (name for name in LICENCES if name != "cldr"):
        _, source, target = name.split("-")
        index = need(folder / f"{name}.index", f"dict-{name}")
        table.add(freedict.read_dictd(index, _CODES[source], _CODES[target]), name)


def add_words(
    rows: Sequence[dict[str, str]],
    core: Sequence[str],
    table: Translations,
    licences: Mapping[str, str],
    frequency: Callable[[str, str], float],
    pictures: Mapping[str, Mapping[str, str]],
    wrong: Callable[[dict[str, str], tuple[str, str]], bool],
) -> None:
    """Add the words of the further languages to each row, one-to-one in each, with their sources; may be empty.

    Args:
        rows: the concepts.
        core: the languages in which the rows have words.
        table: all dictionaries.
        licences: licence of each dictionary.
        frequency: Zipf frequency of a word of a language.
        pictures: concept to CLDR's word in each language.
        wrong: whether a (language, word) of a row was found wrong by hand.
    """
    for code in LANGUAGES:
        order = []
        for row in rows:
            for weight, word in _candidates(row, core, code, table, frequency, pictures.get(row["concept_id"], {})):
                if not wrong(row, (code, word)):
                    order.append((-weight, row["concept_id"], word))
                    break
        words_in_use: set[str] = set()
        additions: dict[str, str] = {}
        for _, concept, word in sorted(order):
            if normalise(word) not in words_in_use:
                words_in_use.add(normalise(word))
                additions[concept] = word
        for row in rows:
            row[code] = additions.get(row["concept_id"], "")
            names = _sources(row, core, code, table, pictures.get(row["concept_id"], {})) if row[code] else set()
            free = sorted(name for name in names if not licences[name].startswith("GPL")) or sorted(names)
            row[f"{code}.source"] = "+".join(free)
            row[f"{code}.licence"] = " AND ".join(sorted({licences[name] for name in free}))


def _candidates(
    row: Mapping[str, str],
    core: Sequence[str],
    code: str,
    table: Translations,
    frequency: Callable[[str, str], float],
    picture: Mapping[str, str],
) -> list[tuple[float, str]]:
    """(weight, word) of the words that enough dictionaries lead to, the best first."""
    pos = row["pos"]
    votes: dict[str, list[float]] = defaultdict(list)
    for language in core:
        for word in table.of(language, code, pos, row[language]) if row[language] else ():
            back_share = table.share(language, code, pos, row[language], word)
            votes[word].append((back_share * table.share(code, language, pos, word, row[language])) ** 0.5)
    if picture.get(code):
        votes[picture[code]].append(1.0)
        if row["en.source"] == "cldr":  # the concept itself is CLDR's picture
            votes[picture[code]].append(1.0)
    candidates = []
    for word, sums in votes.items():
        is_frequent = frequency(word, code) >= _FREQUENCY_FLOOR
        is_frequent = is_frequent or (code in _SHORT_LISTS and len(sums) >= _VOTES_WITHOUT_FREQUENCY)
        # rounded, so that the last bits of another machine's arithmetic do not reorder words
        weight = round(sum(sums), 3)
        if len(sums) >= _LEAST_VOTES and weight >= _LEAST_WEIGHT and (is_frequent or picture.get(code) == word):
            candidates.append((weight, word))
    return sorted(candidates, key=lambda entry: (-entry[0], entry[1]))


def _sources(
    row: Mapping[str, str], core: Sequence[str], code: str, table: Translations, picture: Mapping[str, str]
) -> set[str]:
    """The dictionaries that list the word as a translation of one of the concept's others, and CLDR where it does."""
    names = {
        name
        for language in core
        for name in table.votes[language, code, row["pos"]].get(row[language], {}).get(row[code], ())
    }
    return names | ({"cldr"} if picture.get(code) == row[code] else set())
