"""Items of a benchmark in memory: making them, scoring them, tracing them, labelling their traces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
import pyarrow as pa

from semantic_pivots import grammar, tables
from semantic_pivots.api.frames import Frame, arrow, concept_ids, items_table, polars, scratch, table_of, words_of
from semantic_pivots.errors import InputError
from semantic_pivots.models.protocols import AnswerScorer, Tokenizer
from semantic_pivots.models.trace_stage import TraceConfig
from semantic_pivots.scoring.score_stage import ScoreConfig
from semantic_pivots.tasks.benchmark_stage import BenchmarkConfig
from semantic_pivots.tasks.translation import Item, items_of

if TYPE_CHECKING:
    from semantic_pivots.models.lens import Lens


class ItemScores(NamedTuple):
    """Scored items: the tables `scores`, `answers` and `score_summary` (figures with intervals)."""

    scores: pl.DataFrame
    answers: pl.DataFrame
    summary: pl.DataFrame


def make_items(
    words: Frame, languages: Sequence[str] = (), distractors: int = 9, items_per_direction: int = 0, seed: int = 0
) -> pl.DataFrame:
    """Make word-translation items of every ordered pair of languages, with distractors in the source language.

    Args:
        words: a frame with a row per concept and a column of words per language code, and optionally the columns
            concept_id and pos; or the table `words`.
        languages: language codes, in the order of the directions; none: those of the columns.
        distractors: number of wrong source words of an item.
        items_per_direction: number of random items in each direction; 0: all.
        seed: seed of the random choices.

    Returns:
        The table `items`.

    Raises:
        InputError: fewer than two languages, a word that is no text, or no item has enough distractors.
    """
    from semantic_pivots.tasks.word_items import keep_concepts
    from semantic_pivots.tasks.word_items import make_items as items_of_words

    if isinstance(languages, str) or len(set(languages)) < len(languages):
        raise InputError(f"languages = {languages!r}: expected a sequence of different codes, such as ['en', 'fr']")
    frame = arrow("words", words)
    table = words_of(frame, languages)
    codes = tuple(languages) or tuple(dict.fromkeys(table["language"].to_pylist()))
    if len(codes) < 2:
        raise InputError(f"words: languages {', '.join(codes) or 'none'}; expected columns of two languages at least")
    config = BenchmarkConfig(
        languages=codes, seed=seed, distractors=distractors, items_per_direction=items_per_direction
    )
    grammar.check(config)
    by_concept: dict[str, dict[str, str]] = {}
    for row in table.to_pylist():
        if row["language"] in codes and row["word"]:
            by_concept.setdefault(row["concept_id"], {}).setdefault(row["language"], row["word"])
    spellings = {
        concept: {code: by_language[code] for code in codes}
        for concept, by_language in by_concept.items()
        if len(by_language) == len(codes)
    }
    tags = frame["pos"].to_pylist() if "pos" in frame.column_names else []
    pos = dict.fromkeys(spellings, "word") | dict(zip(concept_ids(frame), tags, strict=False))
    names = keep_concepts(list(spellings), items_per_direction, seed)
    items = items_of_words(spellings, pos, names, config) if spellings else []
    if not items:
        raise InputError(
            f"words: no item has {distractors} distractors among {len(spellings)} concepts of its part of speech with "
            "a word in every language; lower distractors, or give more words"
        )
    return polars(tables.from_rows("items", items))


def lexicon_of(items: Sequence[Item]) -> pa.Table:
    """The table `words` with the items' own words; without a lexicon, shots are drawn from it."""
    words: dict[tuple[str, str], str] = {}
    for item in items:
        for code, word in ((item.source_language, item.source), (item.target_language, item.target)):
            words.setdefault((item.concept_id, code), word)
    rows = [{"concept_id": c, "language": code, "word": w, "source": "items"} for (c, code), w in words.items()]
    return tables.from_rows("words", rows)


def _questions(items: Frame, words: Frame | None, optional: Sequence[str]) -> tuple[list[Item], pa.Table]:
    """Items, and the words of which their shots are drawn; columns that are optional may be missing."""
    item_rows = items_of(items_table(items, optional))
    if not item_rows:
        raise InputError("items: none; expected at least one row")
    return item_rows, lexicon_of(item_rows) if words is None else words_of(words)


def score_items(
    items: Frame,
    scorer: AnswerScorer,
    words: Frame | None = None,
    shots: int = 5,
    draws: int = 5,
    pool: int = 0,
    seed: int = 0,
    name: str = "",
) -> ItemScores:
    """Score items by the log-probability of each target after its source and after each distractor.

    Args:
        items: the table `items`.
        scorer: a `Scorer` on a model, or a `HarnessScorer` around any model of lm-evaluation-harness.
        words: words from which the shots are drawn, as `make_items` takes them; None: the words of the items.
        shots: number of translations shown before the question.
        draws: number of draws of the shots per item.
        pool: number of draws that all items of a direction share; 0: each item has draws of its own, as published.
        seed: seed of the draws.
        name: the model's name in signatures; empty: the name in its configuration, or its class.

    Raises:
        InputError: a column is missing, or the words are too few for the shots.
    """
    from semantic_pivots.scoring import benchmark_scores, design, model_runner
    from semantic_pivots.scoring.token_strata import with_token_strata
    from semantic_pivots.tasks.questions import signature_name

    grammar.check(ScoreConfig(shots=shots, draws=draws, pool=pool, seed=seed))
    questions, lexicon = _questions(items, words, ("strata",))
    prompts = design.Design(shots, draws, pool, seed, signature_name(questions))
    network = getattr(scorer, "network", None)
    dtype = str(network.dtype).removeprefix("torch.") if network is not None else "unknown"
    config = getattr(getattr(network, "model", None), "config", None)
    name = name or getattr(config, "name_or_path", "") or type(getattr(network, "model", scorer)).__name__
    with scratch() as work:
        job = model_runner.ScoreJob(prompts, name, dtype, "memory")
        scores, answers, _ = model_runner.score_items(questions, lexicon, job, work, scorer)
    tokenizer = getattr(scorer, "tokenizer", None)
    strata_questions = questions if tokenizer is None else with_token_strata(questions, tokenizer)
    directions = benchmark_scores.directions_of(strata_questions, scores, answers, prompts)
    figures = benchmark_scores.summarise(directions, prompts, name, dtype)
    rows = benchmark_scores.rows_of(scores, control=False)
    return ItemScores(polars(rows), polars(answers), polars(tables.from_rows("score_summary", figures)))


def trace_items(
    items: Frame,
    lens: Lens,
    tokenizer: Tokenizer,
    pivots: Frame | None = None,
    words: Frame | None = None,
    **options: Any,
) -> pl.DataFrame:
    """Read a model's predictions after every layer: top tokens, entropy, masses of token sets (table `trace`).

    Args:
        items: the table `items`.
        lens: the lens of the model.
        tokenizer: the model's tokenizer.
        pivots: the table `pivots` from `discover_pivots`; None: no mass of pivots is measured.
        words: words from which the shots are drawn, as `make_items` takes them; None: the words of the items.
        options: fields of `TraceConfig`: shots, seed, lenses, top and batch_tokens.

    Raises:
        InputError: a column is missing, or a lens is unknown.
    """
    from semantic_pivots.models.trace import trace_parts

    questions, lexicon = _questions(items, words, ("strata", "distractors"))
    optional = [name for name in tables.SCHEMAS["pivots"].names if name not in ("item_id", "text", "rank")]
    pivot_rows = tables.from_rows("pivots", []) if pivots is None else table_of("pivots", pivots, optional)
    parts = trace_parts(questions, lexicon, pivot_rows, lens, tokenizer, TraceConfig(**options))
    return polars(pa.concat_tables([read() for _, read in parts]))


def label_items(items: Frame, trace: Frame, tokenizer: Tokenizer, rules: Sequence[str] = ("paper",)) -> pl.DataFrame:
    """Label the behaviour that each item's trace shows: co-occurrence or semantic pivot (table `behaviour`).

    Args:
        items: the table `items`.
        trace: the table `trace` from `trace_items`.
        tokenizer: the model's tokenizer.
        rules: names of rules that read a trace (`analysis.rules.RULES`).

    Raises:
        InputError: an unknown rule, or a column is missing.
    """
    from semantic_pivots.analysis import behaviours
    from semantic_pivots.analysis.rules import RULES

    for rule in rules:
        if rule not in RULES:
            raise InputError(f"rules: unknown rule {rule!r}; expected one of {', '.join(RULES)}")
    questions = items_of(items_table(items))
    read = ("item_id", "lens", "layer", "top_ids", "top_probs")
    optional = [name for name in tables.SCHEMAS["trace"].names if name not in read]
    table = table_of("trace", trace, optional)
    if unknown_ids := set(table["item_id"].to_pylist()).difference(item.item_id for item in questions):
        raise InputError(f"trace: {min(unknown_ids)!r} is none of the items; expected the trace of these items")
    if len(set(table.group_by(["item_id", "lens"]).aggregate([("layer", "count")])["layer_count"].to_pylist())) > 1:
        raise InputError("trace: items have different numbers of layers; expected all layers of each item")
    rows = behaviours.label_items(questions, table, tokenizer, rules)
    return polars(tables.from_rows("behaviour", rows))
