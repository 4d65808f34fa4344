"""Ratio of the mean mass of a pair's own pivots to that of another pair's, by layer.

Frequent tokens have probability mass under any prompt, so a mass alone is no evidence. Every set of pivots is used
twice in a direction: for its own pair, and for another pair. The effects of its size and of its tokens' frequency are
therefore the same in both means, and without any other effect the ratio of the means is 1.

The figure is the ratio of two means, which can be read off the two curves, and not the mean of the items' ratios. In
middle layers most masses are near 1e-9, and a ratio of 1e-6 to 1e-12 would count as a million although the model
predicts neither. A mean of such ratios measures the tail of the softmax, and depends on the smallest mass that is
allowed. The ratio of means has a cost: concepts whose pivots have a large mass determine it, as they determine the
curves. The interval resamples concepts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from semantic_pivots.analysis.direction_rows import ALL_DIRECTIONS, directions
from semantic_pivots.resampling import bootstrap_ratio
from semantic_pivots.statistics import Interval, seed_of
from semantic_pivots.tasks.translation import Item

PIVOT_RATIO = "pivot_ratio"


def pivot_ratios(
    trace: pa.Table, items: Mapping[str, Item], seed: int, resamples: int
) -> Iterator[tuple[tuple[str, str], str, int, Interval]]:
    """Direction, lens, layer, and the ratio of the mean mass of own pivots to another pair's, with its interval.

    Args:
        trace: the table `trace`.
        items: the items by their identifiers.
        seed: seed of the resampling, which draws concepts.
        resamples: number of resamples.
    """
    mass, null = (trace[name].cast("float64").to_numpy() for name in ("mass_pivot", "mass_pivot_null"))
    of_row = [items[name] for name in trace["item_id"].to_pylist()]
    concepts = np.array([item.concept_id for item in of_row])
    direction_names = np.array(["-".join(item.direction) for item in of_row])
    lenses, layers = np.array(trace["lens"].to_pylist()), trace["layer"].to_numpy()
    for lens in sorted(set(lenses.tolist())):
        for direction in directions(items.values()):
            name = "-".join(direction)
            in_direction = (lenses == lens) & ((direction_names == name) | (direction[0] == ALL_DIRECTIONS))
            for layer in range(int(layers.max()) + 1):
                selection = in_direction & (layers == layer)
                draw_seed = seed_of(seed, "pivot ratio", lens, name, layer)
                ratio = bootstrap_ratio(mass[selection], null[selection], concepts[selection], draw_seed, resamples)
                yield direction, lens, layer, ratio
