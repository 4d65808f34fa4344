"""Bits per byte of held-out text: a loss that compares across tokenizers and tells, by language, what training cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch


@torch.no_grad()
def bits_per_byte(
    model: Any, tokenizer: Any, texts: Mapping[str, Iterable[str]], length: int = 512
) -> dict[str, float]:
    """Bits per UTF-8 byte of each language's texts, after an end token each.

    Args:
        model: HF causal language model; left in evaluation mode.
        tokenizer: its tokenizer.
        texts: texts by language; only the first `length` tokens of each are read, and only their bytes counted.
        length: tokens.

    Returns:
        One figure for each language with text, sorted by language.
    """
    from semantic_pivots.training.pack import end_token

    model.eval()
    device = next(model.parameters()).device
    found = {}
    for language in sorted(texts):
        nats, size = 0.0, 0
        for text in texts[language]:
            coded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
            ids, offsets = coded["input_ids"][:length], coded["offset_mapping"][:length]
            if not ids:
                continue
            # Byte-level pieces of one character share its end, so a cut inside a character counts it whole.
            size += len(text[: max(end for _, end in offsets)].encode("utf-8", "surrogatepass"))
            row = torch.tensor([[end_token(tokenizer), *ids]], device=device)
            logits = model(input_ids=row, use_cache=False).logits[0, :-1].float()
            nats += float(torch.nn.functional.cross_entropy(logits, row[0, 1:], reduction="sum"))
        if size:
            found[language] = nats / size / math.log(2)
    return found
