"""Exports: read back, whole or not there, and never two in one folder."""

from __future__ import annotations

import errno
import struct
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from tokenizers import Tokenizer, models, pre_tokenizers

from semantic_pivots import run
from semantic_pivots.corpus import documents
from semantic_pivots.corpus import export as exporting
from semantic_pivots.corpus.export import Export, export
from semantic_pivots.corpus.megatron import index_bytes, read_megatron
from semantic_pivots.corpus.token_shards import write_token_shard
from semantic_pivots.errors import InputError
from semantic_pivots.files import file_hash, write_json
from semantic_pivots.selection.score_files import Scores
from semantic_pivots.selection.user_columns import join


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


FILES = {
    "jsonl": ["documents/s0.jsonl.zst"],
    "hub": ["README.md", "croissant.json", "data/s0.parquet"],
    "olmo": ["s0.csv.gz", "s0.npy"],
    "megatron": ["s0.bin", "s0.idx", "tokenizer.json"],
    "nanotron": ["s0.ds", "s0.ds.index"],
    "infini-gram": ["offset.0", "tokenized.0", "tokenizer.json"],
}


@pytest.mark.parametrize("layout", FILES)
def test_a_corpus_is_exported_in_each_layout(folders, tmp_path, layout):
    corpus, tokens = folders
    out = tmp_path / "out"
    manifest = export(Export(corpus, layout, tokens, "<eos>"), out)
    written = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert written == sorted([*FILES[layout], "manifest.json"])
    assert sorted(manifest["files"]) == FILES[layout]
    assert not list(tmp_path.glob(".out*"))
    if layout == "olmo":
        assert np.fromfile(out / "s0.npy", np.uint16).tolist() == [0, 1, 2]
    if layout == "megatron":
        head = b"MMIDIDX\0\0" + struct.pack("<QBQQ", 1, 8, 1, 2)  # version, uint16, a sequence, two bounds
        assert (out / "s0.idx").read_bytes() == head + struct.pack("<iqqq", 3, 0, 0, 1)  # length, place, bounds
        assert (out / "s0.bin").read_bytes() == struct.pack("<3H", 0, 1, 2)
    if layout in ("jsonl", "hub", "megatron"):  # read back, without what stands beside it
        assert [d.text for d in documents.documents(str(out), {})] == ["cat dog"]
    assert export(Export(corpus, layout, tokens, "<eos>"), out) == manifest  # nothing is written again
    for other in set(FILES) - {layout}:
        with pytest.raises(InputError, match=f"holds another export, of layout {layout}"):
            export(Export(corpus, other, tokens, "<eos>"), out)


def test_a_corpus_that_was_altered_is_not_exported(folders, tmp_path):
    corpus, tokens = folders
    for folder, name in ((corpus, "s0.parquet"), (tokens, "t0.arrow")):
        manifest = {"stage": "x", "digest": "0", "files": {name: file_hash(folder / name)}}
        write_json(folder / "manifest.json", manifest)
        export(Export(corpus, "olmo", tokens, "<eos>"), tmp_path / f"before-{name}")
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole + b"x")
        with pytest.raises(InputError, match=f"{name} was altered after `x` wrote it"):
            export(Export(corpus, "olmo", tokens, "<eos>"), tmp_path / f"after-{name}")
        (folder / name).write_bytes(whole)


class Killed(BaseException):
    pass


def test_a_killed_export_is_not_there_and_continues(folders, tmp_path, monkeypatch):
    corpus, _ = folders
    names = [f"s{i}" for i in range(4)]
    pq.write_table(pa.table({"shard": names, "path": ["s0.parquet"] * 4}), corpus / "shards.parquet")
    written = []

    def killed(table, path):
        if len(written) == 2:
            raise Killed
        written.append(path.name)
        write(table, path)

    write = exporting.write_jsonl
    asked = Export(corpus, "jsonl")
    monkeypatch.setattr(exporting, "write_jsonl", killed)
    with pytest.raises(Killed):
        export(asked, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(exporting, "write_jsonl", lambda table, path: (written.append(path.name), write(table, path)))
    export(asked, tmp_path / "out")
    assert written == [f"{name}.jsonl.zst" for name in names]  # each once
    assert len(list((tmp_path / "out" / "documents").iterdir())) == 4


def test_a_folder_without_a_manifest_and_one_at_work_are_refused(folders, tmp_path):
    corpus, _ = folders
    asked = Export(corpus, "jsonl")
    export(asked, tmp_path / "whole")
    (tmp_path / "whole" / "manifest.json").unlink()
    with pytest.raises(InputError, match="holds other files than a result of `export`"):
        export(asked, tmp_path / "whole")
    lock = run._folder_lock(tmp_path / ".out.partial", tmp_path / "out")
    with lock, pytest.raises(InputError, match="by another run"):
        export(asked, tmp_path / "out")


def test_a_full_disk_is_one_line_and_leaves_no_folder(folders, tmp_path, monkeypatch):
    corpus, _ = folders

    def full(table, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(exporting, "write_jsonl", full)
    with pytest.raises(InputError, match="disk full while writing under"):
        export(Export(corpus, "jsonl"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


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
    assert export(Export(corpus, "olmo", tokens, "<eos>"), tmp_path / "all")["notes"]["shards"] == 2
    with pytest.raises(InputError, match="holds another export"):
        export(Export(corpus, "olmo", tokens, "<eos>", tmp_path / "selection.parquet", "rich"), tmp_path / "all")
    for layout in ("jsonl", "olmo"):
        asked = Export(corpus, layout, tokens, "<eos>", tmp_path / "selection.parquet", "rich")
        assert export(asked, out / layout)["notes"]["shards"] == 1
    assert np.fromfile(out / "olmo" / "s1.npy", np.uint16).tolist() == [0, 2, 1, 0, 2]
    read = documents.read(str(out / "jsonl" / "documents" / "s1.jsonl.zst"), {}, documents.SkippedLines())
    assert [document.id for document in read] == ["d0", "d2"]
    with pytest.raises(InputError, match=r"no selection 'ritch'; did you mean 'rich'"):
        export(Export(corpus, "jsonl", None, "", tmp_path / "selection.parquet", "ritch"), out)
    with pytest.raises(InputError, match="no table of selections"):
        export(Export(corpus, "jsonl", None, "", corpus / "shards.parquet", "rich"), out)


def test_megatron_files_are_read_and_cut_ones_told(folders, tmp_path):
    corpus, tokens = folders
    export(Export(corpus, "megatron", tokens, "<eos>"), tmp_path / "out")
    ids, begins = read_megatron(tmp_path / "out" / "s0.idx")
    assert (ids.tolist(), begins.tolist()) == ([0, 1, 2], [0, 3])
    lengths = np.array([2, 0, 5])
    (tmp_path / "w.idx").write_bytes(index_bytes(lengths, np.dtype("<i4")))
    np.arange(7, dtype=np.int32).tofile(tmp_path / "w.bin")
    assert read_megatron(tmp_path / "w.idx")[1].tolist() == [0, 2, 2, 7]
    np.arange(6, dtype=np.int32).tofile(tmp_path / "w.bin")
    with pytest.raises(InputError, match="not of the 7 ids"):
        read_megatron(tmp_path / "w.idx")
    (tmp_path / "w.idx").write_bytes(index_bytes(lengths, np.dtype("<i4"))[:-1])
    with pytest.raises(InputError, match="or a cut one"):
        read_megatron(tmp_path / "w.idx")


def test_attributes_of_a_selection_are_dolma_s_and_read_as_columns(folders, tmp_path):
    corpus, _ = folders
    rows = [{"id": f"d{i}", "text": "cat", "language": "en", "source": "s"} for i in range(3)]
    pq.write_table(pa.Table.from_pylist(rows), corpus / "s0.parquet")
    chosen = {
        "selection": ["rich"] * 2,
        "shard": ["s0"] * 2,
        "row": [0, 2],
        "doc_id": ["d0", "d2"],
        "score": [-np.inf, 2.0],  # of a document without a score
    }
    pq.write_table(pa.table(chosen), tmp_path / "selection.parquet")
    out = tmp_path / "out"
    export(Export(corpus, "attributes", None, "", tmp_path / "selection.parquet", "rich"), out)
    lines = zstandard.decompress((out / "attributes/pivots/s0.jsonl.zst").read_bytes()).splitlines()
    least = np.finfo(np.float64).min
    assert [orjson.loads(line)["attributes"]["rich__score"] for line in lines] == [[[0, 3, least]], [], [[0, 3, 2.0]]]
    scores = Scores(pa.table({"doc_id": ["d2", "d1", "d0"]}))
    columns = join(str(out / "attributes" / "pivots"), (), scores, tmp_path).of(slice(None))
    assert np.array_equal(columns["rich__score"], [2.0, np.nan, -np.inf], equal_nan=True)
    with pytest.raises(InputError, match="give --selection"):
        export(Export(corpus, "attributes"), tmp_path / "none")


@pytest.mark.parametrize(
    ("layout", "with_tokens", "end", "message"),
    [
        ("numpy", True, "<eos>", "expected one of jsonl, attributes, hub, olmo"),
        ("olmo", False, "<eos>", "give --tokens"),
        ("olmo", True, "", "end token '' is not in the vocabulary"),
        ("nanotron", True, "cat", "'cat' is an ordinary token of .*, met within texts; .* such as <eos>"),
    ],
)
def test_what_cannot_be_exported_is_told(folders, tmp_path, layout, with_tokens, end, message):
    corpus, tokens = folders
    with pytest.raises(InputError, match=message):
        export(Export(corpus, layout, tokens if with_tokens else None, end), tmp_path / "out")
    with pytest.raises(InputError, match=r"no shards\.parquet"):
        export(Export(tokens, "jsonl"), tmp_path / "out")


def test_tokens_and_selections_of_another_corpus_are_told(folders, tmp_path):
    corpus, tokens = folders
    chosen = {"selection": ["rich"], "shard": ["s0"], "row": [0], "doc_id": ["e"]}
    for change, says in (({}, r"row 0 of shard s0 \(e\) is no document"), ({"row": [1]}, "row 1 of shard s0"),
                         ({"shard": ["s9"]}, "row 0 of shard s9")):  # fmt: skip
        pq.write_table(pa.table(chosen | change), tmp_path / "selection.parquet")
        with pytest.raises(InputError, match=says):
            export(Export(corpus, "jsonl", None, "", tmp_path / "selection.parquet", "rich"), tmp_path / "out")
    write_token_shard(tokens / "t0.arrow", pa.array([[0, 1], [1]], pa.list_(pa.int32())))
    for layout in ("olmo", "nanotron", "infini-gram"):
        with pytest.raises(InputError, match="shard s0 has 2 documents there and 1 in the corpus"):
            export(Export(corpus, layout, tokens, "<eos>"), tmp_path / "out")
    pq.write_table(pa.table({"shard": ["s1"], "path": ["t0.arrow"]}), tokens / "token_shards.parquet")
    with pytest.raises(InputError, match="no shard s0"):
        export(Export(corpus, "olmo", tokens, "<eos>"), tmp_path / "out")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        export(Export(corpus, "jsonl"), tmp_path / "file")
