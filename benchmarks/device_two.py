"""The steps of `python -m benchmarks.device two`: one base, trained on each arm's sample, asked for what was held out.

Seeds are outermost, so that a cut leaves whole seeds: a seed is begun where the time of the one before it is left. What
a run amounts to is written by concept and by document as soon as it is known, and differences after every seed are made
of these sums alone; `two-sums.jsonl` is enough to make them anew.
"""

from __future__ import annotations

import copy
import json
import math
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.device import Line, Steps
from benchmarks.device_pack import Pack
from semantic_pivots.files import read_table
from semantic_pivots.models.device import default_device, narrow, peak_memory, release_memory
from semantic_pivots.models.load import LoadedModel, load
from semantic_pivots.resampling import bootstrap_mean
from semantic_pivots.run import Work
from semantic_pivots.scoring.benchmark_scores import item_scores
from semantic_pivots.scoring.bits_per_byte import text_nats
from semantic_pivots.scoring.design import Design
from semantic_pivots.scoring.model_runner import ScoreJob, score_items
from semantic_pivots.scoring.scorer import Scorer
from semantic_pivots.statistics import Interval, seed_of, student
from semantic_pivots.tasks.translation import items_of
from semantic_pivots.training.loop import train
from semantic_pivots.training.train_stage import TrainConfig

BASE = "base"
REFERENCE_NATS = {"float32": 1e-3, "bfloat16": 0.5}
WORDS, TEXT = "words", "text"
_DESIGN = Design(5, 2, 4, 0)
_TEXT_TOKENS = 512
_TRAINING = TrainConfig(
    sequence_tokens=1024, batch_sequences=32, micro_batch_sequences=16, learning_rate=3e-4, dtype="bfloat16",
    checkpoint_tokens=10**12,
)  # fmt: skip
_TINY_UNITS = 12
"""items and held-out documents that each model is asked with --tiny"""
_TINY = replace(_TRAINING, sequence_tokens=32, batch_sequences=2, micro_batch_sequences=2, dtype="float32")


def two(steps: Steps, folder: Path, tokens: int | None, seeds: int, is_tiny: bool) -> None:
    """Assemble the weights, compare them with the reference, then train and ask."""
    with tempfile.TemporaryDirectory() as scratch:
        study = _Study(steps, Pack(folder), Path(scratch), tokens, is_tiny)
        if steps.run("weights", study.assemble) is None:
            return
        for dtype in REFERENCE_NATS:
            steps.run(f"parity of the base, {dtype}", lambda dtype=dtype: study.parity(dtype))
        steps.run(BASE, lambda: study.ask(BASE, 0, study.base(study.training.dtype).model))
        longest = 0.0
        for seed in range(seeds):
            if steps.left() < longest:
                steps.say({"step": f"seed {seed}", "skipped": f"{steps.left():.0f} of {longest:.0f} seconds are left"})
                break
            begun = time.monotonic()
            for arm in study.arms:
                steps.run(f"{arm}, seed {seed}", lambda arm=arm, seed=seed: study.run(arm, seed))
                release_memory(default_device())
            longest = max(longest, time.monotonic() - begun)
            steps.run(f"differences, seeds 0 to {seed}", study.differences)


class _Study:
    """One pack, its base, and what its arms amount to."""

    def __init__(self, steps: Steps, pack: Pack, scratch: Path, tokens: int | None, is_tiny: bool):
        self.pack, self.scratch = pack, scratch
        self.training = training = _TINY if is_tiny else _TRAINING
        self.units = _TINY_UNITS if is_tiny else None
        self.arms: list[str] = pack.manifest["arms"]
        step_tokens = training.batch_sequences * training.sequence_tokens
        held = min(pack.manifest["sample_tokens"].values())
        self.tokens = max(step_tokens, min(tokens or held, held) // step_tokens * step_tokens)
        self.sums = steps.path.with_name("two-sums.jsonl")
        self.sums.unlink(missing_ok=True)
        self.rows: list[dict[str, Any]] = []
        self._base: LoadedModel | None = None

    def assemble(self) -> Line:
        """The base's weights from the pack's parts, each checked by size and hash."""
        begun = time.monotonic()
        folder = self.pack.unpack("base", self.scratch / "base")
        assembled = time.monotonic()
        loaded = load(str(folder), device="cpu", cache=str(self.scratch / "cache"))
        self._base = loaded
        return {
            "bytes": sum(path.stat().st_size for path in folder.iterdir()),
            "assembling_seconds": round(assembled - begun, 2),
            "converting_seconds": round(time.monotonic() - assembled, 2),
            "revision": loaded.revision,
            "parameters": sum(p.numel() for p in loaded.model.parameters()),
        }

    def base(self, dtype: str) -> LoadedModel:
        """A copy of the base on the device."""
        assert self._base is not None
        model = copy.deepcopy(self._base.model)
        if dtype == "bfloat16":
            import torch

            narrow(model, torch.bfloat16)
        return replace(self._base, model=model.to(default_device()))

    def parity(self, dtype: str) -> Line:
        """Greatest difference of the base here from what it gave where the pack was made, in float32 on a CPU."""
        reference = json.loads(self.pack.read("reference.json"))
        base = self.base(dtype)
        found = Scorer(base.model, base.tokenizer).score(reference["prompts"], reference["answers"])
        apart = max(
            float(np.abs(scored.logprobs - np.array(told)).max())
            for scored, told in zip(found, reference["logprobs"], strict=True)
        )
        bar = REFERENCE_NATS[dtype]
        return {"requests": len(found), "difference_nats": apart, "bar": bar, "holds": apart <= bar}

    def run(self, arm: str, seed: int) -> Line:
        """Train one run and ask it."""
        import torch

        sample = self.pack.tokens(f"samples/{arm}.u16")
        length = self.training.sequence_tokens
        whole = sample[: len(sample) // length * length].reshape(-1, length)
        order = np.random.default_rng(seed_of("device", seed)).permutation(len(whole))[: self.tokens // length]
        base = self.base("float32")
        torch.manual_seed(seed)
        with tempfile.TemporaryDirectory() as scratch:
            config = replace(self.training, tokens=self.tokens)
            done = train(base.model, whole[order], config, seed, Path(scratch) / "state.pt", lambda tokens: None)
        told = {"tokens": self.tokens, "loss_nats": round(done.rows[-1]["loss"], 4)}
        told |= {"tokens_per_second": round(self.tokens / max(done.seconds, 1e-9), 1)}
        return {**told, **self.ask(arm, seed, base.model), "memory_bytes": peak_memory(default_device())}

    def ask(self, arm: str, seed: int, model: Any) -> Line:
        """Figures of held-out words and held-out text of one model; writes their sums."""
        assert self._base is not None
        tokenizer = self._base.tokenizer
        rows = [*self._words(model, tokenizer), *self._texts(model, tokenizer)]
        rows = [{"arm": arm, "seed": seed, **row} for row in rows]
        with self.sums.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        self.rows += rows
        return _levels(rows)

    def _words(self, model: Any, tokenizer: Any) -> Iterator[dict[str, Any]]:
        """The published score of each held-out item: P of its target after its source less that after distractors."""
        items = _spread(items_of(_table(self.pack, "items", self.scratch)), self.units)
        words = _table(self.pack, "words", self.scratch)
        with tempfile.TemporaryDirectory() as folder:
            work = Work(Path(folder), Path(folder))
            scorer = Scorer(model, tokenizer, 16_384 if default_device().type != "cpu" else 4096)
            scores, answers, _ = score_items(items, words, ScoreJob(_DESIGN, "", "", "device"), work, scorer)
        found = item_scores(items, scores, "paper")
        correct: dict[str, list[bool]] = {}
        for item_id, value in zip(answers["item_id"].to_pylist(), answers["correct"].to_pylist(), strict=True):
            correct.setdefault(item_id, []).append(value)
        for item in items:
            yield {
                "kind": WORDS,
                "unit": item.concept_id,
                "of": "-".join(item.direction),
                "value": found[item.item_id],
                "correct": float(np.mean(correct[item.item_id])),
            }

    def _texts(self, model: Any, tokenizer: Any) -> Iterator[dict[str, Any]]:
        """Nats and bytes of each held-out document."""
        held = _spread(_table(self.pack, "held_out", self.scratch).to_pylist(), self.units)
        for number, row in enumerate(held):
            ((nats, size),) = text_nats(model, tokenizer, [row["text"]], _TEXT_TOKENS)
            yield {"kind": TEXT, "unit": str(number), "of": row["language"], "nats": nats, "bytes": size}

    def differences(self) -> Line:
        """Each arm less the base and less each arm before it, paired by unit, over the seeds of both.

        Of each: the mean over seeds with its interval over units (concepts, documents), the number of units, the mean
        of each seed, and the ends of Student's interval over the seeds, which the first interval does not hold.
        """
        found: Line = {}
        for number, arm in enumerate(self.arms):
            for against in (BASE, *self.arms[:number]):
                for kind in (WORDS, TEXT):
                    difference = self._over_seeds(arm, against, kind)
                    if difference is not None:
                        found[f"{arm} less {against}, {kind}"] = difference
        return found

    def _over_seeds(self, arm: str, against: str, kind: str) -> list[Any] | None:
        seeds = {row["seed"] for row in self.rows if row["arm"] == arm}
        if against != BASE:
            seeds &= {row["seed"] for row in self.rows if row["arm"] == against}
        each = [self._difference(arm, against, kind, seed) for seed in sorted(seeds)]
        keys = sorted(each[0]) if each else []
        values = np.array([[one[key] for key in keys] for one in each])
        if not values.size:
            return None
        units = np.array([unit for _, unit in keys])
        interval = bootstrap_mean(values.mean(0), seed_of("device", arm, against, kind), groups=units)
        means = [float(mean) for mean in values.mean(1)]
        seed_means = [round(mean, 6) for mean in means]
        return [interval.value, *_ends(interval), interval.n, seed_means, _ends(student(means))]

    def _difference(self, arm: str, against: str, kind: str, seed: int) -> dict[tuple[str, str], float]:
        first = _values(self.rows, arm, kind, seed)
        second = _values(self.rows, against, kind, 0 if against == BASE else seed)
        return {key: first[key] - second[key] for key in first.keys() & second.keys()}


def _ends(interval: Interval) -> list[float] | list[None]:
    return [interval.low, interval.high] if interval.exists else [None, None]


def _spread(rows: list[Any], count: int | None) -> list[Any]:
    """About so many of the rows, evenly spread; None: all."""
    return rows[:: len(rows) // count + 1] if count else rows  # every 101st of 1,200: other concepts in each direction


def _values(rows: list[dict[str, Any]], arm: str, kind: str, seed: int) -> dict[tuple[str, str], float]:
    """By (direction or language, unit) the score of a word or the bits per byte of a document."""
    found = {}
    for row in rows:
        if (row["arm"], row["kind"], row["seed"]) == (arm, kind, seed) and row.get("bytes") != 0:
            bits = kind == TEXT and row["nats"] / row["bytes"] / math.log(2)
            found[row["of"], row["unit"]] = bits if kind == TEXT else row["value"]
    return found


def _levels(rows: list[dict[str, Any]]) -> Line:
    """Mean score and accuracy of words, and bits per byte by language."""
    words = [row for row in rows if row["kind"] == WORDS]
    found: Line = {
        "words": len({row["unit"] for row in words}),
        "score": round(float(np.mean([row["value"] for row in words])), 5),
        "accuracy": round(float(np.mean([row["correct"] for row in words])), 4),
    }
    for language in sorted({row["of"] for row in rows if row["kind"] == TEXT}):
        own = [row for row in rows if row["kind"] == TEXT and row["of"] == language]
        size = sum(row["bytes"] for row in own)
        found[f"bits_per_byte_{language}"] = round(sum(row["nats"] for row in own) / max(size, 1) / math.log(2), 4)
    return found


def _table(pack: Pack, name: str, scratch: Path) -> pa.Table:
    path = scratch / f"{name}.parquet"
    if not path.exists():
        path.write_bytes(pack.read(path.name))
        pq.read_metadata(path)
    return read_table(path)
