"""Link and need of held-out concepts in a natural world's model: the rule `causal`, asked in the dictionary's form."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from semantic_pivots.analysis.causal_effects import effects_row
from semantic_pivots.analysis.causal_stage import CausalConfig
from semantic_pivots.analysis.controls import PivotWord, control_sets
from semantic_pivots.natural.world import Concept
from semantic_pivots.natural.world_vocabulary import Vocabulary
from semantic_pivots.statistics import seed_of

if TYPE_CHECKING:
    from semantic_pivots.models.link_and_need import Asker, ItemPrompts, Place
    from semantic_pivots.models.protocols import Tokenizer

_CPU, _ACCELERATOR = (CausalConfig.batch, 1), (4096, 32)
"""prompts that go through the model together, and items whose prompts do: on a CPU an item is asked alone, as by the
stage `causal`; on an accelerator a small model's time is that of starting kernels"""


def link_and_need(
    model: Any,
    tokenizer: Tokenizer,
    vocabulary: Vocabulary,
    concepts: Sequence[Concept],
    pivots: Mapping[str, Sequence[PivotWord]],
    seed: int,
) -> dict[tuple[str, str, str], dict[str, float]]:
    """Link and need in nats, by concept, source language and target language.

    Concepts without pivots, or with too few words for control sets, are left out. Each effect is that of the stage
    `causal`, minus the mean of its control sets. It is measured for wrong answers too, because the model answers few
    held-out concepts correctly.

    Args:
        model: the model that is measured.
        tokenizer: a tokenizer of transformers with the ids of `vocabulary`.
        vocabulary: ids of the words and of the language marks.
        concepts: the held-out concepts.
        pivots: the pivots of each concept, best first; the best three are measured. Their texts are token ids.
        seed: seed of the choice of control sets.
    """
    from semantic_pivots.models.lens import Lens
    from semantic_pivots.models.link_and_need import Asker, ItemPrompts

    settings = CausalConfig()
    lens = Lens.from_model(model)
    rows, together = _CPU if lens.network.device.type == "cpu" else _ACCELERATOR
    asker = Asker(lens, tokenizer, rows)
    pool = {pivot.text: pivot for words in pivots.values() for pivot in words}
    items: dict[tuple[str, str, str], ItemPrompts] = {}
    for concept in concepts:
        every = pivots.get(concept.concept_id, ())
        best = every[: settings.pivots]
        exclusions = {*(pivot.text for pivot in every), *map(str, concept.ids.values())}
        chance = seed_of("natural controls", seed, concept.concept_id)
        sets = control_sets(best, pool.values(), exclusions, settings.control_sets, chance) if best else []
        if not sets:
            continue
        groups = [[int(text) for text in group] for group in ([pivot.text for pivot in best], *sets)]
        words = dict.fromkeys(i for group in groups for i in group)
        for source, target in itertools.permutations(concept.ids, 2):
            places = {i: _place(vocabulary, concept, i, source, target) for i in words}
            context = _place(vocabulary, concept, concept.ids[source], source, target)
            items[concept.concept_id, source, target] = ItemPrompts(context, places, groups)
    return _effects(asker, items, together)


def _effects(
    asker: Asker, items: Mapping[tuple[str, str, str], ItemPrompts], together: int
) -> dict[tuple[str, str, str], dict[str, float]]:
    """Link and need of items, so many together; those of one direction follow each other, since they begin alike."""
    order = sorted(items, key=lambda key: key[1:])
    effects = {}
    for begin in range(0, len(order), together):
        keys = order[begin : begin + together]
        for key, measures in zip(keys, asker.effects_of([items[key] for key in keys]), strict=True):
            row = effects_row({}, measures)
            effects[key] = {name: row[name] for name in ("link", "need")}
    return {key: effects[key] for key in items}


def _place(vocabulary: Vocabulary, concept: Concept, word: int, source: str, target: str) -> Place:
    """The dictionary's form with a word in the source's place."""
    from semantic_pivots.models.link_and_need import Place

    ids = [vocabulary.end, vocabulary.marks[source], word, vocabulary.marks[target], concept.ids[target]]
    return Place(ids, [2], len(ids) - 1)
