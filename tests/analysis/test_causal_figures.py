"""Which lens agrees with the causal label: the mass that it gives an item's own pivots, before the last layer."""

import pytest

from semantic_pivots.analysis.behaviour_stage import BehaviourConfig
from semantic_pivots.analysis.causal_figures import _answers, _area_of_mass, own_masses
from semantic_pivots.analysis.rules import BRIDGED
from semantic_pivots.files import write_table
from semantic_pivots.run import Inputs
from semantic_pivots.tables import from_rows
from semantic_pivots.tasks.translation import Item


@pytest.fixture
def inputs(tmp_path) -> Inputs:
    blank = {
        "top_ids": [0], "top_probs": [0.5], "entropy": 1.0, "mass_source": 0.0, "mass_target": 0.0,
        "languages": [], "mass_languages": [], "top_language": None, "off_target_correct": False,
    }  # fmt: skip
    masses = {
        ("a", "logit"): [(0.1, 0.3), (0.5, 0.1), (0.9, 0.0)],  # 0.4 before the last layer, which does not count
        ("b", "logit"): [(0.0, 0.2), (0.1, 0.2), (0.9, 0.0)],  # below another pair's everywhere
        ("c", "logit"): [(None, None)] * 3,  # no pivots
        ("a", "jacobian:g"): [(0.2, 0.0), (0.1, 0.0), (0.0, 0.0)],
    }
    rows = [
        {"item_id": item, "lens": lens, "layer": layer, "mass_pivot": own, "mass_pivot_null": other, **blank}
        for (item, lens), layers in masses.items()
        for layer, (own, other) in enumerate(layers)
    ]
    write_table(tmp_path / "trace.parquet", from_rows("trace", rows))
    return Inputs({"trace": tmp_path})


def test_the_mass_is_the_largest_beyond_chance_before_the_last_layer(inputs):
    found = own_masses(inputs)
    assert set(found) == {"logit", "jacobian:g"}
    assert found["logit"] == {"a": pytest.approx(0.4), "b": pytest.approx(-0.1)}
    assert found["jacobian:g"] == {"a": pytest.approx(0.2)}


def test_the_area_tells_bridged_items_by_their_mass():
    """By hand: of 12 bridged and 12 other concepts, one bridged item lies below all others: AUC 11/12."""
    items = {f"i{k}": Item(f"i{k}", f"c{k}", "en", "fr", "s", "t", ()) for k in range(24)}
    rows = [{"item_id": item, "answered": True, "link": 1.0} for item in items]
    labels = {f"i{k}": BRIDGED if k < 12 else "direct" for k in range(24)}
    masses = {f"i{k}": 0.5 + k / 100 if k < 12 else 0.1 for k in range(24)} | {"i0": 0.0}
    ((name, interval),) = _area_of_mass(_answers(rows, items, labels, BehaviourConfig()), masses, "logit")
    assert name == "auc of own pivots' mass for bridged"
    assert (interval.value, interval.n) == (pytest.approx(11 / 12), 24)
    assert 0.5 < interval.low < interval.high <= 1
    ((_, one_sided),) = _area_of_mass(_answers(rows[:12], items, labels, BehaviourConfig()), masses, "logit")
    assert not one_sided.exists
