"""The stages of a study, the whole pipeline on one screen: what runs each, what it reads, and what shows its results.

A new stage is one entry here, its section in `config`, its tables in `tables`, and modules of its own: the function
that runs it and the view that the report and the summary show of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Stage:
    """A step of a study: its function, the stages whose folders it reads, and the version of its results."""

    name: str
    function: str
    """module:function of this package, imported when the stage runs"""
    after: tuple[str, ...] = ()
    says: str = ""
    """what it does, in the words of the stage table"""
    version: int = 1
    """raised when the same configuration gives other results"""
    optional: tuple[str, ...] = ()
    """those of `after` that a study may leave out"""
    view: str = ""
    """module:name of the `report.panel.StageView` of its results; empty: other stages show them"""
    work: Callable[[Any, Any], float] = lambda sizes, config: 1.0
    """its work before it runs, in a unit of its own, of `costs.Sizes` and a study's configuration"""
    studies: Literal["all", "some", "own"] = "all"
    """all that name no stages, some that name it, or studies of its own, which have no stage but those they name"""


# fmt: off
STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage("lexicon", "lexicon.concepts:lexicon_stage", (), "concepts as words of each language", 6,
              view="report.figures_benchmark:LEXICON"),
        Stage("corpus", "corpus.shards:corpus_stage", (), "documents, fetched or read, as shards", 5,
              view="report.figures_corpus:CORPUS", work=lambda s, c: s.text_bytes),
        Stage("benchmark", "tasks.items:benchmark_stage", ("lexicon",), "items of the task", 4,
              view="report.figures_benchmark:BENCHMARK",
              work=lambda s, c: s.text_bytes if c.benchmark.min_documents else s.items()),
        Stage("score", "scoring.benchmark_scores:score_stage", ("lexicon", "benchmark"),
              "how well the model translates", 9, view="report.figures_score:SCORE",
              work=lambda s, c: s.prompts("score") * c.score.draws * (1 + c.benchmark.distractors)),
        Stage("tokens", "models.tokenise:tokens_stage", ("corpus",), "the documents in the model's tokens", 3,
              view="report.figures_corpus:TOKENS", work=lambda s, c: s.text_bytes),
        Stage("count", "counting.counts:count_stage", ("benchmark", "corpus", "tokens"),
              "documents that contain each word and pair", 5, view="report.figures_counts:COUNT",
              work=lambda s, c: s.text_bytes),
        Stage("discover", "pivots.discovery:discover_stage", ("lexicon", "benchmark", "corpus", "tokens"),
              "semantic pivots of each pair", 6, view="report.figures_pivots:DISCOVER",
              work=lambda s, c: s.concepts * len(c.benchmark.languages) * c.discover.documents),
        Stage("trace", "models.trace:trace_stage", ("lexicon", "benchmark", "discover"),
              "predictions after every layer", 3, optional=("discover",), view="report.figures_trace:TRACE",
              work=lambda s, c: s.prompts("trace") * len(c.trace.lenses)),
        Stage("causal", "analysis.causal_effects:causal_stage", ("lexicon", "benchmark", "corpus", "discover"),
              "link and need of pivots", work=lambda s, c: s.prompts("causal") * c.causal.control_sets),
        Stage("behaviour", "analysis.behaviours:behaviour_stage",
              ("benchmark", "score", "count", "discover", "trace", "causal"), "bridged by pivots or direct, and why",
              14, optional=("score", "count", "discover", "causal"), view="report.figures_behaviour:BEHAVIOUR",
              work=lambda s, c: s.items() * c.behaviour.resamples),
        Stage("intervene", "analysis.suppression:intervene_stage", ("lexicon", "benchmark", "discover", "behaviour"),
              "effect of suppressing pivots on answers", 5, studies="some", view="report.figures_behaviour:INTERVENE",
              work=lambda s, c: s.prompts("intervene")),
        Stage("graph", "pivots.pivot_set:graph_stage", ("lexicon", "corpus", "tokens"), "the pivot set", 5,
              view="report.figures_corpus:GRAPH", work=lambda s, c: s.text_bytes),
        Stage("select", "selection.selections:select_stage", ("lexicon", "benchmark", "corpus", "tokens", "graph"),
              "selections of documents at equal tokens", 5, view="report.figures_corpus:SELECT",
              work=lambda s, c: s.text_bytes),
        Stage("train", "training.arms:train_stage", ("corpus", "tokens", "select"), "continued pre-training on each", 4,
              view="report.figures_training:TRAIN",
              work=lambda s, c: s.runs() * c.train.tokens * s.parameters("train")),
        Stage("compare", "training.comparison:compare_stage",
              ("lexicon", "benchmark", "corpus", "tokens", "discover", "select", "train"),
              "the trained models against the base", 7, view="report.figures_training:COMPARE",
              work=lambda s, c: ((s.runs() + 1) * s.items(c.compare.items_per_direction) * c.compare.draws
                                  * s.parameters("train"))),
        Stage("planted", "planted.planted_stage:planted_stage", (), "worlds with known ground truth", 7, studies="own",
              view="report.figures_planted:PLANTED",
              work=lambda s, c: len(c.planted.worlds) * c.planted.seeds * c.planted.tokens),
        Stage("natural", "natural.natural_stage:natural_stage", ("lexicon", "corpus"),
              "do pivots carry words across languages in natural text", 6, studies="own",
              view="report.figures_natural:NATURAL",
              work=lambda s, c: len(c.natural.parts) * c.natural.seeds * c.natural.tokens),
    )
}
# fmt: on
STAGES["report"] = Stage(
    "report", "report.page:report_stage", tuple(STAGES), "one self-contained HTML file", 3, tuple(STAGES)
)
DEFAULT = tuple(name for name, stage in STAGES.items() if stage.studies == "all")
"""The stages of a study that names none."""
