"""Selections of documents at equal tokens, from scores that are computed once.

A selector makes one number of a document's scores; all selectors share the rest: which documents may be taken
(thresholds, the leakage guard), the tokens of each language or stratum, the best or a Gumbel sample of them, and the
budget (`corpus.choose`). A selection is a list of (shard, row); text is never rewritten. Nothing depends on the number
of workers or the order in which shards were scored.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from semantic_pivots.config import SelectConfig
from semantic_pivots.corpus.aligned import alignment_keys, held_out
from semantic_pivots.corpus.choose import choose_by_group, gumbel
from semantic_pivots.corpus.draws import hash_of, shuffled
from semantic_pivots.corpus.scores import document_scores
from semantic_pivots.errors import InputError, nearest
from semantic_pivots.run import Inputs, Work
from semantic_pivots.statistics import seed_of

Columns = dict[str, np.ndarray]
"""Scores of documents: columns of `doc_scores`, `pivot_share`, and the user's, all (documents,)."""


def id_hashes(ids: list[str], seed: int) -> np.ndarray:
    """(documents,) uint64: a random order of documents that depends on the seed and each id alone."""
    return shuffled(hash_of(pa.array(ids, pa.string())), seed_of("select", seed))


def _surely(successes: np.ndarray, trials: np.ndarray) -> np.ndarray:
    """(documents,) float64: lower end of Wilson's interval of a share, so few trials do not look sure; 0 of none."""
    z, n = 1.96, np.maximum(trials, 1).astype(np.float64)
    share = successes / n
    centre, half = share + z * z / (2 * n), z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return np.where(trials > 0, np.maximum((centre - half) / (1 + z * z / n), 0.0), 0.0)


def pivot_rich(columns: Columns) -> np.ndarray:
    """Share of tokens that are in the pivot set."""
    return columns["pivot_share"]


def random_documents(columns: Columns) -> np.ndarray:
    """No preference: the order of the hashes."""
    return np.zeros(len(columns["n_tokens"]))


def bilingual(columns: Columns) -> np.ndarray:
    """Languages of which the document holds lexicon words, then such words per token."""
    return columns["languages_met"] + np.minimum(columns["lexicon_words"] / np.maximum(columns["n_tokens"], 1), 0.999)


def code_switched(columns: Columns) -> np.ndarray:
    """Share of lexicon words outside the document's main language, surely (the code-mixing index of Das & Gambäck)."""
    return _surely(columns["lexicon_words"] - columns["dominant_words"], columns["lexicon_words"])


def parallel(columns: Columns) -> np.ndarray:
    """Share of the document's concepts that it names in two languages, surely: what translations side by side do."""
    return _surely(columns["parallel_concepts"], columns["concepts"])


def dsir(columns: Columns) -> np.ndarray:
    """Mean log importance of the hashed n-grams (Xie et al. 2023; there the sum, which longer documents win)."""
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
_UNSCORED = ("random", "language-matched")
HELD_OUT = "held-out"
"""Name under which the table `selection` holds the documents that no selection takes."""


def select_stage(config: SelectConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Score every document and make the selections (tables `doc_scores` and `selection`).

    Raises:
        InputError: an unknown selector, column or threshold, or a budget that the corpus does not hold.
    """
    check(config)
    scores = document_scores(inputs, work, config.workers, config.dsir_target, config.engine, config.dsir_languages)
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
    _quotas(config.quotas)


def select(config: SelectConfig, scores: pa.Table, work: Work) -> pa.Table:
    """The selections (table `selection`) from `doc_scores`, in the order of the configuration.

    Raises:
        InputError: a threshold or selector names no column, or the documents left hold fewer tokens than the budget.
    """
    columns = _columns(scores, config.columns)
    hashes = shuffled(hash_of(scores["doc_id"]), seed_of("select", config.seed))
    allowed = _allowed(config, columns)
    aside = _held_out(config, scores, columns)
    allowed[aside] = False
    rows = np.flatnonzero(allowed)
    subset, hashes = {name: column[rows] for name, column in columns.items()}, hashes[rows]
    languages, language = np.unique(np.asarray(scores["language"].to_pylist(), dtype=str)[rows], return_inverse=True)
    held = int(subset["n_tokens"].sum(dtype=np.int64))
    if config.budget_tokens > held:
        raise InputError(
            f"[select] budget_tokens = {config.budget_tokens:,}: the {len(rows):,} documents that may be taken hold "
            f"only {held:,} tokens"
        )
    strata = subset["holds_pair"].astype(np.int64) if config.stratify_pairs else np.zeros(len(rows), np.int64)
    quotas = _quotas(config.quotas)
    unknown = [code for code in quotas if code not in languages]
    if unknown:
        raise InputError(f"[select] quotas: no document of {unknown[0]!r}; the corpus has {', '.join(languages)}")

    def chosen(
        name: str, per_language: np.ndarray | None, share: float = 1.0, taken: np.ndarray | None = None
    ) -> np.ndarray:
        """Documents of a selector that fill a share of the budget, without those taken already."""
        score = _score(name, subset, config)
        if config.sampling == "gumbel":
            score = gumbel(score, hashes, config.temperature, seed_of("select", config.seed, "gumbel", name))
        group = 2 * language + strata if per_language is not None else strata
        wanted = per_language if per_language is not None else np.array([config.budget_tokens])
        wanted = np.floor(wanted * share + 0.5).astype(np.int64)
        free = subset["n_tokens"] if taken is None else np.where(taken, 0, subset["n_tokens"])
        budgets = _budgets(wanted, group, free, languages.tolist() if per_language is not None else [])
        group = group if taken is None else np.where(taken, -1, group)
        picked = choose_by_group(score, hashes, subset["n_tokens"], group, budgets)
        if unscored := int(np.isneginf(score[picked]).sum()):
            work.warn(
                f"select: {unscored:,} of {len(picked):,} documents taken by {name} have no score, or are shorter than "
                "min_tokens: they come last, in the order of their hashes, and the budget reached them"
            )
        return picked

    shares = np.array([quotas.get(code, 0.0) for code in languages]) if quotas else None
    by_quota = None if shares is None else np.floor(config.budget_tokens * shares + 0.5).astype(np.int64)
    parts = []
    for name in config.selections:
        selector, share = dose(name)
        per_language = by_quota
        if selector == "language-matched":
            rich = chosen("pivot-rich", by_quota)
            per_language = np.bincount(language[rich], subset["n_tokens"][rich], len(languages)).astype(np.int64)
        picked = chosen(selector, per_language, share)
        if share < 1:
            taken = np.zeros(len(rows), np.bool_)
            taken[picked] = True
            picked = np.sort(np.concatenate([picked, chosen("random", per_language, 1 - share, taken)]))
        work.note(f"{name}_tokens", int(subset["n_tokens"][picked].sum(dtype=np.int64)))
        work.note(f"{name}_documents", len(picked))
        if config.stratify_pairs or config.exclude_pairs:
            work.note(f"{name}_documents_with_a_pair", int(subset["holds_pair"][picked].sum()))
        shown = subset["pivot_share"] if selector in _UNSCORED else _score(selector, subset, config)
        parts.append(_rows_of(scores, name, rows[picked], shown[picked]))
    if len(aside):
        work.note("held_out_documents", len(aside))
        parts.append(_rows_of(scores, HELD_OUT, aside, columns["pivot_share"][aside]))
    return pa.concat_tables(parts)


def dose(name: str) -> tuple[str, float]:
    """Selector and share of the tokens it chooses, of a selection's name: pivot-rich-25pct is a quarter.

    Raises:
        InputError: the share is not between 1 and 100.
    """
    match = re.fullmatch(r"(.+)-(\d+)pct", name)
    if match is None:
        return name, 1.0
    if not 1 <= int(match[2]) <= 100:
        raise InputError(f"[select] selections: {name!r}: expected a share of 1 to 100 per cent")
    return match[1], int(match[2]) / 100


def _rows_of(scores: pa.Table, name: str, rows: np.ndarray, score: np.ndarray) -> pa.Table:
    taken = scores.select(["shard", "row", "doc_id", "language", "n_tokens"]).take(pa.array(rows))
    taken = taken.append_column("score", pa.array(score, pa.float64()))
    return taken.add_column(0, "selection", pa.array([name] * len(rows), pa.string()))


def _held_out(config: SelectConfig, scores: pa.Table, columns: Columns) -> np.ndarray:
    """(documents kept aside,) int64 rows of `scores`, ascending."""
    if not config.held_out_documents:
        return np.zeros(0, np.int64)
    languages = np.asarray(scores["language"].to_pylist(), dtype=str)
    keys = alignment_keys(scores["doc_id"].to_pylist(), languages.tolist())
    long = columns["n_tokens"] >= config.min_tokens
    return held_out(keys, languages, long, config.held_out_documents, config.seed)


def _score(name: str, columns: Columns, config: SelectConfig) -> np.ndarray:
    """(documents,) float64; documents too short to tell, or without a value, at -inf: they come last."""
    if name.startswith("column:"):
        score = _column(columns, name.removeprefix("column:"), "[select] selections")
    else:
        score = SELECTORS[name](columns)
    score = np.where(np.isnan(score), -np.inf, score).astype(np.float64)
    return score if name in _UNSCORED else np.where(columns["n_tokens"] >= config.min_tokens, score, -np.inf)


def _budgets(wanted: np.ndarray, group: np.ndarray, n_tokens: np.ndarray, languages: list[str]) -> dict[int, int]:
    """Tokens of each group 2 x language + stratum: a language's budget in proportion to the tokens of its strata.

    Raises:
        InputError: a language holds fewer tokens than its quota.
    """
    held = np.bincount(group, n_tokens, 2 * len(wanted)).astype(np.int64).reshape(-1, 2)
    for code, tokens, quota in zip(languages, held.sum(axis=1), wanted, strict=False):
        if quota > tokens:
            raise InputError(f"[select] quotas: {quota:,} tokens of {code!r} are wanted, {tokens:,} may be taken")
    # Python's own numbers: the product of two numbers of tokens of a large corpus is beyond 64 bits.
    parts = zip(wanted.tolist(), held.tolist(), strict=True)
    second = np.array([(w * b + (a + b) // 2) // max(a + b, 1) for w, (a, b) in parts], np.int64)
    both = np.stack([wanted - second, second], axis=1).reshape(-1)
    return {int(i): int(tokens) for i, tokens in enumerate(both) if tokens > 0}


def _columns(scores: pa.Table, path: str) -> Columns:
    own = [name for name in scores.column_names if name not in ("shard", "row", "doc_id", "language")]
    columns: Columns = {name: scores[name].to_numpy() for name in own}
    columns["pivot_share"] = columns["pivot_tokens"] / np.maximum(columns["n_tokens"], 1)
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
        keys = table["doc_id"].combine_chunks().cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"[select] columns = {path!r}: doc_id is of type {kind}; expected texts") from error
    if len(keys.unique()) < len(keys):
        raise InputError(f"[select] columns = {path!r}: a doc_id stands twice; expected one row per document")
    place = pc.index_in(ids.cast(pa.string()), value_set=keys)  # type: ignore[attr-defined]
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


def _column(columns: Columns, name: str, where: str) -> np.ndarray:
    if name not in columns:
        raise InputError(f"{where}: no column {name!r}{nearest(name, columns)}; there are {', '.join(columns)}")
    return columns[name].astype(np.float64)


def _allowed(config: SelectConfig, columns: Columns) -> np.ndarray:
    allowed = ~columns["holds_pair"] if config.exclude_pairs else np.ones(len(columns["n_tokens"]), np.bool_)
    for name, sign, number in _thresholds(config.thresholds):
        values = _column(columns, name, "[select] thresholds")
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


def _quotas(entries: tuple[str, ...]) -> dict[str, float]:
    found: dict[str, float] = {}
    for entry in entries:
        code, sign, share = entry.partition("=")
        try:
            found[code.strip()] = float(share)
        except ValueError:
            sign = ""
        if not sign or not 0 <= found[code.strip()] <= 1:
            raise InputError(f"[select] quotas: {entry!r}: expected LANGUAGE=SHARE of the budget, such as fr=0.25")
    if entries and abs(sum(found.values()) - 1) > 1e-6:
        raise InputError(f"[select] quotas: the shares sum to {sum(found.values()):.4g}; expected 1")
    return found
