"""The stages of a study, the whole pipeline on one screen: the module of each, in the order in which they run.

A new stage is one line here and one module in its room, with a `STAGE` that states its section, its tables, the
function that runs it and the view that the report and the summary show of it. These modules import `config` and
nothing that is slow or lies above it: all of them are imported when a study is read.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

from semantic_pivots.config import (
    BehaviourConfig,
    CausalConfig,
    CompareConfig,
    InterveneConfig,
    NaturalConfig,
    PlantedConfig,
    ReportConfig,
    Rule,
    ScoreConfig,
    Stage,
    TraceConfig,
    TrainConfig,
)


def _stage(module: str) -> Stage:
    return import_module(f"semantic_pivots.{module}").STAGE


*_STAGES, _REPORT = (
    _stage("lexicon.lexicon_stage"),
    _stage("corpus.corpus_stage"),
    _stage("tasks.benchmark_stage"),
    Stage(
        "score", ScoreConfig, "scoring.benchmark_scores:score_stage", after=("lexicon", "benchmark"),
        says="how well the model translates", version=9, view="report.figures_score:SCORE",
        work=lambda s, c: s.prompts("score") * c.score.draws * (1 + c.benchmark.distractors),
        tables={
            # one row per item x draw x candidate source; token_logprobs are those of the answer, in nats
            "scores": "item_id draw:i32 candidate is_source:flag token_logprobs:[f32] n_bytes:i32",
            # one greedy answer per item x draw: is it the target, is it a copy of the source
            "answers": "item_id draw:i32 greedy correct:flag copied:flag",
            "score_summary": "source_language target_language stratum variant *figure",
        },
    ),
    _stage("models.tokens_stage"),
    _stage("counting.count_stage"),
    _stage("pivots.discover_stage"),
    Stage(
        "trace", TraceConfig, "models.trace:trace_stage", after=("lexicon", "benchmark", "discover"),
        optional=("discover",), says="predictions after every layer", version=3, view="report.figures_trace:TRACE",
        work=lambda s, c: s.prompts("trace") * len(c.trace.lenses),
        tables={
            # one row per item x layer x lens; masses are sums of probability over token sets (null: the item has no
            # pivots); the null is the mass of another item's pivots; those of languages are over tokens that may begin the
            # concept's word in one language alone; off_target_correct: the top token begins it in a further language
            "trace": "item_id lens layer:i32 top_ids:[i32] top_probs:[f32] entropy:f32 mass_source:f32 mass_target:f32"
                     " mass_pivot:f32 mass_pivot_null:f32 languages:[text] mass_languages:[f32] top_language"
                     " off_target_correct:flag",
        },
    ),
    Stage(
        "causal", CausalConfig, "analysis.causal_effects:causal_stage",
        after=("lexicon", "benchmark", "corpus", "discover"), says="link and need of pivots",
        work=lambda s, c: s.prompts("causal") * c.causal.control_sets,
        tables={
            # log P(answer) in nats; told is what the source word tells of the answer; each effect (nats) is less the mean
            # of its control sets, low and high less the ends of the range that holds 95 % of them, p by permutation among
            # the sets; null: not measured (no control sets, or the model's answer is not the target)
            "causal_effects": "item_id pivots:[text] control_sets:i32 logprob:f64 answered:flag told:f64"
                              " link:f64 link_low:f64 link_high:f64 link_p:f64"
                              " need:f64 need_low:f64 need_high:f64 need_p:f64"
                              " screen:f64 screen_low:f64 screen_high:f64 screen_p:f64",
        },
    ),
    Stage(
        "behaviour", BehaviourConfig, "analysis.behaviours:behaviour_stage",
        after=("benchmark", "score", "count", "discover", "trace", "causal"),
        optional=("score", "count", "discover", "causal"),
        says="bridged by pivots or direct, and why", version=14, view="report.figures_behaviour:BEHAVIOUR",
        work=lambda s, c: s.items() * c.behaviour.resamples,
        tables={
            # quantities are means of the trace's columns; pivot_ratio: own pivots' mean mass over another pair's
            "trace_summary": "source_language target_language lens layer:i32 quantity *figure",
            # of the rule `causal` lens is "none" and the peak is null
            "behaviour": "item_id rule lens label peak_layer:i32 peak_token:i32 peak_text final_prob:f32",
            "attribution": "source_language target_language rule lens statistic *figure",
        },
    ),
    Stage(
        "intervene", InterveneConfig, "analysis.suppression:intervene_stage",
        after=("lexicon", "benchmark", "discover", "behaviour"), studies="some",
        says="effect of suppressing pivots on answers", version=5, view="report.figures_behaviour:INTERVENE",
        work=lambda s, c: s.prompts("intervene"),
        rules=(Rule(("first", "last"), lambda c: c.first < c.last, "expected first to be smaller than last"),),
        tables={
            # log P(answer) in nats without the intervention, and its change; a summary's control is empty for the change
            # itself, else the change less that of the control; a group is "all" or "RULE: LABEL"
            "effects": "item_id intervention before:f64 change:f64",
            "effect_summary": "source_language target_language group intervention control *figure",
        },
    ),
    _stage("pivots.graph_stage"),
    _stage("selection.select_stage"),
    Stage(
        "train", TrainConfig, "training.arms:train_stage", after=("corpus", "tokens", "select"),
        says="continued pre-training on each", version=4, view="report.figures_training:TRAIN",
        work=lambda s, c: s.runs() * c.train.tokens * s.parameters("train"),
        tables={
            # loss is the mean over the step's tokens, in nats; bits per byte of held-out documents by language where they
            # were measured (the last step); speed and memory differ between runs and stand in the manifest
            "training_log": "arm seed:i32 step:i32 tokens:i64 loss:f64 learning_rate:f64 gradient_norm:f64 languages:[text]"
                            " bits_per_byte:[f64]",
        },
    ),
    Stage(
        "compare", CompareConfig, "training.comparison:compare_stage",
        after=("lexicon", "benchmark", "corpus", "tokens", "discover", "select", "train"),
        says="the trained models against the base", version=7, view="report.figures_training:COMPARE",
        work=lambda s, c: (
            (s.runs() + 1) * s.items(c.compare.items_per_direction) * c.compare.draws * s.parameters("train")
        ),
        tables={
            "comparison": "source_language target_language arm baseline stratum variant *figure verdict",
            # gains over each control, mean of directions: one row per arm, baseline and stratum, and one with an empty
            # baseline that concludes; detectable is a gain seen with 80 % power, needed the times as many concepts and runs
            # that would show the measured one, needed_concepts and needed_runs the times of either alone (infinite: never)
            "verdict": "arm baseline stratum variant *figure runs:i32 detectable:f64 needed:f64 needed_concepts:f64"
                       " needed_runs:f64 verdict",
        },
    ),
    Stage(
        "planted", PlantedConfig, "planted.planted_stage:planted_stage", studies="own",
        says="worlds with known ground truth", version=7, view="report.figures_planted:PLANTED",
        work=lambda s, c: len(c.planted.worlds) * c.planted.seeds * c.planted.tokens,
        tables={
            # one row per run (world, architecture, seed) and figure; the summary's n counts seeds; a note says why a figure
            # is missing; the truth's documents are those of each word
            "planted_runs": "world architecture seed:i32 measure group value:f64 note",
            "planted_truth": "world seed:i32 concept_id class source target pivots:[text] documents:i64",
            "planted_summary": "world architecture measure group *figure note",
        },
    ),
    Stage(
        "natural", NaturalConfig, "natural.natural_stage:natural_stage", after=("lexicon", "corpus"), studies="own",
        says="do pivots carry words across languages in natural text", version=6, view="report.figures_natural:NATURAL",
        work=lambda s, c: len(c.natural.parts) * c.natural.seeds * c.natural.tokens,
        rules=(
            Rule(("readers",), lambda c: bool(c.readers), "expected counts, model or both"),
            Rule(("pair",), lambda c: len(set(c.pair)) == len(c.pair) == 2, "expected two languages"),
        ),
        tables={
            # one row per model, concept and direction; arm is the model of the Latin square, the arrangement or the
            # selection; condition is empty outside masking; logprob, specificity in nats; chosen: the share of ten that is
            # right (ties count by parts); masked: tokens of the concept's windows that were changed
            "natural_concepts": "part seed:i32 arm concept_id half source_language target_language condition cluster:i32"
                                " pivots:i32 windows_source:i64 windows_target:i64 masked:i64 logprob:f64 specificity:f64"
                                " chosen:f64 rank:f64 rank_by_counts:f64 link:f64 need:f64",
            # what each model was trained on: tokens, shares, loss
            "natural_models": "part seed:i32 arm figure value:f64",
            # n counts clusters of concepts; detectable is an effect seen with 80 % power; a conclusion has no value
            "natural_summary": "part measure group *figure p_value:f64 detectable:f64 conclusion",
        },
    ),
    Stage(
        "report", ReportConfig, "report.page:report_stage", says="one self-contained HTML file", version=3,
    ),
)  # fmt: skip
STAGES: dict[str, Stage] = {stage.name: stage for stage in _STAGES}
STAGES[_REPORT.name] = replace(_REPORT, after=tuple(STAGES), optional=tuple(STAGES))
DEFAULT = tuple(name for name, stage in STAGES.items() if stage.studies == "all")
"""The stages of a study that names none."""
