"""What would stop a study is told before it runs, all of it at once."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from semantic_pivots import costs
from semantic_pivots.cli import app
from semantic_pivots.commands.preflight import check, costs_of, problems, records, sentence
from semantic_pivots.errors import InputError
from semantic_pivots.grammar import StudyConfig
from semantic_pivots.models import device
from semantic_pivots.stages import STAGES
from semantic_pivots.study import draft_study, load_study


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
    told = "\n".join(problems(draft_study(study)))
    for part in (
        "[corpus] path = 'nowhere.jsonl': no such file",
        "[trace] model = './no-model': no such folder",
        "[trace] lenses: 'tuned:no-lens': no such file",
        "[score] model = 'package:no-such-package': the package is not installed",
        "[lexicon] source = 'cldr' has no words in sw",
    ):
        assert part in told


def test_wrong_keys_and_values_are_told_beside_what_is_absent(tmp_path):
    """Each check that a wrong value does not hide is made in the same round."""
    study = tmp_path / "study.toml"
    study.write_text(
        """
        [study]
        model = "package:no-such-package"
        [scroe]
        shots = 1
        [lexicon]
        languages = ["en", "jp"]
        source = "cldx"
        [corpus]
        languages = ["en", "klingon"]
        path = "nowhere.jsonl"
        columns = ["idd=key"]
        [benchmark]
        task = "tranlation"
        distractors = "nine"
        [trace]
        itmes = 3
        model = 5
        lenses = ["logit", "tuned:no-lens"]
        [select]
        columns = "gone.parquet"
        exclude_pairs = true
        stratify_pairs = true
        quotas = ["en=2"]
        [train]
        tokens = 10
        learning_rate = -1
        """
    )
    with pytest.raises(InputError) as refusal:
        check(draft_study(study, overrides=["score.draws=0", "foo.x=1"]), force="lexicn")
    lines = [line.strip() for line in str(refusal.value).splitlines()]
    for beginning in (
        "--force: unknown stage 'lexicn'",
        "--set 'foo.x=1': unknown section",
        "unknown section [scroe]",
        "[lexicon] languages: unknown language 'jp'",
        "[corpus] languages: unknown language 'klingon'",
        "[corpus] columns: 'idd=key' is not known",
        "[corpus] path = 'nowhere.jsonl': no such file",
        "[benchmark] task: unknown task 'tranlation'",
        "[benchmark] distractors: expected a whole number",
        "[score] draws: 0 is out of range",
        "[score] model = 'package:no-such-package': the package is not installed",
        "[trace] itmes: unknown key",
        "[trace] model: expected a string",
        "[trace] lenses: 'tuned:no-lens': no such file",
        "[select] columns = 'gone.parquet': no such file",
        "[select] exclude_pairs = true, [select] stratify_pairs = true: expected only one",
        "[select] quotas: 'en=2' is not known",
        "[train] learning_rate: -1 is out of range",
        "[train] tokens = 10 is less than one step",
    ):
        assert sum(line.startswith(beginning) for line in lines) == 1, beginning
    # languages of the lexicon and a model for the trace are not known, so nothing is said of either
    assert not any(line.startswith(("[lexicon] source = ", "[trace] model = ")) for line in lines)
    with pytest.raises(InputError, match=r"--only: unknown stage 'lexicn': expected one of .*did you mean 'lexicon'"):
        check(draft_study(study), only="lexicn")
    with pytest.raises(InputError, match="--only lexicon, --force score: expected one stage"):
        check(draft_study(study), "lexicon", "score")


def test_one_stage_alone_is_checked_alone(tmp_path):
    study = tmp_path / "study.toml"
    study.write_text('[corpus]\npath = "nowhere.jsonl"\n[trace]\nmodel = "./no-model"\n')
    assert problems(draft_study(study), "trace") == ["[trace] model = './no-model': no such folder or file"]
    assert problems(draft_study(study), "lexicon") == []


def test_columns_of_scores_and_words_of_items_are_looked_for(tmp_path):
    pq.write_table(pa.table({"doc_id": ["a"], "quality": [1.0]}), tmp_path / "scores.parquet")
    study = tmp_path / "study.toml"
    study.write_text(
        """
        [lexicon]
        languages = ["en", "fr"]
        [corpus]
        recipe = "everyday"
        [select]
        columns = "scores.parquet"
        selections = ["random", "column:quality-25pct", "column:qualty"]
        thresholds = ["quality>=1", "n_tokens<=99", "langth>=3"]
        """
    )
    assert problems(draft_study(study)) == [
        "[benchmark] languages: [lexicon] languages has no zh, ja; add them there",
        "[select] selections: no column 'qualty'; did you mean 'quality'?",
        "[select] thresholds: no column 'langth'; did you mean 'language'?",
    ]


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_a_study_without_documents_does_not_begin(tmp_path, options):
    study = tmp_path / "study.toml"
    study.write_text("")
    asked = ["run", str(study), "--runs", str(tmp_path / "runs"), *options]
    with pytest.raises(InputError, match="names no documents"):
        CliRunner().invoke(app, asked, catch_exceptions=False)
    assert not (tmp_path / "runs").exists()


def test_languages_that_a_corpus_lacks_are_told_before_the_run(tmp_path, capsys):
    study = tmp_path / "study.toml"
    study.write_text(
        '[study]\nlanguages = ["en", "sw"]\n[lexicon]\nsource = "cldr-wide"\n[corpus]\nrecipe = "everyday"\n'
    )
    assert problems(draft_study(study)) == [
        "[corpus] recipe = 'everyday' has no documents in sw: leave them out of languages, or set "
        "allow_missing_languages = true"
    ]
    lines = [{"id": str(k), "text": "a dog", "language": "en"} for k in range(3)]
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    study.write_text('[study]\nlanguages = ["en", "fr"]\n[corpus]\npath = "corpus.jsonl"\n')
    assert problems(draft_study(study)) == []
    assert "none of its first 3 documents is in fr; they are in en" in capsys.readouterr().err


def test_what_each_stage_takes_is_told_by_the_rates_of_an_earlier_run(tmp_path):
    text = '[study]\nstages = ["lexicon", "corpus", "planted"]\n[corpus]\npath = "a.txt"\n[planted]\ntokens = 1000\n'
    (tmp_path / "a.txt").write_text("a dog\n" * 100)
    (tmp_path / "study.toml").write_text(text)
    study, runs = load_study(tmp_path / "study.toml"), tmp_path / "runs"
    shipped = {cost.stage: cost for cost in costs_of(study, runs)}
    assert [*shipped] == ["lexicon", "corpus", "planted"]
    assert "two cores" in shipped["corpus"].rate
    volatile = {"work": 300.0, "seconds": 6.0, "peak_memory_bytes": 5e9, "finished": "2026", "stamps": {"a": [900, 1]}}
    (runs / "other" / "corpus").mkdir(parents=True)
    (runs / "other" / "corpus" / "manifest.json").write_text(json.dumps({"volatile": volatile}))
    cost = costs_of(study, runs, "corpus")[0]
    assert (cost.seconds, cost.memory_bytes, cost.disk_bytes) == (12.0, 5e9, 1800.0)
    assert cost.rate == str(runs / "other")
    told = sentence(costs_of(study, runs))
    assert told.startswith("2 stages: about ")
    assert sentence(costs_of(study, runs, "corpus")).startswith("1 stage: about ")
    assert "5.0 GB of memory" in told
    assert [row["stage"] for row in records(costs_of(study, runs))] == ["lexicon", "corpus", "planted", "all"]


def test_the_work_of_every_stage_is_told_from_its_section():
    sizes = costs.Sizes(StudyConfig())
    assert all(costs.work(sizes, stage) is None or costs.work(sizes, stage) > 0 for stage in STAGES)


def test_a_stage_that_the_study_leaves_out_is_not_asked(tmp_path):
    study = tmp_path / "study.toml"
    study.write_text('[study]\nstages = ["lexicon", "benchmark"]\n')
    assert problems(draft_study(study)) == []


def test_more_processes_than_accelerators_are_told_before_anything_runs(tmp_path, monkeypatch):
    study = tmp_path / "study.toml"
    study.write_text(
        '[study]\nstages = ["lexicon", "benchmark", "score"]\n[score]\nprocesses = 3\n[train]\nprocesses = 9\n'
    )
    assert problems(draft_study(study)) == []  # a CPU takes any number
    monkeypatch.setattr(device, "device_count", lambda: 2)
    (told,) = problems(draft_study(study))
    assert told == "[score] processes = 3: expected at most the 2 accelerators there are"
