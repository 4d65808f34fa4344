"""The published form of pivot discovery (METHOD §5), `paper`.

Documents that hold any one sub-token of the word, drawn with replacement (so that a rare word's documents repeat), less
as many random documents; the smaller surplus ranks, and no token is left out. What the authors dropped by judged
relation to the pair is not published; the columns of `related` are offered in its place.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from semantic_pivots.config import DiscoverConfig
from semantic_pivots.corpus.vocabulary import read_tokenizer
from semantic_pivots.counting.counts import Word
from semantic_pivots.counting.unit_counts import renumber
from semantic_pivots.pivots.word_contexts import WordContexts, distinct_shards, token_texts
from semantic_pivots.run import Inputs
from semantic_pivots.statistics import seed_of


def load_distinct(inputs: Inputs, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Distinct tokens of every document of the corpus, in the order of its shards: starts, tokens."""
    starts, tokens = [np.zeros(1, dtype=np.int64)], []
    for document_starts, distinct in distinct_shards(inputs, size):
        starts.append(document_starts[1:] + starts[-1][-1])
        tokens.append(distinct)
    return np.concatenate(starts), np.concatenate(tokens)


def published_contexts(inputs: Inputs, spellings: list[Word], config: DiscoverConfig) -> WordContexts:
    """Documents that hold any sub-token of the word, drawn with replacement, against as many random documents."""
    texts = token_texts(inputs.folder("tokens") / "tokenizer.json")
    starts, tokens = load_distinct(inputs, len(texts))
    word_tokens = _own_tokens(inputs.folder("tokens") / "tokenizer.json", spellings)
    draws = _draws(word_tokens, starts, tokens, config)
    generator = np.random.default_rng(seed_of("discover", config.seed, "background"))
    documents = generator.integers(0, len(starts) - 1, config.documents)
    background = np.concatenate([tokens[starts[d] : starts[d + 1]] for d in documents])
    frequency, totals = (
        np.bincount(background, minlength=len(texts)),
        {w: len(documents) for w, documents in draws.items()},
    )
    return WordContexts(starts, *renumber(tokens, len(texts)), draws, frequency, config.documents, totals, texts)


def _own_tokens(tokenizer_file: Path, spellings: list[Word]) -> dict[Word, np.ndarray]:
    """Token ids of each word after a space, the lone space left out."""
    tokenizer = read_tokenizer(tokenizer_file)
    space = set(tokenizer.encode(" ", add_special_tokens=False).ids)
    encoded = tokenizer.encode_batch([f" {word}" for word, _ in spellings], add_special_tokens=False)
    return {w: np.array(sorted(set(e.ids) - space), np.int32) for w, e in zip(spellings, encoded, strict=True)}


def _draws(
    word_tokens: dict[Word, np.ndarray], starts: np.ndarray, tokens: np.ndarray, config: DiscoverConfig
) -> dict[Word, np.ndarray]:
    """`documents` draws with replacement among the documents that hold any sub-token of each word."""
    is_own = np.isin(tokens, np.unique(np.concatenate(list(word_tokens.values()))))
    rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))[is_own]
    of_token = tokens[is_own]
    order = np.argsort(of_token, kind="stable")
    rows, of_token = rows[order], of_token[order]
    draws = {}
    for word, ids in word_tokens.items():
        low, high = np.searchsorted(of_token, ids), np.searchsorted(of_token, ids, "right")
        holders = np.unique(np.concatenate([rows[a:b] for a, b in zip(low, high, strict=True)] or [rows[:0]]))
        generator = np.random.default_rng(seed_of("discover", config.seed, *word))
        draws[word] = generator.choice(holders, config.documents) if len(holders) else holders
    return draws
