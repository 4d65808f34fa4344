"""Texts of the words benchmark: LibreOffice's help pages, or its translated messages where a language has no help.

The packages come as those of the recipes do (`corpus.fetch`), without root. A document is the first 2,000 characters of
a page, or 40 messages. Help is half translated: lines that stand in the English help too are left out, and so are pages
that are not identified as the language.
"""

from __future__ import annotations

import functools
import gettext
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

from semantic_pivots.corpus.fetch import DebianPackages, package_files
from semantic_pivots.corpus.identify import identify
from semantic_pivots.corpus.recipes.extract import html_text

CHARACTERS, MESSAGES = 2_000, 40
HELP = {code: f"libreoffice-help-{code}" for code in ("fr", "de", "es", "it", "pt", "nl", "pl", "cs", "ru", "el", "tr")}
HELP |= {code: f"libreoffice-help-{code}" for code in ("hu", "fi", "ko", "hi", "ja", "sv", "da", "sl")}
HELP |= {"en": "libreoffice-help-en-us", "zh": "libreoffice-help-zh-cn"}
MESSAGES_OF = {code: f"libreoffice-l10n-{code}" for code in ("uk", "ar", "he", "th", "ro", "bg", "sk", "hr", "sr")}
MESSAGES_OF |= {"no": "libreoffice-l10n-nb"}
LANGUAGES = "en fr de es it pt nl pl cs ru uk el tr hu fi ko ar he hi ja zh th sv da no ro bg sk sl hr sr".split()


def _rank(seed: int, text: str) -> bytes:
    return hashlib.sha256(f"{seed}\x1f{text}".encode()).digest()


def _pages(deb: Path, untranslated: frozenset[str] = frozenset()) -> Iterator[str]:
    for _, data in package_files(deb, r"/help/[^/]+/text/.*\.html$"):
        lines = html_text(data).splitlines()
        yield "\n".join(line for line in lines if line not in untranslated)


@functools.lru_cache(maxsize=1)
def _english(cache: Path) -> frozenset[str]:
    deb = DebianPackages(cache).fetch([HELP["en"]])[0][HELP["en"]]
    return frozenset(line for page in _pages(deb) for line in page.splitlines())


def _messages(deb: Path, seed: int) -> Iterator[str]:
    found: set[str] = set()
    for _, data in package_files(deb, r"\.mo$"):
        catalog = gettext.GNUTranslations(io.BytesIO(data))._catalog  # type: ignore[attr-defined]
        # What is not translated, a name or a function, stands in Latin letters, which none of these languages has.
        found.update(text for text in catalog.values() if text and not text.isascii())
    ordered = sorted(found - {""}, key=lambda text: _rank(seed, text))
    for begin in range(0, len(ordered), MESSAGES):
        yield "\n".join(ordered[begin : begin + MESSAGES])


def documents(code: str, count: int, seed: int, cache: Path) -> list[str]:
    """Documents of a language, drawn by the hash of the seed and the text.

    Raises:
        InputError: the package cannot be fetched.
    """
    package = HELP.get(code) or MESSAGES_OF[code]
    deb = DebianPackages(cache).fetch([package])[0][package]
    untranslated = frozenset() if code == "en" or code in MESSAGES_OF else _english(cache)
    texts = {page[:CHARACTERS] for page in _pages(deb, untranslated)} if code in HELP else set(_messages(deb, seed))
    ordered = sorted(texts, key=lambda text: _rank(seed, text))
    chosen: list[str] = []
    for text in ordered:
        if len(chosen) == count:
            break
        if len(text) > 200 and identify(text) == code:
            chosen.append(text)
    return chosen
