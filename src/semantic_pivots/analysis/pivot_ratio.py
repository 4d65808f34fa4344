"""Do a pair's own pivots weigh more in the layers than another pair's do? The ratio of their masses, by layer.

Frequent tokens gather probability whatever the question, so a mass says nothing alone. Every set of pivots is once the
own and once another pair's, under prompts of one direction; what a set has by its size and its tokens is therefore on
both sides, and the geometric mean of the ratios is one where only that counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from semantic_pivots.statistics import Interval, bootstrap_means, seed_of
from semantic_pivots.tasks.translation import Item

PIVOT_RATIO = "pivot_ratio"
_LEAST_MASS = 1e-12


def pivot_ratios(
    trace: pa.Table, items: Mapping[str, Item], all_name: str, seed: int, resamples: int
) -> Iterator[tuple[tuple[str, str], str, int, Interval]]:
    """Direction, lens, layer, and the geometric mean of own pivots' mass over another pair's with its interval.

    Args:
        trace: the table `trace`.
        items: the items by their identifiers.
        all_name: name of both languages where all directions are taken together.
        seed: seed of the resampling, which draws concepts.
        resamples: number of resamples.
    """
    own, null = (trace[name].cast("float64").to_numpy() for name in ("mass_pivot", "mass_pivot_null"))
    logs = np.log(np.maximum(own, _LEAST_MASS) / np.maximum(null, _LEAST_MASS))  # NaN: the item has no such set
    of_row = [items[name] for name in trace["item_id"].to_pylist()]
    concepts = np.array([item.concept_id for item in of_row])
    directions = np.array(["-".join(item.direction) for item in of_row])
    lenses, layers = np.array(trace["lens"].to_pylist()), trace["layer"].to_numpy()
    for lens in sorted(set(lenses.tolist())):
        for direction in [(all_name, all_name), *dict.fromkeys(item.direction for item in items.values())]:
            name = "-".join(direction)
            in_direction = (lenses == lens) & ((directions == name) | (direction[0] == all_name))
            for layer in range(int(layers.max()) + 1):
                selection = in_direction & (layers == layer)
                draw_seed = seed_of(seed, "pivot ratio", lens, name, layer)
                (interval,) = bootstrap_means(logs[selection, None], concepts[selection], draw_seed, resamples)
                value, low, high = (math.exp(edge) for edge in (interval.value, interval.low, interval.high))
                yield direction, lens, layer, Interval(value, low, high, interval.n)
