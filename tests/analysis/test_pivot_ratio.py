"""The ratio is one where own pivots weigh as another pair's do, and a factor is found with its interval."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from semantic_pivots.analysis.pivot_ratio import pivot_ratios
from semantic_pivots.report.figures_trace import above_one
from semantic_pivots.tasks.translation import Item

ITEMS = {
    f"{a}-{b}:{k}": Item(f"{a}-{b}:{k}", f"c{k}", a, b, f"{a}{k}", f"{b}{k}", ())
    for a, b in (("en", "fr"), ("fr", "en"))
    for k in range(60)
}


def trace(factor: float) -> pa.Table:
    """Masses of sets that differ a hundredfold; in layer 1 the own ones have `factor` times as much."""
    generator = np.random.default_rng(0)
    rows = []
    for layer in range(2):
        sets = 10.0 ** generator.uniform(-5, -3, len(ITEMS))
        for k, name in enumerate(ITEMS):
            own = sets[k] * (factor if layer else 1) * generator.lognormal(0, 0.2)
            other = None if k % 60 == 7 else float(sets[k - 1])
            rows.append({"item_id": name, "lens": "logit", "layer": layer, "mass_pivot": own, "mass_pivot_null": other})
    return pa.Table.from_pylist(rows)


def test_a_factor_is_found_and_one_is_none():
    found = {(key[0], layer): interval for key, _, layer, interval in pivot_ratios(trace(3.0), ITEMS, 0, 500)}
    assert set(found) == {(code, layer) for code in ("all", "en", "fr") for layer in (0, 1)}
    assert found["all", 0].low < 1 < found["all", 0].high
    assert found["all", 1].low > 1.5
    assert found["all", 1].value == pytest.approx(3.0, rel=0.6)
    assert found["all", 1].n == 59  # concepts; one has no other pair's pivots


def test_masses_of_next_to_nothing_decide_nothing():
    rows = trace(1.0).to_pylist()
    for row in rows:  # of most items the own mass is next to nothing, and another pair's a million times less
        if row["layer"] == 1 and int(row["item_id"].partition(":")[2]) % 4:
            row |= {"mass_pivot": 1e-9, "mass_pivot_null": 1e-15}
    found = {(key[0], layer): i for key, _, layer, i in pivot_ratios(pa.Table.from_pylist(rows), ITEMS, 0, 500)}
    assert found["all", 1].low < 1 < found["all", 1].high


def test_layers_above_one_are_named_in_runs():
    lows = [0.9, 1.1, 1.2, 0.8, 1.3]
    rows = [{"layer": k, "value": low + 0.5, "low": low, "high": low + 1} for k, low in enumerate(lows)]
    assert above_one(rows) == (
        "Own pivots stand above another pair's after layers 1–2, 4 of 0–4, most clearly after layer 4: "
        "1.8 times [1.3, 2.3]."
    )
    assert above_one(rows[:1]) == "In none of the layers 0–0 do own pivots stand above another pair's."
    assert above_one([]) == ""
