"""The stage `benchmark`: its section of a study and its table."""

from dataclasses import dataclass
from typing import Literal

from semantic_pivots.config import Count, Rule, Stage, WordRule, input_path, volatile


@dataclass(frozen=True)
class BenchmarkConfig(WordRule):
    """Items of the word translation task (CLWTD): a target word, its source word, and distractors in the source language."""

    languages: tuple[str, ...] = ("en", "fr", "zh", "ja")
    seed: int = 0
    task: str = "translation"
    """translation (of words), repetition, cloze, antonyms, capital, language, currency (each also with -across),
    sentences, lm-eval:TASK, file (questions and answers of your own), or a task of an installed package"""
    task_path: str = input_path()
    """folder of parallel files (sentences) or of task files (lm-eval), or a TSV file (file; see docs/tasks.md)"""
    distractors: Count = 9
    """wrong source-language words per item"""
    items_per_direction: Count = 0
    """number of random items of each direction, the same concepts in all directions; 0: all"""
    min_documents: Count = 0
    """least number of documents of the study's corpus for each word of a concept; rarer concepts have no items, but
    their words serve as distractors; 0: all concepts"""
    writer: Literal["neighbours", "llm"] = "neighbours"
    """source of the distractors: neighbours (nearest words in the lexicon's embedding) or llm (a served model)"""
    base_url: str = ""
    """writer = "llm": address of an OpenAI-compatible endpoint up to /v1; its key is read from $OPENAI_API_KEY"""
    writer_model: str = ""
    """writer = "llm": the endpoint's name of the model"""
    cache: str = volatile("")
    """folder for the model's answers; empty: $PIVOTS_CACHE or ~/.cache/semantic-pivots"""


STAGE = Stage(
    "benchmark", BenchmarkConfig, "tasks.items:benchmark_stage", after=("lexicon",),
    says="items of the task", version=4, view="report.figures_benchmark:BENCHMARK",
    work=lambda s, c: s.text_bytes if c.benchmark.min_documents else s.items(),
    rules=(
        Rule(("task", "distractors"), lambda c: c.task != "translation" or c.distractors > 0,
             "a translation needs at least one distractor"),
        Rule(("task", "min_documents"), lambda c: c.task == "translation" or not c.min_documents,
             "expected min_documents = 0, it is for translations of words"),
        Rule(("task", "task_path"), lambda c: c.task not in ("file", "sentences") or bool(c.task_path),
             "the task needs task_path, its file or folder (docs/tasks.md)"),
    ),
    tables={
        # strata are tags such as "identical-spelling", "shared-script", "frequency:high"
        "items": "item_id concept_id source_language target_language source target distractors:[string] strata:[string]",
    },
)  # fmt: skip
