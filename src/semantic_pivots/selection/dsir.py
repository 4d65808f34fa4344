"""Importance weights of documents by their n-grams in a target and in the corpus (DSIR, Xie et al. 2023).

The features, the estimator and the weight are those of the authors' package `data-selection` 1.0.3 (HashedNgramDSIR).
Words and pairs of words are hashed into 10,000 buckets. Each bucket has the logarithm of its share in the target over
its share in the corpus, and a document's weight is the sum over its n-grams, so long documents weigh more. A run of
letters is one word, so a Chinese sentence is one word: `units = "tokens"` uses the model's tokens instead. Two things
differ from the package: all of the corpus is counted, and only the first 50,000 documents of a target. For a corpus
below a thousand million n-grams they change no weight.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numba
import numpy as np
import pyarrow as pa
import regex

from semantic_pivots.corpus import documents as readers
from semantic_pivots.corpus.vocabulary import text_ids
from semantic_pivots.counting.shard_passes import Shard
from semantic_pivots.counting.strings import mix

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

BUCKETS = 10_000
_TARGET_DOCUMENTS = 50_000
_NEVER = 1e-8
"""Share that stands for none, in the logarithm."""
_WORDS = regex.compile(r"\w+|[^\w\s]+")  # combining marks are letters to it, as to nltk 3.10

Ngrams = tuple[np.ndarray, np.ndarray]
"""Buckets of the n-grams of documents, (n-grams,) int32, and where each document begins, (documents + 1,) int64."""


@functools.lru_cache(maxsize=1 << 20)
def _bucket(ngram: str) -> int:
    return int.from_bytes(hashlib.sha256(ngram.encode()).digest(), "big") % BUCKETS


def word_ngrams(texts: Sequence[str]) -> Ngrams:
    """Words and pairs of neighbouring words of lower-cased texts: runs of letters and digits, and runs of signs."""
    buckets, lengths = [], []
    for text in texts:
        words = _WORDS.findall(text.lower())
        document = [_bucket(word) for word in words]
        document += [_bucket(f"{first} {second}") for first, second in itertools.pairwise(words)]
        buckets.append(np.array(document, np.int32))
        lengths.append(len(document))
    return np.concatenate([np.zeros(0, np.int32), *buckets]), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


_mix = numba.njit(cache=True)(mix)


@numba.njit(cache=True, nogil=True)
def token_ngrams(tokens, offsets):  # pragma: no cover - compiled
    """Tokens and pairs of neighbouring tokens of documents, as `Ngrams`."""
    buckets, begins, n = np.empty(2 * len(tokens), np.int32), np.zeros(len(offsets), np.int64), 0
    for document in range(len(offsets) - 1):
        for i in range(offsets[document], offsets[document + 1]):
            first = np.uint64(tokens[i]) + np.uint64(1)
            buckets[n] = _mix(first) % np.uint64(BUCKETS)
            n += 1
            if i + 1 < offsets[document + 1]:
                buckets[n] = _mix((first << np.uint64(32)) | np.uint64(tokens[i + 1])) % np.uint64(BUCKETS)
                n += 1
        begins[document + 1] = n
    return buckets[:n].copy(), begins


def ngrams(texts: pa.ChunkedArray, flat: np.ndarray, offsets: np.ndarray, units: str) -> Ngrams:
    """The n-grams of a shard's documents, of their texts or of their tokens."""
    return word_ngrams(texts.to_pylist()) if units == "words" else token_ngrams(flat, offsets)


def count_ngrams(shard: Shard, languages: tuple[str, ...], units: str, size: int) -> pa.Table:
    """Hashed n-grams of one shard: of all documents, and of those in the languages."""
    table = shard.documents(["language", "text"])
    of = np.isin(np.asarray(table["language"].to_pylist(), dtype=str), languages)
    buckets, begins = ngrams(table["text"], *shard.tokens(size), units)
    document_buckets = buckets[np.repeat(of, np.diff(begins))]
    return pa.table(
        {"count": np.bincount(buckets, minlength=BUCKETS), "target": np.bincount(document_buckets, minlength=BUCKETS)}
    )


def target_ngrams(target: str, tokenizer: Backend, units: str) -> np.ndarray:
    """(buckets,) int64 hashed n-grams of the first 50,000 documents of a file or folder.

    Raises:
        InputError: it holds no text.
    """
    texts = [document.text for document in readers.documents(target, {}, most=_TARGET_DOCUMENTS)]
    if units == "words":
        return np.bincount(word_ngrams(texts)[0], minlength=BUCKETS)
    ids = text_ids(tokenizer, texts)
    offsets = np.concatenate([[0], np.cumsum([len(i) for i in ids])]).astype(np.int64)
    flat = np.array([token for document_ids in ids for token in document_ids], np.int32)
    return np.bincount(token_ngrams(flat, offsets)[0], minlength=BUCKETS)


def log_ratio(target: np.ndarray, corpus: np.ndarray) -> np.ndarray:
    """(buckets,) float64 log of the target's share of each bucket over the corpus's."""
    return np.log(target / max(target.sum(), 1) + _NEVER) - np.log(corpus / max(corpus.sum(), 1) + _NEVER)


def importance(ngrams: Ngrams, ratio: np.ndarray) -> np.ndarray:
    """(documents,) float64: the sum of (buckets,) log ratios over the n-grams of each document."""
    buckets, begins = ngrams
    rows = np.repeat(np.arange(len(begins) - 1), np.diff(begins))
    return np.bincount(rows, ratio[buckets], minlength=len(begins) - 1)
