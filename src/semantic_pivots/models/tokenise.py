"""The corpus in the measured model's tokens: one token shard beside each document shard, rows in the same order.

gigatoken encodes about ten times as fast as Hugging Face's tokenizers, but it re-implements them. It is used only where
its ids agree with theirs on texts that are hard to tokenise and on documents of every shard of this very corpus; where
one id differs, the reference encodes everything and the stage says so.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from semantic_pivots import ranks
from semantic_pivots.corpus.token_shards import SUFFIX, write_token_shard
from semantic_pivots.corpus.vocabulary import as_text, id_count, read_tokenizer, special_tokens, text_ids
from semantic_pivots.engines import Task, run_shards
from semantic_pivots.errors import InputError
from semantic_pivots.files import read_table
from semantic_pivots.models.tokens_stage import TokensConfig
from semantic_pivots.run import Inputs, Work

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

_BATCH_BYTES = 4_000_000
_SHARDS_OF_A_POOL = 256
_SAMPLE_DOCUMENTS, _SAMPLE_CHARACTERS = 12, 4_000
HARD_TEXTS = (
    "",
    " ",
    "\n",
    "\r\n\r\n",
    "\t\ttabs  and   spaces   ",
    "a" * 300,
    " " * 70 + "x",
    "don't I'LL we've",
    "1234567890 3.14 1,000,000 ²³ ½ ٣٤",
    "été ete\u0301 ﬁne ＦＵＬＬ ﾊﾝｶｸ",
    "猫は可愛い。日本語テキスト、混ぜたtextです",
    "语义枢轴 semantic pivots 跨语言",
    "👩‍👩‍👧‍👦 🇫🇷 ❤️ 😀😀",
    "𝔘𝔫𝔦 𠮷野家",
    "नमस्ते สวัสดี مرحبا שלום",
    "\u200b\ufeff\u00a0\u3000x\u2028",
    "\x00\x01\x7f\ufffd",
    "<bos><eos><pad><|endoftext|><|im_start|><start_of_turn>model</s><unk>",
    "▁▁ ▁x Ġy Ċ",
    "if (x==1){\n\treturn\tfoo->bar();\n}\n",
    "https://example.org/a?b=c&d=%20#e",
)
"""Texts on which tokenizers that look equal differ: white space, digits, marks, unspaced scripts, special tokens."""


class Encoder(Protocol):
    """Something that turns texts into token ids."""

    def __call__(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Token ids of all texts, (tokens,) int32, and the number of tokens of each text, (texts,) int64."""
        ...


def reference_encoder(backend: Backend) -> Encoder:
    """Encoder by a `tokenizers.Tokenizer`, without special tokens (`text_ids`)."""

    def encode(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        lists = text_ids(backend, texts)
        lengths = np.array([len(ids) for ids in lists], np.int64)
        return np.fromiter((i for ids in lists for i in ids), np.int32, int(lengths.sum())), lengths

    return encode


def fast_encoder(tokenizer_json: Path, parallel: bool | None = None) -> Encoder:
    """Encoder by gigatoken; texts with the name of a special token, which it reads as the token, go to the reference.

    Raises:
        ImportError: gigatoken is not installed on this platform.
        ValueError: gigatoken does not know this kind of tokenizer.
    """
    import awkward
    import gigatoken

    try:
        tokenizer = gigatoken.Tokenizer(str(tokenizer_json))
    except Exception as error:  # its Rust side raises several kinds, all meaning the same
        raise ValueError(str(error)) from error
    backend = read_tokenizer(tokenizer_json)
    is_special = np.zeros(id_count(backend), np.bool_)
    is_special[list(special_tokens(backend))] = True

    def encode(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        lists = tokenizer.encode_batch(list(texts), parallel=parallel)
        lengths = np.asarray(awkward.num(lists)).astype(np.int64)
        ids, ends = np.asarray(awkward.flatten(lists)).astype(np.int32), np.cumsum(lengths)
        special = np.unique(np.searchsorted(ends, np.flatnonzero(is_special[ids]), "right"))
        if not len(special):
            return ids, lengths
        rows = np.split(ids, ends[:-1])
        for place, row in zip(special.tolist(), text_ids(backend, [texts[int(i)] for i in special]), strict=True):
            rows[place] = np.array(row, np.int32)
        return np.concatenate(rows), np.array([len(row) for row in rows], np.int64)

    return encode


def first_difference(texts: Sequence[str], first: Encoder, second: Encoder) -> str | None:
    """The first text whose ids differ between two encoders, or None."""
    ids_a, lengths_a = first(texts)
    ids_b, lengths_b = second(texts)
    if np.array_equal(ids_a, ids_b) and np.array_equal(lengths_a, lengths_b):
        return None
    ends_a, ends_b = np.cumsum(lengths_a), np.cumsum(lengths_b)
    for i, text in enumerate(texts):
        row_a, row_b = (
            ids[ends[i] - lengths[i] : ends[i]]
            for ids, ends, lengths in ((ids_a, ends_a, lengths_a), (ids_b, ends_b, lengths_b))
        )
        if not np.array_equal(row_a, row_b):
            return text
    raise AssertionError("encoders differ in no single text")


def choose_encoder(
    backend: Backend, tokenizer_json: Path, samples: Iterable[Sequence[str]], workers: int
) -> tuple[Encoder, str]:
    """The fast encoder where its ids equal the reference's on the hard texts and the samples, else the reference.

    The samples are compared one by one, because those of a corpus of terabytes are gigabytes.

    Returns:
        The encoder, and a sentence that says which one it is and why.
    """
    reference = reference_encoder(backend)
    try:
        fast = fast_encoder(tokenizer_json, False if workers == 1 else None)
    except (ImportError, ValueError) as error:
        return reference, f"tokenizers: no gigatoken for this tokenizer ({str(error).splitlines()[0]})"
    count = 0
    for texts in itertools.chain([HARD_TEXTS], samples):
        try:
            different = first_difference(texts, reference, fast)
        except ValueError as error:
            return reference, f"tokenizers: gigatoken failed ({str(error).splitlines()[0]})"
        if different is not None:
            return reference, f"tokenizers: gigatoken's ids differ on {different[:60]!r}"
        count += len(texts)
    return fast, f"gigatoken: ids equal on {count} texts"


def tokens_stage(config: TokensConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Tokenise every document without special tokens (table `token_shards`; files under tokens/, and tokenizer.json).

    Raises:
        InputError: the model has no fast tokenizer, which the stages on the corpus need.
    """
    from semantic_pivots.models.tokenizer_files import load_tokenizer

    tokenizer = load_tokenizer(config.model, config.cache)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise InputError(f"model {config.model}: its tokenizer has no fast (tokenizers) form, which the corpus needs")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    as_text(backend)
    (work.out / "tokenizer.json").write_text(backend.to_str(pretty=True), "utf-8")
    (work.out / "tokens").mkdir(exist_ok=True)
    shards = inputs.table("shards").to_pylist()
    folder = inputs.folder("corpus")
    encode, reason = _corpus_encoder(backend, config, work, [str(folder / shard["path"]) for shard in shards])
    work.note("encoder", reason, volatile=True)
    if reason.startswith("tokenizers"):
        work.warn(f"tokens: the slower reference encodes the corpus; {reason}")
    paths = [f"tokens/{shard['shard']}{SUFFIX}" for shard in shards]
    if config.engine == "pool":  # gigatoken's threads share one copy of its cache, which processes would not
        parts = _in_threads(encode, work, shards, folder, paths)
    else:
        tasks: list[Task] = [
            (shard["shard"], _tokenise, (str(folder / shard["path"]), str(work.out / path)))
            for shard, path in zip(shards, paths, strict=True)
        ]
        arguments = _tokenizer_file(work), reason.startswith("gigatoken")
        parts = run_shards(tasks, work, config.workers, "tokens", config.engine, arguments)
    rows = [
        {"shard": shard["shard"], "path": path, **part.to_pylist()[0]}
        for shard, path, part in zip(shards, paths, parts, strict=True)
    ]
    work.note("tokens", sum(row["tokens"] for row in rows))
    return {"token_shards": pa.Table.from_pylist(rows)}


def _tokenizer_file(work: Work) -> str:
    return str(work.out / "tokenizer.json")


def _corpus_encoder(backend: Backend, config: TokensConfig, work: Work, shards: list[str]) -> tuple[Encoder, str]:
    """`choose_encoder` for a corpus; each shard is compared once, also where a run goes on."""
    encode, reason = choose_encoder(backend, Path(_tokenizer_file(work)), (), config.workers)
    if reason.startswith("tokenizers"):
        return encode, reason
    count, reference = len(HARD_TEXTS), reference_encoder(backend)
    if len(shards) < _SHARDS_OF_A_POOL and ranks.current() is None:  # sooner done than workers are started
        parts: Iterable[pa.Table] = (
            work.part(f"parity-{i:06d}", lambda path=path: _comparison(_beginnings(Path(path)), reference, encode))
            for i, path in enumerate(shards)
        )
    else:
        tasks: list[Task] = [(f"{i:06d}", _compare, (path,)) for i, path in enumerate(shards)]
        parts = run_shards(tasks, work, config.workers, "parity", config.engine, (_tokenizer_file(work),))
    for part in parts:
        if different := part["reason"][0].as_py():
            return reference, different
        count += part["texts"][0].as_py()
    return encode, f"gigatoken: ids equal on {count} texts"


def _compare(shard: str, tokenizer_json: str) -> pa.Table:
    return _comparison(_beginnings(Path(shard)), _encoder(tokenizer_json, False), _encoder(tokenizer_json, True))


def _comparison(texts: Sequence[str], reference: Encoder, fast: Encoder) -> pa.Table:
    """One row: why texts are not encoded by the fast encoder, empty where they are, and how many were compared."""
    try:
        different = first_difference(texts, reference, fast)
        reason = "" if different is None else f"tokenizers: gigatoken's ids differ on {different[:60]!r}"
    except ValueError as error:
        reason = f"tokenizers: gigatoken failed ({str(error).splitlines()[0]})"
    return pa.table({"reason": [reason], "texts": [len(texts)]})


def _in_threads(encode: Encoder, work: Work, shards: list[dict], folder: Path, paths: list[str]) -> list[pa.Table]:
    """Tokenise shard by shard, with the encoder's threads in each; a rank its own shards."""
    share, names = ranks.current(), [shard["shard"] for shard in shards]
    every = list(zip(shards, paths, strict=True))
    share_of_names = every if share is None else share.of_rank(every)
    size = sum(shard["text_bytes"] for shard, _ in share_of_names) / 1e6
    with ranks.exclusive(work.folder), work.progress(size, "MB", "tokens") as progress:
        for shard, path in share_of_names:
            source, target = folder / shard["path"], work.out / path
            work.part(shard["shard"], lambda s=source, t=target: tokenise_shard(encode, s, t))
            progress.advance(shard["text_bytes"] / 1e6)
        if share is not None:
            share.settle("tokens", names, lambda name: (work.folder / f"{name}.parquet").exists())
    return [read_table(work.folder / f"{name}.parquet") for name in names]


def _tokenise(source: str, target: str, tokenizer_json: str, fast: bool) -> pa.Table:
    return tokenise_shard(_encoder(tokenizer_json, fast), Path(source), Path(target))


@functools.lru_cache(maxsize=2)
def _encoder(tokenizer_json: str, fast: bool) -> Encoder:
    """The encoder of a worker's shards."""
    if fast:
        return fast_encoder(Path(tokenizer_json), False)
    return reference_encoder(read_tokenizer(tokenizer_json))


def _beginnings(shard: Path) -> list[str]:
    """Beginnings of documents spread over a shard."""
    texts = read_table(shard, ["text"])["text"]
    rows = np.unique(np.linspace(0, len(texts) - 1, _SAMPLE_DOCUMENTS).astype(int))
    return [text[:_SAMPLE_CHARACTERS] for text in texts.take(pa.array(rows)).to_pylist()]


def tokenise_shard(encode: Encoder, source: Path, target: Path) -> pa.Table:
    """Write one token shard, column `tokens` list<int32>; returns its numbers of documents and tokens (one row).

    Raises:
        InputError: the document shard cannot be read, or holds more tokens than a list column can address.
    """
    try:
        texts = pq.read_table(source, columns=["text"], page_checksum_verification=True)["text"].to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"shard {source}: cannot be read ({reason}); run again with --force corpus") from error
    ids, lengths = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
    for batch in batches(texts):
        batch_ids, batch_lengths = encode(batch)
        ids.append(batch_ids)
        lengths.append(batch_lengths)
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    if offsets[-1] > np.iinfo(np.int32).max:
        raise InputError(f"shard {source}: more than 2^31 tokens in one shard; lower [corpus] shard_bytes")
    column = pa.ListArray.from_arrays(offsets.astype(np.int32), np.concatenate(ids))
    write_token_shard(target, column)
    return pa.table({"documents": pa.array([len(texts)], pa.int64()), "tokens": pa.array([offsets[-1]], pa.int64())})


def batches(texts: list[str]) -> list[list[str]]:
    """Texts in batches of about `_BATCH_BYTES`, so that the encoder's memory does not grow with the size of a shard."""
    batch_list: list[list[str]] = []
    size = _BATCH_BYTES
    for text in texts:
        if size >= _BATCH_BYTES:
            batch_list.append([])
            size = 0
        batch_list[-1].append(text)
        size += len(text)
    return batch_list
