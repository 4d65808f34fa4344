"""Attribution of the rule `causal`: rows of the table `attribution`.

It has shares of labels and mean effects for each direction, for all directions, and for those with and without English.
Over all directions it also has the odds of need per doubled excess co-occurrence; the correlation of link and need with
the lens's mass on the English word, in directions without English; and the agreement of each lens with the label, by
the published rule's labels under that lens and by the mass on the item's own pivots.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from semantic_pivots.analysis import excess
from semantic_pivots.analysis.attribution import auc, kappa, spearman
from semantic_pivots.analysis.behaviour_stage import BehaviourConfig
from semantic_pivots.analysis.causal_effects import evidence_of
from semantic_pivots.analysis.co_occurrence import RESAMPLES, documents
from semantic_pivots.analysis.direction_rows import ALL_DIRECTIONS, before_last_layer, figure_row
from semantic_pivots.analysis.rules import BRIDGED, EXCLUDED, LABELS, PIVOT, VERSIONS, causal, is_needed
from semantic_pivots.files import Record
from semantic_pivots.resampling import bootstrap_columns, bootstrap_mean
from semantic_pivots.run import Inputs
from semantic_pivots.signature import Signature
from semantic_pivots.statistics import CORRELATION, SHARE, Interval, seed_of, share
from semantic_pivots.tasks.translation import Item

ENGLISH = "en"


def causal_labels(effects: pa.Table) -> list[Record]:
    """Rows of the table `behaviour` under the rule `causal`."""
    blank = {"lens": "none", "peak_layer": None, "peak_token": None, "peak_text": None}
    return [
        {
            "item_id": row["item_id"],
            "rule": "causal",
            "label": causal(evidence_of(row)),
            "final_prob": None if row["logprob"] is None else math.exp(row["logprob"]),
            **blank,
        }
        for row in effects.to_pylist()
    ]


def causal_figures(
    config: BehaviourConfig,
    inputs: Inputs,
    items: Sequence[Item],
    labels: Sequence[Record],
    signature: Signature,
) -> Iterator[Record]:
    """Rows of the table `attribution` under the rule `causal`; `labels` are all rows of `behaviour`."""
    by_id = {item.item_id: item for item in items}
    of_item = {row["item_id"]: row["label"] for row in labels if row["rule"] == "causal"}
    effects = [row for row in inputs.table("causal_effects").to_pylist() if row["item_id"] in by_id]
    groups: dict[tuple[str, str, str], list[dict]] = {(ALL_DIRECTIONS, ALL_DIRECTIONS, ""): effects}
    for row in effects:
        item = by_id[row["item_id"]]
        groups.setdefault((*item.direction, ""), []).append(row)
        side = ", with English" if ENGLISH in item.direction else ", without English"
        groups.setdefault((ALL_DIRECTIONS, ALL_DIRECTIONS, side), []).append(row)

    def rows(key: tuple[str, str, str], lens: str, figures: Iterator[tuple[str, Interval]]) -> Iterator[dict]:
        for name, interval in figures:
            labels = {"rule": "causal", "lens": lens, "statistic": name + key[2]}
            yield figure_row(key[:2], interval, signature, labels, VERSIONS["causal"])

    for key, members in groups.items():
        yield from rows(key, "none", _sums(members, by_id, of_item, config, key))
    total_key = (ALL_DIRECTIONS, ALL_DIRECTIONS, "")
    answers = _answers(effects, by_id, of_item, config)
    yield from rows(total_key, "none", _odds(answers, inputs))
    for lens, masses in english_masses(inputs, by_id).items():
        yield from rows(total_key, lens, _with_english(answers.of_items(masses), masses, lens))
    for lens in dict.fromkeys(row["lens"] for row in labels if row["rule"] == "paper"):
        paper = {r["item_id"]: r["label"] for r in labels if r["rule"] == "paper" and r["lens"] == lens}
        paper = {item_id: label for item_id, label in paper.items() if label != EXCLUDED}
        yield from rows(total_key, lens, _agreement(answers.of_items(paper), paper, lens))
    for lens, masses in own_masses(inputs).items():
        yield from rows(total_key, lens, _area_of_mass(answers.of_items(masses), masses, lens))


@dataclass(frozen=True)
class _Answers:
    """Answered rows with measured effects; the bootstrap resamples the concepts of their items."""

    rows: list[dict]
    items: Mapping[str, Item]
    labels: Mapping[str, str]
    seed: int

    @property
    def concepts(self) -> np.ndarray:
        return np.array(_concepts(self.rows, self.items))

    def of_items(self, item_ids: Container[str]) -> _Answers:
        return replace(self, rows=[row for row in self.rows if row["item_id"] in item_ids])

    def are(self, label: str, labels: Mapping[str, str]) -> np.ndarray:
        return np.array([labels[row["item_id"]] == label for row in self.rows], bool)

    def effect(self, name: str) -> np.ndarray:
        return np.array([row[name] for row in self.rows], np.float64)

    def masses(self, by_item: Mapping[str, float]) -> np.ndarray:
        return np.array([by_item[row["item_id"]] for row in self.rows])

    def interval(self, statistic: Callable, columns: tuple, bounds: tuple[float, float], *key: str) -> Interval:
        return bootstrap_columns(statistic, columns, seed_of(self.seed, *key), RESAMPLES, self.concepts, bounds)


def _answers(
    rows: Sequence[dict], items: Mapping[str, Item], labels: Mapping[str, str], config: BehaviourConfig
) -> _Answers:
    return _Answers([r for r in rows if r["answered"] and r["link"] is not None], items, labels, config.seed)


def _sums(
    rows: Sequence[dict], items: Mapping[str, Item], labels: Mapping[str, str], config: BehaviourConfig, key: tuple
) -> Iterator[tuple[str, Interval]]:
    """Shares of labels among answered items with pivots and controls, and mean effects in nats."""
    questions = [row for row in rows if row["answered"] is not None]
    yield "share answered", share([row["answered"] for row in questions], _concepts(questions, items))
    answers = _answers(rows, items, labels, config)
    for label in LABELS["causal"]:
        yield f"share {label} of answered", share(answers.are(label, labels), answers.concepts)
    for name in ("link", "need", "told"):
        seed = seed_of(config.seed, "causal", name, *key)
        mean = bootstrap_mean(answers.effect(name), seed, min(config.resamples, 1000), answers.concepts)
        yield f"{name} in nats", mean


def _concepts(rows: Sequence[dict], items: Mapping[str, Item]) -> list[str]:
    return [items[row["item_id"]].concept_id for row in rows]


def _odds(answers: _Answers, inputs: Inputs) -> Iterator[tuple[str, Interval]]:
    """Log odds of need per doubled excess, their p-value, wrong partners, and the largest AUC that counts allow."""
    if not answers.rows:
        return
    together, first, second = documents(inputs, [answers.items[row["item_id"]] for row in answers.rows])
    positive = np.array([bool(is_needed(e)) for row in answers.rows if (e := evidence_of(row)) is not None], bool)
    concepts = answers.concepts
    need = excess.odds_of_need(
        excess.beyond_frequencies(excess.excess(together, first, second), first, second),
        positive,
        excess.frequency_strata(first, second),
        concepts,
        np.log1p(first) + np.log1p(second),
        seed_of(answers.seed, "excess"),
    )
    n = len(set(concepts))
    exact = lambda value: Interval(value, value, value, n)  # noqa: E731
    yield "share of pairs that meet", share(together > 0, concepts)
    yield "largest attainable AUC of counts for need", exact(excess.attainable_auc(together, positive))
    if need is not None:
        yield "log odds of need per doubled excess", need.odds
        yield "log odds of need per doubled excess, p by exchange", exact(need.p)
        yield "log odds of need per doubled excess, wrong partners", need.wrong_partners


def english_masses(inputs: Inputs, items: Mapping[str, Item]) -> dict[str, dict[str, float]]:
    """By lens: the concept's English word's largest mass before the last layer, of items that ask for no English."""
    largest: dict[str, dict[str, float]] = {}
    for item_id, lens, languages, masses in before_last_layer(inputs.table("trace"), "languages", "mass_languages"):
        item = items.get(item_id)
        if item is None or ENGLISH in item.direction or ENGLISH not in languages:
            continue
        of_lens = largest.setdefault(lens, {})
        of_lens[item_id] = max(of_lens.get(item_id, 0.0), masses[languages.index(ENGLISH)])
    return largest


def _with_english(answers: _Answers, masses: Mapping[str, float], lens: str) -> Iterator[tuple[str, Interval]]:
    for name in ("link", "need"):
        columns = answers.effect(name), answers.masses(masses)
        correlation = answers.interval(spearman, columns, CORRELATION, "english", lens, name)
        yield f"spearman of {name} and English mass", correlation


def _agreement(answers: _Answers, paper: Mapping[str, str], lens: str) -> Iterator[tuple[str, Interval]]:
    """Agreement of the published rule under a lens with the label bridged."""
    is_bridge, is_pivot = answers.are(BRIDGED, answers.labels), answers.are(PIVOT, paper)
    agreement = answers.interval(kappa, (is_bridge, is_pivot), CORRELATION, "agreement", lens)
    yield "kappa of bridged and semantic-pivot", agreement
    for name, part in (("bridged", is_bridge), ("not bridged", ~is_bridge)):
        yield f"share semantic-pivot by paper of {name}", share(is_pivot[part], answers.concepts[part])


def own_masses(inputs: Inputs) -> dict[str, dict[str, float]]:
    """Largest mass of an item's pivots before the last layer, minus that of another pair's pivots, by lens and item."""
    largest: dict[str, dict[str, float]] = {}
    for item_id, lens, mass, null_mass in before_last_layer(inputs.table("trace"), "mass_pivot", "mass_pivot_null"):
        if mass is not None and null_mass is not None:
            of_lens = largest.setdefault(lens, {})
            of_lens[item_id] = max(of_lens.get(item_id, -1.0), mass - null_mass)
    return largest


def _area_of_mass(answers: _Answers, masses: Mapping[str, float], lens: str) -> Iterator[tuple[str, Interval]]:
    """AUC of the mass that a lens gives an item's own pivots for the label bridged."""
    columns = answers.masses(masses), answers.are(BRIDGED, answers.labels)
    yield "auc of own pivots' mass for bridged", answers.interval(auc, columns, SHARE, "area of mass", lens)
