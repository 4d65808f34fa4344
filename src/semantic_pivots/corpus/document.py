"""One pre-training document, and the parts of one that is in several languages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from semantic_pivots.languages import resolve

MULTILINGUAL = "mul"
"""Language of a document that has parts in several (ISO 639-2)."""
ARRANGEMENTS = ("rows", "split", "joined")
HINGE = "en"
"""Language whose equal sentences join rows."""

Parts = tuple[tuple[str, str], ...]


class Document(NamedTuple):
    """One pre-training document.

    `language` is a code from the table of languages, `mul` if the parts are in several languages, empty if the language
    is not known, or the corpus's own label if the table does not have it. `parts` are the language and text of each
    part of a document in several languages; other documents have no parts. `confidence` is the identification model's
    probability, None if the corpus gives the language.
    """

    id: str
    text: str
    language: str
    source: str
    parts: Parts = ()
    confidence: float | None = None


def language_of(label: str) -> str:
    """The code of a language label; the label itself if it is unknown, empty if it names no language."""
    code = resolve(label)
    return label.strip().lower() if code is None else code


def content_id(text: str) -> str:
    """The id of a document that has none: a hash of its text, equal on every machine."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def of_parts(key: str, parts: Iterable[tuple[str, str]], source: str, text: str = "") -> Document:
    """A document made of parts; without `text`, its text is the texts of the parts on separate lines."""
    texts = tuple((code, part) for code, part in parts if part.strip())
    codes = {code for code, _ in texts}
    full = text or "\n".join(part for _, part in texts)
    if len(codes) < 2:
        return Document(key, full, codes.pop() if codes else "", source)
    return Document(key, full, MULTILINGUAL, source, texts)


def given_parts(value: object) -> Parts:
    """The parts in a column's value: a list of structures with language (or lang) and text, or texts by language.

    Entries of another form, and entries without a language or a text, are left out.
    """
    if isinstance(value, dict):
        value = list(value.items())
    parts = []
    for entry in value if isinstance(value, list) else ():
        code = text = None
        if isinstance(entry, dict):
            code, text = entry.get("language") or entry.get("lang"), entry.get("text")
        elif isinstance(entry, tuple):  # an entry of a dictionary, or of a map of Arrow's
            code, text = entry
        if isinstance(code, str) and isinstance(text, str) and text.strip():
            parts.append((language_of(code), text))
    return tuple(parts)


def split(document: Document) -> Iterator[Document]:
    """Split a document into one document per language of its parts; a document without parts is returned unchanged."""
    if not document.parts:
        yield document
    for code in dict.fromkeys(code for code, _ in document.parts):
        text = "\n".join(part for language, part in document.parts if language == code)
        yield Document(f"{document.id}.{code}", text, code, document.source)


def hinge(document: Document) -> str:
    """The text by which documents are joined: the English part with single spaces; empty without parts."""
    return " ".join(" ".join(part for code, part in document.parts if code == HINGE).split())


def join(documents: Iterable[Document]) -> Iterator[Document]:
    """Join documents with the same hinge, in the order of their first document; equal parts once, English first.

    A document without a hinge stays alone.
    """
    groups: dict[tuple[str, int], list[Document]] = {}
    for number, document in enumerate(documents):
        sentence = hinge(document)
        groups.setdefault((sentence, 0 if sentence else number), []).append(document)
    for (sentence, _), group in groups.items():
        if len(group) == 1:
            yield group[0]
            continue
        parts = dict.fromkeys(part for document in group for part in document.parts if part[0] != HINGE)
        sources = "+".join(sorted({document.source for document in group}))
        yield of_parts(f"joined:{content_id(sentence)}", [(HINGE, sentence), *parts], sources)
