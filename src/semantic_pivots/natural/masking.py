"""Masking, randomised within one corpus: four models and four conditions; each concept has each condition in one model.

Concepts are assigned to four groups; clusters of concepts that share documents stay together. In model m, group g has
the condition (g + m) mod 4 (a Latin square). The corpora of the four models differ only in the windows of held-out
words, and the models start from the same weights, so a concept is compared with itself.

- masked: every token in the windows that is a pivot of the pair is replaced by MASK.
- placebo: as many other tokens of the same windows, with the nearest frequency, are replaced by MASK.
- bridges: as many tokens that are second-order bridges are replaced by MASK. These are words of a trained concept one
  of whose words is near one held-out word and whose translation is near the other.
- spiked: the placebo, and two private tokens of the pair are written into a share of the windows of both words. They
  replace placebo tokens first, so that as little of the context as possible is lost.

Held-out words are never masked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semantic_pivots.natural.natural_stage import NaturalConfig
from semantic_pivots.natural.texts import Pieces, Sequences
from semantic_pivots.natural.windows import Windows, clusters, contexts_of, pivots_of, windows_of
from semantic_pivots.natural.world import World
from semantic_pivots.statistics import seed_of

CONDITIONS = ("masked", "placebo", "bridges", "spiked")


@dataclass(frozen=True)
class Design:
    """The condition of each held-out concept in each model, and the edits of the text that it needs.

    Attributes:
        groups: (concepts,) group of each held-out concept, 0 to 3.
        clusters: (concepts,) cluster of each concept.
        pivots: for each concept, the token ids of its pivots.
        edits: for each concept and condition, positions in the flat tokens and the ids that replace the tokens there.
        words: (concepts, 2) number of occurrences of each of its two words.
        window_tokens: (concepts,) number of tokens in its windows.
        overlap: share of the windows' tokens that are also in a window of another cluster.
    """

    groups: np.ndarray
    clusters: np.ndarray
    pivots: list[np.ndarray]
    edits: list[dict[str, tuple[np.ndarray, np.ndarray]]]
    words: np.ndarray
    window_tokens: np.ndarray
    overlap: float

    def condition(self, concept: int, model: int) -> str:
        """The condition of a concept in a model."""
        return CONDITIONS[(int(self.groups[concept]) + model) % len(CONDITIONS)]

    def sequences(self, corpus: Sequences, model: int) -> np.ndarray:
        """(sequences, length) uint16 training sequences of a model."""
        flat = corpus.sequences.ravel().copy()
        for concept, edits in enumerate(self.edits):
            places, ids = edits[self.condition(concept, model)]
            flat[places] = ids
        return flat.reshape(corpus.sequences.shape)


def groups_of(clusters: np.ndarray, sizes: np.ndarray, seed: int) -> np.ndarray:
    """(concepts,) group of each concept, 0 to 3. Clusters are not split; groups have about equal numbers of concepts.

    Clusters are sorted by their number of concepts, then by frequency, and assigned four at a time, one to each group.
    Of four clusters with equal numbers the order is random; of others, the largest goes to the smallest group.
    """
    generator = np.random.default_rng(seed_of("natural groups", seed))
    names, members = np.unique(clusters, return_counts=True)
    frequency = np.array([np.log(sizes[clusters == name] + 1).mean() for name in names])
    order = np.lexsort((names, -frequency, -members))
    totals = np.zeros(len(CONDITIONS), np.int64)
    group = np.zeros(len(names), np.int64)
    for begin in range(0, len(order), len(CONDITIONS)):
        four = order[begin : begin + len(CONDITIONS)]
        places = np.argsort(totals + generator.random(len(CONDITIONS)), kind="stable")[: len(four)]
        if members[four].min() == members[four].max():
            places = generator.permutation(places)
        group[four] = places
        np.add.at(totals, places, members[four])
    return group[np.searchsorted(names, clusters)]


def design(corpus: Sequences, world: World, config: NaturalConfig, seed: int, text: Pieces | None = None) -> Design:
    """The groups, pivots and edits of a packed corpus; pivots are discovered in `text`, by default in the corpus."""
    concepts = world.held_out
    pair = (config.pair[0], config.pair[1])
    contexts = contexts_of(corpus.pieces, world, concepts, pair)
    search_contexts = contexts if text is None else contexts_of(text, world, concepts, pair)
    pivots = pivots_of(search_contexts, concepts, pair, config.false_discovery_rate, config.pivots)
    windows = windows_of(corpus, concepts, pair, config.window_tokens)
    together = clusters(contexts, concepts, pair)
    words = np.array([[len(places) for places in window.words] for window in windows]).reshape(-1, 2)
    groups = groups_of(together, words.min(axis=1), seed)
    maker = _Edits(corpus, world, pair, config, seed)
    rank = np.zeros(len(concepts), np.int64)
    for group in range(len(CONDITIONS)):
        rank[groups == group] = np.arange(int((groups == group).sum()))
    edits = [maker.of(concepts[k].concept_id, windows[k], pivots[k], int(rank[k])) for k in range(len(concepts))]
    sizes = np.array([sum(len(side) for side in window.sides) for window in windows])
    return Design(groups, together, pivots, edits, words, sizes, _overlap(windows, together))


def _overlap(windows: Sequence[Windows], clusters: np.ndarray) -> float:
    """Share of the windows' tokens that are in windows of two or more clusters."""
    names = clusters.tolist()
    keys = [np.union1d(*window.sides) * len(windows) + name for window, name in zip(windows, names, strict=True)]
    times = np.unique(np.unique(np.concatenate(keys)) // len(windows), return_counts=True)[1]
    return float((times > 1).mean()) if len(times) else 0.0


class _Edits:
    """Makes the edits of one concept after another."""

    def __init__(self, corpus: Sequences, world: World, pair: tuple[str, str], config: NaturalConfig, seed: int):
        self.tokens = corpus.sequences.ravel()
        self.piece = corpus.piece.ravel()
        self.length = corpus.sequences.shape[1]
        self.vocabulary, self.config, self.seed = world.vocabulary, config, seed
        count = np.bincount(self.tokens, minlength=world.vocabulary.size)
        self.log_frequency = np.log(np.maximum(count, 1))
        exclusions = [world.vocabulary.end, *world.vocabulary.marks.values()]
        exclusions += [i for c in world.held_out for i in c.ids.values()]
        self.is_fixed = np.zeros(world.vocabulary.size, bool)
        self.is_fixed[exclusions] = True
        self.partner = np.full((2, world.vocabulary.size), -1, np.int64)
        for number, concept in enumerate(world.trained_concepts):
            for side, code in enumerate(pair):
                self.partner[side, concept.ids[code]] = number

    def of(
        self, name: str, windows: Windows, pivots: np.ndarray, rank: int
    ) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Places and ids of each condition; `rank` is the concept's place in its group."""
        generator = np.random.default_rng(seed_of("natural edits", self.seed, name))
        free = [side[~self.is_fixed[self.tokens[side]]] for side in windows.sides]
        spots = [side[np.isin(self.tokens[side], pivots)] for side in free]
        candidates = [np.setdiff1d(side, spot) for side, spot in zip(free, spots, strict=True)]
        placebo = [self._nearest(spot, rest, generator) for spot, rest in zip(spots, candidates, strict=True)]
        bridges = self._bridges(free, [len(spot) for spot in spots], generator)
        edits = {}
        for condition, sides in (("masked", spots), ("placebo", placebo), ("bridges", bridges)):
            places = np.union1d(*sides)
            edits[condition] = places, np.full(len(places), self.vocabulary.mask, np.uint16)
        places, ids = edits["placebo"]
        spikes = self._spikes(windows, places, rank, generator)
        edits["spiked"] = np.concatenate([places, spikes[0]]), np.concatenate([ids, spikes[1]])
        return edits

    def _nearest(self, places: np.ndarray, candidates: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """As many of the other places, whose tokens are of the nearest frequencies; each is taken once."""
        candidates = generator.permutation(candidates)
        of_others, choice = self.log_frequency[self.tokens[candidates]].copy(), []
        for place in generator.permutation(places)[: len(candidates)]:
            best = int(np.argmin(np.abs(of_others - self.log_frequency[self.tokens[place]])))
            of_others[best] = np.inf
            choice.append(candidates[best])
        return np.array(sorted(choice), np.int64)

    def _bridges(self, free: Sequence[np.ndarray], counts: Sequence[int], generator: np.random.Generator) -> list:
        """At most so many places of each side whose tokens are words of trained concepts that bridge the sides."""
        near = [[np.unique(self.partner[code][self.tokens[side]]) for code in (0, 1)] for side in free]
        joint = np.union1d(np.intersect1d(near[0][0], near[1][1]), np.intersect1d(near[0][1], near[1][0]))
        joint = joint[joint >= 0]
        choice = []
        for side, count in zip(free, counts, strict=True):
            number = self.partner[:, self.tokens[side]].max(axis=0, initial=-1)
            choice.append(np.sort(generator.permutation(side[np.isin(number, joint)])[:count]))
        return choice

    def _spikes(
        self, windows: Windows, placebo: np.ndarray, rank: int, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Places in a share of the windows, those of the placebo first, and the two private tokens."""
        start = 2 * rank % len(self.vocabulary.spikes)  # groups are of about a quarter, for which there are enough
        private = self.vocabulary.spikes[start : start + 2]
        offsets = np.arange(-self.config.window_tokens, self.config.window_tokens + 1)
        places, ids = [], []
        for words in windows.words:
            is_spiked = generator.random(len(words)) < self.config.spiked_share
            for word in words[is_spiked]:
                begin = word // self.length * self.length
                near = word + offsets[(word + offsets >= begin) & (word + offsets < begin + self.length)]
                near = near[(self.piece[near] == self.piece[word]) & ~self.is_fixed[self.tokens[near]]]
                near = generator.permutation(near)
                near = near[np.argsort(~np.isin(near, placebo), kind="stable")][:2]
                places += near.tolist()
                ids += generator.permutation(private)[: len(near)].tolist()
        return np.array(places, np.int64), np.array(ids, np.uint16)
