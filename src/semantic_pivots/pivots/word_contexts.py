"""Contexts of words: the units of the documents that hold each, and how many documents of the corpus do.

A unit is a word (`units`) or a token of the model's tokenizer. Words that stand in more than a tenth of the documents
of any one language (stop words), or in one document only, are no unit of any context; nor are tokens that are not
whole characters or have no letter.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numba
import numpy as np

from semantic_pivots.corpus.vocabulary import id_count, special_tokens
from semantic_pivots.counting.counts import Word
from semantic_pivots.counting.document_draws import (
    Sample,
    Survey,
    draw,
    survey,
    word_frequencies,
)
from semantic_pivots.counting.shard_passes import Corpus
from semantic_pivots.counting.unit_counts import count_units
from semantic_pivots.counting.units import Splitter, pieces_of
from semantic_pivots.pivots.discover_stage import DiscoverConfig
from semantic_pivots.pivots.own_words import units_that_hold
from semantic_pivots.statistics import seed_of
from semantic_pivots.wordforms.rule import SPELLING, Rule
from semantic_pivots.wordforms.table import rule_of
from semantic_pivots.words import is_readable

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

STOP_SHARE = 0.1
"""Share of the documents, or of those of a language, above which a unit is a stop word."""
FEWEST_OF_LANGUAGE = 20
"""Documents of a language below which no share of them tells anything."""


def token_texts(tokenizer: Backend) -> list[str]:
    """The text of every id below `id_count`, with its leading space.

    An incomplete character is U+FFFD, and so is the text of a special token. The text of an unused id is empty.
    """
    special = special_tokens(tokenizer)
    # A decoder strips the leading space of a text; after an ordinary token it is kept.
    anchor = tokenizer.encode("a", add_special_tokens=False).ids
    anchor_text = tokenizer.decode(anchor, skip_special_tokens=False)
    ids = [[*anchor, token] for token in range(id_count(tokenizer))]
    texts = tokenizer.decode_batch(ids, skip_special_tokens=False)
    return ["\ufffd" if i in special else text.removeprefix(anchor_text) for i, text in enumerate(texts)]


def splitter_of(tokenizer: Backend, words: Iterable[str] = ()) -> Splitter:
    """A splitter of documents into words; its pieces are the tokens of the tokenizer and `words` (`pieces_of`)."""
    return Splitter.compile(pieces_of([*token_texts(tokenizer), *words]))


@numba.njit(cache=True)
def _unit_counts(documents, starts, tokens, counts, scratch):  # pragma: no cover - compiled
    """Units of the documents, and how many documents hold each; `counts` is zero before and after."""
    units = scratch[: count_units(documents, starts, tokens, counts, scratch)].astype(np.int32)
    times = np.empty(len(units), np.int64)
    for k in range(len(units)):
        times[k] = counts[units[k]]
        counts[units[k]] = 0
    return units, times


class WordContexts:
    """The drawn documents of each word and their units, and the number of documents of the corpus with each unit."""

    def __init__(
        self,
        starts: np.ndarray,
        ids: np.ndarray,
        tokens: np.ndarray,
        draws: dict[Word, np.ndarray],
        frequency: np.ndarray,
        documents: int,
        totals: dict[Word, int],
        texts: list[str],
        keys: np.ndarray | None = None,
        sources: np.ndarray | None = None,
        rule: Rule = SPELLING,
    ):
        """Store the counts and allocate the scratch buffers.

        Args:
            starts: (n + 1,) int64; document i holds the distinct units tokens[starts[i]:starts[i + 1]].
            ids: int32 vocabulary ids of the units that can be pivots, by number, the most frequent first.
            tokens: uint16 or uint32 numbers.
            draws: the documents of each word, as indices below n, ascending.
            frequency: (size,) int64 background documents that contain each vocabulary id.
            documents: number of background documents.
            totals: number of documents from which those of each word were drawn.
            texts: (size,) the text of each vocabulary id.
            keys: (n,) uint64 hash of each document's id; None: its index.
            sources: (n,) hash of each document's source; None: all have the same source.
            rule: the rule by which the words were matched.
        """
        self.rule = rule
        self.keys = np.arange(len(starts) - 1, dtype=np.uint64) if keys is None else keys
        self.sources = np.zeros(len(starts) - 1, np.uint64) if sources is None else sources
        self.draws, self.frequency, self.documents, self.totals = draws, frequency, documents, totals
        self.starts, self.ids, self.tokens, self.texts = starts, ids, tokens, texts
        most = max((len(draw) for draw in draws.values()), default=0)
        # as small as they can be: their cost is cache misses
        self._counts = np.zeros(len(self.ids), np.uint16 if most < 2**16 else np.uint32)
        self._scratch = np.empty(len(self.ids), np.uint32)

    @functools.cached_property
    def units_of_word(self) -> dict[Word, np.ndarray]:
        """For each word, the vocabulary ids of the units that are forms of it under the rule."""
        return units_that_hold(list(self.draws), self.texts, self.rule)

    def unit_counts(self, word: Word) -> tuple[np.ndarray, np.ndarray]:
        """Vocabulary ids (int32) of the units of a word's documents, and how many contain each (int64)."""
        return self.within(self.draws[word])

    def within(self, documents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Vocabulary ids (int32) of the units of the documents, and how many contain each (int64)."""
        numbers, times = _unit_counts(documents, *self.counters())
        return self.ids[numbers], times

    def length(self, documents: np.ndarray) -> float:
        """Mean number of units in these documents over that in all documents of the corpus; 1 for no documents."""
        mean = self.frequency[self.ids].sum() / max(self.documents, 1)
        if not len(documents) or not mean:
            return 1.0
        return float((self.starts[documents + 1] - self.starts[documents]).mean() / mean)

    def counters(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The arguments of `count_units` after the documents: starts, tokens, counts, touched."""
        return self.starts, self.tokens, self._counts, self._scratch


def eligible(frequency: dict[str, np.ndarray], documents: dict[str, int], size: int) -> np.ndarray:
    """(size,) bool: units in two documents or more that are no stop word, by documents with each of each language.

    A stop word of one language among four is in few documents of the whole corpus: shares are taken within a language.
    """
    total = sum(frequency.values(), np.zeros(size, np.int64))
    is_eligible = (total >= 2) & (total <= STOP_SHARE * sum(documents.values()))
    for code, count in frequency.items():
        if documents[code] >= FEWEST_OF_LANGUAGE:
            is_eligible &= count <= STOP_SHARE * documents[code]
    return is_eligible


def word_contexts_of(corpus: Corpus, spellings: Sequence[Word], config: DiscoverConfig) -> WordContexts:
    """Distinct documents that hold each word, drawn from the whole corpus, in the configuration's units."""
    rule = rule_of(config.words, config.forms_path, spellings)
    make = _word_contexts if config.unit == "word" else _token_contexts
    return make(corpus, rule, tuple(spellings), [seed_of("discover", config.seed, *word) for word in spellings], config)


def _token_contexts(
    corpus: Corpus, rule: Rule, spellings: tuple[Word, ...], seeds: list[int], config: DiscoverConfig
) -> WordContexts:
    texts = token_texts(corpus.tokenizer)
    counts = survey(corpus, spellings, len(texts), rule)
    readable = np.array([is_readable(text) for text in texts])
    can = readable & eligible(counts.frequency, counts.documents, len(texts))
    ids, number = _vocabulary_numbers(counts, can, np.arange(len(texts)))
    sample = draw(corpus, spellings, seeds, config.documents, counts.totals, number, rule)
    return _contexts(rule, spellings, counts, sample, (sample.starts, ids, sample.tokens), texts)


def _word_contexts(
    corpus: Corpus, rule: Rule, spellings: tuple[Word, ...], seeds: list[int], config: DiscoverConfig
) -> WordContexts:
    splitter = splitter_of(corpus.tokenizer, (word for word, _ in spellings))
    counts = survey(corpus, spellings, 0, rule)
    sample = draw(corpus, spellings, seeds, config.documents, counts.totals, splitter, rule)
    counts = counts._replace(frequency=word_frequencies(corpus, splitter, sample.vocabulary.keys()))
    texts = sample.vocabulary.texts
    ids, number = _vocabulary_numbers(
        counts, eligible(counts.frequency, counts.documents, len(texts)), np.argsort(texts)
    )
    starts, tokens = _replace_numbers(sample.starts, sample.tokens, number)
    if len(ids) <= 2**16:
        tokens = tokens.astype(np.uint16)
    return _contexts(rule, spellings, counts, sample, (starts, ids, tokens), texts)


def _vocabulary_numbers(counts: Survey, eligible_units: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vocabulary ids that can be pivots, the most frequent first, and (size,) int32 the number of each, or -1.

    Of equal frequency the first in `order`, which must not depend on the order of the shards.
    """
    total = sum(counts.frequency.values(), np.zeros(len(eligible_units), np.int64))
    ids = order[np.argsort(-total[order], kind="stable")].astype(np.int32)
    ids = ids[eligible_units[ids]]
    number = np.full(len(eligible_units), -1, np.int32)
    number[ids] = np.arange(len(ids))
    return ids, number


@numba.njit(cache=True)
def _replace_numbers(starts, tokens, number):  # pragma: no cover - compiled
    """Documents in other numbers, moved together in place; units numbered -1 are left out."""
    begins, n = np.zeros(len(starts), np.int64), 0
    for document in range(len(starts) - 1):
        for i in range(starts[document], starts[document + 1]):
            unit = number[tokens[i]]
            if unit >= 0:
                tokens[n] = unit
                n += 1
        begins[document + 1] = n
    return begins, tokens[:n]


def _contexts(
    rule: Rule,
    spellings: tuple[Word, ...],
    counts: Survey,
    sample: Sample,
    documents: tuple[np.ndarray, np.ndarray, np.ndarray],
    texts: list[str],
) -> WordContexts:
    frequency = sum(counts.frequency.values(), np.zeros(len(texts), np.int64))
    total, totals = sum(counts.documents.values()), dict(zip(spellings, counts.totals.tolist(), strict=True))
    draws = dict(zip(spellings, sample.draws, strict=True))
    return WordContexts(*documents, draws, frequency, total, totals, texts, sample.keys, sample.sources, rule)
