"""Factual recall: a country's capital, language or currency, asked and answered in one language or across two.

Facts and names are CLDR's (Unicode licence); the committed table holds those that have a name in all seven languages.
"""

from __future__ import annotations

from collections.abc import Sequence

from semantic_pivots.errors import InputError
from semantic_pivots.tasks.committed import rows
from semantic_pivots.tasks.pattern import Pair, Pattern

RELATIONS = ("capital", "language", "currency")
_LANGUAGES = ("en", "fr", "zh", "ja", "de", "es", "ru")


def _labels(*names: str) -> dict[str, str]:
    return dict(zip(_LANGUAGES, names, strict=True))


COUNTRY = _labels("Country", "Pays", "国家", "国", "Land", "País", "Страна")
LABELS = {
    "capital": _labels("Capital", "Capitale", "首都", "首都", "Hauptstadt", "Capital", "Столица"),
    "language": _labels("Language", "Langue", "语言", "言語", "Sprache", "Idioma", "Язык"),
    "currency": _labels("Currency", "Monnaie", "货币", "通貨", "Währung", "Moneda", "Валюта"),
}


def pattern(relation: str) -> Pattern:
    """The prompt pattern of one relation: an English header, and labels in the languages of question and answer."""
    return Pattern(
        lambda first, second: f"Please name the {relation} of each country.",
        lambda first, second: COUNTRY[first],
        lambda first, second: LABELS[relation][second],
    )


def pairs(relation: str, languages: Sequence[str], across: bool) -> dict[tuple[str, str], list[Pair]]:
    """Pairs (country, answer) within each language; with `across`, between each two different languages.

    Raises:
        InputError: the facts have no names in a language.
    """
    unknown = [code for code in languages if code not in COUNTRY]
    if unknown:
        raise InputError(f"facts have no names in {', '.join(unknown)}: expected languages among {', '.join(COUNTRY)}")
    facts = [row for row in rows("facts") if row["relation"] == relation]
    directions = [(a, b) for a in languages for b in languages if (a != b) == across]
    return {
        (a, b): [Pair(row["country"], row[f"{a}_subject"], row[f"{b}_object"]) for row in facts] for a, b in directions
    }


def task(relation: str, across: bool):
    """A task's function: the pairs of a relation within each language, or between each two."""
    return lambda words, languages: pairs(relation, languages, across)
