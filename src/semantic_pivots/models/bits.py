"""Bits per byte of text: a loss that compares across tokenizers and tells, by language, what training cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch


def end_token(tokenizer: Any) -> int:
    """The token that ends a document."""
    return int(tokenizer.eos_token_id) if tokenizer.eos_token_id is not None else 0


@torch.no_grad()
def text_nats(model: Any, tokenizer: Any, texts: Sequence[str], length: int = 512) -> list[tuple[float, int]]:
    """Nats of each text after an end token, and the UTF-8 bytes they are spent on; (0, 0) of an empty one.

    Args:
        model: HF causal language model; left in evaluation mode.
        tokenizer: its tokenizer.
        texts: texts; only the first `length` tokens of each are read, and only their bytes counted.
        length: tokens.
    """
    model.eval()
    device = next(model.parameters()).device
    found = []
    for text in texts:
        coded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        ids, offsets = coded["input_ids"][:length], coded["offset_mapping"][:length]
        if not ids:
            found.append((0.0, 0))
            continue
        # Byte-level pieces of one character share its end, so a cut inside a character counts it whole.
        size = len(text[: max(end for _, end in offsets)].encode("utf-8", "surrogatepass"))
        row = torch.tensor([[end_token(tokenizer), *ids]], device=device)
        logits = model(input_ids=row, use_cache=False).logits[0, :-1].float()
        found.append((float(torch.nn.functional.cross_entropy(logits, row[0, 1:], reduction="sum")), size))
    return found


def bits_per_byte(
    model: Any, tokenizer: Any, texts: Mapping[str, Iterable[str]], length: int = 512
) -> dict[str, float]:
    """Bits per byte of each language's texts together, by `text_nats`; sorted by language, those with text only."""
    found = {}
    for language in sorted(texts):
        measured = text_nats(model, tokenizer, list(texts[language]), length)
        size = sum(part for _, part in measured)
        if size:
            found[language] = sum(nats for nats, _ in measured) / size / math.log(2)
    return found
