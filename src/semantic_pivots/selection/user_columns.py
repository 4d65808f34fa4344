"""A user's scores of documents, by id: Parquet with doc_id (or id) and numbers, or a Dolma folder of attributes.

The ids' hashes and the values are held in memory, with the ids themselves: 24 bytes a row and the id.
"""

from __future__ import annotations

import os

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from semantic_pivots.corpus.documents import list_files
from semantic_pivots.corpus.formats import kind, open_file
from semantic_pivots.counting.document_draws import hash_of
from semantic_pivots.errors import InputError
from semantic_pivots.run import warn
from semantic_pivots.selection.selectors import Columns

KEYS = ("doc_id", "id")


def _files(path: str) -> list[str]:
    return [name for name, _ in list_files(path, lambda text: None)]


def _is_lines(path: str) -> bool:
    return os.path.exists(path) and kind(_files(path)[0])[0] == "jsonl"


def _attributes(path: str) -> pa.Table:
    """Dolma's attributes, a line a document: of each the value, of several spans the mean by their lengths."""
    import orjson

    rows = []
    for name in _files(path):
        with open_file(name) as stream:
            for line in stream:
                row = orjson.loads(line)
                rows.append({"id": row["id"], **{k: _mean(spans) for k, spans in row["attributes"].items()}})
    names = dict.fromkeys(name for row in rows for name in row if name != "id")
    columns = {name: pa.array([row.get(name) for row in rows], pa.float64()) for name in names}
    return pa.table({"id": pa.array([row["id"] for row in rows], pa.large_string()), **columns})


def _mean(spans: list[list[float]]) -> float | None:
    if not spans:
        return None
    weights = [max(end - begin, 0) for begin, end, _ in spans]
    if not sum(weights):
        return spans[0][2]
    return sum(weight * value for weight, (_, _, value) in zip(weights, spans, strict=True)) / sum(weights)


class UserColumns:
    """The columns of a file or folder, by document id; NaN where a document has no row.

    Raises:
        InputError: the file is not Parquet, lacks the ids, repeats one, or a column is no number or has a taken name.
    """

    def __init__(self, path: str, reserved: tuple[str, ...]):
        self.path, self.matches = path, 0
        try:
            table = _attributes(path) if _is_lines(path) else pq.read_table(path)
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise self._error(f"neither Parquet nor Dolma's attributes: {str(error).splitlines()[0]}") from error
        key = next((name for name in KEYS if name in table.column_names), None)
        if key is None:
            raise self._error(f"no column doc_id; it has {', '.join(table.column_names)}")
        kind = table.schema.field(key).type
        try:
            self._ids = table[key].cast(pa.large_string()).combine_chunks()  # ids beyond 2 GiB
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise self._error(f"{key} is of type {kind}; expected texts") from error
        if self._ids.null_count:
            raise self._error(f"{self._ids.null_count} rows have no {key}; expected one of each document")
        if len(self._ids.unique()) < len(self._ids):
            raise self._error(f"a {key} stands twice; expected one row per document")
        hashes = hash_of(self._ids)
        self._order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._order]
        starts = np.flatnonzero(np.diff(self._hashes, append=self._hashes[-1:]) != 0) if len(hashes) else []
        ends = np.append(starts, len(hashes) - 1)
        self._of_one_hash = int(np.diff(ends, prepend=-1).max(initial=0))  # 1, but for a chance of one in millions
        self._values = {name: self._numbers(table, name, reserved) for name in table.column_names if name not in KEYS}

    def _error(self, text: str) -> InputError:
        return InputError(f"[select] columns = {self.path!r}: {text}")

    def _numbers(self, table: pa.Table, name: str, reserved: tuple[str, ...]) -> np.ndarray:
        kind = table.schema.field(name).type
        if name in reserved:
            raise self._error(f"the name {name!r} is one of doc_scores; rename it")
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
            raise self._error(f"{name!r} is of type {kind}; expected numbers")
        values = table[name].combine_chunks()
        values = values.cast(pa.int8()) if pa.types.is_boolean(kind) else values
        # Integers beyond 2^53 lose their last digits; as scores they keep their order, but for ties.
        numbers = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        if infinite := int(np.isinf(numbers).sum()):
            warn(f"[select] columns = {self.path!r}: {infinite:,} values of {name!r} are infinite: the largest and the "
                 "smallest scores")  # fmt: skip
        return numbers

    def of(self, ids: pa.Array) -> Columns:
        """(documents,) float64 of each column."""
        hashes = hash_of(ids)
        at_hash = np.searchsorted(self._hashes, hashes)
        place = np.full(len(ids), -1)
        for step in range(self._of_one_hash):
            at = np.minimum(at_hash + step, len(self._order) - 1)
            candidates = self._order[at]
            equal = pc.call_function("equal", [self._ids.take(pa.array(candidates)), ids.cast(pa.large_string())])
            is_same = (self._hashes[at] == hashes) & equal.to_numpy(zero_copy_only=False)
            place[is_same] = candidates[is_same]
        self.matches += int((place >= 0).sum())
        return {name: np.where(place >= 0, values[place], np.nan) for name, values in self._values.items()}
