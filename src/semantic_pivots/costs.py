"""What the stages of a study will take on this machine: time, memory and disk, before anything runs.

A stage's time is proportional to its work (parameters times prompts, bytes of text, tokens of training), which follows
from the study's keys. The time of a unit of work is that of the stage's last run below the runs folder, whose manifest
has its work; before the first run it is that of the demo on two cores, and the line says so. The alternative is to
measure for a second before every run. That would cost the second, and would predict little of a stage that reads a
corpus. Downloads and the conversion of a model at its first use are not included.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path

from semantic_pivots.errors import InputError
from semantic_pivots.files import Record
from semantic_pivots.grammar import StudyConfig
from semantic_pivots.stages import STAGES

_TEXT_BYTES = {"everyday": 79e6, "debian-demo": 100e6, "debian-full": 122e6, "debian-large": 315e6}
_COMPRESSED_SUFFIXES = (".gz", ".zst", ".xz", ".bz2", ".parquet")
_RATIO = 3
"""Text bytes of a compressed one."""
FLOAT32 = 10
"""Time of float32 over bfloat16, where the processor multiplies the latter."""


@dataclass(frozen=True)
class Cost:
    """Expected cost of a stage; None if it cannot be estimated."""

    stage: str
    seconds: float | None
    memory_bytes: float | None
    disk_bytes: float | None
    rate: str
    """where the rate comes from"""


class Sizes:
    """The sizes from which a study's work is estimated: read from its keys and the files that they name.

    Raises:
        InputError: when a property is read and a file that it needs cannot be used.
    """

    def __init__(self, config: StudyConfig):
        self.config = config

    @cached_property
    def directions(self) -> int:
        """Ordered pairs of different languages."""
        return len(self.config.benchmark.languages) * (len(self.config.benchmark.languages) - 1)

    @cached_property
    def concepts(self) -> int:
        """Upper bound of the number of concepts in the benchmark."""
        from semantic_pivots.lexicon.concepts import lexicon_path

        sample = self.config.benchmark.items_per_direction
        return sample or lexicon_path(self.config.lexicon.source).read_bytes().count(b"\n")

    @cached_property
    def text_bytes(self) -> float:
        """Bytes of the corpus's text; for compressed files an estimate."""
        corpus = self.config.corpus
        if not corpus.path:
            return _TEXT_BYTES.get(corpus.recipe.partition("-")[0], _TEXT_BYTES.get(corpus.recipe, 0.0))
        from semantic_pivots.corpus.documents import list_files

        files = list_files(corpus.path, lambda text: None)
        return sum(size * (_RATIO if name.endswith(_COMPRESSED_SUFFIXES) else 1) for name, size in files)

    def items(self, sample: int = 0) -> int:
        """Number of items over all directions, with at most the given number in each; 0: all."""
        return self.directions * min(sample or self.concepts, self.concepts)

    def parameters(self, stage: str) -> float:
        """Parameters of a stage's model, times `FLOAT32` for float32; 0 if its weights are not on this machine."""
        from semantic_pivots.models.specs import parameters_here

        section = getattr(self.config, stage)
        return parameters_here(section.model, section.cache) * (FLOAT32 if section.dtype == "float32" else 1)

    def prompts(self, stage: str) -> float:
        """Number of prompts of a stage that runs items through a model, times the parameters of the model."""
        return self.items(getattr(getattr(self.config, stage), "items_per_direction", 0)) * self.parameters(stage)

    def runs(self) -> int:
        """Training runs."""
        return len(self.config.select.selections) * self.config.train.seeds


def work(sizes: Sizes, stage: str) -> float | None:
    """The amount of work of a stage in its unit; None if it cannot be estimated before the stage runs."""
    try:
        return STAGES[stage].work(sizes, sizes.config) or None
    except (InputError, OSError):  # what is absent is told elsewhere
        return None


def costs(config: StudyConfig, stages: Iterable[str], runs: Path) -> Iterator[Cost]:
    """The expected cost of each stage.

    Args:
        config: configuration of the study.
        stages: the stages that will run.
        runs: folder with the results of earlier studies, from whose manifests the rates are taken.
    """
    sizes = Sizes(config)
    for stage in stages:
        units, rate = work(sizes, stage), _last_run(runs, stage) or _default_rates().get(stage)
        if units is None or rate is None:
            yield Cost(stage, None, None, None, "no rate" if rate is None else "its model or corpus is not here yet")
            continue
        times = units / rate["work"]
        yield Cost(stage, rate["seconds"] * times, rate["memory_bytes"], rate["disk_bytes"] * times, rate["of"])


def _last_run(runs: Path, stage: str) -> Record | None:
    """Work, seconds, memory and disk of the stage's last run below a folder."""
    costs: list[Record] = []
    for path in runs.glob(f"*/{stage}/manifest.json"):
        try:
            volatile = json.loads(path.read_text("utf-8"))["volatile"]
            if volatile.get("work"):
                disk = sum(size for size, _ in volatile["stamps"].values())
                costs.append({**volatile, "disk_bytes": disk, "of": str(path.parent.parent)})
        except (OSError, ValueError, KeyError):  # a damaged manifest is told where its stage is asked for
            continue
    latest = max(costs, key=lambda run: run["finished"], default=None)
    return latest and {**latest, "memory_bytes": latest["peak_memory_bytes"]}


@cache
def _default_rates() -> dict[str, Record]:
    """The demo's figures on two cores, by stage (data/demo_costs.json)."""
    return json.loads(resources.files("semantic_pivots").joinpath("data/demo_costs.json").read_text("utf-8"))
