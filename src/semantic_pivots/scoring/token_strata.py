"""Strata that depend on the tokenizer: whether the target is one token, and whether it shares one with the source.

Items carry the strata that hold for every model; these two are added when a model's figures are summarised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from semantic_pivots.models.protocols import Tokenizer
from semantic_pivots.tasks.translation import Item, answer


def with_token_strata(items: Sequence[Item], tokenizer: Tokenizer) -> list[Item]:
    """The items with further strata, which depend on the tokenizer.

    An item gets `target:one-token` or `target:more-tokens`, and `shared-subtoken` if source and target have a token in
    common. A word is tokenised with the space that stands before it in a prompt. Tokens of white space are not counted.
    """
    words = sorted({word for item in items for word in (item.source, item.target)})
    encodings = tokenizer([answer(word) for word in words], add_special_tokens=False)["input_ids"]
    tokens = {
        word: [token for token in ids if tokenizer.decode([token]).strip()]
        for word, ids in zip(words, encodings, strict=True)
    }
    return [
        replace(
            item,
            strata=(
                *item.strata,
                "target:one-token" if len(tokens[item.target]) == 1 else "target:more-tokens",
                *(["shared-subtoken"] if {*tokens[item.source]} & {*tokens[item.target]} else []),
            ),
        )
        for item in items
    ]
