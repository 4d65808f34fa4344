"""A new stage is one module and one line: a copy of the package gets both, and the stage is there behind every door."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import semantic_pivots
from semantic_pivots.files import read_table

PACKAGE = Path(semantic_pivots.__file__).parent
LINE = '    "lexicon.toy_stage",\n'
TOY = '''"""The stage `toy`: the long words of the study."""

from dataclasses import dataclass

from semantic_pivots.config import Number, Rule, Stage
from semantic_pivots.panel import Line, Numbers, Panel, StageView


@dataclass(frozen=True)
class ToyConfig:
    """The long words of the lexicon."""

    letters: Number = 3
    """least number of letters of a long word"""


def toy_stage(config, inputs, work):
    from semantic_pivots.tables import from_rows

    words = sorted(inputs.table("words")["word"].to_pylist())
    rows = [{"word": word, "letters": len(word)} for word in words if len(word) >= config.letters]
    return {"long_words": from_rows("long_words", rows)}


def _panels(tables, languages):
    rows = tuple((row["word"], row["letters"]) for row in tables["long_words"].to_pylist())
    return [Panel("Long words", "Words of many letters.", Numbers(("word", "letters"), rows))]


VIEW = StageView(95, "Toy", "How long the words are.", ("long_words",), _panels,
                 lambda tables: [Line("toy", "long words", str(tables["long_words"].num_rows))])
STAGE = Stage("toy", ToyConfig, "lexicon.toy_stage:toy_stage", after=("lexicon",), says="long words",
              view="lexicon.toy_stage:VIEW", tables={"long_words": "word letters:int32"},
              rules=(Rule(("letters",), lambda c: c.letters != 13, "expected a number that brings luck"),))
'''
SCRIPT = """import json
from pathlib import Path

import typer
from typer.testing import CliRunner

from semantic_pivots import grammar
from semantic_pivots.commands.keys import manual
from semantic_pivots.commands.options import with_sections
from semantic_pivots.lexicon.toy_stage import ToyConfig
from semantic_pivots.report.summary import lines, read_tables
from semantic_pivots.study import load_study, run_study

app = typer.Typer()


@app.command()
@with_sections()
def command(toy: ToyConfig) -> None:
    pass


print(json.dumps({
    "manual": list(manual("toy")),
    "help": CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output,
    "folder": str(run_study(load_study("study.toml"), "runs", say=lambda line: None)),
    "again": (said := [], run_study(load_study("study.toml"), "runs", say=said.append))[0],
    "lines": [(line.stage, line.figure, line.value) for line in lines(read_tables(Path("runs/study")))],
    "contradictions": list(grammar.contradictions(ToyConfig(letters=13))),
}))
"""


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What a study with the toy stage gives, and `path`, the folder that it ran in."""
    folder = tmp_path_factory.mktemp("toy")
    copy = folder / "semantic_pivots"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("data", "__pycache__"))
    (copy / "data").symlink_to(PACKAGE / "data")
    (copy / "lexicon" / "toy_stage.py").write_text(TOY)
    registry, place = (copy / "stages.py").read_text(), '    "report.report_stage",\n'
    assert registry.count(place) == 1
    (copy / "stages.py").write_text(registry.replace(place, LINE + place))
    (folder / "words.tsv").write_text("concept_id\tpos\ten\tfr\ndog\tnoun\tdog\tchien\ncat\tnoun\tcat\tchat\n")
    (folder / "study.toml").write_text(
        '[study]\nlanguages = ["en", "fr"]\nstages = ["lexicon", "toy", "report"]\n'
        '[lexicon]\nsource = "words.tsv"\n[toy]\nletters = 4\n'
    )
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    ended = subprocess.run([sys.executable, "-c", SCRIPT], cwd=folder, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return {**json.loads(ended.stdout), "path": folder}


def test_it_runs_in_a_study_and_publishes_its_table(toy):
    table = read_table(toy["path"] / toy["folder"] / "toy" / "long_words.parquet")
    assert table.to_pylist() == [{"word": "chat", "letters": 4}, {"word": "chien", "letters": 5}]
    assert str(table.schema.field("letters").type) == "int32"
    assert [line.partition(":")[0] for line in toy["again"]] == ["nothing to do"]


def test_its_section_is_a_page_of_the_manual_and_options_with_their_help(toy):
    assert toy["manual"][:2] == ["# The long words of the lexicon.", "[toy]"]
    assert toy["manual"][2:4] == ["# least number of letters of a long word", "letters = 3"]
    (option,) = (line for line in toy["help"].splitlines() if "--letters" in line)
    assert "least number of letters of a long word" in option
    assert toy["contradictions"] == ["[toy] letters = 13: expected a number that brings luck"]


def test_the_report_has_its_panel_and_the_summary_its_line(toy):
    page = (toy["path"] / toy["folder"] / "report" / "report.html").read_text("utf-8")
    assert "How long the words are." in page
    numbers = toy["path"] / toy["folder"] / "report" / "numbers" / "toy-1.csv"
    assert numbers.read_text("utf-8").splitlines() == ["word,letters", "chat,4", "chien,5"]
    assert ["toy", "long words", "2"] in toy["lines"]


def test_reading_a_study_imports_no_library_that_is_slow():
    slow = ("torch", "pyarrow", "polars", "numba", "plotly", "numpy")
    code = f"import sys, semantic_pivots.stages; print([name for name in {slow} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
