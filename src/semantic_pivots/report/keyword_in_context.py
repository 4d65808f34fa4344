"""Documents of a corpus with two words of interest, such as a word and its pivot, shown as keywords in context.

One pass over the corpus finds the documents of all pairs, with the kernels that count them. It reads at most a fixed
amount of text, which the explorer says: a corpus of terabytes is not read to show ten lines of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from semantic_pivots.counting.match import Words, find
from semantic_pivots.counting.strings import buffers
from semantic_pivots.wordforms.rule import SPELLING, Rule, places
from semantic_pivots.words import compose, folded_places, nfc, normalise

READ_BYTES = 256_000_000
_CONTEXT_CHARACTERS = 48
_OF_PAIR = 2
_LONGEST = 200_000

Word = tuple[str, str]


class Line(NamedTuple):
    """A place of a word in a document."""

    before: str
    word: str
    after: str


class Passage(NamedTuple):
    """A document that holds two words, as a line around each."""

    source: str
    document: str
    language: str
    lines: tuple[Line, ...]


def passages(shards: Sequence[Path], pairs: Sequence[tuple[Word, Word]], rule: Rule = SPELLING) -> tuple[dict, int]:
    """Up to two passages for each pair of words, from the shortest documents, and the number of bytes that were read.

    Args:
        shards: Parquet files of documents.
        pairs: words with their languages.
        rule: the rule by which the words are matched.

    Returns:
        {pair: [Passage]}, without the pairs that have no passage, and the number of bytes.
    """
    spellings = sorted({word for pair in pairs for word in pair})
    words = Words.compile(spellings, rule)
    entry_of = dict(zip(spellings, words.pattern_of.tolist(), strict=True))
    partners: dict[int, list[int]] = {}
    entries = [(entry_of[a], entry_of[b]) for a, b in pairs]
    for number, (a, _) in enumerate(entries):
        partners.setdefault(a, []).append(number)
    best: dict[int, list[tuple[int, int, int]]] = {}
    read = 0
    for shard, path in enumerate(shards):
        texts = pq.read_table(path, columns=["text"])["text"]
        data, offsets = buffers(texts)
        read += len(data)
        starts, hits = find(words, data, offsets)
        sizes = np.diff(offsets)
        for row in np.flatnonzero(np.diff(starts) > 1).tolist():
            numbers = set(hits[starts[row] : starts[row + 1]].tolist())
            if sizes[row] > _LONGEST:
                continue
            for number in (n for entry in numbers & partners.keys() for n in partners[entry]):
                if entries[number][1] in numbers:
                    best_of = best.setdefault(number, [])
                    best_of.append((int(sizes[row]), shard, row))
                    if len(best_of) > 4 * _OF_PAIR:
                        best[number] = sorted(best_of)[:_OF_PAIR]
        if read > READ_BYTES:
            break
    choice = {number: sorted(best_of)[:_OF_PAIR] for number, best_of in best.items()}
    return _read(shards, pairs, choice, rule), read


def _read(shards: Sequence[Path], pairs: Sequence[tuple[Word, Word]], choice: dict, rule: Rule) -> dict:
    by_shard: dict[int, dict[int, dict]] = {}
    for entries in choice.values():
        for _, shard, row in entries:
            by_shard.setdefault(shard, {})[row] = {}
    for shard, rows in by_shard.items():
        table = pq.read_table(shards[shard], columns=["id", "text", "language", "source"])
        for row, record in zip(sorted(rows), table.take(sorted(rows)).to_pylist(), strict=True):
            rows[row] = record
    out: dict = {}
    for number, entries in choice.items():
        for _, shard, row in entries:
            record = by_shard[shard][row]
            lines = tuple(filter(None, (line(record["text"], word, rule) for word in pairs[number])))
            if len(lines) == len(pairs[number]):
                out.setdefault(pairs[number], []).append(
                    Passage(record["source"], record["id"], record["language"], lines)
                )
    return out


def line(text: str, word: Word, rule: Rule = SPELLING) -> Line | None:
    """The first occurrence of a word in a text, matched by `rule`, with its context; None if there is none."""
    text = compose(text) if rule.folds else nfc(text)  # of which `normalise` keeps the length
    folds, at = folded_places(text) if rule.folds else (normalise(text), range(len(text)))
    spans = [
        (at[begin], at[begin + len(form.text) - 1] + 1) for form in rule.forms(word) for begin in places(folds, form)
    ]
    if not spans:
        return None
    begin, end = min(spans)
    before, after = text[max(0, begin - _CONTEXT_CHARACTERS) : begin], text[end : end + _CONTEXT_CHARACTERS]
    before, after = (
        "…" * (begin > _CONTEXT_CHARACTERS) + before,
        after + "…" * (end + _CONTEXT_CHARACTERS < len(text)),
    )
    return Line(*(part.replace("\n", " ") for part in (before, text[begin:end], after)))
