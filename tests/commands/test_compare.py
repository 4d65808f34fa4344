"""Scored models against one another, paired over items."""

import json

import pytest

from semantic_pivots.errors import InputError
from semantic_pivots.files import write_table
from semantic_pivots.tables import from_rows
from tests.commands.invoke import invoke


def scored(folder, source: float, concepts: int = 30, wrong: tuple[str, ...] = ("x",)):
    """A run whose every source has this log-probability; distractors have -2, so that it is right where it is above."""
    items = [
        {"item_id": f"{a}-{b}-{k}", "concept_id": f"c{k}", "source_language": a, "target_language": b,
         "source": f"{a}{k}", "target": f"{b}{k}", "distractors": [f"{word}{k}" for word in wrong], "strata": []}
        for a, b in (("en", "fr"), ("fr", "en")) for k in range(concepts)
    ]  # fmt: skip
    rows = [
        {"item_id": item["item_id"], "draw": 0, "candidate": word, "is_source": word == item["source"],
         "n_bytes": 3,
         "token_logprobs": [source if word == item["source"] and item["source_language"] == "en" else -2.0]}
        for item in items for word in (item["source"], *item["distractors"])
    ]  # fmt: skip
    for stage, table, made in (("benchmark", "items", items), ("score", "scores", rows)):
        (folder / stage).mkdir(parents=True)
        write_table(folder / stage / f"{table}.parquet", from_rows(table, made))
    return folder


def test_a_model_that_is_better_in_one_direction_is_called_so_there_alone(tmp_path):
    a, b = scored(tmp_path / "a", -3.0), scored(tmp_path / "b", -1.0)
    rows = json.loads(invoke("compare", a, b, format="json"))
    by_direction = {row["direction"]: row for row in rows}
    assert by_direction["en-fr"]["difference"] == 1.0
    assert by_direction["en-fr"]["p_holm"] <= 0.05
    assert [by_direction[d]["verdict"] for d in ("en-fr", "fr-en", "all")] == [
        "better",
        "no difference shown",
        "better",
    ]
    assert by_direction["all"]["concepts"] == 30
    back = {row["direction"]: row["verdict"] for row in json.loads(invoke("compare", b, a, format="json"))}
    assert back["en-fr"] == "worse"


def test_runs_that_were_not_asked_alike_are_told(tmp_path):
    a, b = scored(tmp_path / "a", -3.0), scored(tmp_path / "b", -1.0)
    for run, draws in ((a, 2), (b, 1)):
        (run / "score" / "manifest.json").write_text(json.dumps({"config": {"draws": draws, "shots": 5}}))
    assert "a and b have other prompts: draws 2 and 1; score" in invoke("compare", a, b)
    with pytest.raises(InputError, match="were asked no item alike"):
        invoke("compare", a, scored(tmp_path / "c", -1.0, wrong=("x", "y")))


def test_few_concepts_have_no_verdict_and_other_folders_one_line(tmp_path):
    a, b = scored(tmp_path / "a", -3.0, 5), scored(tmp_path / "b", -1.0, 5)
    assert "too few concepts" in invoke("compare", a, b)
    with pytest.raises(InputError, match="no such table"):
        invoke("compare", a, tmp_path)


def test_folders_of_one_name_are_told_apart_and_one_folder_twice_is_refused(tmp_path):
    a, b = scored(tmp_path / "a" / "smollm", -3.0, 5), scored(tmp_path / "b" / "smollm", -1.0, 5)
    row = json.loads(invoke("compare", a, b, format="json"))[0]
    assert (row["baseline"], row["model"]) == (str(a), str(b))
    with pytest.raises(InputError, match="is named twice"):
        invoke("compare", a, b, a)
