"""The README's own lines are run: its Python, its study, its commands and its links."""

import dataclasses
import itertools
import re
import tomllib
from pathlib import Path

import pytest

from semantic_pivots import cli
from semantic_pivots.stages import DEFAULT
from semantic_pivots.study import load_study

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_python_example_prints_what_it_says(capsys):
    (example,) = blocks("python")
    assert len([line for line in example.splitlines() if line]) == 5
    exec(compile(example, "README.md", "exec"), {})
    chien, maison = map(float, re.findall(r"= (-?\d+\.\d+) nats", capsys.readouterr().out))
    assert maison < chien < 0


def test_the_section_on_installing_names_every_extra():
    section = README.partition("## Install\n")[2].partition("\n## ")[0]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert [name for name in extras if f"`{name}`" not in section and f"[{name}]" not in section] == []


def test_the_study_loads(tmp_path):
    (study,) = blocks("toml")
    (tmp_path / "olmo.toml").write_text(study, "utf-8")
    assert load_study(tmp_path / "olmo.toml").config.train.model == "allenai/OLMo-1B-hf"


def test_the_commands_exist():
    from typer.main import get_command

    named = set(re.findall(r"^pivots (\w+)", "\n".join(blocks("sh")), re.MULTILINE))
    named |= set(re.findall(r"`pivots (\w+)", README))
    assert named >= {"run", "status", "keys", "doctor"}
    assert named <= set(get_command(cli.app).commands)  # type: ignore[attr-defined]
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"make (\w+) ", README)) <= targets | {"test"}


def test_the_stage_table_is_the_pipeline():
    assert re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE) == list(DEFAULT)


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        *(f"docs/{path.name}" for path in sorted(ROOT.glob("docs/*.md"))),
    ],
)
def test_links_lead_to_files(page):
    text = (ROOT / page).read_text("utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert ((ROOT / page).parent / target).exists(), target


def test_the_architecture_names_what_there_is():
    package = ROOT / "src/semantic_pivots"
    text = "".join((ROOT / page).read_text("utf-8") for page in ("ARCHITECTURE.md", "CONTRIBUTING.md"))
    names = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    paths = {name for name in names if re.fullmatch(r"[\w/*]+(/|\.(py|md|toml))", name) and "NAME" not in name}
    assert len(paths) > 20
    for path in paths:
        assert [*package.glob(path), *ROOT.glob(path), *(ROOT / "src").glob(path)], path
    rooms = {path.parent.name for path in package.glob("*/__init__.py")}
    modules = {path.stem for path in package.glob("[a-z]*.py")}
    named = {part for name in names for part in re.findall(r"\w+", name)}
    assert not (rooms | modules) - named


def test_every_key_of_a_study_has_a_manual():
    from semantic_pivots.commands.keys import manual
    from semantic_pivots.grammar import StudyConfig

    bare = []
    for field in dataclasses.fields(StudyConfig):
        lines = list(manual(field.name))
        for before, line in itertools.pairwise(lines):
            if " = " in line and not line.startswith("#") and not before.startswith("#"):
                bare.append(f"[{field.name}] {line}")
    assert not bare
