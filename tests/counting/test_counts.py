"""Counts of words and pairs equal brute force, whatever the shards and the workers."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semantic_pivots import tables
from semantic_pivots.counting.count_stage import CountConfig
from semantic_pivots.counting.counts import benchmark_words, count_stage
from semantic_pivots.errors import InputError
from semantic_pivots.run import Inputs, Work
from semantic_pivots.wordforms.rule import contains, within_window
from semantic_pivots.wordforms.table import rule_of

PAIRS = [("chat", "fr", "cat", "en"), ("chat", "fr", "chat", "en"), ("猫", "zh", "猫", "ja"), ("猫", "zh", "cat", "en"),
         ("cat", "en", "chat", "fr"), ("", "en", "猫", "ja"), ("猫", "zh", "dog", "en")]  # fmt: skip
WORDS = sorted({(word, code) for a, b, c, d in PAIRS for word, code in ((a, b), (c, d))})


def corpus(folder: Path, n_shards: int) -> tuple[Inputs, list[str]]:
    """A small corpus of random documents in shards, with items of PAIRS."""
    chooser = random.Random(3)
    pieces = ["chat", "cat", "cats", "猫", " ", " ", ".", "ねこ", "Chat", "a"]
    texts = ["".join(chooser.choices(pieces, k=chooser.randrange(20))) for _ in range(200)]
    texts = [text if text.strip() else "." for text in texts]  # a shard holds no document without a text
    shards = []
    (folder / "corpus").mkdir(parents=True)
    (folder / "benchmark").mkdir()
    for i in range(n_shards):
        part = texts[i::n_shards]
        rows = {"id": [f"{i}-{k}" for k in range(len(part))], "text": part, "language": ["fr"] * len(part)}
        pq.write_table(pa.table(rows), folder / "corpus" / f"{i}.parquet")
        shard = {"shard": str(i), "path": f"{i}.parquet", "language": "fr", "source": "x"}
        shards.append({**shard, "documents": len(part), "text_bytes": 9})
    pq.write_table(tables.from_rows("shards", shards), folder / "corpus/shards.parquet")
    names = ("source", "source_language", "target", "target_language")
    items = [{"item_id": str(i), "concept_id": "c", **dict(zip(names, p, strict=True))} for i, p in enumerate(PAIRS)]
    pq.write_table(tables.from_rows("items", items), folder / "benchmark/items.parquet")
    return Inputs({name: folder / name for name in ("benchmark", "corpus")}), texts


def run_stage(folder: Path, inputs: Inputs, config: CountConfig) -> dict[str, pa.Table]:
    for name in ("work", "out"):
        (folder / name).mkdir()
    made = count_stage(config, inputs, Work(folder / "work", folder / "out"))
    return {name: tables.conform(name, table) for name, table in made.items()}


@pytest.mark.parametrize(("n_shards", "workers", "name"), [(1, 1, "forms"), (3, 2, "forms"), (3, 2, "spelling")])
def test_counts_equal_brute_force(tmp_path: Path, n_shards: int, workers: int, name: str):
    inputs, texts = corpus(tmp_path, n_shards)
    made = run_stage(tmp_path, inputs, CountConfig(workers=workers, words=name))
    rule = rule_of(name, "", WORDS)
    for row in made["word_counts"].to_pylist():
        assert row["value"] == sum(contains(t, (row["word"], row["language"]), rule) for t in texts), row
    for row in made["pair_counts"].to_pylist():
        ends = [(row["word_1"], row["language_1"]), (row["word_2"], row["language_2"])]
        assert row["value"] == sum(all(contains(t, end, rule) for end in ends) for t in texts), row
        assert (row["unit"], row["window"], row["exact"], row["provider"]) == ("document", 0, True, "local")
    values = made["pair_counts"]["value"].to_pylist()
    assert 0 in values
    assert max(values) > 0


def test_an_unordered_pair_is_asked_once(tmp_path: Path):
    inputs, _ = corpus(tmp_path, 1)
    wanted, pairs = benchmark_words(inputs.table("items"))
    assert len(pairs) == len(PAIRS) - 1
    assert wanted == sorted(set(wanted))


def test_a_window_counts_fewer_documents_and_says_so(tmp_path: Path):
    inputs, texts = corpus(tmp_path, 2)
    made = run_stage(tmp_path, inputs, CountConfig(unit="window", window_tokens=2, workers=1, words="forms"))
    rule = rule_of("forms", "", WORDS)
    for row in made["pair_counts"].to_pylist():
        ends = [(row["word_1"], row["language_1"]), (row["word_2"], row["language_2"])]
        assert row["value"] == sum(within_window(t, *ends, 2, rule) for t in texts), row
        assert (row["unit"], row["window"], row["exact"], row["provider"]) == ("window", 2, True, "local")
    assert set(made["word_counts"]["unit"].to_pylist()) == {"document"}
    assert sum(made["pair_counts"]["value"].to_pylist()) > 0


@pytest.mark.parametrize(
    "asked", [{"unit": "window"}, {"window_tokens": 100}, {"provider": "loca"}, {"unit": "words", "window_tokens": 1}]
)
def test_what_cannot_be_counted_is_refused(tmp_path: Path, asked: dict):
    inputs, _ = corpus(tmp_path, 1)
    with pytest.raises(InputError, match=r"window_tokens = 0|did you mean 'local'|one of document, window"):
        run_stage(tmp_path, inputs, CountConfig(workers=1, **asked))
