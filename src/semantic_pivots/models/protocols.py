"""Interfaces of a tokenizer and of a language model; those of transformers have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer as Backend


class Tokenizer(Protocol):
    """A fast tokenizer: texts to token ids with the characters that each token covers, and ids to text."""

    @property
    def is_fast(self) -> bool:
        """Whether the tokenizer is backed by the library tokenizers, which returns character offsets."""
        ...

    @property
    def backend_tokenizer(self) -> Backend:
        """The `tokenizers.Tokenizer` below it."""
        ...

    @property
    def all_special_ids(self) -> list[int]:
        """Ids of the special tokens."""
        ...

    @property
    def bos_token_id(self) -> int | None:
        """Id of the token at the beginning of a text; None if there is no such token."""
        ...

    @property
    def eos_token_id(self) -> int | None:
        """Id of the token at the end of a document; None if there is no such token."""
        ...

    @property
    def unk_token_id(self) -> int | None:
        """Id of the token that stands for unknown characters; None if there is no such token."""
        ...

    @property
    def mask_token(self) -> str | None:
        """The mask token of a masked model; None for a causal one."""
        ...

    @property
    def mask_token_id(self) -> int | None:
        """Id of the mask token."""
        ...

    def __len__(self) -> int:
        """Number of tokens, added ones too."""
        ...

    def __call__(self, text: str | Sequence[str], **options: object) -> Mapping[str, Any]:
        """Token ids (`input_ids`) of a text, or of each of several."""
        ...

    def decode(self, token_ids: int | Sequence[int], **options: object) -> str:
        """The text of token ids."""
        ...


class CausalLM(Protocol):
    """A language model as a module of torch: token ids to logits."""

    config: Any

    def __call__(self, *arguments: object, **options: object) -> Any:
        """Logits, (rows, tokens, vocabulary), of token ids, (rows, tokens)."""
        ...

    def eval(self) -> CausalLM:
        """Turn dropout off."""
        ...

    def get_input_embeddings(self) -> Any:
        """The module whose weight is the (vocabulary, width) embedding."""
        ...

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        """The weights."""
        ...

    def named_modules(self) -> Iterator[tuple[str, torch.nn.Module]]:
        """All modules below, by dotted name."""
        ...


class AnswerScorer(Protocol):
    """An object that scores and continues prompts: `Scorer` for a model, `HarnessScorer` for a model of lm_eval."""

    def score(self, prompts: Sequence[str], answers: Sequence[str]) -> list[Any]:
        """Objects with `logprobs`, (tokens,) float32 nats, of each answer after its prompt."""
        ...

    def greedy(self, prompts: Sequence[str], max_new_tokens: int) -> list[str]:
        """The most probable continuation of each prompt up to a line's end."""
        ...

    def answer_tokens(self, answers: Sequence[str]) -> int:
        """Number of tokens of the longest answer."""
        ...
