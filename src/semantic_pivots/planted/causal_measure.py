"""Measure 9: link, need and the rule `causal` held against the truth, in worlds where frequency says nothing.

Every pair is asked with the context words of its source word, which are its pivots where there are any: the measure is
not told the truth. Control sets are context words of other concepts. Counts alone are a row of their own: documents of
the context words, which the truth must not be readable from.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter

import numpy as np

from semantic_pivots.analysis.attribution import auc, kappa, spearman
from semantic_pivots.analysis.causal_effects import asked_row, effects_row, evidence_of
from semantic_pivots.analysis.controls import PivotWord, control_sets
from semantic_pivots.analysis.rules import BRIDGED as LABELLED
from semantic_pivots.analysis.rules import LABELS, causal
from semantic_pivots.config import CausalConfig, PlantedConfig
from semantic_pivots.planted.lens_agreement import agreement
from semantic_pivots.planted.readout_measures import log_documents
from semantic_pivots.planted.world_model import WITH_PIVOTS, WITHOUT_PIVOTS, Figure, Trained
from semantic_pivots.planted.worlds import BRIDGED, DIRECT, UNRELATED, Concept
from semantic_pivots.statistics import seed_of

_SETS = CausalConfig().control_sets
_CONTRASTS = ((WITHOUT_PIVOTS, "bridged against direct without pivots"), (UNRELATED, "bridged against unrelated"))


@dataclasses.dataclass(frozen=True)
class Measured:
    """One concept: its group, its row of effects, its label, and the log of the documents of its context words."""

    group: str
    row: dict
    label: str
    log_documents: float


def link_and_need(it: Trained, config: PlantedConfig, lenses: bool = False) -> list[Figure]:
    """Figures of measure 9, over all bridged, unrelated and clean direct pairs and a draw of the others.

    Args:
        it: the world and its model.
        config: how many of the others.
        lenses: whether lenses are held against the labels, too.
    """
    groups = {
        BRIDGED: it.planted.of(BRIDGED),
        WITHOUT_PIVOTS: it.planted.of(DIRECT, False),
        UNRELATED: it.planted.of(UNRELATED),
        WITH_PIVOTS: it.probed(DIRECT, config.probed // 2, True),
    }
    rows, passes = measured(it, groups)
    figures: list[Figure] = [{"measure": "forward passes an item", "group": "link and need", "value": passes}]
    for group in groups:
        mine = [r for r in rows if r.group == group]
        answered = [r for r in mine if r.row["answered"] and r.row["link"] is not None]
        if not mine:
            continue
        figures.append({"measure": "answered", "group": group, "value": len(answered) / len(mine)})
        for label in LABELS["causal"] if answered else ():
            share = sum(r.label == label for r in answered) / len(answered)
            figures.append({"measure": f"labelled {label}", "group": f"{group}, answered", "value": share})
        figures.append({"measure": "labelled bridged", "group": group, "value": _share(mine)})
        for name in ("link", "need"):
            value = float(np.mean([r.row[name] for r in answered])) if answered else math.nan
            note = "" if answered else "no pair is answered"
            figures.append({"measure": f"{name} in nats", "group": f"{group}, answered", "value": value, "note": note})
    return figures + _areas(rows) + _agreement(rows) + (_of_lenses(it, groups, rows) if lenses else [])


def measured(it: Trained, groups: dict[str, list[Concept]]) -> tuple[list[Measured], float]:
    """Every concept's effects and label, and forward passes' worth of tokens an item."""
    from semantic_pivots.models.lens import Lens
    from semantic_pivots.models.link_and_need import Asker, Question

    every = [concept for concepts in groups.values() for concept in concepts]
    asker = Asker(Lens.from_model(it.model), it.tokenizer)
    source = it.planted.world.languages[0]
    held = Counter(word for document in it.planted.documents for word in set(document["text"].split()))
    words = {w for c in it.planted.concepts for w in c.contexts[source]}
    pool = {word: PivotWord(word, held[word], "context", 1) for word in sorted(words)}
    documents = dict(zip([c.concept_id for c in every], log_documents(it, every), strict=True))
    found = []
    for group, concepts in groups.items():
        for concept, prompt, answer in zip(concepts, *it.prompts(concepts), strict=True):
            own = [pool[word] for word in concept.contexts[source]]
            barred = {*concept.words.values(), *(w for around in concept.contexts.values() for w in around)}
            seed = seed_of(it.planted.world.seed, "controls", concept.concept_id)
            sets = control_sets(own, pool.values(), barred, _SETS, seed)
            row = effects_row({"item_id": concept.concept_id, "pivots": [], "control_sets": len(sets)})
            if sets:
                word = concept.words[source]
                asked = tuple(w.text for w in own)
                question = Question(prompt, prompt.rindex(word), word, answer, asked, tuple(sets))
                # the others' labels need no effects
                row = asked_row(row, question, asker, always=group == UNRELATED and bool(groups[BRIDGED]))
            found.append(Measured(group, row, causal(evidence_of(row)), documents[concept.concept_id]))
    return found, asker.fed / max(asker.whole, 1)


def _of_lenses(it: Trained, groups: dict[str, list[Concept]], rows: list[Measured]) -> list[Figure]:
    every = [concept for concepts in groups.values() for concept in concepts]
    kept = [(c, r) for c, r in zip(every, rows, strict=True) if r.row["answered"] and r.row["link"] is not None]
    effects = [r.row["link"] + r.row["need"] for _, r in kept]
    return agreement(it, [c for c, _ in kept], [r.label for _, r in kept], effects) if kept else []


def _share(rows: list[Measured]) -> float:
    return float(np.mean([row.label == LABELLED for row in rows]))


def _areas(rows: list[Measured]) -> list[Figure]:
    """AUC of each effect and of counts alone, and F1: answered bridged pairs against each kind of negative."""
    figures: list[Figure] = []
    for negative, contrast in _CONTRASTS:
        every = [r for r in rows if r.group in (BRIDGED, negative)]
        # unrelated pairs have no right answer to give
        kept = [r for r in every if r.row["link"] is not None and (r.row["answered"] or r.group == UNRELATED)]
        truth = np.array([r.group == BRIDGED for r in kept], bool)
        all_truth = np.array([r.group == BRIDGED for r in every], bool)
        scores = {
            "link + need": [r.row["link"] + r.row["need"] for r in kept],
            "link": [r.row["link"] for r in kept],
            "need": [r.row["need"] for r in kept],
            "gradient × part": [r.row["screen"] for r in kept],
            "counts alone, answered": [r.log_documents for r in kept],
        }
        values = {f"AUC of {name}": auc(np.array(score), truth) for name, score in scores.items()}
        values["AUC of counts alone"] = auc(np.array([r.log_documents for r in every]), all_truth)
        said = np.array([r.label == LABELLED for r in kept], bool)
        both = int((said & truth).sum())
        values["F1 of bridged, rule causal"] = (
            2 * both / (int(said.sum()) + int(truth.sum())) if truth.any() else math.nan
        )
        for measure, value in values.items():
            note = "" if value == value else "one class is empty"
            figures.append({"measure": measure, "group": contrast, "value": value, "note": note})
    return figures


def _agreement(rows: list[Measured]) -> list[Figure]:
    """How well the gradient screens for need among answered pairs."""
    kept = [r.row for r in rows if r.row["answered"] and r.row["link"] is not None]
    need, screen = (np.array([row[name] for row in kept]) for name in ("need", "screen"))
    held, screened = (
        [row[f"{name}_p"] <= 0.1 and row[name] >= math.log(2) for row in kept] for name in ("need", "screen")
    )
    values = {"Spearman's r": spearman(need, screen), "kappa": kappa(np.array(held), np.array(screened))}
    return [
        {
            "measure": "gradient × part and need",
            "group": name,
            "value": value,
            "note": "" if value == value else "too few answered pairs",
        }
        for name, value in values.items()
    ]
