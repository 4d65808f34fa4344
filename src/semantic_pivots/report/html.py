"""The page: sections of panels rendered into one self-contained HTML file whose bytes depend on its input only.

plotly.js is written into the page once and draws every figure from JSON; the page asks the network for nothing. Chosen
over images because values can be read off the figures, at the cost of 1.9 MB (compressed; browsers unpack it since
2023); the numbers stand in tables beside the figures, so that nothing is lost without JavaScript. What only a button
gives, the tables' CSV with all digits and the signatures, is compressed too.
"""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import jinja2
import plotly.graph_objects as go
from markupsafe import Markup

from semantic_pivots.panel import Cell, Numbers, Panel, Word, varies
from semantic_pivots.report.glossary import TERMS, with_definitions
from semantic_pivots.statistics import Interval

TIMES = ("took", "finished")
"""Columns whose values differ between equal runs: they stand in elements <time>, and not in the CSV."""
LANGUAGE_TAGS = {"zh": "zh-Hans", "ja": "ja", "ko": "ko"}


@dataclass(frozen=True)
class Answer:
    """One question of the package and its answer in sentences made from the tables."""

    question: str
    sentences: tuple[str, ...]
    headline: str = ""
    """the answer in one sentence; empty: the first of the sentences"""
    figure: go.Figure | None = None
    """what argues the headline"""
    caution: str = ""
    """which of two rules to believe where they contradict each other"""
    section: str = ""
    """stage whose section holds the numbers"""


@dataclass(frozen=True)
class Fact:
    """A line of the page's head: what it names, its value, and the machine's form of a date or a duration."""

    name: str
    value: str
    time: str = ""
    """ISO 8601; set where the value differs between equal runs"""
    clipboard_text: str = ""
    """what a button beside it copies"""


@dataclass(frozen=True)
class Provenance:
    """What a page was made from."""

    lede: str
    panels: tuple[Panel, ...]
    study: str = ""
    """the study file, as TOML"""


@dataclass(frozen=True)
class Section:
    """One stage of the study; without panels it says why."""

    stage: str
    title: str
    lede: str
    panels: tuple[Panel, ...] = ()
    missing: str = ""


def number(value: float) -> str:
    """A number with about three significant digits and without false precision: 0.0123, 12.3, 1,234."""
    if isinstance(value, int):
        return f"{value:,}"
    if math.isnan(value):
        return "—"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 0.001:
        return f"{value:.{max(0, 2 - math.floor(math.log10(size)))}f}"
    return f"{value:.1e}"


def interval_text(i: Interval) -> str:
    """`0.123 [0.101, 0.145]`, all three with the decimals that the width of the interval deserves."""
    if math.isnan(i.value):
        return "—"
    if not i.exists:
        return f"{number(i.value)} [no interval]"
    width = i.high - i.low
    if not (math.isfinite(width) and width > 0):
        return f"{number(i.value)} [{number(i.low)}, {number(i.high)}]"
    if max(abs(i.low), abs(i.high)) < 1e-3:
        return f"{i.value:.2g} [{i.low:.2g}, {i.high:.2g}]"
    decimals = min(6, max(0, 1 - math.floor(math.log10(width)) if width < 10 else 0))
    return " ".join((f"{i.value:.{decimals}f}", f"[{i.low:.{decimals}f}, {i.high:.{decimals}f}]"))


def cell_html(cell: Cell, column: str) -> Markup:
    """One table cell: numbers to the right, words in their language and direction, a signature as a copy button."""
    if isinstance(cell, Word):
        return Markup('<td lang="{}" dir="auto">{}</td>').format(
            LANGUAGE_TAGS.get(cell.language, cell.language), cell.text
        )
    if isinstance(cell, Interval):
        return Markup('<td class="num">{}</td>').format(interval_text(cell))
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        return Markup('<td class="num">{}</td>').format(number(cell))
    if column == "signature":
        return Markup('<td><button class="sig" type="button">copy</button></td>')  # its text stands in the CSV
    if column in TIMES:
        return Markup("<td><time>{}</time></td>").format(cell or "")
    if isinstance(cell, str) and not cell.isascii():
        # each word of a list is isolated, so that one read from right to left does not turn what stands beside it
        words = map(Markup("<bdi>{}</bdi>").format, cell.split(" · "))
        return Markup("<td>{}</td>").format(Markup(" · ").join(words))
    return Markup("<td>{}</td>").format("" if cell is None else cell)


def table_html(numbers: Numbers) -> Markup:
    """The table's HTML; a click on a column's name sorts by it."""
    numeric = [
        any(isinstance(r[i], (int, float, Interval)) for r in numbers.rows[:5]) for i in range(len(numbers.columns))
    ]
    head = Markup("").join(
        Markup('<th scope="col"{}><button type="button">{}</button></th>').format(
            Markup(' class="num"') if right else "", name
        )
        for name, right in zip(numbers.columns, numeric, strict=True)
    )
    body = Markup("\n").join(
        Markup("<tr>") + Markup("").join(map(cell_html, row, numbers.columns)) + Markup("</tr>") for row in numbers.rows
    )
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(head, body)


def table_csv(numbers: Numbers) -> str:
    """The table with full precision; an interval takes three columns."""
    lasting = [i for i, name in enumerate(numbers.columns) if name not in TIMES]
    rows = tuple(tuple(row[i] for i in lasting) for row in numbers.rows)
    numbers = Numbers(tuple(numbers.columns[i] for i in lasting), rows)
    wide = [any(isinstance(row[i], Interval) for row in numbers.rows) for i in range(len(numbers.columns))]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [[c.split(" [")[0], "low", "high"] if w else [c] for c, w in zip(numbers.columns, wide, strict=True)]
    writer.writerow([name for group in names for name in group])
    for row in numbers.rows:
        cells: list = []
        for cell in row:
            cells += [cell.value, cell.low, cell.high] if isinstance(cell, Interval) else [getattr(cell, "text", cell)]
        writer.writerow(cells)
    return out.getvalue()


def script_json(value: object) -> Markup:
    """JSON that can stand inside a <script> element."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def figure_json(figure: go.Figure) -> Markup:
    """The figure as plotly's JSON, lists in place of encoded arrays."""
    return script_json(json.loads(figure.to_json(validate=False) or "{}", parse_constant=lambda _: None))


def compress(text: str) -> Markup:
    """A text compressed by gzip and encoded in base64; the page's script decodes it."""
    return Markup(base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode())


@cache
def plotly_script() -> Markup:
    """The minified plotly.js of the package plotly, compressed for the page (`compress`)."""
    return compress(resources.files("plotly").joinpath("package_data/plotly.min.js").read_text("utf-8"))


@cache
def _template() -> jinja2.Template:
    text = resources.files("semantic_pivots.report").joinpath("templates/report.html.j2").read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.globals.update(
        table=table_html,
        csv=lambda numbers: compress(table_csv(numbers)),
        figure=figure_json,
        script_json=script_json,
        with_definitions=with_definitions,
        terms=TERMS,
        varies=varies,
    )
    return environment.from_string(text)


def render(
    title: str,
    facts: Sequence[Fact],
    answers: Sequence[Answer],
    pivots: Panel | None,
    sections: Sequence[Section],
    provenance: Provenance,
) -> str:
    """The whole page as one string."""
    return _template().render(
        title=title,
        facts=facts,
        answers=answers,
        pivots=pivots,
        sections=sections,
        provenance=provenance,
        plotly=plotly_script(),
    )
