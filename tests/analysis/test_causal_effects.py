"""The causal stage on a random model: which words are pivots and controls, which items are asked, what a row holds."""

import dataclasses

import numpy as np
import pytest

from semantic_pivots.analysis import causal_effects
from semantic_pivots.analysis.causal_stage import CausalConfig
from semantic_pivots.analysis.rules import causal as rule
from semantic_pivots.corpus.corpus_stage import CorpusConfig
from semantic_pivots.corpus.shards import corpus_stage
from semantic_pivots.files import write_table
from semantic_pivots.models.lens import load_lens
from semantic_pivots.models.link_and_need import Asker, Effects, Question
from semantic_pivots.run import Inputs, Work
from semantic_pivots.tables import SCHEMAS, from_rows
from semantic_pivots.tasks.benchmark_stage import BenchmarkConfig
from semantic_pivots.tasks.translation import items_of
from semantic_pivots.tasks.word_items import benchmark_stage
from tests import miniature

CONFIG = CausalConfig(shots=2, items_per_direction=4, pivots=2, control_sets=5, seed=1, workers=1)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Tables of a study: a corpus, items, and as pivots of each item the topic words beside it."""
    folder = tmp_path_factory.mktemp("causal")
    miniature.write(folder)
    rows = [line.split("\t") for line in miniature.WORDS.splitlines()[1:]]
    words = [
        {"concept_id": concept, "language": code, "word": word, "source": "", "licence": ""}
        for concept, _, english, french in rows
        for code, word in (("en", english), ("fr", french))
    ]
    concepts = [{"concept_id": row[0], "pos": row[1], "strata": []} for row in rows]
    for name in ("lexicon", "benchmark", "discover", "corpus"):
        (folder / name / "work").mkdir(parents=True)
    write_table(folder / "lexicon" / "words.parquet", from_rows("words", words))
    write_table(folder / "lexicon" / "concepts.parquet", from_rows("concepts", concepts))
    inputs = Inputs({name: folder / name for name in ("lexicon", "benchmark", "discover", "corpus")})
    corpus = CorpusConfig(languages=("en", "fr"), path=str(folder / "documents.jsonl"), workers=1)
    made = corpus_stage(corpus, inputs, Work(folder / "corpus" / "work", folder / "corpus"))
    write_table(folder / "corpus" / "shards.parquet", made["shards"])
    config = BenchmarkConfig(languages=("en", "fr"), distractors=3)
    items = benchmark_stage(config, inputs, Work(folder / "benchmark" / "work", folder / "benchmark"))["items"]
    write_table(folder / "benchmark" / "items.parquet", items)
    blank = {field.name: None for field in SCHEMAS["pivots"]}
    pivots = [
        {**blank, "item_id": item_id, "text": text, "rank": rank}
        for number, item_id in enumerate(items["item_id"].to_pylist())
        if not item_id.endswith(":dog")
        for rank, text in enumerate(
            [" !", f" {miniature.TOPICS[number % 14 + 1]}", miniature.TOPICS[number % 14], "x1"]
        )
    ]
    write_table(folder / "discover" / "pivots.parquet", from_rows("pivots", pivots))
    return folder, inputs


def run(study, name, **changes):
    folder, inputs = study
    config = dataclasses.replace(CONFIG, model=str(folder / "model"), **changes)
    (folder / name).mkdir()
    return causal_effects.causal_stage(config, inputs, Work(folder / name, folder / name))["causal_effects"]


def test_items_with_pivots_are_asked_the_same_concepts_in_every_direction(study):
    table = run(study, "whole")
    items = {item.item_id: item for item in items_of(study[1].table("items"))}
    rows = table.to_pylist()
    by_direction = {}
    for row in rows:
        by_direction.setdefault(items[row["item_id"]].direction, []).append(items[row["item_id"]].concept_id)
    assert {len(concepts) for concepts in by_direction.values()} == {4}
    assert len({tuple(sorted(concepts)) for concepts in by_direction.values()}) == 1
    # concept by concept, so that a run that is cut short has all directions
    concepts = [items[row["item_id"]].concept_id for row in rows]
    assert len(set(concepts[: len(by_direction)])) == 1
    for row in rows:
        assert len(row["pivots"]) == 2
        assert not {"!", "x1"} & set(row["pivots"])  # no letter; and the third word, where two were asked for
        assert row["control_sets"] in (0, 5)
        assert row["answered"] is (False if row["control_sets"] else None)  # a random model says no answer
        assert rule(causal_effects.evidence_of(row)) == "undecided"
    assert any(row["control_sets"] for row in rows)
    assert run(study, "again") == table
    assert run(study, "narrow", batch=3)["item_id"] == table["item_id"]


def test_control_sets_hold_no_word_of_the_concept(study):
    folder, inputs = study
    items = items_of(inputs.table("items"))
    loaded, lens = load_lens(str(folder / "model"))
    (folder / "sets").mkdir()
    work = Work(folder / "sets", folder / "sets")
    pivots = causal_effects.Pivots(inputs, items, loaded.tokenizer, CONFIG, work)
    asker = Asker(lens, loaded.tokenizer)
    assert "en-fr:dog" not in pivots.of_item
    for item in (item for item in items if item.item_id in pivots.of_item):
        sets = pivots.controls(item)
        own = {word.text for word in pivots.of_item[item.item_id]}
        assert all(len(set(each)) == 2 and not set(each) & own for each in sets)
    documents = {word.text: word.documents for word in pivots.pool.values()}
    texts = (folder / "documents.jsonl").read_text("utf-8").splitlines()
    for word, count in documents.items():
        assert count == sum(f" {word} " in line.replace('"', " ") for line in texts)
    item = next(i for i in items if i.item_id in pivots.of_item and pivots.controls(i))
    prompt = f"French: {item.source}\nEnglish:"
    question = Question(prompt, 8, item.source, " dog", ("balta",), (("gimsu",), ("fenni",)))
    row = causal_effects.question_row({"item_id": "x", "pivots": [], "control_sets": 2}, question, asker, always=True)
    assert set(row) == set(SCHEMAS["causal_effects"].names)
    assert all(np.isfinite(row[name]) for name in ("link", "need", "screen", "told"))


def test_kana_are_one_script_and_han_another():
    scripts = {
        word: causal_effects.script_of(word) for word in ("dog", "Hund", "\u732b", "\u306d\u3053", "\u30cd\u30b3", "3d")
    }
    assert scripts["dog"] == scripts["Hund"] == scripts["3d"]
    assert scripts["\u306d\u3053"] == scripts["\u30cd\u30b3"] != scripts["\u732b"]


def test_an_effect_is_counted_from_its_controls():
    effects = Effects(
        -1.0, True, -2.0, np.array([-6.0, -4.0, -2.0]), 3.0, np.array([0.0, 1.0, 2.0]), 1.0, np.array([0.0, 1.0, 5.0])
    )
    row = causal_effects.effects_row({"item_id": "x", "pivots": [], "control_sets": 3}, effects)
    assert row["told"] == 3.0  # -1 less the mean of -6, -4, -2
    assert (row["link"], row["need"], row["screen"]) == (2.0, 2.0, -1.0)
    assert (row["link_p"], row["need_p"], row["screen_p"]) == (0.5, 0.25, 0.75)  # ties count against the item
    assert row["need_low"] == pytest.approx(3 - 1.95)
    assert row["need_high"] == pytest.approx(3 - 0.05)
