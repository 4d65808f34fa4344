import dataclasses
import json
from pathlib import Path

import pytest

from semantic_pivots.config import SelectConfig, StudyConfig, TrainConfig
from semantic_pivots.errors import InputError
from semantic_pivots.study import load_study
from semantic_pivots.training.estimate import dry_run, parameters, shape_of
from semantic_pivots.training.small_models import fresh_model, word_tokenizer

STUDIES = Path(__file__).parents[2] / "studies"


@pytest.fixture
def study(tmp_path) -> StudyConfig:
    model = fresh_model("llama", word_tokenizer(["a", "b"]), 32, 2, 0)
    (tmp_path / "shape.json").write_text(json.dumps(model.config.to_dict()), "utf-8")
    train = TrainConfig(shape=str(tmp_path / "shape.json"), tokens=65_536, sequence_tokens=64, seeds=2)
    return StudyConfig(train=train, select=SelectConfig(budget_tokens=100_000))


def test_parameters_are_those_of_the_model(study):
    model = fresh_model("llama", word_tokenizer(["a", "b"]), 32, 2, 0)
    assert parameters(shape_of(study.train)) == sum(p.numel() for p in model.parameters())


def test_a_dry_run_says_what_it_takes_and_takes_a_step(study):
    lines = {line[:10].strip(): line[10:] for line in dry_run(study)}
    assert lines["runs"].startswith("4 = 2 arms x 2 seeds, 65,536 tokens each")
    assert lines["steps"].startswith("128 of 512 tokens")
    count = parameters(shape_of(study.train))
    assert lines["compute"].startswith(f"{6 * count * 65_536 * 4:.3g} FLOPs")
    assert "(whole)" in lines["one step"]


def test_what_cannot_work_is_told_before_anything_runs(study):
    for changes, message in (
        ({"tokens": 100}, "less than one step"),
        ({"sequence_tokens": 4096, "tokens": 10**6}, "reads at most 256"),
        ({"shape": "nowhere.json"}, "no such file"),
    ):
        wrong = dataclasses.replace(study, train=dataclasses.replace(study.train, **changes))
        with pytest.raises(InputError, match=message):
            list(dry_run(wrong))


def test_the_papers_setting_is_of_the_size_that_it_names():
    config = load_study(STUDIES / "olmo-1b.toml").config
    assert 1.1e9 < parameters(shape_of(config.train)) < 1.3e9
    assert config.train.tokens // (config.train.batch_sequences * config.train.sequence_tokens) == 1000
