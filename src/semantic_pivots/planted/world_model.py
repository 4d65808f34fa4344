"""A planted world with the small model that was trained on it, and what the model says of each class."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from semantic_pivots.errors import InputError
from semantic_pivots.files import Record
from semantic_pivots.models.protocols import Tokenizer
from semantic_pivots.planted import worlds
from semantic_pivots.planted.planted_stage import PlantedConfig
from semantic_pivots.planted.worlds import CLASSES, DIRECT, Concept, PlantedCorpus, World
from semantic_pivots.statistics import seed_of
from semantic_pivots.tasks.translation import Shot, answer, prompt
from semantic_pivots.training.small_models import (
    ARCHITECTURES,
    fresh_model,
    pack_texts,
    small_settings,
    train_small,
    word_tokenizer,
)

WITH_PIVOTS, WITHOUT_PIVOTS = "direct with pivots", "direct without pivots"


def figure(measure: str, group: str, value: float | np.floating, reason: str = "") -> Record:
    """One figure of one run, a row of `planted_runs`; where the value is NaN, the note gives the reason."""
    return {"measure": measure, "group": group, "value": float(value), "note": reason if math.isnan(value) else ""}


@dataclasses.dataclass
class Trial:
    """A world with the model that was trained on it."""

    corpus: PlantedCorpus
    model: Any
    tokenizer: Any

    def prompts(self, concepts: Sequence[Concept], pair: tuple[str, str] | None = None) -> tuple[list[str], list[str]]:
        """Prompts in the benchmark's form after four direct translations, and the answers."""
        source, target = pair or self.corpus.world.languages[:2]
        direct = self.corpus.of(DIRECT)
        texts, answers = [], []
        for concept in concepts:
            sample = Random(seed_of(self.corpus.world.seed, "shots", concept.concept_id)).sample(direct, 5)
            shots = [Shot(c.concept_id, c.words[source], c.words[target]) for c in sample if c is not concept][:4]
            texts.append(prompt(source, target, shots, concept.words[source]))
            answers.append(answer(concept.words[target]))
        return texts, answers

    def logprobs(self, concepts: Sequence[Concept]) -> np.ndarray:
        """(concepts,) log-probability in nats of each concept's translation."""
        from semantic_pivots.scoring.scorer import answer_logprobs

        texts, answers = self.prompts(concepts)
        arrays = answer_logprobs(self.model, self.tokenizer, texts, answers)
        return np.array([row.sum() for row in arrays], np.float64)

    def sample(self, kind: str, count: int, with_pivots: bool | None = None) -> list[Concept]:
        """Up to `count` concepts of a class, drawn by seed; all, or those with or without pivots."""
        concepts = self.corpus.of(kind, with_pivots)
        return Random(seed_of(self.corpus.world.seed, "probed", kind)).sample(concepts, min(count, len(concepts)))

    def texts(self, purpose: str, count: int) -> list[str]:
        """Up to `count` texts of the world's documents, drawn by seed for one purpose."""
        documents = self.corpus.documents
        chooser = Random(seed_of(self.corpus.world.seed, purpose))
        return [document["text"] for document in chooser.sample(documents, min(count, len(documents)))]

    def ids(self, words: Iterable[str]) -> list[int]:
        """Token ids of whole words."""
        return self.tokenizer.convert_tokens_to_ids(list(words))


def fit(model: Any, tokenizer: Tokenizer, texts: Sequence[str], config: PlantedConfig, tokens: int, seed: int) -> Any:
    """Train a model in place on texts for a number of tokens, by the project's own loop."""
    settings = small_settings(config, tokens, max(tokens, 1) * 10)  # a run is short and is repeated whole
    with tempfile.TemporaryDirectory() as scratch:
        sequences = pack_texts(tokenizer, texts, tokens, config.sequence_tokens, seed)
        train_small(model, sequences, settings, seed, Path(scratch) / "state.pt")
    return model.float().eval()


def new_trial(config: PlantedConfig, world: World, architecture: str, vocabulary_of: World | None = None) -> Trial:
    """Generate a world and a model with random weights, which depend on the world's seed and the vocabulary only.

    Args:
        config: sizes of the model.
        world: the world.
        architecture: one of small.ARCHITECTURES.
        vocabulary_of: a second world, whose words are added to the tokenizer's vocabulary. The models of both worlds
            then start from the same weights.
    """
    corpus = worlds.generate(world)
    words = set(worlds.vocabulary(corpus))
    if vocabulary_of is not None:
        words |= set(worlds.vocabulary(worlds.generate(vocabulary_of)))
    tokenizer = word_tokenizer(sorted(words))
    seed = seed_of(world.seed, "init") % 2**31
    model = fresh_model(architecture, tokenizer, config.width, config.layers, seed, config.sinusoids)
    return Trial(corpus, model, tokenizer)


def train(
    config: PlantedConfig, world: World, architecture: str = "llama", vocabulary_of: World | None = None
) -> Trial:
    """Generate a world and train a model on it from scratch; the arguments are those of `new_trial`."""
    trial = new_trial(config, world, architecture, vocabulary_of)
    texts = [document["text"] for document in trial.corpus.documents]
    fit(trial.model, trial.tokenizer, texts, config, config.tokens, world.seed)
    return trial


def rate_of(config: PlantedConfig, architecture: str) -> float:
    """The peak learning rate of an architecture.

    Raises:
        InputError: an entry of `learning_rates` is not ARCHITECTURE=RATE.
    """
    rates = {}
    for entry in config.learning_rates:
        name, _, rate = entry.partition("=")
        try:
            rates[name] = float(rate)
        except ValueError:
            raise InputError(f"[planted] learning_rates: {entry!r}; expected ARCHITECTURE=RATE, mamba=0.01") from None
        if name not in ARCHITECTURES or rates[name] <= 0:
            raise InputError(
                f"[planted] learning_rates: {entry!r}; expected a rate above zero of one of {', '.join(ARCHITECTURES)}"
            )
    return rates.get(architecture, config.learning_rate)


def translation(trial: Trial, config: PlantedConfig, logs: bool = False) -> list[Record]:
    """Mean P(target) for each class, and for direct pairs with and without pivots; with `logs` also in nats."""
    groups = {kind: trial.sample(kind, config.probed) for kind in CLASSES}
    groups[WITH_PIVOTS] = trial.sample(DIRECT, config.probed, True)
    groups[WITHOUT_PIVOTS] = trial.sample(DIRECT, config.probed, False)
    figures = []
    for group, concepts in groups.items():
        if concepts:
            logprobs = trial.logprobs(concepts)
            figures.append(figure("P(target)", group, np.exp(logprobs).mean()))
            if logs:
                figures.append(figure("log P(target)", group, logprobs.mean()))
    return figures
