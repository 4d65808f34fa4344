"""The stage that writes report.html from whatever stages of the study exist."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from semantic_pivots.config import ReportConfig
from semantic_pivots.report import (
    figures,
    figures_corpus,
    figures_counts,
    figures_natural,
    figures_pivots,
    figures_planted,
    findings,
    provenance,
)
from semantic_pivots.report import headlines as headlines_of
from semantic_pivots.report.html import Answer, Section, render, table_csv
from semantic_pivots.report.panel import Panel
from semantic_pivots.run import read_manifest
from semantic_pivots.tables import SCHEMAS

if TYPE_CHECKING:
    from semantic_pivots.run import Inputs, Work

FILE = "report.html"
NUMBERS = "numbers"
_RESULTS = "natural planted score behaviour intervene trace discover count compare graph select train"
READING_ORDER = (*_RESULTS.split(), "benchmark", "lexicon", "corpus")
UNREAD = ("scores", "trace")
"""Tables whose summaries are shown instead of their rows."""

Tables = Mapping[str, pa.Table]

WORLDS = {"planted", "natural"}
"""Stages of studies of their own."""


def existing_tables(inputs: Inputs) -> dict[str, pa.Table]:
    """Every table of the study that exists, by name, in the order of the schemas."""
    return {name: inputs.table(name) for name in SCHEMAS if name not in UNREAD and inputs.has(name)}


def report_stage(config: ReportConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Write report.html, and the numbers of its panels as CSV, into the stage's output; it has no tables of its own.

    The bytes depend on the tables, manifests and configuration only: no identifiers drawn at random, no time of day.
    What differs between equal runs (dates, durations) stands in elements <time>.
    """
    tables = existing_tables(inputs)
    manifest_of = {stage: read_manifest(inputs.folder(stage)) for stage in inputs.stages()}
    manifests = {stage: manifest for stage, manifest in manifest_of.items() if manifest is not None}
    page = build(config, tables, inputs.stages(), manifests)
    all_sections = sections(config, tables, inputs.stages())
    _write(work.out / FILE, page)
    (work.out / NUMBERS).mkdir(exist_ok=True)
    for section in all_sections:
        for number, panel in enumerate(section.panels, 1):
            _write(work.out / NUMBERS / f"{section.stage}-{number}.csv", table_csv(panel.numbers))
    work.note("report_bytes", len(page.encode()))
    work.note("stages_missing", [section.stage for section in all_sections if not section.panels])
    return {}


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, "utf-8")
    os.replace(temporary, path)


def build(
    config: ReportConfig, tables: Tables, stages: Sequence[str] = (), manifests: provenance.Manifests | None = None
) -> str:
    """The page as one string, from the tables that exist; `stages` are those of the study, none: all."""
    manifests = manifests or {}
    pairs = figures_pivots.named_pairs(tables)
    return render(
        f"Study “{config.name}”",
        provenance.facts(config, tables, manifests),
        answers(tables),
        pairs and replace(pairs, reading=" ".join([*findings.with_pivots(tables), pairs.reading])),
        sections(config, tables, stages),
        provenance.provenance(config, tables, manifests),
    )


def answers(tables: Tables) -> list[Answer]:
    """The questions' answers, each with its headline and the figure that argues it."""
    headlines = (
        (findings.HOW_WELL, headlines_of.score, "score", ""),
        (findings.MECHANISM, headlines_of.mechanism, "behaviour", headlines_of.caution(tables)),
        (findings.DOCUMENTS, headlines_of.documents, "compare", ""),
    )
    texts = {question: (*make(tables), section, caution) for question, make, section, caution in headlines}
    out = []
    for answer in findings.answers(tables):
        text, figure, section, caution = texts.get(answer.question, ("", None, "", ""))
        out.append(replace(answer, headline=text, figure=figure, caution=caution, section=section))
    return out


def sections(config: ReportConfig, tables: Tables, stages: Sequence[str] = ()) -> list[Section]:
    """One section per stage of the study, in its order; the section of a missing stage states that it is missing."""
    order, get = config.languages, tables.get

    def section(
        stage: str, title: str, lede: str, needs: tuple[str, ...], panels: Callable[..., list[Panel]], *extra
    ) -> Section:
        absent = [name for name in needs if name not in tables]
        if absent:
            text = f"This stage is missing: no table {', '.join(absent)}."
            return Section(stage, title, lede, missing=f"{text} Run it with: pivots run STUDY.toml --only {stage}")
        empty = any(tables[name].num_rows == 0 for name in needs)
        body = () if empty else tuple(panels(*(tables[name] for name in needs), *extra))
        return Section(
            stage, title, lede, body, "" if body else "This stage ran and found nothing to show: a table is empty."
        )

    all_sections = [
        section(
            "lexicon",
            "Lexicon",
            "The concepts of the study, and their words in each language.",
            ("concepts", "words"),
            figures.lexicon_panels,
            order,
        ),
        section(
            "benchmark",
            "Benchmark",
            "Word translation items: a target, its source, and wrong sources.",
            ("items",),
            lambda items: figures.benchmark_panels(items, order, get("answers")),
        ),
        section(
            "score",
            "Score",
            "Does the right source make the target more probable than wrong sources do?",
            ("score_summary",),
            figures.score_panels,
            order,
        ),
        section(
            "corpus",
            "Corpus",
            "The pre-training documents that counts, pivots and selections come from.",
            ("shards", "sources"),
            lambda shards, sources: figures_corpus.corpus_panels(
                shards, sources, get("skipped"), get("token_shards"), order
            ),
        ),
        section(
            "count",
            "Counts",
            "How often words, and both words of a pair, occur in the corpus.",
            ("pair_counts", "word_counts"),
            lambda pairs, words: figures_counts.count_panels(pairs, words, order, get("forms"), get("items")),
        ),
        section(
            "discover",
            "Semantic pivots",
            "Words that co-occur with both words of a pair more often than by chance.",
            ("pivots", "items"),
            lambda pivots, items: figures_pivots.discover_panels(
                pivots, items, order, get("pivot_evidence"), get("behaviour")
            ),
        ),
        section(
            "trace",
            "Trace",
            "Layer by layer, what the model would answer.",
            ("trace_summary",),
            lambda summary: [*figures_pivots.ratio_panels(summary, order), *figures.trace_panels(summary, order)],
        ),
        section(
            "behaviour",
            "Behaviour",
            "How each answer came about, and whether co-occurrence in the corpus explains it.",
            ("behaviour", "items"),
            lambda behaviour, items: figures.behaviour_panels(behaviour, get("attribution"), items, order),
        ),
        section(
            "graph",
            "Pivot set",
            "Tokens that co-occur with more tokens than their frequency explains.",
            ("pivot_set",),
            figures_corpus.graph_panels,
            order,
        ),
        section(
            "select",
            "Selection",
            "Documents chosen at equal tokens.",
            ("selection",),
            lambda selection: figures_corpus.select_panels(selection, get("doc_scores"), order),
        ),
        section(
            "train",
            "Training",
            "Continued pre-training of one base on each selection, at equal tokens.",
            ("training_log",),
            figures_corpus.train_panels,
        ),
        section(
            "compare",
            "Comparison",
            "The benchmark again on the base and on every trained arm, on the same items and shots.",
            ("comparison",),
            lambda comparison: figures_corpus.compare_panels(comparison, order, get("verdict")),
        ),
        section(
            "planted",
            "Planted worlds",
            "Small models trained on corpora in which it is known how each pair of words is linked.",
            ("planted_summary",),
            figures_planted.planted_panels,
        ),
        section(
            "natural",
            "Natural worlds",
            "Small models trained from scratch on natural text, in which pivots are masked, parted or selected.",
            ("natural_summary",),
            lambda summary: figures_natural.natural_panels(summary, get("natural_models")),
        ),
    ]
    # In the order in which a reader asks: results, what explains them, then what they were made from.
    place = {stage: number for number, stage in enumerate(READING_ORDER)}
    if "effect_summary" in tables or "intervene" in stages:
        causes = section(
            "intervene",
            "Interventions",
            "Effect on the answer of suppressing pivots, or of patching in the concept.",
            ("effect_summary",),
            figures.intervene_panels,
            order,
        )
        all_sections.append(causes)
    all_sections.sort(key=lambda section: place[section.stage])
    # A study of worlds has no stage but those it names; any other study has all of them, present or missing.
    if WORLDS & set(stages):
        return [item for item in all_sections if item.stage in stages]
    return [item for item in all_sections if item.stage not in WORLDS]
