import itertools
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch

from semantic_pivots import tables
from semantic_pivots.errors import InputError
from semantic_pivots.files import write_table
from semantic_pivots.models.load import load
from semantic_pivots.run import Inputs, Work
from semantic_pivots.scoring import design
from semantic_pivots.scoring.benchmark_scores import (
    directions_of,
    item_scores,
    revision_of,
    score_stage,
)
from semantic_pivots.scoring.design import Design
from semantic_pivots.scoring.score_stage import ScoreConfig
from semantic_pivots.scoring.token_strata import with_token_strata
from semantic_pivots.tasks.translation import Item, answer, items_of, prompt, shots_by_direction
from semantic_pivots.training.compare_stage import CompareConfig
from semantic_pivots.training.comparison import arms_of, compare_stage
from tests.models import tiny

torch.set_num_threads(1)
LANGUAGES = ("en", "fr", "ja")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A benchmark, a lexicon, and a model folder."""
    root = tmp_path_factory.mktemp("score")
    words = [
        {
            "concept_id": f"c{k:02}",
            "language": code,
            "word": f"{'日月火水木金土山川石'[k % 10]}{k}" if code == "ja" else f"{code}o{k}",
        }
        for k in range(24)
        for code in LANGUAGES
    ]
    by_key = {(row["concept_id"], row["language"]): row["word"] for row in words}
    items = [
        {
            "item_id": f"{a}-{b}-c{k:02}",
            "concept_id": f"c{k:02}",
            "source_language": a,
            "target_language": b,
            "source": by_key[f"c{k:02}", a],
            "target": by_key[f"c{k:02}", b],
            "distractors": [by_key[f"c{(k + step) % 24:02}", a] for step in range(1, 5)],
            "strata": ["odd"] if k % 2 else [],
        }
        for a, b in itertools.permutations(LANGUAGES, 2)
        for k in range(12)
    ]
    inputs = root / "inputs"
    inputs.mkdir()
    write_table(inputs / "words.parquet", tables.from_rows("words", words))
    write_table(inputs / "items.parquet", tables.from_rows("items", items))
    for name, family in (("model", "llama"), ("other", "gemma3")):
        tiny.model(family).save_pretrained(root / name)
        tiny.tokenizer("byte-fallback").save_pretrained(root / name)
    return root


def work_in(path: Path) -> Work:
    (path / "out").mkdir(parents=True)
    (path / "work").mkdir()
    return Work(path / "work", path / "out")


def run(folder: Path, path: Path, **keys) -> dict[str, pa.Table]:
    config = ScoreConfig(model=str(folder / "model"), shots=2, draws=2, **keys)
    found = score_stage(config, Inputs({"lexicon": folder / "inputs"}), work_in(path))
    return {name: tables.conform(name, table) for name, table in found.items()}


@pytest.mark.parametrize("pool", [0, 4])
def test_the_stage_scores_every_candidate_of_every_draw_by_the_published_prompt(folder, tmp_path, pool):
    found = run(folder, tmp_path, pool=pool)
    items = items_of(pa.parquet.read_table(folder / "inputs" / "items.parquet"))
    words = pa.parquet.read_table(folder / "inputs" / "words.parquet")
    assert found["scores"].num_rows == len(items) * 2 * 5
    assert found["answers"].num_rows == len(items) * 2
    loaded = load(str(folder / "model"))
    known = shots_by_direction(words, [item.direction for item in items], 0)
    rows = {(r["item_id"], r["draw"], r["candidate"]): r for r in found["scores"].to_pylist()}
    for item in items[::17]:
        for draw, shown in known[item.direction].draws_of(item, 2, 2, pool):
            row = rows[item.item_id, draw, item.source]
            assert row["is_source"]
            assert row["n_bytes"] == len(item.target.encode())
            text = prompt(*item.direction, shown, item.source)
            ids = loaded.tokenizer(text + answer(item.target))["input_ids"]
            before = len(loaded.tokenizer(text)["input_ids"])
            with torch.inference_mode():
                logprobs = loaded.model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
            want = [logprobs[at - 1, ids[at]].item() for at in range(before, len(ids))]
            np.testing.assert_allclose(row["token_logprobs"], want, atol=1e-5)


def test_the_summary_names_every_variant_stratum_and_direction(folder, tmp_path):
    rows = run(folder, tmp_path, pool=4)["score_summary"].to_pylist()
    keys = {(r["source_language"], r["target_language"]) for r in rows}
    assert keys == {*itertools.permutations(LANGUAGES, 2), ("all", "all")}
    strata = {r["stratum"] for r in rows}
    assert {"all", "odd", "target:more-tokens"} <= strata
    assert strata <= {"all", "odd", "target:one-token", "target:more-tokens", "shared-subtoken"}
    assert {"paper", "sum", "choice", "accuracy", "copy-rate", "control:shuffled-targets"} <= {
        r["variant"] for r in rows
    }
    whole = [r for r in rows if r["stratum"] == "all"]
    assert {r["n"] for r in whole if r["source_language"] == "all"} == {12}
    assert all(r["low"] <= r["value"] + 1e-9 for r in whole if r["variant"] in ("sum", "accuracy"))
    assert all((r["low"] is None) == (r["n"] < 10) for r in rows)
    assert all("pool=4" in r["signature"] and f"variant={r['variant']}" in r["signature"] for r in rows)
    # a random model knows no word
    choice = next(r for r in rows if r["source_language"] == "all" and r["variant"] == "choice")
    assert choice["low"] <= 0.2 <= choice["high"]


def test_the_score_of_an_item_is_the_published_one_wherever_it_is_asked(folder, tmp_path):
    """The exponential of the mean over draws, as in `score_summary`, not the mean of exponentials."""
    found = run(folder, tmp_path)
    items = items_of(pa.parquet.read_table(folder / "inputs" / "items.parquet"))
    by_item = item_scores(items, found["scores"], "paper")
    rows = found["scores"].to_pylist()
    item = items[0]
    loss = {c: [] for c in item.candidates}
    for row in rows:
        if row["item_id"] == item.item_id:
            loss[row["candidate"]].append(np.mean(row["token_logprobs"]))
    source, *wrong = (np.exp(np.mean(losses)) for losses in loss.values())
    assert by_item[item.item_id] == pytest.approx(source - np.mean(wrong), rel=1e-6)
    (told,) = (
        row["value"]
        for row in found["score_summary"].to_pylist()
        if (row["source_language"], row["target_language"], row["stratum"], row["variant"])
        == ("en", "fr", "all", "paper")
    )
    assert np.mean([by_item[i.item_id] for i in items if i.direction == ("en", "fr")]) == pytest.approx(told)


def test_an_id_may_say_control():
    """Rows of the control have a column, so no id is taken from the user."""
    items = [Item(name, "c", "en", "fr", "a", "b", ("x",)) for name in ("one", "one control")]
    rows = [
        {"item_id": item.item_id, "draw": 0, "candidate": c, "is_source": c == "a", "token_logprobs": [value],
         "n_bytes": 1, "control": False}
        for item, value in zip(items, (-1.0, -2.0), strict=True) for c in ("a", "x")
    ]  # fmt: skip
    shuffled = [{**row, "control": True, "token_logprobs": [-3.0]} for row in rows]
    (direction,) = directions_of(items, pa.Table.from_pylist([*rows, *shuffled]), None, Design(0, 1, 0, 0)).values()
    assert direction.logprobs[:, 0, 0].tolist() == [-1.0, -2.0]
    assert direction.control_probability is not None
    np.testing.assert_allclose(direction.control_probability, np.exp(-3.0))


@pytest.mark.parametrize("pool", [0, 4])
def test_a_stage_killed_between_two_parts_continues_to_the_same_bytes(folder, tmp_path, monkeypatch, pool):
    monkeypatch.setattr(design, "SLICE_ITEMS", 5)
    whole = run(folder, tmp_path / "whole", pool=pool)
    config = ScoreConfig(model=str(folder / "model"), shots=2, draws=2, pool=pool)
    work = work_in(tmp_path / "killed")
    made = {"parts": 0}
    part = work.part

    def killed_after_four(name, make):
        if made["parts"] == 4:
            raise KeyboardInterrupt
        made["parts"] += 1
        return part(name, make)

    monkeypatch.setattr(work, "part", killed_after_four)
    inputs = Inputs({"lexicon": folder / "inputs"})
    with pytest.raises(KeyboardInterrupt):
        score_stage(config, inputs, work)
    monkeypatch.setattr(work, "part", part)
    continued = score_stage(config, inputs, work)
    for name, table in whole.items():
        assert tables.conform(name, continued[name]).equals(table)


def test_compare_pairs_every_arm_with_base_and_random(folder, tmp_path):
    train = tmp_path / "train"
    train.mkdir()
    (train / "base.json").write_text(json.dumps({"model": str(folder / "model")}))
    for arm, model in (("random-seed0", "model"), ("pivot-rich-seed0", "other"), ("pivot-rich-seed1", "model")):
        (train / arm).symlink_to(folder / model)
    config = CompareConfig(shots=1, draws=1, pool=3, items_per_direction=12, resamples=200)
    inputs = Inputs({"lexicon": folder / "inputs", "train": train})
    made = compare_stage(config, inputs, work_in(tmp_path))
    rows = tables.conform("comparison", made["comparison"]).to_pylist()
    assert {(r["arm"], r["baseline"]) for r in rows} == {
        ("base", ""), ("random", ""), ("random", "base"),
        ("pivot-rich", ""), ("pivot-rich", "base"), ("pivot-rich", "random"),
    }  # fmt: skip
    same = [r for r in rows if (r["arm"], r["baseline"]) == ("random", "base")]
    # the same weights: the paired difference is zero, not nearly zero
    assert all(r["value"] == 0 for r in same)
    assert all(r["low"] == r["high"] == 0 for r in same if r["n"] >= 10)
    assert all(("not distinguishable from zero" if r["n"] >= 10 else "too few concepts") in r["verdict"] for r in same)
    assert {"off-target", "pmi", "choice"} <= {r["variant"] for r in rows}
    means = [r for r in rows if r["source_language"] == "all" and r["variant"] == "paper"]
    assert {r["n"] for r in means if r["stratum"] == "all"} == {12}
    assert {r["stratum"] for r in means} == {"all", "odd"}
    names = ("source_language", "target_language", "stratum", "variant")
    own = {(r["arm"], *(r[name] for name in names)): r["value"] for r in rows if not r["baseline"]}
    for r in rows:
        if r["baseline"]:
            key = tuple(r[name] for name in names)
            assert r["value"] == pytest.approx(own[r["arm"], *key] - own[r["baseline"], *key])
    verdicts = tables.conform("verdict", made["verdict"]).to_pylist()
    assert [(r["arm"], r["baseline"], r["stratum"], r["runs"]) for r in verdicts] == [
        ("pivot-rich", "random", "all", 2), ("pivot-rich", "", "all", 2),
    ]  # fmt: skip
    gain = next(r for r in means if (r["arm"], r["baseline"], r["stratum"]) == ("pivot-rich", "random", "all"))
    assert all((r["value"], r["low"], r["high"]) == (gain["value"], gain["low"], gain["high"]) for r in verdicts)


def test_bad_input_is_an_error_for_people(folder, tmp_path):
    with pytest.raises(InputError, match=r"base\.json does not name the base model"):
        arms_of(tmp_path)
    with pytest.raises(InputError, match=r"did you mean 'paper'"):
        compare_stage(CompareConfig(variant="papr"), Inputs({"train": tmp_path}), work_in(tmp_path))
    empty = tmp_path / "empty"
    empty.mkdir()
    write_table(empty / "items.parquet", tables.from_rows("items", []))
    write_table(empty / "words.parquet", tables.from_rows("words", []))
    with pytest.raises(InputError, match="no items to score"):
        score_stage(ScoreConfig(), Inputs({"lexicon": empty}), work_in(tmp_path / "e"))


def test_two_processes_of_accelerate_give_the_same_bytes_as_one(folder, tmp_path):
    parts: dict[str, set[str]] = {}
    for name, processes in (("one", 1), ("two", 2)):
        found = run(folder, tmp_path / name, pool=3, processes=processes)
        for table in ("scores", "answers", "score_summary"):
            write_table(tmp_path / f"{name}-{table}.parquet", found[table])
        parts[name] = {path.name for path in (tmp_path / name / "work").glob("*.parquet")}
    # of six directions the answers in one part, the scores in one of each draw that is used; and the model's name
    assert len({part for part in parts["one"] if "draw" in part}) >= 6 * 3
    assert parts["one"] == parts["two"]
    for table in ("scores", "answers", "score_summary"):
        one, two = ((tmp_path / f"{name}-{table}.parquet").read_bytes() for name in ("one", "two"))
        assert one == two


def test_a_failing_process_is_an_error_for_people(folder, tmp_path):
    config = ScoreConfig(model=str(tmp_path / "absent"), shots=1, draws=1, processes=2)
    with pytest.raises(InputError, match=r"a scoring process failed: .*not found"):
        score_stage(config, Inputs({"lexicon": folder / "inputs"}), work_in(tmp_path))


def test_a_sweep_of_checkpoints_gives_a_figure_for_each(folder, tmp_path):
    both = ScoreConfig(model=str(folder), revisions=("model", "other"), shots=1, draws=1)
    summary = score_stage(both, Inputs({"lexicon": folder / "inputs"}), work_in(tmp_path))["score_summary"].to_pylist()
    curve = [
        row for row in summary if (row["variant"], row["source_language"], row["stratum"]) == ("paper", "all", "all")
    ]
    assert len({row["signature"].split("model=")[1].split("|")[0] for row in curve}) == len(curve) == 2
    assert all(row["low"] <= row["value"] <= row["high"] for row in curve)
    assert revision_of("org/model@main", "step100") == "org/model@step100"


def test_strata_of_the_tokenizer_are_those_of_its_tokens():
    tokenizer = tiny.tokenizer("byte-level")
    items = [
        Item(f"i{k}", f"c{k}", "en", "fr", s, t, (), ("odd",))
        for k, (s, t) in enumerate([("the", "the"), ("moon", "étoile")])
    ]
    same, other = with_token_strata(items, tokenizer)
    assert set(same.strata) == {"odd", "target:one-token", "shared-subtoken"}
    assert "target:more-tokens" in other.strata
