"""What the values of one section of a study demand of one another, as a table."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rule:
    """A demand on several keys of a section."""

    keys: tuple[str, ...]
    """the keys that it reads"""
    holds: Callable[[Any], bool]
    """whether the section's dataclass meets it"""
    expected: str
    """what is expected, for an error message"""


def _has_target(select: Any) -> bool:
    is_dsir = any(name == "dsir" or name.startswith("dsir-") for name in select.selections)
    return bool(not is_dsir or select.dsir_target or select.dsir_languages)


def _is_whole(quotas: tuple[str, ...]) -> bool:
    return not quotas or math.isclose(sum(float(quota.partition("=")[2]) for quota in quotas), 1, abs_tol=1e-6)


RULES: dict[str, tuple[Rule, ...]] = {
    "benchmark": (
        Rule(
            ("task", "distractors"),
            lambda c: c.task != "translation" or c.distractors > 0,
            "a translation needs at least one distractor",
        ),
        Rule(
            ("task", "min_documents"),
            lambda c: c.task == "translation" or not c.min_documents,
            "expected min_documents = 0, it is for translations of words",
        ),
        Rule(
            ("task", "task_path"),
            lambda c: c.task not in ("file", "sentences") or bool(c.task_path),
            "the task needs task_path, its file or folder (docs/tasks.md)",
        ),
    ),
    "count": (
        Rule(
            ("provider", "provider_path"),
            lambda c: c.provider == "local" or bool(c.provider_path),
            "the provider needs provider_path, its index or file",
        ),
        Rule(
            ("provider", "unit", "window_tokens"),
            lambda c: c.provider != "local" or (c.unit == "window") == (c.window_tokens > 0),
            "expected unit = 'document' with window_tokens = 0, or unit = 'window' with a window of at least 1",
        ),
    ),
    "discover": (
        Rule(
            ("form", "unit", "measure"),
            lambda c: c.form != "paper" or (c.unit, c.measure) == ("token", "min"),
            "the paper's form ranks tokens by their smaller surplus; expected unit = 'token' and measure = 'min'",
        ),
    ),
    "intervene": (Rule(("first", "last"), lambda c: c.first < c.last, "expected first to be smaller than last"),),
    "select": (
        Rule(
            ("selections", "dsir_target", "dsir_languages"),
            _has_target,
            "dsir needs dsir_target, documents like those to find, or dsir_languages",
        ),
        Rule(
            ("selections",), lambda c: len(set(c.selections)) == len(c.selections), "one of the selections stands twice"
        ),
        Rule(
            ("exclude_pairs", "stratify_pairs"),
            lambda c: not (c.exclude_pairs and c.stratify_pairs),
            "expected only one of them to be set",
        ),
        Rule(("quotas",), lambda c: _is_whole(c.quotas), "expected shares that sum to 1"),
    ),
    "natural": (
        Rule(("readers",), lambda c: bool(c.readers), "expected counts, model or both"),
        Rule(("pair",), lambda c: len(set(c.pair)) == len(c.pair) == 2, "expected two languages"),
    ),
}
