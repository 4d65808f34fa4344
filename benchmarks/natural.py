"""Natural worlds: tokens a second of training a small model on a CPU, and what the models of a finished run were told.

`python -m benchmarks.natural` takes half a minute; `python -m benchmarks.natural runs/natural-small` reads a run of
studies/natural.toml (or one of its parts) and prints its effects: the spike must be found, the rest are findings;
so does a CSV of docs/results such as docs/results/natural_masking_2603_summary.csv.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks import emit
from semantic_pivots.config import TrainedDtype
from semantic_pivots.natural.effects import LEVEL

UNITS = {"effect on specificity": "nats", "effect on rank_by_counts": "of rank by counts"}
"""Effects that decide."""

_VOCABULARY, _SEQUENCES, _LENGTH, _BATCH = 10_000, 256, 64, 16


def _model():
    import torch
    from transformers import AutoModelForCausalLM

    from semantic_pivots.training.small_models import config_of

    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config_of("llama", _VOCABULARY, 128, 3))


def _sequences() -> np.ndarray:
    return np.random.default_rng(0).integers(0, _VOCABULARY, (_SEQUENCES, _LENGTH)).astype(np.uint16)


def plain() -> float:
    """Tokens a second of the loop that anyone writes: float32, AdamW, the model's own loss."""
    import torch

    torch.set_num_threads(1)
    model, begun = _model().train(), 0.0
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, foreach=False, fused=False)
    for step, batch in enumerate(torch.from_numpy(_sequences().astype(np.int64)).split(_BATCH)):
        if step == 2:  # memory and kernels are there
            begun = time.perf_counter()
        optimiser.zero_grad()
        model(input_ids=batch, labels=batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    return (_SEQUENCES - 2 * _BATCH) * _LENGTH / (time.perf_counter() - begun)


def project(threads: int = 1, dtype: TrainedDtype = "bfloat16") -> float:
    """Tokens a second of the project's loop."""
    import torch

    from semantic_pivots.training.loop import train
    from semantic_pivots.training.train_stage import TrainConfig

    torch.set_num_threads(threads)
    config = TrainConfig(
        tokens=_SEQUENCES * _LENGTH,
        dtype=dtype,
        checkpoint_tokens=10**9,
        batch_sequences=_BATCH,
        micro_batch_sequences=_BATCH,
        sequence_tokens=_LENGTH,
    )
    marks: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        train(
            _model(), _sequences(), config, 0, Path(scratch) / "state.pt", lambda _: marks.append(time.perf_counter())
        )
    return (len(marks) - 3) * _BATCH * _LENGTH / (marks[-1] - marks[2])


def speed() -> None:
    """Figures of one core, and of two: two processes against two threads."""
    slow = plain()
    emit("plain loop, float32, one thread", slow, "tokens/s", None, None)
    emit("this loop, float32, one thread", project(dtype="float32"), "tokens/s", None, None)
    fast = project()
    emit("this loop, bfloat16, one thread", fast, "tokens/s", 1.5 * slow, fast >= 1.5 * slow)
    both = project(2)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        apart = sum(pool.map(project, [1, 1], chunksize=1))
    emit("two threads, bfloat16", both, "tokens/s", None, None)
    emit("two processes, bfloat16", apart, "tokens/s", both, apart > both)


def effects(place: Path) -> None:
    """The effects of a finished run, or of a table `natural_summary` as CSV."""
    table = place if place.suffix == ".csv" else place / "natural" / "natural_summary.parquet"
    rows = pl.read_csv(table) if table.suffix == ".csv" else pl.read_parquet(table)
    for row in rows.to_dicts():
        if row["conclusion"]:
            print(f"{row['part']}: {row['conclusion']}", file=sys.stderr)
        elif row["measure"] in UNITS:
            control = row["group"] == "spiked less placebo"
            holds = row["value"] > 0 and row["p_value"] < LEVEL if control else None
            ends = "" if row["low"] is None else f" [{row['low']:.3f}, {row['high']:.3f}]"
            name = f"{row['part']}, {row['group']}{ends}, p = {row['p_value']:.2g}, n = {row['n']}"
            emit(name, row["value"], UNITS[row["measure"]], 0.0 if control else None, holds)


if __name__ == "__main__":
    effects(Path(sys.argv[1])) if sys.argv[1:] else speed()
