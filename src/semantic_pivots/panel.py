"""The pieces a report is made of: numbers, a figure drawn from exactly these numbers, and how to read both.

A figure is a plotly description without colours of text, grid and paper. The page sets these colours, so that one file
works on a light and on a dark screen. Every figure and every table is a pure function of a stage's tables.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from semantic_pivots.statistics import Interval, of_row

if TYPE_CHECKING:
    import pyarrow as pa

Tables = Mapping[str, "pa.Table"]
"""The tables of a study that exist, by name."""
EXAMPLES = 10

ALL = ("all", "*", "")
"""What a summary table writes in place of a language when a row pools all directions."""

# Distinguishable with the common forms of colour blindness and against both a white and a near-black page.
PALETTE = ("#2f7ed8", "#e07b39", "#2a9d74", "#b565c9", "#b8960c", "#6b7f95", "#d1495b", "#3aa6b9")
# One colour per meaning, the same in every figure of the page.
COLOURS = {
    "mass_source": "#2f7ed8",
    "mass_pivot": "#b565c9",
    "mass_target": "#e07b39",
    "mass_pivot_null": "#8a8f98",
    "entropy": "#6b7f95",
    "pivot-rich": "#b565c9",
    "random": "#6b7f95",
    "base": "#2a9d74",
}


@dataclass(frozen=True)
class Word:
    """A word with its language, so that a browser chooses the glyphs of that language."""

    text: str
    language: str


Cell = str | int | float | bool | None | Interval | Word


@dataclass(frozen=True)
class Numbers:
    """The numbers of a panel: one tuple of cells per row, in the order of `columns`."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row of {len(row)} cells in a table of {len(self.columns)} columns: {row}")

    def without_constant(self, *columns: str) -> Numbers:
        """The table without those of `columns` that hold one value throughout (the signature names it)."""
        drop = {i for i, c in enumerate(self.columns) if c in columns and len({row[i] for row in self.rows}) == 1}
        rest = [i for i in range(len(self.columns)) if i not in drop]
        return Numbers(tuple(self.columns[i] for i in rest), tuple(tuple(row[i] for i in rest) for row in self.rows))


Columns = Mapping[str, str | Callable[[dict], Cell]]
"""By heading, the name of a column of a summary table, or a function of its row."""


def figures_of(rows: Iterable[dict], columns: Columns, value: str = "value", details: Columns | None = None) -> Numbers:
    """One row per figure of a summary table: columns, its value with the interval, n, further columns, signature."""
    cells = {**columns, f"{value} [95 %]": of_row, "n": "n", **(details or {}), "signature": "signature"}
    return Numbers(
        tuple(cells), tuple(tuple(r[c] if isinstance(c, str) else c(r) for c in cells.values()) for r in rows)
    )


@dataclass(frozen=True)
class Panel:
    """One figure with its numbers; a panel without a figure is a table alone."""

    title: str
    reading: str
    numbers: Numbers
    figure: go.Figure | None = None
    wide: bool = False
    """the figure takes the full width and its table stands below it, not beside it"""


@dataclass(frozen=True)
class Line:
    """One line of the summary: a key figure as an interval, or as text where it has none."""

    stage: str
    figure: str
    value: Interval | str
    n: int | None = None


@dataclass(frozen=True)
class StageView:
    """What the page and the summary show of a stage; `stages.Stage` names it."""

    place: int
    """of its section on the page: results first, then what explains them, then what they were made from"""
    title: str
    lede: str
    needs: tuple[str, ...]
    """tables without which there is no section; the first exists once the stage has run"""
    panels: Callable[[Tables, Sequence[str]], Sequence[Panel]]
    """of the tables and the study's languages"""
    lines: Callable[[Tables], Sequence[Line]]
    optional_tables: tuple[str, ...] = ()
    """tables that its lines use where they exist"""
    maker: str = ""
    """the stage that makes the first of its tables, where it is a later one"""


def sample(identifiers: Sequence[str], count: int) -> list[str]:
    """`count` identifiers in the order of their hashes, so that examples are not selected by their results."""
    return sorted(set(identifiers), key=lambda i: hashlib.sha256(i.encode()).digest())[:count]


def colour(name: str, index: int) -> str:
    """The report-wide colour of `name`, or, if it has none, the palette's colour at `index`."""
    return COLOURS.get(name, PALETTE[index % len(PALETTE)])


def is_pooled(row: dict) -> bool:
    """Whether a row of a summary table pools all directions."""
    return row["source_language"] in ALL and row["target_language"] in ALL


def direction(row: dict) -> str:
    """`en → fr`, or `all directions` for a pooled row."""
    return "all directions" if is_pooled(row) else f"{row['source_language']} → {row['target_language']}"


def direction_order(languages: Sequence[str]):
    """A sort key for summary rows: pooled first, then the directions in the order of the study's languages."""
    place = {code: index for index, code in enumerate(languages)}
    last = len(place)

    def key(row: dict) -> tuple:
        source, target = row["source_language"], row["target_language"]
        return (not is_pooled(row), place.get(source, last), source, place.get(target, last), target)

    return key


def unique(values: Iterable[str]) -> list[str]:
    """The distinct values in order of first appearance."""
    return list(dict.fromkeys(values))


def varies(figure: go.Figure) -> bool:
    """Whether the values of a figure differ; a figure of constants is replaced by its table."""
    traces: Any = figure.data
    for trace in traces:
        values = trace.x if trace.orientation == "h" or trace.error_x.array is not None else trace.y
        distinct = {value for value in (values if values is not None else ()) if value is not None}
        if len(distinct) > 1 or trace.type not in ("bar", "scatter"):
            return True
    return len(traces) > 1 and any(trace.type == "scatter" for trace in traces)


def layout(figure: go.Figure, height: int, x: str = "", y: str = "", **options) -> go.Figure:
    """Set what all figures share: margins, a legend above the plot, axis titles."""
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 60, "r": 16, "t": 12 if options.get("showlegend") is False else 36, "b": 48},
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom", "traceorder": "normal"},
        **options,
    )
    if x:
        figure.update_xaxes(title_text=x)
    if y:
        figure.update_yaxes(title_text=y)
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure


def interval_dots(
    series: dict[str, list[tuple[str, Interval]]], x: str, reference: float | None = None, row_pixels: int = 15
) -> go.Figure:
    """Dots with 95 % interval bars: one line of the plot per label, one colour per series, the first label on top.

    Args:
        series: name to (label, interval) pairs; labels may differ between series.
        x: title of the value axis, with its unit.
        reference: where to draw a vertical line (the value that would mean "nothing"), if anywhere.
    """
    labels = unique(label for points in series.values() for label, _ in points)
    place = {label: -index for index, label in enumerate(labels)}
    figure = go.Figure()
    for index, (name, points) in enumerate(series.items()):
        shift = (len(series) - 1) / 2 - index
        figure.add_trace(
            go.Scatter(
                name=name,
                x=[i.value for _, i in points],
                y=[place[label] + 0.7 * shift / max(len(series), 1) for label, _ in points],
                mode="markers",
                marker={"color": colour(name, index), "size": 7},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "thickness": 1.6,
                    "width": 0,
                    "color": colour(name, index),
                    "array": [i.high - i.value for _, i in points],
                    "arrayminus": [i.value - i.low for _, i in points],
                },
                customdata=[[label, i.low, i.high, i.n] for label, i in points],
                hovertemplate="%{customdata[0]}: %{x:.4f} [%{customdata[1]:.4f}, %{customdata[2]:.4f}], "
                "n = %{customdata[3]}<extra>" + name + "</extra>",
            )
        )
    lines = len(labels) * max(len(series), 1)
    layout(figure, 110 + max(row_pixels * lines, 24 * len(labels)), x=x, showlegend=len(series) > 1)
    figure.update_yaxes(tickmode="array", tickvals=list(place.values()), ticktext=labels, zeroline=False)
    figure.update_yaxes(range=[-len(labels) + 0.4, 0.6])
    if reference is not None:
        figure.add_vline(x=reference, line={"dash": "dot", "width": 1.5, "color": "#8a8f98"})
    return figure


def stacked_shares(series: dict[str, list[tuple[str, float]]], x: str, inks: Sequence[str] = PALETTE) -> go.Figure:
    """Horizontal stacked bars of shares in percent: one bar per label, one colour per series, first label on top."""
    labels = unique(label for points in series.values() for label, _ in points)
    figure = go.Figure()
    for index, (name, points) in enumerate(series.items()):
        figure.add_trace(
            go.Bar(
                name=name,
                orientation="h",
                y=[label for label, _ in points],
                x=[100 * value for _, value in points],
                marker={"color": inks[index % len(inks)]},
                hovertemplate="%{y}: %{x:.1f} %<extra>" + name + "</extra>",
            )
        )
    layout(figure, 110 + 26 * len(labels), x=x, barmode="stack", bargap=0.3, showlegend=True)
    figure.update_yaxes(categoryorder="array", categoryarray=labels[::-1])
    return figure


def bars(points: list[tuple[str, float]], x: str, hover: str = "%{y}: %{x:,}") -> go.Figure:
    """Horizontal bars, one per label, the first label on top."""
    figure = go.Figure(
        go.Bar(
            orientation="h",
            y=[label for label, _ in points],
            x=[value for _, value in points],
            marker={"color": PALETTE[0]},
            hovertemplate=hover + "<extra></extra>",
        )
    )
    layout(figure, 90 + 26 * len(points), x=x, bargap=0.3, showlegend=False)
    figure.update_yaxes(categoryorder="array", categoryarray=[label for label, _ in points][::-1])
    return figure
