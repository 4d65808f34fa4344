"""Selections of documents at equal tokens, from scores that are computed once.

`doc_scores` is a sidecar with one row per document of the corpus; a selection orders those rows, takes them until the
token budget is full, and keeps (shard, row) of each. Text is never rewritten. Ties are broken by a hash of the
document's id, so a selection does not depend on the order of the shards or on the number of workers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numba
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semantic_pivots.config import SelectConfig
from semantic_pivots.corpus.count import benchmark_words
from semantic_pivots.corpus.match import Words, buffers, find
from semantic_pivots.errors import InputError, nearest
from semantic_pivots.run import Inputs, Work


@numba.njit(cache=True, nogil=True)
def pivot_counts(tokens, offsets, is_pivot):  # pragma: no cover - compiled
    """(documents,) int32: tokens of each document that are in the pivot set."""
    counts = np.zeros(len(offsets) - 1, dtype=np.int32)
    for document in range(len(counts)):
        for i in range(offsets[document], offsets[document + 1]):
            counts[document] += is_pivot[tokens[i]]
    return counts


def id_hashes(ids: list[str], seed: int) -> np.ndarray:
    """(documents,) uint64: a random order of documents that depends on the seed and each id alone."""
    key = seed.to_bytes(8, "little", signed=True)
    digests = (hashlib.blake2b(i.encode("utf-8", "surrogatepass"), digest_size=8, key=key).digest() for i in ids)
    return np.frombuffer(b"".join(digests), dtype=np.uint64)


def take(order: np.ndarray, n_tokens: np.ndarray, budget: int) -> np.ndarray:
    """The first documents of an order that fill the budget; the last one crosses the boundary."""
    ends = np.cumsum(n_tokens[order])
    return order[: int(np.searchsorted(ends, budget)) + 1]


def pivot_rich(scores: dict[str, np.ndarray], budget: int, hashes: np.ndarray) -> np.ndarray:
    """Documents with the largest share of pivot tokens; those that are too short to tell come last."""
    share = scores["pivot_tokens"] / np.maximum(scores["n_tokens"], 1)
    share = np.where(scores["long"], share, -1.0)
    return take(np.lexsort((hashes, -share)), scores["n_tokens"], budget)


def random_documents(scores: dict[str, np.ndarray], budget: int, hashes: np.ndarray) -> np.ndarray:
    """Documents in a random order."""
    return take(np.argsort(hashes, kind="stable"), scores["n_tokens"], budget)


def language_matched(scores: dict[str, np.ndarray], budget: int, hashes: np.ndarray) -> np.ndarray:
    """Random documents with the tokens per language of the pivot-rich selection."""
    rich = pivot_rich(scores, budget, hashes)
    chosen = []
    for code in np.unique(scores["language"]):
        quota = int(scores["n_tokens"][rich][scores["language"][rich] == code].sum())
        members = np.flatnonzero(scores["language"] == code)
        if quota:
            order = members[np.argsort(hashes[members], kind="stable")]
            chosen.append(take(order, scores["n_tokens"], quota))
    return np.concatenate(chosen)


def bilingual(scores: dict[str, np.ndarray], budget: int, hashes: np.ndarray) -> np.ndarray:
    """Documents that hold lexicon words of the most languages, by words per token among those of equal number."""
    order = np.lexsort((hashes, -scores["word_share"], -scores["languages_met"]))
    return take(order, scores["n_tokens"], budget)


SELECTORS: dict[str, Callable[[dict[str, np.ndarray], int, np.ndarray], np.ndarray]] = {
    "pivot-rich": pivot_rich,
    "random": random_documents,
    "language-matched": language_matched,
    "bilingual": bilingual,
}


def select_stage(config: SelectConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Score every document and make the selections (tables `doc_scores` and `selection`).

    Raises:
        InputError: an unknown selector, or a budget that the corpus does not hold.
    """
    for name in config.selections:
        if name not in SELECTORS:
            raise InputError(f"[select] selections: unknown {name!r}{nearest(name, SELECTORS)}")
    scores, tables = _scores(inputs, config)
    hashes = id_hashes(scores["doc_id"].tolist(), config.seed)
    allowed = np.flatnonzero(scores["allowed"])
    total = int(scores["n_tokens"][allowed].sum())
    if config.budget_tokens > total:
        raise InputError(f"[select] budget_tokens = {config.budget_tokens:,}: the corpus holds only {total:,} tokens")
    subset = {name: column[allowed] for name, column in scores.items()}
    share = subset["pivot_tokens"] / np.maximum(subset["n_tokens"], 1)
    parts = []
    for name in config.selections:
        rows = np.sort(SELECTORS[name](subset, config.budget_tokens, hashes[allowed]))
        work.note(f"{name}_tokens", int(subset["n_tokens"][rows].sum()))
        parts.append(
            pa.table(
                {
                    "selection": [name] * len(rows),
                    "shard": subset["shard"][rows],
                    "row": subset["row"][rows],
                    "doc_id": subset["doc_id"][rows],
                    "language": subset["language"][rows],
                    "n_tokens": subset["n_tokens"][rows],
                    "score": share[rows],
                }
            )
        )
    return {"doc_scores": pa.concat_tables(tables), "selection": pa.concat_tables(parts)}


def _scores(inputs: Inputs, config: SelectConfig) -> tuple[dict[str, np.ndarray], list[pa.Table]]:
    """Columns over all documents, and the public sidecar by shard."""
    pivots = inputs.table("pivot_set")["token"].to_numpy()
    is_pivot = np.zeros(1 << 20, dtype=np.uint8)
    is_pivot[pivots] = 1
    matching = "bilingual" in config.selections or config.exclude_pairs
    spellings, pairs = benchmark_words(inputs.table("items"))
    compiled = Words.compile(spellings)
    shards = {row["shard"]: row["path"] for row in inputs.table("shards").to_pylist()}
    tables, extra = [], []
    for row in inputs.table("token_shards").to_pylist():
        columns = ["id", "language", "text"] if matching else ["id", "language"]
        texts = pq.read_table(inputs.folder("corpus") / shards[row["shard"]], columns=columns)
        column = pq.read_table(inputs.folder("tokens") / row["path"])["tokens"].combine_chunks()
        offsets = column.offsets.to_numpy().astype(np.int64)
        counts = pivot_counts(column.values.to_numpy(), offsets, is_pivot)
        lengths = np.diff(offsets).astype(np.int32)
        tables.append(
            pa.table(
                {
                    "shard": [row["shard"]] * len(counts),
                    "row": np.arange(len(counts), dtype=np.int64),
                    "doc_id": texts["id"],
                    "language": texts["language"],
                    "n_tokens": lengths,
                    "pivot_tokens": counts,
                }
            )
        )
        extra.append(_meetings(texts, compiled, spellings, pairs, lengths) if matching else None)
    whole = pa.concat_tables(tables)
    scores = {name: whole[name].to_numpy() for name in whole.column_names}
    if matching:
        met = [e for e in extra if e is not None]
        scores |= {name: np.concatenate([e[name] for e in met]) for name in met[0]}
    scores["long"] = scores["n_tokens"] >= config.min_tokens
    scores["allowed"] = ~scores["holds_pair"] if config.exclude_pairs else np.ones(whole.num_rows, dtype=np.bool_)
    return scores, tables


def _meetings(
    texts: pa.Table, compiled: Words, spellings: list, pairs: list, lengths: np.ndarray
) -> dict[str, np.ndarray]:
    """Of each document: languages of which it holds benchmark words, such words per token, and whether it holds a pair.

    Words of two scripts or more than three letters only: short Latin words are homographs of other languages' words.
    """
    starts, hits = find(compiled, *buffers(texts["text"]))
    by_pattern: dict[int, set[str]] = {}
    for (word, code), pattern in zip(spellings, compiled.pattern_of.tolist(), strict=True):
        if len(word) > 3 or not word.isascii():
            by_pattern.setdefault(pattern, set()).add(code)
    index = {word: int(p) for word, p in zip(spellings, compiled.pattern_of, strict=True)}
    partner: dict[int, set[int]] = {}
    for a, b in pairs:
        if index[a] != index[b]:
            partner.setdefault(index[a], set()).add(index[b])
    languages = np.zeros(len(lengths), dtype=np.int32)
    share = np.zeros(len(lengths))
    holds = np.zeros(len(lengths), dtype=np.bool_)
    for document in range(len(lengths)):
        found = hits[starts[document] : starts[document + 1]].tolist()
        # A spelling that several languages share tells none of them apart.
        told = [next(iter(by_pattern[p])) for p in found if len(by_pattern.get(p, ())) == 1]
        languages[document] = len(set(told))
        share[document] = len(told) / max(int(lengths[document]), 1)
        here = set(found)
        holds[document] = any(not here.isdisjoint(partner.get(p, ())) for p in found)
    return {"languages_met": languages, "word_share": share, "holds_pair": holds}
