"""The selection of `benchmarks.scale_select` by DuckDB alone: the same documents, but for the hash that orders ties.

`python -m benchmarks.scale_duckdb FOLDER DOCUMENTS` prints seconds of CPU and peak MB for FOLDER/doc_scores.parquet. A
histogram of the scores gives the value at which the budget is reached. The documents of this value are sorted by score,
hash of the id and place; of those behind it the first that still fit are taken. One file of each shard is written.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import duckdb

from benchmarks import print_usage

SCORE = "(case when n_tokens >= 20 then pivot_units / greatest(units, 1)::double else -1 end)"
BIN = f"floor({SCORE} * 65536)"
COLUMNS = f"'pivot-rich' as selection, shard, row, doc_id, language, n_tokens, {SCORE} as score"


def select(folder: Path, budget: int) -> None:
    """Write FOLDER/duckdb, a file of each shard."""
    settings = {"memory_limit": "1GB", "threads": 1, "temp_directory": str(folder / "duckdb.tmp")}
    with duckdb.connect(config={**settings, "preserve_insertion_order": False}) as connection:
        files = sorted((folder / "doc_scores.parquet").glob("*.parquet"))
        scores = f"read_parquet('{folder}/doc_scores.parquet/*.parquet')"
        bins = f"select {BIN} as bin, sum(n_tokens)::bigint from {scores} group by bin order by bin desc"
        bound, rest = _bound(connection.sql(bins).fetchall(), budget)
        order = f"{SCORE} desc, hash(doc_id), shard, row"
        ties = f"select shard, row, n_tokens from {scores} where {BIN} = {bound} order by {order}"
        taken: dict[str, list[int]] = {file.stem: [-1] for file in files}
        rest = _take(connection.sql(ties).fetchall(), rest, taken)
        behind = f"select shard, row, n_tokens from {scores} where {BIN} < {bound} and n_tokens between 20 and {rest}"
        _take(connection.sql(f"{behind} order by {order} limit {rest // 20 + 1}").fetchall(), rest, taken)
        for file in files:
            numbers = ", ".join(map(str, taken[file.stem]))
            rows = f"select {COLUMNS} from read_parquet('{file}') where {BIN} > {bound} or row in ({numbers})"
            connection.execute(f"copy ({rows}) to '{folder}/duckdb/{file.name}' (format parquet, compression zstd)")


def _bound(bins: list[tuple[float, int]], rest: int) -> tuple[float, int]:
    """The first of the bins that does not fit, and the tokens that are left for it."""
    for bound, tokens in bins:
        if tokens > rest:
            return bound, rest
        rest -= tokens
    raise ValueError("the budget is above the tokens of all documents")


def _take(rows: list[tuple[str, int, int]], rest: int, taken: dict[str, list[int]]) -> int:
    """Add the documents that fit, in order; returns the tokens that are left."""
    for shard, row, tokens in rows:
        if tokens <= rest:
            rest -= tokens
            taken[shard].append(row)
    return rest


def main() -> None:
    """Make the selection, and print what it took."""
    folder = Path(sys.argv[1])
    shutil.rmtree(folder / "duckdb", ignore_errors=True)
    (folder / "duckdb").mkdir()
    select(folder, int(sys.argv[2]) * 55)
    print_usage()


if __name__ == "__main__":
    main()
