"""Low-rank adapters (LoRA) through peft, put into a model for a training run and merged into its weights after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from semantic_pivots.errors import InputError


@contextmanager
def low_rank_adapters(model: Any, rank: int, seed: int) -> Iterator[None]:
    """Train adapters of all linear maps but the head instead of the weights; rank 0 changes nothing.

    Raises:
        InputError: peft is not installed, or cannot adapt this model.
    """
    if not rank:
        yield
        return
    import torch

    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise InputError("lora_rank needs peft: pip install 'semantic-pivots[lora]'") from error
    torch.manual_seed(seed)
    try:
        # The modules are replaced inside the model, which keeps its own class and forward.
        peft_model = get_peft_model(model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear"))
    except ValueError as error:
        raise InputError(f"lora_rank: {type(model).__name__} cannot be adapted: {error}") from error
    yield
    peft_model.merge_and_unload()  # type: ignore[operator]
    for weight in model.parameters():
        weight.requires_grad_(True)
