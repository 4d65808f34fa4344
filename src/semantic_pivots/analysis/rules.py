"""Rules that label how an answer came about, as pure functions of the measurements of one item (METHOD §3).

`paper` is the published rule. It reads a trace, asks neither whether the answer is right nor whether the peak token
means anything, and fires wherever an earlier layer is more confident than the last. `causal` reads what became of the
answer when pivots stood in the source's place and when their part of the source word was taken out. Its thresholds were
chosen on planted worlds of seeds 201 and 202 and stay fixed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

CO_OCCURRENCE, PIVOT, EXCLUDED = "co-occurrence", "semantic-pivot", "excluded"
BRIDGED, REDUNDANT, DIRECT, UNDECIDED = "bridged", "redundant", "direct", "undecided"
LINK_LEVEL, NEED_LEVEL = 0.05, 0.1
_DOUBLED = math.log(2)
SHARE = 0.9
"""of what the source word tells that link and need must come up to together"""


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
    """Effects of one item by the stage `causal`, in nats, less the mean of the control sets."""

    answered: bool
    """whether the model's own answer is the target"""
    told: float
    """log P(answer) less its mean with control words in the source's place: what the source word tells"""
    link: float
    link_p: float
    need: float
    need_p: float


def causal(evidence: Evidence | None) -> str:
    """Whether the answer's way goes over the pivots: is the way there (link), and is it used (need)?

    Link holds where the pivots in the source's place beat the control sets (p <= 0.05) and at least double the answer's
    probability. Need holds where taking the pivots' part out of the source word beats the control sets (p <= 0.1) and
    at least halves it. A way counts where link and need together come up to what the source word tells: a pivot that
    only resembles its word leads some of the way.

    Returns:
        bridged (link and need), redundant (link without need), direct (no need), or undecided: the model's answer is
        not the target, there are no pivots or too few controls, or need holds without a way or only by its size.
    """
    if evidence is None or not evidence.answered:
        return UNDECIDED
    way = bool(_holds(evidence.link, evidence.link_p, LINK_LEVEL))
    way = way and evidence.link + evidence.need >= SHARE * evidence.told
    need = is_needed(evidence)
    if need is None:
        return UNDECIDED
    if need:
        return BRIDGED if way else UNDECIDED
    return REDUNDANT if way else DIRECT


def is_needed(evidence: Evidence) -> bool | None:
    """Whether the pivots' part of the source word is used; None where controls' parts are as dear."""
    return _holds(evidence.need, evidence.need_p, NEED_LEVEL)


def _holds(effect: float, p: float, level: float) -> bool | None:
    """Whether an effect is there; None where it is as large as it should be and controls' are too."""
    if effect < _DOUBLED:
        return False
    return True if p <= level + 1e-9 else None


LABELS: dict[str, tuple[str, ...]] = {
    "paper": (CO_OCCURRENCE, PIVOT),
    "causal": (BRIDGED, REDUNDANT, DIRECT, UNDECIDED),
}
"""Labels of each rule, besides `excluded`."""
RULES: dict[str, Callable[[Path], str]] = {"paper": paper}
"""Rules that read a trace; `causal` reads effects."""
VERSIONS = {"paper": 1, "causal": 1}
"""Raised whenever a rule says something else; part of every signature."""
