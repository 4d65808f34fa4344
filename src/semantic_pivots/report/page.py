"""The stage that writes report.html from whatever stages of the study exist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

from semantic_pivots.files import write_text
from semantic_pivots.panel import StageView, Tables
from semantic_pivots.report import figures_pivots, findings, provenance
from semantic_pivots.report import headlines as headlines_of
from semantic_pivots.report.html import Answer, Section, render, table_csv
from semantic_pivots.report.report_stage import ReportConfig
from semantic_pivots.report.summary import views
from semantic_pivots.run import read_manifest
from semantic_pivots.stages import STAGES
from semantic_pivots.tables import SCHEMAS

if TYPE_CHECKING:
    from semantic_pivots.run import Inputs, Work

FILE = "report.html"
NUMBERS = "numbers"
UNREAD = ("scores", "trace")
"""Tables whose summaries are shown instead of their rows."""


def report_stage(config: ReportConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Write report.html, and the numbers of its panels as CSV, into the stage's output; it has no tables of its own.

    The bytes depend on the tables, manifests and configuration only: no identifiers drawn at random, no time of day.
    What differs between equal runs (dates, durations) stands in elements <time>.
    """
    tables = {name: inputs.table(name) for name in SCHEMAS if name not in UNREAD and inputs.has(name)}
    manifest_of = {stage: read_manifest(inputs.folder(stage)) for stage in inputs.stages()}
    manifests = {stage: manifest for stage, manifest in manifest_of.items() if manifest is not None}
    page = build(config, tables, inputs.stages(), manifests)
    all_sections = sections(config, tables, inputs.stages())
    write_text(work.out / FILE, page)
    (work.out / NUMBERS).mkdir(exist_ok=True)
    for section in all_sections:
        for number, panel in enumerate(section.panels, 1):
            write_text(work.out / NUMBERS / f"{section.stage}-{number}.csv", table_csv(panel.numbers))
    work.note("report_bytes", len(page.encode()))
    work.note("stages_missing", [section.stage for section in all_sections if not section.panels])
    return {}


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
    """One section per stage of the study, in reading order; that of a missing stage states that it is missing."""
    of_stage = views()
    worlds = any(STAGES[name].studies == "own" for name in stages if name in of_stage)
    return [
        _section(name, view, tables, config.languages)
        for name, view in sorted(of_stage.items(), key=lambda item: item[1].place)
        if view.title and (name in stages if worlds else _is_shown(name, view, tables, stages))
    ]


def _is_shown(stage: str, view: StageView, tables: Tables, stages: Sequence[str]) -> bool:
    """Whether a study without stages of its own has a section of a stage, be it present or missing."""
    studies = STAGES[stage].studies
    return studies == "all" or (studies == "some" and (stage in stages or view.needs[0] in tables))


def _section(stage: str, view: StageView, tables: Tables, languages: Sequence[str]) -> Section:
    absent, panels = [name for name in view.needs if name not in tables], ()
    if absent:
        maker = view.maker or stage
        text = f"This stage is missing: no table {', '.join(absent)}. Run it with: pivots run STUDY.toml --only {maker}"
    else:
        text = "This stage ran and found nothing to show: a table is empty."
        if all(tables[name].num_rows for name in view.needs):
            panels = tuple(view.panels(tables, languages))
    return Section(stage, view.title, view.lede, panels, "" if panels else text)
