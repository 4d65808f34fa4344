import dataclasses
import json
from pathlib import Path

import pytest

from semantic_pivots.grammar import StudyConfig
from semantic_pivots.selection.select_stage import SelectConfig
from semantic_pivots.study import load_study
from semantic_pivots.training.estimate import context_problems, lines, one_step, parameters, shape_of, step_problems
from semantic_pivots.training.small_models import fresh_model, word_tokenizer
from semantic_pivots.training.train_stage import TrainConfig

STUDIES = Path(__file__).parents[2] / "studies"


@pytest.fixture
def study(tmp_path) -> StudyConfig:
    model = fresh_model("llama", word_tokenizer(["a", "b"]), 32, 2, 0)
    (tmp_path / "shape.json").write_text(json.dumps(model.config.to_dict()), "utf-8")
    train = TrainConfig(shape=str(tmp_path / "shape.json"), tokens=65_536, sequence_tokens=64, seeds=2)
    return StudyConfig(train=train, select=SelectConfig(budget_tokens=100_000))


@pytest.mark.parametrize("tied", [True, False])
def test_parameters_are_those_of_the_model(study, tied):
    model = fresh_model("llama", word_tokenizer(["a", "b"]), 32, 2, 0)
    size = sum(p.numel() for p in model.parameters())
    head = model.config.vocab_size * model.config.hidden_size
    shape = shape_of(study.train)
    size += head * (shape["tie_word_embeddings"] - tied)
    assert parameters(shape | {"tie_word_embeddings": tied}) == size
    assert parameters({"model_type": "rwkv"}) == 0


def test_training_tells_what_it_takes_and_takes_a_step(study):
    told = {line[:10].strip(): line[10:] for line in lines(study)}
    assert told["runs"].startswith("4 = 2 arms x 2 seeds, 65,536 tokens each")
    assert told["steps"].startswith("128 of 512 tokens")
    count = parameters(shape_of(study.train))
    assert told["compute"].startswith(f"{6 * count * 65_536 * 4:.3g} FLOPs")
    assert "(whole)" in one_step(study.train)


def test_a_model_that_is_not_here_is_not_fetched_to_tell_its_size(study):
    train = dataclasses.replace(study.train, shape="", model="package:no-such-package")
    absent = dataclasses.replace(study, train=train)
    assert "model     not on this machine yet, so that its size is not known" in list(lines(absent))
    assert list(context_problems(train)) == []


def test_what_cannot_work_is_told_before_anything_runs(study):
    for changes, messages in (
        ({"tokens": 100}, ["less than one step"]),
        ({"sequence_tokens": 4096}, ["reads at most 256"]),
        ({"tokens": 100, "sequence_tokens": 4096}, ["less than one step", "reads at most 256"]),
        ({"shape": "nowhere.json"}, ["no such file"]),
    ):
        wrong = dataclasses.replace(study.train, **changes)
        for line, message in zip([*step_problems(wrong), *context_problems(wrong)], messages, strict=True):
            assert message in line


def test_the_papers_setting_is_of_the_size_that_it_names():
    config = load_study(STUDIES / "olmo-1b.toml").config
    assert 1.1e9 < parameters(shape_of(config.train)) < 1.3e9
    assert config.train.tokens // (config.train.batch_sequences * config.train.sequence_tokens) == 1000
