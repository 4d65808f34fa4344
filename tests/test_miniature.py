"""The pipeline in miniature: every stage runs, a second run does nothing, a killed run gives the same bytes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars
import pytest

from semantic_pivots.analysis.behaviours import behaviour_stage
from semantic_pivots.files import file_hash, read_table
from semantic_pivots.run import Inputs, Work, read_manifest
from semantic_pivots.signature import Signature
from semantic_pivots.stages import DEFAULT as STAGES
from semantic_pivots.study import load_study, run_study, state
from tests import miniature


@pytest.fixture(scope="module")
def study_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return miniature.write(tmp_path_factory.mktemp("miniature"))


@pytest.fixture(scope="module")
def finished(study_file: Path) -> Path:
    return run_study(load_study(study_file), study_file.parent / "runs", say=lambda line: None)


def test_every_stage_publishes_its_tables(study_file: Path, finished: Path) -> None:
    assert set(state(load_study(study_file), finished).values()) == {"done"}
    for name in STAGES:
        manifest = read_manifest(finished / name)
        assert manifest is not None
        assert manifest["files"]
        assert all(file_hash(finished / name / file) == digest for file, digest in manifest["files"].items())


def test_figures_of_counts_and_pivots_state_how_words_are_matched(finished: Path) -> None:
    rules = {part for rule in _column(finished / "count/pair_counts.parquet", "rule") for part in rule.split(" + ")}
    for name in ("attribution", "trace_summary"):
        signatures = _column(finished / f"behaviour/{name}.parquet", "signature")
        assert signatures
        assert {Signature.parse(line)["words"] for line in signatures} == {" + ".join(sorted(rules))}


def _column(path: Path, name: str) -> list[str]:
    return read_table(path)[name].to_pylist()


def test_a_second_run_does_nothing_and_says_so(study_file: Path, finished: Path) -> None:
    said: list[str] = []
    begun = time.process_time()
    run_study(load_study(study_file), finished.parent, say=said.append)
    assert time.process_time() - begun < 5
    assert len(said) == 1
    assert said[0].startswith("nothing to do")


def test_a_run_killed_in_every_stage_gives_the_same_bytes(study_file: Path, finished: Path) -> None:
    runs = study_file.parent / "killed"
    command = [sys.executable, "-m", "semantic_pivots.cli", "run", str(study_file), "--runs", str(runs)]
    # as many processes change no byte either: the command that ends `train`, and the last, which ends `compare`
    processes = ["--set", "train.processes=2", "--set", "compare.processes=2"]
    for name in STAGES:
        more = processes if name == "compare" else []
        child = subprocess.Popen(
            [*command, *more], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        partial = runs / "miniature" / f".{name}.partial"
        while child.poll() is None and not partial.exists():
            time.sleep(0.005)
        time.sleep(0.2)  # into the stage, not only to its door
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    subprocess.run([*command, *processes], check=True, capture_output=True)
    for name in STAGES:
        expected, found = read_manifest(finished / name), read_manifest(runs / "miniature" / name)
        assert expected is not None
        assert found is not None
        files = ({**manifest["files"], "report.html": ""} for manifest in (found, expected))
        assert next(files) == next(files), name
    # the page says when and for how long its stages ran, in elements <time>; all else is the same
    pages = [(folder / "report" / "report.html").read_text("utf-8") for folder in (finished, runs / "miniature")]
    first, second = (re.sub(r"<time.*?</time>", "", page) for page in pages)
    assert "<time" in pages[0]
    assert first == second


def test_a_model_is_read_without_a_corpus(study_file: Path) -> None:
    stages = '["lexicon", "benchmark", "trace", "behaviour", "report"]'
    study = load_study(study_file, overrides=[f"study.stages={stages}", "study.name=alone"])
    folder = run_study(study, study_file.parent / "runs", say=lambda line: None)
    rows = read_table(folder / "behaviour" / "trace_summary.parquet").to_pylist()
    known = {row["quantity"] for row in rows if row["value"] is not None}
    assert {"mass_target", "entropy"} <= known
    assert not {"mass_pivot", "pivot_ratio"} & known
    labels = read_table(folder / "behaviour" / "behaviour.parquet").to_pylist()
    assert {row["rule"] for row in labels} == {"paper"}


def test_an_interrupted_run_says_how_to_go_on(study_file: Path) -> None:
    runs = study_file.parent / "interrupted"
    command = [sys.executable, "-m", "semantic_pivots", "run", str(study_file), "--runs", str(runs)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    while child.poll() is None and not (runs / "miniature" / ".corpus.partial").exists():
        time.sleep(0.005)
    time.sleep(0.3)
    os.killpg(child.pid, signal.SIGINT)  # as a terminal does: to the workers too
    _, said = child.communicate(timeout=300)  # a busy machine is no failure
    assert child.returncode == 130, said.decode()
    assert said.decode().splitlines()[-1].startswith("interrupted: `pivots run"), said.decode()
    assert "Traceback" not in said.decode()
    states = state(load_study(study_file), runs / "miniature")
    assert states["lexicon"] == "done"  # the corpus comes next, and was interrupted
    assert states["report"] == "waiting"


def test_labels_and_their_figures_need_no_scores(study_file: Path, finished: Path, tmp_path: Path) -> None:
    """Without the stage `score` labels are the same, and so are figures but those of scores."""
    config = load_study(study_file).config.behaviour
    stages = ("lexicon", "benchmark", "count", "discover", "trace", "causal")
    tables = behaviour_stage(config, Inputs({stage: finished / stage for stage in stages}), Work(tmp_path, tmp_path))
    whole = {name: polars.read_parquet(finished / f"behaviour/{name}.parquet") for name in ("behaviour", "attribution")}
    assert "causal" in whole["behaviour"]["rule"].to_list()
    assert polars.DataFrame(tables["behaviour"]).equals(whole["behaviour"])
    figures = whole["attribution"]
    of_scores = (figures["rule"] == "none") & (figures["lens"] == "none")
    assert of_scores.any()
    assert polars.DataFrame(tables["attribution"]).equals(figures.filter(~of_scores))
