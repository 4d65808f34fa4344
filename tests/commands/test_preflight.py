"""What would stop a study is told before it runs, all of it at once."""

import pytest
from typer.testing import CliRunner

from semantic_pivots.cli import app
from semantic_pivots.commands.preflight import problems
from semantic_pivots.errors import InputError
from semantic_pivots.study import load_study


def test_everything_that_is_absent_is_told_at_once(tmp_path):
    study = tmp_path / "study.toml"
    study.write_text(
        """
        [study]
        languages = ["en", "sw"]
        [lexicon]
        source = "cldr"
        [corpus]
        path = "nowhere.jsonl"
        [trace]
        model = "./no-model"
        lenses = ["logit", "tuned:no-lens"]
        [score]
        model = "package:no-such-package"
        """
    )
    told = "\n".join(problems(load_study(study)))
    for part in (
        "[corpus] path = 'nowhere.jsonl': no such file",
        "[trace] model = './no-model': no such folder",
        "[trace] lenses: 'tuned:no-lens': no such file",
        "[score] model = 'package:no-such-package': the package is not installed",
        "[lexicon] source = 'cldr' has no words in sw",
    ):
        assert part in told


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_a_study_without_documents_does_not_begin(tmp_path, options):
    study = tmp_path / "study.toml"
    study.write_text("")
    asked = ["run", str(study), "--runs", str(tmp_path / "runs"), *options]
    with pytest.raises(InputError, match="names no documents"):
        CliRunner().invoke(app, asked, catch_exceptions=False)
    assert not (tmp_path / "runs").exists()


def test_a_stage_that_the_study_leaves_out_is_not_asked(tmp_path):
    study = tmp_path / "study.toml"
    study.write_text('[study]\nstages = ["lexicon", "benchmark"]\n')
    assert problems(load_study(study)) == []
