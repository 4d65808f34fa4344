"""Learning-rate schedules as functions of the share of training done."""

from __future__ import annotations

import math

_DECAY_SHARE = 0.2  # of a warm-up–stable–decay run, its last part


def learning_rate(step: int, steps: int, peak: float, schedule: str, warmup_share: float) -> float:
    """The learning rate of a step (from 0): linear warm-up, then cosine to a tenth, stable–decay to 0, or constant."""
    warmup = max(1, round(warmup_share * steps))
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    if schedule == "cosine":
        return peak * (0.1 + 0.45 * (1 + math.cos(math.pi * progress)))
    if schedule == "wsd":
        return peak * min(1.0, (1 - progress) / _DECAY_SHARE)
    return peak
