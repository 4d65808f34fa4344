"""The pivot set of a corpus by degree: tokens that co-occur with many others, in at least two languages (METHOD §6).

The published manner counts neighbours met a fixed number of times. Degree grows with the corpus, so such a set is not
that of a sample of the same corpus. `rarefied` is made of rates, which do not grow:

- a candidate is in at least a share of the documents, and in at most a tenth of those of any one language;
- its degree is rarefied (the neighbours expected in m random documents of its own) and compared with a configuration
  model, in which each place beside it is filled by token u with probability f(u)/F;
- its neighbours speak at least two languages: of the meetings with tokens that belong to one language (nine tenths of
  their rate), each language's share, over its share in the whole corpus, is at least a tenth of the sum.

`degree-fdr` (whole degree above the configuration model at a false-discovery rate) and `fixed-count` stand beside it;
the default is `pivots.bridges`. How stable a set is, is part of the result: `pivots.stability`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from semantic_pivots import grammar
from semantic_pivots.counting.shard_passes import Corpus, StoredCorpus
from semantic_pivots.errors import EmptyPivotSetError
from semantic_pivots.files import Record
from semantic_pivots.held_out import visible_words
from semantic_pivots.pivots.graph_stage import GraphConfig
from semantic_pivots.pivots.token_degrees import TokenDegrees
from semantic_pivots.pivots.token_graph import Rows
from semantic_pivots.pivots.word_contexts import STOP_SHARE, token_texts
from semantic_pivots.run import Inputs, Work
from semantic_pivots.words import is_readable

_FEWEST_DOCUMENTS = 5
_JOINS = 0.1
"""Share of a token's meetings, weighted by language, that makes it join a language."""


def expected_degree(slots: np.ndarray, frequency: np.ndarray, total: float) -> tuple[np.ndarray, np.ndarray]:
    """Degree of a token in the configuration model, given the number of token places in its documents.

    Args:
        slots: (tokens,) places beside each token in its documents.
        frequency: (neighbours,) documents of each token that counts as a neighbour.
        total: sum of the frequencies of the whole vocabulary.

    Returns:
        mean and variance, (tokens,) float64; token u is a neighbour with probability 1 - exp(-slots x f(u) / total).
    """
    values, counts = np.unique(frequency[frequency > 0].astype(np.float64), return_counts=True)
    grid = np.unique(np.geomspace(1, max(float(slots.max()), 2.0), 400))
    moments = np.empty((2, len(grid)))
    for i, places in enumerate(grid):  # one by one: there may be as many frequencies as tokens
        absent = np.exp(-places * values / total)
        # not a product of BLAS, whose sums depend on the number of its threads
        moments[:, i] = ((1 - absent) * counts).sum(), (absent * (1 - absent) * counts).sum()
    mean, variance = moments
    return np.interp(slots, grid, mean), np.interp(slots, grid, variance)


def hub_q_values(degree: np.ndarray, expectation: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """(tokens,) float64 Benjamini–Hochberg q-values for a degree larger than the configuration model expects."""
    from scipy.stats import false_discovery_control, norm

    return false_discovery_control(norm.sf((degree - 0.5 - expectation) / np.sqrt(np.maximum(variance, 1e-9))))


def language_shares(meetings: np.ndarray) -> np.ndarray:
    """(size, languages) float64: the share of each language among the tokens that a token co-occurs with.

    Only neighbours that belong to one language count (`TokenDegrees.meetings`). Each share is divided by the language's
    share in the whole corpus, so that a large language does not dominate, and the results are scaled to sum to 1.
    """
    lift = meetings / np.maximum(meetings.sum(axis=0) / max(meetings.sum(), 1.0), 1e-300)
    lift /= np.maximum(lift.sum(axis=1, keepdims=True), 1e-300)
    return lift


class PivotSet:
    """The pivots of a corpus by a criterion of degree, among the candidate tokens.

    Attributes:
        candidates: (candidates,) int32 compact numbers of the tokens.
        rows: their rows of the co-occurrence graph.
        expectation: (candidates,) float64 degree that the configuration model expects.
        ratio: (candidates,) float64 observed over expected degree; both whole or both rarefied, by the criterion.
        q_values: (candidates,) float64 q-values of the whole degree (`hub_q_values`).
        joins: (candidates, languages) bool: whether the token co-occurs enough with tokens of the language.
        best: indices of the pivots among them, best first.
    """

    def __init__(self, degrees: TokenDegrees, readable: np.ndarray, config: GraphConfig):
        self.candidates = _candidates(degrees, readable, config)
        is_fixed_count = config.criterion == "fixed-count"
        least, sample_size = config.min_count if is_fixed_count else 1, config.rarefied_documents
        self.rows: Rows = degrees.rows(self.candidates, least, sample_size, config.top_neighbours)
        if not len(self.candidates):
            self.best = np.zeros(0, np.int64)
            return
        frequency, slots = degrees.frequency, degrees.slots[self.candidates]
        total = float(frequency.sum())
        self.expectation, variance = expected_degree(slots, frequency, total)
        self.q_values = hub_q_values(self.rows.degree, self.expectation, variance)
        of_row = frequency[self.candidates]
        if config.criterion == "rarefied":
            places = slots * (np.minimum(sample_size, of_row) / of_row)
            self.ratio = self.rows.rarefied_degree / np.maximum(expected_degree(places, frequency, total)[0], 1e-9)
            hub = self.ratio >= config.min_rarefied_ratio
        else:
            self.ratio = self.rows.degree / np.maximum(self.expectation, 1e-9)
            hub = (self.q_values <= config.false_discovery_rate) & (self.ratio >= config.min_ratio)
        if is_fixed_count:
            hub = self.rows.degree >= np.quantile(self.rows.degree, 0.95)
        self.hubs = int(hub.sum())
        self.joins = language_shares(degrees.meetings)[self.candidates] >= _JOINS
        pivot_rows = np.flatnonzero(hub & (self.joins.sum(axis=1) >= min(2, len(degrees.languages))))
        self.best = pivot_rows[np.lexsort((degrees.ids[self.candidates[pivot_rows]], -self.ratio[pivot_rows]))]


def _candidates(degrees: TokenDegrees, readable: np.ndarray, config: GraphConfig) -> np.ndarray:
    fewest, frequency = _FEWEST_DOCUMENTS, degrees.frequency
    if config.criterion == "rarefied":
        fewest = max(fewest, int(np.ceil(config.min_share * degrees.documents)))
    candidates = readable[degrees.ids] & (frequency >= fewest) & (frequency <= STOP_SHARE * degrees.documents)
    # A stop word of one language among four is in few documents of the whole corpus.
    candidates &= (degrees.by_language <= STOP_SHARE * degrees.documents_of).all(axis=1)
    return np.flatnonzero(candidates).astype(np.int32)


def degree_set(config: GraphConfig, words: Sequence[Record], corpus: Corpus) -> tuple[pa.Table, dict[str, int]]:
    """The pivot set by a criterion of degree (table `pivot_set`), and its counts; `words` are not used.

    Pivots are sorted by the ratio of observed to expected degree, the largest first.

    Raises:
        EmptyPivotSetError: no token is a pivot under the criterion.
    """
    texts = token_texts(corpus.tokenizer)
    degrees = TokenDegrees(corpus, len(texts))
    pivots = PivotSet(degrees, np.array([is_readable(text) for text in texts]), config)
    if not len(pivots.candidates):
        raise EmptyPivotSetError("graph: too few documents hold any one token; the corpus is too small for a pivot set")
    if not len(pivots.best):
        raise EmptyPivotSetError(
            "graph: no token is a hub of two languages; lower min_ratio or least_share, or enlarge the corpus"
        )
    counts = {"tokens_considered": len(pivots.candidates), "hubs": pivots.hubs, "pivots": len(pivots.best)}
    rows, tokens = pivots.best, pivots.candidates[pivots.best]
    ids = degrees.ids[tokens]
    pivot_languages = [[degrees.languages[k] for k in np.flatnonzero(pivots.joins[i])] for i in rows]
    strongest = [[texts[degrees.ids[n]] for n in pivots.rows.neighbours[i] if n >= 0] for i in rows]
    table = {
        "unit": ["token"] * len(ids),
        "token": ids,
        "text": [texts[i] for i in ids],
        "documents": degrees.frequency[tokens],
        "degree": pivots.rows.degree[rows],
        "expected_degree": pivots.expectation[rows],
        "strength": pivots.rows.strength[rows].astype(np.float64),
        "q_value": pivots.q_values[rows],
        "languages": pa.array(pivot_languages, pa.list_(pa.string())),
        "neighbours": pa.array(strongest, pa.list_(pa.string())),
    }
    return pa.table(table), counts


def pivot_set(config: GraphConfig, words: Sequence[Record], corpus: Corpus) -> tuple[pa.Table, dict[str, int]]:
    """The pivot set of a corpus by the configuration's criterion (table `pivot_set`), and counts for the manifest.

    Args:
        config: criterion, unit and thresholds.
        words: rows of the table `words`; their concepts are those that pivots bridge.
        corpus: the documents, on disk or in memory.

    Raises:
        InputError: an unknown criterion, or no unit is a pivot under it.
    """
    from semantic_pivots.pivots.bridges import bridge_set

    grammar.check(config)
    return (bridge_set if config.criterion.startswith("bridge-") else degree_set)(config, words, corpus)


def graph_stage(config: GraphConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """The pivot set of the corpus, strongest evidence first, and how stable it is.

    Tables `pivot_set` and `pivot_stability`.

    Raises:
        InputError: an unknown criterion, or no token is a pivot under it.
    """
    from semantic_pivots.pivots.stability import stability

    words = visible_words(inputs) if inputs.has("words") else []

    def make(config: GraphConfig, inputs: Inputs, work: Work) -> tuple[pa.Table, dict[str, int]]:
        return pivot_set(config, words, StoredCorpus(inputs, work, config.workers, config.engine))

    table, counts = make(config, inputs, work)
    for name, value in counts.items():
        work.note(name, value)
    return {"pivot_set": table, "pivot_stability": stability(make, config, table, inputs, work)}
