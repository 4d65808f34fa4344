"""What of a document is in the pivot set: by words against plain Python, and the same set whatever the files."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semantic_pivots.corpus.token_shards import write_token_shard
from semantic_pivots.corpus.vocabulary import read_tokenizer
from semantic_pivots.counting.counts import benchmark_words
from semantic_pivots.counting.shard_passes import MemoryCorpus, StoredCorpus
from semantic_pivots.errors import InputError
from semantic_pivots.pivots.bridges import bridge_set
from semantic_pivots.pivots.graph_stage import GraphConfig
from semantic_pivots.run import Inputs, Work
from semantic_pivots.selection.document_scores import document_scores, score_documents, vocabulary
from semantic_pivots.selection.pivot_density import PivotWords, pivots_of
from semantic_pivots.selection.select_stage import SelectConfig
from tests.selection.test_selections import everything, published, select_stage, work

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def as_words(inputs: Inputs, texts: list[str]) -> None:
    table = pa.table({"unit": ["word"] * len(texts), "token": pa.nulls(len(texts), pa.int32()), "text": texts})
    pq.write_table(table, inputs.folder("corpus") / "pivot_set.parquet")


def test_distinct_words_of_documents_are_counted(tmp_path: Path):
    inputs = published(tmp_path / "corpus")
    as_words(inputs, ["garden", "light", "水槽"])
    config = SelectConfig(budget_tokens=500, workers=2, selections=("pivot-rich", "random"), min_tokens=5)
    made = select_stage(config, inputs, work(tmp_path / "w"))
    for row, (_, text, _) in zip(made["doc_scores"].to_pylist(), everything(inputs), strict=True):
        held = {word for word in text.split() if len(word) > 1}
        assert row["units"] == len(held)
        assert row["pivot_units"] == len(held & {"garden", "light", "水槽"})
    rows = made["selection"].to_pylist()
    mean = {name: np.mean([r["score"] for r in rows if r["selection"] == name]) for name in ("pivot-rich", "random")}
    assert mean["pivot-rich"] > 1.5 * mean["random"]


def test_pivots_are_cut_as_they_were_found_without_their_lexicon(tmp_path: Path):
    inputs = published(tmp_path / "corpus")
    (tmp_path / "corpus" / "words.parquet").unlink()
    as_words(inputs, ["garden", "水族館"])
    tokenizer = read_tokenizer(tmp_path / "corpus" / "tokenizer.json")
    pivots = pivots_of(inputs.table("pivot_set"), (), tokenizer)
    assert isinstance(pivots, PivotWords)
    texts = pa.chunked_array([["The GARDEN garden", "水族館へ", "gardens"]])
    assert pivots.counts(texts, np.zeros(0, np.int32), np.zeros(4, np.int64))[1].tolist() == [1, 1, 0]
    as_words(inputs, [])
    table = pa.table({"unit": ["word", "sentence"], "token": pa.nulls(2, pa.int32()), "text": ["a", "b"]})
    pq.write_table(table, tmp_path / "corpus" / "pivot_set.parquet")
    with pytest.raises(InputError, match="column unit holds sentence, word; expected word or token"):
        pivots_of(inputs.table("pivot_set"), (), tokenizer)


def test_documents_in_memory_have_the_scores_of_files(tmp_path: Path):
    inputs = published(tmp_path / "corpus")
    as_words(inputs, ["garden", "light", "水槽"])
    stored = document_scores(SelectConfig(workers=1), inputs, work(tmp_path / "w")).read()
    shards = [pq.read_table(tmp_path / "corpus" / f"d{k}.parquet") for k in range(2)]
    corpus = MemoryCorpus(pa.concat_tables(shards), read_tokenizer(tmp_path / "corpus" / "tokenizer.json"))
    lookup = vocabulary(inputs.table("words").to_pylist(), benchmark_words(inputs.table("items"))[1])
    scores = score_documents(corpus, inputs.table("pivot_set"), lookup).read()
    names = [name for name in stored.column_names if name not in ("shard", "row")]
    assert scores.select(names).to_pylist() == stored.select(names).to_pylist()


def documents(concepts: int) -> list[dict[str, str]]:
    """Words of two languages; the first quarter of the concepts stand beside `pont` in both, of two sources."""
    chooser, rows = random.Random(3), []
    noise = ["".join(chooser.choices(LETTERS, k=6)) for _ in range(400)]
    for i in range(concepts):
        for stem, code in (("house", "en"), ("maison", "fr")):
            for k in range(24):
                beside = "pont" if i < concepts // 4 and k % 2 else "rest"
                text = " ".join([f"{stem}{LETTERS[i]}q", beside, f"own{LETTERS[i]}", *chooser.choices(noise, k=5)])
                rows.append({"id": f"{code}{i}-{k}", "text": text, "language": code, "source": f"s{k % 3}"})
    rows += [{"id": f"{code}-{k}", "text": " ".join(chooser.choices(noise, k=6)), "language": code, "source": "s0"}
             for k in range(1500) for code in ("en", "fr")]  # fmt: skip
    return rows


def corpus(folder: Path, rows: list[dict[str, str]], shards: int) -> Inputs:
    from tokenizers import Tokenizer, models

    folder.mkdir()
    Tokenizer(models.WordLevel({"a": 0}, unk_token="a")).save(str(folder / "tokenizer.json"))  # type: ignore[call-arg]
    size, listed, tokens = -(-len(rows) // shards), [], []
    for k in range(shards):
        part = rows[k * size : (k + 1) * size]
        pq.write_table(pa.Table.from_pylist(part), folder / f"d{k}.parquet")
        write_token_shard(folder / f"t{k}.arrow", pa.array([[0]] * len(part), pa.list_(pa.int32())))
        same = {"shard": f"s{k}", "documents": len(part)}
        listed.append({**same, "path": f"d{k}.parquet", "language": "mixed", "source": "x", "text_bytes": 0})
        tokens.append({**same, "path": f"t{k}.arrow", "tokens": len(part)})
    pq.write_table(pa.Table.from_pylist(listed), folder / "shards.parquet")
    pq.write_table(pa.Table.from_pylist(tokens), folder / "token_shards.parquet")
    words = [{"word": f"{stem}{LETTERS[i]}q", "language": code, "concept_id": str(i)}
             for i in range(24) for stem, code in (("house", "en"), ("maison", "fr"))]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(words), folder / "words.parquet")
    return Inputs({"corpus": folder, "tokens": folder})


def test_the_same_documents_in_other_files_have_the_same_pivot_set(tmp_path: Path):
    rows = documents(24)
    config = GraphConfig(workers=1, false_discovery_rate=1.0, documents=20, samples=4)
    turned = rows.copy()
    random.Random(8).shuffle(turned)
    made = [
        bridge_set(
            config, inputs.table("words").to_pylist(), StoredCorpus(inputs, Work(tmp_path / name, tmp_path / name))
        )[0]
        for name, documents, shards in (("one", rows, 1), ("three", turned, 3))
        for inputs in [corpus(tmp_path / name, documents, shards)]
    ]
    assert "pont" in made[0]["text"].to_pylist()
    assert made[0].equals(made[1])
