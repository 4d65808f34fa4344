"""The logit lens on any decoder-only model of transformers: residual stream, the model's own final norm and head.

There is no table of architectures. The blocks are the longest ModuleList below the decoder; the tail (final norm, and a
projection where there is one) is what runs after the last block; the head is the model's own forward with its decoder
replaced (`models.body`), so caps, scales and biases are the model's. Whether that was right is checked when the lens is
made: the lens of the last block must equal the model's logits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from semantic_pivots.models.body import Body

_PROBE = (5, 11, 7, 3)
_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.15, torch.float16: 0.05}


class LensError(Exception):
    """The model's blocks or tail could not be found, or the lens of its last block is not its logits."""


class Lens:
    """The lens of one model.

    Attributes:
        layers: number of blocks; layer 0 is the output of the first.
    """

    def __init__(self, model: Any, blocks: torch.nn.ModuleList, tail: list[torch.nn.Module]):
        self.body = Body(model)
        self.blocks, self.tail = blocks, tail
        self.layers = len(blocks)

    @classmethod
    def from_model(cls, model: Any, blocks: str = "") -> Lens:
        """Find a model's blocks and tail, and check the lens of the last block against the model's logits.

        Args:
            model: HF causal language model.
            blocks: dotted name of the block list below the model, where the longest ModuleList is not it.

        Raises:
            LensError: no block list, or the invariant fails; names what was found.
        """
        decoder = model.get_decoder() if hasattr(model, "get_decoder") else None
        if decoder is None:
            raise LensError(f"{type(model).__name__} has no decoder; expected a causal language model")
        lists = {n: m for n, m in decoder.named_modules() if isinstance(m, torch.nn.ModuleList) and len(m)}
        found = model.get_submodule(blocks) if blocks else max(lists.values(), key=len, default=None)
        if found is None:
            raise LensError(f"{type(decoder).__name__} has no ModuleList of blocks; name it with blocks=")
        lens = cls(model, found, _tail(model, decoder, found))
        lens._check(blocks or next(name for name, module in lists.items() if module is found))
        return lens

    @torch.inference_mode()
    def _check(self, name: str) -> None:
        model = self.body.model
        size = min(self.body.vocabulary, 64)
        ids = torch.tensor([[token % size for token in _PROBE]], device=self.body.device)
        expected = model(input_ids=ids, use_cache=False).logits[0, -1].float()
        rows = self.residuals(ids, torch.tensor([len(_PROBE) - 1], device=self.body.device))
        got = self.decode(rows[-1])[0].float()
        bound = _TOLERANCE.get(self.body.dtype, 0.15) * max(1.0, float(expected.abs().max()))
        error = float((got - expected).abs().max())
        if not error <= bound:
            tail = ", ".join(type(module).__name__ for module in self.tail) or "nothing"
            raise LensError(
                f"{type(model).__name__}: the lens of the last of {self.layers} blocks ({name}) differs from the "
                f"model's logits by {error:.3g}; the tail found was {tail}; pass blocks= to name the block list"
            )

    def residuals(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Residual stream after every block, at one position of each row.

        Args:
            ids: (rows, tokens) int64, padded on the right.
            positions: (rows,) int64.

        Returns:
            (layers, rows, width) in the model's dtype; gathered inside the blocks' hooks, so that no more is kept.
        """
        kept: dict[int, torch.Tensor] = {}
        rows = torch.arange(len(ids), device=ids.device)

        def keep(layer: int) -> Any:
            def hook(module: Any, arguments: Any, output: Any) -> None:
                hidden = output[0] if isinstance(output, tuple) else output
                kept[layer] = hidden[rows, positions].clone()

            return hook

        with _hooks([block.register_forward_hook(keep(i)) for i, block in enumerate(self.blocks)]):
            self.body.hidden(ids)
        if len(kept) < self.layers:
            kinds = ", ".join(sorted({type(block).__name__ for block in self.blocks}))
            raise LensError(
                f"{type(self.body.model).__name__}: {self.layers - len(kept)} of the {self.layers} modules found as "
                f"blocks ({kinds}) did not run; pass blocks= to name the block list"
            )
        return torch.stack([kept[layer] for layer in range(self.layers)])

    def decode(self, rows: torch.Tensor) -> torch.Tensor:
        """(rows, vocabulary) logits of (rows, width) residuals: tail, then the model's own head."""
        for module in self.tail:
            rows = module(rows)
        return self.body.logits(rows)

    @torch.inference_mode()
    def logits(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Every layer's logits, for small inputs and tests; traces keep top-k and masses instead.

        Args:
            input_ids: (batch, tokens) int64, padded on the right.
            attention_mask: (batch, tokens), ones before the padding.
            positions: (batch, positions) int64.

        Returns:
            (batch, layers, positions, vocabulary) float32.

        Raises:
            ValueError: a row is padded on the left, or a position lies in the padding.
        """
        lengths = attention_mask.sum(dim=1)
        if not bool((attention_mask[:, 0] == 1).all()) or bool((positions >= lengths[:, None]).any()):
            raise ValueError("expected rows padded on the right and positions before the padding")
        columns = [self.residuals(input_ids, positions[:, k]) for k in range(positions.shape[1])]
        return torch.stack([torch.stack([self.decode(r).float() for r in c], 1) for c in columns], 2)


def _tail(model: Any, decoder: Any, blocks: torch.nn.ModuleList) -> list[torch.nn.Module]:
    """The modules that the decoder runs after its last block, outermost ones only, in order."""
    inside = {id(module) for block in blocks for module in block.modules()} | {id(blocks)}
    around = {id(m) for m in decoder.modules() if any(child is blocks for child in m.modules())}
    ran: list[torch.nn.Module] = []
    after = [False]

    def note(module: Any, arguments: Any, output: Any) -> None:
        if after[0]:
            ran.append(module)

    def last(module: Any, arguments: Any, output: Any) -> None:
        after[0] = True

    outside = [m for m in decoder.modules() if id(m) not in inside and id(m) not in around]
    handles = [m.register_forward_hook(note) for m in outside] + [blocks[-1].register_forward_hook(last)]
    size = min(model.get_input_embeddings().weight.shape[0], 64)
    ids = torch.tensor([[token % size for token in _PROBE]], device=next(model.parameters()).device)
    with _hooks(handles), torch.inference_mode():
        decoder(input_ids=ids, use_cache=False)
    nested = {id(child) for module in ran for child in module.modules() if child is not module}
    return [module for module in ran if id(module) not in nested]


@contextmanager
def _hooks(handles: list[Any]) -> Iterator[None]:
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
