"""`pivots score`: a table of directions, and a sweep of checkpoints that continues where it stopped."""

from __future__ import annotations

import csv

import pyarrow.parquet as pq
import pytest
import torch
from typer.testing import CliRunner

from semantic_pivots.cli import app
from semantic_pivots.errors import InputError
from semantic_pivots.scoring.model_runner import ModelRunner
from tests.models import tiny

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    root = tmp_path_factory.mktemp("training")
    for name, family in (("tokens-100", "llama"), ("tokens-200", "gpt2")):
        tiny.model(family).save_pretrained(root / name)
        tiny.tokenizer("byte-fallback").save_pretrained(root / name)
    return root


def run(*arguments: object):
    options = ["--lexicon", "cldr", "--languages", "en,fr", "--items", "4", "--shots", "1", "--draws", "1"]
    return CliRunner().invoke(app, ["score", *map(str, arguments), *options])


def test_a_row_for_each_direction(checkpoints, tmp_path):
    done = run(checkpoints / "tokens-100", tmp_path / "one")
    assert done.exit_code == 0, done.output
    lines = [line.split("\t") for line in (tmp_path / "one" / "directions.tsv").read_text("utf-8").splitlines()]
    assert [line[0] for line in lines] == ["direction", "en-fr", "fr-en", "mean"]
    assert [line[1] for line in lines[1:]] == ["4", "4", "4"]  # concepts
    assert "shots=1|draws=1" in done.output


def test_a_sweep_continues_where_it_stopped_and_gives_a_curve(checkpoints, tmp_path, monkeypatch):
    sweep = (checkpoints, tmp_path / "sweep", "--revisions", "tokens-100,tokens-200")
    made = ModelRunner.scores
    calls: list[str] = []

    def stops(self, part):
        calls.append(part.name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return made(self, part)

    monkeypatch.setattr(ModelRunner, "scores", stops)
    assert run(*sweep).exit_code != 0
    assert len(calls) == 3
    done = run(*sweep)
    assert done.exit_code == 0, done.output
    # two of four parts were kept: the second run computes the other two only
    assert len(calls) == 5
    lines = [line.split("\t") for line in (tmp_path / "sweep" / "learning_curve.tsv").read_text("utf-8").splitlines()]
    assert [line[0].split("@")[0] for line in lines] == ["checkpoint", "tokens-100", "tokens-200"]
    figures: dict[str, list[float]] = {}  # in full: these models are near one another
    for row in pq.read_table(tmp_path / "sweep" / "score" / "score_summary.parquet").to_pylist():
        figures.setdefault(row["signature"].partition("model=")[2].partition("|")[0], []).append(row["value"])
    one, other = figures.values()
    assert one != other
    # a named direction is printed of each checkpoint, and the bar is of the last one
    told = run(*sweep, "--directions", "fr-en", "--format", "csv", "--fail-under", "per-byte=9")
    first, last = csv.DictReader(told.stdout.splitlines())
    assert [row["checkpoint"].split("@")[0] for row in (first, last)] == ["tokens-100", "tokens-200"]
    assert {row["direction"] for row in (first, last)} == {"fr-en"}
    assert first["per-byte"] != last["per-byte"]
    assert f"below the bar: per-byte {float(last['per-byte']):.4f} < 9" in told.output
    assert told.exit_code == 1
    assert "signature: clwtd|fr-en|" in told.output
    assert "|model=" not in told.output  # which is another one in each row


def test_a_checkpoint_that_is_not_there_is_told_before_items_are_made(checkpoints, tmp_path):
    told = run(checkpoints, tmp_path / "out", "--revisions", "tokens-100,tokens-300")
    assert str(told.exception) == f"--revisions: tokens-300: no such folder in {checkpoints}"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("value", ["nan", "inf", "", "0.2%"])
def test_a_bar_is_a_number(value, tmp_path):
    told = run(tmp_path / "absent", tmp_path / "out", "--fail-under", f"choice={value}")
    assert isinstance(told.exception, InputError)
    assert f"--fail-under 'choice={value}': {value!r} is no number" in str(told.exception)
