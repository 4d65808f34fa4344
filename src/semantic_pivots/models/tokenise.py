"""The corpus in the measured model's tokens: one token shard beside each document shard, rows in the same order."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semantic_pivots.config import TokensConfig
from semantic_pivots.errors import InputError
from semantic_pivots.run import Inputs, Work, write_table

_BATCH_DOCUMENTS = 512


def tokens_stage(config: TokensConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Tokenise every document without special tokens (table `token_shards`; files under tokens/, and tokenizer.json).

    Raises:
        InputError: the model's tokenizer has no fast form, whose ids and texts the corpus floors could read.
    """
    from semantic_pivots.models.load import load_tokenizer

    tokenizer = load_tokenizer(config.model, config.cache)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise InputError(f"model {config.model}: its tokenizer has no fast (tokenizers) form, which the corpus needs")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    backend.no_truncation()
    backend.no_padding()
    backend.save(str(work.out / "tokenizer.json"))
    (work.out / "tokens").mkdir(exist_ok=True)
    shards = inputs.table("shards").to_pylist()
    rows = []
    with work.progress(sum(s["text_bytes"] for s in shards) / 1e6, "MB", "tokens") as progress:
        for shard in shards:
            path = f"tokens/{shard['shard']}.parquet"
            source = inputs.folder("corpus") / shard["path"]
            kept = work.part(shard["shard"], lambda s=source, p=work.out / path: _tokenise(backend, s, p))
            rows.append({"shard": shard["shard"], "path": path, **kept.to_pylist()[0]})
            progress.advance(shard["text_bytes"] / 1e6)
    work.note("tokens", sum(row["tokens"] for row in rows))
    return {"token_shards": pa.Table.from_pylist(rows)}


def _tokenise(backend: object, source: Path, target: Path) -> pa.Table:
    """Write one token shard; returns its numbers of documents and tokens."""
    texts = pq.read_table(source, columns=["text"])["text"].to_pylist()
    ids: list[np.ndarray] = []
    for start in range(0, len(texts), _BATCH_DOCUMENTS):
        batch = texts[start : start + _BATCH_DOCUMENTS]
        encoded = backend.encode_batch_fast(batch, add_special_tokens=False)  # type: ignore[attr-defined]
        ids.extend(np.array(e.ids, dtype=np.int32) for e in encoded)
    offsets = np.concatenate([[0], np.cumsum([len(i) for i in ids])]).astype(np.int32)
    flat = np.concatenate(ids) if ids else np.zeros(0, np.int32)
    write_table(target, pa.table({"tokens": pa.ListArray.from_arrays(offsets, flat)}))
    return pa.table({"documents": pa.array([len(ids)], pa.int64()), "tokens": pa.array([len(flat)], pa.int64())})
