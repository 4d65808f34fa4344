"""Where an answer lies among the tokens of prompt + answer, for any tokenizer, by the offsets of one tokenisation.

The published script hard-codes two token ids of one tokenizer; offsets need none. A tokenizer that merges the end of
the prompt with the start of the answer has no answer span at all: that is an error that names the text, raised before a
model runs, not a wrong figure after.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from semantic_pivots.errors import InputError
from semantic_pivots.models.protocols import Tokenizer

_BLOCK = 2048


@dataclass(frozen=True)
class AnswerSpan:
    """Token ids of prompt + answer; the answer's tokens are ids[start:end]. Trailing special tokens are left out."""

    ids: list[int]
    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 < self.start < self.end == len(self.ids):
            raise ValueError(f"answer span {self.start}:{self.end} of {len(self.ids)} tokens")

    @property
    def answer(self) -> list[int]:
        """The answer's token ids."""
        return self.ids[self.start : self.end]


def answer_span(tokenizer: Tokenizer, prompt: str, answer: str) -> tuple[list[int], int, int]:
    """(ids, start, end) of one prompt and answer. Raises InputError like `answer_spans`."""
    span = answer_spans(tokenizer, [prompt], [answer])[0]
    return span.ids, span.start, span.end


def answer_spans(tokenizer: Tokenizer, prompts: Sequence[str], answers: Sequence[str]) -> list[AnswerSpan]:
    """The answer span of each pair, from one tokenisation of each prompt + answer.

    Args:
        tokenizer: a fast tokenizer of transformers.
        prompts: texts before the answers.
        answers: texts of the answers, their leading space included.

    Raises:
        InputError: an answer is empty, a token covers the end of a prompt and the start of its answer, or nothing
            precedes the answer (an empty prompt, and a tokenizer without a start token); the tokenizer is a slow one.
    """
    if not tokenizer.is_fast:
        raise InputError(
            f"{type(tokenizer).__name__} gives no offsets of its tokens; expected a fast tokenizer (tokenizer.json)"
        )
    if len(prompts) != len(answers):
        raise ValueError(f"{len(prompts)} prompts and {len(answers)} answers")
    trailing = _trailing_specials(tokenizer)
    encodings = _encodings(tokenizer, [prompt + text for prompt, text in zip(prompts, answers, strict=True)])
    return [_span(tokenizer, *row, trailing) for row in zip(encodings, prompts, answers, strict=True)]


def _encodings(tokenizer: Tokenizer, texts: Sequence[str]) -> Iterator[Any]:
    """What the tokenizers library gives of each text; `_trailing_specials` has set it to neither cut nor pad.

    The name of a special token within a text is text: a word is asked for, not the end of the prompt.
    """
    from transformers import PreTrainedTokenizerFast as Plain

    kind: Any = type(tokenizer)
    plain = kind.__call__ is Plain.__call__ and kind._encode_plus is Plain._encode_plus
    # blocks bound the memory of the encodings, which hold far more than the ids
    for begin in range(0, len(texts), _BLOCK):
        block = list(texts[begin : begin + _BLOCK])
        if plain:  # without the lists that transformers makes of each
            tokenizer.backend_tokenizer.encode_special_tokens = True
            yield from tokenizer.backend_tokenizer.encode_batch(block)
        else:
            encodings: Any = tokenizer(block, split_special_tokens=True)
            yield from encodings._encodings


def read_ids(tokenizer: Tokenizer, prompts: Sequence[str], answers: Sequence[str]) -> list[list[int]]:
    """Token ids of each prompt, up to the position that predicts its answer's first content token.

    If the tokenizer emits a lone space before the answer, that space is the last id.

    Raises:
        InputError: as `answer_spans`.
    """
    spans = answer_spans(tokenizer, prompts, answers)
    lone = [not tokenizer.decode([s.ids[s.start]]).strip() and s.end > s.start + 1 for s in spans]
    return [s.ids[: s.start + space] for s, space in zip(spans, lone, strict=True)]


def _span(tokenizer: Tokenizer, encoding: Any, prompt: str, answer: str, trailing: int) -> AnswerSpan:
    if not answer:
        raise InputError(f"empty answer after the prompt ending {prompt[-40:]!r}; expected at least one character")
    ids = encoding.ids[: len(encoding.ids) - trailing]
    boundary = len(prompt)
    start = None
    # byte-level tokenizers may trim the space of ' word' from its token's offsets: look for the first covered character
    for position in range(boundary, boundary + len(answer)):
        start = encoding.char_to_token(position)
        if start is not None:
            break
    if start is None:
        raise InputError(f"the tokenizer drops the answer {answer!r} after the prompt ending {prompt[-40:]!r}")
    # a lone space has an empty range of characters once it is trimmed, and still belongs to the answer
    while start > 0 and (chars := encoding.token_to_chars(start - 1)) is not None:
        if chars[0] == chars[1] and chars[0] >= boundary and not encoding.special_tokens_mask[start - 1]:
            start -= 1
        else:
            break
    chars = encoding.token_to_chars(start)
    if (chars is not None and chars[0] < boundary) or (
        prompt[-1:].isspace() and prompt_ids(tokenizer, [prompt])[0] != ids[:start]
    ):
        raise InputError(
            f"the tokenizer merges the prompt's end {prompt[-20:]!r} with the answer {answer!r}; "
            "end the prompt before a space and let the answer begin with it"
        )
    if start == 0:
        raise InputError(f"nothing precedes the answer {answer!r}: the prompt is empty and there is no start token")
    return AnswerSpan(ids, start, len(ids))


def prompt_ids(tokenizer: Tokenizer, prompts: Sequence[str]) -> list[list[int]]:
    """Token ids of each prompt before an answer: with special tokens at the beginning, without those at the end."""
    return [ids for ids, _ in prompt_tokens(tokenizer, prompts)]


def prompt_tokens(tokenizer: Tokenizer, prompts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
    """Token ids of each prompt, as `prompt_ids` gives them, and the characters [start, end) that each token covers."""
    trailing = _trailing_specials(tokenizer)
    tokens = []
    for encoding in _encodings(tokenizer, prompts):
        length = len(encoding.ids) - trailing
        tokens.append((encoding.ids[:length], encoding.offsets[:length]))
    return tokens


def _trailing_specials(tokenizer: Tokenizer) -> int:
    """How many special tokens the tokenizer puts behind a text."""
    mask = tokenizer("a", return_special_tokens_mask=True)["special_tokens_mask"]
    count = 0
    while count < len(mask) and mask[-1 - count]:
        count += 1
    return count
