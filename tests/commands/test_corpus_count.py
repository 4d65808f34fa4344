"""`pivots count` on files of a user."""

from __future__ import annotations

import dataclasses
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semantic_pivots import study
from semantic_pivots.corpus import formats
from semantic_pivots.counting import counts
from semantic_pivots.counting.counts import text_batches
from semantic_pivots.errors import InputError
from semantic_pivots.run import read_manifest
from tests.commands.invoke import count, invoke

TEXTS = ["un chat et 猫", "des chats", "Chat ! 猫", "rien", 'un "chat"']


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "corpus").mkdir()
    with gzip.open(tmp_path / "corpus/a.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps({"id": str(i), "content": t}) + "\n" for i, t in enumerate(TEXTS))
    (tmp_path / "pairs.tsv").write_text(
        "word_1\tlanguage_1\tword_2\tlanguage_2\nchat\tfr\t猫\tzh\n猫\tzh\tchat\tfr\n", "utf-8"
    )
    (tmp_path / "words.tsv").write_text('language\tword\nfr\trien\nfr\t"chat"\nfr\tabsent\n', "utf-8")
    return tmp_path


def test_counts_of_files(folder: Path):
    asked = {"words": folder / "words.tsv", "pairs": folder / "pairs.tsv", "text_column": "content", "workers": 1}
    count(folder / "out", str(folder / "corpus"), **asked)
    counts = {row["word"]: row["value"] for row in pq.read_table(folder / "out/word_counts.parquet").to_pylist()}
    assert counts == {"chat": 4, "猫": 2, "rien": 1, '"chat"': 1, "absent": 0}  # chats is a form of chat
    forms = pq.read_table(folder / "out/forms.parquet").to_pylist()
    assert {row["form"] for row in forms if row["word"] == "chat"} >= {"chat", "chats"}
    pairs = pq.read_table(folder / "out/pair_counts.parquet").to_pylist()
    assert [(row["value"], row["exact"], row["provider"]) for row in pairs] == [(2, True, "local")]
    assert (read_manifest(folder / "out") or {})["notes"]["documents"] == len(TEXTS)


@pytest.mark.parametrize("name", ["items.parquet", "items.jsonl"])
def test_pairs_of_a_benchmark_file(folder: Path, name: str):
    invoke("benchmark", "build", folder / name, lexicon="cldr", languages="en,fr", items=3)
    asked = {"text_column": "content", "workers": 1}
    count(folder / "out", str(folder / "corpus"), pairs=folder / name, **asked)
    pairs = pq.read_table(folder / "out/pair_counts.parquet").to_pylist()
    assert 3 <= len(pairs) <= 6
    assert {row["language_1"] for row in pairs} | {row["language_2"] for row in pairs} == {
        "en",
        "fr",
    }


def test_counts_as_numbers_for_machines(folder: Path):
    asked = {"words": folder / "words.tsv", "pairs": folder / "pairs.tsv", "text_column": "content", "workers": 1}
    asked["columns"] = f"text={asked.pop('text_column')}"
    told = count(folder / "out", str(folder / "corpus"), format="json", **asked)
    records = json.loads(told[told.index("[\n") :])
    found = {(row["word_1"], row["word_2"]): row["value"] for row in records}
    assert found["rien", None] == 1
    assert found["chat", "猫"] == 2
    told = count(folder / "out", str(folder / "corpus"), format="csv", **asked)
    assert "rien,fr,,,1,document,True" in told.splitlines()


def test_what_would_be_counted_by_mistake_is_told(folder: Path):
    asked = {"words": folder / "words.tsv", "text_column": "content", "workers": 1}
    (folder / "corpus/b.jsonl.gz").write_bytes((folder / "corpus/a.jsonl.gz").read_bytes())
    (folder / "corpus/b.jsonl").write_text('{"content": "un chat"}\n')
    for name in ("1.jsonl", "2.jsonl"):
        (folder / "corpus" / name).write_bytes(b"")
    told = count(folder / "out", str(folder / "corpus"), **asked)
    assert "1 file with the content of another one, whose documents count twice" in told
    assert "1 file named as another one but for its kind, such as" in told
    assert 'quotation marks are counted as part of 1 word, such as "chat"' in told
    with pytest.raises(InputError, match=r"which is read as documents; expected a folder outside of it"):
        count(folder / "corpus/out", str(folder / "corpus"), **asked)
    (folder / "words.tsv").write_text("language\tword\nfr\t\u200b\n", "utf-8")
    with pytest.raises(InputError, match="expected words and language codes"):
        count(folder / "other", str(folder / "corpus"), **asked)


def test_white_space_around_a_word_is_not_looked_for(folder: Path):
    (folder / "words.tsv").write_bytes(b"\xef\xbb\xbfword\tlanguage\r\n chat \tfr \r\n")
    asked = {"text_column": "content", "workers": 1, "words_as": "spelling"}
    told = count(folder / "out", str(folder / "corpus"), folder / "words.tsv", **asked)
    assert "out: 1 word, 0 pairs in" in told
    (row,) = pq.read_table(folder / "out/word_counts.parquet").to_pylist()
    assert (row["word"], row["language"], row["value"]) == ("chat", "fr", 3)


def test_words_as_they_are_spelled_and_by_a_table_of_ones_own(folder: Path):
    (folder / "words.tsv").write_text("word\tlanguage\nchat\tfr\n", "utf-8")
    (folder / "forms.tsv").write_text("word\tlanguage\tform\nchat\tfr\tRien\n", "utf-8")
    asked = {"words": folder / "words.tsv", "text_column": "content", "workers": 1}
    for name, further, value, rule in (
        ("forms", {}, 4, "forms-7 simplemma"),
        ("spelling", {"words_as": "spelling"}, 3, "spelling"),
        ("own", {"forms": str(folder / "forms.tsv")}, 1, "forms-7 simplemma"),
    ):
        count(folder / name, str(folder / "corpus"), **asked, **further)
        (row,) = pq.read_table(folder / name / "word_counts.parquet").to_pylist()
        assert row["value"] == value
        assert row["rule"].startswith(rule)
    for wrong, says in (
        ({"words_as": "form"}, "did you mean 'forms'"),
        ({"words_as": "forms", "forms": "nowhere.tsv"}, "no such file"),
    ):
        with pytest.raises(InputError, match=says):
            count(folder / "none", str(folder / "corpus"), **asked, **wrong)


def test_counts_within_a_window(folder: Path):
    asked = {"pairs": folder / "pairs.tsv", "text_column": "content", "workers": 1}
    for window, value in ((0, 2), (2, 0), (3, 2)):  # chat et 猫, Chat ! 猫
        count(folder / f"out{window}", str(folder / "corpus"), window=window, **asked)
        (row,) = pq.read_table(folder / f"out{window}" / "pair_counts.parquet").to_pylist()
        assert (row["value"], row["window"], row["unit"]) == (value, window, "window" if window else "document")
    other = {"window": 5, "provider": "file", "provider_path": "x"}
    for wrong, says in (({"window": -1}, "--window: -1 is out of range"), (other, "expected --provider local")):
        with pytest.raises(InputError, match=says):
            count(folder / "none", str(folder / "corpus"), **{**asked, **wrong})


def test_a_provider_without_a_place_and_a_language_of_a_file_are_told(folder: Path):
    with pytest.raises(InputError, match=r"--provider infini-gram, --provider-path \"\": the provider needs"):
        count(folder / "none", pairs=folder / "pairs.tsv", provider="infini-gram")
    (folder / "words.tsv").write_text("word\tlanguage\ndog\tzz\n", "utf-8")
    with pytest.raises(InputError, match=r"words\.tsv: unknown language 'zz'"):
        count(folder / "none", corpus=str(folder / "corpus"), words=folder / "words.tsv")


def test_counts_of_another_provider(folder: Path):
    count(folder / "first", str(folder / "corpus"), pairs=folder / "pairs.tsv", text_column="content", workers=1)
    count(folder / "again", pairs=folder / "pairs.tsv", provider="file", provider_path=str(folder / "first"))
    first, again = (pq.read_table(folder / name / "pair_counts.parquet").to_pylist()[0] for name in ("first", "again"))
    assert {**first, "provider": "file", "rule": "provider"} == again


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"pairs": "nowhere.tsv"}, "no such file"),
        ({"pairs": "words.tsv"}, "column 'word_1' is missing"),
        ({}, "expected --words FILE or --pairs FILE"),
        ({"pairs": "nowhere.parquet"}, "no items of a benchmark"),
        ({"pairs": "other.jsonl"}, "no items of a benchmark .'source'.; expected source, source_language"),
        ({"words": "words.tsv", "text_column": "txt"}, "txt"),
        ({"words": "bad.tsv"}, "line 2 has 3 columns"),
        ({"words": "unknown.tsv"}, "did you mean 'fr'"),
        ({"words": "latin.tsv"}, "not UTF-8 at byte 17"),
        ({"words": "empty.tsv"}, "a row holds '', 'fr'"),
        ({"words": "header.tsv"}, "no row below its first line"),
        ({"pairs": "null.jsonl"}, "a row holds 'chat', 'fr', None, 'zh'"),
        ({"words": "words.tsv", "workers": -1}, "--workers: -1 is out of range"),
        ({"words": "words.tsv", "max_bad_share": float("nan")}, "--max-bad-share: nan is out of range"),
    ],
)
def test_errors_name_the_input(folder: Path, asked: dict, says: str):
    (folder / "bad.tsv").write_text("word\tlanguage\na\tb\tc\n", "utf-8")
    (folder / "unknown.tsv").write_text("word\tlanguage\nchat\tfrench\n", "utf-8")
    (folder / "latin.tsv").write_bytes("word\tlanguage\ncaf\xe9\tfr\n".encode("latin-1"))
    (folder / "empty.tsv").write_text("word\tlanguage\n\tfr\n", "utf-8")
    (folder / "header.tsv").write_text("word\tlanguage\n", "utf-8")
    null = {"source": "chat", "source_language": "fr", "target": None, "target_language": "zh"}
    (folder / "null.jsonl").write_text(json.dumps(null), "utf-8")
    (folder / "other.jsonl").write_text('{"word": "chat"}\n', "utf-8")
    files = {
        key: folder / value if str(value).endswith(("tsv", "parquet", "jsonl")) else value
        for key, value in asked.items()
    }
    with pytest.raises(InputError, match=says):
        count(folder / "out", str(folder / "corpus"), **{"workers": 1, "text_column": "content", **files})
    assert not (folder / "out").exists()


KINDS = {
    "string": pa.string(),
    "large string": pa.large_string(),
    "string view": pa.string_view(),
    "dictionary": pa.dictionary(pa.int32(), pa.string()),
    "binary": pa.binary(),
    "large binary": pa.large_binary(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_type_of_text_column_counts_alike(folder: Path, kind: str):
    (folder / "typed").mkdir()
    texts = pa.array(TEXTS, pa.string())
    typed = texts.dictionary_encode() if kind == "dictionary" else texts.cast(KINDS[kind])
    pq.write_table(pa.table({"text": typed}), folder / "typed/a.parquet")
    pq.write_table(pa.table({"text": pa.StructArray.from_arrays([typed], ["body"])}), folder / "nested.parquet")
    for corpus, column in (("typed", "text"), ("nested.parquet", "text.body")):
        count(folder / "out", str(folder / corpus), folder / "words.tsv", text_column=column, workers=1)
        counts = {row["word"]: row["value"] for row in pq.read_table(folder / "out/word_counts.parquet").to_pylist()}
        assert counts == {"rien": 1, '"chat"': 1, "absent": 0}


PARTS = pa.list_(pa.struct([("language", pa.string()), ("text", pa.string())]))
BOTH = [{"language": "fr", "text": "le chat"}, {"language": "en", "text": "rien"}]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize(
    "columns",
    [
        {"content": TEXTS},
        {"raw_content": TEXTS},
        {"content": TEXTS, "raw_content": ["rien"] * 5},
        {"translation": [{"fr": text, "en": "rien"} for text in TEXTS]},
        {"parts": pa.array([BOTH] * 5, PARTS)},
        {"text": [*TEXTS[:4], None], "parts": pa.array([None] * 4 + [BOTH], PARTS)},
    ],
    ids=lambda columns: "+".join(columns),
)
def test_the_documents_of_corpus_make_are_counted(tmp_path: Path, kind: str, columns: dict):
    """`count` reads files itself: by the same columns, and the same text of rows that have parts alone."""
    table = pa.table(columns)
    (tmp_path / "words.tsv").write_text("word\tlanguage\nchat\tfr\nrien\tfr\nle\tfr\n", "utf-8")
    if kind == "parquet":
        pq.write_table(table, tmp_path / "x.parquet")
    else:
        (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()), "utf-8")
    invoke("corpus", "make", path=tmp_path / f"x.{kind}", out=tmp_path / "corpus", workers=1)
    counts = []
    for corpus in (f"x.{kind}", "corpus"):
        count(tmp_path / "out", str(tmp_path / corpus), tmp_path / "words.tsv", workers=1, words_as="spelling")
        counts.append(pq.read_table(tmp_path / "out/word_counts.parquet").to_pylist())
        assert (read_manifest(tmp_path / "out") or {})["notes"]["documents"] == len(TEXTS)
    assert counts[0] == counts[1]
    assert sum(row["value"] for row in counts[0]) > 0


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_long_documents_are_held_a_few_at_a_time(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch):
    for module in (counts, formats):
        monkeypatch.setattr(module, "BATCH_BYTES", 40_000)
    texts = [f"chat {i} {i * 7 % 1000:x}" * 1000 for i in range(20)] + ["chat"] * 500 + ["chat" * 20_000]
    if kind == "jsonl":
        (tmp_path / "x.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), "utf-8")
    else:
        pq.write_table(pa.table({"text": texts}), tmp_path / "x.parquet", use_dictionary=False, row_group_size=20)
    batches = [batch.to_pylist() for batch in text_batches(str(tmp_path / f"x.{kind}"))]
    assert [text for batch in batches for text in batch] == texts
    assert max(sum(map(len, batch)) for batch in batches) < 40_000 + 80_000
    assert len(batches) < 25


def test_rows_without_text_are_no_documents(folder: Path):
    sound = [f"rien {i}" for i in range(400)]
    storage = pa.array([*(text.encode() for text in sound), None, b"", b" \n", b"rien \xff\xf0"], pa.binary())
    texts = pa.Array.from_buffers(pa.string(), len(storage), storage.buffers())
    for corpus in ("few.parquet", "few.jsonl"):
        if corpus.endswith("parquet"):
            pq.write_table(pa.table({"text": texts}), folder / corpus)
        else:
            lines = [json.dumps({"text": text}).encode() for text in (*sound, None, "", " \n")]
            (folder / corpus).write_bytes(b"\n".join([*lines, b'{"text": "rien \xff"}']))
        count(folder / "out", str(folder / corpus), folder / "words.tsv", workers=1)
        notes = (read_manifest(folder / "out") or {})["notes"]
        assert (notes["documents"], notes["skipped"]) == (400, 4)
        counts = {row["word"]: row["value"] for row in pq.read_table(folder / "out/word_counts.parquet").to_pylist()}
        assert counts["rien"] == 400


def test_the_share_of_bad_lines_is_that_of_the_corpus(folder: Path):
    texts = folder / "texts"
    texts.mkdir()
    for i in range(120):
        (texts / f"{i}.txt").write_text("" if i == 7 else "rien", "utf-8")
    count(folder / "out", str(texts), folder / "words.tsv", workers=1)
    assert (read_manifest(folder / "out") or {})["notes"] == {"documents": 119, "skipped": 1}
    for i in range(8, 12):
        (texts / f"{i}.txt").write_text(" ", "utf-8")
    says = r"5 of 120 lines give no document, above --max-bad-share 0.01; most: .*\.txt: no text"
    with pytest.raises(InputError, match=says):
        count(folder / "out", str(texts), folder / "words.tsv", workers=1)
    count(folder / "out", str(texts), folder / "words.tsv", workers=1, max_bad_share=0.05)
    assert (read_manifest(folder / "out") or {})["notes"] == {"documents": 115, "skipped": 5}
    (folder / "empty.jsonl").write_text("\n", "utf-8")
    with pytest.raises(InputError, match="no document with text was found"):
        count(folder / "out", str(folder / "empty.jsonl"), folder / "words.tsv", workers=1)


def test_commas_in_place_of_tabs_are_told(folder: Path):
    (folder / "words.csv").write_text("word,language\nchat,fr\n", "utf-8")
    with pytest.raises(InputError, match="parted by commas, expected tabs"):
        count(folder / "out", str(folder / "corpus"), folder / "words.csv")


def test_finished_counts_are_left_alone_and_a_new_version_is_not(folder: Path, monkeypatch):
    """One rule of what is up to date, for studies and commands."""
    asked = {"words": folder / "words.tsv", "text_column": "content", "workers": 1}
    first = count(folder / "out", str(folder / "corpus"), **asked)
    written = (folder / "out" / "manifest.json").stat().st_mtime_ns
    assert "up to date" not in first
    assert "up to date" in count(folder / "out", str(folder / "corpus"), **asked)
    assert (folder / "out" / "manifest.json").stat().st_mtime_ns == written
    stage = study.STAGES["count"]
    monkeypatch.setitem(study.STAGES, "count", dataclasses.replace(stage, version=stage.version + 1))
    assert "up to date" not in count(folder / "out", str(folder / "corpus"), **asked)
