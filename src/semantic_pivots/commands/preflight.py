"""What would stop a study, and what it takes, told before anything runs.

Files, columns, languages and models of every stage are looked for and the first documents read; no model is loaded and
nothing is fetched, so that the check takes a second. What is absent is told in one answer with the values that were
refused when the study was read.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semantic_pivots import grammar
from semantic_pivots.corpus.corpus_stage import CorpusConfig
from semantic_pivots.costs import Cost, costs
from semantic_pivots.errors import InputError, nearest, quantity
from semantic_pivots.files import Record
from semantic_pivots.run import warn
from semantic_pivots.study import Draft, Study, state
from semantic_pivots.tasks.pattern import WORD_TRANSLATION

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_PACKAGE = "package:"
_LOOKED_AT = 2000
"""first documents whose languages are looked at"""


def problems(draft: Draft, only: str = "") -> list[str]:
    """One line for each problem that would stop a stage of the study; empty if there is none.

    A check that needs a value which the study's file does not give, since it cannot be used, is left out.

    Args:
        draft: the study as its file has it.
        only: the one stage that runs; empty: all.
    """
    study, lines = draft.study, list(draft.problems)
    for stage in _stages(draft, only):
        config = getattr(study.config, stage)
        refusals = {key.partition(".")[2] for key in draft.refused_keys if key.startswith(f"{stage}.")}
        lines += grammar.contradictions(config, refusals)
        lines += _absent_files(stage, config, refusals)
        if hasattr(config, "model") and "model" not in refusals:
            for model in _checkpoints(config):
                lines += _absent_model(stage, model)
        if getattr(config, "processes", 1) > 1 and "processes" not in refusals:
            lines += _processes(stage, config.processes)
        for name, keys, section_check in _SECTION_CHECKS:
            if name == stage and not draft.refused_keys.intersection(keys.split()):
                lines += section_check(study)
    return list(dict.fromkeys(line for text in lines for line in text.splitlines()))


def _stages(draft: Draft, only: str) -> Sequence[str]:
    """The stages that will run, as far as the study names any that there are."""
    if only:
        return [only] if only in draft.study.stages else []
    is_empty = "study.stages" in draft.refused_keys and not draft.study.config.study.stages
    return [] if is_empty else list(draft.study.stages)


def check(draft: Draft, only: str = "", force: str = "") -> Study:
    """Refuse a study that cannot finish.

    Args:
        draft: the study as its file has it.
        only: the one stage that runs; empty: all.
        force: the stage that runs again; empty: none.

    Raises:
        InputError: with a line for each reason.
    """
    lines = []
    for option, name in (("--only", only), ("--force", force)):
        try:
            if name:
                draft.study.check_stage(name)
        except InputError as error:
            lines.append(f"{option}: {error}")
    if only and force not in ("", only):
        lines.append(f"--only {only}, --force {force}: expected one stage")
    if lines := [*lines, *problems(draft, only)]:
        between = " " if len(lines) == 1 else "\n       "
        raise InputError(between.join([f"study {draft.study.path} cannot finish:", *lines]))
    return draft.study


def costs_of(study: Study, runs: Path, only: str = "") -> list[Cost]:
    """The expected cost of each stage that is not up to date, or of the stage that is named."""
    stages = [only] if only else [name for name, value in state(study, runs / study.name).items() if value != "done"]
    return list(costs(study.config, stages, runs))


def sentence(costs: Sequence[Cost]) -> str:
    """The expected cost of all stages together, in one line."""
    estimates = [cost for cost in costs if cost.seconds is not None]
    unknown = [cost.stage for cost in costs if cost.seconds is None]
    row = _total(estimates)
    parts = (
        [f"{quantity(len(estimates), 'stage')}: about {row['time']}, {row['memory']} of memory, {row['disk']} of disk"]
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


def _absent_files(stage: str, config: DataclassInstance, refusals: set[str]) -> Iterator[str]:
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if not value or field.name in refusals:
            continue
        is_name = field.name == "provider_path" and getattr(config, "provider", "") == "infini-gram-http"
        if field.metadata.get("input") and not is_name and "://" not in value and not Path(value).exists():
            yield f"[{stage}] {field.name} = {value!r}: no such file or folder"
        if field.name == "lenses":
            for lens in value:
                folder = lens.partition(":")[2]
                if folder and not Path(folder).exists():
                    yield f"[{stage}] lenses: {lens!r}: no such file or folder; make it with `pivots lens fit`"


def _checkpoints(config: Any) -> list[str]:
    """The models that a stage reads: its own, or the revisions of it that are folders inside its folder."""
    revisions = getattr(config, "revisions", ()) if Path(config.model).is_dir() else ()
    return [str(Path(config.model) / revision) for revision in revisions] or [config.model]


def _absent_model(stage: str, model: str) -> Iterator[str]:
    from semantic_pivots.models import assembled
    from semantic_pivots.models.specs import HUB_ID

    model = model.partition("@sha256:")[0]
    if model.startswith(_PACKAGE):
        name = model.removeprefix(_PACKAGE)
        try:
            if name not in assembled.recipes():
                metadata.distribution(name)
        except metadata.PackageNotFoundError:
            yield f"[{stage}] model = {model!r}: the package is not installed here"
        return
    local = Path(model).expanduser()
    # anything else that does not look like a path is a model on the hub, which only fetching can find
    if local.is_dir() and not (local / "config.json").exists() and len(list(local.glob("*.gguf"))) != 1:
        yield f"[{stage}] model = {model!r}: no config.json; expected a Hugging Face folder or one .gguf"
    is_hub_id = HUB_ID.fullmatch(model) and not model.startswith((".", "~")) and local.suffix != ".gguf"
    if not local.exists() and not is_hub_id:
        yield f"[{stage}] model = {model!r}: no such folder or file"


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


def _recipe(study: Study) -> Iterator[str]:
    from semantic_pivots.corpus import recipes

    config = study.config.corpus
    if not config.path and not config.recipe:
        yield (
            '[corpus] names no documents: give path = "..." or recipe = "everyday", or ask the model alone with '
            'stages = ["lexicon", "benchmark", "score", "trace", "behaviour", "report"] in [study]'
        )
    elif not config.path:
        try:
            recipes.missing_languages(config.recipe, ())
        except InputError as error:
            yield str(error)


def _recipe_languages(study: Study) -> Iterator[str]:
    from semantic_pivots.corpus import recipes

    config = study.config.corpus
    if config.path or not config.recipe or config.allow_missing_languages or list(_recipe(study)):
        return
    missing = recipes.missing_languages(config.recipe, config.languages)
    if missing:
        yield (
            f"[corpus] recipe = {config.recipe!r} has no documents in {', '.join(missing)}: leave them out of "
            "languages, or set allow_missing_languages = true"
        )


def _documents(study: Study) -> Iterator[str]:
    from semantic_pivots.corpus import documents

    config = study.config.corpus
    if config.path and "://" not in config.path and Path(config.path).exists():
        try:
            columns = documents.column_map(config.columns)
            documents.check_columns(documents.list_files(config.path), columns)
            _tell_languages(config, columns)
        except InputError as error:
            yield from (f"[corpus] path: {line}" for line in str(error).splitlines())


def _task(study: Study) -> Iterator[str]:
    from semantic_pivots.tasks import questions

    try:
        questions.package_of(study.config.benchmark.task)
    except InputError as error:
        yield f"[benchmark] task: {error}"


def _least_documents(study: Study) -> Iterator[str]:
    if study.config.benchmark.min_documents and "corpus" not in study.stages:
        yield "[benchmark] min_documents: the study has no stage corpus to count them in; add it"


def _languages_of_items(study: Study) -> Iterator[str]:
    if study.config.benchmark.task == WORD_TRANSLATION:
        yield from _without_words(study, "benchmark", "languages")


def _languages_of_worlds(study: Study) -> Iterator[str]:
    yield from _without_words(study, "natural", "languages")
    yield from _without_words(study, "natural", "pair")


def _without_words(study: Study, section: str, key: str) -> Iterator[str]:
    lexicon = study.config.lexicon.languages
    if absent := [code for code in getattr(getattr(study.config, section), key) if code not in lexicon]:
        yield f"[{section}] {key}: [lexicon] languages has no {', '.join(absent)}; add them there"


def _score_columns(study: Study) -> Iterator[str]:
    from semantic_pivots.selection.user_columns import column_names
    from semantic_pivots.tables import SCHEMAS

    config, by_key = study.config.select, {}
    columns = [name.partition(":")[2] for name in config.selections if name.startswith("column:")]
    by_key["selections"] = [re.sub(r"-\d+pct$", "", name) for name in columns]
    by_key["thresholds"] = [re.split("[<>]=", text)[0].strip() for text in config.thresholds]
    if not any(by_key.values()) or (config.columns and not Path(config.columns).exists()):
        return
    try:
        user_columns = column_names(config.columns) if config.columns else []
    except InputError as error:
        yield str(error)
        return
    names = [*SCHEMAS["doc_scores"].names, "pivot_share", *(user_columns or ())]
    for key, columns in by_key.items():
        for name in columns:
            if user_columns is not None and name not in names:
                yield f"[select] {key}: no column {name!r}{nearest(name, names)}"


def _behaviours(study: Study) -> Iterator[str]:
    if study.config.compare.behaviours and not {"tokens", "discover"} <= study.stages.keys():
        yield "[compare] behaviours: the study needs the stages tokens and discover"


def _step(study: Study) -> Iterator[str]:
    from semantic_pivots.training import estimate

    return estimate.step_problems(study.config.train)


def _context(study: Study) -> Iterator[str]:
    from semantic_pivots.training import estimate

    train = study.config.train
    if not train.shape or Path(train.shape).exists():
        yield from estimate.context_problems(train)


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


_SECTION_CHECKS: tuple[tuple[str, str, Callable[[Study], Iterator[str]]], ...] = (
    ("lexicon", "lexicon.source lexicon.languages", _lexicon),
    ("benchmark", "benchmark.task", _task),
    ("benchmark", "benchmark.task benchmark.languages lexicon.languages", _languages_of_items),
    ("benchmark", "benchmark.min_documents study.stages", _least_documents),
    ("corpus", "corpus.path corpus.recipe", _recipe),
    ("corpus", "corpus.path corpus.recipe corpus.languages corpus.allow_missing_languages", _recipe_languages),
    ("corpus", "corpus.path corpus.columns corpus.languages corpus.identify_language", _documents),
    ("select", "select.columns select.selections select.thresholds", _score_columns),
    ("train", "train.tokens train.batch_sequences train.sequence_tokens", _step),
    ("train", "train.sequence_tokens train.shape train.model", _context),
    ("compare", "compare.behaviours study.stages", _behaviours),
    ("natural", "natural.languages natural.pair lexicon.languages", _languages_of_worlds),
)
"""Further checks: the stage, the keys that the check reads, and the check."""
