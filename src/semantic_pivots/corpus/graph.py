"""The token co-occurrence graph of the corpus and its pivot set (METHOD §6).

Two tokens are neighbours when a document holds both. A row of the graph is counted at a time, from the documents of its
token into one accumulator, so the V x V matrix never exists. Degree grows with the corpus, which made a fixed threshold
unstable; here a token's degree is compared with what its documents' sizes alone would give (a configuration model: each
of the S slots beside it is filled by token u with probability f(u)/F), and pivots are the tokens whose ratio stands out
of the ratios of equally exposed tokens, at a false-discovery rate. The null of "equally exposed" is estimated from the
data (median and upper spread of the bulk), because topics make every real degree smaller than the model's.
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

_BINS = 20


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


def expected_degree(slots: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    """Neighbours that the configuration model gives a token beside which there are `slots` places.

    Args:
        slots: (tokens,) places beside each token in its documents.
        frequency: (vocabulary,) documents of each token.

    Returns:
        (tokens,) float64; the sum over the vocabulary of 1 - exp(-slots x frequency / total).
    """
    present = frequency[frequency > 0].astype(np.float64)
    values, counts = np.unique(present, return_counts=True)
    grid = np.unique(np.geomspace(1, max(float(slots.max()), 2.0), 400))
    total = present.sum()
    on_grid = np.array([float((counts * -np.expm1(-slot * values / total)).sum()) for slot in grid])
    return np.interp(slots, grid, on_grid)


def hub_q_values(degree: np.ndarray, expected: np.ndarray, slots: np.ndarray) -> np.ndarray:
    """(tokens,) float64 Benjamini–Hochberg q-values of a degree larger than that of equally exposed tokens."""
    from scipy.stats import false_discovery_control, norm

    ratio = np.log(np.maximum(degree, 0.5) / np.maximum(expected, 0.5))
    score = np.zeros(len(ratio))
    order = np.argsort(slots, kind="stable")
    for group in np.array_split(order, min(_BINS, max(1, len(order) // 50))):
        centre = np.median(ratio[group])
        # The spread of the lower half: hubs themselves lie above and would widen it.
        spread = max((centre - np.quantile(ratio[group], 0.16)), 1e-9)
        score[group] = (ratio[group] - centre) / spread
    return false_discovery_control(norm.sf(score))


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
    if config.criterion not in ("degree-fdr", "fixed-count"):
        raise InputError(f"[graph] criterion = {config.criterion!r}: expected degree-fdr or fixed-count")
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
    expected = expected_degree(slots, frequency)
    q_values = hub_q_values(degree, expected, slots)
    joins = _joins(joined, slots, masks, frequency, len(languages))
    if config.criterion == "fixed-count":
        hub = degree >= np.quantile(degree, 0.95)
    else:
        hub = q_values <= config.false_discovery_rate
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
    joined: np.ndarray, slots: np.ndarray, masks: np.ndarray, frequency: np.ndarray, languages: int
) -> np.ndarray:
    """(tokens, languages) bool: more words of the language among the neighbours than the median equally exposed token."""
    result = np.zeros(joined.shape, dtype=np.bool_)
    for language in range(languages):
        of_language = np.where(masks >> language & 1, frequency, 0)
        if not of_language.any():
            continue
        total = frequency.sum()
        values, counts = np.unique(of_language[of_language > 0].astype(np.float64), return_counts=True)
        grid = np.unique(np.geomspace(1, max(float(slots.max()), 2.0), 400))
        on_grid = [float((counts * -np.expm1(-slot * values / total)).sum()) for slot in grid]
        result[:, language] = (joined[:, language] >= 2) & (joined[:, language] > np.interp(slots, grid, on_grid))
    return result
