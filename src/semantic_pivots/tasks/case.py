"""A case: one question put to a model, whatever the task."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A prompt, its correct answer, and the words whose tokens a trace counts in the layers.

    `answer` begins with its space. A trace counts the tokens of `sources` (words in the language of the question) as
    source, and those of `targets` (words in the language of the answer) as target.
    """

    case_id: str
    prompt: str
    answer: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.prompt or not self.answer.strip():
            raise ValueError(f"case {self.case_id!r} has an empty prompt or answer")
