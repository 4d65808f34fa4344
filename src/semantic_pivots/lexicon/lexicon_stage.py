"""The stage `lexicon`: its section of a study and its tables."""

from dataclasses import dataclass
from typing import Annotated

from semantic_pivots.config import Range, Stage


@dataclass(frozen=True)
class LexiconConfig:
    """Which concepts, as words of which languages."""

    languages: tuple[str, ...] = ("en", "fr", "zh", "ja")
    source: str = "cldr"
    """a lexicon that ships (cldr, cldr-wide, clwtd-open) or a TSV file with the columns concept_id, pos, and one per
    language"""
    seed: int = 0
    """decides which concepts are held out"""
    held_out_share: Annotated[float, Range(0, 1, below=True)] = 0.0
    """share of concepts that are held out of the graph and the selections; scores are reported for both halves"""


STAGE = Stage(
    "lexicon", LexiconConfig, "lexicon.concepts:lexicon_stage",
    says="concepts as words of each language", version=6, view="report.figures_benchmark:LEXICON",
    tables={
        "concepts": "concept_id pos strata:[string]",
        "words": "concept_id language word source licence",
    },
)  # fmt: skip
