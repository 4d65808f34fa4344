"""Ratio of the mean mass of a pair's own pivots to that of another pair's, by layer.

Frequent tokens gather probability whatever the question, so a mass says nothing alone. Every set of pivots is once the
own and once another pair's, under prompts of one direction; what a set has by its size and its tokens is therefore on
both sides, and the ratio of the means is one where only that counts.

The ratio of two means, which can be read off the two curves, and not the mean of the items' ratios: in middle layers
most masses lie near 1e-9, and a pair's 1e-6 over another's 1e-12 would count as a million although the model would say
neither. Such a mean measures the tail of the softmax, and depends on the least mass that it is given. What this costs:
the concepts whose pivots weigh much decide, as they do in the curves; the interval resamples concepts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from semantic_pivots.statistics import Interval, bootstrap_ratio, seed_of
from semantic_pivots.tasks.translation import Item

PIVOT_RATIO = "pivot_ratio"


def pivot_ratios(
    trace: pa.Table, items: Mapping[str, Item], all_name: str, seed: int, resamples: int
) -> Iterator[tuple[tuple[str, str], str, int, Interval]]:
    """Direction, lens, layer, and own pivots' mean mass over another pair's with its interval.

    Args:
        trace: the table `trace`.
        items: the items by their identifiers.
        all_name: name of both languages where all directions are taken together.
        seed: seed of the resampling, which draws concepts.
        resamples: number of resamples.
    """
    own, null = (trace[name].cast("float64").to_numpy() for name in ("mass_pivot", "mass_pivot_null"))
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
                ratio = bootstrap_ratio(own[selection], null[selection], concepts[selection], draw_seed, resamples)
                yield direction, lens, layer, ratio
