"""The stages of a study, the whole pipeline on one screen: the module of each, in the order in which they run.

A new stage is one line here and one module in its room, with a `STAGE` that states its section, its tables, the
function that runs it and the view that the report and the summary show of it. These modules import `config` and
nothing that is slow or lies above it: all of them are imported when a study is read.
"""

from dataclasses import replace
from importlib import import_module
from typing import Any

from semantic_pivots.config import Stage

_MODULES = (
    "lexicon.lexicon_stage",
    "corpus.corpus_stage",
    "tasks.benchmark_stage",
    "scoring.score_stage",
    "models.tokens_stage",
    "counting.count_stage",
    "pivots.discover_stage",
    "models.trace_stage",
    "analysis.causal_stage",
    "analysis.behaviour_stage",
    "analysis.intervene_stage",
    "pivots.graph_stage",
    "selection.select_stage",
    "training.train_stage",
    "training.compare_stage",
    "planted.planted_stage",
    "natural.natural_stage",
    "report.report_stage",
)


def object_at(place: str) -> Any:
    """The object at `module:name` of this package, such as a stage's function."""
    module, name = place.split(":")
    return getattr(import_module(f"semantic_pivots.{module}"), name)


*_STAGES, _REPORT = (object_at(f"{module}:STAGE") for module in _MODULES)
STAGES: dict[str, Stage] = {stage.name: stage for stage in _STAGES}
STAGES[_REPORT.name] = replace(_REPORT, after=tuple(STAGES), optional=tuple(STAGES))
DEFAULT = tuple(name for name, stage in STAGES.items() if stage.studies == "all")
"""The stages of a study that names none."""
