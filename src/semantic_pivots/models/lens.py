"""The logit lens on any language model of transformers: residual stream, the model's own final norm and head.

There is no table of architectures. The blocks are the longest ModuleList below the decoder; the tail (final norm, and a
projection where there is one) is what runs after the last block; the head is the model's own forward with its decoder
replaced (`models.network`), so caps, scales and biases are the model's. Whether that was right is checked when the lens
is made: the lens of the last block must equal the model's logits.

Where one reads (`Lens.question`) depends on the kind of model. Causal: the position of the last token of what is asked.
Encoder-decoder: what is asked goes to the encoder, and the decoder is read at its start token, which predicts the first
token of the answer. Masked: a mask stands behind what is asked, and is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from typing import TYPE_CHECKING, Any

import torch
import transformers

from semantic_pivots.errors import InputError
from semantic_pivots.models.distribution import check_numbers
from semantic_pivots.models.load import LoadedModel, load
from semantic_pivots.models.network import FORWARD_ERRORS, Network, check_context, decoder_of, is_masked, padded_ids
from semantic_pivots.models.protocols import CausalLM, Tokenizer
from semantic_pivots.models.tokens import prompt_ids

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

_PROBE = (5, 11, 7, 3)
_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.15, torch.float16: 0.05}


class LensError(Exception):
    """The model's blocks or tail were not found, or the lens of its last block does not equal its logits."""


class Lens:
    """The lens of one model.

    Attributes:
        layers: number of blocks (of the decoder, where there is an encoder too); layer 0 is the output of the first.
        kind: "causal", "encoder-decoder" or "masked".
    """

    def __init__(self, model: CausalLM, blocks: torch.nn.ModuleList, tail: list[torch.nn.Module]):
        self.network = Network(model)
        self.blocks, self.tail = blocks, tail
        self.layers = len(blocks)
        self.kind = _kind(model)

    @classmethod
    def from_model(cls, model: CausalLM, blocks: str = "") -> Lens:
        """Find a model's blocks and tail, and check the lens of the last block against the model's logits.

        Args:
            model: HF language model: causal, encoder-decoder or masked.
            blocks: dotted name of the block list below the model, where the longest ModuleList is not it.

        Raises:
            LensError: no block list, or the invariant fails; names what was found.
        """
        decoder = decoder_of(model)
        if decoder is None:
            raise LensError(f"{type(model).__name__} has no decoder; expected a language model")
        lists = {n: m for n, m in decoder.named_modules() if isinstance(m, torch.nn.ModuleList) and len(m)}
        # the sublayers of a block may be a longer list than the blocks are
        lists = {n: m for n, m in lists.items() if not any(n.startswith(f"{outer}.") for outer in lists)}
        stack: Any = dict(model.named_modules()).get(blocks) if blocks else max(lists.values(), key=len, default=None)
        if blocks and not (isinstance(stack, torch.nn.ModuleList) and len(stack)):
            names = [n for n, m in model.named_modules() if isinstance(m, torch.nn.ModuleList) and len(m)]
            raise LensError(f"blocks {blocks!r} is no list of modules of {type(model).__name__}; it has {names[:5]}")
        if stack is None:
            raise LensError(f"{type(decoder).__name__} has no ModuleList of blocks; name it with blocks=")
        name = blocks or next(name for name, module in lists.items() if module is stack)
        try:
            lens = cls(model, stack, _tail(model, decoder, stack))
            lens._check(name)
        except torch.OutOfMemoryError:
            raise
        except FORWARD_ERRORS as error:
            raise LensError(
                f"{type(model).__name__}: what the {len(stack)} blocks ({name}) hand on cannot be read by itself "
                f"({type(error).__name__}: {error}); pass blocks= to name another block list"
            ) from error
        return lens

    @torch.inference_mode()
    def _check(self, name: str) -> None:
        model = self.network.model
        size = min(self.network.vocabulary, 64)
        ids = torch.tensor([[token % size for token in _PROBE]], device=self.network.device)
        place = torch.tensor([len(_PROBE) - 1], device=self.network.device)
        options: dict[str, int] = {} if self.kind == "masked" else {"use_cache": False}
        if "logits_to_keep" in signature(model.forward).parameters:
            options["logits_to_keep"] = 1  # a product of one row reads the head's weights without packing them
        out = model(**self._inputs(ids, place, None), **options)
        reference = out.logits[0, -1].float()
        check_numbers(~reference.isnan(), "logit", self.network.dtype)
        tolerance = _TOLERANCE.get(self.network.dtype, 0.15) * max(1.0, float(reference.abs().max()))

        def difference(tokens: torch.Tensor) -> float:
            return float((self.decode(self.residuals(tokens, place)[-1])[0].float() - reference).abs().max())

        # rows of a causal model are padded on the right without a mask, so a token after the position must not matter
        error = difference(torch.cat([ids, ids[:, :1]], 1) if self.kind == "causal" else ids)
        if not error <= tolerance and self.kind == "causal" and difference(ids) <= tolerance:
            raise LensError(
                f"{type(model).__name__} is not causal: a token changes what is predicted before it by {error:.3g}; "
                f"expected is_decoder in its config, and a version of transformers (here {transformers.__version__}) "
                "whose mask follows it"
            )
        if not error <= tolerance:
            tail = ", ".join(type(module).__name__ for module in self.tail) or "nothing"
            raise LensError(
                f"{type(model).__name__}: the lens of the last of {self.layers} blocks ({name}) differs from the "
                f"model's logits by {error:.3g}; the tail found was {tail}; pass blocks= to name the block list"
            )

    def question(self, tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Token ids (rows, tokens), positions (rows,) and mask (rows, tokens) of prompts: the arguments of `residuals`.

        Raises:
            LensError: a masked model whose tokenizer has no mask.
        """
        if self.kind == "masked":
            if tokenizer.mask_token_id is None:
                raise LensError(f"{self.network.name} fills masks, and its tokenizer has no mask token")
            rows = tokenizer([f"{text} {tokenizer.mask_token}" for text in texts])["input_ids"]
            places = [len(row) - 1 - row[::-1].index(tokenizer.mask_token_id) for row in rows]
        elif self.kind == "encoder-decoder":
            rows = tokenizer(list(texts), split_special_tokens=True)["input_ids"]
            places = [len(row) - 1 for row in rows]
        else:
            rows = prompt_ids(tokenizer, texts)
            places = [len(row) - 1 for row in rows]
        device = self.network.device
        ids, lengths = padded_ids(rows, device), torch.tensor([len(row) for row in rows], device=device)
        mask = torch.arange(ids.shape[1], device=device) < lengths[:, None]
        return ids, torch.tensor(places, device=device), mask.long()

    def _inputs(self, ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None) -> dict[str, torch.Tensor]:
        """What an encoder-decoder is called with: the rows up to their positions, and the decoder's start token."""
        if self.kind != "encoder-decoder":
            return {"input_ids": ids}
        config = self.network.model.config
        start = getattr(config, "decoder_start_token_id", None)
        start = config.bos_token_id if start is None else start
        return {
            "input_ids": ids,
            "attention_mask": _visible(ids, positions, mask),
            "decoder_input_ids": torch.full((len(ids), 1), int(start or 0), device=ids.device),
        }

    def run(self, ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None) -> None:
        """Run the decoder without its head; arguments as in `residuals`, whose hooks read the residual stream."""
        if self.kind == "encoder-decoder":
            self.network.model(**self._inputs(ids, positions, mask), use_cache=False)
        elif self.kind == "masked":
            self.network.decoder(input_ids=ids, attention_mask=_visible(ids, positions, mask))
        else:
            self.network.hidden_states(ids)

    def residuals(self, ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Residual stream after every block, at one position of each row.

        Args:
            ids: (rows, tokens) int64, padded on the right.
            positions: (rows,) int64 position to read; for an encoder-decoder, the last position that the encoder sees.
            mask: (rows, tokens), 1 for tokens that a masked model or an encoder sees; None: up to the position.

        Returns:
            (layers, rows, width) in the model's dtype; hooks of the blocks select the positions and store nothing else.
        """
        check_context(self.network.model, ids.shape[1], "a prompt", "use fewer shots or shorter texts")
        states: dict[int, torch.Tensor] = {}
        rows = torch.arange(len(ids), device=ids.device)
        places = torch.zeros_like(positions) if self.kind == "encoder-decoder" else positions

        def keep(layer: int) -> Callable[..., None]:
            def hook(module: object, arguments: object, output: Any) -> None:
                stream = output[0] if isinstance(output, (tuple, list)) else output
                # on the device of its layer, where a model is on several
                states[layer] = stream[rows.to(stream.device), places.to(stream.device)].clone().to(ids.device)

            return hook

        with hooks([block.register_forward_hook(keep(i)) for i, block in enumerate(self.blocks)]):
            self.run(ids, positions, mask)
        if len(states) < self.layers:
            kinds = ", ".join(sorted({type(block).__name__ for block in self.blocks}))
            raise LensError(
                f"{self.network.name}: {self.layers - len(states)} of the {self.layers} modules found as "
                f"blocks ({kinds}) did not run; pass blocks= to name the block list"
            )
        return torch.stack([states[layer] for layer in range(self.layers)])

    def final(self, rows: torch.Tensor) -> torch.Tensor:
        """Residuals after the tail (the final norm), (rows, width): the inputs of the model's head."""
        rows = rows[None]  # with an axis of tokens, as in the model: DeepSeek V4 joins parallel streams in its tail
        for module in self.tail:
            rows = module(rows)
        return rows[0]

    def decode(self, rows: torch.Tensor) -> torch.Tensor:
        """(rows, vocabulary) logits of (rows, width) residuals: tail, then the model's own head."""
        return self.network.logits(self.final(rows))

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
        mask = attention_mask if self.kind == "masked" else None
        columns = [self.residuals(input_ids, positions[:, k], mask) for k in range(positions.shape[1])]
        return torch.stack([torch.stack([self.decode(r).float() for r in c], 1) for c in columns], 2)


def load_lens(
    spec: str, dtype: str = "float32", cache: str = "", blocks: str = "", readable: bool = False
) -> tuple[LoadedModel, Lens]:
    """Load a model and make its lens.

    Args:
        spec, dtype, cache, readable: arguments of `load`.
        blocks: argument of `Lens.from_model`.

    Raises:
        InputError: the model cannot be loaded, or its lens fails the check.
    """
    model = load(spec, dtype=dtype, cache=cache, readable=readable)
    try:
        return model, Lens.from_model(model.model, blocks)
    except LensError as error:
        raise InputError(f"model {spec}: {error}") from error


def _visible(ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """(rows, tokens) int64, ones where an encoder sees: the mask, or up to the positions."""
    visible = mask if mask is not None else torch.arange(ids.shape[1], device=ids.device) <= positions[:, None]
    return visible.long()


def _kind(model: CausalLM) -> str:
    if is_masked(model):
        return "masked"
    return "encoder-decoder" if getattr(model.config, "is_encoder_decoder", False) else "causal"


def _tail(model: CausalLM, decoder: torch.nn.Module, blocks: torch.nn.ModuleList) -> list[torch.nn.Module]:
    """The modules that the decoder runs after its last block, outermost ones only, in order."""
    block_modules = {id(module) for block in blocks for module in block.modules()} | {id(blocks)}
    around = {id(m) for m in decoder.modules() if any(child is blocks for child in m.modules())}
    ran: list[torch.nn.Module] = []
    is_after = [False]

    def note(module: torch.nn.Module, arguments: object, output: object) -> None:
        # a pooler, which some stacks run too, gives one row of all tokens
        if is_after[0] and isinstance(output, torch.Tensor) and output.shape[:2] == ids.shape:
            ran.append(module)

    def last(module: object, arguments: object, output: object) -> None:
        is_after[0] = True

    outer_modules = [m for m in decoder.modules() if id(m) not in block_modules and id(m) not in around]
    handles = [m.register_forward_hook(note) for m in outer_modules] + [blocks[-1].register_forward_hook(last)]
    size = min(model.get_input_embeddings().weight.shape[0], 64)
    ids = torch.tensor([[token % size for token in _PROBE]], device=next(model.parameters()).device)
    with hooks(handles), torch.inference_mode():
        decoder(input_ids=ids, **({} if is_masked(model) else {"use_cache": False}))
    inner = {id(child) for module in ran for child in module.modules() if child is not module}
    return [module for module in ran if id(module) not in inner]


@contextmanager
def hooks(handles: Sequence[RemovableHandle]) -> Iterator[None]:
    """Remove hooks that were registered when the block ends."""
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
