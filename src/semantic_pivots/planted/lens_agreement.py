"""Agreement of each lens with the causal label: the mass of a pair's contexts, and the published rule under the lens.

Three lenses read the answer position: logit, tuned (a ridge map) and Jacobian. Each is compared with the labels of the
rule `causal`, over the pairs that the model answers correctly. The classes of the world are not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from semantic_pivots.analysis.attribution import auc, kappa, spearman
from semantic_pivots.analysis.rules import BRIDGED, DIRECT, PIVOT
from semantic_pivots.files import Record
from semantic_pivots.planted.readout_measures import labels_of, traces
from semantic_pivots.planted.world_model import Trial, figure
from semantic_pivots.planted.worlds import Concept

if TYPE_CHECKING:
    import torch


_PROMPTS, _LENGTH = 60, 64
"""of the Jacobian lens, as for real models; texts are packed as the model learned them"""


def agreement(
    trial: Trial, concepts: Sequence[Concept], labels: Sequence[str], effects: Sequence[float]
) -> list[Record]:
    """Figures for each lens, over pairs that the model answers correctly.

    Args:
        trial: the world and its model.
        concepts: the pairs.
        labels: label of each pair by the rule `causal`.
        effects: link + need of each pair, in nats.
    """
    residuals = traces(trial, list(concepts))
    residuals.logits["jacobian"] = _by_jacobian(trial, residuals.residuals)
    source = trial.corpus.world.languages[0]
    label_array = np.array(labels)
    is_clear = (label_array == BRIDGED) | (label_array == DIRECT)
    is_bridged = label_array == BRIDGED
    contexts = [trial.ids(concept.contexts[source]) for concept in concepts]
    # the same number of context words of the next pair: what a lens gives such words anyway
    null = [*contexts[1:], *contexts[:1]]
    figures: list[Record] = []
    for lens, logits in residuals.logits.items():
        probs = logits.softmax(-1)
        mass = _largest(probs, contexts) - _largest(probs, null)
        by_paper = np.array([label == PIVOT for label in labels_of(trial, residuals, probs)])
        values = {
            "AUC of the contexts' mass for bridged by causal": auc(mass[is_clear], is_bridged[is_clear]),
            "Spearman's r of the contexts' mass and link + need": spearman(mass, np.array(effects)),
            "kappa of bridged by causal and pivot by paper": kappa(is_bridged, by_paper),
        }
        for measure, value in values.items():
            figures.append(figure(measure, lens, value, "one class is empty"))
    return figures


def _largest(probs: torch.Tensor, ids: Sequence[list[int]]) -> np.ndarray:
    """(concepts,) largest summed probability of some tokens before the last layer."""
    return np.array([float(probs[:-1, row, tokens].sum(-1).max()) for row, tokens in enumerate(ids)])


def _by_jacobian(trial: Trial, residuals: torch.Tensor) -> torch.Tensor:
    """(layers, concepts, vocabulary) logits of residuals under a Jacobian lens that is fitted to the world's text."""
    import torch

    from semantic_pivots.models.jacobian import fit_jacobian
    from semantic_pivots.models.lens import Lens

    lens = Lens.from_model(trial.model)
    texts = trial.tokenizer(trial.texts("jacobian", 40 * _PROMPTS))["input_ids"]
    stream = [token for ids in texts for token in (*ids, trial.tokenizer.eos_token_id)]
    prompts = [stream[i * _LENGTH : (i + 1) * _LENGTH] for i in range(min(_PROMPTS, len(stream) // _LENGTH))]
    trainable = [parameter for parameter in trial.model.parameters() if parameter.requires_grad]
    trial.model.requires_grad_(False)
    jacobian = fit_jacobian(lens, prompts, batch=_PROMPTS)
    for parameter in trainable:
        parameter.requires_grad_(True)
    with torch.inference_mode():
        return torch.stack([jacobian.read(k, layer) for k, layer in enumerate(residuals)]).float()
