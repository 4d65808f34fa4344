"""The tokenizer of a corpus: its ids, and the token ids of texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from semantic_pivots.errors import InputError, first_line

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend


def read_tokenizer(file: Path | str) -> Backend:
    """The `tokenizers.Tokenizer` of a tokenizer.json, made ready for users' texts (`as_text`).

    Raises:
        InputError: the file is missing, or no tokenizer.
    """
    from tokenizers import Tokenizer

    if not Path(file).is_file():
        raise InputError(f"{file}: no such file; expected the tokenizer.json that `pivots corpus tokens` writes")
    try:
        return as_text(Tokenizer.from_file(str(file)))
    except Exception as error:  # the Rust side raises plain Exception
        raise InputError(f"{file}: not a tokenizer ({first_line(error)})") from error


def as_text(tokenizer: Backend) -> Backend:
    """Set a tokenizer to encode texts without truncation, padding and dropout, and `</s>` in a text as characters."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    return without_dropout(tokenizer)


def without_dropout(tokenizer: Backend) -> Backend:
    """Turn off the dropout of merges, with which a tokenizer was trained to cut a text differently each time."""
    if getattr(tokenizer.model, "dropout", None):
        tokenizer.model.dropout = None
    return tokenizer


def special_tokens(tokenizer: Backend) -> dict[int, str]:
    """The special tokens of a `tokenizers.Tokenizer`, such as `</s>`, by id; `text_ids` never returns their ids."""
    return {i: token.content for i, token in tokenizer.get_added_tokens_decoder().items() if token.special}


def text_ids(tokenizer: Backend, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of users' texts by a `tokenizers.Tokenizer`, without special tokens.

    The name of a special token in a document is text about tokenizers, never the end of the document. Models of words
    and of pieces (Unigram) hold that name as a piece of their own; there it is encoded in two parts.
    """
    id_lists = [text.ids for text in as_text(tokenizer).encode_batch_fast(list(texts), add_special_tokens=False)]
    specials = special_tokens(tokenizer)
    places = [place for place, ids in enumerate(id_lists) if not specials.keys().isdisjoint(ids)]
    if places:  # among them texts with an unknown character, whose token is special too
        names = re.compile("|".join(f"(?<={re.escape(n[:-1])})(?={re.escape(n[-1])})" for n in specials.values()))
        for place in places:
            parts = [part for part in names.split(texts[place]) if part]
            pieces = tokenizer.encode_batch_fast(parts, add_special_tokens=False)
            id_lists[place] = [i for piece in pieces for i in piece.ids]
    return id_lists


def id_count(tokenizer: Backend) -> int:
    """The largest id of a `tokenizers.Tokenizer` and one: the size of an array that ids index.

    Ids may have gaps (tokens removed, or added at fixed places), so the number of entries can be smaller.
    """
    return max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1
