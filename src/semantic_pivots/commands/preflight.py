"""What would stop a study, found before anything runs: every path, column, language and model of every stage.

Values were checked when the study was read. Here files are looked for and their first lines read; no model is loaded
and nothing is fetched, so that the check takes a second.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from semantic_pivots.errors import InputError
from semantic_pivots.study import Study, stage_config

_PACKAGE = "package:"


def problems(study: Study) -> list[str]:
    """One line for each thing that would stop a stage of the study; empty where nothing is seen."""
    lines: list[str] = []
    for stage in study.stages:
        config = stage_config(study, stage)
        lines += _absent_files(stage, config)
        if hasattr(config, "model"):
            lines += _absent_model(stage, config.model)
    if "lexicon" in study.stages:
        lines += _lexicon(study)
    if "corpus" in study.stages:
        lines += _corpus(study)
    return list(dict.fromkeys(lines))


def check(study: Study) -> None:
    """Refuse a study that cannot finish.

    Raises:
        InputError: with a line for each reason.
    """
    if lines := problems(study):
        raise InputError("\n       ".join([f"study {study.path} cannot finish:", *lines]))


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


def _lexicon(study: Study) -> Iterator[str]:
    from semantic_pivots.lexicon.concepts import lexicon_path, word_columns

    config = study.config.lexicon
    try:
        path = lexicon_path(config.source)
    except InputError as error:
        yield f"[lexicon] source: {error}"
        return
    columns = word_columns(path)
    absent = [code for code in config.languages if code not in columns]
    if absent:
        has = ", ".join(columns[:12]) + (", ..." if len(columns) > 12 else "")
        yield f"[lexicon] source = {config.source!r} has no words in {', '.join(absent)}; it has {has}"


def _corpus(study: Study) -> Iterator[str]:
    from semantic_pivots.corpus import documents

    config = study.config.corpus
    if not config.path and not config.recipe:
        yield '[corpus] names no documents: give path = "..." or recipe = "everyday", or leave the stage out'
    elif config.path and "://" not in config.path and Path(config.path).exists():
        try:
            documents.check_columns(documents.list_files(config.path), documents.column_map(config.columns))
        except InputError as error:
            yield f"[corpus] path: {error}"
