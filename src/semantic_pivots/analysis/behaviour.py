"""The stage that labels behaviours and attributes them to co-occurrence in the corpus (METHOD §3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from semantic_pivots import tables
from semantic_pivots.analysis.attribution import auc, pearson, quantile_strata, spearman, stratified_auc
from semantic_pivots.analysis.rules import CO_OCCURRENCE, PIVOT, RULES, Path
from semantic_pivots.config import BehaviourConfig
from semantic_pivots.errors import InputError, nearest
from semantic_pivots.models.trace import word_tokens
from semantic_pivots.run import Inputs, Work
from semantic_pivots.statistics import Interval, bootstrap, bootstrap_means, seed_of
from semantic_pivots.tasks.translation import Item, items_of

_QUANTITIES = ("mass_source", "mass_pivot", "mass_target", "mass_pivot_null", "entropy")
_STRATA = 5
POOLED = "all"


def behaviour_stage(config: BehaviourConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Label every item by every rule, and attribute the labels (tables `behaviour`, `attribution`, `trace_summary`).

    Raises:
        InputError: an unknown rule.
    """
    for rule in config.rules:
        if rule not in RULES:
            raise InputError(f"[behaviour] rules: unknown rule {rule!r}{nearest(rule, RULES)}")
    items = items_of(inputs.table("items"))
    labels = label_items(config, inputs, items)
    behaviour = tables.from_rows("behaviour", labels)
    signature = f"{config.model}|seed{config.seed}|resamples{config.resamples}"
    return {
        "behaviour": behaviour,
        "attribution": tables.from_rows("attribution", _attribution(config, inputs, items, labels, signature)),
        "trace_summary": tables.from_rows("trace_summary", _summary(config, inputs, items, signature)),
    }


def label_items(config: BehaviourConfig, inputs: Inputs, items: list[Item]) -> list[dict[str, Any]]:
    """Rows of `behaviour`: every traced item by every rule; reads the tables `trace` and `pivots`."""
    from semantic_pivots.models.load import load_tokenizer

    tokenizer = load_tokenizer(config.model, config.cache)
    layers: dict[tuple[str, str], list[tuple[int, int, float]]] = {}
    trace = inputs.table("trace").select(["item_id", "lens", "layer", "top_ids", "top_probs"])
    for row in trace.to_pylist():
        key = (row["item_id"], row["lens"])
        layers.setdefault(key, []).append((row["layer"], row["top_ids"][0], row["top_probs"][0]))
    pivots: dict[str, set[int]] = {}
    for item, token in zip(*(inputs.table("pivots")[c].to_pylist() for c in ("item_id", "token")), strict=True):
        pivots.setdefault(item, set()).add(token)
    others: dict[str, dict[str, str]] = {}
    for item in items:
        others.setdefault(item.concept_id, {})[item.direction[1]] = item.target
    texts: dict[int, str] = {}
    found = []
    by_id = {item.item_id: item for item in items}
    for (item_id, lens), rows in layers.items():
        item = by_id[item_id]
        rows.sort()
        further = [w for code, w in others[item.concept_id].items() if code not in item.direction]
        tokens = [token for _, token, _ in rows]
        texts.update({t: tokenizer.decode([t]) for t in tokens if t not in texts})
        path = Path(
            tokens,
            [prob for _, _, prob in rows],
            frozenset(word_tokens(tokenizer, [item.source])),
            frozenset(word_tokens(tokenizer, [item.target])),
            frozenset(pivots.get(item_id, set()) | (word_tokens(tokenizer, further) if further else set())),
            frozenset(t for t in tokens if any(c.isalpha() for c in texts[t]) and "\ufffd" not in texts[t]),
        )
        for rule in config.rules:
            found.append(
                {
                    "item_id": item_id,
                    "rule": rule,
                    "lens": lens,
                    "label": RULES[rule](path),
                    "peak_layer": rows[path.peak][0],
                    "peak_token": tokens[path.peak],
                    "peak_text": texts[tokens[path.peak]],
                    "final_prob": path.probs[-1],
                }
            )
    return found


def _attribution(
    config: BehaviourConfig, inputs: Inputs, items: list[Item], labels: list[dict], signature: str
) -> Iterable[dict[str, Any]]:
    by_id = {item.item_id: item for item in items}
    counts = _pair_counts(inputs, items)
    scores = _paper_scores(inputs)
    rows = []
    for rule, lens in dict.fromkeys((row["rule"], row["lens"]) for row in labels):
        labelled = [
            (by_id[row["item_id"]], row["label"] == CO_OCCURRENCE, row["final_prob"])
            for row in labels
            if (row["rule"], row["lens"]) == (rule, lens) and row["label"] in (CO_OCCURRENCE, PIVOT)
        ]
        for direction in [(POOLED, POOLED), *dict.fromkeys(item.direction for item in items)]:
            part = [x for x in labelled if direction[0] == POOLED or x[0].direction == direction]
            key = {"source_language": direction[0], "target_language": direction[1], "rule": rule, "lens": lens}
            for statistic, interval in _figures(part, counts, config, (*direction, rule, lens)):
                tag = f"behaviour|{'-'.join(direction)}|{rule}|{lens}|{statistic}|{signature}"
                rows.append({**key, "statistic": statistic, **_figure(interval, tag)})
    for direction in [(POOLED, POOLED), *dict.fromkeys(item.direction for item in items)]:
        part = [i for i in items if i.item_id in scores and (direction[0] == POOLED or i.direction == direction)]
        x = np.array([np.log1p(counts[i.item_id]) for i in part])
        y = np.array([scores[i.item_id] for i in part])
        groups = np.array([i.concept_id for i in part])
        key = {"source_language": direction[0], "target_language": direction[1], "rule": "none", "lens": "none"}
        for name, statistic in (("pearson score", pearson), ("spearman score", spearman)):
            seed = seed_of(config.seed, name, *direction)
            interval = bootstrap(lambda r, s=statistic, x=x, y=y: s(x[r], y[r]), len(part), seed, 500, groups)
            tag = f"behaviour|{'-'.join(direction)}|{name}|{signature}"
            rows.append({**key, "statistic": name, **_figure(interval, tag)})
    return rows


def _figures(
    part: list[tuple[Item, bool, float]], counts: dict[str, int], config: BehaviourConfig, key: tuple
) -> Iterable[tuple[str, Interval]]:
    """The AUC of log count against the label, raw and among items of like final confidence."""
    values = np.array([np.log1p(counts[item.item_id]) for item, _, _ in part])
    positive = np.array([label for _, label, _ in part], dtype=np.bool_)
    strata = quantile_strata(np.array([prob for _, _, prob in part]), _STRATA)
    groups = np.array([item.concept_id for item, _, _ in part])
    # A thousand-fold resampling of every direction would take minutes; 500 give the interval's ends to about 0.005.
    resamples = min(config.resamples, 500)
    for name, statistic in (
        ("auc", lambda r: auc(values[r], positive[r])),
        ("auc given confidence", lambda r: stratified_auc(values[r], positive[r], strata[r])),
    ):
        yield name, bootstrap(statistic, len(part), seed_of(config.seed, name, *key), resamples, groups)


def _pair_counts(inputs: Inputs, items: list[Item]) -> dict[str, int]:
    """Documents that hold both words, of every item."""
    counted = {
        ((r["word_1"], r["language_1"]), (r["word_2"], r["language_2"])): r["value"]
        for r in inputs.table("pair_counts").to_pylist()
    }
    pairs = {i.item_id: sorted([(i.source, i.direction[0]), (i.target, i.direction[1])]) for i in items}
    return {item: counted.get((pair[0], pair[1]), 0) for item, pair in pairs.items()}


def _paper_scores(inputs: Inputs) -> dict[str, float]:
    """The published score of every item: P(answer | source) less its mean over the distractors, over the draws."""
    own: dict[str, list[float]] = {}
    wrong: dict[str, list[float]] = {}
    columns = inputs.table("scores").select(["item_id", "candidate", "is_source", "token_logprobs"])
    items = {row["item_id"]: set(row["distractors"]) for row in inputs.table("items").to_pylist()}
    for row in columns.to_pylist():
        if row["item_id"] in items and (row["is_source"] or row["candidate"] in items[row["item_id"]]):
            probability = float(np.exp(np.mean(row["token_logprobs"])))
            (own if row["is_source"] else wrong).setdefault(row["item_id"], []).append(probability)
    return {i: float(np.mean(p) - np.mean(wrong[i])) for i, p in own.items() if i in wrong}


def _summary(config: BehaviourConfig, inputs: Inputs, items: list[Item], signature: str) -> Iterable[dict[str, Any]]:
    """Means over items of every layer's masses and entropy, per direction and pooled."""
    trace = inputs.table("trace")
    by_id = {item.item_id: item for item in items}
    ids, layers = trace["item_id"].to_pylist(), trace["layer"].to_numpy()
    lenses = np.array(trace["lens"].to_pylist())
    values = np.stack([trace[q].to_numpy().astype(np.float64) for q in _QUANTITIES], axis=1)
    concepts = np.array([by_id[i].concept_id for i in ids])
    directions = np.array(["-".join(by_id[i].direction) for i in ids])
    rows = []
    for lens in sorted(set(lenses)):
        for direction in [(POOLED, POOLED), *dict.fromkeys(item.direction for item in items)]:
            name = "-".join(direction)
            for layer in range(int(layers.max()) + 1):
                mine = (lenses == lens) & (layers == layer)
                if direction[0] != POOLED:
                    mine &= directions == name
                seed = seed_of(config.seed, "trace", lens, name, layer)
                intervals = bootstrap_means(values[mine], [concepts[mine]], seed, min(config.resamples, 1000))
                for quantity, interval in zip(_QUANTITIES, intervals, strict=True):
                    tag = f"trace|{name}|{lens}|{signature}"
                    key = {"source_language": direction[0], "target_language": direction[1], "lens": lens}
                    rows.append({**key, "layer": layer, "quantity": quantity, **_figure(interval, tag)})
    return rows


def _figure(interval: Interval, signature: str) -> dict[str, Any]:
    return {
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "n": interval.n,
        "signature": signature,
    }
