"""The stage `discover`: its section of a study and its tables."""

from dataclasses import dataclass
from typing import Literal

from semantic_pivots.config import Number, OverCorpus, Rate, Rule, Share, Stage, Unit

DiscoveryForm = Literal["default", "paper"]
Association = Literal["tversky", "min", "pmi", "npmi", "llr"]


@dataclass(frozen=True)
class DiscoverConfig(OverCorpus):
    """Words that co-occur with both words of a pair more often than by chance (METHOD §5)."""

    seed: int = 0
    form: DiscoveryForm = "default"
    """default (distinct documents that contain the word) or paper (the published sampling, of tokens)"""
    unit: Unit = "word"
    """what a pivot is: word, or token of the model's tokenizer"""
    measure: Association = "tversky"
    """ranking: tversky (a weighted Dice coefficient), min (published), pmi, npmi or llr"""
    documents: Number = 2000
    """documents sampled per word, and as background"""
    false_discovery_rate: Rate = 0.01
    """expected share of pivots that co-occur with both words only by chance, over all pairs; 1: no limit"""
    least_share: Share = 0.2
    """least value of a pivot, as a share of the pair's best value; words of the topic have lower values; 0: no limit"""
    top: Number = 50
    """largest number of pivots per item"""
    relatedness: bool = False
    """add each pivot's cosine with the pair, and the share of other pairs' below it; needs the extra `lexicons`"""


STAGE = Stage(
    "discover", DiscoverConfig, "pivots.discovery:discover_stage", after=("lexicon", "benchmark", "corpus", "tokens"),
    says="semantic pivots of each pair", version=6, view="report.figures_pivots:DISCOVER",
    work=lambda s, c: s.concepts * len(c.benchmark.languages) * c.discover.documents,
    rules=(
        Rule(("form", "unit", "measure"), lambda c: c.form != "paper" or (c.unit, c.measure) == ("token", "min"),
             "the paper's form ranks tokens by their smaller surplus; expected unit = 'token' and measure = 'min'"),
    ),
    tables={
        # unit is "word" (token is null) or "token"; documents are those drawn of each word that hold the pivot, a
        # surplus a difference of document frequencies (share of documents); rank 0 is the best; q_value is the
        # false-discovery rate over all pairs (null: the paper's form); translation: the further language of which it is
        # the concept's word; cosine with the pair and the share of other pairs' pivots below it are null unless
        # [discover] relatedness
        "pivots": "item_id unit token:int32 text rank:int32 documents_source:int64 documents_target:int64 surplus_source:float32 surplus_target:float32 measure value:float32 q_value:float64 translation cosine:float32 cosine_quantile:float32",
        # documents hold the source, the target, or (of those drawn) both; candidates co-occur with both words,
        # supported ones pass the false-discovery rate; reason says why there is no pivot; rule: as in the counts
        # (paper: sub-tokens)
        "pivot_evidence": "item_id documents_source:int64 documents_target:int64 documents_both:int64 candidates:int64 supported:int64 pivots:int64 reason rule",
    },
)  # fmt: skip
