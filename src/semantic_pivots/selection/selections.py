"""Selections of documents at equal tokens, from scores that are computed once.

A selector makes one number of a document's scores; all selectors share the rest: which documents may be taken
(thresholds, the leakage guard), the tokens of each language or stratum, the best or a Gumbel sample of them, and the
budget (`corpus.pool`). A selection is a list of (shard, row); text is never rewritten. Nothing depends on the number
of workers or the order in which shards were scored.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from semantic_pivots import grammar
from semantic_pivots.config import SelectConfig
from semantic_pivots.corpus.aligned import alignment_keys, held_out
from semantic_pivots.counting.document_draws import hash_of, shuffle
from semantic_pivots.errors import InputError
from semantic_pivots.run import Inputs, Work
from semantic_pivots.selection.best_documents import (
    BARRED,
    BLOCK,
    CHOSEN,
    FILLED,
    Block,
    Documents,
    Totals,
    gumbel,
)
from semantic_pivots.selection.document_scores import Scores, document_scores
from semantic_pivots.selection.selectors import NEEDED, UNSCORED, Columns, column_of, score_of
from semantic_pivots.selection.token_budgets import Pool, dose, quotas_of, tolerance
from semantic_pivots.selection.user_columns import UserColumns
from semantic_pivots.statistics import seed_of
from semantic_pivots.tables import SCHEMAS

HELD_OUT = "held-out"
"""Name under which the table `selection` holds the documents that no selection takes."""


def id_hashes(ids: list[str], seed: int) -> np.ndarray:
    """(documents,) uint64: a random order of documents that depends on the seed and each id alone."""
    return shuffle(hash_of(pa.array(ids, pa.string())), seed_of("select", seed))


_OF_SELECTION = ("shard", "row", "doc_id", "language", "n_tokens")


def select_stage(config: SelectConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table | pa.RecordBatchReader]:
    """Score every document and make the selections (tables `doc_scores` and `selection`).

    Raises:
        InputError: an unknown selector, column or threshold, or a budget that the corpus does not hold.
    """
    check(config)
    towards = config.dsir_target, config.engine, config.dsir_languages, config.dsir_units
    scores = document_scores(inputs, work, config.workers, *towards, words=config.words, forms_path=config.forms_path)
    return {"doc_scores": scores.reader(), "selection": select(config, scores, work)}


def check(config: SelectConfig) -> None:
    """Refuse what cannot be selected before anything is scored.

    Raises:
        InputError: naming the key.
    """
    grammar.check(config)
    if "dsir" in {dose(name)[0] for name in config.selections} and not config.dsir_target and not config.dsir_languages:
        raise InputError("[select] selections: dsir needs dsir_target, documents like those to find, or dsir_languages")
    if len(set(config.selections)) < len(config.selections):
        raise InputError(f"[select] selections = {list(config.selections)}: one of them stands twice")
    if config.exclude_pairs and config.stratify_pairs:
        raise InputError("[select] exclude_pairs and stratify_pairs are both set: expected one of them")
    _thresholds(config.thresholds)
    quotas_of(config.quotas)


def select(config: SelectConfig, scores: Scores, work: Work) -> pa.RecordBatchReader:
    """The selections (table `selection`) from `doc_scores`, in the order of the configuration.

    What decides lies in files of 24 bytes a document in the work's folder, and is read in blocks: memory does not grow
    with the corpus. Held-out documents and a user's columns are looked up in memory.

    Raises:
        InputError: a threshold or selector names no column, or the documents left hold fewer tokens than the budget.
    """
    source = _Source(config, scores, work)
    pool = Pool(config, source.documents, source.languages, source.score)
    selections = []
    for name in config.selections:
        totals, path = pool.selection(name)
        _note(work, config, name, totals)
        if path.unscored:
            work.warn(
                f"select: {path.unscored:,} of {int(path.documents.sum()):,} documents taken by {name} have no "
                "score, or are shorter than min_tokens: they come last, in the order of their hashes, and the budget "
                "reached them"
            )
        selections.append((name, source.documents.states))
    if len(source.aside):
        work.note("held_out_documents", len(source.aside))
    return pa.RecordBatchReader.from_batches(SCHEMAS["selection"], source.rows(selections))


def _note(work: Work, config: SelectConfig, name: str, totals: Totals) -> None:
    """Put a selection's size into the manifest, and tell what a reader would not expect of it."""
    tokens = int(totals.tokens.sum())
    work.note(f"{name}_tokens", tokens)
    work.note(f"{name}_documents", int(totals.documents.sum()))
    if config.stratify_pairs or config.exclude_pairs:
        work.note(f"{name}_documents_with_a_pair", int(totals.documents[1::2].sum()))
    if config.budget_tokens - tokens > tolerance(config):
        work.warn(
            f"select: {name} holds {tokens:,} tokens of {config.budget_tokens:,}, beyond the tolerance of "
            f"{tolerance(config):,.0f}: every document that is left is longer than what is missing; expected a larger "
            "budget_tokens, or shorter documents"
        )


class _Source:
    """Document scores as selections need them: what is constant in files, a selector's scores made when asked for."""

    def __init__(self, config: SelectConfig, scores: Scores, work: Work):
        self.config, self.scores = config, scores
        self.names = [name for name in scores.schema.names if name not in ("shard", "row", "doc_id", "language")]
        self.added = UserColumns(config.columns, (*self.names, "pivot_share")) if config.columns else None
        self.aside = _held_out(config, scores)
        self.documents = Documents(work.folder / "documents", config.workers or len(os.sched_getaffinity(0)))
        self.languages: list[str] = []
        self._prepare()
        if self.added is not None and not self.added.matches:
            raise InputError(f"[select] columns = {config.columns!r}: none of its doc_ids is a document of the corpus")

    def _prepare(self) -> None:
        """Write each document's hash, tokens, cell and state."""
        seed, number = seed_of("select", self.config.seed), {}
        plain = not self.config.thresholds and self.added is None
        for batch in self.scores.batches(("doc_id", "language", "n_tokens", "holds_pair") if plain else None):
            columns, begin = self._columns(batch), self.documents.size
            is_eligible = _eligible(self.config, columns)
            low, high = np.searchsorted(self.aside, [begin, begin + len(batch)])
            is_eligible[self.aside[low:high] - begin] = False
            codes = batch["language"].dictionary_encode()
            numbers = [number.setdefault(str(code), len(number)) for code in codes.dictionary.to_pylist()]
            language = np.array(numbers, np.int32)[codes.indices.to_numpy()]
            self.documents.append(
                hashes=shuffle(hash_of(batch["doc_id"]), seed),
                n_tokens=np.where(is_eligible, columns["n_tokens"], BARRED),
                cell=2 * language + columns["holds_pair"],
            )
        self.languages = list(number)

    def _columns(self, batch: pa.RecordBatch) -> Columns:
        columns: Columns = {name: batch[name].to_numpy(zero_copy_only=False) for name in self.names
                            if name in batch.schema.names}  # fmt: skip
        if "units" in columns:
            columns["pivot_share"] = columns["pivot_units"] / np.maximum(columns["units"], 1)
        return columns if self.added is None else columns | self.added.of(batch["doc_id"])

    def score(self, name: str) -> None:
        """Write a selector's scores, with noise where a sample is drawn."""
        self.documents.clear("score")
        if name in UNSCORED:
            for begin in range(0, self.documents.size, BLOCK):
                self.documents.append(score=np.zeros(min(BLOCK, self.documents.size - begin)))
        else:
            columns = (*NEEDED[name], "n_tokens") if name in NEEDED and self.added is None else None
            for batch in self.scores.batches(columns):
                self.documents.append(score=score_of(name, self._columns(batch), self.config))
        if self.config.sampling == "gumbel":
            self._add_noise(seed_of("select", self.config.seed, "gumbel", name))

    def _add_noise(self, seed: int) -> None:
        scale = self.config.temperature * _deviation(self.documents)
        for begin in range(0, self.documents.size, BLOCK):
            score, hashes = (self.documents.column(name, begin, BLOCK) for name in ("score", "hashes"))
            self.documents.put("score", begin, gumbel(score, hashes, scale, seed))

    def rows(self, selections: list[tuple[str, Path]]) -> Iterator[pa.RecordBatch]:
        """The table `selection`: of each selection, given by the file of its states, and the held-out documents."""
        for name, states in selections:
            selector, begin = dose(name)[0], 0
            columns = {*_OF_SELECTION, "units", "pivot_units", *NEEDED.get(selector, self.names)}
            for batch in self.scores.batches([name for name in self.scores.schema.names if name in columns]):
                state = np.fromfile(states, np.uint8, len(batch), offset=begin)
                begin += len(batch)
                yield from self._rows(batch, name, selector, np.flatnonzero((state == CHOSEN) | (state == FILLED)))
        begin = 0
        for batch in self.scores.batches() if len(self.aside) else ():
            low, high = np.searchsorted(self.aside, [begin, begin + len(batch)])
            yield from self._rows(batch, HELD_OUT, UNSCORED[0], self.aside[low:high] - begin)
            begin += len(batch)

    def _rows(self, batch: pa.RecordBatch, name: str, selector: str, rows: np.ndarray) -> Iterator[pa.RecordBatch]:
        if not len(rows):
            return
        documents = batch.take(pa.array(rows))
        columns = self._columns(documents)
        score = columns["pivot_share"] if selector in UNSCORED else score_of(selector, columns, self.config)
        own = {name: documents[name] for name in _OF_SELECTION}
        table = pa.table({"selection": [name] * len(rows), **own, "score": pa.array(score, pa.float64())})
        yield from table.cast(SCHEMAS["selection"]).to_batches()


def _deviation(documents: Documents) -> float:
    """Standard deviation of the finite scores of the documents that may be taken; 0 of none."""

    def total(values: Callable[[np.ndarray], np.ndarray]) -> float:
        def task(blocks: Iterator[Block]) -> list[float]:
            scores = (block.score[(block.n_tokens != BARRED) & np.isfinite(block.score)] for block in blocks)
            return [float(values(score).sum()) for score in scores]

        return math.fsum(part for parts in documents.map(task) for part in parts)  # exact: threads change nothing

    count = total(np.ones_like)
    mean = total(lambda score: score) / max(count, 1)
    return math.sqrt(total(lambda score: (score - mean) ** 2) / max(count, 1))


def _held_out(config: SelectConfig, scores: Scores) -> np.ndarray:
    """(documents kept aside,) int64 places in `scores`, ascending."""
    if not config.held_out_documents:
        return np.zeros(0, np.int64)
    table = pa.Table.from_batches(list(scores.batches(["doc_id", "language", "n_tokens"])))
    languages = np.asarray(table["language"].to_pylist(), dtype=str)
    keys = alignment_keys(table["doc_id"].to_pylist(), languages.tolist())
    long = table["n_tokens"].to_numpy() >= config.min_tokens
    return held_out(keys, languages, long, config.held_out_documents, config.seed)


def _eligible(config: SelectConfig, columns: Columns) -> np.ndarray:
    eligible = ~columns["holds_pair"] if config.exclude_pairs else np.ones(len(columns["n_tokens"]), np.bool_)
    for name, sign, number in _thresholds(config.thresholds):
        values = column_of(columns, name, "[select] thresholds")
        eligible = eligible & (values >= number if sign == ">=" else values <= number)
    return eligible


def _thresholds(entries: tuple[str, ...]) -> list[tuple[str, str, float]]:
    thresholds = []
    for entry in entries:
        match = re.fullmatch(r"\s*(\w+)\s*(>=|<=)\s*([-+.\deE]+)\s*", entry)
        try:
            thresholds.append((match[1], match[2], float(match[3])))  # type: ignore[index]
        except (TypeError, ValueError):
            raise InputError(f"[select] thresholds: {entry!r}: expected COLUMN>=NUMBER or COLUMN<=NUMBER") from None
    return thresholds
