"""Text of `benchmarks.words` in 22 languages: LibreOffice's help pages, or its interface where it has none."""

from __future__ import annotations

import gettext
import io
import random

from semantic_pivots.caching import cache_folder
from semantic_pivots.corpus.fetch import DebianPackages, package_files
from semantic_pivots.corpus.recipes.extract import html_text

_HELP = {
    "en": "en-us", "fr": "fr", "de": "de", "es": "es", "it": "it", "pt": "pt", "nl": "nl", "pl": "pl", "cs": "cs",
    "ru": "ru", "el": "el", "tr": "tr", "hu": "hu", "fi": "fi", "ko": "ko", "hi": "hi", "ja": "ja", "zh": "zh-cn",
}  # fmt: skip
_INTERFACE = ("uk", "ar", "he", "th")
LANGUAGES = (*_HELP, *_INTERFACE)
_STRINGS = 12
"""Strings of the interface in one document."""


def documents(code: str, count: int, seed: int) -> list[str]:
    """Up to `count` documents of a language, drawn from all that the package has."""
    packages = DebianPackages(cache_folder(""))
    name = f"libreoffice-help-{_HELP[code]}" if code in _HELP else f"libreoffice-l10n-{code}"
    found, absent = packages.fetch([name])
    if absent:
        raise SystemExit(f"{absent[0]}: no such package here; expected Debian or Ubuntu")
    if code in _HELP:
        texts = [html_text(data) for _, data in package_files(found[name], r"/text/.*\.html$")]
    else:
        texts = _interface([data for _, data in package_files(found[name], r"\.mo$")], seed)
    texts = sorted({text for text in texts if len(text) >= 100})
    return random.Random(seed).sample(texts, min(count, len(texts)))


def _interface(catalogues: list[bytes], seed: int) -> list[str]:
    strings = set()
    for data in catalogues:
        known = gettext.GNUTranslations(io.BytesIO(data))._catalog  # type: ignore[attr-defined]
        strings |= {value.replace("_", "").replace("~", "") for key, value in known.items() if key and value != key}
    ordered = sorted(strings)
    random.Random(seed).shuffle(ordered)
    return ["\n".join(ordered[k : k + _STRINGS]) for k in range(0, len(ordered), _STRINGS)]
