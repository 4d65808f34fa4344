"""The exported folder in lm-evaluation-harness itself: the same items, the same log-likelihoods as our scorer's."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from semantic_pivots import tables
from semantic_pivots.cli import app
from semantic_pivots.errors import InputError
from semantic_pivots.run import Work
from semantic_pivots.scoring.benchmark_scores import directions_of, summarise
from semantic_pivots.scoring.design import Design
from semantic_pivots.scoring.harness import HarnessScorer
from semantic_pivots.scoring.model_runner import ScoreJob, score_items
from semantic_pivots.scoring.scorer import Scorer
from semantic_pivots.tasks.translation import Item
from tests.models import tiny

WORDS = tables.from_rows(
    "words",
    [
        {"concept_id": f"c{k:02}", "language": code, "word": f"{word}{k}", "source": "", "licence": ""}
        for k in range(16)
        for code, word in (("en", "sun"), ("ja", "みず"))
    ],
)
ITEMS = [
    Item(f"en-ja:c{k:02}", f"c{k:02}", "en", "ja", f"sun{k}", f"みず{k}", tuple(f"sun{(k + s) % 16}" for s in (3, 5)))
    for k in range(3)
]


def test_the_command_writes_a_folder_that_the_harness_runs_to_equal_log_likelihoods(tmp_path):
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    out = tmp_path / "tasks folder"
    arguments = ["export", "lm-eval", str(out), "--languages", "en,fr", "--lexicon", "cldr", "--items", "2"]
    told = CliRunner().invoke(app, [*arguments, "--shots", "2", "--draws", "2"])
    assert told.exit_code == 0, told.output
    command = shlex.split(told.stdout.splitlines()[-1])
    assert command[command.index("--include_path") + 1] == str(out)
    out = out.rename(tmp_path / "moved")
    assert not [path for path in out.iterdir() if str(tmp_path) in path.read_text("utf-8")]
    model, tokenizer = tiny.model("llama"), tiny.tokenizer("byte-level")
    backend = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=4)
    manager = TaskManager(include_path=str(out), include_defaults=False)
    found = lm_eval.simple_evaluate(
        model=backend, tasks=["clwtd_open"], task_manager=manager, log_samples=True, bootstrap_iters=0
    )
    assert {*found["samples"]} == {"clwtd_open_en_fr", "clwtd_open_fr_en"}
    scorer = Scorer(model, tokenizer)
    compared = 0
    for name, samples in found["samples"].items():
        assert len(samples) == 4
        right = []
        for sample in samples:
            document = sample["doc"]
            ours = scorer.score(document["prompts"], [document["answer"]] * len(document["prompts"]))
            sums = [float(one.logprobs.sum()) for one in ours]
            theirs = [float(value) for ((value, _),) in sample["resps"]]
            np.testing.assert_allclose(sums, theirs, atol=1e-4, rtol=0)
            assert document["prompts"][0].startswith("Please translate words from ")
            right.append(float(np.argmax(sums) == 0))
            compared += len(sums)
        assert found["results"][name]["acc,none"] == np.mean(right)
    assert compared == 2 * 4 * 10


def test_a_backend_of_the_harness_gives_the_same_figures_as_our_scorer(tmp_path):
    from lm_eval.models.huggingface import HFLM

    model, tokenizer = tiny.model("llama"), tiny.tokenizer("byte-level")
    design = Design(shots=2, draws=2, pool=0, seed=0)
    rows = []
    for name, scorer in (
        ("ours", Scorer(model, tokenizer)),
        ("theirs", HarnessScorer(HFLM(pretrained=model, tokenizer=tokenizer, batch_size=4))),
    ):
        folder = tmp_path / name
        folder.mkdir()
        work = Work(folder, folder)
        job = ScoreJob(design, name, "float32", "x", 4096)
        scores, answers, model_name = score_items(ITEMS, WORDS, job, work, scorer)
        assert model_name == name
        rows.append(summarise(directions_of(ITEMS, scores, answers, design), design, name, "float32", 50))
    for ours, theirs in zip(*rows, strict=True):
        assert (ours["variant"], ours["stratum"]) == (theirs["variant"], theirs["stratum"])
        assert ours["value"] == pytest.approx(theirs["value"], abs=1e-5)


def test_a_backend_needs_nothing_but_loglikelihood():
    class Constant:
        def loglikelihood(self, requests):
            return [(-float(len(request.args[0])), False) for request in requests]

    scorer = HarnessScorer(Constant())
    assert [float(s.logprobs.sum()) for s in scorer.score(["ab", "c"], [" x", " yz"])] == [-2.0, -1.0]
    assert scorer.greedy(["ab"], 3) == [""]
    with pytest.raises(InputError, match="no method loglikelihood"):
        HarnessScorer(SimpleNamespace())


def test_a_study_without_a_benchmark_is_an_error_for_people(tmp_path):
    told = CliRunner().invoke(app, ["export", "lm-eval", str(tmp_path / "out"), "--study", str(tmp_path)])
    assert isinstance(told.exception, InputError)
    assert "run the study's stages" in str(told.exception)


def test_options_that_a_study_s_benchmark_would_not_follow_are_refused(tmp_path):
    arguments = ["export", "lm-eval", str(tmp_path / "out"), "--study", str(tmp_path), "--languages", "en,fr"]
    told = CliRunner().invoke(app, [*arguments, "--lexicon", "cldr-wide", "--items", "5", "--seed", "2"])
    assert isinstance(told.exception, InputError)
    assert str(told.exception).endswith("leave out --languages, --lexicon, --items")


def test_exported_documents_are_the_items_of_the_study(tmp_path):
    from semantic_pivots.tasks.lm_eval_export import export_tasks

    assert export_tasks(ITEMS, WORDS, tmp_path, shots=2, draws=3) == ["clwtd_open_en_ja"]
    lines = [json.loads(line) for line in Path(tmp_path / "clwtd_open_en_ja.jsonl").read_text("utf-8").splitlines()]
    assert [line["item_id"] for line in lines] == [item.item_id for item in ITEMS for _ in range(3)]
    assert all(line["answer"] == " みず0" for line in lines[:3])
    assert all(
        prompt.endswith(f"English: {c}\nJapanese:")
        for prompt, c in zip(lines[0]["prompts"], ITEMS[0].candidates, strict=True)
    )
    assert isinstance(WORDS, pa.Table)
