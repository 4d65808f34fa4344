"""Vietnamese words with the tone mark on the other vowel: hòa and hoà, thúy and thuý.

Two conventions are in use where a syllable ends in oa, oe or uy: the older one marks the first vowel, the newer one the
second (L. C. Thompson, A Vietnamese Reference Grammar, 1987, ch. 3). In all other syllables they agree.
"""

from __future__ import annotations

import re
import unicodedata

_TONE = "([\u0300\u0301\u0303\u0309\u0323])"
_END = r"(?![^\W\d_]|[\u0300-\u036f])"
_ON_FIRST = re.compile(f"(?<!q)(o(?=.[ae])|u(?=.y)){_TONE}([aey]){_END}")
_ON_SECOND = re.compile(f"(?<!q)(o(?=[ae])|u(?=y))([aey]){_TONE}{_END}")


def variants(word: str) -> list[str]:
    """The other spellings of a folded word by the two conventions."""
    letters = unicodedata.normalize("NFD", word)
    spellings = (pattern.sub(r"\1\3\2", letters) for pattern in (_ON_FIRST, _ON_SECOND))
    return [text for text in (unicodedata.normalize("NFC", spelling) for spelling in spellings) if text != word]
