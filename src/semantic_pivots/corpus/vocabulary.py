"""The tokenizer of a corpus: which ids there are, and how the text of others becomes ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from semantic_pivots.errors import InputError


def read_tokenizer(file: Path | str) -> Any:
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
        raise InputError(f"{file}: not a tokenizer ({str(error).splitlines()[0]})") from error


def as_text(tokenizer: Any) -> Any:
    """The same tokenizer, set to encode whole texts as text: uncut, unpadded, and `</s>` in a text is four letters.

    The name of a special token in a document is text about tokenizers, never the end of the document.
    """
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    return tokenizer


def id_count(tokenizer: Any) -> int:
    """The largest id of a `tokenizers.Tokenizer` and one: the size of an array that ids index.

    Ids may have gaps (tokens removed, or added at fixed places), so the number of entries can be smaller.
    """
    return max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1
