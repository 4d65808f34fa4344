"""What is shown of pivots: those of some pairs, how many items have any and why others have none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import pyarrow as pa

from semantic_pivots.files import Record
from semantic_pivots.panel import (
    EXAMPLES,
    Line,
    Numbers,
    Panel,
    StageView,
    Tables,
    Word,
    bars,
    direction,
    direction_order,
    sample,
    unique,
)
from semantic_pivots.report.findings import units_of
from semantic_pivots.statistics import share

MOST_PIVOTS, MOST_NAMES = 10, 5


def discover_panels(
    pivots: pa.Table,
    items: pa.Table,
    languages: Sequence[str],
    evidence: pa.Table | None = None,
    behaviour: pa.Table | None = None,
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
    label_rows = behaviour.to_pylist() if behaviour is not None else []
    labels = {row["item_id"]: row["label"] for row in label_rows if row["rule"] == "causal"}
    examples = _examples(of_item, info, languages, evidence, labels)
    return [_coverage(of_item, info, languages, measure), examples, *reasons]


def named_pairs(tables: Mapping[str, pa.Table]) -> Panel | None:
    """Some pairs with their pivots, chosen by frequency and by hash, not by their pivots.

    For each two languages they are the pair whose rarer word has the most documents (no concept twice), and a pair
    drawn by the hash of its identifier. A pair without pivots is shown with the reason.
    """
    if any(name not in tables for name in ("pivots", "pivot_evidence", "items")):
        return None
    evidence = {row["item_id"]: row for row in tables["pivot_evidence"].to_pylist()}
    pivots: dict[str, list[dict]] = defaultdict(list)
    for row in sorted(tables["pivots"].to_pylist(), key=lambda row: row["rank"]):
        pivots[row["item_id"]].append(row)
    of_languages: dict[frozenset[str], list[dict]] = defaultdict(list)
    for row in tables["items"].to_pylist():
        if row["item_id"] in evidence and row["source"] != row["target"]:
            of_languages[frozenset((row["source_language"], row["target_language"]))].append(row)
    rows, concepts = [], set()
    for pairs in of_languages.values():
        one_way = [row for row in pairs if row["source_language"] == pairs[0]["source_language"]]
        rarer = {row["item_id"]: _rarer(evidence[row["item_id"]]) for row in one_way}
        new = [row for row in one_way if row["concept_id"] not in concepts] or one_way
        top = max(new, key=lambda row: (rarer[row["item_id"]], row["item_id"]))
        concepts.add(top["concept_id"])
        rest = {row["item_id"]: row for row in one_way if row is not top}
        examples = [rest[name] for name in sample(list(rest), 1)]
        for choice, row in (("most documents", top), *(("by hash", row) for row in examples)):
            counts = evidence[row["item_id"]]
            text = " · ".join(map(_pivot_name, pivots[row["item_id"]][:MOST_NAMES])) or f"none: {counts['reason']}"
            pair = (Word(row[end], row[f"{end}_language"]) for end in ("source", "target"))
            rows.append((*pair, text, _rarer(counts), choice))
    rows.sort(key=lambda row: row[-1] != "most documents")
    columns = ("source", "target", "pivots, best first", "documents", "chosen")
    reading = (
        "They co-occur with both words of a pair in the corpus. For each pair of languages: first the pair whose rarer "
        "word is in the most documents, then one that is drawn by the hash of its identifier."
    )
    return Panel("Pivots of some pairs", reading, Numbers(columns, tuple(rows)), wide=True) if rows else None


def _rarer(evidence: dict) -> int:
    return min(evidence["documents_source"], evidence["documents_target"])


def _pivot_name(pivot: dict) -> str:
    """A pivot; of which language, where it is the concept's own word there."""
    return pivot["text"].strip() + (f" ({pivot['translation']})" if pivot["translation"] else "")


def _coverage(
    of_item: Mapping[str, list[Record]], info: Mapping[str, Record], languages: Sequence[str], measure: str
) -> Panel:
    by_direction: dict[tuple[str, str], list[tuple[bool, str]]] = defaultdict(list)
    for i, row in info.items():
        by_direction[row["source_language"], row["target_language"]].append((i in of_item, row["concept_id"]))
    order = direction_order(languages)
    keys = sorted(by_direction, key=lambda k: order({"source_language": k[0], "target_language": k[1]}))
    shares = {k: share([has for has, _ in by_direction[k]], [concept for _, concept in by_direction[k]]) for k in keys}
    numbers = Numbers(
        ("direction", "share with pivots [95 %]", "n", "signature"),
        tuple((f"{k[0]} → {k[1]}", shares[k], shares[k].n, f"discover|measure={measure}") for k in keys),
    )
    points = [(f"{k[0]} → {k[1]}", round(100 * shares[k].value, 1)) for k in keys]
    return Panel(
        "Items that have pivots",
        "An item has pivots when some words co-occur with both of its words more often than by chance, "
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
    ranking = sorted(by_reason.items(), key=lambda entry: (-len(entry[1]), entry[0]))
    names = ("documents_source", "documents_target", "candidates")
    numbers = tuple((reason, len(of), *(middle(of, name) for name in names)) for reason, of in ranking)
    return [
        Panel(
            "Why the others have none",
            "A candidate co-occurs with both words; none passes if the documents are too few.",
            Numbers(columns, numbers),
        )
    ]


def _examples(
    of_item: Mapping[str, list[Record]],
    info: Mapping[str, Record],
    languages: Sequence[str],
    evidence: pa.Table | None,
    labels: dict,
) -> Panel:
    rest = sorted((info[i] for i in sample(list(of_item), EXAMPLES)), key=direction_order(languages))
    evidence_of = {} if evidence is None else {row["item_id"]: row for row in evidence.to_pylist()}

    def documents(item: str) -> str:
        names = ("documents_source", "documents_target", "documents_both")
        return " / ".join(f"{evidence_of[item][name]:,}" for name in names) if item in evidence_of else ""

    def row(choice: str, r: dict) -> tuple:
        pivots = of_item[r["item_id"]]
        return (
            choice,
            direction(r),
            Word(r["source"], r["source_language"]),
            Word(r["target"], r["target_language"]),
            " · ".join(map(_pivot_name, pivots[:MOST_PIVOTS])),
            documents(r["item_id"]),
            pivots[0]["value"],
            pivots[0]["q_value"],
            labels.get(r["item_id"], ""),
        )

    best = [row("best", info[i]) for i in _best(of_item, info)]
    columns = ("chosen", "direction", "source", "target", "pivots, best first", "documents", "value", "q", "causal")
    return Panel(
        "Examples of pivots",
        f"The {len(best)} pairs of different concepts with the strongest evidence, and {len(rest)} drawn by the hash "
        "of their identifiers. Documents hold the source / the target / both; value and q are the first pivot's; the "
        "last column is the pair's label by the rule “causal”. A language in parentheses marks the concept's own "
        "word in it.",
        Numbers(columns, (*best, *(row("by hash", r) for r in rest))).without_constant("causal", "documents"),
        wide=True,
    )


def _best(of_item: Mapping[str, list[Record]], info: Mapping[str, Record]) -> list[str]:
    """The items whose first pivot has the smallest q and then the largest value, one of each concept."""

    def strength(item: str) -> tuple:
        pivot = of_item[item][0]
        return (1.0 if pivot["q_value"] is None else pivot["q_value"], -pivot["value"], item)

    of_concept: dict[str, str] = {}
    for item in sorted(of_item, key=strength):
        of_concept.setdefault(info[item]["concept_id"], item)
    return list(of_concept.values())[:EXAMPLES]


def _lines(tables: Tables) -> list[Line]:
    some, evidence = set(tables["pivots"]["item_id"].to_pylist()), tables.get("pivot_evidence")
    if evidence is None or not evidence.num_rows:
        return [Line("discover", "items with pivots", f"{len(some):,}")]
    ids = evidence["item_id"].to_pylist()
    return [Line("discover", "items with pivots", share([i in some for i in ids], units_of(ids, tables.get("items"))))]


def _panels(tables: Tables, languages: Sequence[str]) -> list[Panel]:
    later_tables = (tables.get("pivot_evidence"), tables.get("behaviour"))
    return discover_panels(tables["pivots"], tables["items"], languages, *later_tables)


DISCOVER = StageView(
    70,
    "Semantic pivots",
    "Words that co-occur with both words of a pair more often than by chance.",
    ("pivots", "items"),
    _panels,
    _lines,
    ("pivot_evidence",),
)
