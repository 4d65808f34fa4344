"""Panels of the counts: documents that hold both words of a pair, words that occur, and as what they are matched."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence

import pyarrow as pa

from semantic_pivots.panel import Line, Numbers, Panel, StageView, Tables, bars, stacked_shares
from semantic_pivots.report.figures_corpus import study_order
from semantic_pivots.signature import Signature, matching_rules
from semantic_pivots.words import fold

COUNT_BINS = (0, 1, 2, 4, 16, 64, 256, 1024)


def count_panels(
    pair_counts: pa.Table,
    word_counts: pa.Table,
    languages: Sequence[str],
    forms: pa.Table | None = None,
    items: pa.Table | None = None,
) -> list[Panel]:
    """How many units (documents or windows) hold both words of a pair, per two languages, and how words are matched."""
    row = pair_counts.slice(0, 1).to_pylist()[0]
    exact = "exact" if all(pair_counts["exact"].to_pylist()) else "approximate"
    settings = {name: row[name] for name in ("provider", "unit", "window")} | {"words": matching_rules(pair_counts)}
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for a, b, value in zip(*(pair_counts[c].to_pylist() for c in ("language_1", "language_2", "value")), strict=True):
        groups[tuple(study_order({a, b}, languages))].append(value)  # type: ignore[index]
    place = {code: index for index, code in enumerate(study_order({c for pair in groups for c in pair}, languages))}
    bins = [*COUNT_BINS, math.inf]
    series: dict[str, list] = {_bin_name(low, high): [] for low, high in itertools.pairwise(bins)}
    rows = []
    for key in sorted(groups, key=lambda pair: [place[code] for code in pair]):
        values, name = sorted(groups[key]), " – ".join(key)
        for low, high in itertools.pairwise(bins):
            series[_bin_name(low, high)].append((name, sum(low <= v < high for v in values) / len(values)))
        positive, n = sum(v > 0 for v in values), len(values)
        rows.append(
            (
                name,
                positive / n,
                n,
                values[n // 2],
                values[-1],
                str(Signature.of("count", "-".join(key), **settings, exact=exact)),
            )
        )
    series = {name: points for name, points in series.items() if any(part for _, part in points)}
    unit_name = "documents" if row["unit"] == "document" else f"windows of {row['window']} tokens"
    reading = (
        f"Number of {unit_name} that hold both words of a pair ({exact} counts of the provider “{row['provider']}”). "
        "A pair that never meets is its own class."
    )
    inks = [_ramp(index / max(len(series) - 1, 1)) for index in range(len(series))]
    figure = stacked_shares(series, "share of pairs (%)", inks)
    columns = ("languages", "share that meets", "n", "median", "largest", "signature")
    panel = Panel(f"Pairs in one {row['unit']}", reading, Numbers(columns, tuple(rows)), figure)
    return [panel, _word_panel(word_counts, languages, _further_forms(forms), items)]


def _further_forms(forms: pa.Table | None) -> dict[tuple[str, str], int]:
    """Of each word that is counted by more than its spelling, the number of its other forms."""
    columns = () if forms is None else (forms[name].to_pylist() for name in ("word", "language", "form"))
    spellings: dict[tuple[str, str], set[str]] = defaultdict(set)
    for word, code, form in zip(*columns, strict=True):
        if form != fold(word):
            spellings[word, code].add(form)
    return {word: len(texts) for word, texts in spellings.items()}


def _word_panel(
    word_counts: pa.Table, languages: Sequence[str], extra: dict[tuple[str, str], int], items: pa.Table | None
) -> Panel:
    values: dict[str, dict[str, int]] = defaultdict(dict)
    for word, code, value in zip(*(word_counts[c].to_pylist() for c in ("word", "language", "value")), strict=True):
        values[code][word] = value
    codes = study_order(set(values), languages)
    columns = ("language", "share seen", "words", "median", "largest", "words with further forms", "further forms")
    rows = tuple(
        (code, sum(x > 0 for x in v) / len(v), len(v), v[len(v) // 2], v[-1], len(counts), sum(counts))
        for code in codes
        for v in [sorted(values[code].values())]
        for counts in [[extra[word, code] for word in values[code] if (word, code) in extra]]
    )
    points = [(row[0], round(100 * row[1], 1)) for row in rows]
    figure = bars(points, "words seen (%)", "%{y}: %{x} %")
    reading = f"Share of the words that occur at least once. {_word_rule_text(extra, items)}"
    return Panel("Words of the benchmark in the corpus", reading, Numbers(columns, rows), figure)


def _word_rule_text(extra: dict[tuple[str, str], int], items: pa.Table | None) -> str:
    """How many concepts are counted by the spellings of their words alone, and how many by further forms."""
    if items is None:
        return ""
    by_forms: dict[str, bool] = defaultdict(bool)
    for end in ("source", "target"):
        names = ("concept_id", end, f"{end}_language")
        for concept, word, code in zip(*(items[name].to_pylist() for name in names), strict=True):
            by_forms[concept] |= (word, code) in extra
    total = sum(by_forms.values())
    return (
        f"Of {len(by_forms):,} concepts {len(by_forms) - total:,} are counted by the spellings of their words alone, "
        f"{total:,} by further forms of a word too (accepted spellings, inflection)."
    )


def _bin_name(low: float, high: float) -> str:
    if high - low == 1:
        return f"{low:,}"
    return f"{low:,} or more" if high == math.inf else f"{low:,}–{high - 1:,}"


def _ramp(share: float) -> str:
    """From grey-blue (few) to orange (many), readable on light and dark."""
    start, end = (0x8F, 0x9B, 0xA8), (0xE0, 0x7B, 0x39)
    return "#" + "".join(f"{round(a + share * (b - a)):02x}" for a, b in zip(start, end, strict=True))


def _lines(tables: Tables) -> list[Line]:
    values = tables["pair_counts"]["value"].to_pylist()
    hits = sum(v > 0 for v in values)
    return [Line("count", "pairs that meet in the corpus", f"{100 * hits / max(len(values), 1):.1f} %", len(values))]


def _panels(tables: Tables, languages: Sequence[str]) -> list[Panel]:
    later_tables = (tables.get("forms"), tables.get("items"))
    return count_panels(tables["pair_counts"], tables["word_counts"], languages, *later_tables)


COUNT = StageView(
    80,
    "Counts",
    "How often words, and both words of a pair, occur in the corpus.",
    ("pair_counts", "word_counts"),
    _panels,
    _lines,
)
