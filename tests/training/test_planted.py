"""Planted worlds small enough for a test: signs and orders, not values."""

import dataclasses
import math

import numpy as np
import pyarrow as pa
import pytest
import torch

from semantic_pivots.config import PlantedConfig
from semantic_pivots.models.intervene import orthonormal, random_basis, target_logprobs, unembedding_basis
from semantic_pivots.models.lens import Lens
from semantic_pivots.report.figures_planted import planted_panels
from semantic_pivots.tables import from_rows
from semantic_pivots.training import planted
from semantic_pivots.training.small import ARCHITECTURES, fresh_model, packed, word_tokenizer
from semantic_pivots.training.worlds import BRIDGED, DIRECT, UNRELATED

CONFIG = PlantedConfig(
    seed=1, direct=200, bridged=40, unrelated=20, copied=6, tokens=450_000, learning_rate=6e-3, architectures=("llama",)
)
QUICK = dataclasses.replace(CONFIG, tokens=4_096)


@pytest.fixture(scope="module")
def it():
    return planted.trained(CONFIG, planted.world_of(CONFIG, 1), "llama")


def test_bridged_pairs_are_learned_and_unrelated_ones_are_not(it):
    mean = {kind: float(it.logprobs(it.planted.of(kind)).mean()) for kind in (DIRECT, BRIDGED, UNRELATED)}
    assert min(mean[DIRECT], mean[BRIDGED]) > mean[UNRELATED] + 2


def test_discovery_finds_planted_pivots(it):
    figures = {(f["measure"], f["group"]): f["value"] for f in planted.discovery(it, CONFIG)}
    for group in ("default, min", "default, npmi", "default, llr"):
        assert figures["discovery recall@10", group] > 0.9
        assert figures["discovery precision", group] > 0.9


def test_the_pivot_set_is_the_planted_one(it, tmp_path):
    concepts = [*it.planted.of(DIRECT), *it.planted.of(BRIDGED)]
    # entries of one dictionary document stand beside both words of each other: bridges, though not planted ones
    documents = [d for d in it.planted.documents if d["source"] != "dictionary"]
    found = planted.Pipeline(tmp_path / "p", it, documents, concepts).pivot_set()
    truth = {word for concept in it.planted.concepts for word in concept.pivots}
    asked = {word for concept in concepts for word in concept.pivots}
    assert len(found & truth) / len(found) > 0.95
    assert len(found & asked) / len(asked) > 0.8


def test_suppressing_pivots_hurts_bridged_pairs_more_than_random_directions(it):
    figures = {f["group"]: f["value"] for f in planted.suppression(it, CONFIG)}
    assert figures["bridged, planted pivots"] < figures["bridged, random directions"] - 0.1


def test_measures_of_a_trace_are_shares(it):
    figures = planted.behaviours(it, CONFIG)
    assert {f["group"].split(", ")[-1] for f in figures if f["measure"].startswith("F1")} == {"logit", "tuned"}
    assert all(0 <= f["value"] <= 1 for f in figures)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_trains_and_reads(architecture):
    table = planted.run_table("base", architecture, 1, dataclasses.replace(QUICK, architectures=("none",)))
    assert set(table["group"].to_pylist()) == {"direct", "bridged", "unrelated", "copied"}
    assert all(0 <= value <= 1 for value in table["value"].to_pylist())


@pytest.mark.parametrize("world", ["knock-out", "null", "hub-third", "selection"])
def test_every_world_gives_its_figures(world):
    config = dataclasses.replace(QUICK, filler=300)
    table = planted.run_table(world, "llama", 1, config)
    assert table.num_rows > 3
    again = planted.run_table(world, "llama", 1, config)
    np.testing.assert_array_equal(table["value"].to_numpy(), again["value"].to_numpy())  # NaN equals NaN here


def test_a_summary_pairs_runs_by_seed():
    rows = []
    for seed, (base, without) in enumerate([(0.5, 0.1), (0.6, 0.1), (0.4, 0.2)]):
        keys = {"architecture": "llama", "seed": seed, "measure": "P(target)"}
        for world, bridged in (("base", base), ("knock-out", without)):
            rows += [{**keys, "world": world, "group": BRIDGED, "value": bridged}]
            rows += [{**keys, "world": world, "group": DIRECT, "value": 0.9}]
    found = planted.summary(from_rows("planted_runs", rows), CONFIG)
    (row,) = [r for r in found if r["measure"] == "difference in differences, knock-out"]
    drops = np.array([-0.4, -0.5, -0.2])
    assert math.isclose(row["value"], drops.mean())
    assert math.isclose(row["high"] - row["value"], 4.302652729911275 * drops.std(ddof=1) / math.sqrt(3))
    assert row["n"] == 3
    panels = planted_panels(pa.Table.from_pylist(found))
    assert sum(len(panel.numbers.rows) for panel in panels) == len(found)


def test_suppression_takes_out_the_span_and_nothing_else():
    """A model whose answer is read off one direction: without it the answer's logit is that of a zero residual."""
    torch.manual_seed(0)
    tokenizer = word_tokenizer(["a", "b", "c", "d"])
    model = fresh_model("llama", tokenizer, 32, 2, 0).eval()
    lens = Lens.from_model(model)
    ids, starts = [[2, 3, 4, 5]] * 2, [3, 3]
    plain = target_logprobs(lens, ids, starts)
    none = target_logprobs(lens, ids, starts, [torch.zeros(32, 1)] * 2, [0, 1])
    np.testing.assert_allclose(plain, none, atol=1e-6)
    everything = target_logprobs(lens, ids, starts, [torch.eye(32)] * 2, [1])
    np.testing.assert_allclose(everything, -math.log(len(tokenizer)), atol=1e-5)
    basis = unembedding_basis(lens, [4, 5])
    np.testing.assert_allclose((basis.T @ basis).numpy(), np.eye(2), atol=1e-5)
    own = target_logprobs(lens, ids, starts, [unembedding_basis(lens, [5])] * 2, [1])
    hidden = lens.residuals(torch.tensor([[2, 3, 4]]), torch.tensor([2]))[1]
    direction = unembedding_basis(lens, [5])
    left = hidden - hidden @ direction @ direction.T
    expected = torch.log_softmax(lens.decode(left), -1)[0, 5].item()
    np.testing.assert_allclose(own, expected, atol=1e-5)
    with pytest.raises(ValueError, match="layers"):
        target_logprobs(lens, ids, starts, [direction] * 2, [2])


def test_dependent_directions_add_nothing():
    one = torch.randn(8, 1)
    assert orthonormal(torch.cat([one, 2 * one], 1)).shape == (8, 1)
    lens = Lens.from_model(fresh_model("gpt2", word_tokenizer(["a"]), 32, 2, 0).eval())
    assert random_basis(lens, 3, 1).shape == (32, 3)
    assert torch.equal(random_basis(lens, 3, 1), random_basis(lens, 3, 1))


def test_packing_covers_every_text_before_it_repeats():
    tokenizer = word_tokenizer(["a", "b", "c"])
    stream = packed(tokenizer, ["a a", "b b", "c c"], 27, 3, 0).ravel().tolist()
    for start in range(0, 27, 9):
        assert sorted(stream[start : start + 9]) == [0, 0, 0, 2, 2, 3, 3, 4, 4]
