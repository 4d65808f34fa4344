import dataclasses
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semantic_pivots import grammar
from semantic_pivots.commands.keys import manual
from semantic_pivots.config import Range, key_fields
from semantic_pivots.errors import InputError
from semantic_pivots.grammar import StudyConfig
from semantic_pivots.stages import STAGES
from semantic_pivots.study import load_study, stage_key

ROOT = Path(__file__).parents[1]
KINDS = {field.name: field.default_factory for field in dataclasses.fields(StudyConfig)}
KEYS = [(section, field) for section, kind in KINDS.items() for field in dataclasses.fields(kind)]
VALUES = {
    int: st.integers(1, 10**6),
    float: st.floats(0.001, 1, allow_nan=False),
    bool: st.booleans(),
    str: st.text(alphabet="abcxyz", min_size=1, max_size=8),
}


def study(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("path", sorted(ROOT.glob("studies/*.toml")), ids=lambda path: path.stem)
def test_every_study_that_ships_loads_with_every_profile(path):
    profiles = tomllib.loads(path.read_text("utf-8")).get("profile", {})
    for profile in ["", *profiles]:
        assert load_study(path, profile).name


def test_the_manual_is_a_study_of_defaults(tmp_path):
    lines = list(manual())
    assert sum(line.startswith("#") for line in lines) > len(KINDS)
    loaded = load_study(study(tmp_path, "\n".join(lines)))
    assert loaded.config == StudyConfig()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(data=st.data())
def test_a_key_arrives_as_it_was_given_and_decides_the_stage_unless_volatile(tmp_path, data):
    single = [pair for pair in KEYS if not grammar.keys(pair[0])[pair[1].name].several]
    section, field = data.draw(st.sampled_from(single))
    key = grammar.keys(section)[field.name]
    value = data.draw(st.sampled_from(key.choices) if key.choices else _values(key))
    text = f"[{section}]\n{field.name} = " + (str(value).lower() if isinstance(value, bool) else repr(value))
    config = getattr(load_study(study(tmp_path, text)).config, section)
    assert getattr(config, field.name) == value
    default = KINDS[section]()
    changed = value != getattr(default, field.name) and not field.metadata.get("volatile")
    if field.name != "name":  # the name follows the file
        assert (key_fields(config) != key_fields(dataclasses.replace(default, **_named(default)))) is changed


def test_documents_at_an_address_that_have_changed_change_the_stage(tmp_path):
    import fsspec

    loaded = load_study(study(tmp_path, "[corpus]\nrecipe = ''\npath = 'memory://study'"))
    keys = []
    for size in (1, 1, 2):
        with fsspec.open("memory://study/a.jsonl", "wb") as stream:
            stream.write(b" " * size)  # type: ignore[union-attr]
        keys.append(stage_key(loaded, loaded.stages["corpus"], tmp_path))
    assert keys[0] == keys[1] != keys[2]


def _values(key: grammar.Key) -> st.SearchStrategy:
    """Values of a key's type, within its range."""
    for rule in key.rules:
        if isinstance(rule, Range) and key.kind is int:
            return st.integers(max(1, int(rule.low)), int(min(10**6, rule.high)))
        if isinstance(rule, Range):
            return VALUES[key.kind].filter(lambda value, rule=rule: value in rule)
    return VALUES[key.kind]


def _named(config) -> dict:
    return {"name": "study"} if any(field.name == "name" for field in dataclasses.fields(config)) else {}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(data=st.data())
def test_a_misspelt_key_is_refused_with_the_nearest(tmp_path, data):
    section, field = data.draw(st.sampled_from([pair for pair in KEYS if len(pair[1].name) > 4]))
    at = data.draw(st.integers(0, len(field.name) - 1))
    wrong = field.name[:at] + field.name[at + 1 :]
    if wrong in {f.name for f in dataclasses.fields(KINDS[section])}:
        return
    with pytest.raises(InputError, match=f"{section}.*{wrong}: unknown key; did you mean"):
        load_study(study(tmp_path, f"[{section}]\n{wrong} = 1"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[scoer]\nshots = 5", r"unknown section \[scoer\]; did you mean 'score'"),
        ("[score]\nshots = '5'", r"\[score\] shots: expected a whole number, found '5'"),
        ("[score]\nshots = true", "expected a whole number"),
        ("[study]\nlanguages = ['en', 'klingon']", "unknown language 'klingon'"),
        ("[study]\nlanguages = ['en']", "at least two different languages"),
        ("[study]\nlanguages = ['en', 'en']", "at least two different languages"),
        ("[corpus]\ncolumns = 'text=body'", "a list of strings"),
        ("shots = 5", "'shots' stands outside a section"),
        ("score = 5", "score must be a section"),
        ("[score", "not valid TOML"),
    ],
)
def test_a_wrong_study_is_one_clear_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        load_study(study(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_all_that_is_wrong_in_a_study_is_told_at_once(tmp_path):
    study = tmp_path / "study.toml"
    study.write_text('[study]\nlanguages = ["en", "jp"]\n[score]\nitmes = 3\n[train]\nlearning_rate = -1\n[trian]\n')
    with pytest.raises(InputError) as told:
        load_study(study)
    parts = ("unknown section", "did you mean 'ja'", "itmes: unknown key", "out of range")
    for part, line in zip(parts, str(told.value).splitlines(), strict=True):
        assert part in line


def test_sections_inherit_what_they_do_not_set(tmp_path):
    config = load_study(study(tmp_path, "[study]\nseed = 7\nmodel = 'm'\n[score]\nseed = 8")).config
    assert (config.trace.seed, config.score.seed) == (7, 8)
    assert (config.trace.model, config.tokens.model) == ("m", "m")


def test_a_profile_overrides_sections(tmp_path):
    path = study(tmp_path, "[score]\nshots = 5\ndraws = 3\n[profile.small.score]\nshots = 1")
    assert load_study(path).config.score.shots == 5
    small = load_study(path, "small")
    assert (small.config.score.shots, small.config.score.draws, small.name) == (1, 3, "study-small")
    with pytest.raises(InputError, match="no profile 'tiny'"):
        load_study(path, "tiny")


def test_a_stage_comes_after_what_it_reads():
    seen: set[str] = set()
    for name, stage in STAGES.items():
        assert set(stage.after) <= seen, name
        seen.add(name)
