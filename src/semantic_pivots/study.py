"""A study: one TOML file, checked strictly, run as a graph of stages.

A stage of `stages` runs when its key (its configuration, its inputs' content, its version) differs from that of its
published folder; nothing else decides.
"""

from __future__ import annotations

import dataclasses
import functools
import shutil
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semantic_pivots import costs, grammar
from semantic_pivots import run as runs
from semantic_pivots.config import Stage, key_fields
from semantic_pivots.errors import InputError, nearest
from semantic_pivots.files import Record, digest, fingerprint, stamps
from semantic_pivots.grammar import StudyConfig
from semantic_pivots.languages import check_languages
from semantic_pivots.stages import DEFAULT, STAGES, object_at
from semantic_pivots.tasks.benchmark_stage import BenchmarkConfig
from semantic_pivots.tasks.pattern import WORD_TRANSLATION

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Tables = dict[str, runs.Result]
StageFunction = Callable[[Any, runs.Inputs, runs.Work], Tables]
"""A section, what stages before published, and where to work; returns tables by name."""


@dataclass(frozen=True)
class Study:
    """A checked study file."""

    path: Path
    config: StudyConfig
    profile: str = ""

    @property
    def stages(self) -> dict[str, Stage]:
        """The stages in the order of the pipeline; inputs from stages that the study does not have are left out."""
        names = self.config.study.stages or DEFAULT
        by_corpus = {"benchmark"} if self.config.benchmark.min_documents and "corpus" in names else set()
        return {
            name: dataclasses.replace(
                stage,
                after=(*filter(names.__contains__, stage.after), *(("corpus",) if name in by_corpus else ())),
            )
            for name, stage in STAGES.items()
            if name in names
        }

    @property
    def name(self) -> str:
        """Name of the study; the results of a profile are in a folder beside it."""
        return self.config.study.name + (f"-{self.profile}" if self.profile else "")

    def check_stage(self, name: str) -> None:
        """Refuse the name of a stage that the study does not have.

        Raises:
            InputError: with the stages that there are, and the nearest of them.
        """
        if name not in self.stages:
            raise InputError(
                f"unknown stage {name!r}: expected one of {', '.join(self.stages)}{nearest(name, self.stages)}"
            )


@dataclass(frozen=True)
class Draft:
    """A study as far as its file can be read."""

    study: Study
    """with the default in place of each value that cannot be used"""
    problems: tuple[str, ...]
    """one line for each section, key and value that cannot be used"""
    refused_keys: frozenset[str]
    """SECTION.KEY of each value that cannot be used, also where a section inherits it"""


def load_study(path: str | Path, profile: str = "", overrides: Iterable[str] = ()) -> Study:
    """Read a study file; `[profile.NAME]` tables override its sections when the profile is chosen.

    Args:
        path: TOML file.
        profile: name of the profile; empty: none.
        overrides: `SECTION.KEY=VALUE`, the value as TOML or plain text; they override file and profile.

    Raises:
        InputError: the file is missing or not TOML, or a section, key, type or language is not a known one.
    """
    draft = draft_study(path, profile, overrides)
    if draft.problems:
        raise InputError("\n       ".join(f"study {path}: {line}" for line in draft.problems))
    return draft.study


def draft_study(path: str | Path, profile: str = "", overrides: Iterable[str] = ()) -> Draft:
    """Read a study file as `load_study` does, and return what cannot be used in it in place of an error.

    Raises:
        InputError: the file is missing or not TOML, or it lacks the profile.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"study {path}: no such file; expected a TOML file such as studies/demo.toml")
    try:
        data = tomllib.loads(path.read_text("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"study {path}: not valid TOML: {error}") from error
    profiles = data.pop("profile", {})
    if profile and profile not in profiles:
        raise InputError(f"study {path}: no profile {profile!r}; it has {sorted(profiles) or 'none'}")
    if profile:  # part of the name of the run's folder
        grammar.keys("study")["name"].convert(profile, f"study {path}: profile")
    problems: list[str] = []
    for section, values in profiles.get(profile, {}).items() if profile else ():
        if isinstance(values, dict):
            data[section] = {**data.get(section, {}), **values}
        else:
            problems.append(f"[profile.{profile}] holds sections, found the key {section!r}")
    for text in overrides:
        try:
            section, key, value = _override(text)
            data[section] = {**data.get(section, {}), key: value}
        except InputError as error:
            problems.append(str(error))
    config, refusals = _study_config(path, data, problems)
    if profile:
        config = dataclasses.replace(config, report=dataclasses.replace(config.report, profile=profile))
    return Draft(Study(path, config, profile), tuple(problems), refusals)


def _override(text: str) -> tuple[str, str, Any]:
    name, sign, value = text.partition("=")
    section, dot, key = name.strip().partition(".")
    if not sign or not dot:
        raise InputError(f"--set {text!r}: expected SECTION.KEY=VALUE, such as trace.top=5")
    if section not in grammar.sections():
        raise InputError(f"--set {text!r}: unknown section {section!r}{nearest(section, grammar.sections())}")
    try:
        return section, key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return section, key, value.strip()


def _study_config(path: Path, data: Record, problems: list[str]) -> tuple[StudyConfig, frozenset[str]]:
    """The sections of a study and the keys that are refused; a line for each problem is appended to `problems`."""
    sections = grammar.sections()
    for name, values in data.items():
        if name not in sections and not isinstance(values, dict):
            problems.append(f"the key {name!r} stands outside a section; write it below one")
        elif name not in sections:
            problems.append(f"unknown section [{name}]{nearest(name, sections)}")
        elif not isinstance(values, dict):
            problems.append(f"{name} must be a section, [{name}] with keys below it")
    tables = {name: values for name, values in data.items() if isinstance(values, dict)}
    values_of, refusals = {}, {}
    for name in sections:
        values_of[name], refusals[name] = _section_values(path, name, tables.get(name, {}), problems)
    study_keys, configs = {"name": path.stem, **values_of["study"]}, {}
    for name, kind in sections.items():
        names = {f.name for f in dataclasses.fields(kind)}
        defaults = {key: value for key, value in study_keys.items() if key in names}
        configs[name] = kind(**{**defaults, **values_of[name]})
        refusals[name] |= (refusals["study"] & names) - values_of[name].keys()
    return StudyConfig(**configs), frozenset(f"{name}.{key}" for name, keys in refusals.items() for key in keys)


def _section_values(path: Path, section: str, values: Record, problems: list[str]) -> tuple[Record, set[str]]:
    """The values of a section's keys, and the keys whose values cannot be used, each with a line in `problems`."""
    fields = {field.name: field for field in dataclasses.fields(grammar.sections()[section])}
    values_of, refusals = {}, set()
    for key, value in values.items():
        place = f"[{section}] {key}"
        if key not in fields:
            problems.append(f"{place}: unknown key{nearest(key, fields)}")
            continue
        try:
            value = grammar.keys(section)[key].convert(value, place)
            if key == "stages":
                _check_stages(place, value)
            if key in ("languages", "pair", "dsir_languages"):
                check_languages(place, value, least=0 if key == "dsir_languages" else 2)
        except InputError as error:
            problems += str(error).splitlines()
            refusals.add(key)
            if key == "stages" and isinstance(value, (list, tuple)):  # the others can be checked
                values_of[key] = tuple(name for name in value if name in STAGES)
            continue
        looks_local = isinstance(value, str) and not Path(value).is_absolute() and "://" not in value
        is_beside = fields[key].metadata.get("input") and value and looks_local and (path.parent / value).exists()
        values_of[key] = str(path.parent / value) if is_beside else value
    return values_of, refusals


def _check_stages(place: str, names: tuple[str, ...]) -> None:
    lines = [f"{place}: unknown stage {name!r}{nearest(name, STAGES)}" for name in names if name not in STAGES]
    for name in filter(STAGES.__contains__, names):
        absent = [upstream for upstream in STAGES[name].after if upstream not in names + STAGES[name].optional]
        if absent:
            lines.append(f"{place}: the stage {name} needs {', '.join(absent)}; add them to the list")
    if lines:
        raise InputError("\n".join(lines))


def stage_key(study: Study, stage: Stage, folder: Path) -> Record | None:
    """Everything that a stage's result depends on; None while the result of an earlier stage is missing."""
    upstream = {name: runs.read_manifest(folder / name) for name in stage.after}
    if None in upstream.values():
        return None
    # The report also shows notes; for every other stage the files alone decide.
    digests = {name: manifest["digest"] for name, manifest in upstream.items() if manifest is not None}
    return key_of(stage.version, getattr(study.config, stage.name), digests)


def key_of(version: int, config: Any, inputs: dict[str, str], **extras: object) -> Record:
    """Everything that a result depends on; studies and commands compare it to decide whether a result is up to date.

    Args:
        version: version of the stage.
        config: configuration section of the stage.
        inputs: digests of the results of earlier stages.
        further: further settings of a command, as JSON values.
    """
    files = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if (field.metadata.get("input") or field.name == "model") and value and Path(value).exists():
            by_sample = field.metadata.get("input") == "documents"
            files[field.name] = fingerprint(Path(value), by_sample)
        elif field.metadata.get("input") == "documents" and "://" in value:
            from semantic_pivots.corpus.documents import identity

            files[field.name] = identity(value)
        if field.name == "lenses":
            folders = {lens: Path(lens.partition(":")[2]) for lens in value if ":" in lens}
            files |= {lens: fingerprint(path) for lens, path in folders.items() if path.exists()}
    key = {"version": version, "config": key_fields(config), "inputs": inputs, "input_files": files, **extras}
    if hasattr(config, "forms_path"):
        from semantic_pivots.wordforms.table import rule_key

        key["words"] = rule_key(config.words, config.forms_path)
    if isinstance(config, BenchmarkConfig) and config.task != WORD_TRANSLATION:
        from semantic_pivots.tasks.questions import package_of

        if package := package_of(config.task):
            key["package"] = package
    return key


def inputs_read(config: DataclassInstance) -> list[Path]:
    """The local files and folders that a section of a study names as inputs; those that do not exist are left out."""
    fields = [f for f in dataclasses.fields(config) if f.metadata.get("input") or f.name == "model"]
    paths = (getattr(config, field.name) for field in fields)
    return [Path(value) for value in paths if value and Path(value).exists()]


def state(study: Study, folder: Path) -> dict[str, str]:
    """The state of each stage: "done", "changed", "partial" (a run was interrupted), "waiting" or "missing"."""
    states: dict[str, str] = {}
    for stage in study.stages.values():
        manifest = runs.read_manifest(folder / stage.name)
        if any(states[name] != "done" for name in stage.after):
            states[stage.name] = "waiting"
            continue
        key = stage_key(study, stage, folder)
        if manifest is not None and key is not None and manifest["key"] == digest(_jsonable(key)):
            states[stage.name] = "done"
        elif (folder / f".{stage.name}.partial").exists():
            states[stage.name] = "partial"
        else:
            states[stage.name] = "changed" if manifest is not None else "missing"
    return states


def _jsonable(key: Record) -> Record:
    return {**key, "config": {k: list(v) if isinstance(v, tuple) else v for k, v in key["config"].items()}}


def run_study(
    study: Study,
    root: str | Path = "runs",
    only: str = "",
    force: str = "",
    say: Callable[[str], None] = print,
) -> Path:
    """Run every stage whose key has changed, in order, and return the study's folder.

    Args:
        study: the study, from `load_study`.
        root: folder that holds the folders of studies.
        only: run just this stage; its upstream stages must be published.
        force: run this stage even if its key has not changed; stages that depend on it run if its result changes.
        say: receives one line per stage.

    Raises:
        InputError: an input cannot be used, or another run holds the study's folder.
    """
    for name in filter(None, (only, force)):
        study.check_stage(name)
    folder, sizes = Path(root) / study.name, costs.Sizes(study.config)
    ran = False
    with runs.study_lock(folder):
        for stage in [study.stages[only]] if only else study.stages.values():
            absent = [name for name in stage.after if runs.read_manifest(folder / name) is None]
            if absent:
                raise InputError(f"stage {stage.name} needs {', '.join(absent)}: run the study without --only first")
            folders = {name: folder / name for name in stage.after}
            config = getattr(study.config, stage.name)
            work_of = functools.partial(costs.work, sizes, stage.name)
            is_forced = force == stage.name
            _, anew = run_stage(stage, config, folders, folder / stage.name, is_forced, say, work_of=work_of)
            ran = ran or anew
    if not ran:
        say(f"nothing to do: every stage of {study.name} is up to date in {folder}")
    return folder


def run_stage(
    stage: Stage,
    config: DataclassInstance,
    folders: dict[str, Path],
    final: Path,
    is_forced: bool = False,
    say: Callable[[str], None] | None = None,
    function: StageFunction | None = None,
    read: Iterable[str | Path] = (),
    work_of: Callable[[], float | None] | None = None,
    **extras: object,
) -> tuple[Record, bool]:
    """Run a stage unless its folder is up to date; studies and commands both run stages through it.

    Args:
        stage: the stage.
        config: configuration section of the stage.
        folders: folders that it reads, by the names of the stages that published them.
        final: folder to publish.
        is_forced: run it from its beginning although nothing has changed.
        say: receives one line before and one after the run.
        function: function to run instead of the stage's own.
        read: further files and folders that it reads.
        work_of: function that returns the amount of work (`costs.work`) for the manifest.
        further: further settings that the result depends on, as JSON values.

    Returns:
        The manifest, and whether the stage was run.
    """
    from semantic_pivots import tables

    read = [*inputs_read(config), *read]
    runs.check_outside(final, getattr(config, "path", ""))
    stamps_before = stamps(read)
    digests = {}
    for name, folder in folders.items():
        runs.check_unaltered(folder)  # also where the work is done: what was made of it is no longer what it says
        upstream = runs.read_manifest(folder)
        digests[name] = upstream["digest"] if upstream else fingerprint(folder, by_sample=True)
    key = _jsonable(key_of(stage.version, config, digests, **extras))
    manifest = runs.read_manifest(final)
    if manifest is not None and manifest["key"] == digest(key) and not is_forced:
        return manifest, False
    if say is not None:
        say(f"{stage.name}: {stage.says}")
    if is_forced:
        shutil.rmtree(final.with_name(f".{final.name}.partial"), ignore_errors=True)
    run, inputs = function or object_at(stage.function), runs.Inputs(folders)

    def tables_of(work: runs.Work) -> Tables:
        if work_of is not None:
            work.note("work", work_of(), volatile=True)
        return run(config, inputs, work)

    manifest = runs.publish(stage.name, key, final, tables_of, tables.conform, read, stamps_before)
    if say is not None:
        say(f"{stage.name}: done in {manifest['volatile']['seconds']:,.1f} s")
    return manifest, True
