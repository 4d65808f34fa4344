"""Tables of a whole study with the shapes of a real one and made-up numbers, for the report's tests only."""

from __future__ import annotations

import math
import random

import pyarrow as pa

from semantic_pivots.tables import from_rows

LANGUAGES = ("en", "fr", "zh", "ja")
WORDS = {
    "dog": ("dog", "chien", "狗", "犬"),
    "bread": ("bread", "pain", "面包", "パン"),
    "snow": ("snow", "neige", "雪", "雪"),
    "orange": ("orange", "orange", "橙子", "オレンジ"),
    "bridge": ("bridge", "pont", "桥", "橋"),
    "moon": ("moon", "lune", "月亮", "月"),
}
_CONTRASTS = (
    ("base", ""),
    ("pivot-rich", ""),
    ("random", ""),
    ("pivot-rich", "base"),
    ("pivot-rich", "random"),
    ("random", "base"),
)
PAIRS = [(a, b) for a in LANGUAGES for b in LANGUAGES if a != b]
LAYERS = 18


def tables(seed: int = 0) -> dict[str, pa.Table]:
    """Every table the report reads, deterministic in the seed."""
    draw = random.Random(seed)
    rows: dict[str, list[dict]] = {
        "concepts": [{"concept_id": c, "pos": "noun", "strata": []} for c in WORDS],
        "words": [
            {"concept_id": c, "language": code, "word": word, "source": "cldr", "licence": "Unicode-3.0"}
            for c, words in WORDS.items()
            for code, word in zip(LANGUAGES, words, strict=True)
        ],
        "items": _items(),
        "shards": [
            {
                "shard": f"{code}-{source}",
                "path": f"{code}.parquet",
                "language": code,
                "source": source,
                "documents": 900 + 100 * k,
                "text_bytes": 4_000_000 * (k + 1),
            }
            for k, code in enumerate(LANGUAGES)
            for source in ("help", "manpages")
        ],
        "sources": [
            {
                "source": source,
                "language": code,
                "package": "",
                "version": "",
                "sha256": "",
                "licence": "CC0-1.0",
                "attribution": "nobody",
                "documents": 900 + 100 * k,
                "text_bytes": 4_000_000 * (k + 1),
            }
            for k, code in enumerate(LANGUAGES)
            for source in ("help", "manpages")
        ],
        "skipped": [{"path": "a.jsonl", "reason": "invalid UTF-8", "lines": 3, "first_line": 17}],
        "token_shards": [{"shard": "en-help", "path": "t.parquet", "documents": 900, "tokens": 1_234_567}],
    }
    ids = [r["item_id"] for r in rows["items"]]
    rows["answers"] = [
        {"item_id": i, "draw": 0, "greedy": "x", "correct": draw.random() < 0.6, "copied": draw.random() < 0.1}
        for i in ids
    ]
    rows["score_summary"] = _scores(draw)
    rows["trace_summary"] = _trace(draw)
    rows["word_counts"] = [
        {
            "word": w["word"],
            "language": w["language"],
            "value": int(draw.expovariate(0.02)),
            "unit": "document",
            "window": 0,
            "exact": True,
            "provider": "local",
            "rule": "spelling",
        }
        for w in rows["words"]
    ]
    rows["pair_counts"] = [
        {
            "word_1": i["source"],
            "language_1": i["source_language"],
            "word_2": i["target"],
            "language_2": i["target_language"],
            "value": int(draw.expovariate(0.2)),
            "unit": "document",
            "window": 0,
            "exact": True,
            "provider": "local",
            "rule": "spelling",
        }
        for i in rows["items"]
    ]
    rows["pivots"] = [
        {
            "item_id": i,
            "unit": "word",
            "text": text,
            "rank": k,
            "documents_source": 3,
            "documents_target": 4,
            "q_value": 0.0005,
            "translation": "",
            "surplus_source": 0.1,
            "surplus_target": 0.2,
            "measure": "min",
            "value": 0.3 / (k + 1),
        }
        for i in ids[::2]
        for k, text in enumerate((" animal", "宠物", " pet", "動物", " <b>"))
    ]
    rows["pivot_evidence"] = [
        {
            "item_id": i,
            "documents_source": 3 * bool(k % 2 == 0),
            "documents_target": 4,
            "documents_both": 1,
            "candidates": 6,
            "supported": 5,
            "pivots": 5 * (k % 2 == 0),
            "reason": "" if k % 2 == 0 else "no document of the source",
            "rule": "spelling",
        }
        for k, i in enumerate(ids)
    ]
    rows["behaviour"] = [
        {
            "item_id": i,
            "rule": rule,
            "lens": "logit" if rule == "paper" else "none",
            "label": draw.choice(labels),
            "peak_layer": 12 if rule == "paper" else None,
            "peak_token": 5 if rule == "paper" else None,
            "peak_text": " the" if rule == "paper" else None,
            "final_prob": 0.4,
        }
        for rule, labels in (
            ("paper", ("co-occurrence", "semantic-pivot", "excluded")),
            ("causal", ("bridged", "redundant", "direct", "undecided")),
        )
        for i in ids
    ]
    rows["attribution"] = [
        _row(draw, a, b, 0.6, 0.1, 60, f"clwtd|{a}-{b}|{s}") | {"rule": rule, "lens": "logit", "statistic": s}
        for a, b in [("all", "all"), *PAIRS]
        for rule in ("paper",)
        for s in ("auc", "auc-conditioned", "pearson")
    ] + [
        _row(draw, a, b, value, 0.1, 60, f"behaviour|{a}-{b}|causal.1|{s}")
        | {"rule": "causal", "lens": "none", "statistic": s}
        for a, b in [("all", "all"), *PAIRS]
        for s, value in (
            ("share bridged of answered", 0.3),
            ("share direct of answered", 0.4),
            ("share redundant of answered", 0.1),
            ("link in nats", 3.0),
            ("need in nats", 1.0),
            ("log odds of need per doubled excess", 0.2),
            ("log odds of need per doubled excess, p by exchange", 0.03),
        )
    ]
    rows["effect_summary"] = [
        _row(draw, a, b, -0.5, 0.2, 30, f"intervene|{a}-{b}|{g}|{i}|{c}")
        | {"group": g, "intervention": i, "control": c}
        for a, b in [("all", "all"), *PAIRS]
        for g in (("all", "paper: co-occurrence") if a == "all" else ("all",))
        for i, c in (("own pivots", ""), ("own pivots", "random directions"))
    ]
    rows["pivot_set"] = [
        {
            "unit": "token",
            "token": k,
            "text": f" tok{k}",
            "documents": 50 + k,
            "degree": int(3000 / (k + 1)) + 40,
            "expected_degree": 20.0 + k,
            "strength": 150.0 / (k + 1),
            "q_value": 1e-4,
            "languages": ["en", "zh"],
            "neighbours": ["a", "b"],
        }
        for k in range(120)
    ]
    rows["doc_scores"] = [
        {
            "shard": "s",
            "row": k,
            "doc_id": f"d{k}",
            "language": LANGUAGES[k % 4],
            "n_tokens": 100 + k,
            "units": 100,
            "pivot_units": k,
            "languages_met": 2,
            "lexicon_words": 5,
            "dominant_words": 3,
            "concepts": 4,
            "parallel_concepts": 1,
            "holds_pair": k % 7 == 0,
            "dsir": None,
        }
        for k in range(400)
    ]
    rows["selection"] = [
        {
            "selection": name,
            "shard": "s",
            "row": k,
            "doc_id": f"d{k}",
            "language": LANGUAGES[(k * step) % 4],
            "n_tokens": 100,
            "score": 0.1,
        }
        for name, step in (("pivot-rich", 1), ("random", 3))
        for k in range(100)
    ]
    rows["training_log"] = [
        {
            "arm": arm,
            "seed": seed,
            "step": k,
            "tokens": 2048 * (k + 1),
            "loss": 4.2 * math.exp(-k / 60) + draw.random() / 20,
            "learning_rate": 1e-4,
            "tokens_per_second": 300.0,
            "memory_bytes": 10**9,
        }
        for arm in ("pivot-rich", "random")
        for seed in (0, 1)
        for k in range(32)
    ]
    rows["comparison"] = [
        _row(draw, a, b, 0.01, 0.02, 20, f"clwtd|{a}-{b}|compare")
        | {
            "arm": arm,
            "baseline": base,
            "stratum": "all",
            "variant": "paper",
            "verdict": "not distinguishable from zero",
        }
        for a, b in [("all", "all"), *PAIRS]
        for arm, base in _CONTRASTS
    ]
    rows["verdict"] = [
        {k: v for k, v in _row(draw, "all", "all", 0.01, 0.02, 20, "verdict").items() if not k.endswith("_language")}
        | {"arm": "pivot-rich", "baseline": baseline, "stratum": stratum, "variant": "paper", "runs": 3}
        | {
            "detectable": 0.03,
            "needed": 9.0,
            "needed_concepts": 20.0,
            "needed_runs": 15.0,
            "verdict": "pivot-rich: cannot be told at this size",
        }
        for stratum in ("all", "words:held-out")
        for baseline in ("random", "")
    ]
    return {name: from_rows(name, value) for name, value in rows.items()}


def _items() -> list[dict]:
    place = {code: k for k, code in enumerate(LANGUAGES)}
    return [
        {
            "item_id": f"{c}:{a}-{b}",
            "concept_id": c,
            "source_language": a,
            "target_language": b,
            "source": words[place[a]],
            "target": words[place[b]],
            "distractors": [w[place[a]] for d, w in WORDS.items() if d != c],
            "strata": ["identical-spelling"] if words[place[a]] == words[place[b]] else [],
        }
        for c, words in WORDS.items()
        for a, b in PAIRS
    ]


def _row(draw: random.Random, a: str, b: str, centre: float, half: float, n: int, signature: str) -> dict:
    value = centre + (draw.random() - 0.5) * half
    return {
        "source_language": a,
        "target_language": b,
        "value": value,
        "low": value - half,
        "high": value + half,
        "n": n,
        "signature": signature,
    }


_VARIANTS = {
    "paper": 0.3,
    "sum": 0.2,
    "per-byte": 0.4,
    "mean-token": 2.0,
    "pmi": 3.0,
    "choice": 0.7,
    "accuracy": 0.5,
    "copy-rate": 0.1,
    "control:shuffled-targets": 0.0,
    "control:random-sources": 0.0,
}


def _scores(draw: random.Random) -> list[dict]:
    rows = []
    for a, b in [("all", "all"), *PAIRS]:
        n = 60 if a == "all" else 6
        for variant, centre in _VARIANTS.items():
            signature = f"clwtd|{a}-{b}|5 shots|5 draws|seed 0|gemma@abc|{variant}|v1"
            rows.append(_row(draw, a, b, centre, 0.05, n, signature) | {"stratum": "all", "variant": variant})
        if a != "all":
            row = _row(draw, a, b, 0.5, 0.05, n, f"clwtd|{a}-{b}|paper")
            rows.append(row | {"stratum": "identical-spelling", "variant": "paper"})
    return rows


def _trace(draw: random.Random) -> list[dict]:
    shapes = {
        "mass_source": lambda x: 0.1 * math.exp(-((x - 0.3) ** 2) / 0.02),
        "mass_pivot": lambda x: 0.03 * math.exp(-((x - 0.7) ** 2) / 0.02),
        "mass_pivot_null": lambda x: 0.01 * math.exp(-((x - 0.7) ** 2) / 0.02),
        "pivot_ratio": lambda x: 0.8 + 2.0 * math.exp(-((x - 0.7) ** 2) / 0.02),
        "mass_target": lambda x: 0.6 / (1 + math.exp(-14 * (x - 0.8))),
    }
    rows = []
    for a, b in [("all", "all"), *PAIRS]:
        for layer in range(LAYERS):
            for quantity, shape in shapes.items():
                value = shape(layer / (LAYERS - 1)) * (0.7 + 0.6 * draw.random())
                rows.append(
                    {
                        "source_language": a,
                        "target_language": b,
                        "lens": "logit",
                        "layer": layer,
                        "quantity": quantity,
                        "value": value,
                        "low": 0.8 * value,
                        "high": 1.2 * value,
                        "n": 6,
                        "signature": f"clwtd|{a}-{b}|logit",
                    }
                )
    return rows
