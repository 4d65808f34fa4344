"""Counting, pivots and selection of documents in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from semantic_pivots import grammar
from semantic_pivots.api.frames import (
    Documents,
    Frame,
    corpus_of,
    documents_of,
    items_table,
    polars,
    scratch,
    table_of,
    words_of,
)
from semantic_pivots.counting.count_stage import CountConfig
from semantic_pivots.counting.counts import Task, benchmark_words, count_tables, in_documents
from semantic_pivots.counting.providers import Pair, Word
from semantic_pivots.errors import InputError
from semantic_pivots.lexicon.concepts import words_by_concept
from semantic_pivots.models.protocols import Tokenizer
from semantic_pivots.pivots.discover_stage import DiscoverConfig
from semantic_pivots.pivots.graph_stage import GraphConfig
from semantic_pivots.selection import document_scores
from semantic_pivots.selection.score_files import Scores
from semantic_pivots.selection.select_stage import SelectConfig
from semantic_pivots.selection.selections import HELD_OUT, select
from semantic_pivots.tables import SCHEMAS, conform
from semantic_pivots.wordforms.table import rule_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend


class WordCounts(NamedTuple):
    """Numbers of documents: the tables `word_counts` and `pair_counts`."""

    words: pl.DataFrame
    pairs: pl.DataFrame


class PairPivots(NamedTuple):
    """Pivots of items, best first, and their evidence: the tables `pivots` and `pivot_evidence`."""

    pivots: pl.DataFrame
    evidence: pl.DataFrame


def count_words(
    documents: Documents,
    words: Sequence[Word] = (),
    pairs: Sequence[Pair] = (),
    items: Frame | None = None,
    window_tokens: int = 0,
    match: str = "forms",
) -> WordCounts:
    """Count the documents that contain each word, and both words of each pair; exactly, zeros included.

    Args:
        documents: texts (a list, an array or a series), or a frame with the column text.
        words: (spelling, language code) of each word.
        pairs: two such words each; they are counted as words too.
        items: a benchmark whose words and pairs are counted as well (table `items`).
        window_tokens: a pair counts if its words begin fewer than this many tokens apart; 0: anywhere in the document.
        match: `forms` (a word is matched in all its forms, docs/words.md) or `spelling` (as it is written).

    Raises:
        InputError: there is no document or no word, or a language is unknown.
    """
    unit = "window" if window_tokens else "document"
    grammar.check(CountConfig(window_tokens=window_tokens, unit=unit, words=match))  # type: ignore[arg-type]
    for word in (*words, *(word for pair in pairs for word in pair)):
        if not (isinstance(word, tuple | list) and len(word) == 2 and isinstance(word[0], str) and word[0].strip()):
            raise InputError(f"words: {word!r}; expected a spelling and a language code, such as ('dog', 'en')")
    of_items = benchmark_words(items_table(items)) if items is not None else ([], [])
    word_pairs = sorted({*of_items[1], *((min(a, b), max(a, b)) for a, b in pairs)})
    spellings = sorted({*words, *of_items[0], *(word for pair in word_pairs for word in pair)})
    if not spellings:
        raise InputError("count_words: no word; expected words, pairs or items")
    rule = rule_of(match, "", spellings)
    counts = Task(spellings, word_pairs, window_tokens, rule).count(documents_of(documents)["text"])
    values = in_documents(counts[0]), in_documents(counts[1], window_tokens)
    tables = count_tables(spellings, word_pairs, *values, CountConfig.provider, rule)
    return WordCounts(polars(tables["word_counts"]), polars(tables["pair_counts"]))


def discover_pivots(
    items: Frame, documents: Documents, tokenizer: Tokenizer | Backend | str, words: Frame | None = None, **options: Any
) -> PairPivots:
    """Find the words that co-occur with both words of each item more often than by chance.

    Args:
        items: the table `items`, of `make_items` or a benchmark's file.
        documents: texts, or a frame with the columns text and language; stop words are found within each language.
        tokenizer: a fast tokenizer, or a model's spec; scripts without spaces are segmented into its vocabulary.
        words: words of each concept, as `make_items` takes them; a pivot that is the concept's word in a further
            language is marked as a translation.
        options: fields of `DiscoverConfig`, such as top, false_discovery_rate, measure and seed.

    Raises:
        InputError: a column is missing, or an option is invalid.
    """
    from semantic_pivots.pivots.discovery import discover

    config, table = DiscoverConfig(**options), items_table(items)
    lexicon = None if words is None else words_by_concept(words_of(words))
    result = discover(table, corpus_of(documents, tokenizer), config, lexicon)
    return PairPivots(polars(conform("pivots", result.pivots)), polars(conform("pivot_evidence", result.evidence)))


def pivot_set(documents: Documents, words: Frame, tokenizer: Tokenizer | Backend | str, **options: Any) -> pl.DataFrame:
    """Find the words that join words of several languages beyond chance, strongest evidence first (`pivot_set`).

    Args:
        documents: texts, or a frame with the columns text, language and source.
        words: the words of each concept in at least two languages, as `make_items` takes them.
        tokenizer: a fast tokenizer, or a model's spec; scripts without spaces are segmented into its vocabulary.
        options: fields of `GraphConfig`, such as criterion, unit, false_discovery_rate and seed.

    Raises:
        InputError: no unit is a pivot under the criterion, or an option is invalid.
    """
    from semantic_pivots.pivots import pivot_set as pivot_sets

    table, _ = pivot_sets.pivot_set(
        GraphConfig(**options), words_of(words).to_pylist(), corpus_of(documents, tokenizer)
    )
    return polars(conform("pivot_set", table))


def score_documents(
    documents: Documents,
    pivots: Frame,
    tokenizer: Tokenizer | Backend | str,
    words: Frame | None = None,
    items: Frame | None = None,
) -> pl.DataFrame:
    """Score every document for selection: tokens, units, those of the pivot set, lexicon words (table `doc_scores`).

    Args:
        documents: texts, or a frame with the columns text, id and language.
        pivots: a pivot set from `pivot_set`, or a frame with the columns unit, token and text.
        tokenizer: a fast tokenizer, or the spec of a model; budgets are counted in its tokens.
        words: words, as `make_items` takes them, which are counted in each document, by language.
        items: a benchmark; documents with both words of an item are marked in the column holds_pair.

    Returns:
        One row per document, in their order; `row` is its place among the documents.

    Raises:
        InputError: a column is missing.
    """
    optional = [name for name in SCHEMAS["pivot_set"].names if name not in ("unit", "text")]
    pairs = [] if items is None else benchmark_words(items_table(items))[1]
    lookup = document_scores.vocabulary([] if words is None else words_of(words).to_pylist(), pairs)
    corpus, pivot_table = corpus_of(documents, tokenizer), table_of("pivot_set", pivots, optional)
    scores = document_scores.score_documents(corpus, pivot_table, lookup).read()
    rows = pa.array(np.arange(scores.num_rows), pa.int64())
    return polars(scores.set_column(scores.column_names.index("row"), "row", rows))


def select_documents(
    scores: Frame, budget_tokens: int, selections: Sequence[str] = ("pivot-rich", "random"), **options: Any
) -> pl.DataFrame:
    """Select documents under a budget of tokens, by each selector (table `selection`).

    Args:
        scores: the table `doc_scores`, of `score_documents`.
        budget_tokens: tokens of each selection.
        selections: pivot-rich, random, language-matched, bilingual, code-switched or parallel.
        options: further fields of `SelectConfig`, such as quotas, thresholds, sampling and seed.

    Returns:
        One row per document taken; `row` is its place among the scored documents.

    Raises:
        InputError: an unknown selector, or the documents hold fewer tokens than the budget.
    """
    config = SelectConfig(budget_tokens=budget_tokens, selections=tuple(selections), **options)
    grammar.check(config)
    table = Scores(table_of("doc_scores", scores, ("dsir",)))
    with scratch() as work:
        selection = polars(select(config, table, work))
    return selection.filter(pl.col("selection") != HELD_OUT)
