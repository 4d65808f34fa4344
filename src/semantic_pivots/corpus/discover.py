"""Semantic pivots of a pair: tokens that surround both of its words more than they surround anything (METHOD §5).

`default`: distinct documents that contain the word itself (`draws`). A token's surplus is the share of them that hold
it less its share of all documents; a pair's value is the smaller of its two surpluses, and PMI, NPMI and the
log-likelihood ratio rank the same counts. Pieces of the two words, byte fragments, tokens without a letter and stop
tokens (in more than a tenth of the documents of any one language) never are pivots.

`paper`: the published sampling. Documents that hold any one sub-token of the word, drawn with replacement (so that a
rare word's documents repeat), less as many random documents; the smaller surplus ranks, and no token is left out. What
the authors dropped by judged relation to the pair is not published; `related` is the filter offered in its place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numba
import numpy as np
import pyarrow as pa

from semantic_pivots import words
from semantic_pivots.config import DiscoverConfig
from semantic_pivots.corpus.count import Word, benchmark_words
from semantic_pivots.corpus.draws import How, distinct_in, draw, survey
from semantic_pivots.corpus.related import related
from semantic_pivots.corpus.tally import renumber, tally
from semantic_pivots.corpus.vocabulary import id_count, read_tokenizer
from semantic_pivots.errors import InputError, nearest
from semantic_pivots.run import Inputs, Work
from semantic_pivots.statistics import seed_of

FORMS = ("default", "paper")
MEASURES = ("min", "pmi", "npmi", "llr")
_STOP_SHARE = 0.1
_FEWEST_OF_LANGUAGE = 20
"""Documents of a language below which no share of it tells a stop token."""


def token_texts(tokenizer_file: Path) -> list[str]:
    """The text of every id below `id_count`, leading space kept; one that is not whole characters holds U+FFFD.

    An id that no token has is no text: an empty one.
    """
    tokenizer = read_tokenizer(tokenizer_file)
    size = id_count(tokenizer)
    special = {int(t["id"]) for t in json.loads(tokenizer_file.read_text("utf-8"))["added_tokens"] if t["special"]}
    # A decoder strips the leading space of a text; after an ordinary token it is kept.
    anchor = tokenizer.encode("a", add_special_tokens=False).ids
    alone = tokenizer.decode(anchor, skip_special_tokens=False)
    texts = tokenizer.decode_batch([[*anchor, token] for token in range(size)], skip_special_tokens=False)
    return ["\ufffd" if i in special else text.removeprefix(alone) for i, text in enumerate(texts)]


@numba.njit(cache=True)
def _near(documents, starts, tokens, counts, touched, fewest):  # pragma: no cover - compiled
    """Tokens that at least `fewest` of the documents hold, and how many do; `counts` is zero before and after."""
    n = tally(documents, starts, tokens, counts, touched)
    found, times = np.empty(n, np.int32), np.empty(n, np.int64)
    m = 0
    for k in range(n):
        token = touched[k]
        found[m] = token
        times[m] = counts[token]
        m += counts[token] >= fewest
        counts[token] = 0
    return found[:m].copy(), times[:m].copy()


def distinct_shards(inputs: Inputs, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of each token shard: starts, and the distinct tokens of its documents."""
    for row in inputs.table("token_shards").to_pylist():
        yield distinct_in(inputs.folder("tokens") / row["path"], size)


def load_distinct(inputs: Inputs, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Distinct tokens of every document of the corpus, in the order of its shards: starts, tokens."""
    starts, tokens = [np.zeros(1, dtype=np.int64)], []
    for begin, kept in distinct_shards(inputs, size):
        starts.append(begin[1:] + starts[-1][-1])
        tokens.append(kept)
    return np.concatenate(starts), np.concatenate(tokens)


class Surroundings:
    """Where the words are, and what to compare with."""

    def __init__(
        self,
        starts: np.ndarray,
        ids: np.ndarray,
        tokens: np.ndarray,
        draws: dict[Word, np.ndarray],
        frequency: np.ndarray,
        documents: int,
        held: dict[Word, int],
    ):
        """Keep what is given, and room for counting.

        Args:
            starts: (n + 1,) int64; document i holds the distinct tokens[starts[i]:starts[i + 1]].
            ids: int32 vocabulary ids of the tokens that can be pivots, by number, the most frequent first.
            tokens: uint16 or uint32 numbers.
            draws: the documents of each word, as indices below n.
            frequency: (size,) int64 documents that hold each vocabulary id, of the background.
            documents: background documents.
            held: documents from which those of each word were drawn.
        """
        self.draws, self.frequency, self.documents, self.held = draws, frequency, documents, held
        self.starts, self.ids, self.tokens = starts, ids, tokens
        most = max((len(drawn) for drawn in draws.values()), default=0)
        # as small as they can be: their cost is cache misses
        self._counts = np.zeros(len(self.ids), np.uint16 if most < 2**16 else np.uint32)
        self._touched = np.empty(len(self.ids), np.uint32)

    def near(self, word: Word, fewest: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Vocabulary ids (int32) that at least `fewest` of a word's documents hold, and how many do (int64)."""
        found, times = _near(self.draws[word], *self.counters(), fewest)
        return self.ids[found], times

    def counters(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """What `tally` takes beside the documents: starts, tokens, counts, touched."""
        return self.starts, self.tokens, self._counts, self._touched


def measures(
    count: np.ndarray, drawn: int, frequency: np.ndarray, documents: int, held: int = 0
) -> dict[str, np.ndarray]:
    """Association of tokens with one word, from counts: all arrays (tokens,) float64.

    Args:
        count: drawn documents that hold each token.
        drawn: documents drawn of those that contain the word.
        frequency: documents of the whole corpus that hold each token.
        documents: documents of the whole corpus.
        held: documents that contain the word, where only some were drawn; 0: those drawn.
    """
    inside, outside = count / drawn, frequency / documents
    rest = np.maximum(frequency - count, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        pmi = np.log(inside / outside)
        joint = inside * (held or drawn) / documents
        npmi = np.where(count > 0, pmi / -np.log(np.minimum(joint, 1 - 1e-12)), -1.0)
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


def plain(token: str) -> str:
    """A token's text as `is_piece` compares it: normalised, without the space before."""
    return words.normalise(token).strip()


def is_piece(token: str, word: str) -> bool:
    """Whether a token's text (`plain`) is part of the word (normalised) or holds it."""
    return token in word or word in token


def check(config: DiscoverConfig) -> None:
    """Refuse a form or measure that there is not, and numbers that cannot be meant.

    Raises:
        InputError: naming the key.
    """
    if config.measure not in MEASURES:
        raise InputError(f"[discover] measure = {config.measure!r}: expected one of {', '.join(MEASURES)}")
    if config.form not in FORMS:
        raise InputError(f"[discover] form = {config.form!r}: expected default or paper{nearest(config.form, FORMS)}")
    if min(config.documents, config.top) < 1:
        raise InputError(f"[discover] documents = {config.documents}, top = {config.top}: expected at least 1 of each")
    if not 0 <= config.relatedness < 1:
        raise InputError(
            f"[discover] relatedness = {config.relatedness}: expected a share from 0 (no filter) to below 1"
        )
    if config.form == "paper" and config.relatedness:
        raise InputError(f"[discover] relatedness = {config.relatedness}: the paper's form has no filter; expected 0")
    if config.form == "paper" and config.measure != "min":
        raise InputError(f"[discover] measure = {config.measure!r}: the paper's form ranks by 'min'")


def discover_stage(config: DiscoverConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """The pivots of every item, best first (table `pivots`).

    Raises:
        InputError: the configuration names a form or measure that there is not.
    """
    check(config)
    items = inputs.table("items").to_pylist()
    spellings, _ = benchmark_words(inputs.table("items"))
    texts = token_texts(inputs.folder("tokens") / "tokenizer.json")
    make, fewest = (_paper, 1) if config.form == "paper" else (surroundings_of, 2)
    around = make(inputs, spellings, texts, work, config)
    surplus: dict[Word, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
    with work.progress(len(spellings), "words", "discover") as progress:
        for word in spellings:
            drawn = max(len(around.draws[word]), 1)
            near, times = around.near(word, min(fewest, drawn))
            counts = times.astype(np.float64), drawn, around.frequency[near], around.documents
            scored = measures(*counts, around.held[word])
            surplus[word] = (near, scored["min"], scored[config.measure])
            progress.advance()
    work.note("words_without_documents", sum(len(drawn) == 0 for drawn in around.draws.values()))
    found = [_candidates(item, surplus, texts, config) for item in items]
    if config.relatedness:
        pairs, names = [(i["source"], i["target"]) for i in items], [[row[2] for row in rows] for rows in found]
        kept, threshold = related(pairs, names, config.relatedness)
        found = [[r for r, k in zip(rows, own, strict=True) if k] for rows, own in zip(found, kept, strict=True)]
        work.note("relatedness_threshold", round(threshold, 4))
    return {"pivots": _ranked(found, config)}


def surroundings_of(
    inputs: Inputs, spellings: list[Word], texts: list[str], work: Work, config: DiscoverConfig
) -> Surroundings:
    """Distinct documents that contain the word, against the whole corpus."""
    how, words = How(inputs, work, config.workers, config.engine), tuple(spellings)
    met = survey(how, words, len(texts))
    documents, frequency = sum(met.documents.values()), sum(met.frequency.values(), np.zeros(len(texts), np.int64))
    can = eligible(texts, frequency, documents)
    for code, count in met.frequency.items():
        # Shares within a language: a stop word of one language among four is in few documents of the whole corpus.
        if met.documents[code] >= _FEWEST_OF_LANGUAGE:
            can &= count <= _STOP_SHARE * met.documents[code]
    ids = np.argsort(-frequency, kind="stable").astype(np.int32)
    ids = ids[can[ids]]
    number = np.full(len(texts), -1, np.int32)
    number[ids] = np.arange(len(ids))
    seeds = [seed_of("discover", config.seed, *word) for word in words]
    drawn = draw(how, words, seeds, config.documents, met.held, number)
    draws, held = dict(zip(words, drawn.draws, strict=True)), dict(zip(words, met.held.tolist(), strict=True))
    return Surroundings(drawn.starts, ids, drawn.tokens, draws, frequency, documents, held)


def _paper(inputs: Inputs, spellings: list[Word], texts: list[str], work: Work, config: DiscoverConfig) -> Surroundings:
    """Documents that hold any sub-token of the word, drawn with replacement, against as many random documents."""
    starts, tokens = load_distinct(inputs, len(texts))
    own = _own_tokens(inputs.folder("tokens") / "tokenizer.json", spellings)
    draws = _paper_draws(own, starts, tokens, config)
    generator = np.random.default_rng(seed_of("discover", config.seed, "background"))
    drawn = generator.integers(0, len(starts) - 1, config.documents)
    background = np.concatenate([tokens[starts[d] : starts[d + 1]] for d in drawn])
    frequency, held = np.bincount(background, minlength=len(texts)), {w: len(drawn) for w, drawn in draws.items()}
    return Surroundings(starts, *renumber(tokens, len(texts)), draws, frequency, config.documents, held)


def _own_tokens(tokenizer_file: Path, spellings: list[Word]) -> dict[Word, np.ndarray]:
    """Token ids of each word after a space, the lone space left out."""
    tokenizer = read_tokenizer(tokenizer_file)
    space = set(tokenizer.encode(" ", add_special_tokens=False).ids)
    encoded = tokenizer.encode_batch([f" {word}" for word, _ in spellings], add_special_tokens=False)
    return {w: np.array(sorted(set(e.ids) - space), np.int32) for w, e in zip(spellings, encoded, strict=True)}


def _paper_draws(
    own: dict[Word, np.ndarray], starts: np.ndarray, tokens: np.ndarray, config: DiscoverConfig
) -> dict[Word, np.ndarray]:
    """`documents` draws with replacement among the documents that hold any sub-token of each word."""
    held = np.isin(tokens, np.unique(np.concatenate(list(own.values()))))
    rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))[held]
    of_token = tokens[held]
    order = np.argsort(of_token, kind="stable")
    rows, of_token = rows[order], of_token[order]
    draws = {}
    for word, ids in own.items():
        low, high = np.searchsorted(of_token, ids), np.searchsorted(of_token, ids, "right")
        holders = np.unique(np.concatenate([rows[a:b] for a, b in zip(low, high, strict=True)] or [rows[:0]]))
        generator = np.random.default_rng(seed_of("discover", config.seed, *word))
        draws[word] = generator.choice(holders, config.documents) if len(holders) else holders
    return draws


_COLUMNS = ("item_id", "token", "text", "surplus_source", "surplus_target", "value")


def _candidates(item: dict, surplus: dict, texts: list[str], config: DiscoverConfig) -> list[tuple]:
    """Rows (_COLUMNS) of an item's tokens, best first; more than are kept."""
    source = (item["source"], item["source_language"])
    target = (item["target"], item["target_language"])
    shared, i, j = np.intersect1d(surplus[source][0], surplus[target][0], assume_unique=True, return_indices=True)
    value = np.minimum(surplus[source][2][i], surplus[target][2][j])
    words_of_item = [words.normalise(word) for word, _ in (source, target)]
    rows = []
    for k in np.lexsort((shared, -value))[: 4 * config.top]:
        token = int(shared[k])
        if value[k] <= 0:
            break
        own = any(is_piece(plain(texts[token]), word) for word in words_of_item)
        if not own or config.form == "paper":
            around = surplus[source][1][i[k]], surplus[target][1][j[k]]
            rows.append((item["item_id"], token, texts[token], *around, value[k]))
    return rows


def _ranked(found: list[list[tuple]], config: DiscoverConfig) -> pa.Table:
    kept = [(rank, row) for rows in found for rank, row in enumerate(rows[: config.top])]
    columns = {name: [row[k] for _, row in kept] for k, name in enumerate(_COLUMNS)}
    return pa.table(
        {
            **columns,
            "token": pa.array(columns["token"], pa.int32()),
            "rank": pa.array([rank for rank, _ in kept], pa.int32()),
            "measure": [config.measure] * len(kept),
        }
    )
