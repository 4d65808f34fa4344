"""Bits per byte of text: a loss that is comparable across tokenizers and shows the cost of training by language."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist

from semantic_pivots.models.distribution import check_numbers
from semantic_pivots.models.network import context_of
from semantic_pivots.models.protocols import CausalLM, Tokenizer


def end_token(tokenizer: Tokenizer) -> int | None:
    """The token that ends a document; None if the tokenizer has none."""
    return None if tokenizer.eos_token_id is None else int(tokenizer.eos_token_id)


@torch.no_grad()
def text_nats(
    model: CausalLM, tokenizer: Tokenizer, texts: Sequence[str], length: int = 512, in_group: bool = False
) -> list[tuple[float, int]]:
    """Negative log-likelihood in nats of each text after an end token, and its UTF-8 bytes; (0, 0) for an empty text.

    A tokenizer without an end token uses its start token. If it has neither, the first token of a text and its bytes
    are not counted.

    Args:
        model: HF causal language model; left in evaluation mode.
        tokenizer: its tokenizer.
        texts: texts; only the first `length` tokens of each are read, and only their bytes counted.
        length: largest number of tokens read of a text; limited to the model's context.
        in_group: the processes of a group read the texts between them; each must call this, and each gets all figures.

    Raises:
        InputError: the model gives NaN.
    """
    model.eval()
    rows = _rows(model, tokenizer, texts, length)
    nats = _group_nats(model, [ids for ids, _ in rows]) if in_group else [_nats(model, ids) for ids, _ in rows]
    sound = torch.tensor([not math.isnan(value) for value in nats], dtype=torch.bool)
    check_numbers(sound, "text", next(model.parameters()).dtype)
    return [(value, size) for value, (_, size) in zip(nats, rows, strict=True)]


def _rows(model: CausalLM, tokenizer: Tokenizer, texts: Sequence[str], length: int) -> list[tuple[list[int], int]]:
    """Token ids and counted bytes of each text; no ids where there is nothing to predict."""
    prefix = [i for i in (end_token(tokenizer), tokenizer.bos_token_id) if i is not None][:1]
    length = min(length, (context_of(model) or length + 1) - len(prefix))
    rows: list[tuple[list[int], int]] = []
    for text in texts:
        encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, split_special_tokens=True)
        ids, offsets = encoding["input_ids"][:length], encoding["offset_mapping"][:length]
        if len(prefix) + len(ids) < 2:
            rows.append(([], 0))
            continue
        # byte-level pieces of one character share its end, so a cut inside a character counts it whole
        size = len(text[: max(end for _, end in offsets)].encode("utf-8", "surrogatepass"))
        if not prefix:
            size -= len(text[: offsets[0][1]].encode("utf-8", "surrogatepass"))
        rows.append(([*prefix, *ids], size))
    return rows


def _nats(model: CausalLM, ids: list[int]) -> float:
    if not ids:
        return 0.0
    row = torch.tensor([ids], device=next(model.parameters()).device)
    logits = model(input_ids=row, use_cache=False).logits[0, :-1].float()
    return float(torch.nn.functional.cross_entropy(logits, row[0, 1:], reduction="sum"))


def _group_nats(model: CausalLM, rows: list[list[int]]) -> list[float]:
    """The nats of each row, on every process; each computes every n-th row."""
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    nats = [0.0] * len(rows)
    row_numbers = [number for number, ids in enumerate(rows) if ids]
    rank_losses = [_nats(model, rows[number]) for number in row_numbers[rank::world]]
    if len(rank_losses) < math.ceil(len(row_numbers) / world):
        # a forward pass gathers sharded weights from all processes, so each must run as many
        _nats(model, rows[row_numbers[0]])
    parts: list[Any] = [rank_losses]
    if world > 1:
        parts = [None] * world
        dist.all_gather_object(parts, rank_losses)
    for first, part in enumerate(parts):
        for number, value in zip(row_numbers[first::world], part, strict=True):
            nats[number] = value
    return nats


def bits_per_byte(
    model: CausalLM,
    tokenizer: Tokenizer,
    texts: Mapping[str, Iterable[str]],
    length: int = 512,
    in_group: bool = False,
) -> dict[str, float]:
    """Bits per byte over all texts of each language (`text_nats`), sorted; languages without text are left out."""
    bits = {}
    for language in sorted(texts):
        parts = text_nats(model, tokenizer, list(texts[language]), length, in_group)
        size = sum(part for _, part in parts)
        if size:
            bits[language] = sum(nats for nats, _ in parts) / size / math.log(2)
    return bits
