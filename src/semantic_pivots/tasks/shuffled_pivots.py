"""The shuffled-pivot null: the same trace with the pivots of another pair.

Mass on an item's pivots means something only beyond what any pair's pivots would get: frequent tokens gather mass in
middle layers whatever the question. The null gives each item the pivot set of another item of its direction, so that
the sets themselves, their sizes and their tokens' frequencies, are the same, and only whose they are differs.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from semantic_pivots.statistics import seed_of
from semantic_pivots.tables import from_rows
from semantic_pivots.tasks.translation import Item


def partners(items: Sequence[Item], with_pivots: set[str], seed: int) -> dict[str, str]:
    """For each item with pivots, the item whose pivots it gets: the next one in a seeded order of its direction.

    An item is left out if no item of another concept in its direction has pivots.
    """
    by_direction: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        if item.item_id in with_pivots:
            by_direction.setdefault(item.direction, []).append(item)
    exchange = {}
    for members in by_direction.values():
        order = sorted(members, key=lambda item: seed_of(seed, "shuffled-pivots", item.item_id))
        for place, item in enumerate(order):
            candidates = (order[(place + step) % len(order)] for step in range(1, len(order)))
            partner = next((candidate for candidate in candidates if candidate.concept_id != item.concept_id), None)
            if partner is not None:
                exchange[item.item_id] = partner.item_id
    return exchange


def shuffled_pivots(pivots: pa.Table, items: Sequence[Item], seed: int) -> pa.Table:
    """The table `pivots` with each item's pivots, their values and ranks exchanged for those of its partner."""
    rows: dict[str, list[dict]] = {}
    for row in pivots.to_pylist():
        rows.setdefault(row["item_id"], []).append(row)
    exchange = partners(items, set(rows), seed)
    return from_rows(
        "pivots", [row | {"item_id": item_id} for item_id, donor in sorted(exchange.items()) for row in rows[donor]]
    )
