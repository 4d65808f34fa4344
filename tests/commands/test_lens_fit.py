"""`pivots lens fit`: lenses that a trace can read, and wrong input in one line."""

import json

import pytest
from typer.testing import CliRunner

from semantic_pivots.cli import app
from semantic_pivots.errors import InputError
from semantic_pivots.models.lens import load_lens
from semantic_pivots.models.readouts import readouts
from tests import miniature


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("lens")
    miniature.write(made)
    rows = [{"id": str(k), "text": " ".join(2 * miniature.FILLER[k % 7 :])} for k in range(40)]
    (made / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return made


def fit(folder, *options):
    arguments = [str(folder / "model"), str(folder / "texts.jsonl"), str(folder / "out"), *options]
    return CliRunner().invoke(app, ["lens", "fit", *arguments])


def test_a_tuned_lens_is_read_by_its_folder(folder):
    done = fit(folder, "--rows", "16", "--steps", "2")
    assert done.exit_code == 0, done.output
    loaded, lens = load_lens(str(folder / "model"))
    (way,) = readouts(lens, loaded.tokenizer, [f"tuned:{folder / 'out'}"])
    assert len(way.weights) == lens.layers - 1
    facts = json.loads((folder / "out/lens.json").read_text("utf-8"))
    assert all(row["kept"] <= row["logit"] for row in facts["held_out_kl_nats"])
    assert len(done.output.splitlines()) >= lens.layers - 1


def test_most_lines_without_text_are_refused(folder, tmp_path):
    texts = (folder / "texts.jsonl").read_text("utf-8")
    (tmp_path / "texts.jsonl").write_text(texts + '{"body": "dog"}\n' * 4, "utf-8")
    arguments = [str(folder / "model"), str(tmp_path / "texts.jsonl"), str(tmp_path / "out"), "--rows", "16"]
    error = CliRunner().invoke(app, ["lens", "fit", *arguments, "--steps", "0"]).exception
    assert isinstance(error, InputError)
    assert "4 of 44 lines cannot be read" in str(error)
    done = CliRunner().invoke(app, ["lens", "fit", *arguments, "--steps", "0", "--max-bad-share", "0.1"])
    assert done.exit_code == 0, done.output


def test_a_jacobian_lens_is_read_by_its_folder_and_stands_beside_its_controls(folder):
    done = fit(folder, "--kind", "jacobian", "--prompts", "3", "--rows", "8", "--length", "24")
    assert done.exit_code == 0, done.output
    loaded, lens = load_lens(str(folder / "model"))
    (way,) = readouts(lens, loaded.tokenizer, [f"jacobian:{folder / 'out'}"])
    assert sorted(way.maps) == list(range(lens.layers - 1))
    facts = json.loads((folder / "out/lens.json").read_text("utf-8"))
    assert (facts["kind"], facts["prompts"], facts["skipped"]) == ("jacobian", 3, 16)
    assert set(facts["held_out_kl_nats"][0]) == {"layer", "logit", "identity", "kept", "null", "identity_share"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--rows", "4"], "--rows 4: expected at least 8"),
        (["--rows", "400"], "give more documents"),
        (["--length", "4096"], "lower --length"),
        (["--length", "1"], "--length 1: expected at least 2"),
        (["--kind", "jacobian", "--length", "17"], "--length 17: expected at least 18"),
        (["--blocks", "model.nothing"], "'model.nothing' is no list of modules"),
        (["--kind", "turned"], "did you mean 'tuned'"),
        (["--kind", "jacobian", "--prompts", "50"], "give longer documents"),
    ],
)
def test_wrong_input_is_told(folder, options, says):
    error = fit(folder, *options).exception
    assert isinstance(error, InputError)
    assert says in str(error)


def test_a_place_that_is_a_file_is_told_before_anything_is_read(tmp_path):
    (tmp_path / "out").write_text("a file")
    done = CliRunner().invoke(app, ["lens", "fit", "nobody/nothing", "nowhere", str(tmp_path / "out")])
    assert isinstance(done.exception, FileExistsError)  # one line of the command `pivots`
