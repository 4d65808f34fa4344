"""The report from made-up tables: complete without a stage, deterministic, self-contained, true to its tables."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from markupsafe import escape
from rich.console import Console

from semantic_pivots.panel import Numbers, Word, bars, interval_dots, varies
from semantic_pivots.report import figures_corpus, figures_pivots, figures_trace, findings, headlines
from semantic_pivots.report.glossary import TERMS, with_definitions
from semantic_pivots.report.html import interval_text, number, script_json, table_csv, table_html
from semantic_pivots.report.page import answers, build, report_stage, sections
from semantic_pivots.report.provenance import facts, provenance
from semantic_pivots.report.report_stage import ReportConfig
from semantic_pivots.report.summary import lines, print_summary, views
from semantic_pivots.run import Inputs, Work
from semantic_pivots.stages import DEFAULT
from semantic_pivots.statistics import Interval
from semantic_pivots.study import load_study
from semantic_pivots.tables import from_rows
from tests.report import synthetic

CONFIG = ReportConfig(name="made-up")


@pytest.fixture(scope="module")
def tables():
    return synthetic.tables()


@pytest.fixture(scope="module")
def page(tables):
    return build(CONFIG, tables)


class Links(HTMLParser):
    """Every attribute of the page that would make a browser fetch something."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("src", "srcset", "data", "poster", "action") or (
                name == "href" and not (value or "").startswith("#")
            ):
                self.found.append((tag, value or ""))


def test_the_page_is_complete_small_and_asks_the_network_for_nothing(page):
    links = Links()
    links.feed(page)
    assert links.found == [("link", "data:,")]
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert len(page.encode()) < 3_000_000
    assert page.count('id="plotly"') == 1


def manifest(stage: str, **more) -> dict:
    """What a stage's manifest says, as far as the page reads it."""
    volatile = {"seconds": 1800.0, "finished": "2026-11-26T07:00:00Z", "python": "3.11", "platform": "Linux"}
    volatile["packages"] = {"semantic-pivots": "0.1.0"}
    return {
        "stage": stage,
        "version": 2,
        "digest": stage * 20,
        "config": {},
        "notes": {},
        "warnings": [],
        "volatile": volatile,
        **more,
    }


MANIFESTS = {
    "corpus": manifest("corpus", config={"recipe": "everyday", "shard_bytes": 16_000_000}),
    "score": manifest(
        "score",
        config={"model": "package:tiny", "shots": 3},
        notes={"models": ["tiny@abcdef"], "parameters": 268_098_176},
    ),
}


def test_the_head_names_model_corpus_languages_date_hours_command_and_signature(tables):
    head = {fact.name: fact for fact in facts(CONFIG, tables, MANIFESTS)}
    assert head["Model"].value == "tiny, revision abcdef, 268 million parameters"
    assert head["Corpus"].value == "everyday: 8,400 documents, 80.0 MB of text"
    assert head["Languages"].value.startswith("English (en), French (fr)")
    assert (head["Date"].value, head["Date"].time) == ("26 November 2026", "2026-11-26T07:00:00Z")
    assert (head["Time"].value, head["Time"].time) == ("1.0 hours", "PT3600S")
    assert head["Command"].clipboard_text == "pivots run made-up.toml"
    of_profile = facts(dataclasses.replace(CONFIG, profile="small"), tables, MANIFESTS)
    assert "pivots run made-up.toml --profile small" in [fact.clipboard_text for fact in of_profile]
    assert "tiny, revision abcdef" in head["Signature"].clipboard_text


def test_what_differs_between_equal_runs_stands_in_time_elements_alone(tables):
    later = {
        stage: {**m, "volatile": {**m["volatile"], "seconds": 7.0, "finished": "2027-01-02T00:00:00Z"}}
        for stage, m in MANIFESTS.items()
    }
    first, second = (re.sub(r"<time.*?</time>", "", build(CONFIG, tables, (), m)) for m in (MANIFESTS, later))
    assert first == second


def test_the_provenance_holds_a_study_file_that_can_be_run(tables, tmp_path: Path):
    made = provenance(CONFIG, tables, MANIFESTS)
    assert "CC0-1.0" in str(made.panels)
    (tmp_path / "study.toml").write_text(
        made.study.replace('"corpus", "score"', '"lexicon", "benchmark", "corpus", "score"')
    )
    config = load_study(tmp_path / "study.toml").config
    assert (config.corpus.recipe, config.score.shots, config.score.model) == ("everyday", 3, "package:tiny")


def test_each_answer_is_one_sentence_with_a_figure(tables):
    score, mechanism, documents = answers(tables)
    assert "of the items, where chance gives 17" in score.headline
    assert "need their pivots" in mechanism.headline
    assert "times" in mechanism.headline
    assert documents.headline == "Pivot-rich: cannot be told at this size on held-out words (20 concepts, 3 runs)."
    assert all(answer.figure is not None for answer in (score, mechanism, documents))
    assert mechanism.figure.layout.yaxis.type == "log"


def test_rules_that_contradict_each_other_are_named_with_the_one_to_believe(tables):
    assert not answers(tables)[1].caution
    rows = [{**r, "label": "semantic-pivot"} if r["rule"] == "paper" else r for r in tables["behaviour"].to_pylist()]
    caution = answers({**tables, "behaviour": from_rows("behaviour", rows)})[1].caution
    assert caution.startswith("The rule “paper” says 100")
    assert "believe “causal”" in caution


def test_lenses_that_disagree_are_told_in_words(tables):
    rows = tables["trace_summary"].to_pylist()
    rows += [{**r, "lens": "tuned", "value": 0.5, "low": 0.4, "high": 0.6} for r in rows]
    headline = answers({**tables, "trace_summary": from_rows("trace_summary", rows)})[1].headline
    assert "The lenses disagree: by the tuned lens no more probability than another pair's in any of 18" in headline


def test_a_chart_of_constants_is_left_out():
    assert not varies(bars([("en", 40), ("fr", 40)], "items"))
    assert varies(bars([("en", 40), ("fr", 41)], "items"))
    assert not varies(interval_dots({"a": [("x", Interval(0.5, 0.4, 0.6, 3))]}, "value"))


def test_terms_are_defined_where_they_stand():
    assert str(with_definitions("bridged <b>")) == (
        f'<dfn tabindex="0" data-tip="{escape(TERMS["bridged"])}">bridged</dfn> &lt;b&gt;'
    )


def test_examples_are_the_best_and_some_by_hash_each_with_its_evidence(tables):
    panels = figures_pivots.discover_panels(
        tables["pivots"], tables["items"], CONFIG.languages, tables["pivot_evidence"], tables["behaviour"]
    )
    numbers = next(panel for panel in panels if panel.title == "Examples of pivots").numbers
    chosen = [row[0] for row in numbers.rows]
    concepts = len({r["concept_id"] for r in tables["items"].to_pylist()})
    assert (chosen.count("best"), chosen.count("by hash")) == (concepts, 10)
    assert numbers.columns[-1] == "causal"
    assert all(row[-1] in ("bridged", "redundant", "direct", "undecided") for row in numbers.rows)
    assert "q" in numbers.columns


def test_equal_tables_give_equal_bytes(page):
    assert build(CONFIG, synthetic.tables()) == page


def test_every_stage_has_a_table_and_a_figure(tables):
    for section in sections(CONFIG, tables):
        assert any(p.figure is not None for p in section.panels), section.stage
        assert all(p.numbers.rows for p in section.panels), section.stage


@pytest.mark.parametrize("stage", sorted(name for name, view in views().items() if name in DEFAULT and view.title))
def test_a_missing_stage_says_so(tables, stage):
    rest = {name: table for name, table in tables.items() if name not in views()[stage].needs[:1]}
    section = next(s for s in sections(CONFIG, rest) if s.stage == stage)
    assert not section.panels
    assert "missing" in section.missing
    assert (views()[stage].maker or stage) in section.missing
    assert findings.answers(rest)


def test_the_mechanism_is_answered_by_causes_first_and_the_published_rule_beside_them(tables):
    said = findings.answers(tables)[1].sentences
    assert said[0].startswith("By the rule “causal”, ")
    assert "direct" in said[0]
    assert "log odds of need" in said[1].lower()
    assert "p = " in said[1]
    assert said[2].startswith("By the rule “paper”")
    assert said[3].startswith("The two differ because")
    panels = next(s for s in sections(CONFIG, tables) if s.stage == "behaviour").panels
    assert panels[0].title == "Behaviour shares by the rule “causal”"
    assert panels[1].title == "Is the way over pivots there, and is it used?"
    without = tables["attribution"].filter([row["rule"] != "causal" for row in tables["attribution"].to_pylist()])
    assert not any("causal" in text for text in findings.answers({**tables, "attribution": without})[1].sentences)


def test_a_study_without_any_table_still_gives_a_page():
    text = build(CONFIG, {})
    assert text.count("This stage is missing") == 12
    assert "No scores yet" in text


def test_empty_tables_give_a_page(tables):
    empty = {name: table.slice(0, 0) for name, table in tables.items()}
    assert "found nothing to show" in build(CONFIG, empty)
    assert lines(empty)


def test_figures_carry_the_numbers_of_their_tables(page, tables):
    embedded = re.findall(r'<script type="application/json" data-plot="plot-(\w+)-\d+">(.*?)</script>', page)
    drawn = [(stage, trace) for stage, text in embedded for trace in json.loads(text)["data"]]
    rows = [r for r in tables["comparison"].to_pylist() if r["arm"] == "pivot-rich" and r["baseline"] == "random"]
    trace = next(t for stage, t in drawn if stage == "compare" and t["name"] == "pivot-rich − random")
    assert sorted(trace["x"]) == sorted(r["value"] for r in rows)
    shares = figures_corpus.select_panels(tables["selection"], tables["doc_scores"], CONFIG.languages)[0]
    by_selection: dict[str, float] = {}
    for bar in shares.figure.data:
        for label, value in zip(bar.y, bar.x, strict=True):
            by_selection[label] = by_selection.get(label, 0.0) + value
    assert by_selection == pytest.approx({"whole corpus": 100, "pivot-rich": 100, "random": 100})


def test_the_trace_table_holds_every_point_of_its_curves(tables):
    pooled, single = figures_trace.trace_panels(tables["trace_summary"], CONFIG.languages)
    assert len(pooled.numbers.rows) == 4 * synthetic.LAYERS
    assert len(single.numbers.rows) == 12 * 4 * synthetic.LAYERS
    lines_drawn = [t for t in pooled.figure.data if t.name == "target word"]
    shown = [row[3].value for row in pooled.numbers.rows if row[2] == "target word"]
    assert [p[0] for p in lines_drawn[0].customdata] == shown


def test_own_pivots_are_held_against_another_pairs_on_a_logarithmic_scale(tables):
    (panel,) = figures_trace.ratio_panels(tables["trace_summary"], CONFIG.languages)
    assert len(panel.numbers.rows) == 13 * synthetic.LAYERS
    assert panel.figure.layout.yaxis.type == "log"
    assert "Own pivots stand above another pair's after layers" in panel.reading


def test_items_without_pivots_have_a_reason(tables):
    panels = figures_pivots.discover_panels(
        tables["pivots"], tables["items"], CONFIG.languages, tables["pivot_evidence"]
    )
    (reasons,) = [panel for panel in panels if panel.title == "Why the others have none"]
    assert reasons.numbers.rows[0][:2] == ("no document of the source", tables["items"].num_rows // 2)


def test_the_degree_of_a_pivot_is_explained_as_its_criterion_counts_it(tables):
    tokens = tables["pivot_set"].to_pylist()
    words = from_rows("pivot_set", [{**row, "unit": "word", "token": None} for row in tokens])
    for table, unit, neighbours in ((words, "word", False), (tables["pivot_set"], "token", True)):
        (panel,) = figures_corpus.graph_panels(table, ["en", "zh"])
        assert panel.numbers.columns[0] == unit
        for text in (panel.reading, panel.figure.layout.yaxis.title.text):
            assert "bridged concepts" in text
            assert ("neighbours" in text) == neighbours


def test_text_from_the_corpus_cannot_become_markup(tables):
    rows = tables["pivots"].to_pylist()
    for row in rows:
        row["text"] = "</script><script>alert(1)</script>"
    hostile = build(CONFIG, {**tables, "pivots": from_rows("pivots", rows)})
    assert "<script>alert(1)" not in hostile
    assert "<" not in script_json({"a": "</script><!--"})


def test_answers_say_when_an_interval_contains_nothing(tables):
    rows = [r | {"value": 0.01, "low": -0.01, "high": 0.03} for r in tables["comparison"].to_pylist()]
    text = " ".join(findings.answers({"comparison": from_rows("comparison", rows)})[2].sentences)
    assert text.count("not distinguishable from zero") == 3
    rows = [r | {"value": -0.02, "low": -0.03, "high": -0.01} for r in rows]
    text = " ".join(findings.answers({"comparison": from_rows("comparison", rows)})[2].sentences)
    assert text.count("worse") == 3


def test_a_control_that_is_not_zero_is_reported(tables):
    rows = tables["score_summary"].to_pylist()
    off = [r | {"value": 0.2, "low": 0.1, "high": 0.3} if r["variant"].startswith("control") else r for r in rows]
    assert "do not come out at zero" in " ".join(
        findings.answers({"score_summary": from_rows("score_summary", off)})[0].sentences
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0123456, "0.0123"), (12.345, "12.3"), (1234.5, "1,234"), (1234, "1,234"), (0, "0"), (1e-5, "1.0e-05")],
)
def test_numbers_are_written_with_three_digits(value, text):
    assert number(value) == text


def test_intervals_are_written_with_the_decimals_of_their_width():
    assert interval_text(Interval(0.12345, 0.1, 0.15, 9)) == "0.123 [0.100, 0.150]"
    assert interval_text(Interval(0.5, 0.1, 0.9, 9)) == "0.50 [0.10, 0.90]"
    assert interval_text(Interval(math.nan, math.nan, math.nan, 0)) == "—"
    assert interval_text(Interval(0.5, math.nan, math.nan, 1)) == "0.500 [no interval]"
    assert interval_text(Interval(2e-5, 1e-5, 3e-5, 1)) == "2e-05 [1e-05, 3e-05]"


def test_a_table_keeps_languages_and_full_precision():
    numbers = Numbers(("word", "value [95 %]"), ((Word("雪", "zh"), Interval(1 / 3, 0.1, 0.5, 4)),))
    assert '<td lang="zh-Hans" dir="auto">雪</td>' in table_html(numbers)
    assert list(csv.reader(io.StringIO(table_csv(numbers)))) == [
        ["word", "value", "low", "high"],
        ["雪", repr(1 / 3), "0.1", "0.5"],
    ]
    with pytest.raises(ValueError, match="2 columns"):
        Numbers(("a", "b"), ((1,),))


def test_undefined_intervals_can_be_drawn():
    figure = interval_dots(
        {"a": [("x", Interval(math.nan, math.nan, math.nan, 0)), ("y", Interval(0.5, 0.4, 0.6, 3))]}, "value"
    )
    assert len(figure.data[0].x) == 2


def test_the_terminal_summary_has_a_line_per_stage(tables, tmp_path: Path):
    in_study = {stage: view for stage, view in views().items() if stage not in ("planted", "natural")}
    for stage, view in in_study.items():
        for name in view.needs + view.optional_tables:
            (tmp_path / stage).mkdir(exist_ok=True)
            pq.write_table(tables[name], tmp_path / stage / f"{name}.parquet")
    console = Console(width=120, file=io.StringIO())
    print_summary(tmp_path, console)
    text = console.file.getvalue()
    for stage in in_study:
        assert stage in text
    assert "not run" not in text
    assert "[-" in text


def test_the_terminal_summary_of_nothing(tmp_path: Path):
    console = Console(width=100, file=io.StringIO())
    print_summary(tmp_path, console)
    every = [stage for stage in views() if stage in DEFAULT and stage != "trace"]  # behaviour makes its figures
    assert f"not run: {', '.join(every)}" in " ".join(console.file.getvalue().split())


def test_the_stage_writes_the_page_from_the_folders_there_are(tables, page, tmp_path: Path):
    for stage in ("lexicon", "compare"):
        for name in views()[stage].needs:
            (tmp_path / stage).mkdir(exist_ok=True)
            pq.write_table(tables[name], tmp_path / stage / f"{name}.parquet")
    work = Work(tmp_path / "scratch", tmp_path / "out")
    work.out.mkdir()
    inputs = Inputs({stage: tmp_path / stage for stage in ("lexicon", "compare", "train")})
    assert report_stage(CONFIG, inputs, work) == {}
    assert sorted(p.name for p in work.out.iterdir()) == ["numbers", "report.html"]
    words = list(csv.reader((work.out / "numbers" / "lexicon-1.csv").open(encoding="utf-8")))
    assert words[0] == ["language", "words", "source (licence)"]
    assert "score" in work.notes["stages_missing"]
    assert "compare" not in work.notes["stages_missing"]


def test_gains_of_one_selection_are_drawn_by_direction_too(tables):
    rows = tables["comparison"].to_pylist()
    gains = [row for row in tables["verdict"].to_pylist() if row["baseline"]][:1]
    same = {key: gains[0][key] for key in ("arm", "baseline", "stratum", "variant")}
    rows = [{**row, **same} for row in rows if row["source_language"] != "all"][:2]
    rows = [{**row, "target_language": target} for row, target in zip(rows, ("fr", "zh"), strict=True)]
    changed = {**tables, "verdict": from_rows("verdict", gains), "comparison": from_rows("comparison", rows)}
    _, figure = headlines.documents(changed)
    assert figure is not None
    directions = [f"{row['source_language']} → {row['target_language']}" for row in rows]
    assert list(figure.layout.yaxis.ticktext) == ["all directions", *directions]
    assert figure.layout.xaxis.title.text.startswith(f"gain of {same['arm']} over {same['baseline']}")


def test_the_first_screen_names_pivots_of_the_pair_with_the_most_documents(tables, page):
    evidence = {row["item_id"]: row for row in tables["pivot_evidence"].to_pylist()}
    items = {row["item_id"]: row for row in tables["items"].to_pylist()}
    with_pivots, without = (
        next(i for i, row in evidence.items() if bool(row["pivots"]) == any_pivots and "en-" in i)
        for any_pivots in (True, False)
    )
    first = min((row for row in tables["pivots"].to_pylist() if row["item_id"] == with_pivots), key=lambda r: r["rank"])
    for item, text in ((with_pivots, first["text"].strip()), (without, f"none: {evidence[without]['reason']}")):
        most = {"documents_source": 900, "documents_target": 900}
        rows = [{**row, **most} if i == item else row for i, row in evidence.items()]
        panel = figures_pivots.named_pairs({**tables, "pivot_evidence": from_rows("pivot_evidence", rows)})
        row = next(row for row in panel.numbers.rows if row[3] == 900)
        assert [word.text for word in row[:2]] == [items[item]["source"], items[item]["target"]]
        assert row[2].startswith(text)
        assert row[4] == "most documents"
    assert page.index('id="pivots"') < page.index('class="sections"')
    assert f"of {len(evidence):,} pairs" in page[: page.index('class="sections"')]
    none = {name: table for name, table in tables.items() if name != "pivot_evidence"}
    assert figures_pivots.named_pairs(none) is None
