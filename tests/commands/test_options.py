"""One grammar: every key of every section, its option, its help, its default and its check."""

import inspect
import re
from typing import Any, Literal, get_args, get_origin

import pytest
import typer
from typer.testing import CliRunner

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
        ("[study]\nname = 'x y/../z'", "'x y/../z' is not known; expected a name of one folder, without slashes"),
        ("[study]\nname = '..'", "expected a name of one folder"),
        ("[compare]\nvariant = 'papr'", "'papr' is not known; .*did you mean 'paper'"),
        ("[behaviour]\nrules = ['casual']", "did you mean 'causal'"),
        ("[train]\nschedule = 'cosin'", "did you mean 'cosine'"),
        ("[corpus]\ncolumns = ['txt=body']", "'txt=body' is not known; expected ROLE=COLUMN"),
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


def test_a_profile_is_part_of_a_folder_s_name(tmp_path):
    study = tmp_path / "study.toml"
    study.write_text("[profile.'../z'.score]\ndraws = 3")
    with pytest.raises(InputError, match=r"profile: '../z' is not known; expected a name of one folder"):
        load_study(study, "../z")


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
    for place in ("c", "d"):  # a value of the same text before and behind it
        same = ["--cache", str(tmp_path / f"{place}.jsonl")]
        words = [str(tmp_path / f"{place}.jsonl"), "--languages", "en,fr", "--items", "3"]
        invoke("benchmark", "build", *(words + same if place == "c" else same + words))
        assert (tmp_path / f"{place}.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


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


CHOICES = ("layout", "kind")
"""Options of a text that is one of a few, which their commands check themselves."""


def options_with_a_bad_value():
    """Each option of a number, a choice, a form or languages, with a value that it cannot have."""
    for name, of_shell in sorted(COMMANDS.items()):
        if hasattr(of_shell, "commands") or name == "pivots":
            continue
        keys = getattr(of_shell.callback, "keys", {})
        kinds = {p.name: get_args(p.annotation)[:1] or (p.annotation,) for p in signature(of_shell).values()}
        for option in of_shell.params:
            key, (kind,) = keys.get(option.name), kinds.get(option.name, (None,))
            if option.param_type_name == "argument" or (key and key.name == "seed") or option.name == "seed":
                continue
            if kind in (int, float):
                yield name, option.name, "-1"
            elif (
                get_origin(kind) is Literal or (key and (key.choices or key.rules)) or option.name in ("layout", "kind")
            ):
                yield name, option.name, "nonsense"
            elif option.name in ("languages", "key_languages", "key_dsir_languages"):
                yield name, option.name, "en,jp"


def signature(of_shell: Any) -> Any:
    return inspect.signature(of_shell.callback, eval_str=True).parameters


@pytest.mark.parametrize(("name", "parameter", "value"), [*options_with_a_bad_value()])
def test_a_bad_value_is_told_by_its_option(name: str, parameter: str, value: str, tmp_path, monkeypatch):
    """In the option's words, before anything is read or written: the other arguments name nothing that there is."""
    monkeypatch.chdir(tmp_path)
    words, (option,) = name.split()[1:], [p for p in COMMANDS[name].params if p.name == parameter]
    places = {"source_language": "en", "target_language": "fr", "task": "cloze", "runs": "a"}
    for other in COMMANDS[name].params:
        if other.param_type_name == "argument":
            words.append(places.get(other.name, "nowhere"))
        elif other.required and other is not option:
            words += [other.opts[0], "3" if other.name == "tokens" else "nowhere.jsonl"]
    done = CliRunner().invoke(app, [*words, option.opts[0], value])
    told = str(done.exception) if isinstance(done.exception, InputError) else done.output
    assert done.exit_code
    assert isinstance(done.exception, (InputError, SystemExit)), done.exception
    assert option.opts[0] in told
    assert not re.search(r"\[[a-z]+\] [a-z]", told)
    assert not isinstance(done.exception, InputError) or "\n" not in told
    assert list(tmp_path.iterdir()) == []


def test_the_walk_meets_every_command_with_numbers_or_choices():
    walk = list(options_with_a_bad_value())
    assert len(walk) > 150
    assert {name for name, _, _ in walk} >= CONFIGURED.keys() | {"pivots null", "pivots compare", "pivots status"}


READERS = [name for name, of_shell in COMMANDS.items() if any(p.name == "corpus" for p in of_shell.params)]


@pytest.mark.parametrize("name", sorted(READERS))
def test_a_command_that_reads_documents_of_any_format_takes_their_columns_and_bad_lines(name: str):
    """A walk over keys misses an option that only some of the commands lack that do what the key says."""
    corpus = signature(COMMANDS[name])["corpus"].annotation
    names = {names for option in COMMANDS[name].params for names in option.opts}
    if get_args(corpus)[0] is str:  # a folder of `pivots corpus make` is a Path, and has its columns
        assert "--max-bad-share" in names
        assert names & {"--columns", "--corpus-columns"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("tasks show file", 'TASK file, --task-path "": the task needs --task-path, its file or folder'),
        ("tasks show translation --distractors 0", "TASK translation, --distractors 0: a translation needs"),
        ("tasks show translation --languages en,en", "--languages: expected at least two different languages"),
        ("tasks list --languages en", "--languages: expected at least two different languages, found en"),
        ("benchmark build b.jsonl --languages en,en", "--languages: expected at least two different languages"),
        ("export lm-eval e --languages en,en", "--languages: expected at least two different languages"),
        ("score m e --languages en,en", "--languages: expected at least two different languages"),
        ("graph --corpus a --out g --languages en,en", "--languages: expected at least two different languages"),
        ("corpus report a --languages en,en", "--languages: expected each language once, found en, en"),
        ("explain m en dog en", "direction: expected at least two different languages, found en, en"),
        ("explain m en dog fr --lens ,", "--lens names no lens"),
        ("benchmark build b.jsonl --writer llm", "--base-url '': expected an address"),
        ("discover --corpus a --pairs p --out d --form paper --measure pmi", "--form paper, --unit token, --measure"),
        ("select --corpus a --pivots p --out s --quota en=0.5", "--quota en=0.5: expected shares that sum to 1"),
        ("count --out c --words {words} --unit window", "--provider local, --unit window, --window 0: expected"),
        ("corpus make c --path {text} --languages en,zh", "set --allow-missing-languages"),
    ],
)  # fmt: skip
def test_values_that_contradict_are_told_by_their_options(tmp_path, words: str, says: str):
    (tmp_path / "text.txt").write_text("a dog\n")
    (tmp_path / "words.tsv").write_text("word\tlanguage\ndog\ten\n")
    words = words.format(text=tmp_path / "text.txt", words=tmp_path / "words.tsv")
    with pytest.raises(InputError, match=re.escape(says)) as refusal:
        invoke(*(tmp_path / word if word in "abcdegs" else word for word in words.split()))
    assert not re.search(r"\[[a-z]+\] [a-z]|\b[a-z]+_[a-z_]+ =", str(refusal.value))
