"""The corpus stage on files of the user: shards, skipped lines, languages, and equal bytes whatever the workers."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semantic_pivots.corpus.corpus_stage import CorpusConfig
from semantic_pivots.corpus.identify import identify, identify_with_confidence
from semantic_pivots.corpus.shards import SHARD_SCHEMA, corpus_stage
from semantic_pivots.errors import InputError
from semantic_pivots.run import Inputs, Work
from semantic_pivots.tables import conform

SENTENCES = {
    "en": "The house stands beside the river, and the children are playing in the garden.",
    "fr": "La maison se trouve au bord de la rivière et les enfants jouent dans le jardin.",
    "zh": "房子在河边，孩子们正在花园里玩耍，天气非常好。",
    "ja": "家は川のそばにあり、子供たちは庭で遊んでいます。",
    "de": "Das Haus steht am Fluss, und die Kinder spielen im Garten.",
    "ru": "Дом стоит у реки, и дети играют в саду.",
}


def run(folder: Path, **keys) -> tuple[dict, Work]:
    for name in ("work", "out"):
        (folder / name).mkdir(parents=True)
    work = Work(folder / "work", folder / "out")
    tables = corpus_stage(CorpusConfig(**{"workers": 1, "allow_missing_languages": True, **keys}), Inputs({}), work)
    return {name: conform(name, table) for name, table in tables.items()}, work


def texts(tables: dict, work: Work) -> list[str]:
    shards = [pq.read_table(work.out / path) for path in tables["shards"]["path"].to_pylist()]
    assert all(shard.schema.equals(SHARD_SCHEMA) for shard in shards)
    return [text for shard in shards for text in shard["text"].to_pylist()]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for file in range(3):
        rows = [{"text": f"{file}.{i} {SENTENCES['en']}", "language": "en"} for i in range(40)]
        (folder / f"{file}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_bytes_do_not_depend_on_the_workers(source, tmp_path):
    one = run(tmp_path / "one", path=str(source), shard_bytes=1_000)
    two = run(tmp_path / "two", path=str(source), shard_bytes=1_000, workers=2)
    assert one[0] == two[0]
    files = sorted(path.name for path in (tmp_path / "one/out/shards").iterdir())
    assert len(files) > 6
    for name in files:
        assert (tmp_path / "one/out/shards" / name).read_bytes() == (tmp_path / "two/out/shards" / name).read_bytes()
    assert texts(*one) == [f"{file}.{i} {SENTENCES['en']}" for file in range(3) for i in range(40)]


def test_repeated_ids_are_told_with_their_share(tmp_path, capsys):
    rows = [{"id": f"d{i % 8}", "text": f"{i} {SENTENCES['en']}", "language": "en"} for i in range(10)]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    tables, work = run(tmp_path / "run", path=str(tmp_path / "x.jsonl"))
    assert work.notes["repeated_ids"] == 0.2
    assert "20.00% of the documents repeat the id of an earlier one" in capsys.readouterr().err
    assert tables["shards"]["documents"].to_pylist() == [10]


def test_small_files_share_a_shard(tmp_path):
    folder = tmp_path / "pages"
    folder.mkdir()
    for i in range(50):
        (folder / f"{i:02d}.txt").write_text(f"page {i}", "utf-8")
    tables, work = run(tmp_path / "run", path=str(folder))
    assert tables["shards"]["documents"].to_pylist() == [50]
    assert texts(tables, work) == [f"page {i}" for i in range(50)]


def test_bad_lines_up_to_the_share_are_reported_and_above_it_stop(source, tmp_path):
    bad = source / "1.jsonl"
    bad.write_text(bad.read_text() + "{\n{\n")
    tables, work = run(tmp_path / "few", path=str(source), max_bad_share=0.02, languages=("en",))
    assert tables["skipped"].to_pylist() == [{"path": str(bad), "reason": "invalid JSON", "lines": 2, "first_line": 41}]
    assert len(work.warnings) == 1
    with pytest.raises(InputError, match=r"2 of 122 lines .* invalid JSON, 2 times, first at .*1\.jsonl line 41"):
        run(tmp_path / "many", path=str(source))


def test_an_empty_corpus_is_an_error(tmp_path):
    (tmp_path / "x.jsonl").write_text("\n\n")
    with pytest.raises(InputError, match="no document with text"):
        run(tmp_path / "run", path=str(tmp_path / "x.jsonl"))


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'debian-demo'"):
        corpus_stage(CorpusConfig(recipe="debian-dmeo"), Inputs({}), Work(Path("."), Path(".")))


def test_languages_are_given_or_identified(tmp_path):
    rows = [{"text": text} for text in SENTENCES.values()] + [{"text": SENTENCES["fr"], "lang": "EN-us"}]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    tables, work = run(tmp_path / "given", path=str(tmp_path / "x.jsonl"))
    shard = pq.read_table(work.out / tables["shards"]["path"][0].as_py())
    assert shard["language"].to_pylist() == [*SENTENCES, "en"]
    assert tables["shards"]["language"].to_pylist() == ["mixed"]
    tables, work = run(tmp_path / "again", path=str(tmp_path / "x.jsonl"), identify_language=True)
    shard = pq.read_table(work.out / tables["shards"]["path"][0].as_py())
    assert shard["language"].to_pylist() == [*SENTENCES, "fr"]


def test_texts_without_letters_have_no_language():
    assert [identify(text) for text in ("123 456", "!?", "😀")] == ["", "", ""]


def test_an_identified_language_has_its_confidence_and_a_given_one_has_none(tmp_path):
    rows = [{"text": SENTENCES["fr"]}, {"text": SENTENCES["en"], "lang": "fra_Latn"}]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    tables, work = run(tmp_path / "out", path=str(tmp_path / "x.jsonl"))
    shard = pq.read_table(work.out / tables["shards"]["path"][0].as_py())
    assert shard["language"].to_pylist() == ["fr", "fr"]
    identified, given = shard["language_confidence"].to_pylist()
    assert given is None
    assert identified == pytest.approx(identify_with_confidence(SENTENCES["fr"])[1])
    assert 0.5 < identified <= 1


def test_values_that_name_no_language_are_told(tmp_path, capsys):
    rows = [{"text": f"The dog sleeps under the table number {i}.", "language": i % 2} for i in range(6)]
    rows += [{"text": "The cat sleeps.", "lang": ["en"]}, {"text": "The bird sleeps.", "translation": "Der Vogel."}]
    rows += [{"text": "The cow sleeps.", "language": None}, {"text": "The pig sleeps.", "language": float("nan")}]
    folder = tmp_path / "documents"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(rows[:6]), folder / "a.parquet")
    (folder / "b.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[6:]))
    run(tmp_path / "run", path=str(folder))
    told = capsys.readouterr().err
    assert f"6 documents have int in place of a language, first at {folder}/a.parquet line 1" in told
    assert f"1 documents have list in place of a language, first at {folder}/b.jsonl line 1" in told
    assert f"1 documents have str in place of parts, first at {folder}/b.jsonl line 2" in told
    assert told.count("in place of") == 3


def test_unknown_language_labels_are_told_with_their_share(tmp_path, capsys):
    labels = ["Klingonisch"] * 3 + ["iw", "Chinese (Simplified)", "ekk", "npi", "azj"]
    rows = [{"text": SENTENCES["en"], "lang": label} for label in labels]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    tables, work = run(tmp_path / "out", path=str(tmp_path / "x.jsonl"))
    shard = pq.read_table(work.out / tables["shards"]["path"][0].as_py())
    assert shard["language"].to_pylist() == ["klingonisch"] * 3 + ["he", "zh", "et", "ne", "az"]
    assert work.notes["unknown_languages"] == {"klingonisch": 3}
    assert "'klingonisch' (37.50%)" in capsys.readouterr().err
