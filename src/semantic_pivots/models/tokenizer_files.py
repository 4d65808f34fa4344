"""The tokenizer of a model spec, as a fast tokenizer of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from semantic_pivots.caching import without_collection
from semantic_pivots.corpus.vocabulary import without_dropout
from semantic_pivots.errors import InputError, first_line
from semantic_pivots.files import digest, fingerprint
from semantic_pivots.models.compact_tokenizer import has_compact_tokenizer, read_compact_tokenizer
from semantic_pivots.models.specs import PACKAGE, TEXTS, hub_parts, model_folder
from semantic_pivots.models.transformers_library import quiet

_RARE = "\U0010fffd"
"""A character of private use, which no vocabulary has."""


@without_collection()
def load_tokenizer(spec: str, cache: str = "") -> Any:
    """The tokenizer of a model, as transformers' fast tokenizer. Raises InputError like `load`."""
    return tokenizer_of_folder(model_folder(spec, cache), spec, trust_remote_code=False)


def tokenizer_identity(spec: str) -> str:
    """A hash that changes when the tokenizer files of a local folder change; empty for other specs."""
    folder = Path(spec).expanduser()
    if not folder.is_dir():
        return ""
    files = sorted({path for pattern in (*TEXTS, "*.gguf") for path in folder.glob(pattern)})
    return digest([[path.name, fingerprint(path)] for path in files])


def tokenizer_of_folder(folder: Path, spec: str, trust_remote_code: bool) -> Any:
    import transformers

    with quiet():
        try:
            if has_compact_tokenizer(folder):
                return read_compact_tokenizer(folder)
            place = _tokenizer_folder(folder, spec)
            tokenizer = transformers.AutoTokenizer.from_pretrained(place, trust_remote_code=trust_remote_code)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise InputError(f"the tokenizer of model {spec!r} does not load: {first_line(error)}") from error
    if not tokenizer.is_fast:
        raise InputError(f"the tokenizer of model {spec!r} gives no offsets; a tokenizer.json is needed")
    try:
        without_dropout(tokenizer.backend_tokenizer).encode(_RARE)
    except Exception as error:  # the Rust side raises plain Exception
        raise InputError(
            f"the tokenizer of model {spec!r} fails at a character that it does not know ({first_line(error)}); "
            "give it an unknown token"
        ) from error
    return tokenizer


def _tokenizer_folder(folder: Path, spec: str) -> Path:
    """The folder itself, or the root of its repository on the hub where only that has a tokenizer."""
    if any(folder.glob("tokenizer*")) or spec.startswith(PACKAGE) or Path(spec).expanduser().is_dir():
        return folder
    depth = len(Path(hub_parts(spec)[1]).parts)
    return folder.parents[depth - 1] if depth else folder
