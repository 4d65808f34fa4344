"""Held-out concepts. Stages that choose documents never see their words, so a gain on them cannot come from the choice.

The lexicon tags each concept with its half, the benchmark carries the tag into its items' strata, and the stages that
look for pivots or score documents read `visible_words` only.
"""

from __future__ import annotations

from semantic_pivots.files import Record
from semantic_pivots.run import Inputs
from semantic_pivots.statistics import seed_of

SEEN, HELD_OUT = "words:seen", "words:held-out"


def half(concept_id: str, share: float, seed: int) -> str:
    """The half (held out or seen) of a concept; it depends only on seed and concept id, not on other concepts."""
    return HELD_OUT if seed_of(seed, "held-out", concept_id) < share * 2**63 else SEEN


def tag_of(strata: list[str] | tuple[str, ...]) -> list[str]:
    """The stratum of a concept's half, as a tag; empty if nothing is held out."""
    return [tag for tag in strata if tag in (SEEN, HELD_OUT)]


def visible_words(inputs: Inputs) -> list[Record]:
    """Rows of the table `words` whose concepts are not held out."""
    rows = inputs.table("words").to_pylist()
    if not inputs.has("concepts"):
        return rows
    concepts = {row["concept_id"] for row in inputs.table("concepts").to_pylist() if HELD_OUT in row["strata"]}
    return [row for row in rows if row["concept_id"] not in concepts]
