"""Entries of dictionaries, as every reader yields them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """A headword with its translations, grouped by sense in the dictionary's order (the main sense first)."""

    word: str
    language: str
    target_language: str
    pos: str
    """noun, verb, adjective, other, or empty where the dictionary does not say"""
    senses: tuple[tuple[str, ...], ...]


def part_of_speech(label: str) -> str:
    """noun, verb, adjective or other for a dictionary's own label; empty for an empty label."""
    label = label.strip().lower()
    if not label:
        return ""
    if label.startswith(("adjective", "adj", "'taru' adj", "adjectival noun")):
        return "adjective"
    if label in ("v", "vi", "vt", "vb") or label.startswith(("verb", "godan", "ichidan", "kuru verb", "suru verb")):
        return "verb"
    if label == "n" or (label.startswith(("n,", "noun", "masc", "fem", "neut")) and "suffix" not in label):
        return "noun"
    return "other"
