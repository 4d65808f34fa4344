"""All tasks behind one interface: items, prompts, draws of shots, cases.

A stage that asks a model calls `prompt`, `shots_by_direction` and `cases` here and never looks at the task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from semantic_pivots.errors import InputError, nearest
from semantic_pivots.tasks import (
    antonyms,
    cloze,
    facts,
    lm_eval_choice,
    own,
    pattern,
    repetition,
    sentences,
    translation,
)
from semantic_pivots.tasks.benchmark_stage import BenchmarkConfig
from semantic_pivots.tasks.case import Case
from semantic_pivots.tasks.pattern import LABELS, WORD_TRANSLATION, Pair, Pattern, of_labels, task_of
from semantic_pivots.tasks.translation import Item, Shot, Shots

if TYPE_CHECKING:
    import pyarrow as pa

LM_EVAL = "lm-eval:"
Words = Iterable[tuple[str, str, str]]
Make = Callable[[Words, Sequence[str]], dict[tuple[str, str], list[Pair]]]

PATTERNS: dict[str, Pattern] = {
    "repetition": repetition.PATTERN,
    "cloze": cloze.PATTERN,
    "antonyms": antonyms.PATTERN,
    "sentences": sentences.PATTERN,
    **{name + suffix: facts.pattern(name) for name in facts.RELATIONS for suffix in ("", "-across")},
}
PAIR_MAKERS: dict[str, Make] = {
    "repetition": repetition.pairs,
    "cloze": cloze.pairs,
    "antonyms": antonyms.pairs,
    **{name: facts.task(name, across=False) for name in facts.RELATIONS},
    **{f"{name}-across": facts.task(name, across=True) for name in facts.RELATIONS},
}
"""Tasks whose pairs ship with the package or come from the study's lexicon."""


def package_of(task: str) -> str:
    """Name and version of the package that gives a task; empty for the tasks that need none.

    Raises:
        InputError: there is no such task.
    """
    names = [WORD_TRANSLATION, *PATTERNS, own.NAME]
    if task in names or task.startswith(LM_EVAL):
        return ""
    packages = own.packages()
    if task not in packages:
        names += packages
        hint = nearest(task, names)
        raise InputError(f"unknown task {task!r}: expected {', '.join(names)}, or {LM_EVAL}TASK{hint}")
    return packages[task]


def items(config: BenchmarkConfig, words: pa.Table) -> list[dict]:
    """Rows of the table `items` of a task other than word translation.

    Args:
        config: names the task, its file where it needs one, languages, distractors and seed.
        words: the Arrow table `words` of the lexicon.

    Raises:
        InputError: an unknown task, a missing file, or no pairs at all.
    """
    if package_of(config.task) or config.task == own.NAME:
        return _own_items(config)
    rows = zip(*(words[name].to_pylist() for name in ("concept_id", "language", "word")), strict=True)
    if config.task in PAIR_MAKERS:
        pairs = PAIR_MAKERS[config.task](rows, config.languages)
    elif config.task == "sentences":
        pairs = sentences.pairs(config.task_path, config.languages)
    else:
        pairs = lm_eval_choice.pairs(config.task.removeprefix(LM_EVAL), config.languages[0], config.task_path)
    pairs = {direction: pool for direction, pool in pairs.items() if pool}
    if not pairs:
        raise InputError(f"task {config.task!r} has no pairs in {', '.join(config.languages)}; give other languages")
    name = config.task.replace(":", "-")
    return pattern.items(name, pairs, config.distractors, config.items_per_direction, config.seed)


def _own_items(config: BenchmarkConfig) -> list[dict]:
    if config.task == own.NAME:
        pairs, labels = own.read(config.task_path, config.languages)
        name = f"{own.NAME}-{Path(config.task_path).stem}"
    else:
        pairs, labels = own.read_from_package(config.task, config.languages)
        name = config.task.replace(":", "-")
    rows = pattern.items(name, pairs, config.distractors, config.items_per_direction, config.seed)
    for row in rows:
        row["strata"].append(LABELS + "\t".join(labels[row["source_language"], row["target_language"]]))
    return rows


def prompt(item: Item, shots: Sequence[Shot], source: str) -> str:
    """The prompt of an item's task with a source (its own or a distractor) in the question."""
    task = task_of(item.strata)
    if task == WORD_TRANSLATION:
        return translation.prompt(*item.direction, shots, source)
    is_lm_eval = task.startswith(LM_EVAL.replace(":", "-"))
    pattern_of_task = of_labels(item.strata) or (lm_eval_choice.PATTERN if is_lm_eval else PATTERNS[task])
    return pattern_of_task.prompt(*item.direction, shots, source)


def signature_name(items: Sequence[Item]) -> str:
    """The name of the items' tasks in a signature: `clwtd` for word translation, else the names of the tasks."""
    names = sorted({task_of(item.strata) for item in items})
    return "+".join("clwtd" if name == WORD_TRANSLATION else name for name in names)


def shots_by_direction(items: Sequence[Item], words: pa.Table, seed: int) -> dict[tuple[str, str], Shots]:
    """The draws of each direction: from the lexicon for word translation, else from the task's own items."""
    other_items = [item for item in items if task_of(item.strata) != WORD_TRANSLATION]
    plain = {item.direction: None for item in items if task_of(item.strata) == WORD_TRANSLATION}
    shots = translation.shots_by_direction(words, plain, seed) if plain else {}
    by_direction: dict[tuple[str, str], list[Shot]] = {}
    for item in other_items:
        by_direction.setdefault(item.direction, []).append(Shot(item.concept_id, item.source, item.target))
    if by_direction.keys() & plain.keys():
        raise InputError(
            "a benchmark mixes word translation and another task in one direction; give each its own study"
        )
    for direction, pool in by_direction.items():
        shots[direction] = PairShots(pool, direction, seed)
    return shots


class PairShots(Shots):
    """Draws of shots from question-answer pairs, whose two languages may be the same."""

    def __init__(self, shots: Iterable[Shot], direction: tuple[str, str], seed: int = 0):
        self.pool = sorted(shots, key=lambda shot: (shot.concept_id, shot.source))
        self.direction = direction
        self.seed = seed


def cases(items: Sequence[Item], words: pa.Table, shots: int, seed: int) -> list[Case]:
    """One case per item of any task, with the shots of its first draw."""
    shots_of = shots_by_direction(items, words, seed)
    return [
        Case(
            item.item_id,
            prompt(item, shots_of[item.direction].draw(item, 0, shots) if shots else [], item.source),
            translation.answer(item.target),
            (item.source,),
            (item.target,),
        )
        for item in items
    ]
