"""The form that all few-shot tasks here share: labelled lines, a question's label and an answer's label.

Word translation (METHOD §1) is one such pattern; a task beyond it changes the labels and where its pairs come from, and
keeps everything else: items, distractors, draws of shots, the read position after the last colon. So one definition of
score, trace and behaviour serves them all. A task is named in an item by the tag `task:NAME` among its strata; an item
without such a tag is word translation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random

from semantic_pivots.errors import InputError
from semantic_pivots.languages import language
from semantic_pivots.statistics import seed_of
from semantic_pivots.tasks.translation import Shot
from semantic_pivots.words import normalise

TAG, LABELS = "task:", "asks:"
"""Beginnings of the tags that name an item's task, and the header, question and answer of a task of the user's own."""
WORD_TRANSLATION = "translation"


@dataclass(frozen=True)
class Pattern:
    """The prompt pattern of a task: header, label of the question and label of the answer, given the two languages."""

    header: Callable[[str, str], str]
    question: Callable[[str, str], str]
    answer: Callable[[str, str], str]

    def prompt(self, source_language: str, target_language: str, shots: Sequence[Shot], source: str) -> str:
        """Header, one block per shot, and the question; it ends with the colon before the answer."""
        direction = (source_language, target_language)
        question, answer = self.question(*direction), self.answer(*direction)
        examples = "".join(f"{question}: {shot.source}\n{answer}: {shot.target}\n\n" for shot in shots)
        return f"{self.header(*direction)}\n\n{examples}{question}: {source}\n{answer}:"


@dataclass(frozen=True)
class Pair:
    """A question and its answer before distractors are drawn; pairs of one concept share their subject."""

    concept_id: str
    source: str
    target: str


def constant(text: str) -> Callable[[str, str], str]:
    """A label that no language changes."""
    return lambda source_language, target_language: text


def source_name(source_language: str, target_language: str) -> str:
    """The English name of the question's language."""
    return language(source_language).name


def target_name(source_language: str, target_language: str) -> str:
    """The English name of the answer's language."""
    return language(target_language).name


def of_labels(strata: Iterable[str] | None) -> Pattern | None:
    """The pattern that an item carries in its strata, where its task is one of the user's own."""
    labels = next((tag.removeprefix(LABELS) for tag in strata or () if tag.startswith(LABELS)), None)
    return None if labels is None else Pattern(*map(constant, labels.split("\t")))


def groups(strata: Iterable[Iterable[str]]) -> list[str]:
    """The tags of items by which figures are grouped, sorted."""
    return sorted({tag for tags in strata for tag in tags if not tag.startswith(LABELS)})


def task_of(strata: Iterable[str] | None) -> str:
    """The task that an item's strata name."""
    return next((tag.removeprefix(TAG) for tag in strata or () if tag.startswith(TAG)), WORD_TRANSLATION)


def items(
    task: str, pairs: dict[tuple[str, str], list[Pair]], distractors: int, per_direction: int, seed: int
) -> list[dict]:
    """Rows of the table `items`: each pair with wrong questions drawn from its direction.

    Args:
        task: name of the task, which becomes the tag of the rows.
        pairs: the pairs of each (source language, target language).
        distractors: wrong sources per item: other sources that have another answer.
        per_direction: number of concepts, as far as possible the same in all directions; 0: all.
        seed: seed of both draws; an item's depends only on the seed, its identifier and its direction's pairs.

    Raises:
        InputError: a direction has too few pairs for the distractors.
    """
    rows = []
    for (first, second), pool in pairs.items():
        selection = sorted(pool, key=lambda pair: (seed_of(seed, "keep", pair.concept_id), pair.source))
        for pair in sorted(selection[: per_direction or None], key=lambda pair: (pair.concept_id, pair.source)):
            item_id = f"{task}:{pair.concept_id}:{first}-{second}"
            rows.append(
                {
                    "item_id": item_id,
                    "concept_id": f"{task}:{pair.concept_id}",
                    "source_language": first,
                    "target_language": second,
                    "source": pair.source,
                    "target": pair.target,
                    "distractors": _distractors(item_id, pair, pool, distractors, seed),
                    "strata": [TAG + task],
                }
            )
    identifiers = [row["item_id"] for row in rows]
    if len(set(identifiers)) < len(identifiers):
        raise ValueError(f"task {task}: two pairs of one direction share a concept_id")
    return rows


def _distractors(item_id: str, pair: Pair, pool: Sequence[Pair], count: int, seed: int) -> list[str]:
    target, source = normalise(pair.target), normalise(pair.source)
    wrong = sorted(
        {pair.source for pair in pool if normalise(pair.target) != target and normalise(pair.source) != source}
    )
    if len(wrong) < count:
        raise InputError(
            f"item {item_id}: {count} distractors asked, {len(wrong)} other questions have another answer; "
            "give more pairs, or ask for fewer distractors"
        )
    return Random(seed_of(seed, "distractors", item_id)).sample(wrong, count)
