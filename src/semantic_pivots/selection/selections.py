"""Selections of documents at equal tokens, from scores that are computed once.

A selector computes one number from a document's scores. All selectors share the other rules: the documents that may be
taken (thresholds, the leakage guard), the tokens of each language or stratum, whether the best documents or a Gumbel
sample are taken, and the budget (`selection.token_budgets`). A selection is a list of (shard, row); no text is written.
The result depends neither on the number of workers nor on the order in which shards were scored.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from semantic_pivots import grammar
from semantic_pivots.corpus.aligned import alignment_keys, held_out
from semantic_pivots.counting.strings import hash_of, shuffle
from semantic_pivots.engines import shard_parts
from semantic_pivots.files import Record, write_json
from semantic_pivots.run import Inputs, Result, Work
from semantic_pivots.selection.best_documents import Totals
from semantic_pivots.selection.document_columns import BLOCK, CHOSEN, INELIGIBLE, Block, Documents
from semantic_pivots.selection.score_files import Scores, part_batches
from semantic_pivots.selection.select_stage import SelectConfig
from semantic_pivots.selection.selectors import (
    SCORELESS_SELECTORS,
    SELECTOR_COLUMNS,
    Columns,
    column_of,
    gumbel,
    score_of,
)
from semantic_pivots.selection.spilling import ROWS, database
from semantic_pivots.selection.token_budgets import Pool, dose, tolerance
from semantic_pivots.selection.user_columns import UserColumns, join
from semantic_pivots.statistics import seed_of
from semantic_pivots.tables import SCHEMAS

HELD_OUT = "held-out"
"""Name under which the table `selection` holds the documents that no selection takes."""
_NOT_NUMBERS = ("shard", "row", "doc_id", "language")
_OF_SELECTION = (*_NOT_NUMBERS, "n_tokens")


def id_hashes(ids: list[str], seed: int) -> np.ndarray:
    """(documents,) uint64: a random order of documents that depends on the seed and each id alone."""
    return shuffle(hash_of(pa.array(ids, pa.string())), seed_of("select", seed))


def select_stage(config: SelectConfig, inputs: Inputs, work: Work) -> dict[str, Result]:
    """Score every document and make the selections (tables `doc_scores` and `selection`, a file of each shard).

    Raises:
        InputError: an unknown selector, column or threshold, or a budget that the corpus does not hold.
    """
    from semantic_pivots.selection.document_scores import document_scores

    grammar.check(config)
    scores = document_scores(config, inputs, work)
    return {"doc_scores": scores.source, "selection": select(config, scores, work)}


def select(config: SelectConfig, scores: Scores, work: Work) -> Result:
    """The selections (table `selection`) from `doc_scores`, in the order of the configuration.

    What decides lies in files of 14 bytes a document in the work's folder (8 more for each column of the user's, and
    for the hashes where those of all documents are needed) and is read in blocks: memory does not grow with the corpus.
    Files of scores give files of selections, a shard each.

    Raises:
        InputError: a threshold or selector names no column, or the documents left hold fewer tokens than the budget.
    """
    place = work.folder / "selections.json"
    if not place.exists():  # else a killed run, or another rank of this command, has chosen the documents
        write_json(place, _choice(config, scores, work.folder))
    choice = json.loads(place.read_text("utf-8"))
    for key, value in choice["notes"].items():
        work.note(key, value)
    for text in choice["warnings"]:
        work.warn(text)
    states = {name: work.folder / file for name, file in choice["states"].items()}
    constants = config, states, UserColumns(work.folder, choice["columns"])
    if not isinstance(scores.source, dict):
        return selection_rows(scores.source, 0, "", *constants)
    parts = zip(scores.source.items(), scores.begins, strict=False)
    tasks = [(shard, selection_rows, (path, begin, shard)) for (shard, path), begin in parts]
    parts = shard_parts(tasks, work, config.workers, "selection", config.engine, constants)
    return dict(zip(scores.source, parts, strict=True))


def selection_rows(
    part: pa.Table | Path, begin: int, shard: str, config: SelectConfig, states: dict[str, Path], extra: UserColumns
) -> pa.Table:
    """The rows of the table `selection` for the documents of some scores, the first of which is at place `begin`.

    Args:
        part: scores of a shard, or of all documents.
        begin: documents before them.
        shard: its name; empty: the scores name the shard and row of each document.
        config: the selections' configuration.
        states: the file of the documents' states of each selection.
        extra: the user's columns.
    """
    selectors = {name: SCORELESS_SELECTORS[0] if name == HELD_OUT else dose(name)[0] for name in states}
    columns = {*_OF_SELECTION, "units", "pivot_units"}.union(*(SELECTOR_COLUMNS.get(s, ()) for s in selectors.values()))
    columns -= {"shard", "row"} if shard else set()
    is_any = any(s not in SELECTOR_COLUMNS and s not in SCORELESS_SELECTORS for s in selectors.values())
    rows = {name: [SCHEMAS["selection"].empty_table()] for name in states}
    first = begin
    for batch in part_batches(part, None if is_any else columns):
        for name, path in states.items():
            picks = np.flatnonzero(np.fromfile(path, np.uint8, len(batch), offset=begin))
            documents = batch.take(pa.array(picks))
            numbers = _columns(documents) | extra.of(begin + picks)
            selector = selectors[name]
            score = numbers["pivot_share"] if selector in SCORELESS_SELECTORS else score_of(selector, numbers, config)
            fields = {name: documents[name] for name in _OF_SELECTION if name in documents.schema.names}
            if shard:
                fields |= {"shard": pa.repeat(shard, len(picks)), "row": begin - first + picks}
            fields = {column: fields[column] for column in _OF_SELECTION}
            fields |= {"score": pa.array(score, pa.float64())}
            table = pa.table({"selection": pa.repeat(name, len(picks)), **fields})
            rows[name].append(table.cast(SCHEMAS["selection"]))
        begin += len(batch)
    return pa.concat_tables(itertools.chain.from_iterable(rows.values()))


def _columns(documents: pa.RecordBatch) -> Columns:
    """The numbers among the columns of `doc_scores`, and the share of pivots."""
    names = [name for name in documents.schema.names if name not in _NOT_NUMBERS]
    columns: Columns = {name: documents[name].to_numpy(zero_copy_only=False) for name in names}
    if "units" in columns:
        columns["pivot_share"] = columns["pivot_units"] / np.maximum(columns["units"], 1)
    return columns


def _choice(config: SelectConfig, scores: Scores, folder: Path) -> Record:
    """Choose the documents of every selection: notes and warnings, and the files of states and of columns, by name."""
    source = _Source(config, scores, folder)
    notes: Record = {}
    warnings: list[str] = []
    pool = Pool(config, source.documents, source.languages, source.score)
    states: dict[str, Path] = {}
    for name in config.selections:
        totals, of_selector = pool.selection(name)
        _note(notes, warnings, config, name, totals)
        if of_selector.without_score:
            warnings.append(
                f"select: {of_selector.without_score:,} of {int(of_selector.documents.sum()):,} documents taken by "
                f"{name} have no score, or are shorter than min_tokens: they come last, in the order of their hashes, "
                "and the budget reached them"
            )
        states[name] = source.documents.states
    if len(source.aside):
        notes["held_out_documents"] = len(source.aside)
        source.documents.release("held-out")
        for place in source.aside.tolist():
            source.documents.put("state", place, np.array([CHOSEN], np.uint8))
        states[HELD_OUT] = source.documents.states
    for path in (*states.values(), *(folder / file for file in source.extra.files.values())):
        with path.open("rb") as stream:
            os.fsync(stream.fileno())  # the record that names them must not outlive them
    names = {name: str(path.relative_to(folder)) for name, path in states.items()}
    return {"notes": notes, "warnings": warnings, "states": names, "columns": source.extra.files}


def _note(notes: Record, warnings: list[str], config: SelectConfig, name: str, totals: Totals) -> None:
    """Note a selection's size, and what a reader would not expect of it."""
    tokens = int(totals.tokens.sum())
    notes[f"{name}_tokens"] = tokens
    notes[f"{name}_documents"] = int(totals.documents.sum())
    if config.stratify_pairs or config.exclude_pairs:
        notes[f"{name}_documents_with_a_pair"] = int(totals.documents[1::2].sum())
    if config.budget_tokens - tokens > tolerance(config):
        warnings.append(
            f"select: {name} holds {tokens:,} tokens of {config.budget_tokens:,}, beyond the tolerance of "
            f"{tolerance(config):,.0f}: every document that is left is longer than what is missing; expected a larger "
            "budget_tokens, or shorter documents"
        )


class _Source:
    """Document scores as selections need them: what is constant in files, a selector's scores made when asked for."""

    def __init__(self, config: SelectConfig, scores: Scores, folder: Path):
        self.config, self.scores, self.folder = config, scores, folder
        score_names = [name for name in scores.names if name not in _NOT_NUMBERS]
        threads = config.workers or len(os.sched_getaffinity(0))
        self.documents = Documents(folder / "documents", self._hashes, threads)
        self.extra = UserColumns(folder, {})
        if config.columns:
            self.extra = join(config.columns, (*score_names, "pivot_share"), scores, folder)
        self.languages = self._prepare()
        self.aside = self._held_out() if config.held_out_documents else np.zeros(0, np.int64)
        for place in self.aside.tolist():
            self.documents.put("n_tokens", place, np.array([INELIGIBLE], np.int32))

    def _prepare(self) -> list[str]:
        """Write each document's tokens and cell; returns the languages by their numbers in the cells."""
        number: dict[str, int] = {}
        names = None if self.config.thresholds else ("language", "n_tokens", "holds_pair")
        for batch in self.scores.batches(names):
            columns = self._columns(batch, self.documents.size)
            codes = batch["language"].dictionary_encode()
            numbers = [number.setdefault(str(code), len(number)) for code in codes.dictionary.to_pylist()]
            language = np.array(numbers, np.int32)[codes.indices.to_numpy()]
            self.documents.append(
                n_tokens=np.where(_eligible(self.config, columns), columns["n_tokens"], INELIGIBLE),
                cell=2 * language + columns["holds_pair"],
            )
        return list(number)

    def _hashes(self, places: np.ndarray) -> np.ndarray:
        return shuffle(self.scores.id_hashes(places), seed_of("select", self.config.seed))

    def _columns(self, batch: pa.RecordBatch, begin: int) -> Columns:
        return _columns(batch) | self.extra.of(slice(begin, begin + len(batch)))

    def score(self, name: str) -> None:
        """Write a selector's scores, with noise where a sample is drawn."""
        self.documents.clear("score")
        begin = 0
        if name in SCORELESS_SELECTORS:
            for begin in range(0, self.documents.size, BLOCK):
                self.documents.append(score=np.zeros(min(BLOCK, self.documents.size - begin)))
        else:
            for batch in self.scores.batches(
                (*SELECTOR_COLUMNS[name], "n_tokens") if name in SELECTOR_COLUMNS else None
            ):
                self.documents.append(score=score_of(name, self._columns(batch, begin), self.config))
                begin += len(batch)
        if self.config.sampling == "gumbel":
            self._add_noise(seed_of("select", self.config.seed, "gumbel", name))

    def _add_noise(self, seed: int) -> None:
        self.documents.store_hashes()
        scale = self.config.temperature * _deviation(self.documents)
        for begin in range(0, self.documents.size, BLOCK):
            score, hashes = (self.documents.column(name, begin, BLOCK) for name in ("score", "hashes"))
            self.documents.put("score", begin, gumbel(score, hashes, scale, seed))

    def _held_out(self) -> np.ndarray:
        """(documents kept aside,) int64 places, ascending; the documents are sorted by their alignment keys on disk."""
        schema = pa.schema([("key", pa.int64()), ("language", pa.string()), ("place", pa.int64())])
        with database(self.folder / "held-out") as connection:
            connection.register("rows", pa.RecordBatchReader.from_batches(schema, self._alignment(schema)))
            batches = connection.sql("select * from rows order by key, place").to_arrow_reader(ROWS)
            documents = (zip(*(column.to_pylist() for column in batch.columns), strict=True) for batch in batches)
            return held_out(itertools.chain.from_iterable(documents), self.config.held_out_documents)

    def _alignment(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Number of the alignment key, language and place of each document that is long enough to evaluate on."""
        begin = 0
        for batch in self.scores.batches(("doc_id", "language", "n_tokens")):
            long = np.flatnonzero(batch["n_tokens"].to_numpy() >= self.config.min_tokens)
            documents = batch.take(pa.array(long))
            keys = alignment_keys(documents["doc_id"].to_pylist(), self.languages)
            numbers = [seed_of(self.config.seed, "held-out", key) for key in keys]
            columns = pa.array(numbers, pa.int64()), documents["language"].cast(pa.string()), pa.array(begin + long)
            yield pa.record_batch(list(columns), schema)
            begin += len(batch)


def _deviation(documents: Documents) -> float:
    """Standard deviation of the finite scores of the documents that may be taken; 0 of none."""

    def total(values: Callable[[np.ndarray], np.ndarray]) -> float:
        def task(blocks: Iterator[Block]) -> list[float]:
            scores = (block.score[(block.n_tokens != INELIGIBLE) & np.isfinite(block.score)] for block in blocks)
            return [float(values(score).sum()) for score in scores]

        return math.fsum(part for parts in documents.map(task) for part in parts)  # exact: threads change nothing

    count = total(np.ones_like)
    mean = total(lambda score: score) / max(count, 1)
    return math.sqrt(total(lambda score: (score - mean) ** 2) / max(count, 1))


def _eligible(config: SelectConfig, columns: Columns) -> np.ndarray:
    eligible = ~columns["holds_pair"] if config.exclude_pairs else np.ones(len(columns["n_tokens"]), np.bool_)
    for threshold in config.thresholds:
        name, sign, number = re.split("(>=|<=)", threshold)
        values = column_of(columns, name.strip(), "[select] thresholds")
        eligible = eligible & (values >= float(number) if sign == ">=" else values <= float(number))
    return eligible
