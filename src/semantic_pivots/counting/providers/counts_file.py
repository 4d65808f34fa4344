"""Counts from a file: a Parquet or TSV file of pairs, or a folder with word_counts and pair_counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

from semantic_pivots.counting.providers import Counts, Pair, Word
from semantic_pivots.errors import InputError, first_line

_WORD, _PAIR = ("word", "language"), ("word_1", "language_1", "word_2", "language_2")


class CountsFile:
    """The tables `word_counts` and `pair_counts` of a folder; columns unit, window, exact and approx are believed.

    Without those columns a count is documents, of the whole document, and exact.
    """

    name = "file"

    def __init__(self, path: str):
        self.folder = Path(path)
        if not path or not self.folder.is_dir():
            raise InputError(
                f"counts folder {path!r}: expected a folder with word_counts and pair_counts as Parquet or TSV"
            )

    def words(self, words: Sequence[Word]) -> Counts:
        """The count of each word."""
        return self._counts("word_counts", _WORD, list(words), symmetric=False)

    def pairs(self, pairs: Sequence[Pair]) -> Counts:
        """The count of each unordered pair."""
        return self._counts("pair_counts", _PAIR, [(*a, *b) for a, b in pairs], symmetric=True)

    def _counts(self, name: str, keys: tuple[str, ...], requests: Sequence[tuple], symmetric: bool) -> Counts:
        table, path = self._read(name, keys)
        rows = list(zip(*(table[key].to_pylist() for key in keys), strict=True))
        place = {row: i for i, row in enumerate(rows)}
        if symmetric:
            place |= {(*row[2:], *row[:2]): i for i, row in enumerate(rows)}
        absent = [key for key in requests if key not in place]
        if absent:
            raise InputError(
                f"{path}: no count of {' '.join(absent[0])} ({len(absent)} of {len(requests)} are missing): "
                "a missing count is not a zero; add the rows, 0 where nothing was found"
            )
        index = np.array([place[key] for key in requests], np.int64)
        column = table.column_names
        units = set(table["unit"].to_pylist()) if "unit" in column else {"document"}
        windows = set(table["window"].to_pylist()) if "window" in column else {0}
        if len(units) != 1 or len(windows) != 1:
            raise InputError(f"{path}: units {sorted(units)}, windows {sorted(windows)}: expected one of each")
        exact = np.array(table["exact"].to_pylist(), bool) if "exact" in column else np.ones(len(rows), bool)
        values = _whole_numbers(table["value"], path)
        has_approx = "approx" in column and table["approx"].null_count == 0
        approx = np.array(table["approx"].to_pylist(), bool)[index] if has_approx else None
        return Counts(values[index], exact[index], units.pop(), int(windows.pop()), approx)

    def _read(self, name: str, keys: tuple[str, ...]) -> tuple[pa.Table, Path]:
        for path in (self.folder / f"{name}.parquet", self.folder / f"{name}.tsv"):
            if not path.exists():
                continue
            try:
                if path.suffix == ".parquet":
                    table = pq.read_table(path)
                else:
                    text = {key: pa.string() for key in keys}  # a word such as "null" or "1" stays a word
                    table = csv.read_csv(
                        path,
                        parse_options=csv.ParseOptions(delimiter="\t", quote_char=False),
                        convert_options=csv.ConvertOptions(column_types=text),
                    )
            except (pa.ArrowInvalid, OSError) as error:
                raise InputError(f"{path}: cannot be read: {first_line(error)}") from error
            missing = [column for column in (*keys, "value") if column not in table.column_names]
            if missing:
                raise InputError(f"{path}: column {missing[0]!r} is missing; expected {', '.join((*keys, 'value'))}")
            return table, path
        raise InputError(f"{self.folder}: neither {name}.parquet nor {name}.tsv is there")


def _whole_numbers(column: pa.ChunkedArray, path: Path) -> np.ndarray:
    """(rows,) int64 counts.

    Raises:
        InputError: a row holds none: nothing, a fraction, a number below zero, or a text such as 1,000.
    """
    values = column.to_pylist()
    for row, value in enumerate(values, 1):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0 or value != int(value):
            text = "nothing" if value is None else repr(value)
            raise InputError(f"{path}: row {row} holds {text} as value; expected a count in digits alone, such as 1000")
    return np.array(values, np.int64)
