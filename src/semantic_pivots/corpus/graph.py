"""The token co-occurrence graph of the corpus and its pivot set (METHOD §6).

Two tokens are neighbours when a document holds both. A row of the graph is counted at a time, from the documents of its
token into one accumulator, so the V x V matrix never exists. Degree grows with the corpus, which made a fixed threshold
unstable; here a token's degree is compared with what its documents' sizes alone would give (a configuration model: each
of the S slots beside it is filled by token u with probability f(u)/F). Hubs are the tokens above it at a
false-discovery rate and by a least ratio, since in a large corpus the smallest excess is significant.
A pivot also joins words of at least two of the study's languages: that is what makes a hub cross-lingual.
"""

from __future__ import annotations

import numba
import numpy as np
import pyarrow as pa

from semantic_pivots.config import GraphConfig
from semantic_pivots.corpus.discover import eligible, load_distinct, token_texts
from semantic_pivots.errors import InputError
from semantic_pivots.run import Inputs, Work
from semantic_pivots.words import normalise


@numba.njit(cache=True, nogil=True)
def postings(starts, tokens, size):  # pragma: no cover - compiled
    """Documents of each token: (size + 1,) offsets and (tokens,) document numbers, ascending."""
    offsets = np.zeros(size + 1, dtype=np.int64)
    for token in tokens:
        offsets[token + 1] += 1
    for i in range(size):
        offsets[i + 1] += offsets[i]
    fill = offsets[:-1].copy()
    documents = np.empty(len(tokens), dtype=np.int32)
    for document in range(len(starts) - 1):
        for i in range(starts[document], starts[document + 1]):
            documents[fill[tokens[i]]] = document
            fill[tokens[i]] += 1
    return offsets, documents


@numba.njit(cache=True, nogil=True)
def rows(chosen, offsets, documents, starts, tokens, masks, languages, min_count, top):  # pragma: no cover - compiled
    """Rows of the graph for the chosen tokens.

    Returns degree (neighbours met in at least min_count documents), strength (meetings), slots beside the token,
    neighbours that are words of each language (chosen, languages), and the `top` strongest neighbours (-1: fewer).
    """
    size = len(offsets) - 1
    degree = np.zeros(len(chosen), dtype=np.int64)
    strength = np.zeros(len(chosen), dtype=np.int64)
    slots = np.zeros(len(chosen), dtype=np.int64)
    joined = np.zeros((len(chosen), languages), dtype=np.int64)
    neighbours = np.full((len(chosen), top), -1, dtype=np.int32)
    row = np.zeros(size, dtype=np.int32)
    touched = np.empty(size, dtype=np.int32)
    for index in range(len(chosen)):
        token = chosen[index]
        count = 0
        for position in range(offsets[token], offsets[token + 1]):
            document = documents[position]
            slots[index] += starts[document + 1] - starts[document] - 1
            for i in range(starts[document], starts[document + 1]):
                other = tokens[i]
                if row[other] == 0:
                    touched[count] = other
                    count += 1
                row[other] += 1
        row[token] = 0
        for k in range(count):
            other = touched[k]
            met = row[other]
            if met < min_count or met == 0:
                continue
            degree[index] += 1
            strength[index] += met
            for language in range(languages):
                if masks[other] >> language & 1:
                    joined[index, language] += 1
            place = top  # insertion into the short list of the strongest; ties go to the smaller id
            while place > 0:
                kept = neighbours[index, place - 1]
                if kept >= 0 and (row[kept] > met or (row[kept] == met and kept < other)):
                    break
                place -= 1
            if place < top:
                for j in range(top - 1, place, -1):
                    neighbours[index, j] = neighbours[index, j - 1]
                neighbours[index, place] = other
        for k in range(count):
            row[touched[k]] = 0
    return degree, strength, slots, joined, neighbours


def expected_degree(slots: np.ndarray, frequency: np.ndarray, total: float) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours that the configuration model gives a token beside which there are `slots` places.

    Args:
        slots: (tokens,) places beside each token in its documents.
        frequency: (neighbours,) documents of each token that counts as a neighbour.
        total: sum of the frequencies of the whole vocabulary.

    Returns:
        mean and variance, (tokens,) float64: a neighbour u is met with probability 1 - exp(-slots x f(u) / total).
    """
    values, counts = np.unique(frequency[frequency > 0].astype(np.float64), return_counts=True)
    grid = np.unique(np.geomspace(1, max(float(slots.max()), 2.0), 400))
    absent = np.exp(-np.outer(grid, values) / total)
    mean, variance = (1 - absent) @ counts, (absent * (1 - absent)) @ counts
    return np.interp(slots, grid, mean), np.interp(slots, grid, variance)


def hub_q_values(degree: np.ndarray, expected: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """(tokens,) float64 Benjamini–Hochberg q-values of a degree above that of the configuration model."""
    from scipy.stats import false_discovery_control, norm

    return false_discovery_control(norm.sf((degree - 0.5 - expected) / np.sqrt(np.maximum(variance, 1e-9))))


def word_tokens(inputs: Inputs, texts: list[str], languages: list[str]) -> np.ndarray:
    """(vocabulary,) int64 bit masks: the languages of which a token is a whole word of the lexicon."""
    bit = {code: 1 << i for i, code in enumerate(languages)}
    spelled: dict[str, int] = {}
    for row in inputs.table("words").to_pylist():
        if row["language"] in bit:
            word = normalise(row["word"])
            spelled[word] = spelled.get(word, 0) | bit[row["language"]]
    return np.array([spelled.get(normalise(text).strip(), 0) for text in texts], dtype=np.int64)


def graph_stage(config: GraphConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """The pivot set of the corpus (table `pivot_set`), strongest evidence first.

    Raises:
        InputError: an unknown criterion, or no token is a pivot under it.
    """
    if config.criterion == "bridge-fdr":
        from semantic_pivots.corpus.bridges import bridge_set

        return bridge_set(config, inputs, work)
    if config.criterion not in ("degree-fdr", "fixed-count"):
        raise InputError(f"[graph] criterion = {config.criterion!r}: expected bridge-fdr, degree-fdr or fixed-count")
    texts = token_texts(inputs.folder("tokens") / "tokenizer.json")
    starts, tokens, frequency = load_distinct(inputs, len(texts))
    languages = sorted({row["language"] for row in inputs.table("words").select(["language"]).to_pylist()})
    masks = word_tokens(inputs, texts, languages)
    chosen = np.flatnonzero(eligible(texts, frequency, len(starts) - 1) & (frequency >= 5)).astype(np.int32)
    if not len(chosen):
        raise InputError("graph: no token occurs in five documents or more; the corpus is too small for a pivot set")
    offsets, documents = postings(starts, tokens, len(texts))
    found = []
    with work.progress(len(chosen), "tokens", "graph") as progress:
        for block in np.array_split(chosen, max(1, len(chosen) // 2000)):
            least = config.min_count if config.criterion == "fixed-count" else 1
            count = (len(languages), least, config.top_neighbours)
            found.append(rows(block, offsets, documents, starts, tokens, masks, *count))
            progress.advance(len(block))
    degree, strength, slots, joined, neighbours = (np.concatenate(column) for column in zip(*found, strict=True))
    expected, variance = expected_degree(slots, frequency, float(frequency.sum()))
    q_values = hub_q_values(degree, expected, variance)
    joins = _joins(joined, slots, masks, frequency, config.min_ratio)
    if config.criterion == "fixed-count":
        hub = degree >= np.quantile(degree, 0.95)
    else:
        hub = (q_values <= config.false_discovery_rate) & (degree >= config.min_ratio * expected)
    keep = np.flatnonzero(hub & (joins.sum(axis=1) >= 2))
    if not len(keep):
        raise InputError("graph: no token is a hub of two languages; raise [graph] false_discovery_rate or the corpus")
    keep = keep[np.lexsort((chosen[keep], -degree[keep] / expected[keep], q_values[keep]))]
    work.note("tokens_considered", len(chosen))
    work.note("hubs", int(hub.sum()))
    work.note("pivots", len(keep))
    ids = chosen[keep]
    return {
        "pivot_set": pa.table(
            {
                "token": ids,
                "text": [texts[i] for i in ids],
                "documents": frequency[ids],
                "degree": degree[keep],
                "expected_degree": expected[keep],
                "strength": strength[keep].astype(np.float64),
                "q_value": q_values[keep],
                "languages": [[languages[k] for k in np.flatnonzero(joins[i])] for i in keep],
                "neighbours": [[int(n) for n in neighbours[i] if n >= 0] for i in keep],
            }
        )
    }


def _joins(
    joined: np.ndarray, slots: np.ndarray, masks: np.ndarray, frequency: np.ndarray, min_ratio: float
) -> np.ndarray:
    """(tokens, languages) bool: by the same ratio more words of the language are neighbours than the model gives."""
    result = np.zeros(joined.shape, dtype=np.bool_)
    for language in range(joined.shape[1]):
        of_language = np.where(masks >> language & 1, frequency, 0)
        if of_language.any():
            expected, _ = expected_degree(slots, of_language, float(frequency.sum()))
            result[:, language] = (joined[:, language] >= 2) & (joined[:, language] >= min_ratio * expected)
    return result
