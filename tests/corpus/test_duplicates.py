"""Removal of duplicates: one document of each text remains, whichever files and order the documents come in."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from semantic_pivots import run
from semantic_pivots.corpus import duplicates
from semantic_pivots.corpus.duplicates import remove_duplicates
from semantic_pivots.files import read_table, write_table
from tests.corpus.test_survey import corpus

DOCUMENTS = [
    ("a", "the cat", "en", "one", [], None),
    ("b", "the  cat\n", "en", "two", [], None),
    ("b", "the cat", "en", "two", [], None),
    ("c", "The cat", "en", "two", [], None),
    ("d", "cat\nchat", "mul", "one+two", [("en", "cat"), ("fr", "chat")], None),
    ("d", "cat\nchat", "mul", "one+two", [("fr", "cat"), ("en", "chat")], None),
    ("e", "", "", "three", [], None),
]


def rows(folder: Path) -> list[dict]:
    table = read_table(folder / "shards.parquet")
    return [row for path in table["path"].to_pylist() for row in read_table(folder / path).to_pylist()]


def test_one_document_of_each_text_remains_and_the_rest_is_counted_by_source(tmp_path):
    manifest = remove_duplicates(corpus(tmp_path / "corpus", DOCUMENTS, 7), tmp_path / "out", 1)
    remaining = rows(tmp_path / "out")
    assert sorted(" ".join(row["text"].split()) for row in remaining) == ["", "The cat", "cat chat", "the cat"]
    assert manifest["notes"] == {
        "documents": 4,
        "text_bytes": sum(len(row["text"].encode()) for row in remaining),
        "removed_documents": 3,
    }
    counts = read_table(tmp_path / "out/duplicates.parquet").to_pylist()
    by_source = dict.fromkeys(("one", "two", "one+two"), 0)
    for row in counts:
        by_source[row["source"]] += row["documents"]
    assert by_source["one"] + by_source["two"] == 2
    assert by_source["one+two"] == 2  # a document with parts counts once for each language
    sources = {
        (row["source"], row["language"]): row for row in read_table(tmp_path / "out/sources.parquet").to_pylist()
    }
    assert (sources["one+two", "fr"]["documents"], sources["one+two", "fr"]["licence"]) == (1, "CC0-1.0")
    assert len(read_table(tmp_path / "out/shards.parquet")) == 4  # no shard without documents


@pytest.mark.parametrize("seed", range(4))
def test_neither_order_nor_files_decide_which_document_remains(tmp_path, seed):
    remove_duplicates(corpus(tmp_path / "a", DOCUMENTS, 1), tmp_path / "first", 1)
    order = random.Random(seed).sample(DOCUMENTS, len(DOCUMENTS))
    remove_duplicates(corpus(tmp_path / "b", order, 2 + seed % 3), tmp_path / "second", 1)
    assert sorted(map(repr, rows(tmp_path / "first"))) == sorted(map(repr, rows(tmp_path / "second")))


def test_texts_of_random_corpora_remain_once(tmp_path):
    draw = random.Random(0)
    texts = [" ".join(draw.choice("abc") for _ in range(draw.randrange(4))) for _ in range(500)]
    documents = [(str(number), text, "en", "one", [], None) for number, text in enumerate(texts)]
    remove_duplicates(corpus(tmp_path / "corpus", documents, 5), tmp_path / "out", 1)
    assert sorted(row["text"] for row in rows(tmp_path / "out")) == sorted(set(texts))
    assert read_table(tmp_path / "out/duplicates.parquet")["documents"].to_pylist() == [500 - len(set(texts))]


def test_a_corpus_without_duplicates_keeps_its_documents(tmp_path):
    folder = corpus(tmp_path / "corpus", [DOCUMENTS[k] for k in (0, 3, 4, 6)], 2)
    assert remove_duplicates(folder, tmp_path / "out", 1)["notes"]["removed_documents"] == 0
    assert rows(tmp_path / "out") == rows(folder)


def test_texts_are_equal_by_all_bits_of_their_hashes():
    records = np.zeros(3, duplicates._RECORD)
    records["text_high"], records["text_low"], records["content"], records["place"] = 7, [1, 2, 1], [5, 5, 4], [0, 1, 2]
    assert duplicates._repeats(records).tolist() == [0]


def test_a_killed_run_continues_and_an_altered_shard_is_refused(tmp_path, monkeypatch):
    folder = corpus(tmp_path / "corpus", DOCUMENTS, 3)
    calls = []

    def stop(*arguments):
        calls.append(arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(duplicates, "write_shard", stop)
    with pytest.raises(KeyboardInterrupt):
        remove_duplicates(folder, tmp_path / "out", 1)
    monkeypatch.undo()
    monkeypatch.setattr(duplicates, "hash_shard", stop)  # is not called again
    remove_duplicates(folder, tmp_path / "out", 1)
    assert len(calls) == 1
    manifest = run.read_manifest(tmp_path / "out")
    assert remove_duplicates(folder, tmp_path / "out", 1) == manifest
    write_table(folder / "shards/0.parquet", read_table(folder / "shards/0.parquet").slice(1))
    monkeypatch.undo()
    assert remove_duplicates(folder, tmp_path / "out", 1)["key"] != manifest["key"]
