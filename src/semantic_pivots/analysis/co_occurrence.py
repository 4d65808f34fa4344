"""Association of labels and scores with the number of documents that contain both words of an item (METHOD §3).

The published statistics are the AUC of the log count for the label, and Pearson's r of the log count and the score.
They are reported together with conditioned forms: the AUC within strata of equal likelihood, and odds, given the final
confidence and the frequencies of both words. Statistics are also given for items with a count above zero. If fewer than
five concepts have one of the two labels, or if all counts are equal, no statistic of labels is given. Others publish
figures that are conditioned on confidence, but confidence is a mediator. The correlation of count and middle confidence
given the final confidence is therefore reported too: if it is not zero, conditioned figures differ from chance without
any mechanism (`pivots null`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

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
from semantic_pivots.analysis.behaviour_stage import BehaviourConfig
from semantic_pivots.analysis.direction_rows import ALL_DIRECTIONS, directions, figure_row
from semantic_pivots.analysis.null_labels import COLLIDER
from semantic_pivots.analysis.rules import CO_OCCURRENCE, PIVOT, VERSIONS
from semantic_pivots.files import Record
from semantic_pivots.resampling import bootstrap_columns, bootstrap_mean
from semantic_pivots.run import Inputs
from semantic_pivots.scoring.benchmark_scores import item_scores
from semantic_pivots.signature import Signature
from semantic_pivots.statistics import CORRELATION, SHARE, Interval, seed_of
from semantic_pivots.tasks.translation import Item

# A thousand-fold resampling of every direction would take minutes; 500 give the interval's ends to about 0.005.
RESAMPLES = 500
_FEWEST = 5
"""concepts with each label, below which an area or odds would be those of a handful of words, whatever the interval"""


def attribution(
    config: BehaviourConfig, inputs: Inputs, items: Sequence[Item], labels: Sequence[dict], signature: Signature
) -> Iterator[Record]:
    """Rows of `attribution`, by direction and overall: figures of labels by rule, of scores, and of lens agreement."""
    counts = Counts(inputs, items)
    by_id = {item.item_id: item for item in items}
    parts: dict[tuple[str, str], dict[str, dict]] = {}
    for row in labels:
        parts.setdefault((row["rule"], row["lens"]), {})[row["item_id"]] = row
    for direction in directions(items):
        within = {i for i, item in by_id.items() if direction[0] == ALL_DIRECTIONS or item.direction == direction}

        def rows(
            rule: str, lens: str, figures: Iterator[tuple[str, Interval]], direction=direction
        ) -> Iterator[Record]:
            for statistic, interval in figures:
                keys = {"rule": rule, "lens": lens, "statistic": statistic}
                yield figure_row(direction, interval, signature, keys, VERSIONS.get(rule))

        for (rule, lens), by_item in parts.items():
            behaviour_rows = [r for i, r in by_item.items() if i in within and r["label"] in (CO_OCCURRENCE, PIVOT)]
            yield from rows(rule, lens, _of_labels(behaviour_rows, by_id, counts, config, (*direction, rule, lens)))
        if counts.scores:
            items_with_score = [by_id[i] for i in counts.scores if i in within]
            yield from rows("none", "none", _of_scores(items_with_score, counts, config, direction))
        for rule in config.rules:
            lenses = [lens for name, lens in parts if name == rule]
            for first, second in itertools.combinations(lenses, 2):
                a, b = parts[rule, first], parts[rule, second]
                common = [i for i in a if i in within and i in b]
                agreement = _agreement(common, a, b, by_id, config, (*direction, rule, first, second))
                yield from rows(rule, f"{first} and {second}", agreement)


class Counts:
    """Counts of each item: documents with both words and with each word, and its published score if it has one."""

    def __init__(self, inputs: Inputs, items: Sequence[Item]):
        self.together, self.single = {}, {}
        for item, joint_counts, first, second in zip(items, *documents(inputs, items), strict=True):
            self.together[item.item_id] = math.log1p(joint_counts)
            self.single[item.item_id] = [math.log1p(first), math.log1p(second)]
        self.scores = item_scores(items, inputs.table("scores"), "paper") if inputs.has("scores") else {}
        self.middle = _middle_confidence(inputs)


def documents(inputs: Inputs, items: Sequence[Item]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(items,) documents with both words, with the source, and with the target."""
    pairs = {
        frozenset([(r["word_1"], r["language_1"]), (r["word_2"], r["language_2"])]): r["value"]
        for r in inputs.table("pair_counts").to_pylist()
    }
    words = {(r["word"], r["language"]): r["value"] for r in inputs.table("word_counts").to_pylist()}
    word_pairs = [((i.source, i.direction[0]), (i.target, i.direction[1])) for i in items]
    joint_counts = np.array([pairs.get(frozenset(pair), 0) for pair in word_pairs], np.float64)
    first, second = (np.array([words.get(pair[k], 0) for pair in word_pairs], np.float64) for k in (0, 1))
    return joint_counts, first, second


def _of_labels(
    rows: Sequence[dict], items: dict[str, Item], counts: Counts, config: BehaviourConfig, key: tuple
) -> Iterator[tuple[str, Interval]]:
    values = np.array([counts.together[row["item_id"]] for row in rows])
    positive = np.array([row["label"] == CO_OCCURRENCE for row in rows], dtype=np.bool_)
    final = np.clip([row["final_prob"] for row in rows], 1e-6, 1 - 1e-6)
    confidence = np.log(final / (1 - final))[:, None]
    single = np.array([counts.single[row["item_id"]] for row in rows]).reshape(-1, 2)
    joint_counts = np.column_stack([confidence, single])
    groups = np.array([items[row["item_id"]].concept_id for row in rows])
    if len(set(values.tolist())) < 2:  # no pair of them meets, or all do alike: nothing can be told
        return
    resamples = min(config.resamples, RESAMPLES)
    for name, part in (("auc", values >= 0), ("auc of counts above zero", values > 0)):
        if min(len(set(groups[part & positive])), len(set(groups[part & ~positive]))) < _FEWEST:
            continue
        v, p, seed = values[part], positive[part], seed_of(config.seed, name, *key)
        yield name, bootstrap_columns(auc, (v, p), seed, resamples, groups[part], SHARE)
    if min(len(set(groups[positive])), len(set(groups[~positive]))) < _FEWEST:
        return
    strata, finer = likelihood_strata(positive, confidence), likelihood_strata(positive, joint_counts)
    for name, within in (("auc given confidence", strata), ("auc given confidence and frequencies", finer)):
        seed = seed_of(config.seed, name, *key)
        columns = values, positive, within
        yield name, bootstrap_columns(stratified_auc, columns, seed, resamples, groups, SHARE)
    middle = np.array([counts.middle[key[-1], row["item_id"]] for row in rows])
    seed, columns = seed_of(config.seed, COLLIDER, *key), (values, middle, confidence)
    yield COLLIDER, bootstrap_columns(partial_correlation, columns, seed, min(resamples, 200), groups, CORRELATION)
    for name, covariates in (("confidence", confidence), ("confidence and frequencies", joint_counts)):
        odds = log_odds(values / math.log(2), positive, covariates, groups)
        yield f"log odds per doubled count given {name}", odds


def _of_scores(
    items: Sequence[Item], counts: Counts, config: BehaviourConfig, direction: tuple[str, str]
) -> Iterator[tuple[str, Interval]]:
    x = np.array([counts.together[item.item_id] for item in items])
    y = np.array([counts.scores[item.item_id] for item in items])
    groups = np.array([item.concept_id for item in items])
    for name, statistic, part in (
        ("pearson score", pearson, x >= 0),
        ("spearman score", spearman, x >= 0),
        ("pearson score, counts above zero", pearson, x > 0),
        ("spearman score, counts above zero", spearman, x > 0),
    ):
        columns, seed = (x[part], y[part]), seed_of(config.seed, name, *direction)
        yield name, bootstrap_columns(statistic, columns, seed, RESAMPLES, groups[part], CORRELATION)
    for name, part in (("score where the count is zero", x == 0), ("score where the count is above zero", x > 0)):
        seed = seed_of(config.seed, name, *direction)
        yield name, bootstrap_mean(y[part], seed, min(config.resamples, 1000), groups[part])


def _agreement(
    common: Sequence[str],
    first: dict[str, dict],
    second: dict[str, dict],
    items: dict[str, Item],
    config: BehaviourConfig,
    key: tuple,
) -> Iterator[tuple[str, Interval]]:
    a = np.array([first[i]["label"] for i in common])
    b = np.array([second[i]["label"] for i in common])
    groups = np.array([items[i].concept_id for i in common])
    seed = seed_of(config.seed, "kappa", *key)
    yield "kappa", bootstrap_columns(kappa, (a, b), seed, min(config.resamples, RESAMPLES), groups, CORRELATION)


def _middle_confidence(inputs: Inputs) -> dict[tuple[str, str], float]:
    """By lens and item, the logit of the surest top token of the layers before the last."""
    columns = ("lens", "item_id", "layer", "top_probs")
    rows = list(zip(*(inputs.table("trace")[c].to_pylist() for c in columns), strict=True))
    final = max((layer for _, _, layer, _ in rows), default=0)
    surest: dict[tuple[str, str], float] = {}
    for lens, item_id, layer, probs in rows:
        if layer < final or final == 0:
            surest[lens, item_id] = max(surest.get((lens, item_id), 0.0), probs[0])
    probabilities = {key: min(max(value, 1e-6), 1 - 1e-6) for key, value in surest.items()}
    return {key: math.log(value / (1 - value)) for key, value in probabilities.items()}
