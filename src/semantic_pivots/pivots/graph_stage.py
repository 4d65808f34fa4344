"""The stage `graph`: its section of a study and its tables."""

from dataclasses import dataclass
from typing import Literal

from semantic_pivots.config import Count, Number, OverCorpus, Rate, Ratio, Share, Stage, Unit

Criterion = Literal["bridge-stable", "bridge-fdr", "rarefied", "degree-fdr", "fixed-count"]


@dataclass(frozen=True)
class GraphConfig(OverCorpus):
    """The token co-occurrence graph and its pivot set (METHOD §6)."""

    seed: int = 0
    criterion: Criterion = "bridge-stable"
    """bridge-fdr (concepts joined across languages beyond chance), bridge-stable (the same in most of several draws of
    one size, so that samples of the corpus find them too), rarefied (degree in equally many documents, against a
    configuration model), degree-fdr (whole degree, against the same) or fixed-count (published manner)"""
    unit: Unit = "word"
    """unit of the pivots under bridge-fdr and bridge-stable: word or token; the other criteria use tokens"""
    max_deviation: Share = 0.8
    """largest deviation of the sources of a unit's documents from those of all documents, under bridge-fdr and
    bridge-stable (Gries' deviation of proportions: 0 for equal shares, near 1 for one small source); 1: no limit"""
    documents: Number = 2000
    """documents drawn per word under bridge-fdr and bridge-stable"""
    sample_tokens: Number = 4_000_000
    """tokens of the corpus in each draw, at most half of the corpus, under bridge-stable"""
    samples: Number = 10
    """draws under bridge-stable"""
    least_share: Rate = 0.8
    """least share of the draws in which a unit is a pivot, under bridge-stable"""
    false_discovery_rate: Rate = 0.01
    """expected share of tokens in the pivot set that are no hubs (Benjamini-Hochberg)"""
    min_ratio: Ratio = 2.0
    """least ratio of the concepts that a pivot joins (under degree-fdr: neighbours) to their number by chance"""
    min_count: Number = 3
    """least number of common documents of an edge, under fixed-count"""
    rarefied_documents: Number = 10
    """documents of a token in which its neighbours are counted, under rarefied"""
    min_rarefied_ratio: Ratio = 0.8
    """least ratio of a hub's rarefied degree to that of the configuration model"""
    min_share: Share = 0.001
    """least share of documents that contain a candidate, under rarefied"""
    top_neighbours: Count = 20
    """number of neighbours stored per token"""
    stability_draws: Count = 1
    """samples of a quarter and of a tenth of the corpus (and two halves) whose pivot sets are compared; 0: none"""


STAGE = Stage(
    "graph", GraphConfig, "pivots.pivot_set:graph_stage", after=("lexicon", "corpus", "tokens"),
    says="the pivot set", version=6, view="report.figures_corpus:GRAPH", work=lambda s, c: s.text_bytes,
    tables={
        # unit is "word" (token is null) or "token"; neighbours are texts of units, the strongest first
        "pivot_set": "unit token:int32 text documents:int64 degree:int64 expected_degree:float64 strength:float64 q_value:float64 languages:[string] neighbours:[string]",
        # overlap (intersection over union) and share recovered of the whole corpus's set, by samples of documents
        "pivot_stability": "sample share:float64 draw:int32 pivots:int64 overlap:float64 recovered:float64",
    },
)  # fmt: skip
