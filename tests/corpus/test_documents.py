"""Readers: what was written is read, from every format; what cannot be read is counted or told in one line."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import tarfile
import uuid
from collections.abc import Callable
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semantic_pivots import tables
from semantic_pivots.corpus import documents as readers
from semantic_pivots.corpus.document import content_id, join, of_parts
from semantic_pivots.corpus.documents import Document, SkippedLines
from semantic_pivots.counting.counts import text_batches
from semantic_pivots.errors import InputError
from semantic_pivots.files import fingerprint

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60).filter(lambda text: text.strip() != "")
ROWS = st.lists(st.fixed_dictionaries({"text": TEXT, "id": st.uuids().map(str)}), min_size=1, max_size=8)


def _lines(rows: list[dict]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _parquet(path: Path, rows: list[dict]) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)


def _arrow(path: Path, rows: list[dict]) -> None:
    table = pa.Table.from_pylist(rows)
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table)


WRITERS: dict[str, Callable[[Path, list[dict]], object]] = {
    "x.jsonl": lambda path, rows: path.write_bytes(_lines(rows)),
    "x.json.gz": lambda path, rows: path.write_bytes(gzip.compress(_lines(rows))),
    "x.jsonl.zst": lambda path, rows: path.write_bytes(zstandard.compress(_lines(rows))),
    "x.ndjson.bz2": lambda path, rows: path.write_bytes(bz2.compress(_lines(rows))),
    "X.JSONL.XZ": lambda path, rows: path.write_bytes(lzma.compress(_lines(rows))),
    "x.parquet": _parquet,
    "x.arrow": _arrow,
}


def read(path: Path | str, *columns: str) -> tuple[list[Document], SkippedLines]:
    skipped = SkippedLines()
    return list(readers.read(str(path), readers.column_map(columns), skipped)), skipped


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_every_format_gives_back_what_was_written(name, rows, tmp_path):
    WRITERS[name](tmp_path / name, rows)
    found, skipped = read(tmp_path / name)
    assert [(d.id, d.text) for d in found] == [(row["id"], row["text"]) for row in rows]
    assert skipped == SkippedLines(read=len(rows))


COMPRESS = {"gz": gzip.compress, "zst": zstandard.compress, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("suffix", COMPRESS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, data=st.data())
def test_a_cut_file_is_an_error_wherever_it_is_cut(suffix, rows, data, tmp_path):
    packed = COMPRESS[suffix](_lines(rows))
    cut = data.draw(st.integers(1, len(packed) - 1))
    path = tmp_path / f"x.jsonl.{suffix}"
    path.write_bytes(packed[:cut])
    with pytest.raises(InputError, match=rf"x\.jsonl\.{suffix}: truncated or damaged"):
        read(path)


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("between", [b"", bytes(8)], ids=["side by side", "padded"])
def test_several_compressed_frames_are_one_file(suffix, between, tmp_path):
    packed = between.join(COMPRESS[suffix](_lines([{"text": word}])) for word in ("a", "b", "c"))
    (tmp_path / f"x.jsonl.{suffix}").write_bytes(packed + between)
    assert [d.text for d in read(tmp_path / f"x.jsonl.{suffix}")[0]] == ["a", "b", "c"]


@pytest.mark.parametrize("suffix", COMPRESS)
def test_what_follows_a_compressed_frame_is_a_frame_or_damage(suffix, tmp_path):
    first, second = (COMPRESS[suffix](_lines([{"text": word}])) for word in ("a", "b"))
    for tail in (b"\x01" + second[1:], b"text", second[:8]):
        (tmp_path / f"x.jsonl.{suffix}").write_bytes(first + tail)
        with pytest.raises(InputError, match=rf"x\.jsonl\.{suffix}: truncated or damaged"):
            read(tmp_path / f"x.jsonl.{suffix}")


def test_bad_lines_are_counted_by_reason_with_their_first_line(tmp_path):
    path = tmp_path / "x.jsonl"
    lines = [
        b'\xef\xbb\xbf{"text": "good"}',
        b"{",
        b"",
        b'{"text": "\xff"}',
        b"[1]",
        b'{"text": 3}',
        b'{"text": " "}',
        b"{",
    ]
    path.write_bytes(b"\n".join(lines))
    found, skipped = read(path)
    assert [d.text for d in found] == ["good"]
    assert skipped.reasons == {
        "invalid JSON": (2, 2),
        "invalid UTF-8": (1, 4),
        "no JSON object": (1, 5),
        "int in place of a text": (1, 6),
        "no text": (1, 7),
    }
    assert skipped.read == 7
    assert skipped.total == 6


def test_invalid_utf8_in_parquet_is_one_bad_row(tmp_path):
    column = pa.array([b"good", b"\xff\xfe", b"fine"], pa.binary()).cast(pa.string(), safe=False)
    pq.write_table(pa.table({"text": column}), tmp_path / "x.parquet")
    found, skipped = read(tmp_path / "x.parquet")
    assert [d.text for d in found] == ["good", "fine"]
    assert skipped.reasons == {"invalid UTF-8": (1, 2)}


def test_columns_are_found_mapped_and_reached_inside_structures(tmp_path):
    row = {
        "raw_content": "no",
        "body": {"plain": "yes"},
        "metadata": {"language": "fra_Latn"},
        "doc_id": 0,
        "dataset": "d",
    }
    for name, write in WRITERS.items():
        write(tmp_path / name, [row])
        assert read(tmp_path / name, "text=body.plain")[0] == [Document("0", "yes", "fr", "d")]
        assert read(tmp_path / name)[0] == [Document("0", "no", "fr", "d")]


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet", "x.arrow"])
def test_a_column_may_have_a_dot_in_its_name(name, tmp_path):
    row = {"doc.text": "Hund", "metadata.language": "de", "doc": {"text": "chat"}}
    WRITERS[name](tmp_path / name, [row])
    assert read(tmp_path / name, "text=doc.text")[0] == [Document(content_id("Hund"), "Hund", "de", name)]
    assert read(tmp_path / name, "text=doc.text", "language=doc.text")[0][0].language == "hund"
    assert [b.to_pylist() for b in text_batches(str(tmp_path / name), ["text=doc.text"])] == [["Hund"]]


def test_numbers_that_json_has_not_are_read_and_halves_of_characters_named(tmp_path):
    lines = [
        b'{"text": "a", "metadata": {"score": NaN, "size": -Infinity}}',
        rb'{"text": "cut emoji \ud83d"}',
        rb'{"text": "b", "metadata": "\ud83d"}',
    ]
    (tmp_path / "x.jsonl").write_bytes(b"\n".join(lines))
    found, skipped = read(tmp_path / "x.jsonl")
    assert [d.text for d in found] == ["a", "b"]
    assert skipped.reasons == {"half of a surrogate pair, which is no character": (1, 2)}


def test_an_id_that_lost_its_digits_is_refused(tmp_path):
    """JSON readers and pandas round large numbers, and documents of other ids would become one."""
    lines = [b'{"id": %d, "text": "t"}' % number for number in (2**53 + 1, 2**63 + 1, 10**22, 10**22 + 1)]
    (tmp_path / "x.jsonl").write_bytes(b"\n".join(lines))
    documents, skipped = read(tmp_path / "x.jsonl")
    assert [d.id for d in documents] == ["9007199254740993", "9223372036854775809"]
    ((reason, lines_of_reason),) = skipped.reasons.items()
    assert reason.startswith("id without its last digits")
    assert lines_of_reason == (2, 3)


def test_a_text_in_utf_16_is_no_text(tmp_path):
    for name, encoding in (("a.txt", "utf-16"), ("b.txt", "utf-16-le")):
        (tmp_path / name).write_bytes("the cat".encode(encoding))
        documents, skipped = read(tmp_path / name)
        assert not documents
        assert skipped.total == 1


def test_a_map_of_texts_by_language_gives_parts(tmp_path):
    texts = pa.array([[("en", "A dog."), ("fr", "Un chien.")]], pa.map_(pa.string(), pa.string()))
    pq.write_table(pa.table({"id": ["x"], "translation": texts}), tmp_path / "x.parquet")
    assert [d.parts for d in read(tmp_path / "x.parquet")[0]] == [(("en", "A dog."), ("fr", "Un chien."))]


def test_a_zstd_dictionary_is_named(tmp_path):
    samples = [json.dumps({"text": f"the cat number {i} sat on the mat {i * 7}"}).encode() for i in range(400)]
    words = zstandard.train_dictionary(1000, samples)
    (tmp_path / "x.jsonl.zst").write_bytes(zstandard.ZstdCompressor(dict_data=words).compress(samples[0]))
    with pytest.raises(InputError, match=f"compressed with a zstd dictionary .number {words.dict_id()}."):
        read(tmp_path / "x.jsonl.zst")


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_compressed_file_of_no_bytes_is_damaged(suffix, tmp_path):
    path = tmp_path / f"x.jsonl.{suffix}"
    path.write_bytes(b"")
    with pytest.raises(InputError, match="damaged: the file is empty"):
        read(path)
    path.write_bytes(COMPRESS[suffix](b""))
    assert read(path)[0] == []


def test_an_arrow_stream_that_ends_between_batches_was_cut(tmp_path):
    table = pa.Table.from_pylist([{"text": f"{i}"} for i in range(40)])
    with pa.ipc.new_stream(tmp_path / "x.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=10)
    whole = (tmp_path / "x.arrow").read_bytes()
    assert len(read(tmp_path / "x.arrow")[0]) == 40
    batch = whole.rindex(b"\xff\xff\xff\xff", 0, len(whole) - 8)
    (tmp_path / "x.arrow").write_bytes(whole[:batch])
    with pytest.raises(InputError, match=r"x\.arrow: an Arrow stream without its end: it was cut"):
        read(tmp_path / "x.arrow")


def test_a_flipped_bit_in_a_parquet_file_with_checksums_is_told(tmp_path):
    path = tmp_path / "x.parquet"
    table = pa.table({"text": [f"document {i}" for i in range(50)]})
    pq.write_table(table, path, compression="none", use_dictionary=False, write_page_checksum=True)
    data = bytearray(path.read_bytes())
    data[data.index(b"document 30") + 3] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"x\.parquet: .*damaged"):
        read(path)
    with pytest.raises(InputError, match=r"x\.parquet: .*damaged"):
        list(text_batches(str(path)))


def test_a_document_without_id_has_the_hash_of_its_text(tmp_path):
    (tmp_path / "x.txt").write_text("un texte\n", "utf-8")
    (tmp_path / "x.jsonl").write_text('{"text": "un texte"}\n', "utf-8")
    (tmp_path / "y.jsonl").write_text('{"text": "un texte", "id": NaN}\n', "utf-8")
    expected = content_id("un texte")
    assert [read(tmp_path / name)[0][0].id for name in ("x.txt", "x.jsonl", "y.jsonl")] == [expected] * 3
    assert expected == "b6dbd3cc1ff190f43ccd441390eeba60"  # the same on every machine and in every version


def test_folders_of_dolma_hugging_face_and_our_own(tmp_path):
    dolma = tmp_path / "dolma"
    for name in ("documents/books/0.json.gz", "attributes/quality/books/0.json.gz", "documents/.hidden/1.json.gz"):
        (dolma / name).parent.mkdir(parents=True, exist_ok=True)
        (dolma / name).write_bytes(gzip.compress(_lines([{"text": name, "id": name, "source": "books"}])))
    assert [name.removeprefix(str(tmp_path)) for name, _ in readers.list_files(str(dolma))] == [
        "/dolma/documents/books/0.json.gz"
    ]
    (dolma / "attributes/notes.json.gz").write_bytes(gzip.compress(_lines([{"text": "of mine"}])))
    told: list[str] = []
    assert len(readers.list_files(str(dolma), told.append)) == 1
    assert told == [f"corpus {dolma}: left out 1 file of attributes, such as attributes/notes.json.gz"]
    made = tmp_path / "made"  # by `pivots corpus make`
    for name in ("shards/a-000.parquet", "skipped.parquet", "manifest.json"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(b"{}" if name == "manifest.json" else b"")
    pq.write_table(tables.from_rows("shards", []), made / "shards.parquet")
    assert [Path(name).name for name, _ in readers.list_files(str(made), pytest.fail)] == ["a-000.parquet"]
    folder = tmp_path / "hub"
    (folder / "data").mkdir(parents=True)
    for name in ("dataset_info.json", "state.json", "README.md"):
        (folder / name).write_text("{}")
    _arrow(folder / "data" / "data-00000-of-00001.arrow", [{"text": "t"}])
    files = readers.list_files(str(folder))
    assert [Path(name).name for name, _ in files] == ["data-00000-of-00001.arrow"]
    assert files[0][1] == (folder / "data" / "data-00000-of-00001.arrow").stat().st_size


def test_a_file_of_the_users_named_shards_is_documents(tmp_path):
    for name in ("shards.parquet", "more.parquet"):
        _parquet(tmp_path / name, [{"text": name}])
    assert [Path(name).name for name, _ in readers.list_files(str(tmp_path), pytest.fail)] == [
        "more.parquet",
        "shards.parquet",
    ]


def test_a_language_is_a_code_a_name_or_not_known(tmp_path):
    given = ["fr", "FRA_Latn", "French", "und", "unknown", ["fr"], {"code": "fr"}, 3, None, "tlh"]
    (tmp_path / "x.jsonl").write_bytes(_lines([{"text": "t", "language": value} for value in given]))
    assert [document.language for document in read(tmp_path / "x.jsonl")[0]] == ["fr"] * 3 + [""] * 6 + ["tlh"]


def test_columns_of_bytes_are_read_as_strings(tmp_path):
    row = {"text": b"un texte", "id": b"a", "language": b"fr", "source": b"web"}
    _parquet(tmp_path / "x.parquet", [row, {**row, "source": b"\xff"}])
    found, skipped = read(tmp_path / "x.parquet")
    assert found == [Document("a", "un texte", "fr", "web")]
    assert skipped.reasons == {"invalid UTF-8": (1, 2)}


def test_a_file_whose_name_is_no_text_is_told(tmp_path):
    with open(os.fsencode(tmp_path) + b"/\xff.jsonl", "wb") as stream:
        stream.write(_lines([{"text": "a"}]))
    for reader in (readers.list_files, readers.identity):
        with pytest.raises(InputError, match="its name is not UTF-8"):
            reader(str(tmp_path))


def test_a_large_file_that_changes_in_its_middle_is_another(tmp_path, monkeypatch):
    monkeypatch.setattr("semantic_pivots.files._SAMPLED_ABOVE_BYTES", 2 << 20)
    path = tmp_path / "x.jsonl"
    path.write_bytes(bytes(3 << 20))
    before = readers.identity(str(path))
    with path.open("r+b") as stream:
        stream.seek(3 << 19)
        stream.write(b"x")
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert readers.identity(str(path)) != before


def test_a_readme_is_a_document_where_it_describes_none(tmp_path):
    for name in ("code/a/README.md", "code/b/x.md", "hub/README.md", "hub/data/0.parquet", "hub/data/notes/README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
    found = [str(Path(name).relative_to(tmp_path)) for name, _ in readers.list_files(str(tmp_path), pytest.fail)]
    assert found == ["code/a/README.md", "code/b/x.md", "hub/data/0.parquet", "hub/data/notes/README.md"]


def test_addresses_go_through_fsspec():
    with fsspec.open("memory://corpus/a.jsonl", "wb") as stream:
        stream.write(_lines([{"text": "there"}]))
    files = readers.list_files("memory://corpus")
    assert [name for name, _ in files] == ["memory:///corpus/a.jsonl"]
    assert read(files[0][0])[0][0].text == "there"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "no such file or folder"),
        (lambda folder: (folder / "a.pdf").write_bytes(b"x"), "no documents in 1 file;"),
    ],
)
def test_nothing_to_read_is_told(make, message, tmp_path):
    make(tmp_path)
    with pytest.raises(InputError, match=message):
        readers.list_files(str(tmp_path))


def test_files_of_other_kinds_are_told(tmp_path):
    for name in ("a.TXT", "b.md.bz2", "c.pdf", "d.parquet.gz", ".hidden"):
        (tmp_path / name).write_bytes(b"x")
    told = []
    files = readers.list_files(str(tmp_path), told.append)
    assert [Path(path).name for path, _ in files] == ["a.TXT", "b.md.bz2"]
    assert told == [f"corpus {tmp_path}: left out 2 of 4 files, of a kind without documents, such as c.pdf"]


def test_other_errors_name_the_file_and_what_is_expected(tmp_path):
    with pytest.raises(InputError, match=r"absent\.jsonl: no such file"):
        read(tmp_path / "absent.jsonl")
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"x\.parquet: not a Parquet file"):
        read(tmp_path / "x.parquet")
    twice = pa.Table.from_arrays([pa.array(["one"]), pa.array(["other"])], ["text", "text"])
    pq.write_table(twice, tmp_path / "z.parquet")
    with pytest.raises(InputError, match=r"z\.parquet: 2 columns are named 'text'"):
        read(tmp_path / "z.parquet")
    _parquet(tmp_path / "y.parquet", [{"body": "t"}])
    with pytest.raises(InputError, match=r"no column 'text' among \['body'\]"):
        read(tmp_path / "y.parquet")
    with pytest.raises(InputError, match="nosuch://"):
        readers.list_files("nosuch://bucket/x")


def test_linked_folders_are_read_each_once(tmp_path):
    for name in ("corpus/a", "elsewhere/deep", "corpus/.hidden"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("corpus/a/1::2 #?.jsonl", "elsewhere/3.jsonl", "elsewhere/deep/4.jsonl", "corpus/.hidden/5.jsonl"):
        (tmp_path / name).write_bytes(_lines([{"text": name}]))
    for link, target in (("b", tmp_path / "elsewhere"), ("c", "a"), ("d", "../corpus"), ("up", "..")):
        (tmp_path / "corpus" / link).symlink_to(target)
    (tmp_path / "elsewhere/loop").symlink_to(tmp_path / "corpus")
    files = [path for path, _ in readers.list_files(str(tmp_path / "corpus"))]
    assert [path.removeprefix(f"{tmp_path}/") for path in files] == [
        "corpus/a/1::2 #?.jsonl", "corpus/b/3.jsonl", "corpus/b/deep/4.jsonl",
    ]  # fmt: skip
    assert read(files[0])[0][0].text == "corpus/a/1::2 #?.jsonl"
    before = fingerprint(tmp_path / "corpus")
    (tmp_path / "elsewhere/deep/4.jsonl").write_bytes(b"")
    assert fingerprint(tmp_path / "corpus") != before


def test_a_folder_that_cannot_be_listed_is_told(tmp_path, monkeypatch):
    (tmp_path / "shut").mkdir()
    (tmp_path / "a.jsonl").write_bytes(_lines([{"text": "a"}]))
    scan = os.scandir

    def scandir(path):
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(InputError, match=r"cannot be listed: .*Permission denied"):
        readers.list_files(str(tmp_path))


@pytest.mark.parametrize("name", WRITERS)
def test_a_renamed_column_that_no_file_has_is_told(name, tmp_path):
    WRITERS[name](tmp_path / f"1{name}", [{"text": "a"}])
    WRITERS[name](tmp_path / f"2{name}", [{"text": "a", "meta": {"key": "1"}}, {"text": "b", "meta": {"key": "2"}}])
    files = readers.list_files(str(tmp_path))
    readers.check_columns(files, {"id": "meta.key"})  # the first file has none: its documents have hashes
    assert [d.id for d in read(tmp_path / f"2{name}", "id=meta.key")[0]] == ["1", "2"]
    assert [d.id for d in read(tmp_path / f"1{name}", "id=meta.key")[0]] == [content_id("a")]
    for column in ("kye", "meta.kye"):
        with pytest.raises(InputError, match=f"no column '{column}' for the id in the first lines of 2 files"):
            readers.check_columns(files, {"id": column})
    with pytest.raises(InputError, match="no column 'body'") as refusal:
        readers.check_columns(files, {"id": "kye", "text": "body"})
    if "jsonl" in name:  # a table without its texts is refused by itself
        assert "no column 'kye' for the id" in str(refusal.value)


def test_samples_of_a_webdataset_are_documents(tmp_path: Path):
    members = {
        "a/001.txt": b"one text", "a/001.jpg": b"\xff", "a/002.json": b'{"text": "two", "id": "x", "language": "fr"}',
        "003.json": b"{", "004.jpg": b"\xff", "005.txt": b"five",
    }  # fmt: skip
    with tarfile.open(tmp_path / "000.tar.gz", "w:gz") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    skipped = SkippedLines()
    found = list(readers.read(str(tmp_path / "000.tar.gz"), {}, skipped))
    assert [(d.id, d.text, d.language) for d in found] == [
        ("a/001", "one text", ""),
        ("x", "two", "fr"),
        ("005", "five", ""),
    ]
    assert skipped.reasons == {"invalid JSON or UTF-8": (1, 3), "no text": (1, 4)}


def test_a_tar_that_does_not_end_at_its_mark_is_damaged(tmp_path: Path):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name in ("a.txt", "b.txt"):
            member = tarfile.TarInfo(name)
            member.size = 4
            archive.addfile(member, io.BytesIO(b"text"))
    whole = content.getvalue()
    (tmp_path / "whole.tar").write_bytes(whole)
    assert [d.id for d in read(tmp_path / "whole.tar")[0]] == ["a", "b"]
    between, header = whole[:1024], whole[:1100]
    for damaged in (b"no archive", between, header, whole + whole, between + b"\x01" + whole[1025:]):
        (tmp_path / "x.tar").write_bytes(damaged)
        with pytest.raises(InputError, match=r"x\.tar: truncated or damaged"):
            read(tmp_path / "x.tar")


def test_only_documents_with_an_english_sentence_are_joined():
    alone = [of_parts(str(n), [("fr", f"phrase {n}"), ("ja", "文")], "rows") for n in range(2)]
    rows = [
        of_parts(code, [("en", "A dog."), (code, text)], "rows") for code, text in (("fr", "Un chien."), ("ja", "犬"))
    ]
    joined = list(join([alone[0], rows[0], alone[1], rows[1]]))
    assert [[text for _, text in document.parts] for document in joined] == [
        ["phrase 0", "文"],
        ["A dog.", "Un chien.", "犬"],
        ["phrase 1", "文"],
    ]


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "x.jsonl", "x.txt"])
def test_folders_named_as_partitions_label_what_names_no_language(name, tmp_path):
    folder = tmp_path / "lang=English" / "source=a%20b" / "content=web" / "language=__HIVE_DEFAULT_PARTITION__"
    folder.mkdir(parents=True)
    WRITERS.get(name, lambda path, rows: path.write_text("text"))(folder / name, [{"text": "text", "id": "1"}, {}])
    documents, skipped = read(folder / name)
    assert [(d.text, d.language, d.source) for d in documents] == [("text", "en", "a b")]
    assert skipped.total == (name != "x.txt")
    assert read(folder / name, "language=source")[0][0].language == "a b"


def test_a_label_of_a_document_goes_before_that_of_its_folder(tmp_path):
    (tmp_path / "language=fr").mkdir()
    path = tmp_path / "language=fr" / "x.jsonl"
    path.write_bytes(_lines([{"text": "a", "lang": "de"}, {"text": "b", "lang": None}, {"text": "c", "lang": "und"}]))
    assert [d.language for d in read(path)[0]] == ["de", "fr", "fr"]


@pytest.mark.parametrize("blank", [None, "", " \u3000\n"])
def test_a_blank_text_is_that_of_the_parts_for_every_reader(blank, tmp_path):
    parts = [{"language": "en", "text": "A dog."}, {"language": "fr", "text": "Un chien."}]
    rows = [{"text": "a", "parts": parts}] * 3 + [{"text": blank, "parts": parts}, {"text": blank, "parts": []}] * 2
    path = tmp_path / "x.parquet"
    pq.write_table(pa.Table.from_pylist([*rows, {"text": "b", "parts": None}]), path, row_group_size=2)
    documents, skipped = read(path)
    counted = SkippedLines()
    texts = [text for batch in text_batches(str(path), (), counted) for text in batch.to_pylist()]
    assert texts == [document.text for document in documents] == ["a"] * 3 + ["A dog.\nUn chien."] * 2 + ["b"]
    assert (counted.read, counted.reasons) == (skipped.read, skipped.reasons) == (8, {"no text": (2, 5)})


def test_an_id_is_one_text_in_whatever_type_a_shard_has_it(tmp_path):
    seconds = pa.array([1_700_000_000_000_000_001], pa.timestamp("ns"))
    types = {"int": pa.array([1]), "float": pa.array([1.0]), "text": pa.array(["1"]), "bool": pa.array([True])}
    for name, ids in (types | {"time": seconds}).items():
        pq.write_table(pa.table({"text": ["a"], "id": ids}), tmp_path / f"{name}.parquet")
        assert read(tmp_path / f"{name}.parquet")[0][0].id == ids.cast(pa.string())[0].as_py()  # as user columns do
    (tmp_path / "x.jsonl").write_bytes(b'{"text": "a", "id": 1.0}\n{"text": "a", "id": true}\n')
    assert [document.id for document in read(tmp_path / "x.jsonl")[0]] == ["1", "true"]


def test_ids_of_16_raw_bytes_are_uuids_and_other_bytes_are_told(tmp_path):
    keys = [uuid.UUID(int=7), uuid.uuid5(uuid.NAMESPACE_URL, "a")]  # the bytes of the first are UTF-8 too
    raw = pa.array([key.bytes for key in keys], pa.binary(16))
    for ids in (raw, pa.ExtensionArray.from_storage(pa.uuid(), raw)):
        pq.write_table(pa.table({"text": ["a", "b"], "id": ids}), tmp_path / "x.parquet")
        assert [document.id for document in read(tmp_path / "x.parquet")[0]] == [str(key) for key in keys]
    for ids in (raw.cast(pa.binary()), pa.array([b"text", b"\xff" * 4], pa.binary(4))):
        pq.write_table(pa.table({"text": ["a", "b"], "id": ids}), tmp_path / "x.parquet")
        documents, skipped = read(tmp_path / "x.parquet")
        assert (len(documents), skipped.reasons) == (1, {"an id of bytes that are no text; write ids as texts": (1, 2)})


def _no_text(values: list[bytes]) -> pa.Array:
    """Bytes under the name of strings, as a Parquet file may hold them."""
    storage = pa.array(values, pa.binary())
    return pa.Array.from_buffers(pa.string(), len(storage), storage.buffers())


@pytest.mark.parametrize(
    "columns",
    [
        {"id": [1.0, 2.0**53, None, float("nan")] * 2},
        {"id": _no_text([b"a", b"b", b"\xff", b"c"] * 2)},
        {"id": pa.array([b"a", b"b", b"\xff", b"c"] * 2)},
        {"source": _no_text([b"a", b"b", b"\xff", b"c"] * 2)},
        {"metadata": pa.StructArray.from_arrays([_no_text([b"a", b"\xff", b"en", b"c"] * 2)], ["language"])},
        {"metadata": pa.StructArray.from_arrays([pa.array([b"a", b"\xff", b"en", b"c"] * 2)], ["language"])},
        {"language": _no_text([b"en", b"\xff"]).dictionary_encode().take(pa.array([0, 1, 0, 0] * 2))},
        {"parts": pa.MapArray.from_arrays(range(9), _no_text([b"en", b"\xff", b"en", b"en"] * 2), pa.array(["a"] * 8))},
    ],
    ids=["number", "text", "bytes", "source", "structure", "bytes in a structure", "dictionary", "parts"],
)
def test_rows_that_give_no_document_are_the_same_for_count_and_corpus_make(columns, tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"text": list("abcdefgh"), **columns}), path, row_group_size=4, use_dictionary=False)
    documents, skipped = read(path)
    counted = SkippedLines()
    texts = [text for batch in text_batches(str(path), (), counted) for text in batch.to_pylist()]
    assert texts == [document.text for document in documents]
    assert (counted.read, counted.reasons) == (skipped.read, skipped.reasons)
    assert (skipped.read, skipped.total) == (8, 2)


@pytest.mark.parametrize("array", [b'[{"text": "a"}, {"text": "b"}]', b'[\n{"text": "a"},\n{"text": "b"}\n]\n'])
def test_a_json_array_is_told_and_not_one_bad_line_of_many(array, tmp_path):
    (tmp_path / "x.json").write_bytes(array)
    with pytest.raises(InputError, match="begins with a JSON array"):
        read(tmp_path / "x.json")


def test_files_that_a_job_did_not_commit_and_older_versions_are_no_documents(tmp_path):
    for folder in ("", "_temporary/0/task_1"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        _parquet(tmp_path / folder / "x.parquet", [{"text": "a"}])
    told: list[str] = []
    assert readers.list_files(str(tmp_path), told.append)[0][0] == str(tmp_path / "x.parquet")
    assert "1 file that a job has not committed" in told[0]
    assert len(readers.list_files(str(tmp_path), told.append)) == 1
    (tmp_path / "_delta_log").mkdir()
    (tmp_path / "_delta_log" / "00000000000000000000.json").write_text('{"add": {"path": "x.parquet"}}\n')
    with pytest.raises(InputError, match="a Delta table"):
        readers.list_files(str(tmp_path))
