"""What is shown of the lexicon and the benchmark."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import pyarrow as pa

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
from semantic_pivots.tasks.pattern import groups


def lexicon_panels(concepts: pa.Table, words: pa.Table, languages: Sequence[str]) -> list[Panel]:
    """Words per language, and examples of concepts."""
    rows = words.to_pylist()
    per_language = Counter(row["language"] for row in rows)
    codes = [code for code in languages if code in per_language] + sorted(set(per_language) - set(languages))
    sources: dict[str, list[str]] = {
        code: unique(f"{r['source']} ({r['licence']})" for r in rows if r["language"] == code) for code in codes
    }
    counts = Numbers(
        ("language", "words", "source (licence)"),
        tuple((code, per_language[code], ", ".join(sources[code])) for code in codes),
    )
    table: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows:
        table[row["concept_id"]][row["language"]] = row["word"]
    pos = dict(zip(concepts["concept_id"].to_pylist(), concepts["pos"].to_pylist(), strict=True))
    examples = Numbers(
        ("concept", "part of speech", *codes),
        tuple(
            (c, pos.get(c, ""), *(Word(table[c].get(code, "—"), code) for code in codes))
            for c in sample(list(table), EXAMPLES)
        ),
    )
    return [
        Panel(
            "Words per language",
            f"{concepts.num_rows:,} concepts, each one word in every language that has it.",
            counts,
            bars([(code, per_language[code]) for code in codes], "words"),
        ),
        Panel("Examples of concepts", "Drawn by the hash of their identifiers.", examples),
    ]


def benchmark_panels(items: pa.Table, languages: Sequence[str], answers: pa.Table | None = None) -> list[Panel]:
    """Items per direction with their strata, and example questions with the model's answers where it was asked."""
    answer = {row["item_id"]: row for row in (answers.to_pylist() if answers is not None else []) if row["draw"] == 0}
    rows = items.to_pylist()
    per_direction = Counter((r["source_language"], r["target_language"]) for r in rows)
    strata = Counter((r["source_language"], r["target_language"], s) for r in rows for s in groups([r["strata"] or ()]))
    names = sorted({s for *_, s in strata})
    order = direction_order(languages)
    keys = sorted(per_direction, key=lambda k: order({"source_language": k[0], "target_language": k[1]}))
    labels = {k: f"{k[0]} → {k[1]}" for k in keys}
    counts = Numbers(
        ("direction", "items", *names),
        tuple((labels[k], per_direction[k], *(strata[*k, s] for s in names)) for k in keys),
    )
    by_id = {r["item_id"]: r for r in rows}
    picks = [by_id[i] for i in sample(list(by_id), EXAMPLES)]
    examples = Numbers(
        ("direction", "source", "target", "the model's answer", "right", "distractors (wrong source words)"),
        tuple(
            (
                direction(r),
                Word(r["source"], r["source_language"]),
                Word(r["target"], r["target_language"]),
                Word(answer.get(r["item_id"], {}).get("greedy", "").strip(), r["target_language"]),
                {True: "yes", False: "no"}.get(answer.get(r["item_id"], {}).get("correct"), ""),
                Word(" · ".join(r["distractors"]), r["source_language"]),
            )
            for r in picks
        ),
    ).without_constant(*(() if answer else ("the model's answer", "right")))
    return [
        Panel(
            "Items per direction",
            "Each item is one target word, its source and its wrong sources; a stratum tags "
            "items that need care, such as identical spelling.",
            counts,
            bars([(labels[k], per_direction[k]) for k in keys], "items"),
        ),
        Panel("Examples of items", "Drawn by the hash of their identifiers.", examples, wide=True),
    ]


def _lexicon_lines(tables: Tables) -> list[Line]:
    languages = set(tables["words"]["language"].to_pylist()) if "words" in tables else set()
    return [Line("lexicon", f"concepts in {len(languages)} languages", f"{tables['concepts'].num_rows:,}")]


def _benchmark_lines(tables: Tables) -> list[Line]:
    items = tables["items"]
    pairs = set(zip(items["source_language"].to_pylist(), items["target_language"].to_pylist(), strict=True))
    return [Line("benchmark", f"items in {len(pairs)} directions", f"{items.num_rows:,}")]


LEXICON = StageView(
    140,
    "Lexicon",
    "The concepts of the study, and their words in each language.",
    ("concepts", "words"),
    lambda tables, order: lexicon_panels(tables["concepts"], tables["words"], order),
    _lexicon_lines,
)
BENCHMARK = StageView(
    130,
    "Benchmark",
    "Word translation items: a target, its source, and wrong sources.",
    ("items",),
    lambda tables, order: benchmark_panels(tables["items"], order, tables.get("answers")),
    _benchmark_lines,
)
