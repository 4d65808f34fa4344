"""Selectors: a score of each document, computed from its counts; documents with larger scores are taken first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from semantic_pivots.counting.strings import shuffle
from semantic_pivots.errors import InputError, nearest
from semantic_pivots.selection.select_stage import SelectConfig

Columns = dict[str, np.ndarray]
"""Scores of documents: columns of `doc_scores`, `pivot_share`, and the user's, all (documents,)."""


def _surely(successes: np.ndarray, trials: np.ndarray) -> np.ndarray:
    """(documents,) float64: the lower end of Wilson's interval for a share, which is low for few trials; 0 for none."""
    z, n = 1.96, np.maximum(trials, 1).astype(np.float64)
    share = successes / n
    centre, half_width = share + z * z / (2 * n), z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return np.where(trials > 0, np.maximum((centre - half_width) / (1 + z * z / n), 0.0), 0.0)


def pivot_rich(columns: Columns) -> np.ndarray:
    """Share of units (distinct words, or tokens) that are in the pivot set."""
    return columns["pivot_share"]


def random_documents(columns: Columns) -> np.ndarray:
    """No preference: the order of the hashes."""
    return np.zeros(len(columns["n_tokens"]))


def bilingual(columns: Columns) -> np.ndarray:
    """Number of languages with lexicon words in the document; ties are broken by lexicon words per token."""
    return columns["languages_met"] + np.minimum(columns["lexicon_words"] / np.maximum(columns["n_tokens"], 1), 0.999)


def code_switched(columns: Columns) -> np.ndarray:
    """Lower bound of the share of lexicon words outside the main language (code-mixing index of Das & Gambäck)."""
    return _surely(columns["lexicon_words"] - columns["dominant_words"], columns["lexicon_words"])


def parallel(columns: Columns) -> np.ndarray:
    """Lower bound of the share of the document's concepts that it names in two languages, as parallel texts do."""
    return _surely(columns["parallel_concepts"], columns["concepts"])


def dsir(columns: Columns) -> np.ndarray:
    """Log importance of the hashed n-grams, summed over the document (`selection.dsir`); long documents weigh more."""
    return columns["dsir"]


SELECTORS: dict[str, Callable[[Columns], np.ndarray]] = {
    "pivot-rich": pivot_rich,
    "random": random_documents,
    "language-matched": random_documents,
    "bilingual": bilingual,
    "code-switched": code_switched,
    "parallel": parallel,
    "dsir": dsir,
}
"""Score of each selector; language-matched has the tokens per language of pivot-rich, and `column:NAME` is a column."""
SCORELESS_SELECTORS = ("random", "language-matched")
_MEETINGS = ("languages_met", "lexicon_words", "dominant_words", "concepts", "parallel_concepts")
SELECTOR_COLUMNS = {"pivot-rich": ("units", "pivot_units"), "dsir": ("dsir",)} | dict.fromkeys(
    ("bilingual", "code-switched", "parallel"), _MEETINGS
)
"""Columns of `doc_scores` beside `n_tokens` that a selector reads; a column of the user's may be any."""


def score_of(name: str, columns: Columns, config: SelectConfig) -> np.ndarray:
    """(documents,) float64 scores; documents that are too short or have no value get -inf and rank last."""
    if name.startswith("column:"):
        score = column_of(columns, name.removeprefix("column:"), "[select] selections")
    else:
        score = SELECTORS[name](columns)
    score = np.where(np.isnan(score), -np.inf, score).astype(np.float64)
    return score if name in SCORELESS_SELECTORS else np.where(columns["n_tokens"] >= config.min_tokens, score, -np.inf)


def gumbel(score: np.ndarray, hashes: np.ndarray, scale: float, seed: int) -> np.ndarray:
    """Scores with Gumbel noise; the k largest of them are a sample of k documents without replacement (Gumbel top-k).

    The probability of a draw is proportional to exp(score / scale). With a scale of 0 all documents have the same
    probability. The noise depends on the seed and the document's hash only.
    """
    uniform = ((shuffle(hashes, seed) >> np.uint64(11)) + 0.5) / 2.0**53
    logits = score / scale if scale else np.where(np.isfinite(score), 0.0, -np.inf)
    return logits - np.log(-np.log(uniform))


def column_of(columns: Columns, name: str, place: str) -> np.ndarray:
    if name not in columns:
        raise InputError(f"{place}: no column {name!r}{nearest(name, columns)}; there are {', '.join(columns)}")
    return columns[name].astype(np.float64)
