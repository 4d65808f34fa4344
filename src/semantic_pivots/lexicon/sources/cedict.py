"""CC-CEDICT: `traditional simplified [pin1 yin1] /gloss; gloss/gloss/`; its second form doubles the brackets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from semantic_pivots.lexicon.sources.entry import Entry

_LINE = re.compile(r"^(\S+) (\S+) \[\[?([^]]*)\]\]? /(.*)/\s*$")
_NOTE = re.compile(r"\([^()]*\)|\[\[?[^]]*\]\]?")
_POINTERS = (
    "CL:",
    "variant of",
    "old variant",
    "see ",
    "see also",
    "surname ",
    "abbr. for",
    "also written",
    "used in ",
)


def read(lines: Iterable[str]) -> Iterator[Entry]:
    """Simplified headwords with English glosses; proper names (capital pinyin), pointers and comments left out.

    Glosses keep `to ` before verbs: it is the only mark of the part of speech this dictionary has.
    """
    for line in lines:
        match = None if line.startswith("#") else _LINE.match(line)
        if not match or match[3][:1].isupper():
            continue
        senses = []
        for sense in match[4].split("/"):
            glosses = (_NOTE.sub("", gloss).strip() for gloss in sense.split(";"))
            plain = tuple(gloss for gloss in glosses if gloss and not gloss.startswith(_POINTERS))
            if plain:
                senses.append(plain)
        if senses:
            yield Entry(match[2], "zh", "en", "", tuple(senses))


def simplified_characters(lines: Iterable[str]) -> dict[str, str]:
    """Each traditional character's simplified form, as the dictionary's own headwords pair them."""
    pairs: dict[str, str] = {}
    for line in lines:
        match = None if line.startswith("#") else _LINE.match(line)
        if match and len(match[1]) == len(match[2]):
            for traditional, simple in zip(match[1], match[2], strict=True):
                if traditional != simple:
                    pairs.setdefault(traditional, simple)
    return pairs
