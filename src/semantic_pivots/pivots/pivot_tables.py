"""The tables of discovery: the pivots of each item, and their evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from semantic_pivots import words
from semantic_pivots.counting.counts import Pair, Word
from semantic_pivots.pivots.discover_stage import DiscoverConfig
from semantic_pivots.pivots.word_contexts import WordContexts
from semantic_pivots.tables import from_rows

Item = Mapping[str, Any]
"""A row of the table `items`."""


class Pivots(NamedTuple):
    """The n pivots of a pair of words, best first: `times` and `surplus` are (2, n), a row per word, others (n,)."""

    units: np.ndarray
    times: np.ndarray
    """documents of each word that contain the pivot"""
    surplus: np.ndarray
    value: np.ndarray
    q_value: np.ndarray

    def from_source_of(self, item: Item) -> Pivots:
        """The same pivots, ordered so that the item's source comes first."""
        source, target = words_of(item)
        return self if source <= target else self._replace(times=self.times[::-1], surplus=self.surplus[::-1])


def words_of(item: Item) -> tuple[Word, Word]:
    """The source and the target of an item."""
    return (item["source"], item["source_language"]), (item["target"], item["target_language"])


def pair_of(item: Item) -> Pair:
    """An item's source and target words in sorted order: its key in `benchmark_words`, whatever its direction."""
    first, second = sorted(words_of(item))
    return first, second


def pivot_table(
    items: Sequence[Item],
    item_pivots: Sequence[Pivots],
    texts: Sequence[Sequence[str]],
    cosines: Sequence[tuple[np.ndarray, np.ndarray]] | None,
    lexicon: Mapping[str, Mapping[str, str]],
    config: DiscoverConfig,
) -> pa.Table:
    """The table `pivots`: every item's pivots with their texts, and cosines and quantiles if given.

    `lexicon` holds the word of each concept in each language.
    """
    n = sum(len(pivots.units) for pivots in item_pivots)

    def concatenate(parts: Sequence[np.ndarray], kind: type) -> np.ndarray:
        return np.concatenate([np.zeros(0), *parts]).astype(kind)

    is_token = config.unit == "token"
    columns = {
        "item_id": [item["item_id"] for item, pivots in zip(items, item_pivots, strict=True) for _ in pivots.units],
        "unit": [config.unit] * n,
        "token": pa.array(
            concatenate([pivots.units for pivots in item_pivots], np.int32), mask=np.full(n, not is_token)
        ),
        "text": [text for item_texts in texts for text in item_texts],
        "rank": concatenate([np.arange(len(pivots.units)) for pivots in item_pivots], np.int32),
        "documents_source": concatenate([pivots.times[0] for pivots in item_pivots], np.int64),
        "documents_target": concatenate([pivots.times[1] for pivots in item_pivots], np.int64),
        "surplus_source": concatenate([pivots.surplus[0] for pivots in item_pivots], np.float32),
        "surplus_target": concatenate([pivots.surplus[1] for pivots in item_pivots], np.float32),
        "measure": [config.measure] * n,
        "value": concatenate([pivots.value for pivots in item_pivots], np.float32),
        "q_value": pa.array(concatenate([pivots.q_value for pivots in item_pivots], np.float64), from_pandas=True),
        "translation": _translations(items, texts, lexicon),
        "cosine": pa.nulls(n, pa.float32())
        if cosines is None
        else concatenate([values for values, _ in cosines], np.float32),
        "cosine_quantile": pa.nulls(n, pa.float32())
        if cosines is None
        else concatenate([q for _, q in cosines], np.float32),
    }
    strings = {name: pa.array(columns[name], pa.string()) for name in ("item_id", "unit", "text", "measure")}
    return pa.table({**columns, **strings, "translation": pa.array(columns["translation"], pa.string())})


def _translations(
    items: Sequence[Item], texts: Sequence[Sequence[str]], lexicon: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """For each pivot, the further language in which it is the concept's word, or None."""
    languages = {code for item in items for _, code in words_of(item)}
    of_concept = {
        concept: {words.normalise(word): code for code, word in words_by_language.items() if code in languages}
        for concept, words_by_language in lexicon.items()
    }
    return [
        of_concept.get(item["concept_id"], {}).get(words.normalise(text).strip(), "")
        for item, item_texts in zip(items, texts, strict=True)
        for text in item_texts
    ]


def evidence_table(
    items: Sequence[Item],
    item_pivots: Sequence[Pivots],
    counts: Mapping[Pair, tuple[int, int, int]],
    contexts: WordContexts,
) -> pa.Table:
    """The table `pivot_evidence`; `counts` are each pair's candidates, supported units, and documents with both."""
    rows = []
    for item, pivots in zip(items, item_pivots, strict=True):
        source, target = words_of(item)
        candidates, n_units, together = counts[pair_of(item)]
        rows.append(
            {
                "item_id": item["item_id"],
                "documents_source": contexts.totals[source],
                "documents_target": contexts.totals[target],
                "documents_both": together,
                "candidates": candidates,
                "supported": n_units,
                "pivots": len(pivots.units),
                "reason": _reason(contexts.totals[source], contexts.totals[target], candidates, len(pivots.units)),
                "rule": contexts.rule.signature(*sorted((source[1], target[1]))),
            }
        )
    return from_rows("pivot_evidence", rows)


def _reason(source: int, target: int, candidates: int, pivots: int) -> str:
    """Why an item has no pivots; empty where it has some."""
    if pivots:
        return ""
    if not source or not target:
        return "no document of " + " or ".join(
            name for name, documents in (("the source", source), ("the target", target)) if not documents
        )
    return "no candidate passes" if candidates else "nothing stands beside both words"
