"""Token shards: the tokens of one shard's documents, a list of ids per document, as an Arrow file.

Arrow and not Parquet, whose lists store a level per token: the same 85 million tokens under zstd decode 3.4 times as
fast from Arrow, in less space (`python -m benchmarks.corpus select`; docs/engines.md).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from semantic_pivots.errors import InputError, first_line
from semantic_pivots.files import complete_file, fingerprint
from semantic_pivots.run import content_of, read_manifest

SUFFIX = ".arrow"
_SCHEMA = pa.schema({"tokens": pa.list_(pa.int32())})


def write_token_shard(path: Path, tokens: pa.ListArray) -> None:
    """Write a token shard that is either complete or absent: column `tokens`, list<int32>, a row per document."""
    options = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)
    with complete_file(path) as temporary, pa.ipc.new_file(str(temporary), _SCHEMA, options=options) as file:
        file.write_batch(pa.record_batch([tokens.cast(_SCHEMA.field(0).type)], schema=_SCHEMA))


def read_token_shard(path: Path | str) -> pa.ListArray:
    """The tokens of a shard's documents, list<int32>.

    Raises:
        InputError: the file is not a token shard, or is damaged.
    """
    try:
        with pa.memory_map(str(path)) as file:
            tokens = pa.ipc.open_file(file, options=pa.ipc.IpcReadOptions(use_threads=False)).get_batch(0)["tokens"]
    except (pa.ArrowInvalid, OSError, KeyError, IndexError) as error:
        raise InputError(
            f"token shard {path}: cannot be read ({first_line(error)}); tokenise the corpus again"
        ) from error
    return tokens


def flat_tokens(tokens: pa.ListArray) -> tuple[np.ndarray, np.ndarray]:
    """All ids, (tokens,) int32, and where each document begins, with the end of the last, (documents + 1,) int64."""
    offsets = tokens.offsets.to_numpy().astype(np.int64)
    return tokens.values.to_numpy()[offsets[0] : offsets[-1]], offsets - offsets[0]


def tokens_below(path: Path | str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The ids of a token shard and where its documents begin (`flat_tokens`); every id is checked to be below `size`.

    Compiled loops do not check indices, so an id from another tokenizer would read and write outside an array.

    Raises:
        InputError: the shard cannot be read, or holds an id that the tokenizer does not have.
    """
    tokens, offsets = flat_tokens(read_token_shard(path))
    if largest_id(tokens) >= size:
        raise InputError(
            f"token shard {path}: id {largest_id(tokens)} lies outside the {size:,} ids of the tokenizer.json beside "
            "it; tokenise the corpus again"
        )
    return tokens, offsets


def largest_id(tokens: np.ndarray) -> int:
    """The largest int32 id, -1 without ids; a negative id is read as unsigned, so it is larger than any valid id."""
    return int(tokens.view(np.uint32).max()) if len(tokens) else -1


def check_corpus(tokens: Path, corpus: Path) -> None:
    """Make sure that a folder of tokens was made from this corpus, if its manifest records the corpus.

    Names of shards and numbers of documents are not enough: a corpus that was made again may have other texts.

    Raises:
        InputError: it was made from another one.
    """
    manifest = read_manifest(tokens) or {}
    # `pivots corpus tokens` notes the corpus's table of shards, all others the digest of the whole.
    source = manifest.get("corpus") or manifest.get("inputs", {}).get("corpus")
    if source and source not in (content_of(corpus), fingerprint(corpus / "shards.parquet")):
        raise InputError(
            f"--tokens {tokens}: made from another corpus than {corpus}; tokenise this one with `pivots corpus tokens`"
        )
