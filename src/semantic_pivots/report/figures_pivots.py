"""Panels of discovery: the pivots of some pairs, how many items have any, and why the others have none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from semantic_pivots.report.figures import EXAMPLES, sample
from semantic_pivots.report.panel import Numbers, Panel, Word, bars, direction, direction_order, unique
from semantic_pivots.statistics import share

PIVOTS_SHOWN = 10


def discover_panels(
    pivots: pa.Table, items: pa.Table, languages: Sequence[str], evidence: pa.Table | None = None
) -> list[Panel]:
    """Items with pivots by direction, the reasons of those without where they are known, and some items' pivots."""
    info = {r["item_id"]: r for r in items.to_pylist()}
    of_item: dict[str, list[dict]] = defaultdict(list)
    for row in sorted(pivots.to_pylist(), key=lambda r: r["rank"]):
        if row["item_id"] in info:
            of_item[row["item_id"]].append(row)
    if not of_item:
        return []
    measure = ", ".join(unique(row["measure"] for rows in of_item.values() for row in rows))
    reasons = [] if evidence is None else _reasons(evidence)
    return [_coverage(of_item, info, languages, measure), *reasons, _examples(of_item, info, languages, measure)]


def _coverage(of_item: Mapping[str, Any], info: Mapping[str, Any], languages: Sequence[str], measure: str) -> Panel:
    asked: dict[tuple[str, str], list[tuple[bool, str]]] = defaultdict(list)
    for i, row in info.items():
        asked[row["source_language"], row["target_language"]].append((i in of_item, row["concept_id"]))
    order = direction_order(languages)
    keys = sorted(asked, key=lambda k: order({"source_language": k[0], "target_language": k[1]}))
    shares = {k: share([has for has, _ in asked[k]], [concept for _, concept in asked[k]]) for k in keys}
    numbers = Numbers(
        ("direction", "share with pivots [95 %]", "n", "signature"),
        tuple((f"{k[0]} → {k[1]}", shares[k], shares[k].n, f"discover|measure={measure}") for k in keys),
    )
    points = [(f"{k[0]} → {k[1]}", round(100 * shares[k].value, 1)) for k in keys]
    return Panel(
        "Items that have pivots",
        "An item has pivots when some words stand beside both of its words more often than chance would have them, "
        "at the stated false-discovery rate.",
        numbers,
        bars(points, "items with pivots (%)", "%{y}: %{x} %"),
    )


def _reasons(evidence: pa.Table) -> list[Panel]:
    rows = [row for row in evidence.to_pylist() if row["reason"]]
    if not rows:
        return []
    by_reason: dict[str, list[dict]] = defaultdict(list)
    for row in rows:
        by_reason[row["reason"]].append(row)

    def middle(of: Sequence[dict], name: str) -> int:
        return sorted(row[name] for row in of)[len(of) // 2]

    columns = ("reason", "items", "documents of the source, median", "of the target", "candidates, median")
    ordered = sorted(by_reason.items(), key=lambda entry: (-len(entry[1]), entry[0]))
    names = ("documents_source", "documents_target", "candidates")
    numbers = tuple((reason, len(of), *(middle(of, name) for name in names)) for reason, of in ordered)
    return [
        Panel(
            "Why the others have none",
            "A candidate stands beside both words; none passes where so few documents cannot tell it from chance.",
            Numbers(columns, numbers),
        )
    ]


def _examples(of_item: Mapping[str, Any], info: Mapping[str, Any], languages: Sequence[str], measure: str) -> Panel:
    shown = sorted((info[i] for i in sample(list(of_item), EXAMPLES)), key=direction_order(languages))

    def named(row: dict) -> str:
        return row["text"].strip() + (f" ({row['translation']})" if row["translation"] else "")

    numbers = Numbers(
        ("direction", "source", "target", "pivots, best first", "best value"),
        tuple(
            (
                direction(r),
                Word(r["source"], r["source_language"]),
                Word(r["target"], r["target_language"]),
                " · ".join(named(row) for row in of_item[r["item_id"]][:PIVOTS_SHOWN]),
                of_item[r["item_id"]][0]["value"],
            )
            for r in shown
        ),
    )
    return Panel(
        "Examples of pivots",
        f"Pairs drawn by the hash of their identifiers; ranked by the measure “{measure}”. A language in parentheses "
        "marks the concept's own word in it.",
        numbers,
    )
