"""Figures of planted worlds over seeds: means with Student's intervals, and the contrasts that answer the questions."""

from __future__ import annotations

import math
from collections import Counter

import pyarrow as pa

from semantic_pivots.files import Record
from semantic_pivots.planted.corpus_measures import ARMS
from semantic_pivots.planted.planted_stage import PlantedConfig
from semantic_pivots.planted.world_model import WITH_PIVOTS, WITHOUT_PIVOTS, rate_of
from semantic_pivots.planted.worlds import BRIDGED, UNRELATED
from semantic_pivots.signature import Signature
from semantic_pivots.statistics import SHARE, Figure, student

Key = tuple[str, str, str, str]
"""world, architecture, measure, group"""
_SETTINGS = ("seed", "direct", "direct_linked_share", "bridged", "unrelated", "copied", "pivots", "documents")
_SETTINGS += ("null_direct", "pool", "plain_share", "selected_share", "tokens", "width", "layers", "sequence_tokens")
_SETTINGS += ("batch_sequences", "learning_rate", "warmup_share", "weight_decay", "dtype")

_SHARES = ("AUC", "F1", "P(target)", "answered", "context words", "discovery", "labelled", "largest mass", "pivot set")
_SHARES += ("share of",)
"""Beginnings of measures that lie between 0 and 1; differences of them do not."""


def summary(runs: pa.Table, config: PlantedConfig) -> list[Record]:
    """Rows of `planted_summary`: means over seeds with Student's 95 % intervals, and contrasts paired by seed.

    Seeds whose figure is NaN are left out of the mean; the note says how many of how many, and why.
    """
    by: dict[Key, dict[int, float]] = {}
    notes: dict[Key, list[str]] = {}
    for row in runs.to_pylist():
        key = (row["world"], row["architecture"], row["measure"], row["group"])
        by.setdefault(key, {})[row["seed"]] = row["value"]
        if math.isnan(row["value"]):
            notes.setdefault(key, []).append(row["note"] or "no reason given")
    settings = {name: getattr(config, name) for name in _SETTINGS}
    rows = []
    for key, values in [*by.items(), *_contrasts(by, config.architectures[0]).items()]:
        world, architecture, measure, group = key
        keys = {"architecture": architecture, "measure": measure, "group": group}
        arguments = {**settings, "learning_rate": rate_of(config, architecture)}
        if config.sinusoids and architecture == "gpt2":
            arguments["sinusoids"] = True
        signature = Signature.of("planted", world, **keys, **arguments)
        is_share = measure.startswith(_SHARES) and " less " not in f"{measure} {group}"
        interval = student(list(values.values()), SHARE if is_share else None)
        reasons = "; ".join(f"{reason} ({count})" for reason, count in sorted(Counter(notes.get(key, [])).items()))
        missing = len(values) - interval.n
        rows.append(
            {
                "world": world,
                "architecture": architecture,
                "measure": measure,
                "group": group,
                **Figure(interval, signature, fewest=2).columns(),
                "note": f"{missing} of {len(values)} seeds have no figure: {reasons or 'one side has none'}"
                if missing
                else "",
            }
        )
    return rows


def _minus(a: dict[int, float], b: dict[int, float], factor: float = 1.0) -> dict[int, float]:
    return {seed: factor * (a[seed] - b[seed]) for seed in a if seed in b}


def _contrasts(by: dict[Key, dict[int, float]], first: str) -> dict[Key, dict[int, float]]:
    """Differences between runs of one seed."""

    def value(world: str, measure: str, group: str) -> dict[int, float]:
        return by.get((world, first, measure, group), {})

    contrasts: dict[Key, dict[int, float]] = {}
    target = "P(target)"
    kinds = (BRIDGED, WITH_PIVOTS, WITHOUT_PIVOTS)
    for score, unit in ((target, ""), (f"log {target}", " in nats")):
        losses = {kind: _minus(value("knock-out", score, kind), value("long", score, kind)) for kind in kinds}
        change = f"change of {score}, pivot documents"
        gains = {
            kind: _minus(value("knock-out", f"{change} added", kind), value("knock-out", f"{change} none added", kind))
            for kind in kinds
        }
        for name, effect in (("knock-out", losses), ("pivot documents added", gains)):
            for kind in kinds:
                contrasts["knock-out", first, f"change of {score} by {name}", kind] = effect[kind]
            for kind in (WITH_PIVOTS, WITHOUT_PIVOTS):
                measure = f"difference in differences{unit}, {name}"
                contrasts["knock-out", first, measure, f"bridged less {kind}"] = _minus(effect[BRIDGED], effect[kind])
    outcome = "P(target) of held-out bridged concepts"
    for arm in ARMS[1:]:
        contrasts["selection", first, "gain of pivot-rich", f"over {arm}"] = _minus(
            value("selection", outcome, ARMS[0]), value("selection", outcome, arm)
        )
    for architecture in dict.fromkeys(key[1] for key in by if key[0] == "base"):
        contrasts["base", architecture, "P(target), bridged less unrelated", "split"] = _minus(
            by.get(("base", architecture, target, BRIDGED), {}), by.get(("base", architecture, target, UNRELATED), {})
        )
    ratio = "log ratio of latent languages, third to fourth"
    for lens in ("logit", "tuned"):
        for kind in ("asked", "control", "asked less control"):
            # both worlds of a seed differ only in which language is the hub: half the difference is the hub's part
            contrasts["hub-third", first, "latent language follows the hub", f"{lens}, {kind}"] = _minus(
                value("hub-third", ratio, f"{lens}, {kind}"), value("hub-fourth", ratio, f"{lens}, {kind}"), 0.5
            )
        for world, hub, arm in (("hub-third", "third", "fourth"), ("hub-fourth", "fourth", "third")):
            rank = "rank of the own word"
            contrasts[world, first, f"{rank}, hub less other", lens] = _minus(
                value(world, f"{rank}, {hub} language", lens), value(world, f"{rank}, {arm} language", lens)
            )
    return {key: values for key, values in contrasts.items() if values}
