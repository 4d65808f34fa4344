"""Strata that depend on the tokenizer: is the target one token, do source and target share a sub-token.

Items carry the strata that hold for every model; these two are added when a model's figures are summarised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from semantic_pivots.models.protocols import Tokenizer
from semantic_pivots.tasks.translation import Item, answer


def with_token_strata(items: Sequence[Item], tokenizer: Tokenizer) -> list[Item]:
    """The items with the strata `target:one-token` or `target:more-tokens`, and `shared-subtoken`.

    Words are tokenised as they follow a colon, with a space before; a token that is nothing but space is not shared.
    """
    words = sorted({word for item in items for word in (item.source, item.target)})
    encoded = tokenizer([answer(word) for word in words], add_special_tokens=False)["input_ids"]
    tokens = {
        word: [token for token in ids if tokenizer.decode([token]).strip()]
        for word, ids in zip(words, encoded, strict=True)
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
