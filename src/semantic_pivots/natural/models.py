"""One model of a natural world: trained by the project's loop, resumable by step, and asked for every translation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from semantic_pivots import tables
from semantic_pivots.analysis.controls import PivotWord
from semantic_pivots.files import Record
from semantic_pivots.natural.associations import associations, embeddings, rank_rows, share_below
from semantic_pivots.natural.causal_outcomes import link_and_need
from semantic_pivots.natural.natural_stage import NaturalConfig
from semantic_pivots.natural.world import Concept, World, directions
from semantic_pivots.natural.world_vocabulary import END, Vocabulary
from semantic_pivots.statistics import seed_of

if TYPE_CHECKING:
    import torch
    from scipy.sparse import csr_matrix

BASE = "base"
"""The model that others begin with."""
CHOICES = 10
"""Sources among which the right one is chosen; its nearest in frequency are the others."""
_ROWS = 256


@dataclass(frozen=True)
class Arm:
    """One model to train.

    Attributes:
        seed: seed of the initial weights.
        sequences: (sequences, length) uint16, in the order of training.
        labels: further columns of the table `natural_concepts`, by concept.
        figures: figures about the sequences, for the table `natural_models`.
        start: name of the model from whose weights training starts; empty: new weights.
        pivots: pivots of the held-out concepts whose link and need are measured; their texts are token ids.
    """

    part: str
    seed: int
    name: str
    world: World
    sequences: np.ndarray
    labels: dict[str, Record]
    figures: dict[str, float]
    start: str = ""
    pivots: dict[str, list[PivotWord]] = field(default_factory=dict)


def job(arm: Arm, state: Path, config: NaturalConfig) -> pa.Table:
    """Rank translations by counts, and by a model trained on the sequences (rows of `natural_concepts`).

    The last row has the log-probability of the last training step.

    Args:
        arm: the model; its world needs no text.
        state: file from which an interrupted run continues; weights that others begin with are stored beside it.
        config: sizes of the model.
    """
    vocabulary, concepts = arm.world.vocabulary, arm.world.concepts
    association_matrix = associations(arm.sequences, vocabulary, config.window_tokens)
    keys = {"part": arm.part, "seed": arm.seed, "arm": arm.name}
    rows = [row | arm.labels.get(row["concept_id"], {}) | keys for row in rank_rows(association_matrix, concepts)]
    logprob = None
    if "model" in config.readers:
        import torch

        torch.set_num_threads(1)  # small products gain nothing from more threads; models take one core each
        begin = weights_of(state, arm.start) if arm.start else None
        of_counts = association_matrix if config.embeddings == "counts" else None
        model, loss = train_model(arm.sequences, vocabulary, state, config, arm.seed, begin, of_counts)
        outcomes = _outcomes(model, arm)
        rows = [row | outcomes[row["concept_id"], row["source_language"], row["target_language"]] for row in rows]
        logprob = -loss
        if arm.name == BASE:
            torch.save(model.state_dict(), weights_of(state, BASE))
        state.unlink(missing_ok=True)
    rows.append(
        {**keys, **dict.fromkeys(("concept_id", "half", "source_language", "target_language"), ""), "logprob": logprob}
    )
    blank = {"condition": ""} | dict.fromkeys(("cluster", "pivots", "windows_source", "windows_target", "masked"), 0)
    return tables.from_rows("natural_concepts", [{**blank, **row} for row in rows])


def _outcomes(model: torch.nn.Module, arm: Arm) -> dict[tuple[str, str, str], Record]:
    """A model's outcomes by concept, source and target language; with pivots, link and need too."""
    vocabulary, held_out = arm.world.vocabulary, arm.world.held_out
    tokenizer = tokenizer_of(vocabulary)
    effects = link_and_need(model, tokenizer, vocabulary, held_out, arm.pivots, arm.seed) if arm.pivots else {}
    rows = answers(model, vocabulary, arm.world.concepts, frequency(arm.sequences, vocabulary))
    by_question = {(row["concept_id"], row["source_language"], row["target_language"]): row for row in rows}
    return {question: row | effects.get(question, {}) for question, row in by_question.items()}


def weights_of(state: Path, arm: str) -> Path:
    """The file of the weights of a model from which others start, in the folder of `state`."""
    return state.parent / f"{arm}.weights"


def tokenizer_of(vocabulary: Vocabulary) -> Any:
    """A vocabulary's tokenizer as a tokenizer of transformers."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=vocabulary.tokenizer, eos_token=END, bos_token=END)


def frequency(sequences: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """(size,) int64 number of occurrences of each id in the sequences."""
    return np.bincount(sequences.ravel(), minlength=vocabulary.size)


def train_model(
    sequences: np.ndarray,
    vocabulary: Vocabulary,
    state: Path,
    config: NaturalConfig,
    seed: int,
    begin: Path | None = None,
    association_matrix: csr_matrix | None = None,
) -> tuple[torch.nn.Module, float]:
    """A model trained on the sequences in order, and its last loss in nats.

    It starts from the weights in the file `begin`, or from new ones, whose embeddings may come from counts.
    """
    import torch

    from semantic_pivots.models.device import default_device
    from semantic_pivots.training.small_models import fresh_model, small_settings, train_small

    tokenizer = tokenizer_of(vocabulary)
    device = default_device() if config.device == "auto" else torch.device(config.device)
    model = fresh_model("llama", tokenizer, config.width, config.layers, seed_of("natural init", seed) % 2**31)
    if association_matrix is not None:
        rows = embeddings(association_matrix, config.width, seed, device)
        with torch.no_grad():
            model.get_input_embeddings().weight.copy_(torch.from_numpy(rows))
    if begin is not None:
        model.load_state_dict(torch.load(begin, weights_only=True))
    settings = small_settings(config, sequences.size, config.checkpoint_tokens)
    settings = replace(settings, embedding_rate=config.embedding_rate)
    state.parent.mkdir(parents=True, exist_ok=True)
    loss = train_small(model.to(device), sequences, settings, seed, state)
    return model.float().eval(), loss


def answers(
    model: torch.nn.Module, vocabulary: Vocabulary, concepts: Sequence[Concept], counts: np.ndarray
) -> list[Record]:
    """The model's outcomes for each concept in each direction, among the concepts of its half.

    Specificity is log P(t|s) minus its mean over the other sources. The rank is the share of the other sources with
    which the target is less probable. The choice is between the own source and those nearest in frequency: 1 if the
    target is most probable with the own source, 0 if not, and an equal share if several tie.
    """
    rows = []
    for stratum, group, source, target in directions(concepts):
        values = logprobs(model, vocabulary, group, source, target)
        diagonal = np.diag(values)
        specificity = diagonal - (values.sum(axis=0) - diagonal) / (len(group) - 1)
        ranks = share_below(values)
        often = np.log(counts[[c.ids[source] for c in group]] + 1)
        for k, concept in enumerate(group):
            near = np.argsort(np.abs(often - often[k]), kind="stable")
            rivals = values[near[near != k][: CHOICES - 1], k]
            choice = 0.0 if rivals.max() > diagonal[k] else 1 / (1 + int((rivals == diagonal[k]).sum()))
            rows.append(
                {
                    "concept_id": concept.concept_id,
                    "half": stratum,
                    "source_language": source,
                    "target_language": target,
                    "logprob": float(diagonal[k]),
                    "specificity": float(specificity[k]),
                    "chosen": choice,
                    "rank": float(ranks[k]),
                }
            )
    return rows


def logprobs(
    model: torch.nn.Module, vocabulary: Vocabulary, concepts: Sequence[Concept], source: str, target: str
) -> np.ndarray:
    """(sources, targets) float64 log P(target|source) in nats, with prompts in the form of the dictionary documents."""
    import torch

    ends = [vocabulary.end, vocabulary.marks[source]], vocabulary.marks[target]
    prompts = torch.tensor([[*ends[0], concept.ids[source], ends[1]] for concept in concepts])
    targets = torch.tensor([concept.ids[target] for concept in concepts])
    device = next(model.parameters()).device
    parts = []
    with torch.no_grad():
        for part in prompts.split(_ROWS):
            # float64 on the CPU: not every accelerator has it
            logits = model(input_ids=part.to(device), use_cache=False).logits[:, -1].cpu().double()
            parts.append(torch.log_softmax(logits, dim=-1)[:, targets].numpy())
    return np.concatenate(parts)
