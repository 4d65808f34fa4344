"""Rules that label the mechanism behind an answer, as pure functions of the measurements of one item (METHOD §3).

`paper` is the published rule. It reads a trace, and gives `semantic-pivot` wherever an earlier layer is more confident
than the last, whether or not the answer is right and whatever the peak token is. `causal` reads how log P(answer)
changes when pivots replace the source word, and when their part of the source word is removed. Its thresholds were
chosen on planted worlds with seeds 201 and 202, NEED_LEVEL with seeds 321 and 322, LINK_SHARE and LEAST_SUM with seeds
321 to 323, and are fixed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

CO_OCCURRENCE, PIVOT, EXCLUDED = "co-occurrence", "semantic-pivot", "excluded"
BRIDGED, REDUNDANT, DIRECT, UNDECIDED = "bridged", "redundant", "direct", "undecided"
LINK_LEVEL, NEED_LEVEL = 0.05, 0.15
_DOUBLING = math.log(2)
SHARE, LINK_SHARE = 0.9, 0.5
"""shares of the source word's effect that link + need, and link alone, must reach"""
LEAST_SUM = 8.0
"""nats that link + need must reach: a factor of 3,000, about what singles out one word of a vocabulary"""


@dataclass(frozen=True)
class Path:
    """One item's trace: top-1 token and probability of every layer, and the token sets of its words."""

    tokens: Sequence[int]
    probs: Sequence[float]
    source: frozenset[int]
    target: frozenset[int]

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


@dataclass(frozen=True)
class Evidence:
    """Effects of one item, measured by the stage `causal`, in nats, minus the mean of the control sets."""

    is_answered: bool
    """whether the model's own answer is the target"""
    source_effect: float
    """log P(answer) minus its mean with control words in the source's place: the effect of the source word"""
    link: float
    link_p: float
    need: float
    need_p: float


def causal(evidence: Evidence | None) -> str:
    """Label an item by whether its pivots lead to the answer (link) and whether the model uses them (need).

    Link holds if three conditions hold: with the pivots in the source's place, the answer's probability is at least
    twice that with the control sets; p <= 0.05; and link reaches LINK_SHARE of `source_effect`, link + need SHARE of it
    and LEAST_SUM. The third condition excludes words that merely accompany the source word: they give part of its
    effect, and an answer can nevertheless need them. Need holds if removing the pivots' part of the source word at
    least halves the answer's probability, compared with the control sets, and p <= 0.15.

    Returns:
        bridged (link and need), redundant (link without need), direct (neither), or undecided. Undecided means that the
        model's answer is not the target, that the item has no pivots or too few controls, that need holds without link,
        or that need is large enough but its p-value is above 0.15.
    """
    if evidence is None or not evidence.is_answered:
        return UNDECIDED
    way = bool(_holds(evidence.link, evidence.link_p, LINK_LEVEL))
    way = way and evidence.link >= LINK_SHARE * evidence.source_effect
    way = way and evidence.link + evidence.need >= max(SHARE * evidence.source_effect, LEAST_SUM)
    need = is_needed(evidence)
    if need is None:
        return UNDECIDED
    if need:
        return BRIDGED if way else UNDECIDED
    return REDUNDANT if way else DIRECT


def is_needed(evidence: Evidence) -> bool | None:
    """Whether need holds; None if the effect is large enough but not larger than those of the control sets."""
    return _holds(evidence.need, evidence.need_p, NEED_LEVEL)


def _holds(effect: float, p: float, level: float) -> bool | None:
    """Whether an effect is large enough and significant; None if it is large enough but not significant."""
    if effect < _DOUBLING:
        return False
    return True if p <= level + 1e-9 else None


LABELS: dict[str, tuple[str, ...]] = {
    "paper": (CO_OCCURRENCE, PIVOT),
    "causal": (BRIDGED, REDUNDANT, DIRECT, UNDECIDED),
}
"""Labels of each rule, besides `excluded`."""
RULES: dict[str, Callable[[Path], str]] = {"paper": paper}
"""Rules that read a trace; `causal` reads effects."""
VERSIONS = {"paper": 1, "causal": 4}
"""Raised whenever a rule changes; part of every signature."""
