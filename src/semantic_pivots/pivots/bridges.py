"""The pivot set as bridges: words or tokens that join both words of more concepts than by chance.

A degree in the token graph says that a token meets many others. In planted worlds the planted pivots have *fewer*
neighbours than a random graph gives them, since text keeps to its topic (docs/findings.md). Here a unit (a word, or a
token) is joined to a word when the word's documents hold it significantly more often than the corpus does. A pivot is
joined to both words of more concepts than chance gives a unit of as many joins (`bridge_counts`), at a false-discovery
rate over all units; and its documents are spread over sources (`deviations`), for options of commands, menus and sound
effects of one game stand together for reasons of their own. Concepts and languages are the study's own, so neither the
size of the corpus nor that of the vocabulary sets the bar.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
import pyarrow as pa

from semantic_pivots.counting.counts import Word
from semantic_pivots.counting.shard_passes import Corpus
from semantic_pivots.counting.strings import shuffle
from semantic_pivots.counting.unit_counts import count_units, frequencies
from semantic_pivots.errors import EmptyPivotSetError
from semantic_pivots.files import Record
from semantic_pivots.pivots import token_graph
from semantic_pivots.pivots.bridge_counts import bridge_counts
from semantic_pivots.pivots.discover_stage import DiscoverConfig
from semantic_pivots.pivots.graph_stage import GraphConfig
from semantic_pivots.pivots.own_words import plain
from semantic_pivots.pivots.word_contexts import WordContexts, word_contexts_of
from semantic_pivots.run import progress
from semantic_pivots.statistics import seed_of
from semantic_pivots.words import normalise

_LEAST_DOCUMENTS, _LEAST_LIFT, _LEVEL = 3, 2.0, 1e-3


def own_pieces(texts: list[str], tokens: np.ndarray, spellings: Sequence[Word]) -> dict[Word, np.ndarray]:
    """For each word, the tokens (int32) that are a piece of it or contain it (`own_words.is_piece`)."""
    normal = {word: normalise(word[0]) for word in spellings}
    normal_spellings = set(normal.values())
    longest = max(map(len, normal_spellings), default=0)
    tokens_around: dict[str, list[int]] = {}  # tokens that contain a word
    tokens_of_text: dict[str, list[int]] = {}  # tokens of a text
    for token in tokens.tolist():
        text = plain(texts[token])
        tokens_of_text.setdefault(text, []).append(token)
        for part in _parts(text, longest) & normal_spellings:
            tokens_around.setdefault(part, []).append(token)
    pieces_of_word = {}
    for word, spelling in normal.items():
        pieces = [
            token for part in _parts(spelling, len(spelling)) & tokens_of_text.keys() for token in tokens_of_text[part]
        ]
        pieces_of_word[word] = np.array([*pieces, *tokens_around.get(spelling, ())], np.int32)
    return pieces_of_word


def _parts(text: str, longest: int) -> set[str]:
    """Every substring of at most `longest` characters, and the empty one."""
    return {text[i:j] for i in range(len(text) + 1) for j in range(i, min(len(text), i + longest) + 1)}


@dataclass
class Joins:
    """Units that are joined to each of several words: those of word i are units[edges[i] : edges[i + 1]]."""

    units: np.ndarray
    """(joins,) int32"""
    times: np.ndarray
    """(joins,) int64 documents of the word's draw that hold the unit"""
    edges: np.ndarray
    """(words + 1,) int64"""


def joins_of(contexts: WordContexts, draws: Sequence[np.ndarray], pieces: Sequence[np.ndarray]) -> Joins:
    """Join units to words, given the drawn documents (indices) and the own pieces (units) of each word.

    A unit is joined to a word if at least three of the word's drawn documents contain it, if these are at least twice
    as many as its share of the corpus predicts, and if the upper tail of a Poisson distribution with that expectation
    is at most 0.001. Pieces of the word are never joined to it.
    """
    from scipy.special import pdtrc

    draw_sizes = np.array([len(draw) for draw in draws])
    places = np.concatenate([[0], np.cumsum(draw_sizes)])
    rates = contexts.frequency[contexts.ids] / contexts.documents
    numbers, times, edges = _frequent_units(np.concatenate(draws), places, *contexts.counters(), rates)
    word = np.repeat(np.arange(len(draws)), np.diff(edges))
    size = len(contexts.frequency)
    own_pairs = np.concatenate([piece.astype(np.int64) + i * size for i, piece in enumerate(pieces)])
    units = contexts.ids[numbers]
    strong = (pdtrc(times - 1, rates[numbers] * draw_sizes[word]) <= _LEVEL) & ~np.isin(units + word * size, own_pairs)
    join_counts = np.bincount(word[strong], minlength=len(draws))
    return Joins(units[strong], times[strong], np.concatenate([[0], np.cumsum(join_counts)]))


@numba.njit(cache=True)
def _frequent_units(documents, places, starts, tokens, counts, scratch, rates):  # pragma: no cover - compiled
    """Numbers of the units that three documents of a word and twice the expected hold, how many do, and edges."""
    numbers, times = np.empty(1024, np.int32), np.empty(1024, np.int64)
    edges, n = np.zeros(len(places), np.int64), 0
    for word in range(len(places) - 1):
        draw = documents[places[word] : places[word + 1]]
        unit_count = count_units(draw, starts, tokens, counts, scratch) if len(draw) >= _LEAST_DOCUMENTS else 0
        for k in range(unit_count):
            token = scratch[k]
            count = np.int64(counts[token])
            counts[token] = 0
            if count >= _LEAST_DOCUMENTS and count >= _LEAST_LIFT * rates[token] * len(draw):
                if n == len(numbers):
                    numbers = np.concatenate((numbers, np.empty(n, np.int32)))
                    times = np.concatenate((times, np.empty(n, np.int64)))
                numbers[n], times[n] = token, count
                n += 1
        edges[word + 1] = n
    return numbers[:n].copy(), times[:n].copy(), edges


def deviations(contexts: WordContexts) -> np.ndarray:
    """(size,) float64 from 0 to 1: how unevenly each unit is spread over the sources (Gries' deviation, 2008).

    It is half the sum, over sources, of the absolute difference between the source's share of the unit's documents and
    its share of all documents. At 0 both shares are equal in every source; near 1 only a small source has the unit. It
    is computed as the sum of the positive differences, which has the same value.
    """
    source, documents = np.unique(contexts.sources, return_inverse=True, return_counts=True)[1:]
    edges = np.concatenate([[0], np.cumsum(documents)])
    by_source = np.argsort(source, kind="stable")
    deviation = np.zeros(len(contexts.texts))
    deviation[contexts.ids] = _excesses(by_source, edges, contexts.starts, contexts.tokens, len(contexts.ids))
    return deviation


@numba.njit(cache=True)
def _excesses(by_source, edges, starts, tokens, size):  # pragma: no cover - compiled
    """(size,) float64: the positive differences of each unit, summed over the sources (`deviations`)."""
    excess, counts, scratch = np.zeros(size), np.zeros(size, np.uint32), np.empty(size, np.uint32)
    unit_documents = frequencies(tokens, size)
    for source in range(len(edges) - 1):
        documents = by_source[edges[source] : edges[source + 1]]
        share = len(documents) / len(by_source)
        for k in range(count_units(documents, starts, tokens, counts, scratch)):
            unit = scratch[k]
            excess[unit] += max(counts[unit] / unit_documents[unit] - share, 0)
            counts[unit] = 0
    return excess


def document_draws(
    contexts: WordContexts, words: Sequence[Word], tokens: int, config: GraphConfig
) -> list[dict[Word, np.ndarray]]:
    """Draws of each word's documents (indices), in which bridges are counted.

    Under `bridge-fdr` there is one draw, with all documents that were read for a word. Under `bridge-stable` there are
    `samples` draws. Each has as many documents of a word as `sample_tokens` of text are expected to contain, and at
    most half of those that were read. The power of a draw then depends on the word's share of the text, not on the size
    of the corpus. The documents with the smallest hash of id and seed are drawn, so the order of documents and files
    has no effect.

    Args:
        contexts: the documents that were read for each word.
        words: the words.
        tokens: number of tokens in the corpus.
        config: criterion, number and size of the draws, and seed.
    """
    if config.criterion == "bridge-fdr":
        return [contexts.draws]
    share = min(0.5, config.sample_tokens / max(tokens, 1))
    draws = []
    for number in range(config.samples):
        draw = {}
        for word in words:
            documents = contexts.draws[word]
            seed = seed_of("graph", "bridges", config.seed, number, *word)
            size = int(min(share * contexts.totals[word], len(documents) / 2) + np.random.default_rng(seed).random())
            draw[word] = np.sort(documents[np.argsort(shuffle(contexts.keys[documents], seed), kind="stable")[:size]])
        draws.append(draw)
    return draws


@dataclass
class _Pass:
    """Test results of one draw: all arrays are by vocabulary id."""

    n_bridges: np.ndarray
    expectation: np.ndarray
    strength: np.ndarray
    q_value: np.ndarray
    """1 where nothing was expected, so nothing tested"""
    bridges: np.ndarray
    is_pivot: np.ndarray


@dataclass
class Evidence:
    """The rows of the lexicon, the documents of their words, and the units joined to the words in each draw."""

    rows: list[tuple[str, str, str]]
    """word, language, concept"""
    words: list[int]
    """number of each row's word, among those of `joins`"""
    contexts: WordContexts
    joins: list[Joins]

    def languages(self) -> list[str]:
        """The languages of the rows, by number."""
        return sorted({code for _, code, _ in self.rows})

    def passes(self, config: GraphConfig) -> list[_Pass]:
        """Test every unit, in each draw."""
        codes = {code: i for i, code in enumerate(self.languages())}
        numbers = {concept: i for i, concept in enumerate(sorted({concept for _, _, concept in self.rows}))}
        languages, concepts = [codes[c] for _, c, _ in self.rows], [numbers[concept] for _, _, concept in self.rows]
        spread = deviations(self.contexts) <= config.max_deviation
        return [_judge(joins, self.words, languages, concepts, spread, config) for joins in self.joins]


def _judge(
    joins: Joins, words: list[int], languages: list[int], concepts: list[int], spread: np.ndarray, config: GraphConfig
) -> _Pass:
    """Test every unit that is `spread`, (size,) bool, by its joins.

    Rows of the lexicon are given as the numbers of their word, language and concept.
    """
    from scipy.stats import false_discovery_control, poisson

    units_of_row = [joins.units[joins.edges[word] : joins.edges[word + 1]] for word in words]
    row = np.repeat(np.arange(len(words), dtype=np.int32), [len(units) for units in units_of_row])
    edges = np.column_stack([np.concatenate(units_of_row), row])
    size = len(spread)
    n_bridges, expectation, bridges = bridge_counts(edges, languages, concepts, size)
    strength = np.bincount(joins.units, joins.times, minlength=size)
    tests = np.flatnonzero((expectation > 0) & spread)
    q_value = np.ones(size)
    if len(tests):
        q_value[tests] = false_discovery_control(poisson.sf(n_bridges[tests] - 1, expectation[tests]))
    least = np.maximum(config.min_ratio * expectation, 1)
    is_pivot = (expectation > 0) & spread & (q_value <= config.false_discovery_rate) & (n_bridges >= least)
    return _Pass(n_bridges, expectation, strength, q_value, bridges, is_pivot)


def find_evidence(config: GraphConfig, words: Sequence[Record], corpus: Corpus) -> Evidence:
    """Join units to words, which are rows of the table `words`, in each draw of their documents."""
    rows = sorted({(row["word"], row["language"], row["concept_id"]) for row in words})
    spellings: list[Word] = list(dict.fromkeys((word, code) for word, code, _ in rows))
    names = "seed", "documents", "unit", "words", "forms_path"
    discover = DiscoverConfig(**{name: getattr(config, name) for name in names})
    contexts = word_contexts_of(corpus, spellings, discover)
    pieces = own_pieces(contexts.texts, contexts.ids, spellings)
    pieces = {word: np.concatenate([units, contexts.units_of_word[word]]) for word, units in pieces.items()}
    draws, joins = document_draws(contexts, spellings, corpus.token_count(), config), []
    with progress(len(draws), "draws", "graph") as bar:
        for draw in draws:
            units = [draw[word] for word in spellings], [pieces[word] for word in spellings]
            joins.append(joins_of(contexts, *units))
            bar.advance()
    index = {word: i for i, word in enumerate(spellings)}
    return Evidence(rows, [index[word, code] for word, code, _ in rows], contexts, joins)


def stable_units(passes: Sequence[_Pass], config: GraphConfig) -> np.ndarray:
    """Vocabulary ids of the units that are pivots in at least `least_share` of the draws."""
    return np.flatnonzero(np.mean([each.is_pivot for each in passes], axis=0) >= config.least_share)


def bridge_set(config: GraphConfig, words: Sequence[Record], corpus: Corpus) -> tuple[pa.Table, dict[str, int]]:
    """The pivot set (table `pivot_set`), and the numbers of tested units and of pivots.

    The column `degree` is the number of concepts that a unit bridges, `expected_degree` the number under the null
    model. With several draws, a unit is in the set if it is a pivot in at least `least_share` of them, and its columns
    are medians over the draws (stability selection, Meinshausen and Buehlmann 2010).

    Raises:
        EmptyPivotSetError: no unit bridges more concepts than chance.
    """
    evidence = find_evidence(config, words, corpus)
    passes = evidence.passes(config)
    tests = int(np.any([each.expectation > 0 for each in passes], axis=0).sum())
    if not tests:
        raise EmptyPivotSetError(
            f"graph: no {config.unit} co-occurs with words of two languages; the corpus or the lexicon is too small"
        )
    units = stable_units(passes, config)
    if not len(units):
        raise EmptyPivotSetError(
            f"graph: no {config.unit} bridges concepts beyond chance; raise [graph] false_discovery_rate"
            + (", or set criterion = 'bridge-fdr': half of a small corpus shows little" if len(passes) > 1 else "")
        )
    return _table(evidence, passes, units, config), {"tokens_considered": tests, "pivots": len(units)}


def _table(evidence: Evidence, passes: Sequence[_Pass], units: np.ndarray, config: GraphConfig) -> pa.Table:
    """The table `pivot_set` of these units, strongest evidence first; ties are ordered by text."""

    def median(name: str) -> np.ndarray:
        return np.quantile([getattr(each, name)[units] for each in passes], 0.5, axis=0, method="lower")

    n_bridges, q_value = median("n_bridges"), median("q_value")
    shares = np.mean([each.bridges[units] for each in passes], axis=0)
    second = np.sort(shares, axis=1)[:, -2:].min(axis=1, keepdims=True)
    languages_of_bridge = shares >= np.minimum(0.5, second)  # two at the least, where draws disagree
    codes, texts = np.array(evidence.languages()), evidence.contexts.texts
    table = {
        "unit": [config.unit] * len(units),
        "token": pa.array(units, pa.int32()) if config.unit == "token" else pa.nulls(len(units), pa.int32()),
        "text": [texts[unit] for unit in units],
        "documents": evidence.contexts.frequency[units],
        "degree": n_bridges.astype(np.int64),
        "expected_degree": median("expectation"),
        "strength": median("strength"),
        "q_value": q_value,
        "languages": [codes[row].tolist() for row in languages_of_bridge],
        "neighbours": [[texts[n] for n in row] for row in strongest(evidence.contexts, units, config)],
    }
    by_text = units if config.unit == "token" else np.argsort(np.argsort([texts[unit] for unit in units]))
    return pa.table(table).take(np.lexsort((by_text, -n_bridges, q_value)))


def strongest(contexts: WordContexts, tokens: np.ndarray, config: GraphConfig) -> list[list[int]]:
    """The strongest neighbours of each token, best first, counted in the documents that were read for the words.

    Stop tokens and byte fragments are never neighbours.
    """
    if not config.top_neighbours:
        return [[] for _ in tokens]
    documents, size = token_graph.Documents(contexts.starts, contexts.tokens), len(contexts.ids)
    number = np.zeros(len(contexts.frequency), np.int32)
    number[contexts.ids] = np.arange(size)
    threads = config.workers or len(os.sched_getaffinity(0))
    neighbours = token_graph.rows(documents, size, number[tokens], 1, 1, config.top_neighbours, threads).neighbours
    return [contexts.ids[row[row >= 0]].tolist() for row in neighbours]
