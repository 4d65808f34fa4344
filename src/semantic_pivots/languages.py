"""Languages: one table from CLDR, and one function that maps the labels of corpora to its codes.

A study names a language by its BCP 47 code (en, zh, fil). Corpora write more: `cmn_Hans`, `iw`, `ekk`, `eng_Latn`,
`zh-CN`, `Chinese (Simplified)`. All of these resolve here; what does not resolve is told to the user, never taken for a
document without a language. The table is written by scripts/derive_languages.py.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

from semantic_pivots.errors import InputError, nearest

# `nan` alone is a missing value of pandas; Min Nan is met as nan_Latn or by its name.
_ABSENT = {"", "und", "unk", "unknown", "none", "null", "nan", "mul", "mis", "zxx", "n/a", "other", "undetermined"}
_PARENTHESES = re.compile(r"^([^()]*?)\s*\(([^()]*)\)$")
_TAG = re.compile(r"[a-z]{2,3}(-[a-z0-9]{1,8})*")


@dataclass(frozen=True)
class Language:
    """A language with its CLDR data."""

    code: str
    """BCP 47 code: two letters where there are such, else three"""
    name: str
    """English name, as in prompts"""
    has_spaces: bool
    """whether its words are separated by spaces"""
    scripts: tuple[str, ...] = ("Latn",)
    """ISO 15924 codes, the likely script first"""
    rtl: bool = False
    """whether it is read from right to left"""
    aliases: tuple[str, ...] = ()
    """other codes and English names, in lower case with hyphens for spaces"""


@functools.cache
def languages() -> dict[str, Language]:
    """Every known language by code."""
    lines = resources.files("semantic_pivots").joinpath("data/languages.tsv").read_text("utf-8").splitlines()[1:]
    by_code = {}
    for line in lines:
        code, name, scripts, direction, spacing, aliases = line.split("\t")
        by_code[code] = Language(
            code, name, spacing == "yes", tuple(scripts.split()), direction == "rtl", tuple(aliases.split())
        )
    return by_code


_OF_COUNTRIES = {"jp": "ja", "cn": "zh", "kr": "ko", "ua": "uk", "cz": "cs", "gr": "el", "dk": "da"}
"""Codes of countries, which are taken for those of their languages."""


def language(code: str) -> Language:
    """The language of a code.

    Raises:
        InputError: no language has the code; if it is the name of a language, the message gives its code.
    """
    table = languages()
    if code not in table:
        code_of = resolve(code) or _OF_COUNTRIES.get(code)
        hint = f"; did you mean {code_of!r}?" if code_of else nearest(code, table)
        raise InputError(f"unknown language {code!r}: expected a code of BCP 47 such as en, fr, zh{hint}")
    return table[code]


def check_languages(place: str, codes: Sequence[str], least: int = 2) -> None:
    """Refuse unknown codes, codes that are given twice, and fewer than `least` of them.

    Args:
        place: name of the key or option for an error message.
        codes: codes of languages.
        least: number of different languages that are needed.

    Raises:
        InputError: with a line for each fault.
    """
    lines = []
    if len(set(codes)) < max(least, len(codes)):
        requirement = "at least two different languages" if len(set(codes)) < least else "each language once"
        lines.append(f"{place}: expected {requirement}, found {', '.join(codes) or 'none'}")
    for code in dict.fromkeys(codes):
        try:
            language(code)
        except InputError as error:
            lines.append(f"{place}: {error}")
    if lines:
        raise InputError("\n".join(lines))


@functools.cache
def _labels() -> dict[str, str]:
    # A code goes before a name: `ga` is Irish, though a language of Ghana is called Ga.
    codes = {code: code for code in languages()}
    for entry in languages().values():
        for label in (entry.name.lower().replace(" ", "-"), *entry.aliases):
            codes.setdefault(label, entry.code)
    return codes


@functools.lru_cache(4096)
def resolve(label: str) -> str | None:
    """Code of the language that a corpus calls `label`.

    Region, script and encoding are left out (`zh_CN`, `cmn_Hans`, `en_US.UTF-8`, `__label__en`); so zh covers both
    Chinese scripts.

    Returns:
        The code; an empty string if the label means no single known language (und, unknown, mul); None if the label is
        not in the table.
    """
    text = label.strip().lower().removeprefix("__label__")
    if text in _ABSENT:
        return ""
    labels = _labels()
    matches = (labels[spelling] for spelling in _spellings(text) if spelling in labels)
    return next(matches, None)


def _spellings(text: str) -> Iterator[str]:
    """What of a label may stand in the table, the most specific first."""
    yield re.sub(r"[\s_,]+", "-", text)
    if inner := _PARENTHESES.match(text):
        base, detail = inner[1].replace(" ", "-"), inner[2].replace(" ", "-")
        yield f"{base}-{detail}"
        yield f"{detail}-{base}"
        yield base
    tag = re.split(r"[.@]", text)[0].replace("_", "-")
    if _TAG.fullmatch(tag):
        parts = tag.split("-")
        for length in range(len(parts) - 1, 0, -1):
            yield "-".join(parts[:length])
