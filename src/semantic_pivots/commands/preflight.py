"""What would stop a study, and what it takes, told before anything runs.

Values were checked when the study was read. Here files, columns, languages and models of every stage are looked for and
the first documents read; no model is loaded and nothing is fetched, so that the check takes a second.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from semantic_pivots.config import CorpusConfig
from semantic_pivots.costs import Cost, costs
from semantic_pivots.errors import InputError
from semantic_pivots.files import Record
from semantic_pivots.run import warn
from semantic_pivots.study import Study, stage_config, state

_PACKAGE = "package:"
_LOOKED_AT = 2000
"""first documents whose languages are looked at"""


def problems(study: Study) -> list[str]:
    """One line for each problem that would stop a stage of the study; empty if there is none."""
    lines: list[str] = []
    for stage in study.stages:
        config = stage_config(study, stage)
        lines += _absent_files(stage, config)
        if hasattr(config, "model"):
            lines += _absent_model(stage, config.model)
        if getattr(config, "processes", 1) > 1:
            lines += _processes(stage, config.processes)
    if "lexicon" in study.stages:
        lines += _lexicon(study)
    if "corpus" in study.stages:
        lines += _corpus(study)
    if "train" in study.stages:
        from semantic_pivots.training import estimate

        lines += estimate.problems(study.config)
    return list(dict.fromkeys(lines))


def check(study: Study) -> None:
    """Refuse a study that cannot finish.

    Raises:
        InputError: with a line for each reason.
    """
    if lines := problems(study):
        raise InputError("\n       ".join([f"study {study.path} cannot finish:", *lines]))


def costs_of(study: Study, runs: Path, only: str = "") -> list[Cost]:
    """The expected cost of each stage that is not up to date, or of the stage that is named.

    Raises:
        InputError: the study has no such stage.
    """
    if only:
        study.check_stage(only)
    stages = [only] if only else [name for name, value in state(study, runs / study.name).items() if value != "done"]
    return list(costs(study.config, stages, runs))


def sentence(costs: Sequence[Cost]) -> str:
    """The expected cost of all stages together, in one line."""
    estimates = [cost for cost in costs if cost.seconds is not None]
    unknown = [cost.stage for cost in costs if cost.seconds is None]
    row = _total(estimates)
    parts = (
        [f"{len(estimates)} stages: about {row['time']}, {row['memory']} of memory, {row['disk']} of disk"]
        if estimates
        else []
    )
    parts += [f"not known of {', '.join(unknown)}"] if unknown else []
    rates = ", ".join(dict.fromkeys(cost.rate for cost in estimates))
    return (
        f"{'; '.join(parts)} (rates of {rates}; without downloads; by stage: --dry-run)"
        if estimates
        else "; ".join(parts)
    )


def records(costs: Sequence[Cost]) -> list[Record]:
    """A row per stage with its time, memory and disk, and the total."""
    estimates = [cost for cost in costs if cost.seconds is not None]
    return [*map(_record, costs), _total(estimates)] if costs else []


def _record(cost: Cost) -> Record:
    has_estimate = cost.seconds is not None
    return {
        "stage": cost.stage,
        "time": _duration(cost.seconds) if cost.seconds is not None else "",
        "memory": f"{(cost.memory_bytes or 0) / 1e9:.1f} GB" if has_estimate else "",
        "disk": f"{(cost.disk_bytes or 0) / 1e9:.2f} GB" if has_estimate else "",
        "rate": cost.rate,
    }


def _total(costs: Sequence[Cost]) -> Record:
    """All stages together; they run one after another, so the largest memory is theirs."""
    seconds, disk = (sum(getattr(cost, name) for cost in costs) for name in ("seconds", "disk_bytes"))
    return _record(Cost("all", seconds, max((cost.memory_bytes or 0 for cost in costs), default=0), disk, ""))


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _absent_files(stage: str, config: object) -> Iterator[str]:
    for field in dataclasses.fields(config):  # type: ignore[arg-type]
        value = getattr(config, field.name)
        local = value and isinstance(value, str) and "://" not in value
        if field.metadata.get("input") and local and not Path(value).exists():
            yield f"[{stage}] {field.name} = {value!r}: no such file or folder"
        if field.name == "lenses":
            for lens in value:
                folder = lens.partition(":")[2]
                if folder and not Path(folder).exists():
                    yield f"[{stage}] lenses: {lens!r}: no such file or folder; make it with `pivots lens fit`"


def _absent_model(stage: str, model: str) -> Iterator[str]:
    from semantic_pivots.models import assembled

    if model.startswith(_PACKAGE):
        name = model.removeprefix(_PACKAGE)
        try:
            if name not in assembled.recipes():
                metadata.distribution(name)
        except metadata.PackageNotFoundError:
            yield f"[{stage}] model = {model!r}: the package is not installed here"
    elif model.startswith(("/", "./", "../", "~")) and not Path(model).expanduser().exists():
        yield f"[{stage}] model = {model!r}: no such folder"


def _processes(stage: str, processes: int) -> Iterator[str]:
    from semantic_pivots.models.device import device_processes

    try:
        device_processes(processes, stage)
    except InputError as error:
        yield str(error)


def _lexicon(study: Study) -> Iterator[str]:
    from semantic_pivots.lexicon.concepts import lexicon_path, word_columns

    config = study.config.lexicon
    try:
        columns = word_columns(lexicon_path(config.source))
    except InputError as error:
        yield f"[lexicon] source: {error}"
        return
    absent = [code for code in config.languages if code not in columns]
    if absent:
        has = ", ".join(columns[:12]) + (", ..." if len(columns) > 12 else "")
        yield f"[lexicon] source = {config.source!r} has no words in {', '.join(absent)}; it has {has}"


def _corpus(study: Study) -> Iterator[str]:
    from semantic_pivots.corpus import documents, recipes

    config = study.config.corpus
    if not config.path and not config.recipe:
        yield (
            '[corpus] names no documents: give path = "..." or recipe = "everyday", or ask the model alone with '
            'stages = ["lexicon", "benchmark", "score", "trace", "behaviour", "report"] in [study]'
        )
    elif not config.path:
        try:
            missing = recipes.missing_languages(config.recipe, config.languages)
        except InputError as error:
            yield str(error)
            return
        if missing and not config.allow_missing_languages:
            yield (
                f"[corpus] recipe = {config.recipe!r} has no documents in {', '.join(missing)}: leave them out of "
                "languages, or set allow_missing_languages = true"
            )
    elif "://" not in config.path and Path(config.path).exists():
        try:
            columns = documents.column_map(config.columns)
            documents.check_columns(documents.list_files(config.path), columns)
            _tell_languages(config, columns)
        except InputError as error:
            yield f"[corpus] path: {error}"


def _tell_languages(config: CorpusConfig, columns: dict[str, str]) -> None:
    """Warn of languages that the first documents of a corpus lack, where all of these name theirs."""
    from semantic_pivots.corpus import documents

    if config.identify_language:
        return
    first = itertools.islice(documents.documents(config.path, columns, 1.0, _LOOKED_AT, lambda text: None), _LOOKED_AT)
    labels = [{code for code, _ in document.parts} or {document.language} for document in first]
    codes = set().union(*labels)
    missing = [code for code in config.languages if code not in codes]
    if missing and "" not in codes:
        warn(
            f"[corpus] path = {config.path!r}: none of its first {len(labels):,} documents is in {', '.join(missing)}; "
            f"they are in {', '.join(sorted(codes))}"
        )
