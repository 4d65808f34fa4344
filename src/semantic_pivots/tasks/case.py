"""A case: one question put to a model, whatever the task."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A prompt, the answer that should follow it, and the words whose trace the answer may show.

    `answer` carries its leading space. `sources` and `targets` are the words, in the language of the question and of
    the answer, whose tokens count as source and target in a trace.
    """

    case_id: str
    prompt: str
    answer: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.prompt or not self.answer.strip():
            raise ValueError(f"case {self.case_id!r} has an empty prompt or answer")
