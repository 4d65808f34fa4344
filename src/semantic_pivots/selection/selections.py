"""Selections of documents at equal tokens, from scores that are computed once.

A selector makes one number of a document's scores; all selectors share the rest: which documents may be taken
(thresholds, the leakage guard), the tokens of each language or stratum, the best or a Gumbel sample of them, and the
budget (`corpus.pool`). A selection is a list of (shard, row); text is never rewritten. Nothing depends on the number
of workers or the order in which shards were scored.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from semantic_pivots.config import SelectConfig
from semantic_pivots.corpus.aligned import alignment_keys, held_out
from semantic_pivots.counting.document_draws import hash_of, shuffled
from semantic_pivots.errors import InputError, nearest
from semantic_pivots.run import Inputs, Work
from semantic_pivots.selection.document_scores import document_scores
from semantic_pivots.selection.dsir import UNITS as DSIR_UNITS
from semantic_pivots.selection.selectors import SELECTORS, UNSCORED, Columns, column_of, score_of
from semantic_pivots.selection.token_budgets import Pool, dose, quotas_of, tolerance
from semantic_pivots.statistics import seed_of

HELD_OUT = "held-out"
"""Name under which the table `selection` holds the documents that no selection takes."""


def id_hashes(ids: list[str], seed: int) -> np.ndarray:
    """(documents,) uint64: a random order of documents that depends on the seed and each id alone."""
    return shuffled(hash_of(pa.array(ids, pa.string())), seed_of("select", seed))


def select_stage(config: SelectConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Score every document and make the selections (tables `doc_scores` and `selection`).

    Raises:
        InputError: an unknown selector, column or threshold, or a budget that the corpus does not hold.
    """
    check(config)
    towards = config.dsir_target, config.engine, config.dsir_languages, config.dsir_units
    scores = document_scores(inputs, work, config.workers, *towards, words=config.words, forms_path=config.forms_path)
    return {"doc_scores": scores, "selection": select(config, scores, work)}


def check(config: SelectConfig) -> None:
    """Refuse what cannot be selected before anything is scored.

    Raises:
        InputError: naming the key.
    """
    for name in (dose(name)[0] for name in config.selections):
        if name not in SELECTORS and not name.startswith("column:"):
            raise InputError(f"[select] selections: unknown {name!r}{nearest(name, SELECTORS)}")
        if name == "dsir" and not config.dsir_target and not config.dsir_languages:
            raise InputError(
                "[select] selections: dsir needs dsir_target, a file or folder of documents like those wanted, or "
                "dsir_languages"
            )
    if len(set(config.selections)) < len(config.selections):
        raise InputError(f"[select] selections = {list(config.selections)}: one of them stands twice")
    if config.dsir_units not in DSIR_UNITS:
        raise InputError(f"[select] dsir_units = {config.dsir_units!r}: expected {' or '.join(DSIR_UNITS)}")
    if config.sampling not in ("top", "gumbel"):
        raise InputError(f"[select] sampling = {config.sampling!r}: expected top or gumbel")
    if config.budget_tokens < 1 or config.min_tokens < 0 or config.held_out_documents < 0:
        raise InputError(
            f"[select] budget_tokens = {config.budget_tokens}, min_tokens = {config.min_tokens}, held_out_documents = "
            f"{config.held_out_documents}: expected a budget of at least 1, and no number below 0"
        )
    if not 0 < config.temperature < np.inf:
        raise InputError(f"[select] temperature = {config.temperature}: expected a finite number above 0")
    if config.exclude_pairs and config.stratify_pairs:
        raise InputError("[select] exclude_pairs and stratify_pairs are both set: expected one of them")
    _thresholds(config.thresholds)
    quotas_of(config.quotas)


def select(config: SelectConfig, scores: pa.Table, work: Work) -> pa.Table:
    """The selections (table `selection`) from `doc_scores`, in the order of the configuration.

    Raises:
        InputError: a threshold or selector names no column, or the documents left hold fewer tokens than the budget.
    """
    columns = _columns(scores, config.columns)
    hashes = shuffled(hash_of(scores["doc_id"]), seed_of("select", config.seed))
    codes = np.asarray(scores["language"].to_pylist(), dtype=str)
    allowed = _allowed(config, columns)
    aside = _held_out(config, scores, columns)
    allowed[aside] = False
    rows = np.flatnonzero(allowed)
    pool = Pool(config, {name: column[rows] for name, column in columns.items()}, hashes[rows], codes[rows])
    parts = []
    for name in config.selections:
        picked, chosen = pool.selection(name)
        _note(work, config, name, pool.columns, picked)
        selector = dose(name)[0]
        score = score_of(selector, pool.columns, config)
        if unscored := int(np.isneginf(score[chosen]).sum()):
            work.warn(
                f"select: {unscored:,} of {len(chosen):,} documents taken by {name} have no score, or are shorter than "
                "min_tokens: they come last, in the order of their hashes, and the budget reached them"
            )
        shown = pool.columns["pivot_share"] if selector in UNSCORED else score
        parts.append(_rows_of(scores, name, rows[picked], shown[picked]))
    if len(aside):
        work.note("held_out_documents", len(aside))
        parts.append(_rows_of(scores, HELD_OUT, aside, columns["pivot_share"][aside]))
    return pa.concat_tables(parts)


def _note(work: Work, config: SelectConfig, name: str, columns: Columns, picked: np.ndarray) -> None:
    """Put a selection's size into the manifest, and tell what a reader would not expect of it."""
    tokens = int(columns["n_tokens"][picked].sum(dtype=np.int64))
    work.note(f"{name}_tokens", tokens)
    work.note(f"{name}_documents", len(picked))
    if config.stratify_pairs or config.exclude_pairs:
        work.note(f"{name}_documents_with_a_pair", int(columns["holds_pair"][picked].sum()))
    if config.budget_tokens - tokens > tolerance(config):
        work.warn(
            f"select: {name} holds {tokens:,} tokens of {config.budget_tokens:,}, beyond the tolerance of "
            f"{tolerance(config):,.0f}: every document that is left is longer than what is missing; expected a larger "
            "budget_tokens, or shorter documents"
        )


def _rows_of(scores: pa.Table, name: str, rows: np.ndarray, score: np.ndarray) -> pa.Table:
    # A batch at a time: the ids of a large corpus, put together, are beyond what one Arrow array of texts can hold.
    wanted, parts, begin = scores.select(["shard", "row", "doc_id", "language", "n_tokens"]), [], 0
    for batch in wanted.to_batches():
        low, high = np.searchsorted(rows, [begin, begin + len(batch)])
        parts.append(batch.take(pa.array(rows[low:high] - begin)))
        begin += len(batch)
    taken = pa.Table.from_batches(parts, wanted.schema).append_column("score", pa.array(score, pa.float64()))
    return taken.add_column(0, "selection", pa.array([name] * len(rows), pa.string()))


def _held_out(config: SelectConfig, scores: pa.Table, columns: Columns) -> np.ndarray:
    """(documents kept aside,) int64 rows of `scores`, ascending."""
    if not config.held_out_documents:
        return np.zeros(0, np.int64)
    languages = np.asarray(scores["language"].to_pylist(), dtype=str)
    keys = alignment_keys(scores["doc_id"].to_pylist(), languages.tolist())
    long = columns["n_tokens"] >= config.min_tokens
    return held_out(keys, languages, long, config.held_out_documents, config.seed)


def _columns(scores: pa.Table, path: str) -> Columns:
    own = [name for name in scores.column_names if name not in ("shard", "row", "doc_id", "language")]
    columns: Columns = {name: scores[name].to_numpy() for name in own}
    columns["pivot_share"] = columns["pivot_units"] / np.maximum(columns["units"], 1)
    if path:
        columns |= _added(scores["doc_id"], path, tuple(columns))
    return columns


def _added(ids: pa.ChunkedArray, path: str, taken: tuple[str, ...]) -> Columns:
    """The user's columns, by doc_id; NaN where a document has no row.

    Raises:
        InputError: the file is not Parquet, lacks doc_id, repeats one, or a column is no number or has a taken name.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"[select] columns = {path!r}: not Parquet: {str(error).splitlines()[0]}") from error
    if "doc_id" not in table.column_names:
        raise InputError(f"[select] columns = {path!r}: no column doc_id; it has {', '.join(table.column_names)}")
    kind = table.schema.field("doc_id").type
    try:
        keys = table["doc_id"].cast(pa.large_string()).combine_chunks()  # ids beyond 2 GiB
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"[select] columns = {path!r}: doc_id is of type {kind}; expected texts") from error
    if len(keys.unique()) < len(keys):
        raise InputError(f"[select] columns = {path!r}: a doc_id stands twice; expected one row per document")
    place = pc.index_in(ids.cast(pa.large_string()), value_set=keys)  # type: ignore[attr-defined]
    if place.null_count == len(place):
        raise InputError(f"[select] columns = {path!r}: none of its doc_ids is a document of the corpus")
    found: Columns = {}
    for name in table.column_names:
        if name == "doc_id":
            continue
        kind = table.schema.field(name).type
        if name in taken:
            raise InputError(f"[select] columns = {path!r}: the name {name!r} is one of doc_scores; rename it")
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
            raise InputError(f"[select] columns = {path!r}: {name!r} is of type {kind}; expected numbers")
        values = table[name].combine_chunks()
        values = values.cast(pa.int8()) if pa.types.is_boolean(kind) else values
        # Integers beyond 2^53 lose their last digits; as scores they keep their order, but for ties.
        found[name] = values.cast(pa.float64(), safe=False).take(place.combine_chunks()).to_numpy(zero_copy_only=False)
    return found


def _allowed(config: SelectConfig, columns: Columns) -> np.ndarray:
    allowed = ~columns["holds_pair"] if config.exclude_pairs else np.ones(len(columns["n_tokens"]), np.bool_)
    for name, sign, number in _thresholds(config.thresholds):
        values = column_of(columns, name, "[select] thresholds")
        allowed = allowed & (values >= number if sign == ">=" else values <= number)
    return allowed


def _thresholds(entries: tuple[str, ...]) -> list[tuple[str, str, float]]:
    found = []
    for entry in entries:
        match = re.fullmatch(r"\s*(\w+)\s*(>=|<=)\s*([-+.\deE]+)\s*", entry)
        try:
            found.append((match[1], match[2], float(match[3])))  # type: ignore[index]
        except (TypeError, ValueError):
            raise InputError(f"[select] thresholds: {entry!r}: expected COLUMN>=NUMBER or COLUMN<=NUMBER") from None
    return found
