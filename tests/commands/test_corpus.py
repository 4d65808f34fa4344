"""`pivots corpus` from a folder of files to files for training."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from semantic_pivots.commands.corpus import app
from semantic_pivots.errors import InputError
from tests.models import tiny


def test_files_to_shards_to_tokens_to_training_files(tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.txt").write_text("the sun and the moon", "utf-8")
    (tmp_path / "texts/b.txt").write_text("le soleil et la lune", "utf-8")
    tiny.tokenizer("byte-level").save_pretrained(tmp_path / "model")
    (tmp_path / "model/config.json").write_text('{"model_type": "gpt2"}')
    folders = {name: str(tmp_path / name) for name in ("texts", "corpus", "model", "tokens", "out")}

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    made = run("make", folders["corpus"], "--path", folders["texts"], "--workers", "1")
    assert "2 documents, 0.0 MB of text" in made
    assert "tokens (gigatoken" in run("tokens", folders["corpus"], folders["tokens"], "--model", folders["model"])
    options = ("--layout", "olmo", "--tokens", folders["tokens"], "--end-token", "</s>")
    assert "1 shards, layout olmo" in run("export", folders["corpus"], folders["out"], *options)
    flat = np.fromfile(tmp_path / "out/files-00000-000.npy", np.uint16)
    text = tiny.tokenizer("byte-level").decode(flat)
    assert text == "the sun and the moon</s>le soleil et la lune</s>"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--recipe", "debian-demo"), "are both given"),
        (("--max-bad-share", "-1"), "--max-bad-share: -1 is out of range"),
        (("--workers", "-3"), "--workers: -3 is out of range"),
        (("--columns", "id=key"), r"x.jsonl: no column 'key' for the id"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, options, says):
    (tmp_path / "x.jsonl").write_text('{"text": "a"}\n{"text": "b", "n": 1}\n', "utf-8")
    asked = ["make", str(tmp_path / "out"), "--path", str(tmp_path / "x.jsonl"), "--workers", "1", *options]
    with pytest.raises(InputError, match=says):
        CliRunner().invoke(app, asked, catch_exceptions=False)
