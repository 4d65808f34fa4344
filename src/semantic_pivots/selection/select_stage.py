"""The stage `select`: its section of a study and its tables."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from semantic_pivots.config import DECIMAL, Count, Form, Number, OverCorpus, Positive, Rule, Stage, input_path

Selection = Annotated[
    str,
    Form(
        r"(pivot-rich|random|language-matched|bilingual|code-switched|parallel|dsir|column:.+?)(-([1-9]\d?|100)pct)?",
        "pivot-rich, random, language-matched, bilingual, code-switched, parallel, dsir or column:NAME, each also with "
        "-25pct for a share of 1 to 100 per cent",
    ),
]
Quota = Annotated[str, Form(r"[^=]+=(0?\.\d+|[01](\.0*)?)", "LANGUAGE=SHARE, such as fr=0.25")]
Threshold = Annotated[
    str,
    Form(rf"(?i)\s*\w+\s*(>=|<=)\s*[-+]?{DECIMAL}\s*", "COLUMN>=NUMBER or COLUMN<=NUMBER, such as pivot_share>=0.1"),
]


@dataclass(frozen=True)
class SelectConfig(OverCorpus):
    """Selections of documents at equal tokens."""

    seed: int = 0
    budget_tokens: Number = 2_000_000
    """tokens of each selection"""
    selections: tuple[Selection, ...] = ("pivot-rich", "random")
    """pivot-rich, random, language-matched, bilingual, code-switched, parallel, dsir, or column:NAME; with -25pct
    behind it a quarter of the tokens is chosen so, and the rest at random"""
    held_out_documents: Count = 0
    """documents of each language that are held out of all selections, for evaluation; translations of one another (ids
    that differ by language codes) stay together"""
    min_tokens: Count = 20
    """shorter documents are ranked last by a score, since a share of few tokens means little"""
    exclude_pairs: bool = False
    """leave out documents that contain both words of a benchmark item"""
    stratify_pairs: bool = False
    """give documents with both words of a benchmark item the same share of tokens in every selection as they have in
    the corpus"""
    quotas: tuple[Quota, ...] = ()
    """shares of the budget by language, such as ["en=0.5", "fr=0.5"]; empty: no quotas"""
    thresholds: tuple[Threshold, ...] = ()
    """conditions on documents, such as ["pivot_share>=0.1", "n_tokens<=5000"]; columns of doc_scores or yours"""
    sampling: Literal["top", "gumbel"] = "top"
    """top (the best documents) or gumbel (a sample without replacement that prefers them)"""
    temperature: Positive = 1.0
    """temperature of gumbel, in standard deviations of the score: low is closer to top, high to random"""
    columns: str = input_path()
    """Parquet file or folder with the column doc_id and scores of your own"""
    dsir_target: str = input_path("documents")
    """file or folder of the target documents of dsir"""
    dsir_languages: tuple[str, ...] = ()
    """languages whose documents in this corpus are the target of dsir, if there is no dsir_target"""
    dsir_units: Literal["words", "tokens"] = "words"
    """n-grams of dsir: words (as published) or tokens (of the model, for scripts without spaces)"""


def _has_target(select: SelectConfig) -> bool:
    is_dsir = any(name == "dsir" or name.startswith("dsir-") for name in select.selections)
    return bool(not is_dsir or select.dsir_target or select.dsir_languages)


def _is_whole(quotas: tuple[str, ...]) -> bool:
    return not quotas or math.isclose(sum(float(quota.partition("=")[2]) for quota in quotas), 1, abs_tol=1e-6)


STAGE = Stage(
    "select", SelectConfig, "selection.selections:select_stage",
    after=("lexicon", "benchmark", "corpus", "tokens", "graph"),
    says="selections of documents at equal tokens", version=5, view="report.figures_corpus:SELECT",
    work=lambda s, c: s.text_bytes,
    rules=(
        Rule(("selections", "dsir_target", "dsir_languages"), _has_target,
             "dsir needs dsir_target, documents like those to find, or dsir_languages"),
        Rule(("selections",), lambda c: bool(c.selections), "expected one at least, such as pivot-rich"),
        Rule(("selections",), lambda c: len(set(c.selections)) == len(c.selections),
             "one of the selections stands twice"),
        Rule(("exclude_pairs", "stratify_pairs"), lambda c: not (c.exclude_pairs and c.stratify_pairs),
             "expected only one of them to be set"),
        Rule(("quotas",), lambda c: _is_whole(c.quotas), "expected shares that sum to 1"),
    ),
    tables={
        "doc_scores": "shard row:int64 doc_id language n_tokens:int32 units:int32 pivot_units:int32 languages_met:int32 lexicon_words:int32 dominant_words:int32 concepts:int32 parallel_concepts:int32 holds_pair:bool dsir:float64",
        "selection": "selection shard row:int64 doc_id language n_tokens:int32 score:float64",
    },
)  # fmt: skip
