"""The stage `count`: its section of a study and its tables."""

from dataclasses import dataclass
from typing import Literal

from semantic_pivots.config import Count, OverCorpus, Rule, Stage, input_path


@dataclass(frozen=True)
class CountConfig(OverCorpus):
    """Documents that contain each word, and both words of each pair."""

    unit: Literal["document", "window"] = "document"
    """of a pair: documents with both words (document), or with both within a window of tokens (window)"""
    window_tokens: Count = 0
    """the words begin fewer than this many tokens apart; tokens are words, or characters of scripts without spaces"""
    provider: Literal["local", "infini-gram", "infini-gram-http", "file"] = "local"
    """source of the counts: local (exact), infini-gram, infini-gram-http, or file"""
    provider_path: str = input_path()
    """index, address or counts file of a provider that is not local"""


STAGE = Stage(
    "count", CountConfig, "counting.counts:count_stage", after=("benchmark", "corpus", "tokens"),
    says="documents that contain each word and pair", version=5, view="report.figures_counts:COUNT",
    work=lambda s, c: s.text_bytes,
    rules=(
        Rule(("provider", "provider_path"), lambda c: c.provider == "local" or bool(c.provider_path),
             "the provider needs provider_path, its index or file"),
        Rule(("provider", "unit", "window_tokens"),
             lambda c: c.provider != "local" or (c.unit == "window") == (c.window_tokens > 0),
             "expected unit = 'document' with window_tokens = 0, or unit = 'window' with a window of at least 1"),
    ),
    tables={
        # unit is "document", "window" or "occurrence"; window is its width in tokens (0: the whole document); approx is
        # what an infini-gram index says itself of its number (null: it was not asked)
        "word_counts": "word language value:int64 unit window:int32 exact:bool approx:bool provider rule",
        "pair_counts": "word_1 language_1 word_2 language_2 value:int64 unit window:int32 exact:bool approx:bool provider rule",
        # the texts as which each word occurs, what may stand at their edges (docs/words.md), and where each comes from
        "forms": "word language form edges source",
    },
)  # fmt: skip
