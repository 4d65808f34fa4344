"""Co-occurrence statistics of packed sequences: associations of tokens within a window, similarities, embeddings.

They have two uses. First, a reader that only counts is a baseline for every small model: if masking reduces the
similarities by counts, it has removed the evidence from the text, whatever a model learns. Second, a model can start
with embeddings from these counts (`[natural] embeddings`); in a run of a few million tokens it could not learn them for
a word that occurs a hundred times.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from semantic_pivots.files import Record
from semantic_pivots.natural.world import Concept, directions
from semantic_pivots.natural.world_vocabulary import Vocabulary
from semantic_pivots.statistics import seed_of

if TYPE_CHECKING:
    import torch
    from scipy.sparse import csr_matrix

_SMOOTHING = 0.75
"""Power of a context token's frequency, which lifts rare ones (Levy, Goldberg and Dagan 2015)."""
_SPARE_VECTORS, _ITERATIONS = 64, 20
"""Of the subspace iteration: the last wanted value then differs from the exact one by less than a thousandth."""
_STD = 0.05
"""Standard deviation of embeddings that come from counts; a tied head then begins with logits of about one half."""


def associations(sequences: np.ndarray, vocabulary: Vocabulary, reach: int) -> csr_matrix:
    """(size, size) sparse float32 positive pointwise mutual information of tokens that co-occur within a window.

    A window does not cross the end of a piece or of a sequence. Language marks, end tokens and masked tokens are not
    counted.

    Args:
        sequences: (sequences, length) token ids.
        vocabulary: the vocabulary of the ids.
        reach: number of tokens on either side.
    """
    from scipy.sparse import csr_matrix

    counts = _together(sequences, vocabulary, reach).tocoo()
    silent = [vocabulary.end, vocabulary.mask, *vocabulary.marks.values()]
    is_word = ~(np.isin(counts.row, silent) | np.isin(counts.col, silent))
    rows, columns, values = counts.row[is_word], counts.col[is_word], counts.data[is_word].astype(np.float64)
    of_rows, of_columns = (np.bincount(places, values, vocabulary.size) for places in (rows, columns))
    column_weights = of_columns**_SMOOTHING
    information = np.log(values / (of_rows[rows] * (column_weights / max(column_weights.sum(), 1.0))[columns]))
    positive = information > 0
    entries = information[positive].astype(np.float32), (rows[positive], columns[positive])
    return csr_matrix(entries, shape=(vocabulary.size, vocabulary.size))


def _together(sequences: np.ndarray, vocabulary: Vocabulary, reach: int) -> csr_matrix:
    """(size, size) sparse symmetric counts of two tokens within the window, in one sequence and one piece."""
    from scipy.sparse import csr_matrix

    flat = sequences.ravel().astype(np.int32)
    piece = np.concatenate([[0], np.cumsum(flat == vocabulary.end)[:-1]])
    row = np.arange(len(flat)) // sequences.shape[1]
    total = csr_matrix((vocabulary.size, vocabulary.size), dtype=np.float32)
    for distance in range(1, min(reach, sequences.shape[1] - 1) + 1):
        near = (piece[distance:] == piece[:-distance]) & (row[distance:] == row[:-distance])
        pairs = flat[:-distance][near], flat[distance:][near]
        total = total + csr_matrix((np.ones(len(pairs[0]), np.float32), pairs), shape=total.shape)
    return total + total.T


def similarities(association_matrix: csr_matrix, concepts: Sequence[Concept], source: str, target: str) -> np.ndarray:
    """(sources, targets) float64 cosine similarities between the words' association vectors (rows of the matrix)."""
    sides = []
    for code in (source, target):
        rows = association_matrix[[concept.ids[code] for concept in concepts]].astype(np.float64)
        lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
        sides.append(rows.multiply(1 / np.maximum(lengths, 1e-12)[:, None]).tocsr())
    return np.asarray((sides[0] @ sides[1].T).todense())


def rank_rows(association_matrix: csr_matrix, concepts: Sequence[Concept]) -> list[Record]:
    """Rows of `natural_concepts` with `rank_by_counts`, for each direction and each half (trained, held out).

    The rank is the share of the half's other sources that are less similar to the target; 0.5 is chance.
    """
    rows = []
    for stratum, group, source, target in directions(concepts):
        shares = share_below(similarities(association_matrix, group, source, target))
        keys = {"half": stratum, "source_language": source, "target_language": target}
        rows += [
            {"concept_id": concept.concept_id, **keys, "rank_by_counts": float(share)}
            for concept, share in zip(group, shares, strict=True)
        ]
    return rows


def share_below(values: np.ndarray) -> np.ndarray:
    """(targets,) share of the other sources with a smaller value than the own one (the diagonal); ties count half."""
    diagonal = np.diag(values)
    ranks = (values < diagonal).sum(axis=0) + ((values == diagonal).sum(axis=0) - 1) / 2
    return ranks / max(len(values) - 1, 1)


def embeddings(association_matrix: csr_matrix, width: int, seed: int, device: torch.device | None = None) -> np.ndarray:
    """(size, width) float32 embeddings: the first singular vectors, scaled by the root of their values, and rotated.

    The random rotation spreads the variance evenly over coordinates, which suits optimisers that adapt the rate of each
    coordinate. Tokens without associations get noise with the same standard deviation. On an accelerator the vectors
    are computed by subspace iteration in float32, in less than a second; the exact vectors take a CPU a minute at
    width 384.
    """
    generator = np.random.default_rng(seed_of("natural embeddings", seed))
    start = generator.standard_normal(association_matrix.indptr.size - 1)
    if device is None or device.type == "cpu":
        from scipy.sparse.linalg import svds

        vectors, values, _ = svds(association_matrix.astype(np.float64), width, v0=start)
        left = np.asarray(vectors)
    else:
        left, values = _iterated_vectors(association_matrix, width, seed, device)
    left = left * np.sign(left[np.abs(left).argmax(axis=0), np.arange(width)])  # singular vectors have no sign
    rotation, _ = np.linalg.qr(generator.standard_normal((width, width)))
    rows = left * np.sqrt(values) @ rotation
    silent = np.diff(association_matrix.indptr) == 0
    rows[silent] = generator.normal(0, rows[~silent].std(), (int(silent.sum()), width))
    return (rows * (_STD / rows.std())).astype(np.float32)


def _iterated_vectors(
    association_matrix: csr_matrix, width: int, seed: int, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """First left singular vectors (size, width) and their values, by randomised subspace iteration on a device."""
    import torch

    matrix = torch.from_numpy(association_matrix.toarray()).to(device)
    with torch.random.fork_rng(device_type=device.type):
        torch.manual_seed(seed_of("natural subspace", seed) % 2**31)
        vectors, values, _ = torch.svd_lowrank(matrix, width + _SPARE_VECTORS, niter=_ITERATIONS)
    return vectors[:, :width].cpu().double().numpy(), values[:width].cpu().double().numpy()
