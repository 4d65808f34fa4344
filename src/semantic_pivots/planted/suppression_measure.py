"""Interventions in planted worlds: the effect of removing pivots' directions, or their documents."""

from __future__ import annotations

import copy
import dataclasses

from semantic_pivots.files import Record
from semantic_pivots.planted import worlds
from semantic_pivots.planted.planted_stage import PlantedConfig
from semantic_pivots.planted.world_model import Trial, figure, fit, train, translation
from semantic_pivots.planted.worlds import BRIDGED, DIRECT, World
from semantic_pivots.statistics import seed_of


def suppression(trial: Trial, config: PlantedConfig) -> list[Record]:
    """Measure 5: change of log P(target) when the pivots' directions are suppressed, by class and control.

    Only direct pairs with pivots are measured.
    """
    from semantic_pivots.models.interventions import Suppression, random_basis, target_logprobs, unembedding_basis
    from semantic_pivots.models.lens import Lens
    from semantic_pivots.models.tokens import answer_spans

    lens = Lens.from_model(trial.model)
    layers = range(max(1, lens.layers - 1))
    figures, losses = [], {}
    for kind in (DIRECT, BRIDGED):
        concepts = trial.sample(kind, config.probed, True)
        spans = answer_spans(trial.tokenizer, *trial.prompts(concepts))
        ids, starts = [s.ids for s in spans], [s.start for s in spans]
        plain = target_logprobs(lens, ids, starts)
        partners = concepts[1:] + concepts[:1]
        bases = {
            "planted pivots": [unembedding_basis(lens, trial.ids(c.pivots)) for c in concepts],
            "another pair's pivots": [unembedding_basis(lens, trial.ids(c.pivots)) for c in partners],
            "random directions": [
                random_basis(lens, len(c.pivots), seed_of("random", c.concept_id) % 2**31) for c in concepts
            ],
        }
        for name, basis in bases.items():
            change = float((target_logprobs(lens, ids, starts, Suppression(basis, layers)) - plain).mean())
            losses[kind, name] = change
            figures.append(figure("change of log P(target) by suppression", f"{kind}, {name}", change))
    for control in ("another pair's pivots", "random directions"):
        gaps = {kind: losses[kind, "planted pivots"] - losses[kind, control] for kind in (BRIDGED, DIRECT)}
        figures.append(figure("suppression, bridged pairs", f"against {control}", gaps[BRIDGED]))
        value = gaps[BRIDGED] - gaps[DIRECT]
        figures.append(figure("suppression, bridged less direct", f"against {control}", value))
    return figures


def without(world: World) -> World:
    """A copy of the world in which linked words occur in as many documents, none of which contains a pivot."""
    return dataclasses.replace(world, drop_pivots=True)


def knock_out(config: PlantedConfig, world: World, architecture: str) -> list[Record]:
    """Measure 4: train a model without the pivots' documents, from the initial weights of the complete world's model.

    Training then continues twice from that model: on the complete world's documents, and on the same documents again.
    """
    trial = train(config, without(world), architecture, vocabulary_of=world)
    figures = translation(trial, config, logs=True)
    figure_of = {(f["measure"], f["group"]): f["value"] for f in figures}
    for name, documents in (("added", worlds.generate(world).documents), ("none added", trial.corpus.documents)):
        model = copy.deepcopy(trial.model)
        fit(model, trial.tokenizer, [d["text"] for d in documents], config, config.tokens // 4, world.seed + 1000)
        for f in translation(Trial(trial.corpus, model, trial.tokenizer), config, logs=True):
            change = f["value"] - figure_of[f["measure"], f["group"]]
            measure = f"change of {f['measure']}, pivot documents {name}"
            figures.append(figure(measure, f["group"], change))
    return figures
