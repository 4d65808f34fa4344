"""The published form of pivot discovery (METHOD §5), `paper`.

Documents that contain any sub-token of a word are drawn with replacement, so documents of a rare word repeat. They are
compared with as many random documents. A token's surplus is the difference of its shares in both; the smaller of its
two surpluses (one per word) ranks it, and no token is excluded. The authors also dropped tokens that were judged
unrelated to the pair. That filter is not published; `[discover] relatedness` adds columns that can take its place.

The corpus is read twice, shard by shard: first to count the documents of each word, then to read the drawn ones. Memory
grows with the number of words and draws, not with the corpus.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np
import pyarrow as pa

from semantic_pivots.counting.counts import Word
from semantic_pivots.counting.document_draws import distinct_in, pack, parts
from semantic_pivots.counting.shard_passes import Corpus, Shard
from semantic_pivots.counting.unit_counts import frequencies, renumber
from semantic_pivots.pivots.discover_stage import DiscoverConfig
from semantic_pivots.pivots.word_contexts import WordContexts, token_texts
from semantic_pivots.statistics import seed_of
from semantic_pivots.wordforms.rule import Rule

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

_WORD = 1 << 40
"""Above the number of any document: word x _WORD + place orders the draws of all words."""


class _Spellings(NamedTuple):
    """The words of each token: words[begins[t]:begins[t + 1]] have token t among their own; `count` words."""

    begins: np.ndarray
    words: np.ndarray
    count: int


def published_contexts(corpus: Corpus, spellings: list[Word], config: DiscoverConfig) -> WordContexts:
    """For each word, documents with any of its sub-tokens, drawn with replacement, and as many random documents."""
    texts = token_texts(corpus.tokenizer)
    words_of = _own_tokens(corpus.tokenizer, spellings, len(texts))
    totals, documents = np.zeros(len(spellings), np.int64), 0
    for part in parts(corpus, "holders", _count_holders, words_of):
        totals += part["holders"]
        documents += int(part["documents"][0])
    places = _places(spellings, totals, config)
    generator = np.random.default_rng(seed_of("discover", config.seed, "background"))
    background = np.sort(generator.integers(0, documents, config.documents))
    picks = list(_picks(places, background, parts(corpus, "holders", _count_holders, words_of)))
    columns: dict[str, list[np.ndarray]] = {"words": [], "rows": [], "background": [], "lengths": [], "tokens": []}
    base = 0
    for part in parts(corpus, "published", _read_drawn, words_of, of_shards=picks):
        for name, values in columns.items():
            values.append(part[name] + base if name in ("rows", "background") else part[name])
        base += len(part["lengths"])
    words, rows, random_rows, lengths, tokens = (np.concatenate(values) for values in columns.values())
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    random_tokens = np.concatenate([tokens[starts[row] : starts[row + 1]] for row in random_rows])
    by_word = np.split(rows[np.argsort(words, kind="stable")], np.cumsum(np.bincount(words, minlength=len(spellings))))
    draws = dict(zip(spellings, by_word[:-1], strict=True))
    sizes = {word: len(draw) for word, draw in draws.items()}
    frequency = frequencies(random_tokens, len(texts))
    units = renumber(tokens, len(texts))
    return WordContexts(starts, *units, draws, frequency, config.documents, sizes, texts, rule=Rule("sub-tokens"))


def _own_tokens(tokenizer: Backend, spellings: list[Word], size: int) -> _Spellings:
    """Token ids of each word after a space, the lone space left out, as the words of each id."""
    space = set(tokenizer.encode(" ", add_special_tokens=False).ids)
    encodings = tokenizer.encode_batch([f" {word}" for word, _ in spellings], add_special_tokens=False)
    pairs = sorted((token, word) for word, e in enumerate(encodings) for token in set(e.ids) - space)
    tokens, words = np.array(pairs, np.int64).reshape(-1, 2).T
    return _Spellings(np.searchsorted(tokens, np.arange(size + 1)), words.astype(np.int32), len(spellings))


def _places(spellings: list[Word], totals: np.ndarray, config: DiscoverConfig) -> np.ndarray:
    """`documents` draws with replacement of each word that has any: word x `_WORD` + place among its own, ascending."""
    draws = [np.zeros(0, np.int64)]
    for number, (word, count) in enumerate(zip(spellings, totals.tolist(), strict=True)):
        generator = np.random.default_rng(seed_of("discover", config.seed, *word))
        if count:
            draws.append(number * _WORD + generator.integers(0, count, config.documents))
    return np.sort(np.concatenate(draws))


def _picks(
    places: np.ndarray, background: np.ndarray, shards: Iterable[dict[str, np.ndarray]]
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of each shard the draws that are in it: words, places among its own documents of the word, random rows."""
    base, first = np.int64(0), 0
    for part in shards:
        edges = np.arange(len(part["holders"])) * _WORD + base
        begins, ends = np.searchsorted(places, edges), np.searchsorted(places, edges + part["holders"])
        words = np.repeat(np.arange(len(edges)), ends - begins)
        within = np.arange(len(words)) - np.repeat(np.cumsum(ends - begins) - (ends - begins), ends - begins)
        last = first + int(part["documents"][0])
        low, high = np.searchsorted(background, [first, last])
        yield words, places[begins[words] + within] - edges[words], background[low:high] - first
        base, first = base + part["holders"], last


def _count_holders(shard: Shard, words_of: _Spellings) -> pa.Table:
    """Of one shard, the documents that hold a token of each word (`holders`), and all."""
    starts, tokens = distinct_in(shard, len(words_of.begins) - 1)
    words, _ = _holders(starts, tokens, *words_of)
    return pack({"holders": np.bincount(words, minlength=words_of.count), "documents": np.array([len(starts) - 1])})


def _read_drawn(
    shard: Shard, words: np.ndarray, places: np.ndarray, background: np.ndarray, words_of: _Spellings
) -> pa.Table:
    """Of one shard, the documents that are drawn: `rows` of each draw's word, of the `background`, and their tokens."""
    starts, tokens = distinct_in(shard, len(words_of.begins) - 1)
    of_word, rows = _holders(starts, tokens, *words_of)
    rows = rows[np.argsort(of_word, kind="stable")]
    counts = np.bincount(of_word, minlength=words_of.count)
    draws = rows[(np.cumsum(counts) - counts)[words] + places]
    documents, number = np.unique(np.concatenate([draws, background]), return_inverse=True)
    parts_of = [tokens[starts[row] : starts[row + 1]] for row in documents]
    lengths = np.array([len(part) for part in parts_of], np.int64)
    arrays = {"words": words, "rows": number[: len(words)], "background": number[len(words) :], "lengths": lengths}
    return pack({**arrays, "tokens": np.concatenate([np.zeros(0, np.int32), *parts_of])})


@numba.njit(cache=True)
def _holders(starts, tokens, begins, words, count):  # pragma: no cover - compiled
    """Each word and row of a document that holds a token of the word, by rows."""
    room = 0
    for token in tokens:
        room += begins[token + 1] - begins[token]
    of_word, rows, n = np.empty(room, np.int32), np.empty(room, np.int64), 0
    last = np.full(count, -1, np.int64)
    for row in range(len(starts) - 1):
        for i in range(starts[row], starts[row + 1]):
            for k in range(begins[tokens[i]], begins[tokens[i] + 1]):
                if last[words[k]] != row:
                    last[words[k]] = row
                    of_word[n], rows[n] = words[k], row
                    n += 1
    return of_word[:n].copy(), rows[:n].copy()
