"""Signatures of figures: one line of one grammar, `subject|scope|key=value|...|note`.

The subject says what was done (the task's name, behaviour, trace, intervene, planted, count), the scope between which
languages or in which world; settings follow in the order of `ORDER`, so that two signatures can be compared from left
to right; a note says why a figure has no interval. `parse` reads what `str` writes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_SUBJECT_KEYS = (
    "rule",
    "architecture",
    "lens",
    "measure",
    "statistic",
    "quantity",
    "layer",
    "group",
    "intervention",
    "control",
)
_QUESTION_KEYS = ("layers", "pivots", "shots", "draws", "pool", "seed", "seeds", "resamples")
_WORLD_KEYS = (
    "direct",
    "direct_linked_share",
    "bridged",
    "unrelated",
    "copied",
    "documents",
    "concepts",
    "null_direct",
    "plain_share",
)
_TRAINING_KEYS = (
    "selected_share",
    "dictionary_share",
    "pivot_text",
    "embeddings",
    "probed",
    "tokens",
    "width",
    "sequence_tokens",
    "batch_sequences",
    "learning_rate",
    "sinusoids",
)
_MODEL_KEYS = ("warmup_share", "weight_decay", "model", "dtype", "variant", "version", "stratum", "runs", "chrf")
_COUNT_KEYS = ("provider", "unit", "window", "exact", "words")
ORDER = (*_SUBJECT_KEYS, *_QUESTION_KEYS, *_WORLD_KEYS, *_TRAINING_KEYS, *_MODEL_KEYS, *_COUNT_KEYS)
"""Keys of settings, in the order in which they are written."""
_PLACE = {key: place for place, key in enumerate(ORDER)}


def matching_rules(counts: pa.Table) -> str:
    """The setting `words` of figures of counts: each rule in the table's column `rule` once, with its sources."""
    rules = {rule for row in counts["rule"].unique().to_pylist() for rule in row.split(" + ")}
    return " + ".join(sorted(rules))


@dataclass(frozen=True)
class Signature:
    """Everything that a figure depends on, as a subject, a scope and named settings; equal ones give equal figures."""

    subject: str
    scope: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        keys = [key for key, _ in self.settings]
        if unknown := [key for key in keys if key not in _PLACE]:
            raise ValueError(f"signature: {unknown[0]!r} is no setting; add it to ORDER")
        if keys != sorted(set(keys), key=_PLACE.__getitem__):
            raise ValueError(f"signature: settings {keys} stand twice or out of order")
        parts = (self.subject, self.scope, *(value for _, value in self.settings), self.note)
        if wrong := [part for part in parts if "|" in part or "\n" in part]:
            raise ValueError(f"signature: {wrong[0]!r} holds a bar or a line end, which separate the parts")

    @classmethod
    def of(cls, subject: str, scope: str = "", **settings: object) -> Signature:
        """A signature with these settings, in any order."""
        return cls(subject, scope).with_settings(**settings)

    @classmethod
    def parse(cls, line: str) -> Signature:
        """The signature that a line writes.

        Raises:
            ValueError: the line is not of the grammar.
        """
        subject, *parts = line.split("|")
        scope = parts.pop(0) if parts else ""
        settings: list[tuple[str, str]] = []
        note = ""
        for place, part in enumerate(parts):
            key, sign, value = part.partition("=")
            if sign and key in _PLACE:
                settings.append((key, value))
            elif place == len(parts) - 1:
                note = part
            else:
                raise ValueError(f"signature {line!r}: {part!r} is no setting")
        return cls(subject, scope, tuple(settings), note)

    def with_settings(self, **settings: object) -> Signature:
        """The signature with further or replaced settings."""
        by_name = {**dict(self.settings), **{key: str(value) for key, value in settings.items()}}
        return replace(self, settings=tuple(sorted(by_name.items(), key=lambda pair: _PLACE.get(pair[0], -1))))

    def within(self, scope: str) -> Signature:
        """The signature with another scope."""
        return replace(self, scope=scope)

    def without(self, *keys: str) -> Signature:
        """The signature without some settings."""
        return replace(self, settings=tuple(pair for pair in self.settings if pair[0] not in keys))

    def __getitem__(self, key: str) -> str:
        return dict(self.settings)[key]

    def __str__(self) -> str:
        settings = [f"{key}={value}" for key, value in self.settings]
        return "|".join([self.subject, self.scope, *settings, *filter(None, [self.note])])
