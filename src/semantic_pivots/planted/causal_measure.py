"""Measure 9: validation of link, need and the rule `causal` in worlds with matched frequencies.

The measure does not know the classes: for every pair it uses the context words of the source word, which are the pivots
if the pair has any. Control sets are context words of other concepts. A baseline uses counts only, the number of
documents of the context words; in a matched world it must not separate the classes.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from semantic_pivots.analysis.attribution import auc, kappa, spearman
from semantic_pivots.analysis.causal_effects import effects_row, evidence_of, question_row
from semantic_pivots.analysis.causal_stage import CausalConfig
from semantic_pivots.analysis.controls import PivotWord, control_sets
from semantic_pivots.analysis.rules import BRIDGED as LABELLED
from semantic_pivots.analysis.rules import LABELS, NEED_LEVEL, causal
from semantic_pivots.files import Record
from semantic_pivots.planted.lens_agreement import agreement
from semantic_pivots.planted.planted_stage import PlantedConfig
from semantic_pivots.planted.readout_measures import f1, log_documents
from semantic_pivots.planted.world_model import WITH_PIVOTS, WITHOUT_PIVOTS, Trial, figure
from semantic_pivots.planted.worlds import BRIDGED, DIRECT, UNRELATED, Concept
from semantic_pivots.statistics import FEWEST, seed_of

_SETS = CausalConfig().control_sets
_CONTRASTS = ((WITHOUT_PIVOTS, "bridged against direct without pivots"), (UNRELATED, "bridged against unrelated"))


@dataclasses.dataclass(frozen=True)
class ConceptEffects:
    """One concept: its group, row of effects, label, and the mean log number of documents of its context words."""

    group: str
    row: dict
    label: str
    log_documents: float


def link_and_need(trial: Trial, config: PlantedConfig, lenses: bool = False) -> list[Record]:
    """Figures of measure 9, over all bridged and unrelated pairs, all direct pairs without pivots, and some with them.

    Args:
        trial: the world and its model.
        config: its `probed` gives the number of direct pairs with pivots.
        lenses: whether lenses are compared with the labels, too.
    """
    groups = {
        BRIDGED: trial.corpus.of(BRIDGED),
        WITHOUT_PIVOTS: trial.corpus.of(DIRECT, False),
        UNRELATED: trial.corpus.of(UNRELATED),
        WITH_PIVOTS: trial.sample(DIRECT, config.probed // 2, True),
    }
    rows, passes = concept_effects(trial, groups)
    figures: list[Record] = [figure("forward passes an item", "link and need", passes)]
    for group in groups:
        members = [r for r in rows if r.group == group]
        answers = [r for r in members if r.row["answered"] and r.row["link"] is not None]
        if not members:
            continue
        figures.append(figure("answered", group, len(answers) / len(members)))
        for label in LABELS["causal"] if answers else ():
            share = sum(r.label == label for r in answers) / len(answers)
            figures.append(figure(f"labelled {label}", f"{group}, answered", share))
        figures.append(figure("labelled bridged", group, _share(members)))
        for name in ("link", "need"):
            value = float(np.mean([r.row[name] for r in answers])) if answers else math.nan
            figures.append(figure(f"{name} in nats", f"{group}, answered", value, "no pair is answered"))
    return figures + _areas(rows) + _agreement(rows) + (_of_lenses(trial, groups, rows) if lenses else [])


def concept_effects(trial: Trial, groups: dict[str, list[Concept]]) -> tuple[list[ConceptEffects], float]:
    """Every concept's effects and label, and forward passes' worth of tokens an item."""
    from semantic_pivots.models.lens import Lens
    from semantic_pivots.models.link_and_need import Asker, Question

    every = [concept for concepts in groups.values() for concept in concepts]
    asker = Asker(Lens.from_model(trial.model), trial.tokenizer)
    source = trial.corpus.world.languages[0]
    documents_of = trial.corpus.document_counts()
    words = {w for c in trial.corpus.concepts for w in c.contexts[source]}
    pool = {word: PivotWord(word, documents_of[word], "context", 1) for word in sorted(words)}
    documents = dict(zip([c.concept_id for c in every], log_documents(trial, every), strict=True))
    effects = []
    for group, concepts in groups.items():
        for concept, prompt, answer in zip(concepts, *trial.prompts(concepts), strict=True):
            pivots = [pool[word] for word in concept.contexts[source]]
            exclusions = {*concept.words.values(), *(w for around in concept.contexts.values() for w in around)}
            seed = seed_of(trial.corpus.world.seed, "controls", concept.concept_id)
            sets = control_sets(pivots, pool.values(), exclusions, _SETS, seed)
            row = effects_row({"item_id": concept.concept_id, "pivots": [], "control_sets": len(sets)})
            if sets:
                word = concept.words[source]
                texts = tuple(w.text for w in pivots)
                question = Question(prompt, prompt.rindex(word), word, answer, texts, tuple(sets))
                # the others' labels need no effects
                row = question_row(row, question, asker, always=group == UNRELATED and bool(groups[BRIDGED]))
            effects.append(ConceptEffects(group, row, causal(evidence_of(row)), documents[concept.concept_id]))
    return effects, asker.computed_tokens / max(asker.prompt_tokens, 1)


def _of_lenses(trial: Trial, groups: dict[str, list[Concept]], rows: list[ConceptEffects]) -> list[Record]:
    every = [concept for concepts in groups.values() for concept in concepts]
    answers = [(c, r) for c, r in zip(every, rows, strict=True) if r.row["answered"] and r.row["link"] is not None]
    effects = [r.row["link"] + r.row["need"] for _, r in answers]
    return agreement(trial, [c for c, _ in answers], [r.label for _, r in answers], effects) if answers else []


def _share(rows: list[ConceptEffects]) -> float:
    return float(np.mean([row.label == LABELLED for row in rows]))


def _areas(rows: list[ConceptEffects]) -> list[Record]:
    """AUC of each effect and of counts alone, and F1: answered bridged pairs against each kind of negative."""
    figures: list[Record] = []
    for negative, contrast in _CONTRASTS:
        every = [r for r in rows if r.group in (BRIDGED, negative)]
        # unrelated pairs have no right answer to give
        answers = [r for r in every if r.row["link"] is not None and (r.row["answered"] or r.group == UNRELATED)]
        truth = np.array([r.group == BRIDGED for r in answers], bool)
        all_truth = np.array([r.group == BRIDGED for r in every], bool)
        scores = {
            "link + need": [r.row["link"] + r.row["need"] for r in answers],
            "link": [r.row["link"] for r in answers],
            "need": [r.row["need"] for r in answers],
            "gradient × part": [r.row["screen"] for r in answers],
            "counts alone, answered": [r.log_documents for r in answers],
        }
        fewest = min(int(truth.sum()), int((~truth).sum()))
        values = {
            f"AUC of {name}": auc(np.array(score), truth) if fewest >= FEWEST else math.nan
            for name, score in scores.items()
        }
        values["AUC of counts alone"] = auc(np.array([r.log_documents for r in every]), all_truth)
        labels = np.array([r.label == LABELLED for r in answers], bool)
        values["F1 of bridged, rule causal"] = f1(labels, truth) if fewest >= FEWEST else math.nan
        for measure, value in values.items():
            figures.append(figure(measure, contrast, value, f"fewer than {FEWEST} pairs of a class are answered"))
    return figures


def _agreement(rows: list[ConceptEffects]) -> list[Record]:
    """How well the gradient screens for need among answered pairs."""
    answers = [r.row for r in rows if r.row["answered"] and r.row["link"] is not None]
    need, screen = (np.array([row[name] for row in answers]) for name in ("need", "screen"))
    is_needed, is_screened = (
        [row[f"{name}_p"] <= NEED_LEVEL and row[name] >= math.log(2) for row in answers] for name in ("need", "screen")
    )
    values = {"Spearman's r": spearman(need, screen), "kappa": kappa(np.array(is_needed), np.array(is_screened))}
    return [figure("gradient × part and need", name, value, "too few answered pairs") for name, value in values.items()]
