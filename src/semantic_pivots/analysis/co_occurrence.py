"""Labels and scores held against how often both words of an item stand in one document (METHOD §3).

The published statistics are the AUC of the log count for the label and Pearson's r of the log count and the score. Each
is kept, and stands beside forms that a confident model cannot fake: within strata of equal likelihood, and as odds,
given the final confidence and the frequencies of both words. A count of zero is a class of its own. Where fewer than
five concepts have one of the two labels, or all counts are equal, no statistic of labels is given. What is conditioned
on confidence is what others publish: confidence lies on the path, and beside it stands how far count and the middle
layers' confidence go together given the final one, which makes such figures depart by themselves (`pivots null`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from semantic_pivots.analysis.attribution import (
    auc,
    kappa,
    likelihood_strata,
    log_odds,
    partial_correlation,
    pearson,
    spearman,
    stratified_auc,
)
from semantic_pivots.analysis.null_labels import COLLIDED
from semantic_pivots.analysis.rules import CO_OCCURRENCE, PIVOT, VERSIONS
from semantic_pivots.config import BehaviourConfig
from semantic_pivots.run import Inputs
from semantic_pivots.signature import Signature
from semantic_pivots.statistics import CORRELATION, SHARE, Figure, Interval, bootstrap, bootstrap_mean, seed_of
from semantic_pivots.tasks.translation import Item

POOLED = "all"
# A thousand-fold resampling of every direction would take minutes; 500 give the interval's ends to about 0.005.
_RESAMPLES = 500
_FEWEST = 5
"""concepts with each label, below which an area or odds would be those of a handful of words, whatever the interval"""


def attribution(
    config: BehaviourConfig, inputs: Inputs, items: Sequence[Item], labels: Sequence[dict], signature: Signature
) -> Iterator[dict[str, Any]]:
    """Rows of `attribution`: every rule and lens, each direction and all together; scores; agreement of lenses."""
    found = Counts(inputs, items)
    directions = [(POOLED, POOLED), *dict.fromkeys(item.direction for item in items)]
    by_id = {item.item_id: item for item in items}
    parts: dict[tuple[str, str], dict[str, dict]] = {}
    for row in labels:
        parts.setdefault((row["rule"], row["lens"]), {})[row["item_id"]] = row
    for direction in directions:
        within = {i for i, item in by_id.items() if direction[0] == POOLED or item.direction == direction}
        key = {"source_language": direction[0], "target_language": direction[1]}

        def rows(rule: str, lens: str, figures: Iterator[tuple[str, Interval]], key=key) -> Iterator[dict[str, Any]]:
            pair = "-".join(key.values())
            version = {"version": VERSIONS[rule]} if rule in VERSIONS else {}
            for statistic, interval in figures:
                named = {"rule": rule, "lens": lens, "statistic": statistic}
                own = signature.within(pair).extended(**named, **version)
                yield {**key, **named, **Figure(interval, own).columns()}

        for (rule, lens), mine in parts.items():
            kept = [r for i, r in mine.items() if i in within and r["label"] in (CO_OCCURRENCE, PIVOT)]
            yield from rows(rule, lens, _of_labels(kept, by_id, found, config, (*direction, rule, lens)))
        scored = [by_id[i] for i in found.scores if i in within]
        yield from rows("none", "none", _of_scores(scored, found, config, direction))
        for rule in config.rules:
            lenses = [lens for own, lens in parts if own == rule]
            for first, second in itertools.combinations(lenses, 2):
                one, other = parts[rule, first], parts[rule, second]
                shared = [i for i in one if i in within and i in other]
                agreed = _agreement(shared, one, other, by_id, config, (*direction, rule, first, second))
                yield from rows(rule, f"{first} and {second}", agreed)


class Counts:
    """Of each item: documents with both words, with each word, and its published score where it was scored."""

    def __init__(self, inputs: Inputs, items: Sequence[Item]):
        pairs = {
            ((r["word_1"], r["language_1"]), (r["word_2"], r["language_2"])): r["value"]
            for r in inputs.table("pair_counts").to_pylist()
        }
        words = {(r["word"], r["language"]): r["value"] for r in inputs.table("word_counts").to_pylist()}
        self.together, self.single = {}, {}
        for item in items:
            own = [(item.source, item.direction[0]), (item.target, item.direction[1])]
            low, high = sorted(own)
            self.together[item.item_id] = math.log1p(pairs.get((low, high), 0))
            self.single[item.item_id] = [math.log1p(words.get(word, 0)) for word in own]
        self.scores = _paper_scores(inputs)
        self.middle = _middle_confidence(inputs)


def _of_labels(
    rows: Sequence[dict], items: dict[str, Item], found: Counts, config: BehaviourConfig, key: tuple
) -> Iterator[tuple[str, Interval]]:
    values = np.array([found.together[row["item_id"]] for row in rows])
    positive = np.array([row["label"] == CO_OCCURRENCE for row in rows], dtype=np.bool_)
    final = np.clip([row["final_prob"] for row in rows], 1e-6, 1 - 1e-6)
    confidence = np.log(final / (1 - final))[:, None]
    single = np.array([found.single[row["item_id"]] for row in rows]).reshape(-1, 2)
    everything = np.column_stack([confidence, single])
    groups = np.array([items[row["item_id"]].concept_id for row in rows])
    if len(set(values.tolist())) < 2:  # no pair of them meets, or all do alike: nothing can be told
        return
    resamples = min(config.resamples, _RESAMPLES)
    for name, part in (("auc", values >= 0), ("auc of counts above zero", values > 0)):
        if min(len(set(groups[part & positive])), len(set(groups[part & ~positive]))) < _FEWEST:
            continue
        v, p, seed = values[part], positive[part], seed_of(config.seed, name, *key)
        yield name, bootstrap(lambda r, v=v, p=p: auc(v[r], p[r]), len(v), seed, resamples, groups[part], SHARE)
    if min(len(set(groups[positive])), len(set(groups[~positive]))) < _FEWEST:
        return
    strata, finer = likelihood_strata(positive, confidence), likelihood_strata(positive, everything)
    for name, within in (("auc given confidence", strata), ("auc given confidence and frequencies", finer)):
        seed = seed_of(config.seed, name, *key)
        statistic = lambda r, w=within: stratified_auc(values[r], positive[r], w[r])  # noqa: E731
        yield name, bootstrap(statistic, len(rows), seed, resamples, groups, SHARE)
    middle = np.array([found.middle[key[-1], row["item_id"]] for row in rows])
    collided = lambda r: partial_correlation(values[r], middle[r], confidence[r])  # noqa: E731
    seed = seed_of(config.seed, COLLIDED, *key)
    yield COLLIDED, bootstrap(collided, len(rows), seed, min(resamples, 200), groups, CORRELATION)
    for name, covariates in (("confidence", confidence), ("confidence and frequencies", everything)):
        odds = log_odds(values / math.log(2), positive, covariates, groups)
        yield f"log odds per doubled count given {name}", odds


def _of_scores(
    items: Sequence[Item], found: Counts, config: BehaviourConfig, direction: tuple[str, str]
) -> Iterator[tuple[str, Interval]]:
    x = np.array([found.together[item.item_id] for item in items])
    y = np.array([found.scores[item.item_id] for item in items])
    groups = np.array([item.concept_id for item in items])
    for name, statistic, part in (
        ("pearson score", pearson, x >= 0),
        ("spearman score", spearman, x >= 0),
        ("pearson score, counts above zero", pearson, x > 0),
        ("spearman score, counts above zero", spearman, x > 0),
    ):
        v, w, seed = x[part], y[part], seed_of(config.seed, name, *direction)
        correlation = lambda r, s=statistic, v=v, w=w: s(v[r], w[r])  # noqa: E731
        yield name, bootstrap(correlation, len(v), seed, _RESAMPLES, groups[part], CORRELATION)
    for name, part in (("score where the count is zero", x == 0), ("score where the count is above zero", x > 0)):
        seed = seed_of(config.seed, name, *direction)
        yield name, bootstrap_mean(y[part], seed, min(config.resamples, 1000), groups[part])


def _agreement(
    shared: Sequence[str],
    one: dict[str, dict],
    other: dict[str, dict],
    items: dict[str, Item],
    config: BehaviourConfig,
    key: tuple,
) -> Iterator[tuple[str, Interval]]:
    a = np.array([one[i]["label"] for i in shared])
    b = np.array([other[i]["label"] for i in shared])
    groups = np.array([items[i].concept_id for i in shared])
    seed = seed_of(config.seed, "kappa", *key)
    statistic = lambda r: kappa(a[r], b[r])  # noqa: E731
    yield "kappa", bootstrap(statistic, len(shared), seed, min(config.resamples, _RESAMPLES), groups, CORRELATION)


def _middle_confidence(inputs: Inputs) -> dict[tuple[str, str], float]:
    """By lens and item, the logit of the surest top token of the layers before the last."""
    columns = ("lens", "item_id", "layer", "top_probs")
    rows = list(zip(*(inputs.table("trace")[c].to_pylist() for c in columns), strict=True))
    last = max((layer for _, _, layer, _ in rows), default=0)
    surest: dict[tuple[str, str], float] = {}
    for lens, item_id, layer, probs in rows:
        if layer < last or last == 0:
            surest[lens, item_id] = max(surest.get((lens, item_id), 0.0), probs[0])
    clipped = {key: min(max(value, 1e-6), 1 - 1e-6) for key, value in surest.items()}
    return {key: math.log(value / (1 - value)) for key, value in clipped.items()}


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
