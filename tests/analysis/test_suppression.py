"""The intervene stage on a random model: which items it asks, what a summary sums, what it refuses."""

import numpy as np
import pytest

from semantic_pivots.analysis import suppression
from semantic_pivots.analysis.intervene_stage import InterveneConfig
from semantic_pivots.errors import InputError
from semantic_pivots.files import write_table
from semantic_pivots.run import Inputs, Work
from semantic_pivots.tables import from_rows
from semantic_pivots.tasks.benchmark_stage import BenchmarkConfig
from semantic_pivots.tasks.translation import items_of
from semantic_pivots.tasks.word_items import benchmark_stage
from tests import miniature

CONFIG = InterveneConfig(shots=2, items_per_direction=4, pivots=3, seed=1)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Tables of a study in three languages: half of its items have pivots, every item a label."""
    folder = tmp_path_factory.mktemp("causes")
    miniature.write(folder)
    rows = [line.split("\t") for line in miniature.WORDS.splitlines()[1:]]
    words = [
        {"concept_id": concept, "pos": pos, "language": code, "word": word, "source": "", "licence": ""}
        for concept, pos, english, french in rows
        for code, word in (("en", english), ("fr", french), ("de", french[::-1]))
    ]
    words = [{k: v for k, v in row.items() if k != "pos"} for row in words]
    concepts = from_rows("concepts", [{"concept_id": row[0], "pos": row[1], "strata": []} for row in rows])
    for name in ("lexicon", "benchmark", "discover", "behaviour"):
        (folder / name / "work").mkdir(parents=True)
    write_table(folder / "lexicon" / "words.parquet", from_rows("words", words))
    write_table(folder / "lexicon" / "concepts.parquet", concepts)
    inputs = Inputs({name: folder / name for name in ("lexicon", "benchmark", "discover", "behaviour")})
    config = BenchmarkConfig(languages=("en", "fr", "de"), distractors=3, items_per_direction=8)
    items = benchmark_stage(config, inputs, Work(folder / "benchmark" / "work", folder / "benchmark"))["items"]
    write_table(folder / "benchmark" / "items.parquet", items)
    with_pivots = [i for n, i in enumerate(items["item_id"].to_pylist()) if n % 2]
    pivots = [
        {"item_id": i, "token": 300 + 7 * n + k, "text": "", "rank": k, "surplus_source": 0, "surplus_target": 0,
         "measure": "min", "value": 0}
        for n, i in enumerate(with_pivots)
        for k in range(5)
    ]  # fmt: skip
    write_table(folder / "discover" / "pivots.parquet", from_rows("pivots", pivots))
    evidence = [{"item_id": i, "rule": "f-1 a + f-1 b" if n else "f-1 b"} for n, i in enumerate(with_pivots)]
    write_table(folder / "discover" / "pivot_evidence.parquet", from_rows("pivot_evidence", evidence))
    behaviour = [
        {"item_id": i, "rule": "paper", "lens": "logit", "label": ("co-occurrence", "semantic-pivot")[n % 3 == 0],
         "peak_layer": 0, "peak_token": 0, "peak_text": "", "final_prob": 0.5}
        for n, i in enumerate(items["item_id"].to_pylist())
    ]  # fmt: skip
    write_table(folder / "behaviour" / "behaviour.parquet", from_rows("behaviour", behaviour))
    return folder, inputs


def run(study, name, **changes):
    import dataclasses

    folder, inputs = study
    config = dataclasses.replace(CONFIG, model=str(folder / "model"), **changes)
    (folder / name).mkdir()
    return suppression.intervene_stage(config, inputs, Work(folder / name, folder / name))


def test_effects_and_their_summary(study):
    found = run(study, "whole")
    effects, summary = found["effects"].to_pylist(), found["effect_summary"].to_pylist()
    asked = {row["intervention"] for row in effects}
    assert asked == {i for pair in suppression.CONTRASTS for i in pair if i}
    items = {item.item_id: item for item in items_of(study[1].table("items"))}
    # six directions, all of whose concepts have a word in the third language
    count = {name: sum(row["intervention"] == name for row in effects) for name in asked}
    assert count[suppression.CONCEPT] == 6 * 4
    assert count[suppression.PIVOTS] == count[suppression.OTHERS] == count[suppression.RANDOM] > 6
    assert all(np.isfinite(row["change"]) and row["before"] < 0 for row in effects)
    # with two languages in the prompt and one elsewhere the mean over languages is that one language
    changes = {(row["intervention"], row["item_id"]): row["change"] for row in effects}
    for item_id in items:
        if (suppression.CONCEPT, item_id) in changes:
            assert changes[suppression.CONCEPT, item_id] == pytest.approx(changes[suppression.ONE, item_id], abs=1e-6)
    by = {(r["source_language"], r["group"], r["intervention"], r["control"]): r for r in summary}
    own = [
        changes[suppression.PIVOTS, i] - changes[suppression.RANDOM, i]
        for i in items
        if (suppression.PIVOTS, i) in changes
    ]
    row = by["all", "all", suppression.PIVOTS, suppression.RANDOM]
    assert row["value"] == pytest.approx(np.mean(own))
    assert row["n"] == len({items[i].concept_id for i in items if (suppression.PIVOTS, i) in changes}) < 10
    assert row["low"] is row["high"] is None
    assert "layers=1-1 of 3" in row["signature"]
    assert row["signature"].endswith("|words=f-1 a + f-1 b|no interval: 4 units, 10 needed")
    assert {r["group"] for r in summary} == {"all", "paper: co-occurrence", "paper: semantic-pivot"}


def test_batches_do_not_matter_and_a_second_run_is_the_same(study):
    first, second = (run(study, f"batch{batch}", batch=batch)["effects"] for batch in (2, 16))
    assert first.select(["item_id", "intervention"]) == second.select(["item_id", "intervention"])
    np.testing.assert_allclose(first["change"].to_numpy(), second["change"].to_numpy(), atol=1e-5)
    assert run(study, "again", batch=16)["effects"] == second


@pytest.mark.parametrize("band", [{"first": 0.0, "last": 1.0}, {"first": 0.6, "last": 0.7}])
def test_a_band_of_no_layers_or_of_all_is_refused(study, band):
    with pytest.raises(InputError, match="of 3 layers"):
        run(study, f"band{band['last']}", **band)
