"""Semantic pivots of a pair: tokens that surround both of its words more than they surround anything (METHOD §5).

For every word, documents that contain the word itself are drawn without replacement; a token's surplus is the share of
them that hold it less its share of all documents. The published value of a pair is the smaller of its two surpluses.
PMI, NPMI and the log-likelihood ratio rank the same counts. Pieces of the two words, tokens without a letter (byte
fragments, digits, marks) and stop tokens (in more than a tenth of all documents) never are pivots.
"""

from __future__ import annotations

import json
from pathlib import Path

import numba
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semantic_pivots import words
from semantic_pivots.config import DiscoverConfig
from semantic_pivots.corpus.count import Word, benchmark_words
from semantic_pivots.corpus.engines import run_shards
from semantic_pivots.corpus.match import Words, buffers, find
from semantic_pivots.errors import InputError, nearest
from semantic_pivots.run import Inputs, Work
from semantic_pivots.statistics import seed_of

MEASURES = ("min", "pmi", "npmi", "llr")
_STOP_SHARE = 0.1


def token_texts(tokenizer_file: Path) -> list[str]:
    """The text of every token id, leading space kept; a token that is not whole characters holds U+FFFD."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    special = {int(t["id"]) for t in json.loads(tokenizer_file.read_text("utf-8"))["added_tokens"] if t["special"]}
    # A decoder strips the leading space of a text; after an ordinary token it is kept.
    anchor = tokenizer.encode("a", add_special_tokens=False).ids
    alone = tokenizer.decode(anchor)
    texts = tokenizer.decode_batch([[*anchor, token] for token in range(size)], skip_special_tokens=False)
    return ["\ufffd" if i in special else text.removeprefix(alone) for i, text in enumerate(texts)]


def _hits_of_shard(path: Path, spellings: list[Word]) -> pa.Table:
    compiled = Words.compile(spellings)
    starts, hits = find(compiled, *buffers(pq.read_table(path, columns=["text"])["text"]))
    rows = np.repeat(np.arange(len(starts) - 1, dtype=np.int64), np.diff(starts))
    return pa.table({"row": rows, "pattern": hits})


@numba.njit(cache=True)
def distinct_tokens(tokens, offsets, size):  # pragma: no cover - compiled
    """Each document's distinct tokens in order of appearance: (offsets, tokens), and every token's document count."""
    starts = np.zeros(len(offsets), dtype=np.int64)
    kept = np.empty(len(tokens), dtype=np.int32)
    seen = np.full(size, -1, dtype=np.int64)
    frequency = np.zeros(size, dtype=np.int64)
    count = 0
    for document in range(len(offsets) - 1):
        for i in range(offsets[document], offsets[document + 1]):
            token = tokens[i]
            if seen[token] != document:
                seen[token] = document
                frequency[token] += 1
                kept[count] = token
                count += 1
        starts[document + 1] = count
    return starts, kept[:count].copy(), frequency


@numba.njit(cache=True)
def _surround(documents, starts, tokens, counts):  # pragma: no cover - compiled
    for document in documents:
        for i in range(starts[document], starts[document + 1]):
            counts[tokens[i]] += 1


def load_distinct(inputs: Inputs, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct tokens of every document of the corpus, in the order of its shards: starts, tokens, document counts."""
    starts, tokens, frequency = [np.zeros(1, dtype=np.int64)], [], np.zeros(size, dtype=np.int64)
    for row in inputs.table("token_shards").to_pylist():
        column = pq.read_table(inputs.folder("tokens") / row["path"])["tokens"].combine_chunks()
        flat = column.flatten().to_numpy()
        lengths = np.diff(column.offsets.to_numpy())
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        begin, kept, counted = distinct_tokens(flat, offsets, size)
        starts.append(begin[1:] + starts[-1][-1])
        tokens.append(kept)
        frequency += counted
    return np.concatenate(starts), np.concatenate(tokens), frequency


def measures(count: np.ndarray, drawn: int, frequency: np.ndarray, documents: int) -> dict[str, np.ndarray]:
    """Association of tokens with one word, from counts: all arrays (tokens,) float64.

    Args:
        count: drawn documents that hold each token.
        drawn: documents drawn of those that contain the word.
        frequency: documents of the whole corpus that hold each token.
        documents: documents of the whole corpus.
    """
    inside, outside = count / drawn, frequency / documents
    rest = np.maximum(frequency - count, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        pmi = np.log(inside / outside)
        npmi = np.where(count > 0, pmi / -np.log(np.minimum(count / documents, 1 - 1e-12)), -1.0)
        # Dunning's log-likelihood ratio of the token inside and outside the drawn documents, signed by direction.
        pooled = (count + rest) / documents
        ratio = np.zeros(len(count))
        for observed, total in ((count, drawn), (rest, documents - drawn)):
            for part, share in ((observed, pooled), (total - observed, 1 - pooled)):
                ratio += np.where(part > 0, 2 * part * np.log(part / np.maximum(total * share, 1e-300)), 0.0)
    return {"min": inside - outside, "pmi": pmi, "npmi": npmi, "llr": np.sign(inside - outside) * ratio}


def eligible(texts: list[str], frequency: np.ndarray, documents: int) -> np.ndarray:
    """(tokens,) bool: the tokens that can be pivots of some pair."""
    readable = np.array(["\ufffd" not in t and any(c.isalpha() for c in t) and "<0x" not in t for t in texts])
    return readable & (frequency >= 2) & (frequency <= _STOP_SHARE * documents)


def is_piece(token: str, word: str) -> bool:
    """Whether a token's text is part of the word or holds it."""
    token, word = words.normalise(token).strip(), words.normalise(word)
    return token in word or word in token


def discover_stage(config: DiscoverConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """The pivots of every item, best first (table `pivots`).

    Raises:
        InputError: the configuration names a form or measure that there is not.
    """
    if config.measure not in MEASURES:
        raise InputError(f"[discover] measure = {config.measure!r}: expected one of {', '.join(MEASURES)}")
    if config.form != "default":
        raise InputError(f"[discover] form = {config.form!r}: expected 'default'{nearest(config.form, ['default'])}")
    items = inputs.table("items").to_pylist()
    spellings, _ = benchmark_words(inputs.table("items"))
    texts = token_texts(inputs.folder("tokens") / "tokenizer.json")
    starts, tokens, frequency = load_distinct(inputs, len(texts))
    documents = len(starts) - 1
    holders = _holders(inputs, spellings, work, config.workers)
    can = eligible(texts, frequency, documents)
    surplus: dict[Word, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
    counts = np.zeros(len(texts), dtype=np.int32)
    with work.progress(len(spellings), "words", "discover") as progress:
        for word in spellings:
            drawn = _draw(holders[word], config, word)
            counts[:] = 0
            _surround(drawn, starts, tokens, counts)
            near = np.flatnonzero((counts >= min(2, len(drawn))) & can & (counts > 0))
            scored = measures(counts[near].astype(np.float64), max(len(drawn), 1), frequency[near], documents)
            surplus[word] = (near.astype(np.int32), scored["min"], scored[config.measure])
            progress.advance()
    work.note("words_without_documents", sum(len(h) == 0 for h in holders.values()))
    return {"pivots": _rank(items, surplus, texts, config)}


def _holders(inputs: Inputs, spellings: list[Word], work: Work, workers: int) -> dict[Word, np.ndarray]:
    """Documents (numbered through all shards) that contain each word."""
    shards = inputs.table("shards").to_pylist()
    tasks = [(s["shard"], _hits_of_shard, (inputs.folder("corpus") / s["path"], spellings)) for s in shards]
    rows, patterns, base = [], [], 0
    for shard, part in zip(shards, run_shards(tasks, work, workers, "discover"), strict=True):
        rows.append(part["row"].to_numpy() + base)
        patterns.append(part["pattern"].to_numpy())
        base += shard["documents"]
    row, pattern = np.concatenate(rows), np.concatenate(patterns)
    order = np.lexsort((row, pattern))
    row, pattern = row[order], pattern[order]
    pattern_of = Words.compile(spellings).pattern_of
    edges = np.searchsorted(pattern, np.arange(pattern_of.max() + 2))
    return {w: row[edges[p] : edges[p + 1]] for w, p in zip(spellings, pattern_of, strict=True)}


def _draw(holders: np.ndarray, config: DiscoverConfig, word: Word) -> np.ndarray:
    if len(holders) <= config.documents:
        return holders
    generator = np.random.default_rng(seed_of("discover", config.seed, *word))
    return np.sort(generator.choice(holders, config.documents, replace=False))


def _rank(items: list[dict], surplus: dict, texts: list[str], config: DiscoverConfig) -> pa.Table:
    columns: dict[str, list] = {
        name: [] for name in ("item_id", "token", "text", "rank", "surplus_source", "surplus_target", "value")
    }
    for item in items:
        source = (item["source"], item["source_language"])
        target = (item["target"], item["target_language"])
        shared, i, j = np.intersect1d(surplus[source][0], surplus[target][0], assume_unique=True, return_indices=True)
        value = np.minimum(surplus[source][2][i], surplus[target][2][j])
        best = np.lexsort((shared, -value))[: 4 * config.top]
        kept = 0
        for index in best:
            token = int(shared[index])
            if value[index] <= 0 or kept == config.top:
                break
            if is_piece(texts[token], item["source"]) or is_piece(texts[token], item["target"]):
                continue
            row = (item["item_id"], token, texts[token], kept, surplus[source][1][i[index]])
            for name, cell in zip(columns, (*row, surplus[target][1][j[index]], value[index]), strict=True):
                columns[name].append(cell)
            kept += 1
    columns["measure"] = [config.measure] * len(columns["item_id"])
    return pa.table(
        {**columns, "token": pa.array(columns["token"], pa.int32()), "rank": pa.array(columns["rank"], pa.int32())}
    )
