"""Frequencies, neighbours' languages and rows of the graph of a corpus, in passes over its shards (METHOD §6).

The first pass counts the documents with each token. The second numbers the tokens of each document, and sums, over the
documents of each token, their other tokens, all and those that belong to each language. The third counts rows, in
blocks of at most `_NUMBERS` numbers; each block reads what the second wrote. Memory: a shard and a block for each
worker, and some five numbers for each token and language in one process.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from semantic_pivots.counting.document_draws import column, distinct_in, pack, survey, unpacked
from semantic_pivots.counting.shard_passes import Corpus, Shard
from semantic_pivots.counting.unit_counts import ids_by_frequency, kind_of, renumber
from semantic_pivots.engines import read_parts
from semantic_pivots.pivots import token_graph
from semantic_pivots.pivots.token_graph import Block, Documents, Rows
from semantic_pivots.pivots.word_contexts import FEWEST_OF_LANGUAGE

_BELONGS = 0.9
"""Share of a token's rate over the languages that makes it a token of one of them."""
_NUMBERS = 1 << 26
"""Numbers in a block of rows: 256 MiB."""
_FEWEST_BLOCKS = 4
"""Least number of blocks, so that as many workers have one each."""


class TokenDegrees:
    """The tokens of a corpus, numbered by document frequency (ties by id).

    Attributes:
        ids: (size,) int32 vocabulary id of each token that occurs.
        frequency: (size,) int64 number of documents with each.
        by_language: (size, languages) int64 the same in each language.
        languages: codes of the languages that have at least FEWEST_OF_LANGUAGE documents, sorted.
        documents_of: (languages,) int64 their documents.
        documents: number of all documents.
    """

    def __init__(self, corpus: Corpus, vocabulary: int):
        counts = survey(corpus, (), vocabulary)
        self._corpus, self._vocabulary = corpus, vocabulary
        self.languages = sorted(c for c, n in counts.documents.items() if c and n >= FEWEST_OF_LANGUAGE)
        self.documents_of = np.array([counts.documents[code] for code in self.languages], np.int64)
        self.documents = sum(counts.documents.values())
        frequency = np.zeros(vocabulary, np.int64)
        for code, of_language in list(counts.frequency.items()):
            frequency += of_language
            if code not in self.languages:
                del counts.frequency[code]
        self.ids = ids_by_frequency(frequency)
        self.frequency = frequency[self.ids]
        self.by_language = np.empty((len(self.ids), len(self.languages)), np.int64)
        for place, code in enumerate(self.languages):
            self.by_language[:, place] = counts.frequency.pop(code)[self.ids]

    def owner(self) -> np.ndarray:
        """(size,) int32: the language that each token belongs to, -1 for none.

        A token belongs to a language if at least nine tenths of its rates (documents with it over documents of the
        language), summed over languages, are in that language.
        """
        if not self.languages:
            return np.full(len(self.ids), -1, np.int32)
        rate = self.by_language / self.documents_of
        rate /= np.maximum(rate.sum(axis=1, keepdims=True), 1e-300)
        belongs = (rate.max(axis=1) >= _BELONGS) & (self.by_language.sum(axis=1) >= 2)
        return np.where(belongs, rate.argmax(axis=1), -1).astype(np.int32)

    @cached_property
    def _parts(self) -> pa.Table | dict[str, Path]:
        owners, number = np.full(self._vocabulary, -1, np.int32), np.zeros(self._vocabulary, np.int32)
        owners[self.ids], number[self.ids] = self.owner(), np.arange(len(self.ids))
        constants = number.astype(kind_of(len(self.ids))), owners, len(self.languages)
        return self._corpus.result_tables("meetings", _meetings_of_shard, *constants)

    @cached_property
    def _sums(self) -> tuple[np.ndarray, np.ndarray]:
        slots, meetings = np.zeros(len(self.ids), np.int64), np.zeros((len(self.ids), len(self.languages)), np.int64)
        kinds = {"occurring": kind_of(len(self.ids)), "slots": np.int64, "cells": np.int64, "meetings": np.int64}
        for part in _arrays(self._parts, kinds):
            slots[part["occurring"]] += part["slots"]
            meetings.ravel()[part["cells"]] += part["meetings"]
        return slots, meetings

    @property
    def slots(self) -> np.ndarray:
        """(size,) int64: number of other distinct tokens, summed over the documents of each token."""
        return self._sums[0]

    @property
    def meetings(self) -> np.ndarray:
        """(size, languages) int64: the same of the tokens that belong to each language."""
        return self._sums[1]

    def rows(self, tokens: np.ndarray, least: int, sample_size: int, top: int) -> Rows:
        """Rows of the graph of the whole corpus; arguments as in `token_graph.rows`."""
        slots, size = self.slots[tokens], len(self.ids)
        numbers = min(_NUMBERS, -(-int(np.minimum(slots, size).sum()) // _FEWEST_BLOCKS))
        blocks = [
            _Members(tokens[begin:end], slots[begin:end], self.frequency[tokens[begin:end]])
            for begin, end in token_graph.blocks(slots, size, numbers)
        ]
        constants = self._parts, size, least, sample_size, top
        results = self._corpus.calls("rows", _rows_of_members, [(block,) for block in blocks], *constants)
        of_blocks = [token_graph.empty_rows(0, top)]
        for degree, strength, rarefied_degree, neighbours in (unpacked(part).values() for part in results):
            of_blocks.append(Rows(degree, strength, rarefied_degree, neighbours.reshape(len(degree), top)))
        return token_graph.together(of_blocks)


class _Members(NamedTuple):
    """Tokens of a block of rows; `slots` and `frequency` in the whole corpus."""

    tokens: np.ndarray
    slots: np.ndarray
    frequency: np.ndarray


def _arrays(
    parts_of_shards: pa.Table | dict[str, Path], kinds: dict[str, npt.DTypeLike]
) -> Iterator[dict[str, np.ndarray]]:
    """Arrays of these names and dtypes that a pass over the corpus gave for each shard."""
    columns = [column(name, kind) for name, kind in kinds.items()]
    if isinstance(parts_of_shards, dict):
        yield from map(unpacked, read_parts(parts_of_shards.values(), columns))
    else:
        for row in range(parts_of_shards.num_rows):
            yield unpacked(parts_of_shards.slice(row, 1).select(columns))


def _meetings_of_shard(shard: Shard, number: np.ndarray, owners: np.ndarray, languages: int) -> pa.Table:
    starts, distinct = distinct_in(shard, len(number))
    ids, tokens = renumber(distinct, len(number))
    slots, meetings = _meetings(starts, tokens, owners[ids], languages)
    rows, languages_met = np.nonzero(meetings)
    cells = number[ids[rows]].astype(np.int64) * languages + languages_met
    sums = {"occurring": number[ids], "slots": slots, "cells": cells, "meetings": meetings[rows, languages_met]}
    return pack({"starts": starts, "tokens": number[distinct], **sums})


@numba.njit(cache=True, nogil=True)
def _meetings(starts, tokens, owner, languages):  # pragma: no cover - compiled
    slots, meetings = np.zeros(len(owner), np.int64), np.zeros((len(owner), languages), np.int64)
    joins = np.zeros(languages, np.int64)
    for document in range(len(starts) - 1):
        joins[:] = 0
        begin, end = starts[document], starts[document + 1]
        for i in range(begin, end):
            if owner[tokens[i]] >= 0:
                joins[owner[tokens[i]]] += 1
        for i in range(begin, end):
            token = tokens[i]
            slots[token] += end - begin - 1
            for language in range(languages):
                meetings[token, language] += joins[language]
            if owner[token] >= 0:
                meetings[token, owner[token]] -= 1  # a token is not its own neighbour
    return slots, meetings


def _rows_of_members(
    members: _Members, parts_of_shards: pa.Table | dict[str, Path], size: int, least: int, sample_size: int, top: int
) -> pa.Table:
    block = Block(members.tokens, members.slots, size)
    for part in _arrays(parts_of_shards, {"starts": np.int64, "tokens": kind_of(size)}):
        documents = Documents(part["starts"], part["tokens"])
        block.add(documents, *token_graph.postings(*documents, members.tokens, size))
    made = block.rows(members.frequency, least, sample_size, top)
    return pack({**made._asdict(), "neighbours": made.neighbours.ravel()})
