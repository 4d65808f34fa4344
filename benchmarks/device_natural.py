"""The steps of `python -m benchmarks.device natural`: the models of docs/natural.md, from packed documents.

Models of one part come one after the other, those that begin with another's weights after it. The summary is of the
parts whose models are all there, so that a cut leaves whole parts; its rules are those of the stage.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.device import Line, Steps
from benchmarks.device_pack import Pack
from semantic_pivots import tables
from semantic_pivots.config import NaturalConfig
from semantic_pivots.files import write_table
from semantic_pivots.natural.effects import summary
from semantic_pivots.natural.natural_stage import task_of
from semantic_pivots.natural.part_arms import Arm, arms
from semantic_pivots.run import Inputs, Work


def natural(steps: Steps, folder: Path, out: Path) -> None:
    """Train every model of every part of the first seed, and say what the whole parts amount to."""
    pack = Pack(folder)
    noted: dict[str, Any] = pack.manifest["natural"]
    told: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in noted.items()}
    config = replace(NaturalConfig(**told), device="auto", workers=1, seeds=1)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        inputs = Inputs({stage: pack.unpack(stage, Path(scratch) / stage) for stage in ("lexicon", "corpus")})
        for part in config.parts:
            own = _part(steps, part, config, inputs, Work(Path(scratch) / "work", out))
            if own:
                rows += own
                write_table(out / "natural_concepts.parquet", tables.from_rows("natural_concepts", rows))
                steps.run(f"{part}, summary", lambda part=part, own=own: _summary(part, own, config, out))


def _part(steps: Steps, part: str, config: NaturalConfig, inputs: Inputs, work: Work) -> list[dict[str, Any]]:
    """Rows of `natural_concepts` of a part; none where one of its models is missing."""
    made: list[Arm] = []
    rows: list[dict[str, Any]] = []

    def sequences() -> Line:
        made.extend(arms(part, config, inputs, config.seed))
        return {"models": [arm.name for arm in made], **made[0].figures}

    if steps.run(f"{part}, sequences", sequences) is None:
        return []
    longest, missing = 0.0, 0
    for arm in sorted(made, key=lambda arm: bool(arm.start)):
        begun = time.monotonic()
        step = steps.run(f"{part}, {arm.name}", lambda arm=arm: _model(arm, config, work, rows), longest)
        longest, missing = max(longest, time.monotonic() - begun), missing + (step is None)
    return [] if missing else rows


def _model(arm: Arm, config: NaturalConfig, work: Work, rows: list[dict[str, Any]]) -> Line:
    """Train one model and ask it; adds its rows."""
    begun = time.monotonic()
    _, train_and_ask, given = task_of(arm, config, config.seed, work)
    made = train_and_ask(*given).to_pylist()
    ending = made.pop()
    rows += made
    halves = {half: [row for row in made if row["half"] == half] for half in sorted({row["half"] for row in made})}
    return {
        "tokens": int(arm.sequences.size),
        "tokens_per_second": round(arm.sequences.size / (time.monotonic() - begun), 1),
        "loss_nats": round(-ending["logprob"], 4),
        **{f"chosen, {half}": round(sum(row["chosen"] for row in own) / len(own), 4) for half, own in halves.items()},
    }


def _summary(part: str, rows: list[dict[str, Any]], config: NaturalConfig, out: Path) -> Line:
    found = summary(rows, replace(config, parts=(part,)))
    write_table(out / f"natural_summary_{part}.parquet", tables.from_rows("natural_summary", found))
    return {"conclusion": [row["conclusion"] for row in found if row["conclusion"]]}
