import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer
from click.testing import CliRunner

from semantic_pivots import cli
from tests import miniature

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "studies" / "demo.toml"


def pivots(*arguments: object, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "semantic_pivots.cli", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **environment}
    )


@pytest.mark.parametrize("arguments", [(), ("run",), ("status",), ("doctor",), ("keys",), ("corpus", "make")])
def test_help_says_what_a_command_does(arguments):
    ended = pivots(*arguments, "--help")
    assert ended.returncode == 0
    assert "Usage:" in ended.stdout


def test_the_corpus_commands_start_without_torch():
    code = "import sys, semantic_pivots.cli; sys.exit(any(m in sys.modules for m in ('torch', 'pyarrow', 'numba')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("benchmark", "build", "a/items.parquet"),
        ("corpus", "make", "a/corpus", "--path", "corpus.txt"),
        ("explain", "no-model", "en", "dog", "fr", "--out", "a/page"),  # before the model is looked for
    ],
)
def test_a_place_that_cannot_be_written_to_is_one_line(arguments, tmp_path):
    (tmp_path / "a").write_text("a file, not a folder")
    (tmp_path / "corpus.txt").write_text("text")
    ended = pivots(*(tmp_path / a if "." in a or "/" in a else a for a in arguments))
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith(f"error: {tmp_path}/a")
    assert f"{tmp_path}/a: a file, where a folder is needed" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("name", ["planted", "natural"])
def test_a_study_without_the_stage_of_a_command_is_refused(name, tmp_path):
    ended = pivots(name, DEMO, "--runs", tmp_path)
    assert (ended.returncode, ended.stderr.split(": expected")[0]) == (2, f"error: unknown stage '{name}'")
    assert not [*tmp_path.glob("*/*/manifest.json")]


def test_status_tells_every_stage(tmp_path):
    ended = pivots("status", DEMO, "--runs", tmp_path)
    assert ended.returncode == 0
    lines = ended.stdout.splitlines()
    assert [line.split()[1] for line in lines[:3]] == ["missing", "missing", "waiting"]  # lexicon, corpus, benchmark
    assert lines[-1].startswith("report")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    miniature.write(folder)
    return folder


def wrong(small: Path, name: str, *changes: tuple[str, str], only: str = "") -> str:
    """Run the miniature study with changed lines; the one line it must end with."""
    text = (small / "miniature.toml").read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    study = small / f"{name}.toml"
    study.write_text(text.replace('name = "miniature"', f'name = "{name}"'), "utf-8")
    for stage in [*(["lexicon", "benchmark"] if only not in ("lexicon", "corpus") else []), only]:
        ended = pivots("run", study, "--runs", small / "runs", "--only", stage, HF_HUB_OFFLINE="1")
        if ended.returncode:
            break
    assert ended.returncode == 2, ended.stdout + ended.stderr
    errors = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "Traceback" not in ended.stderr
    assert not (small / "runs" / name / stage / "manifest.json").exists()
    assert not list((small / "runs" / name).rglob("*.tmp"))
    return errors[0]


def test_a_missing_lexicon(small):
    assert "nowhere.tsv" in wrong(small, "lexicon", ("words.tsv", "nowhere.tsv"), only="lexicon")


def test_a_benchmark_without_items(small):
    (small / "two.tsv").write_text("concept_id\tpos\ten\tfr\ndog\tnoun\tdog\tchien\ncat\tnoun\tcat\tchat\n", "utf-8")
    assert "distractors" in wrong(small, "items", ("words.tsv", "two.tsv"), only="benchmark")


def test_no_such_model(small):
    line = wrong(small, "nomodel", (f'model = "{small}/model"', 'model = "nobody/nothing"'), only="score")
    assert "nobody/nothing" in line


def test_a_model_that_is_no_causal_language_model(small):
    import transformers

    config = transformers.T5Config(vocab_size=300, d_model=16, d_ff=16, num_layers=1, num_heads=2, d_kv=8)
    transformers.T5ForConditionalGeneration(config).save_pretrained(small / "t5")
    line = wrong(small, "encdec", (f'model = "{small}/model"', f'model = "{small}/t5"'), only="score")
    assert "t5" in line


def test_a_missing_corpus(small):
    assert "nowhere.jsonl" in wrong(small, "missing", ("documents.jsonl", "nowhere.jsonl"), only="corpus")


def test_an_empty_corpus(small):
    (small / "empty.jsonl").write_text("")
    assert "empty" in wrong(small, "empty", ("documents.jsonl", "empty.jsonl"), only="corpus")


def test_a_truncated_archive(small):
    import zstandard

    packed = zstandard.compress((small / "documents.jsonl").read_bytes() * 20)
    (small / "cut.jsonl.zst").write_bytes(packed[: len(packed) // 2])
    assert "cut.jsonl.zst" in wrong(small, "cut", ("documents.jsonl", "cut.jsonl.zst"), only="corpus")


def test_many_bad_lines(small):
    good = (small / "documents.jsonl").read_bytes().splitlines()[:50]
    (small / "bad.jsonl").write_bytes(b"\n".join([*good, b'{"text": "\xff"}', b"{not json", *good]))
    line = wrong(small, "bad", ("documents.jsonl", "bad.jsonl"), only="corpus")
    assert "bad.jsonl" in line
    assert "line" in line


@pytest.mark.parametrize("further", [(), ("--dry-run",)])
def test_an_unknown_stage(small, further):
    ended = pivots("run", small / "miniature.toml", "--runs", small / "runs", "--only", "scoer", *further)
    assert ended.returncode == 2
    assert "did you mean 'score'" in ended.stderr


def test_a_stage_without_its_inputs(small):
    ended = pivots("run", small / "miniature.toml", "--runs", small / "nothing", "--only", "behaviour")
    assert ended.returncode == 2
    assert "needs benchmark" in ended.stderr


def test_doctor_says_one_line_for_each_check(small):
    ended = pivots("doctor", "--model", small / "model")
    assert [line.split()[1] for line in ended.stdout.splitlines()][:3] == ["python", "torch", "memory"]
    assert "lens of the last of 3 layers equals its logits" in ended.stdout
    missing = pivots("doctor", "--model", "nobody/nothing", HF_HUB_OFFLINE="1")
    assert missing.returncode == 1
    assert missing.stdout.splitlines()[-1].startswith("FAIL lens")


def test_doctor_checks_what_a_study_needs(tmp_path):
    study = tmp_path / "study.toml"
    study.write_text('[study]\nstages = ["lexicon", "benchmark"]\nlanguages = ["en", "fr"]\n')
    ended = pivots("doctor", study)
    assert [line.split()[1] for line in ended.stdout.splitlines()] == ["python", "study", "memory", "disk"]
    assert ended.returncode == 0
    study.write_text('[study]\nlanguages = ["en", "sw"]\nstages = ["lexicon", "corpus"]\n[corpus]\npath = "nowhere"\n')
    ended = pivots("doctor", study, "--format", "json")
    found = {row["check"]: row for row in json.loads(ended.stdout)}
    assert ended.returncode == 1
    assert "no words in sw" in found["study"]["advice"]
    assert "'nowhere': no such file" in found["study"]["advice"]


INTERRUPTED_IMPORT = """
import signal, sys

class Interruption:
    def find_spec(self, name, *rest):
        if name == "semantic_pivots.errors":
            signal.raise_signal(signal.SIGINT)

from semantic_pivots.__main__ import main

assert "semantic_pivots.errors" not in sys.modules
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
sys.meta_path.insert(0, Interruption())
sys.argv = ["pivots", "keys"]
main()
"""


def test_an_interruption_is_one_line_even_of_the_imports():
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED_IMPORT], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (130, "")
    assert ended.stderr.splitlines() == ["interrupted: `pivots keys` goes on from what is done"]


def test_help_shows_every_help_text_whole():
    """Square brackets are markup to the library that prints the help; text in them would vanish."""

    def walk(command: click.Command, path: list[str]):
        yield path, command
        for name, child in getattr(command, "commands", {}).items():
            yield from walk(child, [*path, name])

    root = cli.command()
    for path, command in walk(typer.main.get_command(cli.app), []):
        asked = [p for p in command.params if "[" in (getattr(p, "help", None) or "")]
        shown = CliRunner().invoke(root, [*path, "--help"], env={"COLUMNS": "300"}).output if asked else ""
        shown = "".join(shown.replace("│", "").split())
        for parameter in asked:
            assert "".join(parameter.help.split()) in shown, (path, parameter.name)


def test_the_version_is_told_and_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "semantic_pivots", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()[0]) == (0, "semantic-pivots")
