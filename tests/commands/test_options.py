"""One grammar: every key of every section, its option, its help, its default and its check."""

from typing import Any

import pytest
import typer

from semantic_pivots import grammar
from semantic_pivots.cli import app, command
from semantic_pivots.commands.options import flags
from semantic_pivots.commands.steps import check_model
from semantic_pivots.errors import InputError
from semantic_pivots.study import load_study
from tests import miniature
from tests.commands.invoke import invoke
from tests.models import tiny

KEYS = [key for section in grammar.sections() for key in grammar.keys(section).values()]


def commands(command: Any, name: str = "pivots"):
    for child, below in getattr(command, "commands", {}).items():
        yield from commands(below, f"{name} {child}")
    yield name, command


COMMANDS = dict(commands(typer.main.get_command(app)))
CONFIGURED = {name: command for name, command in COMMANDS.items() if hasattr(command.callback, "keys")}


def test_the_commands_of_the_corpus_and_the_models_are_made_of_sections():
    made = "score train count discover graph select".split()
    assert {f"pivots {name}" for name in made} <= CONFIGURED.keys()
    assert {"pivots corpus make", "pivots corpus tokens", "pivots benchmark build"} <= CONFIGURED.keys()


@pytest.mark.parametrize("name", sorted(CONFIGURED))
def test_an_option_is_its_key(name: str):
    """Help, default and names of each option are those of the key, whatever the command."""
    command = CONFIGURED[name]
    keys = command.callback.keys
    options = {param.name: param for param in command.params}
    for parameter, key in keys.items():
        option = options[parameter]
        assert tuple(option.opts) == flags(key)
        assert key.help
        assert option.help.startswith(key.help)
        if not key.several:
            assert option.default == key.default


@pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key.section}.{key.name}")
def test_every_key_has_a_manual_a_default_that_fits_and_an_option(key: grammar.Key, tmp_path):
    assert key.help or key.name in ("languages", "seed", "model", "dtype", "cache", "name")
    assert key.convert(key.default, key.name) == key.default
    study = tmp_path / "study.toml"
    study.write_text("")
    value = grammar.text(key.default)
    told = load_study(study, overrides=[f"{key.section}.{key.name}={value}"])
    assert getattr(getattr(told.config, key.section), key.name) == key.default


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[compare]\nvariant = 'papr'", "'papr' is not known; .*did you mean 'paper'"),
        ("[behaviour]\nrules = ['casual']", "did you mean 'causal'"),
        ("[train]\nlearning_rate = 0.0", "expected a number above 0"),
        ("[score]\nshots = -1", "expected a whole number of at least 0"),
        ("[discover]\nleast_share = 1.5", "of at least 0 and of at most 1"),
        ("[trace]\nlenses = ['logits']", "did you mean 'logit'"),
        ("[select]\nselections = ['pivot-reich']", "did you mean 'pivot-rich'"),
    ],
)
def test_a_study_is_refused_when_it_is_read(tmp_path, text: str, says: str):
    study = tmp_path / "study.toml"
    study.write_text(text)
    with pytest.raises(InputError, match=says):
        load_study(study)


def test_what_a_command_writes_is_out_and_may_stand_last_without_the_name(tmp_path):
    commands, writers = [command()], []
    for parent in commands:
        commands += getattr(parent, "commands", {}).values()
        writers += [parent for p in parent.params if p.name == "out" and p.param_type_name == "option"]
        assert parent.name == "merge" or all(p.name != "out" or "--out" in p.opts for p in parent.params)
    assert len(writers) >= 14
    invoke("benchmark", "build", tmp_path / "a.jsonl", languages="en,fr", items=3)
    invoke("benchmark", "build", out=tmp_path / "b.jsonl", languages="en,fr", items=3)
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


def test_an_unknown_language_is_told_by_its_option(tmp_path):
    with pytest.raises(InputError, match=r"^--languages: unknown language 'jp'.*did you mean 'ja'"):
        invoke("benchmark", "build", tmp_path / "items.jsonl", languages="en,jp")
    with pytest.raises(InputError, match=r"^--languages"):
        invoke("score", "nobody/nothing", tmp_path / "out", languages="en,jp")
    assert not (tmp_path / "out").exists()


def test_a_model_whose_tokenizer_did_not_make_the_tokens_is_refused(tmp_path):
    miniature.write(tmp_path)
    model = str(tmp_path / "model")
    for name, file in (("own", tmp_path / "model" / "tokenizer.json"), ("other", tmp_path / "other.json")):
        if name == "other":
            tiny.tokenizer("byte-level").backend_tokenizer.save(str(file))
        (tmp_path / name).mkdir()
        (tmp_path / name / "tokenizer.json").write_bytes(file.read_bytes())
    check_model(tmp_path / "own", "own", model)
    with pytest.raises(InputError, match="its tokenizer is not the one that made --tokens other"):
        check_model(tmp_path / "other", "other", model)


def test_documents_that_are_not_named_are_asked_for_by_options(tmp_path):
    with pytest.raises(InputError, match=r"--recipe '': expected one of .*, or a file or folder as --path$"):
        invoke("corpus", "make", tmp_path / "corpus")
