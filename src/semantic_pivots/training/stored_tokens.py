"""Tokens of selected documents, made once for all arms and seeds, and read by memory map.

Arms share documents, and the seeds of an arm have the same documents. 45 runs that tokenise their own text would need
an hour for it. If the study has token shards made by the base model's tokenizer, nothing is tokenised again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from semantic_pivots.corpus.token_shards import flat_tokens, read_token_shard
from semantic_pivots.corpus.vocabulary import text_ids
from semantic_pivots.files import complete_file, read_table
from semantic_pivots.models.protocols import Tokenizer
from semantic_pivots.scoring.bits_per_byte import end_token

_TEXTS = 1000
"""Texts that are tokenised together"""
_STATES = ("truncation", "padding")
"""Parts of a tokenizer.json that say how it was last used, not what it is"""


class StoredTokens:
    """Token ids of documents, each followed by the end token if there is one; a worker gets the path of the file."""

    def __init__(self, path: Path, starts: np.ndarray, rows: Sequence[tuple[str, int]]):
        """Map a file of uint16 or uint32 ids.

        Args:
            path: the file.
            starts: (documents + 1,) int64 where each document begins.
            rows: (shard, row) of each document.
        """
        self._path, self._starts = path, starts
        self._places = {row: place for place, row in enumerate(rows)}
        self._ids: np.ndarray | None = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_ids": None}

    def places(self, selection: pa.Table) -> np.ndarray:
        """(rows,) int64 index of the stored document of each row of a selection."""
        return np.array([self._places[row] for row in _rows(selection)], np.int64)

    def lengths(self, places: np.ndarray) -> np.ndarray:
        """(documents,) int64 number of tokens of each document."""
        return self._starts[places + 1] - self._starts[places]

    def document(self, place: int) -> np.ndarray:
        """(tokens,) ids of one document."""
        if self._starts[place] == self._starts[place + 1]:
            return np.zeros(0, np.uint16)
        if self._ids is None:
            size = self._path.stat().st_size // int(self._starts[-1])
            self._ids = np.memmap(self._path, {2: np.uint16, 4: np.uint32}[size], "r")
        return self._ids[self._starts[place] : self._starts[place + 1]]


def store_tokens(
    selection: pa.Table,
    shards: Mapping[str, Path],
    tokenizer: Tokenizer,
    folder: Path,
    token_shards: Mapping[str, Path] | None = None,
) -> StoredTokens:
    """The tokens of every document of a selection; files that an interrupted run left in `folder` are used.

    Args:
        selection: rows of one or several selections (columns shard, row); documents may repeat.
        shards: files of the document shards by name.
        tokenizer: tokenizer of the model that is trained.
        folder: folder for the two files, which take about two bytes per token.
        token_shards: files of the token shards by name, if they were made by this tokenizer (`same_tokenizer`).
    """
    rows = sorted(set(_rows(selection)))
    dtype = np.uint16 if len(tokenizer) <= 1 << 16 else np.uint32
    tokens, starts = folder / "tokens.bin", folder / "token_starts.npy"
    if not starts.exists():
        end = end_token(tokenizer)
        lengths = [0]
        with complete_file(tokens) as temporary, temporary.open("wb") as file:
            for ids in _documents(rows, shards, tokenizer, token_shards):
                document = np.asarray(ids if end is None else [*ids, end], dtype)
                file.write(document.tobytes())
                lengths.append(len(document))
        with complete_file(starts) as temporary, temporary.open("wb") as file:
            np.save(file, np.cumsum(lengths))
    return StoredTokens(tokens, np.load(starts), rows)


def same_tokenizer(tokenizer: Tokenizer, path: Path) -> bool:
    """Whether a tokenizer.json equals a model's in vocabulary and rules: with other rules the ids of a text differ."""
    first, second = json.loads(tokenizer.backend_tokenizer.to_str()), json.loads(path.read_text("utf-8"))
    return all(first.get(key) == second.get(key) for key in {*first, *second} - {*_STATES})


def _rows(selection: pa.Table) -> list[tuple[str, int]]:
    return list(zip(selection["shard"].to_pylist(), selection["row"].to_pylist(), strict=True))


def _documents(
    rows: Sequence[tuple[str, int]],
    shards: Mapping[str, Path],
    tokenizer: Tokenizer,
    token_shards: Mapping[str, Path] | None,
) -> Iterator[Sequence[int] | np.ndarray]:
    """The ids of documents in the order of (shard, row), which is ascending."""
    by_shard: dict[str, list[int]] = {}
    for name, row in rows:
        by_shard.setdefault(name, []).append(row)
    for name, spans in by_shard.items():
        if token_shards is not None:
            ids, starts = flat_tokens(read_token_shard(token_shards[name]))
            yield from (ids[starts[row] : starts[row + 1]] for row in spans)
            continue
        texts = read_table(shards[name], columns=["text"])["text"]
        for first in range(0, len(spans), _TEXTS):
            yield from text_ids(tokenizer.backend_tokenizer, texts.take(spans[first : first + _TEXTS]).to_pylist())
