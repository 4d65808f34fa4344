"""What is shown of the traces: masses by layer, and own pivots' mass over another pair's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import plotly.graph_objects as go
import pyarrow as pa
from plotly.subplots import make_subplots

from semantic_pivots.panel import (
    PALETTE,
    Line,
    Panel,
    StageView,
    Tables,
    colour,
    direction,
    direction_order,
    figures_of,
    is_pooled,
    layout,
    unique,
)
from semantic_pivots.statistics import of_row

MASS_NAMES = {
    "mass_source": "source word",
    "mass_pivot": "pivots",
    "mass_target": "target word",
    "mass_pivot_null": "another pair's pivots (null)",
}
_LANGUAGE, _ASTRAY = "mass_language:", "share: the surest token begins the word in a further language"
_MASSES_READ = (
    "What the model would answer if it stopped after each layer: the mean probability of the first tokens of the "
    "source word, of the pair's pivots, and of the target word. Bands are 95 % intervals over items."
)
_LANGUAGES_READ = (
    "The mean probability of tokens that may begin the concept's word in one language alone, by language (with the "
    "source and target of each direction among them), and how often the surest token begins it in a further one."
)


def trace_panels(trace_summary: pa.Table, languages: Sequence[str]) -> list[Panel]:
    """Layerwise masses of source, pivots and target: pooled (where given) and per direction, one panel per lens."""
    rows = sorted(trace_summary.to_pylist(), key=direction_order(languages))
    panels = []
    for lens in unique(r["lens"] for r in rows):
        members = [r for r in rows if r["lens"] == lens]
        masses = unique(r["quantity"] for r in members if r["quantity"].startswith(_LANGUAGE))
        in_languages = {q: f"{q.removeprefix(_LANGUAGE)} word" for q in masses} | {"off_target_correct": _ASTRAY}
        for names, title, reading in (
            (MASS_NAMES, "Probability mass by layer", _MASSES_READ),
            (in_languages, "Languages by layer", _LANGUAGES_READ),
        ):
            for pooling in (True, False):
                part = [r for r in members if r["quantity"] in names and is_pooled(r) == pooling]
                if part:
                    scope = "all directions" if pooling else "per direction"
                    panels.append(_mass_curves(part, names, f"{title}, {scope} ({lens} lens)", reading, pooling))
    return panels


def _mass_curves(rows: list[dict], quantities: dict[str, str], title: str, reading: str, pooling: bool) -> Panel:
    names = unique(direction(r) for r in rows)
    columns = 1 if pooling else min(3, len(names))
    lines = math.ceil(len(names) / columns)
    figure = make_subplots(
        rows=lines,
        cols=columns,
        shared_xaxes=True,
        shared_yaxes=True,
        subplot_titles=None if pooling else names,
        horizontal_spacing=0.03,
        vertical_spacing=min(0.09, 0.3 / lines),
    )
    for place, name in enumerate(names):
        for index, quantity in enumerate(quantities):
            points = sorted(
                (r for r in rows if direction(r) == name and r["quantity"] == quantity), key=lambda r: r["layer"]
            )
            if not points:
                continue
            for trace in mass_band(points, quantity, quantities[quantity], index, place == 0):
                figure.add_trace(trace, row=place // columns + 1, col=place % columns + 1)
    height = 430 if pooling else 90 + 190 * lines
    top = 84
    plot_height = height - top - 48
    layout(figure, height, updatemenus=[_scale_buttons(lines * columns, 1 + (44 if pooling else 32) / plot_height)])
    figure.update_xaxes(title_text="layer (0: after the first block)", row=lines)
    figure.update_yaxes(title_text="probability", col=1, rangemode="tozero")
    figure.update_layout(margin={"t": top}, legend={"y": 1 + (2 if pooling else 36) / plot_height})
    if not pooling:
        figure.update_annotations(font={"size": 13})
    order = list(quantities)
    rows = sorted(rows, key=lambda r: (names.index(direction(r)), r["layer"], order.index(r["quantity"])))
    identity = {"direction": direction, "layer": "layer", "mass of": lambda r: quantities[r["quantity"]]}
    return Panel(title, reading, figures_of(rows, identity), figure, wide=not pooling)


def interval_band(
    layers: list[int], low: list[float], high: list[float], ink: str, legendgroup: str | None = None
) -> go.Scatter:
    """The area between two curves over the layers, in a light tone of `ink` (#rrggbb)."""
    return go.Scatter(
        x=layers + layers[::-1],
        y=high + low[::-1],
        fill="toself",
        fillcolor=f"rgba({int(ink[1:3], 16)},{int(ink[3:5], 16)},{int(ink[5:7], 16)},0.2)",
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
        legendgroup=legendgroup,
    )


def mass_band(points: list[dict], quantity: str, name: str, index: int, in_legend: bool) -> list[go.Scatter]:
    """A line and its interval band; values are kept above 1e-7 so that a logarithmic axis can show them."""
    layers, floor = [p["layer"] for p in points], 1e-7
    ink = colour(quantity, index)
    # where there is no interval the band has no width
    ends = [i if i.exists else replace(i, low=i.value, high=i.value) for i in map(of_row, points)]
    band = interval_band(layers, [max(i.low, floor) for i in ends], [max(i.high, floor) for i in ends], ink, quantity)
    line = go.Scatter(
        x=layers,
        y=[max(i.value, floor) for i in ends],
        mode="lines",
        line={"color": ink, "width": 2, "dash": "dot" if quantity == "mass_pivot_null" else "solid"},
        name=name,
        legendgroup=quantity,
        showlegend=in_legend,
        customdata=[[i.value, i.low, i.high, i.n] for i in map(of_row, points)],
        hovertemplate="layer %{x}: %{customdata[0]:.4g} [%{customdata[1]:.4g}, %{customdata[2]:.4g}], "
        "n = %{customdata[3]}<extra>" + name + "</extra>",
    )
    return [band, line]


def _scale_buttons(axes: int, y: float) -> dict:
    names = ["yaxis" if i == 0 else f"yaxis{i + 1}" for i in range(axes)]
    return {
        "type": "buttons",
        "direction": "right",
        "x": 1,
        "xanchor": "right",
        "y": y,
        "yanchor": "bottom",
        "pad": {"b": 4},
        "showactive": False,
        "buttons": [
            {"label": scale, "method": "relayout", "args": [{f"{name}.type": kind for name in names}]}
            for scale, kind in (("linear", "linear"), ("logarithmic", "log"))
        ],
    }


def ratio_panels(trace_summary: pa.Table, languages: Sequence[str]) -> list[Panel]:
    """Own pivots' mass over another pair's, by layer: one panel per lens, and its sentence on where it is above one."""
    rows = [r for r in trace_summary.to_pylist() if r["quantity"] == "pivot_ratio" and r["value"] is not None]
    rows = sorted((r for r in rows if math.isfinite(r["value"])), key=direction_order(languages))
    panels = []
    for lens in unique(r["lens"] for r in rows):
        group = [r for r in rows if r["lens"] == lens]
        figure = go.Figure()
        for index, name in enumerate(unique(direction(r) for r in group)):
            layers = sorted((r for r in group if direction(r) == name), key=lambda r: r["layer"])
            for part in _curve(layers, name, index):
                figure.add_trace(part)
        figure.add_hline(y=1, line={"dash": "dot", "width": 1})
        layout(figure, 430, "layer (0: after the first block)", "own mass / another pair's")
        figure.update_yaxes(type="log")
        numbers = figures_of(group, {"direction": direction, "layer": "layer"}, "ratio")
        reading = (
            "How many times as much probability own pivots have as another pair's under the same prompts: the ratio of "
            "the two mean masses, on a logarithmic scale; one means nothing of the pair's own. "
        )
        title = f"Own pivots over another pair's ({lens} lens)"
        panels.append(Panel(title, reading + above_one([r for r in group if is_pooled(r)]), numbers, figure))
    return panels


def above_one(rows: Sequence[dict]) -> str:
    """A sentence with the layers whose interval of the ratio lies above one; empty without rows."""
    if not rows:
        return ""
    layers = sorted(r["layer"] for r in rows if r["low"] is not None and r["low"] > 1)
    final = max(r["layer"] for r in rows)
    if not layers:
        return f"In none of the layers 0–{final} do own pivots stand above another pair's."
    runs: list[list[int]] = []
    for layer in layers:
        if runs and runs[-1][-1] == layer - 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    ranges = ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
    top = clearest(rows)
    return (
        f"Own pivots stand above another pair's after layers {ranges} of 0–{final}, most clearly after layer "
        f"{top['layer']}: {times_text(top)}."
    )


def clearest(rows: Iterable[dict]) -> dict:
    """The row of the layer in which the ratio is most clearly above one; empty if there is none.

    By the interval's low end: the largest of many noisy ratios is too large, and most often the noisiest.
    """
    excess_rows = [row for row in rows if row["low"] is not None and row["low"] > 1]
    return max(excess_rows, key=lambda row: (row["low"], row["layer"]), default={})


def times_text(row: dict) -> str:
    """A ratio with its 95 % interval as text, such as `3.2 times [2.1, 4.9]`."""
    return f"{times(row['value'])} times [{times(row['low'])}, {times(row['high'])}]"


def _curve(points: Sequence[dict], name: str, index: int) -> list[go.Scatter]:
    """A line of ratios, and its interval where all directions are taken together."""
    ink, layers = PALETTE[index % len(PALETTE)], [p["layer"] for p in points]
    line = go.Scatter(
        x=layers,
        y=[p["value"] for p in points],
        mode="lines",
        line={"color": ink, "width": 3 if is_pooled(points[0]) else 1.5},
        name=name,
        customdata=[[p["low"], p["high"], p["n"]] for p in points],
        hovertemplate="layer %{x}: %{y:.3g} [%{customdata[0]:.3g}, %{customdata[1]:.3g}], n = %{customdata[2]}"
        "<extra>" + name + "</extra>",
    )
    if not is_pooled(points[0]) or any(p["low"] is None for p in points):
        return [line]
    return [interval_band(layers, [p["low"] for p in points], [p["high"] for p in points], ink), line]


def times(ratio: float) -> str:
    """A ratio by three digits: masses of unrelated words are near nothing, so that ratios run to millions."""
    return f"{ratio:.3g}" if ratio < 999.5 else f"{float(f'{ratio:.3g}'):,.0f}"


def _lines(tables: Tables) -> list[Line]:
    rows = [r for r in tables["trace_summary"].to_pylist() if is_pooled(r) and r["value"] is not None]
    out = []
    for quantity, name in (("mass_pivot", "pivots"), ("mass_target", "target word")):
        members = [r for r in rows if r["quantity"] == quantity and r["lens"] == "logit"]
        if members:
            top = max(members, key=lambda r: (r["value"], r["layer"]))
            out.append(Line("trace", f"largest mass of the {name}, layer {top['layer']}", of_row(top)))
    ratio = [r for r in rows if r["quantity"] == "pivot_ratio" and r["lens"] == "logit" and r["n"]]
    top = clearest(ratio)
    if top:
        out.append(Line("trace", f"own pivots' mass over another pair's, layer {top['layer']}", of_row(top)))
    elif ratio:
        out.append(Line("trace", "own pivots' mass over another pair's", "above one in no layer"))
    return out


def _panels(tables: Tables, languages: Sequence[str]) -> list[Panel]:
    summary = tables["trace_summary"]
    return [*ratio_panels(summary, languages), *trace_panels(summary, languages)]


TRACE = StageView(
    60,
    "Trace",
    "Layer by layer, what the model would answer.",
    ("trace_summary",),
    _panels,
    _lines,
    maker="behaviour",
)
