"""A run's folder from made-up tables, with a corpus of a few documents and the tokenizer of a tiny model."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from semantic_pivots.report.summary import views
from semantic_pivots.tables import from_rows
from tests import miniature
from tests.report import synthetic

LAYERS = 3
DOCUMENTS = (
    ("d1", "The dog is an animal. Le chien est un animal.", "tatoeba"),
    ("d2", "A dog sleeps beside another animal.", "stories"),
    ("d3", "Un chien, bel animal.", "stories"),
    ("d4", "snow, neige, 雪; كلب", "lists"),
)


def write(folder: Path) -> Path:
    """Write the tables below FOLDER/run and a model beside it; returns the run."""
    miniature.write(folder)
    run = folder / "run"
    tables = synthetic.tables()
    ids = tables["items"]["item_id"].to_pylist()
    draw = random.Random(1)
    places = {name: stage for stage, view in reversed(views().items()) for name in view.needs + view.optional_tables}
    places |= {"answers": "score", "scores": "score", "trace": "trace", "word_counts": "count", "doc_scores": "select"}
    tables["trace"] = from_rows("trace", [row for item in ids for row in _trace(item, draw)])
    tables["scores"] = from_rows("scores", [row for item in tables["items"].to_pylist() for row in _scores(item, draw)])
    texts = {name: [row[place] for row in DOCUMENTS] for place, name in enumerate(("id", "text", "source"))}
    shard = {"shard": "s", "path": "shards/s.parquet", "language": "mixed", "source": "s"}
    tables["shards"] = from_rows("shards", [{**shard, "documents": len(DOCUMENTS), "text_bytes": 200}])
    for name, table in tables.items():
        (run / places[name]).mkdir(parents=True, exist_ok=True)
        pq.write_table(table, run / places[name] / f"{name}.parquet")
    (run / "corpus" / "shards").mkdir()
    pq.write_table(pa.table({**texts, "language": ["mul", "en", "fr", "mul"]}), run / "corpus" / "shards" / "s.parquet")
    (run / "tokens").mkdir(exist_ok=True)
    shutil.copyfile(folder / "model" / "tokenizer.json", run / "tokens" / "tokenizer.json")
    return run


def _trace(item: str, draw: random.Random) -> list[dict]:
    return [
        {
            "item_id": item,
            "lens": lens,
            "layer": layer,
            "top_ids": draw.sample(range(2, 500), 10),
            "top_probs": [0.5 / (rank + 1) for rank in range(10)],
            "entropy": 2.0,
            **{f"mass_{name}": 0.1 for name in ("source", "target", "pivot", "pivot_null")},
        }
        for lens in ("logit", "tuned")
        for layer in range(LAYERS)
    ]


def _scores(item: dict, draw: random.Random) -> list[dict]:
    return [
        {
            "item_id": item["item_id"],
            "draw": 0,
            "candidate": word,
            "is_source": word == item["source"],
            "token_logprobs": [-draw.random() - (word != item["source"])],
            "n_bytes": 4,
        }
        for word in (item["source"], *item["distractors"])
    ]
