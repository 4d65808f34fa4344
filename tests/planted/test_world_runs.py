"""Planted worlds small enough for a test: signs and orders, not values."""

import dataclasses
import math

import numpy as np
import pyarrow as pa
import pytest
import torch

from semantic_pivots.errors import InputError
from semantic_pivots.planted import (
    causal_measure,
    corpus_measures,
    readout_measures,
    suppression_measure,
    world_runs,
)
from semantic_pivots.planted.planted_stage import PlantedConfig
from semantic_pivots.planted.seed_summary import summary
from semantic_pivots.planted.world_model import WITH_PIVOTS, WITHOUT_PIVOTS, new_trial, rate_of, train
from semantic_pivots.planted.worlds import BRIDGED, DIRECT, UNRELATED
from semantic_pivots.report.figures_planted import planted_panels
from semantic_pivots.tables import from_rows
from semantic_pivots.training.small_models import ARCHITECTURES, pack_texts, word_tokenizer

CONFIG = PlantedConfig(seed=1, direct=200, bridged=40, unrelated=20, copied=6, tokens=650_000, architectures=("llama",))
QUICK = dataclasses.replace(CONFIG, tokens=4_096, null_direct=100)


@pytest.fixture(scope="module")
def it():
    world = world_runs.world_of(CONFIG, 1)
    return train(CONFIG, world, "llama", suppression_measure.without(world))


def test_bridged_pairs_are_learned_and_unrelated_ones_are_not(it):
    mean = {kind: float(it.logprobs(it.corpus.of(kind)).mean()) for kind in (DIRECT, BRIDGED, UNRELATED)}
    assert min(mean[DIRECT], mean[BRIDGED]) > mean[UNRELATED] + 2


def test_discovery_finds_planted_pivots(it):
    figures = {(f["measure"], f["group"]): f["value"] for f in corpus_measures.discovery(it)}
    for group in ("default, min", "default, npmi", "default, llr"):
        assert figures["discovery recall@10", group] > 0.9
        assert figures["discovery precision", group] > 0.9


def test_the_pivot_set_is_the_planted_one(it, tmp_path):
    concepts = [*it.corpus.of(DIRECT), *it.corpus.of(BRIDGED)]
    # in documents of both languages whatever stands there stands beside both words: bridges, though not planted ones
    documents = [d for d in it.corpus.documents if d["source"] == "context"]
    found = corpus_measures.Pipeline(tmp_path / "p", it, documents, concepts).pivot_set()
    truth = {word for concept in it.corpus.concepts for word in concept.pivots}
    asked = {word for concept in concepts for word in concept.pivots}
    assert len(found & truth) / len(found) > 0.95
    assert len(found & asked) / len(asked) > 0.8


def test_suppressing_pivots_hurts_bridged_pairs_more_than_random_directions(it):
    figures = {f["group"]: f["value"] for f in suppression_measure.suppression(it, CONFIG)}
    assert figures["bridged, planted pivots"] < figures["bridged, random directions"] - 0.1


def test_measures_of_a_trace_are_shares(it):
    figures = readout_measures.behaviours(it, CONFIG)
    assert {f["group"].split(", ")[-1] for f in figures if f["measure"].startswith("F1")} == {
        "logit",
        "tuned",
        "chance",
    }
    assert all(0 <= f["value"] <= 1 for f in figures)
    by = {(f["measure"], f["group"]): f["value"] for f in figures}
    # as many bridged pairs as direct ones without pivots: labelling every pair is right for the first and never misses
    n, negatives = 40, 50
    assert by["F1 of labelling every pair a pivot's", "chance"] == pytest.approx(2 * n / (2 * n + negatives))
    probe = "context words retrieved by a probe"
    assert by[probe, "chance"] == 1 / 240
    assert max(by[probe, group] for group in (BRIDGED, WITH_PIVOTS, WITHOUT_PIVOTS)) > 5 * by[probe, "chance"]


def test_harder_discovery_tells_the_measures_apart():
    hard = world_runs.world_of(CONFIG, 1, "hard")
    figures = {
        (f["measure"], f["group"]): f["value"] for f in corpus_measures.discovery(new_trial(CONFIG, hard, "llama"))
    }
    recall = {group: value for (measure, group), value in figures.items() if measure == "discovery recall@2"}
    assert recall["default, pmi"] > recall["default, llr"] + 0.1 > recall["default, min"] + 0.1


def test_base_and_knock_out_start_from_equal_weights():
    world = world_runs.world_of(CONFIG, 1)
    other = suppression_measure.without(world)
    one, two = new_trial(CONFIG, world, "llama", other), new_trial(CONFIG, other, "llama", world)
    assert one.tokenizer.get_vocab() == two.tokenizer.get_vocab()
    for a, b in zip(one.model.parameters(), two.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_pool_of_a_selection_holds_the_tested_words_with_and_without_pivots():
    world = world_runs.world_of(CONFIG, 1, "selection")
    found = corpus_measures.offer(new_trial(CONFIG, world, "llama"), CONFIG)
    by = {(f["measure"], f["group"]): f["value"] for f in found.figures}
    assert by["share of documents with pivots", "pivot-rich"] > 0.9
    assert 0.1 < by["share of documents with pivots", "random"] < 0.5
    for arm in corpus_measures.ARMS:
        assert 0.3 < by["share of documents with a tested word", arm] < 0.7
    words = {word for concept in found.held_out for word in concept.words.values()}
    assert not any(words & set(text.split()) for text in found.core)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_trains_and_reads(architecture):
    table = world_runs.run_table("base", architecture, 1, dataclasses.replace(QUICK, architectures=("none",)))
    assert set(table["group"].to_pylist()) == {"direct", "bridged", "unrelated", "copied", WITH_PIVOTS, WITHOUT_PIVOTS}
    assert all(0 <= value <= 1 for value in table["value"].to_pylist())


def test_shapes_have_their_own_rates_and_position_embeddings_begin_as_sinusoids():
    config = dataclasses.replace(CONFIG, learning_rates=("mamba=0.01",), sinusoids=True)
    assert (rate_of(config, "mamba"), rate_of(config, "gpt2")) == (0.01, CONFIG.learning_rate)
    positions = new_trial(config, world_runs.world_of(config, 1), "gpt2").model.transformer.wpe.weight.detach()
    # place 0 has sines of 0 and cosines of one size; a step turns the fastest pair by one radian
    assert positions[0, :48].abs().max() == 0
    assert positions[0, 48:].std() < 1e-6
    turned = math.atan2(float(positions[1, 0]), float(positions[1, 48]))
    assert turned == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("entry", ["mamba", "mamba=fast", "mambo=0.01", "mamba=-1"])
def test_a_wrong_rate_of_a_shape_is_told(entry):
    with pytest.raises(InputError, match="learning_rates"):
        rate_of(dataclasses.replace(CONFIG, learning_rates=(entry,)), "mamba")


def test_link_is_there_where_pivots_are(it):
    """Signs on one world; the bars over five seeds where frequency says nothing stand in benchmarks.planted."""
    config = dataclasses.replace(CONFIG, probed=20)
    figures = {(f["measure"], f["group"]): f["value"] for f in causal_measure.link_and_need(it, config)}
    clean = "bridged against direct without pivots"
    # most direct pairs are answered; pivots lead to the answers of those that have some
    with_pivots, without = (figures["link in nats", f"{kind}, answered"] for kind in (WITH_PIVOTS, WITHOUT_PIVOTS))
    assert with_pivots > without + 1
    assert figures["AUC of counts alone", clean] > 0.7  # in this world frequency tells pivots from other contexts
    assert figures["forward passes an item", "link and need"] <= 60


@pytest.mark.parametrize("world", ["knock-out", "null", "matched-null", "hub-third", "hub-fourth", "selection"])
def test_every_world_gives_its_figures(world):
    table = world_runs.run_table(world, "llama", 1, QUICK)
    assert table.num_rows > 3
    assert all(
        note
        for value, note in zip(*table.select(["value", "note"]).to_pydict().values(), strict=True)
        if value != value
    )
    if world == "selection":  # it has all that a run has: documents, training, selections, continued training
        again = world_runs.run_table(world, "llama", 1, QUICK)
        np.testing.assert_array_equal(table["value"].to_numpy(), again["value"].to_numpy())  # NaN equals NaN here


def test_a_summary_pairs_runs_by_seed():
    rows = []
    for seed, (base, without) in enumerate([(0.5, 0.1), (0.6, 0.1), (0.4, 0.2)]):
        keys = {"architecture": "llama", "seed": seed, "measure": "P(target)", "note": ""}
        for world, bridged in (("long", base), ("knock-out", without)):
            rows += [{**keys, "world": world, "group": BRIDGED, "value": bridged}]
            rows += [{**keys, "world": world, "group": WITH_PIVOTS, "value": 0.9}]
    found = summary(from_rows("planted_runs", rows), CONFIG)
    (row,) = [r for r in found if r["measure"] == "difference in differences, knock-out"]
    drops = np.array([-0.4, -0.5, -0.2])
    assert math.isclose(row["value"], drops.mean())
    assert math.isclose(row["high"] - row["value"], 4.302652729911275 * drops.std(ddof=1) / math.sqrt(3))
    assert row["n"] == 3
    panels = planted_panels(pa.Table.from_pylist(found))
    assert sum(len(panel.numbers.rows) for panel in panels) == len(found)


def test_a_seed_without_a_figure_is_counted_and_not_dropped_silently():
    keys = {"world": "null", "architecture": "llama", "measure": "AUC without pivots", "group": "raw"}
    rows = [{**keys, "seed": 1, "value": 0.8, "note": ""}, {**keys, "seed": 2, "value": 0.6, "note": ""}]
    rows.append({**keys, "seed": 3, "value": math.nan, "note": "all 880 labels are alike"})
    (row,) = summary(from_rows("planted_runs", rows), CONFIG)
    assert (row["n"], row["value"]) == (2, 0.7)
    assert row["note"] == "1 of 3 seeds have no figure: all 880 labels are alike (1)"


def test_intervals_of_shares_stay_between_0_and_1_and_those_of_their_differences_do_not():
    keys = {"world": "base", "architecture": "llama", "measure": "AUC without pivots", "note": ""}
    groups = {"raw": (1.0, 0.98, 0.9), "raw less conditioned": (-0.9, -0.1, -1.0)}
    rows = [
        {**keys, "seed": seed, "group": group, "value": value}
        for group, values in groups.items()
        for seed, value in enumerate(values)
    ]
    raw, less = summary(from_rows("planted_runs", rows), CONFIG)
    assert (raw["high"], 0 < raw["low"] < raw["value"]) == (1.0, True)
    assert less["low"] < -1


def test_the_truth_names_every_concept_of_every_world():
    config = dataclasses.replace(QUICK, seeds=2)
    table = world_runs.truth_table(config)
    assert set(table["world"].to_pylist()) == set(config.worlds)
    kinds = table["class"].to_pylist()
    base = [
        k
        for k, w, s in zip(kinds, table["world"].to_pylist(), table["seed"].to_pylist(), strict=True)
        if (w, s) == ("base", 2)
    ]
    assert base.count(BRIDGED) == config.bridged


def test_packing_covers_every_text_before_it_repeats():
    tokenizer = word_tokenizer(["a", "b", "c"])
    stream = pack_texts(tokenizer, ["a a", "b b", "c c"], 27, 3, 0).ravel().tolist()
    for start in range(0, 27, 9):
        assert sorted(stream[start : start + 9]) == [0, 0, 0, 2, 2, 3, 3, 4, 4]


SMALL = dataclasses.replace(
    CONFIG, direct=12, bridged=8, unrelated=4, copied=2, documents=6, null_direct=20, tokens=2_048, width=16, layers=2
)


def test_a_world_of_few_documents_has_all_its_figures():
    rows = world_runs.run_table("null", "llama", 1, SMALL).to_pylist()
    figures = {(row["measure"], row["group"]): row for row in rows}
    assert {group for measure, group in figures if measure == "AUC without pivots"} > {"raw", "given final confidence"}
    assert all(row["note"] or row["value"] == row["value"] for row in rows)


@pytest.mark.parametrize(
    ("world", "sizes", "says"),
    [
        ("base", {"direct": 5}, r"world 'base': direct = 5, pivots = 2: .*has entries \(5\)"),
        ("matched", {"pivots": 0}, "pivots = 0: .*a pivot for each concept"),
        ("hard", {"bridged": 1}, "bridged = 1: world 'hard' measures bridged concepts; expected two or more"),
        ("hub-third", {"documents": 1}, "documents of running text give no control .*raise documents or lower probed"),
    ],
)
def test_sizes_of_which_no_world_can_be_made_are_told(world, sizes, says):
    with pytest.raises(InputError, match=says):
        world_runs.run_table(world, "llama", 1, dataclasses.replace(SMALL, **sizes))
