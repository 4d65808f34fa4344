"""Semantic pivots of a pair: units that co-occur with both of its words more often than by chance (METHOD §5).

`default`: the units are words (`units`), or tokens, of distinct documents that hold each word itself (`draws`). A unit
needs evidence of both sides at a false-discovery rate (`evidence`), and is ranked by its association with both words.
Where nothing passes the answer is none, and the table `pivot_evidence` says why. Forms of the two words never are
pivots; a further language's word of the same concept may be one and is marked, because such words are what joins
languages.

`paper`: the published sampling (`published_pivots`), ranked by the smaller surplus, nothing left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from semantic_pivots import grammar, words
from semantic_pivots.counting.counts import Pair, benchmark_words
from semantic_pivots.counting.shard_passes import Corpus, StoredCorpus
from semantic_pivots.lexicon.concepts import words_by_concept
from semantic_pivots.pivots.discover_stage import DiscoverConfig
from semantic_pivots.pivots.evidence import PairCounts, measures, q_values, tversky
from semantic_pivots.pivots.own_words import is_form, is_piece, plain
from semantic_pivots.pivots.pivot_tables import Item, Pivots, evidence_table, pair_of, pivot_table, words_of
from semantic_pivots.pivots.published import published_contexts
from semantic_pivots.pivots.relatedness import relatedness
from semantic_pivots.pivots.word_contexts import WordContexts, word_contexts_of
from semantic_pivots.run import Inputs, Work, progress


class Discovery(NamedTuple):
    """The tables `pivots` (best first) and `pivot_evidence`, and the number of words that no document holds."""

    pivots: pa.Table
    evidence: pa.Table
    words_without_documents: int


def discover_stage(config: DiscoverConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Discover the pivots of every item (tables `pivots` and `pivot_evidence`).

    Raises:
        InputError: the configuration names an unknown form, measure or unit.
    """
    corpus = StoredCorpus(inputs, work, config.workers, config.engine)
    lexicon = words_by_concept(inputs.table("words")) if inputs.has("words") else None
    result = discover(inputs.table("items"), corpus, config, lexicon)
    work.note("words_without_documents", result.words_without_documents)
    return {"pivots": result.pivots, "pivot_evidence": result.evidence}


def discover(
    item_table: pa.Table, corpus: Corpus, config: DiscoverConfig, lexicon: dict[str, dict[str, str]] | None = None
) -> Discovery:
    """Discover the pivots of every item in a corpus on disk or in memory.

    Args:
        item_table: the table `items`.
        corpus: the documents.
        config: form, unit, measure and thresholds.
        lexicon: the word of each concept in each language. A pivot that is the concept's word in a further language
            is marked as a translation. None: the words of the items.

    Raises:
        InputError: the configuration names an unknown form, measure or unit.
    """
    grammar.check(config)
    items = item_table.to_pylist()
    spellings, pairs = benchmark_words(item_table)
    is_published = config.form == "paper"
    contexts = (published_contexts if is_published else word_contexts_of)(corpus, spellings, config)
    searches: dict[Pair, Search] = {}
    with progress(len(pairs), "pairs", "discover") as bar:
        for pair in pairs:
            searches[pair] = search(contexts, pair, config)
            bar.advance()
    if not is_published:
        correct(list(searches.values()), len(contexts.ids), config.false_discovery_rate)
    best = {pair: rank_pivots(searches[pair], [contexts.totals[word] for word in pair], config) for pair in pairs}
    item_pivots = [best[pair].from_source_of(item) for item in items for pair in [pair_of(item)]]
    texts = [[contexts.texts[unit] for unit in pivots.units.tolist()] for pivots in item_pivots]
    cosines = relatedness([(item["source"], item["target"]) for item in items], texts) if config.relatedness else None
    counts = {pair: (s.candidates, len(s.counts.units), s.counts.together) for pair, s in searches.items()}
    lexicon = _words_of_items(items) if lexicon is None else lexicon
    return Discovery(
        pivot_table(items, item_pivots, texts, cosines, lexicon, config),
        evidence_table(items, item_pivots, counts, contexts),
        sum(len(draw) == 0 for draw in contexts.draws.values()),
    )


def _words_of_items(items: Sequence[Item]) -> dict[str, dict[str, str]]:
    """The word of each concept in each language, from the items."""
    of_concept: dict[str, dict[str, str]] = {}
    for item in items:
        for word, code in words_of(item):
            of_concept.setdefault(item["concept_id"], {}).setdefault(code, word)
    return of_concept


@dataclass
class Search:
    """Units that may be pivots of a pair, and the evidence for each."""

    counts: PairCounts
    p_values: np.ndarray
    q_values: np.ndarray
    candidates: int
    """units that co-occur with both words"""


def search(contexts: WordContexts, pair: Pair, config: DiscoverConfig) -> Search:
    """Units that co-occur with both words of a pair and have p <= the false-discovery rate; all units in form `paper`.

    Forms and pieces of the pair's own words are left out.
    """
    pair_counts = _pair_counts(contexts, pair)
    candidates = len(pair_counts.units)
    if config.form == "paper":
        return Search(pair_counts, np.full(candidates, np.nan), np.full(candidates, np.nan), candidates)
    expectation = pair_counts.frequency / pair_counts.documents * np.array(pair_counts.draw_sizes)[:, None]
    pair_counts = pair_counts.take(np.flatnonzero((pair_counts.times > expectation).all(axis=0)))
    p_values = pair_counts.p_values()
    spellings = [words.normalise(word) for word, _ in pair]
    is_own = is_form if config.unit == "word" else is_piece
    texts = [plain(contexts.texts[unit]) for unit in pair_counts.units.tolist()]
    strong = np.flatnonzero(p_values <= config.false_discovery_rate).tolist()
    rows = np.array([k for k in strong if not any(is_own(texts[k], word) for word in spellings)], np.int64)
    rows = rows[~np.isin(pair_counts.units[rows], np.concatenate([contexts.units_of_word[word] for word in pair]))]
    return Search(pair_counts.take(rows), p_values[rows], np.ones(len(rows)), candidates)


def _pair_counts(contexts: WordContexts, pair: Pair) -> PairCounts:
    first, second = (contexts.draws[word] for word in pair)
    (first_units, times), (second_units, other_times) = (contexts.unit_counts(word) for word in pair)
    units, i, j = np.intersect1d(first_units, second_units, assume_unique=True, return_indices=True)
    together = np.intersect1d(first, second)
    shared_units, shared_times = contexts.within(together)
    joint_times = np.zeros(len(units), np.int64)
    rows = np.searchsorted(units, shared_units)  # a unit of a document with both words is a unit of each
    joint_times[rows] = shared_times
    counts, draw_sizes = np.stack([times[i], other_times[j]]), (len(first), len(second))
    apart = (contexts.length(np.setdiff1d(documents, together)) for documents in (first, second))
    lengths = next(apart), next(apart), contexts.length(together)
    frequency = contexts.frequency[units]
    return PairCounts(units, counts, joint_times, draw_sizes, len(together), frequency, contexts.documents, lengths)


def correct(searches: Sequence[Search], units: int, rate: float) -> None:
    """Keep the units with q <= `rate`; the number of tests is `units` times the pairs whose words have documents."""
    tests = units * sum(min(outcome.counts.draw_sizes) > 0 for outcome in searches)
    values = q_values(np.concatenate([np.zeros(0), *(outcome.p_values for outcome in searches)]), tests)
    ends = np.cumsum([len(outcome.p_values) for outcome in searches])
    for outcome, q in zip(searches, np.split(values, ends[:-1]), strict=True):
        rows = np.flatnonzero(q <= rate)
        outcome.counts, outcome.p_values, outcome.q_values = outcome.counts.take(rows), outcome.p_values[rows], q[rows]


def rank_pivots(outcome: Search, totals: Sequence[int], config: DiscoverConfig) -> Pivots:
    """The pivots of a pair, best first; `totals` are the numbers of documents that contain each of its words."""
    pair_counts = outcome.counts
    sides = [
        measures(
            pair_counts.times[k].astype(np.float64),
            max(draw_size, 1),
            pair_counts.frequency,
            pair_counts.documents,
            totals[k],
        )
        for k, draw_size in enumerate(pair_counts.draw_sizes)
    ]
    measure = config.measure
    value = tversky(pair_counts, totals) if measure == "tversky" else np.minimum(sides[0][measure], sides[1][measure])
    best = np.lexsort((pair_counts.units, -value))
    least = 0.0 if config.form == "paper" else config.least_share * value.max(initial=0.0)
    best = best[(value[best] > 0) & (value[best] >= least)][: config.top]
    surplus = np.stack([side["min"] for side in sides])
    return Pivots(
        pair_counts.units[best], pair_counts.times[:, best], surplus[:, best], value[best], outcome.q_values[best]
    )
