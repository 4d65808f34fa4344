"""Rules that tell the two behaviours apart, as pure functions of one item's trace (METHOD §3).

`paper` is the published rule. It asks neither whether the answer is right nor whether the peak token means anything,
and fires wherever an earlier layer is more confident than the last; `corrected` asks both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

CO_OCCURRENCE, PIVOT, EXCLUDED = "co-occurrence", "semantic-pivot", "excluded"
_LEAST_PROBABILITY = 0.1
_MARGIN = 2.0


@dataclass(frozen=True)
class Path:
    """One item's trace: top-1 token and probability of every layer, and the token sets of its words.

    `meaning` holds the pair's pivots and the first tokens of the concept's words in further languages; `words` the
    tokens that hold a letter, of those that appear in `tokens`.
    """

    tokens: Sequence[int]
    probs: Sequence[float]
    source: frozenset[int]
    target: frozenset[int]
    meaning: frozenset[int] = frozenset()
    words: frozenset[int] = frozenset()
    chance: Sequence[float] = ()
    """mass of another pair's pivots in every layer; empty: zero"""

    @property
    def peak(self) -> int:
        """The layer with the largest top-1 probability; of equal ones the later."""
        return max(range(len(self.probs)), key=lambda layer: (self.probs[layer], layer))


def paper(path: Path) -> str:
    """The published rule."""
    if path.source & path.target:
        return EXCLUDED
    token = path.tokens[path.peak]
    if path.tokens[-1] == token or token in path.source:
        return CO_OCCURRENCE
    return PIVOT


def corrected(path: Path) -> str:
    """A label only where the answer is right; `semantic-pivot` only where an earlier layer commits to meaning.

    A layer commits when its top token is one of the pair's pivots or another language's word for the concept, with
    probability at least 0.1, at least twice that token's at the end (where it is not the top one, at most half of
    what the top token leaves is assumed), and at least twice what all pivots of another pair get in that layer.
    Otherwise: `wrong`, `copy` (the source is repeated), `junk-peak` (the surest layer holds no letter),
    `co-occurrence` (the surest layer says what the last says), else `undecided`.
    """
    if path.source & path.target:
        return EXCLUDED
    final = path.tokens[-1]
    if final in path.source:
        return "copy"
    if final not in path.target:
        return "wrong"
    at_the_end = (1 - path.probs[-1]) / 2
    chance = path.chance or [0.0] * len(path.tokens)
    for token, prob, by_chance in zip(path.tokens[:-1], path.probs[:-1], chance[:-1], strict=True):
        outside = token not in path.source and token not in path.target
        enough = max(_LEAST_PROBABILITY, _MARGIN * at_the_end, _MARGIN * by_chance)
        if outside and token in path.meaning and prob >= enough:
            return PIVOT
    token = path.tokens[path.peak]
    if token == final:
        return CO_OCCURRENCE
    return "undecided" if token in path.words else "junk-peak"


LABELS: dict[str, tuple[str, ...]] = {
    "paper": (CO_OCCURRENCE, PIVOT),
    "corrected": (CO_OCCURRENCE, PIVOT, "copy", "junk-peak", "undecided", "wrong"),
}
"""Labels of each rule, besides `excluded`."""
RULES: dict[str, Callable[[Path], str]] = {"paper": paper, "corrected": corrected}
VERSIONS = {"paper": 1, "corrected": 2}
"""Raised whenever a rule says something else; part of every signature."""
