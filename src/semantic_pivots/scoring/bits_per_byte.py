"""Bits per byte of text: a loss that is comparable across tokenizers and shows the cost of training by language."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import torch

from semantic_pivots.models.body import context_of
from semantic_pivots.models.distribution import check_numbers
from semantic_pivots.models.protocols import CausalLM, Tokenizer


def end_token(tokenizer: Tokenizer) -> int | None:
    """The token that ends a document; None if the tokenizer has none."""
    return None if tokenizer.eos_token_id is None else int(tokenizer.eos_token_id)


@torch.no_grad()
def text_nats(
    model: CausalLM, tokenizer: Tokenizer, texts: Sequence[str], length: int = 512
) -> list[tuple[float, int]]:
    """Negative log-likelihood in nats of each text after an end token, and its UTF-8 bytes; (0, 0) for an empty text.

    A tokenizer without an end token uses its start token. If it has neither, the first token of a text and its bytes
    are not counted.

    Args:
        model: HF causal language model; left in evaluation mode.
        tokenizer: its tokenizer.
        texts: texts; only the first `length` tokens of each are read, and only their bytes counted.
        length: largest number of tokens read of a text; limited to the model's context.

    Raises:
        InputError: the model gives NaN.
    """
    model.eval()
    before = [i for i in (end_token(tokenizer), tokenizer.bos_token_id) if i is not None][:1]
    length = min(length, (context_of(model) or length + 1) - len(before))
    device = next(model.parameters()).device
    nats_and_bytes = []
    for text in texts:
        encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, split_special_tokens=True)
        ids, offsets = encoding["input_ids"][:length], encoding["offset_mapping"][:length]
        if len(before) + len(ids) < 2:
            nats_and_bytes.append((0.0, 0))
            continue
        # byte-level pieces of one character share its end, so a cut inside a character counts it whole
        size = len(text[: max(end for _, end in offsets)].encode("utf-8", "surrogatepass"))
        if not before:
            size -= len(text[: offsets[0][1]].encode("utf-8", "surrogatepass"))
        row = torch.tensor([[*before, *ids]], device=device)
        logits = model(input_ids=row, use_cache=False).logits[0, :-1].float()
        nats_and_bytes.append((float(torch.nn.functional.cross_entropy(logits, row[0, 1:], reduction="sum")), size))
    sound = torch.tensor([not math.isnan(nats) for nats, _ in nats_and_bytes], dtype=torch.bool)
    check_numbers(sound, "text", next(model.parameters()).dtype)
    return nats_and_bytes


def bits_per_byte(
    model: CausalLM, tokenizer: Tokenizer, texts: Mapping[str, Iterable[str]], length: int = 512
) -> dict[str, float]:
    """Bits per byte over all texts of each language (`text_nats`), sorted; languages without text are left out."""
    bits = {}
    for language in sorted(texts):
        parts = text_nats(model, tokenizer, list(texts[language]), length)
        size = sum(part for _, part in parts)
        if size:
            bits[language] = sum(nats for nats, _ in parts) / size / math.log(2)
    return bits
