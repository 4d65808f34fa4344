"""The pivot set as bridges: tokens that join both words of more concepts than chance would have them join.

A degree in the token graph says that a token meets many others. In planted worlds the planted pivots have *fewer*
neighbours than a random graph gives them, since text keeps to its topic (docs/findings.md). Here a token is joined to
a word when the word's documents hold it significantly more often than the corpus does. A token joined to a words of one
language and b of another bridges a x b / N of N concepts by chance; a pivot bridges more, at a false-discovery rate
over all tokens. Concepts and languages are the study's own, so neither the size of the corpus nor that of the
vocabulary sets the bar.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numba
import numpy as np
import pyarrow as pa

from semantic_pivots.config import DiscoverConfig, GraphConfig
from semantic_pivots.corpus.count import Word
from semantic_pivots.corpus.discover import Surroundings, plain, surroundings_of, token_texts
from semantic_pivots.errors import InputError
from semantic_pivots.halves import visible_words
from semantic_pivots.run import Inputs, Work
from semantic_pivots.words import normalise

_LEAST_DOCUMENTS, _LEAST_LIFT, _LEVEL = 3, 2.0, 1e-3


def own_pieces(texts: list[str], tokens: np.ndarray, spellings: Sequence[Word]) -> dict[Word, np.ndarray]:
    """Of each word, those of the tokens (int32) that are a piece of it or contain it (`discover.is_piece`)."""
    normal = {word: normalise(word[0]) for word in spellings}
    sought = set(normal.values())
    longest = max(map(len, sought), default=0)
    within: dict[str, list[int]] = {}  # tokens that contain a word
    same: dict[str, list[int]] = {}  # tokens of a text
    for token in tokens.tolist():
        text = plain(texts[token])
        same.setdefault(text, []).append(token)
        for part in _parts(text, longest) & sought:
            within.setdefault(part, []).append(token)
    found = {}
    for word, spelling in normal.items():
        pieces = [token for part in _parts(spelling, len(spelling)) & same.keys() for token in same[part]]
        found[word] = np.array([*pieces, *within.get(spelling, ())], np.int32)
    return found


def _parts(text: str, longest: int) -> set[str]:
    """Every substring of at most so many characters, the empty one included."""
    return {text[i:j] for i in range(len(text) + 1) for j in range(i, min(len(text), i + longest) + 1)}


def joined_tokens(around: Surroundings, word: Word, pieces: np.ndarray) -> tuple:
    """Tokens (int32) joined to a word, and the drawn documents (int64) that hold each.

    A token is joined when at least three of the word's drawn documents hold it, twice as many as its share of the
    corpus gives, and Poisson's upper tail at that expectation is at most 0.001. Pieces of the word are left out.
    """
    from scipy.special import pdtrc

    drawn = around.draws[word]
    if len(drawn) < _LEAST_DOCUMENTS:
        return np.zeros(0, np.int32), np.zeros(0, np.int64)
    near, times = around.near(word, _LEAST_DOCUMENTS)
    expected = around.frequency[near] * (len(drawn) / around.documents)
    strong = times >= _LEAST_LIFT * expected
    near, times, expected = near[strong], times[strong], expected[strong]
    strong = (pdtrc(times - 1, expected) <= _LEVEL) & ~np.isin(near, pieces)
    return near[strong], times[strong]


def bridge_counts(joined: np.ndarray, languages: Sequence[int], concepts: Sequence[int], size: int) -> tuple:
    """Concepts that each token bridges, and the number that chance gives.

    Args:
        joined: (joins, 2) int32 or int64 rows of token and number of a word.
        languages: language of each word, as a number.
        concepts: concept of each word, as a number.
        size: tokens of the vocabulary.

    Returns:
        bridged and expected, (size,) float64, summed over pairs of languages; and (size, languages) bool, the languages
        in which a token is joined to a word of a concept it bridges.
    """
    of_language, of_concept = np.asarray(languages, np.int64), np.asarray(concepts, np.int64)
    count = int(of_language.max(initial=-1)) + 1
    total = int(of_concept.max(initial=-1)) + 1
    held = [len(np.unique(of_concept[of_language == code])) for code in range(count)]
    degrees, bridged, bridges = _bridges(joined, of_language, of_concept, size, count, total)
    expected = np.zeros(size)
    for one, two in combinations(range(count), 2):
        expected += degrees[:, one] * degrees[:, two] / max(held[one], held[two], 1)
    return bridged, expected, bridges


@numba.njit(cache=True)
def _bridges(joined, of_language, of_concept, size, count, total):  # pragma: no cover - compiled
    """Concepts that each token is joined to by language, pairs of languages bridged, and the languages they are in."""
    starts = np.zeros(size + 1, np.int64)
    for i in range(len(joined)):
        starts[joined[i, 0] + 1] += 1
    for token in range(size):
        starts[token + 1] += starts[token]
    filled, words_of = starts[:-1].copy(), np.empty(len(joined), np.int32)
    for i in range(len(joined)):
        token = joined[i, 0]
        words_of[filled[token]] = joined[i, 1]
        filled[token] += 1
    degrees, bridged = np.zeros((size, count)), np.zeros(size)
    bridges = np.zeros((size, count), np.bool_)
    met = np.zeros((total, count), np.bool_)  # of the token at hand; false before and after
    for token in range(size):
        of_token = words_of[starts[token] : starts[token + 1]]
        for word in of_token:
            code, concept = of_language[word], of_concept[word]
            if not met[concept, code]:
                degrees[token, code] += 1
                met[concept, code] = True
        for word in of_token:
            concept, codes = of_concept[word], 0
            for code in range(count):
                codes += met[concept, code]
            bridged[token] += codes * (codes - 1) // 2
            for code in range(count):
                bridges[token, code] |= codes > 1 and met[concept, code]
                met[concept, code] = False
    return degrees, bridged, bridges


def bridge_set(config: GraphConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """The pivot set (table `pivot_set`): degree is the number of concepts bridged, expected_degree what chance gives.

    Raises:
        InputError: no token bridges more concepts than chance.
    """
    from scipy.stats import false_discovery_control, poisson

    rows = sorted({(r["word"], r["language"], r["concept_id"]) for r in visible_words(inputs)})
    spellings: list[Word] = list(dict.fromkeys((word, code) for word, code, _ in rows))
    texts = token_texts(inputs.folder("tokens") / "tokenizer.json")
    how = {"engine": config.engine, "workers": config.workers}
    discover = DiscoverConfig(seed=config.seed, documents=config.documents, **how)
    around = surroundings_of(inputs, spellings, texts, work, discover)
    pieces = own_pieces(texts, around.ids, spellings)
    by_word: dict[Word, tuple] = {}
    with work.progress(len(spellings), "words", "graph") as progress:
        for word in spellings:
            by_word[word] = joined_tokens(around, word, pieces[word])
            progress.advance()
    codes = {code: i for i, code in enumerate(sorted({code for _, code, _ in rows}))}
    numbers = {concept: i for i, concept in enumerate(sorted({concept for _, _, concept in rows}))}
    tokens = [by_word[word, code][0] for word, code, _ in rows]
    of_word = np.repeat(np.arange(len(rows), dtype=np.int32), [len(near) for near in tokens])
    joined = np.column_stack([np.concatenate(tokens), of_word])
    languages, concepts = [codes[c] for _, c, _ in rows], [numbers[concept] for _, _, concept in rows]
    bridged, expected, bridges = bridge_counts(joined, languages, concepts, len(texts))
    strength = np.zeros(len(texts))
    for near, times in by_word.values():
        strength[near] += times
    tested = np.flatnonzero(expected > 0)
    if not len(tested):
        raise InputError("graph: no token stands beside words of two languages; the corpus or the lexicon is too small")
    q_values = false_discovery_control(poisson.sf(bridged[tested] - 1, expected[tested]))
    least = np.maximum(config.min_ratio * expected[tested], 1)
    keep = tested[(q_values <= config.false_discovery_rate) & (bridged[tested] >= least)]
    if not len(keep):
        raise InputError("graph: no token bridges concepts beyond chance; raise [graph] false_discovery_rate")
    q_of = dict(zip(tested.tolist(), q_values.tolist(), strict=True))
    keep = keep[np.lexsort((keep, -bridged[keep], [q_of[token] for token in keep.tolist()]))]
    work.note("tokens_considered", len(tested))
    work.note("pivots", len(keep))
    named = sorted(codes, key=codes.__getitem__)
    return {
        "pivot_set": pa.table(
            {
                "token": keep.astype(np.int32),
                "text": [texts[token] for token in keep],
                "documents": around.frequency[keep],
                "degree": bridged[keep].astype(np.int64),
                "expected_degree": expected[keep],
                "strength": strength[keep],
                "q_value": [q_of[token] for token in keep.tolist()],
                "languages": [[named[i] for i in np.flatnonzero(bridges[token])] for token in keep],
                "neighbours": pa.array([[] for _ in keep], pa.list_(pa.int32())),
            }
        )
    }
