"""Lenses held against given labels, on a model of random weights: what is computed, not what comes out."""

import dataclasses

import numpy as np
import pytest

from semantic_pivots.planted import world_runs
from semantic_pivots.planted.lens_agreement import agreement
from semantic_pivots.planted.planted_stage import PlantedConfig
from semantic_pivots.planted.world_model import new_trial
from semantic_pivots.planted.worlds import BRIDGED

CONFIG = PlantedConfig(seed=1, direct=60, bridged=20, unrelated=5, copied=0, width=16, layers=2)
AREA = "AUC of the contexts' mass for bridged by causal"


@pytest.fixture(scope="module")
def it():
    return new_trial(CONFIG, world_runs.world_of(CONFIG, 1, "matched"), "llama")


def by_lens(figures, measure):
    return {f["group"]: f["value"] for f in figures if f["measure"] == measure}


def test_every_lens_is_held_against_the_labels(it):
    concepts = it.corpus.of(BRIDGED)
    labels = ["bridged", "direct"] * 10
    figures = agreement(it, concepts, labels, np.arange(20.0))
    areas = by_lens(figures, AREA)
    assert set(areas) == {"logit", "tuned", "jacobian"}
    # the labels exchanged are told as well, the other way round
    exchanged = by_lens(agreement(it, concepts, ["direct", "bridged"] * 10, -np.arange(20.0)), AREA)
    assert all(areas[lens] == pytest.approx(1 - exchanged[lens]) for lens in areas)
    # undecided pairs take no part in the area
    assert by_lens(agreement(it, concepts[:10], labels[:10], np.arange(10.0)), AREA) != areas
    undecided = agreement(it, concepts, [*labels[:10], *["undecided"] * 10], np.arange(20.0))
    assert not any(np.isnan(value) for value in by_lens(undecided, AREA).values())


def test_one_label_alone_has_no_area_and_says_why(it):
    figures = agreement(it, it.corpus.of(BRIDGED)[:6], ["bridged"] * 6, np.zeros(6))
    assert all(f["note"] == "one class is empty" for f in figures if f["measure"] == AREA)


def test_shapes_of_one_seed_differ_in_learned_positions_alone():
    config = dataclasses.replace(CONFIG, sinusoids=True)
    plain, sinusoids = (new_trial(c, world_runs.world_of(c, 1), "gpt2").model.state_dict() for c in (CONFIG, config))
    assert [name for name in plain if not plain[name].equal(sinusoids[name])] == ["transformer.wpe.weight"]
