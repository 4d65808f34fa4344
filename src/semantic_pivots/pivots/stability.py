"""Stability of a pivot set: overlap of the sets of two halves of the corpus, and of samples with the whole.

A sample is written to the stage's scratch folder as a corpus, and the same function makes its pivot set, so every
criterion is measured in the same way. Documents are drawn by a hash of their id, so a sample does not depend on their
order, and samples of the same size are disjoint.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from semantic_pivots import ranks
from semantic_pivots.corpus.token_shards import SUFFIX, read_token_shard, write_token_shard
from semantic_pivots.counting.strings import hash_of, shuffle
from semantic_pivots.engines import Task, run_shards
from semantic_pivots.errors import EmptyPivotSetError
from semantic_pivots.files import complete_file, read_table, write_table
from semantic_pivots.pivots.graph_stage import GraphConfig
from semantic_pivots.run import Inputs, Work
from semantic_pivots.statistics import seed_of
from semantic_pivots.tables import SCHEMAS

Maker = Callable[[GraphConfig, Inputs, Work], tuple[pa.Table, dict[str, int]]]
"""Makes the pivot set of a corpus, and counts of it."""
SAMPLES = (("halves", 0.5), ("quarter", 0.25), ("tenth", 0.1))


def places(ids: pa.ChunkedArray, seed: int) -> np.ndarray:
    """(documents,) float64 in [0, 1): a random number for each document, which depends on its id and the seed only."""
    return (shuffle(hash_of(ids), seed_of("graph", "sample", seed)) >> np.uint64(11)) / 2.0**53


def sample(inputs: Inputs, folder: Path, low: float, high: float, config: GraphConfig) -> Inputs:
    """A sample of a corpus and its tokens: the documents whose place is in [low, high).

    Returns:
        The inputs of the stage, with the sample in place of the stages `corpus` and `tokens`.
    """
    scratch = Work(folder / "work", folder)
    rows = inputs.table("shards").to_pylist()
    token_rows = {row["shard"]: row for row in inputs.table("token_shards").to_pylist()}
    corpus, tokens = inputs.folder("corpus"), inputs.folder("tokens")
    tasks: list[Task] = [
        (row["shard"], _sample_shard, (row["shard"], *map(str, (corpus / row["path"], tokens / token_row["path"]))))
        for row, token_row in ((row, token_rows[row["shard"]]) for row in rows)
    ]
    (folder / "work").mkdir(parents=True, exist_ok=True)
    constants = str(folder), low, high, config.seed
    counts = list(run_shards(tasks, scratch, config.workers, "sample", config.engine, constants))
    shards, token_shards = [], []
    for row, count in zip(rows, (part.to_pylist()[0] for part in counts), strict=True):
        if count["documents"]:
            paths = _places_of(row["shard"])
            shards.append({**row, "path": paths[0], "documents": count["documents"]})
            token_shards.append({**token_rows[row["shard"]], "path": paths[1], **count})
    write_table(folder / "shards.parquet", pa.Table.from_pylist(shards, schema=SCHEMAS["shards"]))
    write_table(folder / "token_shards.parquet", pa.Table.from_pylist(token_shards, schema=SCHEMAS["token_shards"]))
    if not (folder / "tokenizer.json").exists():
        os.symlink((inputs.folder("tokens") / "tokenizer.json").resolve(), folder / "tokenizer.json")
    # First, so that its tables come before those of the whole corpus.
    stage_folders = {name: inputs.folder(name) for name in inputs.stages() if name not in ("corpus", "tokens")}
    return Inputs({"corpus": folder, "tokens": folder, **stage_folders})


def _places_of(shard: str) -> tuple[str, str]:
    return f"shards/{shard}.parquet", f"tokens/{shard}{SUFFIX}"


def _sample_shard(shard: str, path: str, token_path: str, folder: str, low: float, high: float, seed: int) -> pa.Table:
    """Write the documents and tokens of one shard's sample, where it has any; how many of each."""
    table = read_table(path)
    place = places(table["id"], seed)
    in_sample = pa.array((place >= low) & (place < high))
    table, tokens = table.filter(in_sample), read_token_shard(token_path).filter(in_sample)
    if table.num_rows:
        document_file, token_file = (Path(folder) / name for name in _places_of(shard))
        with complete_file(document_file) as temporary:
            pq.write_table(table, temporary, compression="lz4")
        write_token_shard(token_file, tokens)
    token_count = pc.sum(pc.list_value_length(tokens)).as_py()  # type: ignore[attr-defined]
    return pa.table({"documents": [table.num_rows], "tokens": [token_count or 0]})


def stability(
    make: Maker,
    config: GraphConfig,
    pivot_set: pa.Table,
    inputs: Inputs,
    work: Work,
) -> pa.Table:
    """Overlap of the pivot sets of two disjoint halves, and of disjoint samples with the whole (`pivot_stability`).

    A sample too small for any pivot counts as an empty set, with overlap 0.
    """
    rows: list[dict[str, object]] = []
    config = dataclasses.replace(config, top_neighbours=0)  # of samples the tokens alone are compared
    full = set(names(pivot_set))
    if not config.stability_draws:
        return pa.Table.from_pylist(rows, schema=SCHEMAS["pivot_stability"])
    with work.progress(len(SAMPLES), "sizes of sample", "stability") as progress:
        for name, share in SAMPLES:
            is_halves = name == "halves"
            draws = 2 if is_halves else min(config.stability_draws, round(1 / share))
            sets = [
                _set_of_sample(f"{name}-{draw}", draw * share, (draw + 1) * share, make, config, inputs, work)
                for draw in range(draws)
            ]
            for draw, (first, second) in enumerate(
                [(sets[0], sets[1])] if is_halves else [(first, full) for first in sets]
            ):
                rows.append(
                    {
                        "sample": name,
                        "share": share,
                        "draw": draw,
                        "pivots": len(first),
                        "overlap": len(first & second) / max(len(first | second), 1),
                        "recovered": len(first & second) / max(len(second), 1),
                    }
                )
            work.note(f"overlap_{name}", round(float(np.mean([r["overlap"] for r in rows if r["sample"] == name])), 4))  # type: ignore[arg-type]
            progress.advance()
    return pa.Table.from_pylist(rows, schema=SCHEMAS["pivot_stability"])


def _set_of_sample(
    name: str,
    low: float,
    high: float,
    make: Maker,
    config: GraphConfig,
    inputs: Inputs,
    work: Work,
) -> set[str]:
    folder = work.folder / f"sample-{name}"

    def sample_set() -> pa.Table:
        try:
            inputs_of_sample = sample(inputs, folder, low, high, config)
            units = names(make(config, inputs_of_sample, Work(folder / "work", folder))[0])
        except EmptyPivotSetError:
            units = []
        # other ranks may wait for its parts still
        for path in (folder,) if ranks.current() is None else (folder / "shards", folder / "tokens"):
            shutil.rmtree(path, ignore_errors=True)
        return pa.table({"unit": pa.array(units, pa.string())})

    return set(work.part(f"set-{name}", sample_set)["unit"].to_pylist())


def names(pivot_set: pa.Table) -> list[str]:
    """Identifiers of the pivots of a set: their texts, or token ids, since two tokens may have one text."""
    texts = pivot_set["text"].to_pylist()
    return [
        text if token is None else str(token) for token, text in zip(pivot_set["token"].to_pylist(), texts, strict=True)
    ]
