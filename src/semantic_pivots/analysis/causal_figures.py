"""What the labels of the rule `causal` sum up to, and what they go with: rows of the table `attribution`.

Shares of labels and mean effects stand for each direction, for all, and for pairs with and without English. For all
together stand the odds of need per doubled excess of co-occurrence, how link and need go with the lens's mass of the
English word where nobody asked for English, and how far each lens agrees: the published rule's labels under it, and the
mass that it gives the item's own pivots.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from semantic_pivots.analysis import excess
from semantic_pivots.analysis.attribution import auc, kappa, spearman
from semantic_pivots.analysis.causal_effects import evidence_of
from semantic_pivots.analysis.co_occurrence import POOLED, RESAMPLES, documents
from semantic_pivots.analysis.rules import BRIDGED, EXCLUDED, LABELS, PIVOT, VERSIONS, causal, is_needed
from semantic_pivots.config import BehaviourConfig
from semantic_pivots.run import Inputs
from semantic_pivots.signature import Signature
from semantic_pivots.statistics import (
    CORRELATION,
    SHARE,
    Figure,
    Interval,
    bootstrap_columns,
    bootstrap_mean,
    seed_of,
    share,
)
from semantic_pivots.tables import Record
from semantic_pivots.tasks.translation import Item

ENGLISH = "en"


def causal_labels(effects: pa.Table) -> list[Record]:
    """Rows of `behaviour` by the rule `causal`."""
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
    """Rows of `attribution` by the rule `causal`; `labels` are all rows of `behaviour`."""
    by_id = {item.item_id: item for item in items}
    of_item = {row["item_id"]: row["label"] for row in labels if row["rule"] == "causal"}
    effects = [row for row in inputs.table("causal_effects").to_pylist() if row["item_id"] in by_id]
    groups: dict[tuple[str, str, str], list[dict]] = {(POOLED, POOLED, ""): effects}
    for row in effects:
        item = by_id[row["item_id"]]
        groups.setdefault((*item.direction, ""), []).append(row)
        side = ", with English" if ENGLISH in item.direction else ", without English"
        groups.setdefault((POOLED, POOLED, side), []).append(row)

    def rows(key: tuple[str, str, str], lens: str, figures: Iterator[tuple[str, Interval]]) -> Iterator[dict]:
        for name, interval in figures:
            pair = {"source_language": key[0], "target_language": key[1]}
            named = {"rule": "causal", "lens": lens, "statistic": name + key[2]}
            own = signature.within(f"{key[0]}-{key[1]}").extended(**named, version=VERSIONS["causal"])
            yield {**pair, **named, **Figure(interval, own).columns()}

    for key, members in groups.items():
        yield from rows(key, "none", _sums(members, by_id, of_item, config, key))
    pooled = (POOLED, POOLED, "")
    yield from rows(pooled, "none", _odds(effects, by_id, inputs, config))
    for lens, masses in english_masses(inputs, by_id).items():
        yield from rows(pooled, lens, _with_english(effects, by_id, masses, config, lens))
    for lens in dict.fromkeys(row["lens"] for row in labels if row["rule"] == "paper"):
        paper = {r["item_id"]: r["label"] for r in labels if r["rule"] == "paper" and r["lens"] == lens}
        yield from rows(pooled, lens, _agreement(effects, by_id, of_item, paper, config, lens))
    for lens, masses in own_masses(inputs).items():
        yield from rows(pooled, lens, _area_of_mass(effects, by_id, of_item, masses, config, lens))


def _measured(rows: Sequence[dict]) -> list[dict]:
    """Rows whose answer is the model's own and whose effects were measured."""
    return [row for row in rows if row["answered"] and row["link"] is not None]


def _sums(
    rows: Sequence[dict], items: Mapping[str, Item], labels: Mapping[str, str], config: BehaviourConfig, key: tuple
) -> Iterator[tuple[str, Interval]]:
    """Shares of labels among answered items with pivots and controls, and mean effects in nats."""
    asked = [row for row in rows if row["answered"] is not None]
    yield "share answered", share([row["answered"] for row in asked], _concepts(asked, items))
    kept = _measured(rows)
    concepts = np.array(_concepts(kept, items))
    for label in LABELS["causal"]:
        yield f"share {label} of answered", share([labels[row["item_id"]] == label for row in kept], concepts)
    for name in ("link", "need", "told"):
        values = np.array([row[name] for row in kept], np.float64)
        seed = seed_of(config.seed, "causal", name, *key)
        yield f"{name} in nats", bootstrap_mean(values, seed, min(config.resamples, 1000), concepts)


def _concepts(rows: Sequence[dict], items: Mapping[str, Item]) -> list[str]:
    return [items[row["item_id"]].concept_id for row in rows]


def _odds(
    rows: Sequence[dict], items: Mapping[str, Item], inputs: Inputs, config: BehaviourConfig
) -> Iterator[tuple[str, Interval]]:
    """Log odds of need per doubled excess, their p-value, wrong partners, and what counts could tell at most."""
    kept = _measured(rows)
    if not kept:
        return
    together, first, second = documents(inputs, [items[row["item_id"]] for row in kept])
    positive = np.array([bool(is_needed(e)) for row in kept if (e := evidence_of(row)) is not None], bool)
    concepts = np.array(_concepts(kept, items))
    found = excess.odds_of_need(
        excess.beyond_frequencies(excess.excess(together, first, second), first, second),
        positive,
        excess.frequency_strata(first, second),
        concepts,
        np.log1p(first) + np.log1p(second),
        seed_of(config.seed, "excess"),
    )
    n = len(set(concepts))
    exact = lambda value: Interval(value, value, value, n)  # noqa: E731
    yield "share of pairs that meet", share(together > 0, concepts)
    yield "largest attainable AUC of counts for need", exact(excess.attainable_auc(together, positive))
    if found is not None:
        yield "log odds of need per doubled excess", found.odds
        yield "log odds of need per doubled excess, p by exchange", exact(found.p)
        yield "log odds of need per doubled excess, wrong partners", found.wrong_partners


def english_masses(inputs: Inputs, items: Mapping[str, Item]) -> dict[str, dict[str, float]]:
    """By lens: the concept's English word's largest mass before the last layer, of items that ask for no English."""
    columns = ("item_id", "lens", "layer", "languages", "mass_languages")
    rows = list(zip(*(inputs.table("trace")[c].to_pylist() for c in columns), strict=True))
    last = max((layer for _, _, layer, _, _ in rows), default=0)
    found: dict[str, dict[str, float]] = {}
    for item_id, lens, layer, languages, masses in rows:
        item = items.get(item_id)
        if item is None or layer == last or ENGLISH in item.direction or ENGLISH not in languages:
            continue
        of_lens = found.setdefault(lens, {})
        of_lens[item_id] = max(of_lens.get(item_id, 0.0), masses[languages.index(ENGLISH)])
    return found


def _with_english(
    rows: Sequence[dict], items: Mapping[str, Item], masses: Mapping[str, float], config: BehaviourConfig, lens: str
) -> Iterator[tuple[str, Interval]]:
    kept = [row for row in _measured(rows) if row["item_id"] in masses]
    mass = np.array([masses[row["item_id"]] for row in kept])
    concepts = np.array(_concepts(kept, items))
    for name in ("link", "need"):
        values = np.array([row[name] for row in kept], np.float64)
        seed = seed_of(config.seed, "english", lens, name)
        correlation = bootstrap_columns(spearman, (values, mass), seed, RESAMPLES, concepts, CORRELATION)
        yield f"spearman of {name} and English mass", correlation


def _agreement(
    rows: Sequence[dict],
    items: Mapping[str, Item],
    labels: Mapping[str, str],
    paper: Mapping[str, str],
    config: BehaviourConfig,
    lens: str,
) -> Iterator[tuple[str, Interval]]:
    """How far the published rule under a lens names the items that are bridged."""
    kept = [r for r in _measured(rows) if paper.get(r["item_id"], EXCLUDED) != EXCLUDED]
    bridged = np.array([labels[r["item_id"]] == BRIDGED for r in kept], bool)
    said = np.array([paper[r["item_id"]] == PIVOT for r in kept], bool)
    concepts = np.array(_concepts(kept, items))
    seed = seed_of(config.seed, "agreement", lens)
    agreement = bootstrap_columns(kappa, (bridged, said), seed, RESAMPLES, concepts, CORRELATION)
    yield "kappa of bridged and semantic-pivot", agreement
    for name, part in (("bridged", bridged), ("not bridged", ~bridged)):
        yield f"share semantic-pivot by paper of {name}", share(said[part], concepts[part])


def own_masses(inputs: Inputs) -> dict[str, dict[str, float]]:
    """By lens and item: the largest mass of its own pivots before the last layer, beyond another pair's there."""
    columns = ("item_id", "lens", "layer", "mass_pivot", "mass_pivot_null")
    rows = list(zip(*(inputs.table("trace")[c].to_pylist() for c in columns), strict=True))
    last = max((layer for _, _, layer, _, _ in rows), default=0)
    found: dict[str, dict[str, float]] = {}
    for item_id, lens, layer, own, other in rows:
        if layer < last and own is not None and other is not None:
            of_lens = found.setdefault(lens, {})
            of_lens[item_id] = max(of_lens.get(item_id, -1.0), own - other)
    return found


def _area_of_mass(
    rows: Sequence[dict],
    items: Mapping[str, Item],
    labels: Mapping[str, str],
    masses: Mapping[str, float],
    config: BehaviourConfig,
    lens: str,
) -> Iterator[tuple[str, Interval]]:
    """How far the mass that a lens gives an item's own pivots tells the bridged items."""
    kept = [row for row in _measured(rows) if row["item_id"] in masses]
    bridged = np.array([labels[row["item_id"]] == BRIDGED for row in kept], bool)
    mass = np.array([masses[row["item_id"]] for row in kept])
    concepts = np.array(_concepts(kept, items))
    seed = seed_of(config.seed, "area of mass", lens)
    area = bootstrap_columns(auc, (mass, bridged), seed, RESAMPLES, concepts, SHARE)
    yield "auc of own pivots' mass for bridged", area
