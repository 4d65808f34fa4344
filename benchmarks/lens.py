"""The lens against its floor, against nnterp and against the published way: seconds a prompt, in one run.

Prompts are CLWTD-open's own, five shots. Ours is what the stage `trace` does with them, rows of its table included: top
tokens, entropy, masses of token sets, languages. The floor is one forward without a head, and one product of the head
with the gathered rows of every layer, as a plain lens has it. nnterp's `logit_lens` gives the probabilities of all
layers at the last position; the top tokens are taken from them. The published way takes one prompt at a time and brings
the whole vocabulary of every layer to Python lists. Ours, the floor and nnterp take turns; the least of the rounds
counts. `python -m benchmarks.lens [gemma|smollm2] [--prompts N] [--published N] [--dtype D] [--without-nnterp]`.
"""

from __future__ import annotations

import argparse
import random
from typing import Any

from benchmarks import emit
from benchmarks.measure import PeakMemory, timed
from benchmarks.score import MODELS, NAMES, SEED, TWO_DIRECTIONS, items_and_words
from semantic_pivots.config import Dtype
from semantic_pivots.models.trace_stage import TraceConfig
from semantic_pivots.tables import from_rows
from semantic_pivots.tasks import questions

BARS: dict[str, Any] = {"floor": 1.3, "nnterp": {"gemma": 1.7, "smollm2": None}, "memory": 400.0}
TOP, ROUNDS, PIVOTS = 10, 3, 30
_MEGABYTE = 1_000_000


def floor(model: Any, ids: Any, places: Any, layers: int) -> None:
    """One forward without a head, then the head on the gathered rows, once a layer."""
    import torch

    hidden = model.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state
    rows = hidden[torch.arange(len(ids), device=ids.device), places]
    weight = model.get_output_embeddings().weight
    for _ in range(layers):
        torch.nn.functional.linear(rows, weight)


def published(model: Any, tokenizer: Any, prompt: str) -> list[list[tuple[str, float]]]:
    """Of every layer, all tokens of the vocabulary with their probabilities, best first, as Python lists."""
    out = model(**tokenizer(prompt, return_tensors="pt").to(model.device), output_hidden_states=True)
    words = tokenizer.convert_ids_to_tokens(range(out.logits.shape[-1]))
    decoder = model.get_decoder()
    layers = []
    for hidden in out.hidden_states[1:]:
        logits = model.lm_head(decoder.norm(hidden))
        probs = logits[0, -1].float().softmax(-1).tolist()
        layers.append(sorted(zip(words, probs, strict=True), key=lambda pair: -pair[1]))
    return layers


def measure(which: str, prompts: int, published_prompts: int, dtype: Dtype, with_nnterp: bool) -> None:
    """Print the figures of one model."""
    import torch

    from semantic_pivots.models.lens import Lens
    from semantic_pivots.models.load import load
    from semantic_pivots.models.readouts import readouts
    from semantic_pivots.models.trace import Reader, Sets

    loaded = load(MODELS[which], dtype=dtype)
    model, tokenizer = loaded.model, loaded.tokenizer
    for parameter in model.parameters():
        parameter.sum()  # weights mapped from a file are not in memory until they are read
    items, words = items_and_words(-(-prompts // 2), TWO_DIRECTIONS)
    items = items[:prompts]
    chooser = random.Random(SEED)
    rows = [
        {"item_id": item.item_id, "token": token, "text": "", "rank": rank, "measure": "", "value": 0.0}
        | {"surplus_source": 0.0, "surplus_target": 0.0}
        for item in items
        for rank, token in enumerate(sorted(chooser.sample(range(len(tokenizer)), PIVOTS)))
    ]
    config = TraceConfig(model=MODELS[which], dtype=dtype, top=TOP)
    cases = questions.cases(items, words, config.shots, SEED)
    lens = Lens.from_model(model)
    sets = Sets(words, from_rows("pivots", rows), items, cases, tokenizer, 0)
    reader = Reader(lens, readouts(lens, tokenizer, ["logit"]), tokenizer, sets, config)

    texts = [case.prompt for case in cases]
    batch = tokenizer(texts, return_tensors="pt", padding=True, padding_side="right").to(model.device)
    places = batch["attention_mask"].sum(1) - 1
    width = max(1, config.batch_tokens // batch["input_ids"].shape[1])
    slices = [slice(first, first + width) for first in range(0, len(texts), width)]

    def bare() -> None:
        for part in slices:
            floor(model, batch["input_ids"][part], places[part], lens.layers)

    ways = {"ours": lambda: reader.read(cases), "floor": bare}
    name = f"{NAMES[which]}, {dtype}"
    with torch.inference_mode():
        if with_nnterp:
            ways["nnterp"] = _nnterp(model, tokenizer, texts, slices)
        with PeakMemory() as memory:
            reader.read(cases)
        seconds = {way: float("inf") for way in ways}
        for _ in range(ROUNDS):
            for way, function in ways.items():
                seconds[way] = min(seconds[way], timed(function)[0])
        slow = timed(lambda: [published(model, tokenizer, text) for text in texts[:published_prompts]])[0]

    emit(f"{name}: prompts", len(texts), "prompts")
    emit(f"{name}: seconds a prompt", round(seconds["ours"] / len(texts), 4), "s")
    ratio = seconds["ours"] / seconds["floor"]
    emit(f"{name}: time over the floor", round(ratio, 3), "ratio", BARS["floor"], ratio <= BARS["floor"])
    if with_nnterp:
        ratio = seconds["nnterp"] / seconds["ours"]
        bar = BARS["nnterp"][which]
        emit(f"{name}: times faster than nnterp", round(ratio, 2), "ratio", bar, None if bar is None else ratio >= bar)
    if published_prompts:
        ratio = slow / min(published_prompts, len(texts)) / (seconds["ours"] / len(texts))
        emit(f"{name}: times faster than the published way", round(ratio, 1), "ratio")
    megabytes = memory.bytes / _MEGABYTE
    emit(
        f"{name}: peak memory above the weights", round(megabytes, 1), "MB", BARS["memory"], megabytes <= BARS["memory"]
    )


def _nnterp(model: Any, tokenizer: Any, texts: list[str], slices: list[slice]) -> Any:
    from nnterp import StandardizedTransformer
    from nnterp.interventions import logit_lens

    standard = StandardizedTransformer(model, tokenizer=tokenizer)
    standard.tokenizer.padding_side = "left"  # its last token of each prompt is the last column

    def read() -> None:
        for part in slices:
            logit_lens(standard, texts[part]).topk(TOP, dim=-1)  # type: ignore[union-attr]

    return read


def main() -> None:
    """Print the figures of both models, or of the one that is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("model", nargs="?", choices=[*MODELS], help="one model only")
    parser.add_argument("--prompts", type=int, default=10, help="prompts that ours, the floor and nnterp read")
    parser.add_argument("--published", type=int, default=2, help="prompts that the published way reads")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--without-nnterp", action="store_true")
    options = parser.parse_args()
    for which in [options.model] if options.model else MODELS:
        measure(which, options.prompts, options.published, options.dtype, not options.without_nnterp)


if __name__ == "__main__":
    main()
