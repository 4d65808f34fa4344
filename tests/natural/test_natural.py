"""Natural worlds: no held-out pair meets, conditions differ only where they should, decisions follow their rules."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from semantic_pivots import grammar
from semantic_pivots.errors import InputError
from semantic_pivots.natural import effects, masking, models, part_arms, texts
from semantic_pivots.natural.world_vocabulary import forms
from semantic_pivots.run import Inputs
from semantic_pivots.study import load_study, run_study
from tests.natural.miniature import write

MORE = 'parts = ["masking", "selection"]\n'


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("natural")
    return load_study(write(folder, 4_000, MORE)), folder / "runs"


@pytest.fixture(scope="module")
def inputs(study):
    it, runs = study
    for stage in ("lexicon", "corpus"):
        folder = run_study(it, runs, stage, say=lambda line: None)
    return Inputs({stage: folder / stage for stage in ("lexicon", "corpus")})


@pytest.fixture(scope="module")
def masked(study, inputs):
    config = dataclasses.replace(study[0].config.natural, tokens=40_000)
    return config, list(part_arms.arms("masking", config, inputs, 11))


def test_no_held_out_pair_meets_in_a_sequence(masked):
    _, made = masked
    world = made[0].world
    assert 0 < world.split_share < 0.5  # mixed documents of the corpus hold some pair
    assert world.dropped_share < 0.05
    assert min(len(world.held_out), len(world.trained_concepts)) >= 10
    for arm in made:
        for concept in world.held_out:
            holds = [(arm.sequences == i).any(axis=1) for i in concept.ids.values()]
            assert all(side.sum() >= 5 for side in holds)
            assert not (holds[0] & holds[1]).any()


def test_documents_that_were_split_stand_where_they_stood(masked):
    """A part of the pieces, as a base or other text takes it, is a sample of split and whole documents alike."""
    _, made = masked
    numbers = made[0].world.pieces.document
    assert (np.diff(numbers) >= 0).all()


def test_pivots_of_other_text_are_masked_in_the_packed_one(masked, inputs):
    config, made = masked
    other = next(part_arms.arms("masking", dataclasses.replace(config, pivot_text="other"), inputs, 11))
    assert np.array_equal(other.sequences.shape, made[0].sequences.shape)
    assert not np.array_equal(other.sequences, made[0].sequences)
    assert [arm["windows_source"] for arm in other.labels.values()] == [
        arm["windows_source"] for arm in made[0].labels.values()
    ]


def test_forms_of_a_word_meet_like_the_word():
    pieces = [" dog", " dogs", " dogma", " chien", " chiens", "s", " do", "\ufffd"]
    assert forms(pieces, ["dog", "chien"]) == {"dog": [0, 1, 2], "chien": [3, 4]}
    meetings = texts.Meetings([(1, 0, 0), (2, 0, 0), (3, 0, 1), (4, 1, 0), (5, 1, 1)], 8)
    spans = np.array([[1, 7, 3], [1, 2, 4], [3, 5, 1], [4, 5, 5], [1, 7, 5]])
    assert meetings.places_of(spans, np.repeat(np.arange(5), 3)).tolist() == [0, 2, 3]


def test_every_concept_has_every_condition_once_and_models_differ_in_windows_only(masked):
    _, made = masked
    labels = [arm.labels for arm in made]
    for name in labels[0]:
        assert sorted(label[name]["condition"] for label in labels) == sorted(masking.CONDITIONS)
        assert len({label[name]["cluster"] for label in labels}) == 1
    sizes = np.unique([label["condition"] for label in labels[0].values()], return_counts=True)[1]
    assert sizes.max() - sizes.min() <= masking_slack(labels[0])
    held = [i for c in made[0].world.held_out for i in c.ids.values()]
    changed = made[0].sequences != made[1].sequences
    assert 0 < changed.mean() < 0.7
    assert not np.isin(made[0].sequences[changed], held).any()
    assert not np.isin(made[1].sequences[changed], held).any()


def masking_slack(labels) -> int:
    """Groups differ by no more than their clusters are large."""
    return int(np.unique([label["cluster"] for label in labels.values()], return_counts=True)[1].max())


def test_the_placebo_masks_as_many_tokens_of_the_same_frequency(masked):
    config, _ = masked
    packed, world = packed_of(masked)
    plan = masking.design(packed, world, config, 11)
    count = np.log(np.bincount(packed.sequences.ravel(), minlength=world.vocabulary.size) + 1)
    tokens = packed.sequences.ravel()
    pivots, placebos = [], []
    for own, edits in zip(plan.pivots, plan.edits, strict=True):
        one, other = edits["masked"][0], edits["placebo"][0]
        assert len(other) == len(one) > 0
        assert np.isin(tokens[one], own).all()
        assert not np.isin(tokens[other], own).any()
        pivots.append(count[tokens[one]].mean())
        placebos.append(count[tokens[other]].mean())
    assert abs(np.mean(pivots) - np.mean(placebos)) < 0.35


def packed_of(masked):
    config, made = masked
    world = made[0].world
    return part_arms._pack(world, world.pieces, config, 11), world


def test_a_spiked_pair_keeps_company_that_a_placebo_pair_does_not(masked):
    """Shared neighbours by counts: what any model that learns from windows can see; the sign of the control."""
    _, made = masked
    shared: dict[str, list[float]] = {}
    for arm in made:
        spikes = arm.world.vocabulary.spikes
        for concept in arm.world.held_out:
            near = [arm.sequences[(arm.sequences == i).any(axis=1)] for i in concept.ids.values()]
            rates = [np.array([(rows == i).any(axis=1).mean() for i in spikes]) for rows in near]
            shared.setdefault(arm.labels[concept.concept_id]["condition"], []).append(
                float((rates[0] * rates[1]).max())
            )
    assert np.mean(shared["spiked"]) > 0.25  # 0.6 twice, less what the masks of other concepts overwrite
    assert np.mean(shared["spiked"]) > 5 * np.mean(shared["placebo"])


def test_the_study_runs_whole_and_continues(study, inputs):
    it, runs = study
    folder = run_study(it, runs, say=lambda line: None)
    rows = pq.read_table(folder / "natural" / "natural_concepts.parquet").to_pylist()
    assert {row["part"] for row in rows} == {"masking", "selection"}
    starts = [name + suffix for name in part_arms.SELECTIONS for suffix in part_arms.STARTS.values()]
    assert {row["arm"] for row in rows if row["part"] == "selection"} == {"base", *starts}
    assert all(np.isfinite(row["specificity"]) and 0 <= row["chosen"] <= 1 for row in rows)
    summary = pq.read_table(folder / "natural" / "natural_summary.parquet").to_pylist()
    assert [row["part"] for row in summary if row["conclusion"]] == ["masking"] * 2 + ["selection"] * 4
    page = (folder / "report" / "report.html").read_text("utf-8")
    assert "Do pivots carry words across languages" in page
    assert "cannot be told" in page
    figures = pq.read_table(folder / "natural" / "natural_models.parquet").to_pylist()
    assert {row["figure"] for row in figures} >= {"tokens", "loss in nats a token", "largest cluster"}


def test_counts_read_alone(study, inputs):
    """No model is trained: no losses, ranks by counts alone, and the selections from one start."""
    it, _ = study
    config = dataclasses.replace(it.config.natural, readers=("counts",))
    (arm,) = [one for one in part_arms.arms("masking", config, inputs, 11) if one.name == "0"]
    table = models.job(dataclasses.replace(arm, pivots={}), Path(), config)
    rows = table.to_pylist()
    assert rows.pop()["logprob"] is None
    assert all(row["specificity"] is None and 0 <= row["rank_by_counts"] <= 1 for row in rows)
    names = [one.name for one in part_arms.arms("selection", config, inputs, 11)]
    assert names == ["base", *part_arms.SELECTIONS]
    made = [{**row, "arm": name, "part": "selection"} for name in names for row in rows]
    found = effects.summary(made, dataclasses.replace(config, parts=("selection",)))
    assert [row["conclusion"][:20] for row in found if row["conclusion"]] == ["counts: from scratch"]


def test_selections_take_as_many_pieces_of_each_stratum(study, inputs):
    config = study[0].config.natural
    made = {
        arm.name: arm for arm in part_arms.arms("selection", config, inputs, 11) if arm.name in part_arms.SELECTIONS
    }
    shares = {name: arm.figures["share of tokens in the pivot set"] for name, arm in made.items()}
    assert shares["pivot-rich"] > 1.5 * shares["random"]
    pieces = {name: arm.figures["pieces"] for name, arm in made.items()}
    assert max(pieces.values()) - min(pieces.values()) <= 0.02 * pieces["random"]
    passes = {name: arm.figures["passes"] for name, arm in made.items()}  # fewer where pieces are longer
    assert abs(passes["length-matched"] - passes["pivot-rich"]) < 0.5 * abs(passes["random"] - passes["pivot-rich"])
    mixed = {name: arm.figures["share of pieces in both languages"] for name, arm in made.items()}
    assert mixed["parallel"] >= max(mixed.values())
    own = made["length-matched"].figures["share of pieces that pivot-rich has, too"]
    assert own < made["pivot-rich"].figures["share of pieces that pivot-rich has, too"] == 1


def test_the_decision_on_selection_asks_for_every_control():
    over = {"random": row(0.9, 0.2, 0.001), "language-matched": row(0.8, 0.2, 0.001)}
    assert "documents help: 0.900 [0.700, 1.100] over random, 0.800" in effects.selection_decision(over, 3.0)
    one = {"random": row(-0.9, 0.2, 0.001)}
    assert effects.selection_decision(one, 3.0) == "cannot be told without language-matched documents"
    over["length-matched"] = row(0.1, 0.2, 0.3)
    assert effects.selection_decision(over, 3.0).startswith("cannot be told whether pivot-rich documents help")
    over |= {"random": row(0.2, 0.2, 0.1), "language-matched": row(0.2, 0.2, 0.1)}
    assert "do not help by a quarter of 3.000" in effects.selection_decision(over, 3.0)


def test_groups_are_of_equal_size_and_keep_clusters_together():
    clusters = np.repeat(np.arange(40), [5] * 4 + [2] * 8 + [1] * 28)
    groups = masking.groups_of(clusters, np.arange(len(clusters)) + 10, 3)
    assert all(len(set(groups[clusters == name])) == 1 for name in range(40))
    assert np.ptp(np.bincount(groups, minlength=4)) <= 1
    assert not np.array_equal(groups, masking.groups_of(clusters, np.arange(len(clusters)) + 10, 4))


def row(value: float, half: float, p: float) -> dict:
    return {"value": value, "low": value - half, "high": value + half, "p_value": p, "detectable": half * 1.43}


@pytest.mark.parametrize(
    ("masked", "spike", "placebo", "said"),
    [
        (row(0.2, 0.05, 0.001), row(0.3, 0.1, 0.001), row(0.8, 0.1, 0.001), "pivots matter"),
        (row(0.0, 0.05, 0.9), row(0.3, 0.1, 0.001), row(0.8, 0.1, 0.001), "pivots carry less than a quarter"),
        (row(0.0, 0.05, 0.9), row(0.3, 0.4, 0.2), row(0.8, 0.1, 0.001), "the spike is not found"),
        (row(0.0, 0.3, 0.9), row(0.3, 0.1, 0.001), row(0.8, 0.1, 0.001), "a quarter is 0.200"),
        (row(0.0, 0.05, 0.9), row(0.3, 0.1, 0.001), row(0.01, 0.1, 0.8), "held-out pairs are not translated at all"),
        (row(-0.2, 0.05, 0.001), row(0.3, 0.1, 0.001), row(0.8, 0.1, 0.001), "pivots carry less than a quarter"),
    ],
)
def test_the_decision_on_masking(masked, spike, placebo, said):
    found = {"specificity, placebo less masked": masked, "specificity, spiked less placebo": spike}
    assert said in effects.masking_decision(found, placebo)


def test_effects_are_paired_within_concepts_and_less_the_models_mean(study):
    """By hand: concepts differ by tens of nats and models by fives; masking costs one nat, the spike gives two."""
    config = dataclasses.replace(study[0].config.natural, parts=("masking",))
    cost = {"masked": -1.0, "placebo": 0.0, "bridges": 0.0, "spiked": 2.0}
    rows = []
    for concept in range(48):
        for model in range(4):
            condition = masking.CONDITIONS[(concept + model) % 4]
            rows.append(
                {"part": "masking", "seed": 1, "arm": str(model), "concept_id": f"c{concept}", "half": "words:held-out",
                 "condition": condition, "cluster": concept, "pivots": 3, "windows_source": 9, "windows_target": 9,
                 "specificity": 40.0 + concept * 10 + 5.0 * model + cost[condition], "chosen": 0.5}
            )  # fmt: skip
    found = {r["group"]: r for r in effects.summary(rows, config) if r["measure"] == "effect on specificity"}
    assert found["placebo less masked"]["value"] == pytest.approx(1.0)
    assert found["spiked less placebo"]["value"] == pytest.approx(2.0)
    assert found["placebo less bridges"]["value"] == pytest.approx(0.0)
    assert found["placebo less masked"]["p_value"] < 0.001
    without = [r | {"pivots": 0} if r["concept_id"] == "c0" else r for r in rows]
    left = {r["group"]: r for r in effects.summary(without, config) if r["measure"] == "effect on specificity"}
    assert (found["placebo less masked"]["n"], left["placebo less masked"]["n"]) == (48, 47)
    again = [row | {"seed": 2, "specificity": row["specificity"] + (row["condition"] == "placebo")} for row in rows]
    both = {r["group"]: r for r in effects.summary(rows + again, config) if r["measure"] == "effect on specificity"}
    assert (both["placebo less masked"]["n"], both["placebo less masked, seed 2"]["n"]) == (48, 48)
    values = [both[f"placebo less masked{seed}"]["value"] for seed in ("", ", seed 1", ", seed 2")]
    assert values == pytest.approx([1.5, 1.0, 2.0])
    sure = [row | {"chosen": 1.0 - (row["concept_id"] == "c0")} for row in rows]
    levels = [r for r in effects.summary(sure, config) if r["measure"] == "chosen"]
    assert all(0 <= r["low"] <= r["value"] <= r["high"] <= 1 for r in levels)


def test_bad_keys_are_named(study):
    config = study[0].config.natural
    with pytest.raises(InputError, match="'maskin' is not known"):
        grammar.check(dataclasses.replace(config, parts=("maskin",)))
    with pytest.raises(InputError, match="spiked_share"):
        grammar.check(dataclasses.replace(config, spiked_share=1.5))
    for share in (0.0, 1.0):
        with pytest.raises(InputError, match="dictionary_share"):
            grammar.check(dataclasses.replace(config, dictionary_share=share))


def test_too_few_concepts_say_what_to_do(study, inputs):
    config = dataclasses.replace(study[0].config.natural, fewest_documents=10_000)
    with pytest.raises(InputError, match="lower \\[natural\\] fewest_documents"):
        next(iter(part_arms.arms("masking", config, inputs, 11)))


def test_the_right_source_is_chosen_by_itself_and_ties_share(monkeypatch: pytest.MonkeyPatch, masked):
    _, made = masked
    world = made[0].world
    n = len(world.held_out)
    monkeypatch.setattr(models, "logprobs", lambda *_: np.zeros((n if _[2][0].held_out else len(_[2]),) * 2))
    rows = models.answers(None, world.vocabulary, world.concepts, np.ones(world.vocabulary.size, np.int64))
    assert {row["chosen"] for row in rows} == {1 / models.CHOICES}
    assert {row["specificity"] for row in rows} == {0.0}


def test_arrangements_hold_the_same_sentences(tmp_path: Path):
    """Three languages: rows join English with one other, joined documents all three; the held-out pair never meets."""
    from tests.natural.miniature import write_rows

    it = load_study(write_rows(tmp_path))
    for stage in ("lexicon", "corpus"):
        folder = run_study(it, tmp_path / "runs", stage, say=lambda line: None)
    inputs = Inputs({stage: folder / stage for stage in ("lexicon", "corpus")})
    made = {arm.name: arm for arm in part_arms.arms("arrangement", it.config.natural, inputs, 11)}
    assert list(made) == list(part_arms.ARRANGEMENTS)
    pieces = {name: arm.figures["pieces"] for name, arm in made.items()}
    assert pieces["split"] > 1.3 * pieces["rows"] > 1.5 * pieces["joined"]
    for arm in made.values():
        assert 0 < arm.world.dropped_share < 0.9
        for concept in arm.world.held_out:
            holds = [(arm.sequences == concept.ids[code]).any(axis=1) for code in ("fr", "de")]
            assert not (holds[0] & holds[1]).any()
