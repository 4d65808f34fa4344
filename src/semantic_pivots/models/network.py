"""A causal language model as two functions: the decoder up to its final norm, and the head, which is all that follows.

The head is the model's own forward with its decoder's output replaced, so that scales, biases and soft caps of
any family are the model's own and there is no table of architectures. It runs on gathered positions only.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import DynamicCache
from transformers.modeling_outputs import BaseModelOutputWithPast

from semantic_pivots.errors import InputError
from semantic_pivots.models.cache_rows import is_recurrent
from semantic_pivots.models.device import attention_of_any_shape
from semantic_pivots.models.protocols import CausalLM

FORWARD_ERRORS = (AssertionError, AttributeError, TypeError, ValueError, LookupError, RuntimeError)
"""What families raise when their forward is given a cache, a mask or embeddings that it does not take."""


def padded_ids(rows: Sequence[Sequence[int]], device: torch.device | str | None = None) -> torch.Tensor:
    """(rows, longest) int64 ids, each row filled on the right with its own last token, which the vocabulary has."""
    longest = max(map(len, rows))
    matrix = [[*row, *list(row[-1:]) * (longest - len(row))] for row in rows]
    return torch.tensor(matrix, dtype=torch.long, device=device)


class _HiddenOutput(BaseModelOutputWithPast):
    """A decoder's output of hidden states alone: whatever else a family's forward passes on is absent."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


def decoder_of(model: Any) -> Any:
    """The stack below a model's head: the decoder, or a masked language model's encoder; None where there is none."""
    if is_masked(model):
        return model.base_model
    inner = model.get_decoder() if hasattr(model, "get_decoder") else None
    if inner is not None and inner in (model, model.get_output_embeddings()):
        # the stack of Llama 4 and Mllama has no name that get_decoder knows, and the head of ModernBERT has its name
        embedding = model.get_input_embeddings()
        return next((child for child in model.children() if child is not embedding and _holds(child, embedding)), inner)
    return inner


def _holds(module: torch.nn.Module, part: torch.nn.Module) -> bool:
    return any(inner is part for inner in module.modules())


def is_masked(model: object) -> bool:
    """Whether a model is a masked language model, by the name of its class in transformers."""
    return "ForMaskedLM" in type(model).__name__


def context_of(model: CausalLM) -> int:
    """Maximum number of tokens of a model's context by its configuration; 0 if it states no limit."""
    config = model.config.get_text_config(decoder=True)
    return max(0, _number(config, "max_position_embeddings"))  # XLNet: -1


def check_context(model: CausalLM, tokens: int, subject: str, advice: str) -> None:
    """Refuse a text that is longer than the model's context; a model with rotary positions would give wrong figures.

    Raises:
        InputError: `subject`, with this number of tokens, is too long; the message ends with `advice`.
    """
    longest = context_of(model)
    if longest and tokens > longest:
        raise InputError(f"{subject} has {tokens} tokens, the model's context {longest}; {advice}")


class Network:
    """The decoder and the head of one model, as two functions, and its sizes."""

    def __init__(self, model: Any):
        self.model = model
        self.name = type(model).__name__
        self.decoder = decoder_of(model)
        self.device = next(model.parameters()).device
        self.dtype = next(model.parameters()).dtype
        self._linear: bool | None = None
        """whether the head is one matrix; None: not looked at"""
        self._plain: dict[str, object] = {} if is_masked(model) else {"use_cache": False}
        parameters = inspect.signature(self.decoder.forward).parameters
        self.takes_positions = "position_ids" in parameters
        # before transformers 5.24 it was past_key_values, and cache_params for models of states alone
        names = [name for name in ("cache", "past_key_values", "cache_params") if name in parameters]
        self._cache = names[0] if names else "past_key_values"
        config = model.config.get_text_config(decoder=True)
        self.vocabulary = _number(config, "vocab_size") or model.get_output_embeddings().weight.shape[0]
        self.layers = _number(config, "num_hidden_layers") or 1
        self.width = int(config.hidden_size)
        self.inner = _number(config, "intermediate_size") or _number(config, "ffn_dim") or 4 * self.width
        self.heads = _number(config, "num_attention_heads") or 1
        self.key_heads = _number(config, "num_key_value_heads") or self.heads
        self.head_width = _number(config, "head_dim") or self.width // self.heads
        self.window = _number(config, "sliding_window")

    def hidden_states(
        self,
        ids: torch.Tensor,
        cache: DynamicCache | None = None,
        mask: torch.Tensor | None = None,
        positions: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """(rows, tokens, width) final hidden states of (rows, tokens) ids; padding on the right needs no mask."""
        extra: dict[str, object] = {self._cache: cache, "use_cache": cache is not None}
        if mask is not None:
            extra["attention_mask"] = mask
        if positions is not None and self.takes_positions:
            extra["position_ids"] = positions
        with attention_of_any_shape(self.device):
            # of a model over several devices the last has it
            return self.decoder(input_ids=ids, **extra).last_hidden_state.to(self.device)

    def following(self, ids: torch.Tensor, cache: DynamicCache | None) -> torch.Tensor:
        """(rows, tokens, width) final hidden states of (rows, tokens) ids that follow the tokens in a cache, if any.

        Recurrent models receive one token at a time, as in generation: given several, models of the Mamba family reset
        their state without an error.
        """
        if cache is None or not is_recurrent(cache):
            return self.hidden_states(ids, cache)
        return torch.cat([self.hidden_states(column, cache) for column in ids.split(1, dim=1)], dim=1)

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """(rows, vocabulary) logits of (rows, width) final hidden states, by the model's own head.

        They have the model's dtype. On CUDA, logits of a plain linear head are float32: its products are summed in
        float32 anyway, and rounding them would be an extra step.
        """
        if self.dtype == torch.float32 or self.device.type != "cuda":
            return self._own_logits(states)
        if self._linear is None:
            self._linear = self._is_linear(states[:2])
        if not self._linear:
            return self._own_logits(states)
        weight = self.model.get_output_embeddings().weight
        return torch.mm(states.to(weight.device), weight.T, out_dtype=torch.float32).to(self.device)

    def _is_linear(self, states: torch.Tensor) -> bool:
        """Whether the logits are the product with one matrix and nothing else: no bias, scale or soft cap."""
        head = self.model.get_output_embeddings()
        if type(head) is not torch.nn.Linear or head.bias is not None:
            return False
        plain = torch.nn.functional.linear(states.to(head.weight.device), head.weight)
        return torch.equal(self._own_logits(states), plain.to(self.device))

    def _own_logits(self, states: torch.Tensor) -> torch.Tensor:
        rows = states.unsqueeze(0)
        forward = self.decoder.__dict__.get("forward")
        self.decoder.forward = lambda *args, **kwargs: _HiddenOutput(last_hidden_state=rows)
        try:
            ids = torch.zeros(rows.shape[:2], dtype=torch.long, device=self.device)
            if getattr(self.model.config, "is_encoder_decoder", False):
                return self.model(input_ids=ids[:, :1], decoder_input_ids=ids, use_cache=False).logits[0]
            return self.model(input_ids=ids, **self._plain).logits[0]
        finally:
            if forward is None:
                del self.decoder.forward
            else:
                self.decoder.forward = forward

    def padded_exactly(self, ids: list[int], width: int, new: int) -> bool:
        """Whether the hidden states of `new` tokens after a row padded to `width` tokens equal those without padding.

        The padding is masked and positions are given. That is not enough for a family with recurrent states, one that
        counts positions itself, or one with a sliding window, in which padding takes space.
        """
        gap = width - len(ids)
        row = torch.tensor([[*ids, *ids[-1:] * gap]], device=self.device)
        tokens = row[:, :1].expand(-1, new)
        mask = torch.ones(1, width + new, dtype=torch.long, device=self.device)
        mask[0, len(ids) : width] = 0
        places = torch.arange(len(ids), len(ids) + new, device=self.device)[None]
        cache = self.new_cache()
        self.hidden_states(row, cache)
        states = self.hidden_states(tokens, cache, mask, places)
        reference = self.hidden_states(torch.cat([row[:, : len(ids)], tokens], dim=1))[:, len(ids) :]
        tolerance = 1e-3 if self.dtype == torch.float32 else 0.1
        return float((states - reference).abs().max()) <= tolerance * float(reference.abs().max())

    def new_cache(self) -> DynamicCache:
        """An empty cache of the model's own layer kinds."""
        return DynamicCache(config=self.model.config)


def _number(config: Any, name: str) -> int:
    """An integer from a configuration; the largest if layers differ (a list, or Gemma 4's layers); 0 if absent."""
    try:
        value = getattr(config, name, None)
    except RuntimeError:  # how transformers says that layers differ
        value = [getattr(layer, name, None) for layer in config.per_layer_config]
    several = value if isinstance(value, (list, tuple)) else [value]
    return max((number for number in several if isinstance(number, int)), default=0)
