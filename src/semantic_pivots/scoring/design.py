"""The prompts of a benchmark, and the parts in which they are scored.

The unit of work is a part of one direction. If draws are shared, a part has all items with one draw, so each prompt is
computed once for all items that use it (on average a source is a distractor of nine other items). Otherwise a part
is a slice of the items. A part's table depends only on the configuration and its items, so parts can be computed in any
order, by any number of processes, and after an interruption.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pyarrow as pa

from semantic_pivots.scoring.variants import SHUFFLED
from semantic_pivots.signature import Signature
from semantic_pivots.statistics import seed_of
from semantic_pivots.tasks.questions import shots_by_direction
from semantic_pivots.tasks.translation import Item, Shot

VERSION = 3
SLICE_ITEMS = 200


@dataclass(frozen=True)
class Design:
    """The prompts of a benchmark: shots, draws and their pool, equal for all models of a comparison."""

    shots: int
    draws: int
    pool: int
    seed: int
    task: str = "clwtd"

    def signature(self, direction: tuple[str, str] | None, model: str, dtype: str, variant: str) -> Signature:
        """Signature of a figure of one direction, or of the mean over directions."""
        between = "-".join(direction) if direction else "mean of directions"
        settings = {"shots": self.shots, "draws": self.draws, "pool": self.pool, "seed": self.seed}
        return Signature.of(self.task, between, **settings, model=model, dtype=dtype, variant=variant, version=VERSION)


@dataclass(frozen=True)
class Question:
    """An item with one draw of its shots; `control_target` is the control's target, empty after the first draw."""

    item: Item
    draw: int
    shots: tuple[Shot, ...]
    control_target: str


@dataclass(frozen=True)
class Part:
    """Questions of one direction whose rows of the table `scores` or `answers` are computed and stored together."""

    name: str
    table: str
    questions: tuple[Question, ...]


def sample_by_direction(items: Sequence[Item], order: Callable[[Item], Any], count: int) -> list[Item]:
    """The first `count` items of each direction in an order, direction by direction; 0: all."""
    by_direction: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        by_direction.setdefault(item.direction, []).append(item)
    return [item for members in by_direction.values() for item in sorted(members, key=order)[: count or None]]


def parts_of(items: Sequence[Item], words: pa.Table, design: Design) -> list[Part]:
    """The parts of each direction, with the control's targets shuffled over the whole direction."""
    shots, parts = shots_by_direction(items, words, design.seed), []
    for direction, group in groupby(items, key=lambda item: item.direction):
        members, name = list(group), "-".join(direction)
        questions = []
        for item, target in zip(members, shuffled_targets(members, design.seed), strict=True):
            draws = shots[direction].draws_of(item, design.draws, design.shots, design.pool)
            # one draw is enough for the control, which shares its prompts with the item's own figures
            questions.append([Question(item, n, tuple(s), "" if k else target) for k, (n, s) in enumerate(draws)])
        slices = {
            f"{name}-{start // SLICE_ITEMS:04d}": tuple(
                q for row in questions[start : start + SLICE_ITEMS] for q in row
            )
            for start in range(0, len(members), SLICE_ITEMS)
        }
        batches = slices
        if design.pool:
            numbers = sorted({question.draw for row in questions for question in row})
            batches = {
                f"{name}-draw-{n:04d}": tuple(q for row in questions for q in row if q.draw == n) for n in numbers
            }
        parts += [Part(place, "scores", row) for place, row in batches.items()]
        parts += [Part(place, "answers", row) for place, row in slices.items()]
    return parts


def shuffled_targets(items: Sequence[Item], seed: int) -> list[str]:
    """For each item of a direction the target of another item: the next suitable one in a seeded order of the items.

    A target is not suitable if its own source is among the item's candidates: one distractor would be its translation.
    """
    order = sorted(range(len(items)), key=lambda index: seed_of(seed, SHUFFLED, items[index].item_id))
    targets = [""] * len(items)
    for place, index in enumerate(order):
        item = items[index]
        candidates = [items[number] for number in (*order[place + 1 :], *order[:place])]
        fit = (shot for shot in candidates if shot.source not in item.candidates and shot.target != item.target)
        targets[index] = next(fit, candidates[0] if candidates else item).target
    return targets
