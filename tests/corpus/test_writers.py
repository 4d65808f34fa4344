"""Writers: read back by the project's own readers, by numpy as OLMo-core maps them, and by datatrove."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from semantic_pivots.corpus import documents, writers
from semantic_pivots.corpus.token_shards import write_token_shard
from semantic_pivots.errors import InputError

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(lambda text: text.strip() != "")
DOCUMENTS = st.lists(st.tuples(TEXT, st.sampled_from(["en", "fr", "zh", ""])), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=DOCUMENTS)
def test_jsonl_is_read_back(rows, tmp_path):
    made = [documents.Document(f"#{i}", text, code, "s") for i, (text, code) in enumerate(rows)]
    writers.write_jsonl(pa.Table.from_pylist([d._asdict() for d in made]), tmp_path / "x.jsonl.zst")
    assert list(documents.read(str(tmp_path / "x.jsonl.zst"), {}, documents.Skipped())) == made


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(st.integers(0, 99), max_size=5), min_size=1, max_size=6),
    vocabulary=st.sampled_from([100, 65_536, 65_537]),
    skip=st.integers(0, 2),
)
def test_token_files_hold_every_document_and_its_end(rows, vocabulary, skip, tmp_path):
    # A slice has offsets that do not begin at 0.
    column = pa.array([[7]] * skip + rows, pa.list_(pa.int32())).slice(skip)
    ids = [f"doc,{i}" for i in range(len(rows))]
    dtype = np.uint16 if vocabulary <= 65_536 else np.uint32
    writers.write_tokens(column, ids, tmp_path / "a", "olmo", 99, vocabulary)
    flat = np.memmap(tmp_path / "a.npy", dtype, "r")
    with gzip.open(tmp_path / "a.csv.gz", "rt") as stream:
        bounds = list(csv.reader(stream))
    assert [flat[int(start) : int(end)].tolist() for start, end, *_ in bounds] == [[*row, 99] for row in rows]
    assert [row[2] for row in bounds] == ids
    writers.write_tokens(column, ids, tmp_path / "b", "nanotron", 99, vocabulary)
    assert (tmp_path / "b.ds").read_bytes() == (tmp_path / "a.npy").read_bytes()
    assert np.fromfile(tmp_path / "b.ds.index", np.uint64).tolist() == [int(end) for _, end, *_ in bounds]


def test_datatrove_reads_the_nanotron_layout(tmp_path):
    dataset = pytest.importorskip("datatrove.utils.dataset")
    column = pa.array([[1, 2], [3], [4, 5, 6]], pa.list_(pa.int32()))
    writers.write_tokens(column, ["a", "b", "c"], tmp_path / "x", "nanotron", 9, 100)
    read = dataset.DatatroveFileDataset(str(tmp_path / "x.ds"), seq_len=3, token_size=2, return_positions=True)
    assert [read[i]["input_ids"].tolist() for i in range(len(read))] == [[1, 2, 9, 3], [9, 4, 5, 6]]
    assert read[0]["positions"].tolist() == [0, 1, 2, 0]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    corpus, tokens = tmp_path / "corpus", tmp_path / "tokens"
    for folder in (corpus, tokens):
        folder.mkdir()
    row = {"id": "d", "text": "cat dog", "language": "en", "source": "s"}
    pq.write_table(pa.Table.from_pylist([row]), corpus / "s0.parquet")
    pq.write_table(pa.table({"shard": ["s0"], "path": ["s0.parquet"]}), corpus / "shards.parquet")
    tokenizer = Tokenizer(models.WordLevel({"cat": 0, "dog": 1, "<eos>": 2}, unk_token="<eos>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(["<eos>"])
    tokenizer.save(str(tokens / "tokenizer.json"))
    write_token_shard(tokens / "t0.arrow", pa.array([[0, 1]], pa.list_(pa.int32())))
    pq.write_table(pa.table({"shard": ["s0"], "path": ["t0.arrow"]}), tokens / "token_shards.parquet")
    return corpus, tokens


def test_a_corpus_is_exported_in_each_layout(folders, tmp_path):
    corpus, tokens = folders
    out = tmp_path / "out"
    for layout in writers.LAYOUTS:
        assert list(writers.export(corpus, out, layout, tokens, "<eos>")) == ["s0"]
    written = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    index = ["offset.0", "tokenized.0", "tokenizer.json"]
    assert written == sorted(["documents/s0.jsonl.zst", "s0.csv.gz", "s0.ds", "s0.ds.index", "s0.npy", *index])
    assert np.fromfile(out / "s0.npy", np.uint16).tolist() == [0, 1, 2]


def test_a_selection_is_exported_alone(folders, tmp_path):
    corpus, tokens = folders
    rows = [{"id": f"d{i}", "text": "cat", "language": "en", "source": "s"} for i in range(3)]
    pq.write_table(pa.Table.from_pylist(rows), corpus / "s1.parquet")
    pq.write_table(pa.table({"shard": ["s0", "s1"], "path": ["s0.parquet", "s1.parquet"]}), corpus / "shards.parquet")
    column = pa.array([[0], [1], [1, 0]], pa.list_(pa.int32()))
    write_token_shard(tokens / "t1.arrow", column)
    both = {"shard": ["s0", "s1"], "path": ["t0.arrow", "t1.arrow"]}
    pq.write_table(pa.table(both), tokens / "token_shards.parquet")
    chosen = {"selection": ["rich", "rich", "random"], "shard": ["s1", "s1", "s0"], "row": [2, 0, 0]}
    pq.write_table(pa.table(chosen), tmp_path / "selection.parquet")
    out = tmp_path / "out"
    assert list(writers.export(corpus, tmp_path / "all", "olmo", tokens, "<eos>")) == ["s0", "s1"]
    with pytest.raises(InputError, match=r"holds s0\.npy of another export"):
        list(writers.export(corpus, tmp_path / "all", "olmo", tokens, "<eos>", tmp_path / "selection.parquet", "rich"))
    for layout in ("jsonl", "olmo"):
        written = writers.export(corpus, out, layout, tokens, "<eos>", tmp_path / "selection.parquet", "rich")
        assert list(written) == ["s1"]
    assert np.fromfile(out / "s1.npy", np.uint16).tolist() == [0, 2, 1, 0, 2]
    read = documents.read(str(out / "documents" / "s1.jsonl.zst"), {}, documents.Skipped())
    assert [document.id for document in read] == ["d0", "d2"]
    with pytest.raises(InputError, match=r"no selection 'ritch'; did you mean 'rich'"):
        list(writers.export(corpus, out, "jsonl", None, "", tmp_path / "selection.parquet", "ritch"))
    with pytest.raises(InputError, match="no table of selections"):
        list(writers.export(corpus, out, "jsonl", None, "", corpus / "shards.parquet", "rich"))


@pytest.mark.parametrize(
    ("layout", "with_tokens", "end", "message"),
    [
        ("numpy", True, "<eos>", "expected one of jsonl, olmo, nanotron"),
        ("olmo", False, "<eos>", "give --tokens"),
        ("olmo", True, "", "end token '' is not in the vocabulary"),
        ("nanotron", True, "cat", "'cat' is an ordinary token of .*, met within texts; .* such as <eos>"),
    ],
)
def test_what_cannot_be_exported_is_told(folders, tmp_path, layout, with_tokens, end, message):
    corpus, tokens = folders
    with pytest.raises(InputError, match=message):
        list(writers.export(corpus, tmp_path / "out", layout, tokens if with_tokens else None, end))
    with pytest.raises(InputError, match=r"no shards\.parquet"):
        list(writers.export(tokens, tmp_path / "out", "jsonl"))


def test_ids_of_another_tokenizer_are_told(tmp_path):
    with pytest.raises(InputError, match="outside the vocabulary of 5"):
        writers.write_tokens(pa.array([[5]], pa.list_(pa.int32())), ["a"], tmp_path / "x", "olmo", 1, 5)


def test_tokens_and_selections_of_another_corpus_are_told(folders, tmp_path):
    corpus, tokens = folders
    chosen = {"selection": ["rich"], "shard": ["s0"], "row": [0], "doc_id": ["e"]}
    for change, says in (({}, r"row 0 of shard s0 \(e\) is no document"), ({"row": [1]}, "row 1 of shard s0"),
                         ({"shard": ["s9"]}, "row 0 of shard s9")):  # fmt: skip
        pq.write_table(pa.table(chosen | change), tmp_path / "selection.parquet")
        with pytest.raises(InputError, match=says):
            list(writers.export(corpus, tmp_path / "out", "jsonl", None, "", tmp_path / "selection.parquet", "rich"))
    write_token_shard(tokens / "t0.arrow", pa.array([[0, 1], [1]], pa.list_(pa.int32())))
    for layout in ("olmo", "nanotron", "infini-gram"):
        with pytest.raises(InputError, match="shard s0 has 2 documents there and 1 in the corpus"):
            list(writers.export(corpus, tmp_path / "out", layout, tokens, "<eos>"))
    pq.write_table(pa.table({"shard": ["s1"], "path": ["t0.arrow"]}), tokens / "token_shards.parquet")
    with pytest.raises(InputError, match="no shard s0"):
        list(writers.export(corpus, tmp_path / "out", "olmo", tokens, "<eos>"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        list(writers.export(corpus, tmp_path / "file", "jsonl"))
