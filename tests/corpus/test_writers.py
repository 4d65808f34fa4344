"""Writers: read back by the project's own readers, by numpy as OLMo-core maps them, and by datatrove."""

from __future__ import annotations

import csv
import gzip

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semantic_pivots.corpus import documents, writers
from semantic_pivots.errors import InputError

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(lambda text: text.strip() != "")
DOCUMENTS = st.lists(st.tuples(TEXT, st.sampled_from(["en", "fr", "zh", ""])), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=DOCUMENTS)
def test_jsonl_is_read_back(rows, tmp_path):
    made = [documents.Document(f"#{i}", text, code, "s") for i, (text, code) in enumerate(rows)]
    writers.write_jsonl(pa.Table.from_pylist([d._asdict() for d in made]), tmp_path / "x.jsonl.zst")
    assert list(documents.read(str(tmp_path / "x.jsonl.zst"), {}, documents.SkippedLines())) == made


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


def test_ids_of_another_tokenizer_are_told(tmp_path):
    with pytest.raises(InputError, match="outside the vocabulary of 5"):
        writers.write_tokens(pa.array([[5]], pa.list_(pa.int32())), ["a"], tmp_path / "x", "olmo", 1, 5)
