"""Any multiple-choice task of lm-evaluation-harness as items: the question is the source, the right choice the target.

The published score fixes the target and varies the source: how much more probable is the right choice after its own
question than after other questions of the task? The prior probability of a choice cancels. In the harness's accuracy it
does not; that figure is computed by the harness only.
"""

from __future__ import annotations

import importlib
from typing import Any

from semantic_pivots.errors import InputError, nearest
from semantic_pivots.files import Record
from semantic_pivots.tasks.pattern import Pair, Pattern, constant

PATTERN = Pattern(constant("Please answer each question."), constant("Question"), constant("Answer"))


def pairs(task: str, language: str, include_path: str = "") -> dict[tuple[str, str], list[Pair]]:
    """Pairs (question, right choice) of one task of the harness, found by its name.

    Args:
        task: name of the task in the harness.
        language: language of the task's text.
        include_path: folder of task files of the user's own; then only these are known.

    Raises:
        InputError: the harness is not installed, does not know the task, or the task is of a kind that has no question
            with one right choice: not multiple choice, several right choices, or one ending of several contexts.
    """
    try:
        harness = importlib.import_module("lm_eval.tasks")
    except ImportError as error:
        raise InputError("tasks of lm-evaluation-harness need it: pip install 'semantic-pivots[lm-eval]'") from error
    manager = harness.TaskManager(include_path=include_path or None, include_defaults=not include_path)
    if task not in manager.all_tasks:
        raise InputError(f"lm-evaluation-harness has no task {task!r}{nearest(task, manager.all_tasks)}")
    try:
        tasks: Record = manager.load([task])["tasks"]
    except Exception as error:  # of the task's own template, of its data, or of the network
        message = f"task {task!r} does not load in lm-evaluation-harness: {type(error).__name__}: {error}"
        raise InputError(message) from error
    questions = []
    for member in tasks.values():
        if getattr(member, "OUTPUT_TYPE", "") != "multiple_choice":
            raise InputError(f"task {task!r} is not multiple choice; expected one whose output_type is multiple_choice")
        documents = member.test_docs() if member.has_test_docs() else member.validation_docs()
        for number, document in enumerate(documents):
            question, answer = _question(member, document, f"task {task!r}, document {number}")
            questions.append(Pair(f"{task}:{number:06d}", " ".join(question.split()), " ".join(answer.split())))
    return {(language, language): questions}


def _question(member: Any, document: Any, place: str) -> tuple[str, str]:
    """The question of a document, and the text of its right choice."""
    choices, right, question = (of(document) for of in (member.doc_to_choice, member.doc_to_target, member.doc_to_text))
    if not isinstance(question, str):
        raise InputError(
            f"{place}: one ending of several contexts (doc_to_text gives the number of a context, as in winogrande); "
            "expected a task that asks one question with several choices"
        )
    if isinstance(right, (list, tuple)):
        raise InputError(
            f"{place}: several choices may be right (doc_to_target gives {right}); expected one right choice"
        )
    if isinstance(right, str) and right in choices:
        return question, right
    if not isinstance(right, int) or not 0 <= right < len(choices):
        raise InputError(f"{place}: the right choice {right!r} is none of its {len(choices)} choices")
    return question, choices[right]
