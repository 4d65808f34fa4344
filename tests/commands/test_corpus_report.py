"""`pivots corpus report` on a small corpus, through the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from semantic_pivots.cli import app

LEXICON = "concept_id\tpos\ten\tar\ncat\tnoun\tcat\tقطة\ndog\tnoun\tdog\tكلب\nsun\tnoun\tsun\tشمس\n"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    texts = [
        ("the cat is قطة", "eng_Latn"),
        ("شمس", "arb_Arab"),
        ("a dog", "en"),
        ("a  dog", "en"),
        ("<b>كلب</b>", "xyzzy"),
    ]
    rows = [{"text": text, "language": label, "source": "<i>mine</i>"} for text, label in texts]
    (folder / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (folder / "lexicon.tsv").write_text(LEXICON, "utf-8")
    made = CliRunner().invoke(app, ["corpus", "make", str(folder / "corpus"), "--path", str(folder / "d.jsonl")])
    assert made.exit_code == 0, made.output
    return folder


def report(folder: Path, *options: str) -> dict:
    command = ["corpus", "report", str(folder / "corpus"), "--lexicon", str(folder / "lexicon.tsv"), "--workers", "1"]
    result = CliRunner().invoke(app, [*command, *options])
    assert result.exit_code == 0, result.output
    return {"said": result.stdout, **json.loads((folder / "corpus/report.json").read_text("utf-8"))}


def test_the_page_and_its_json_say_what_the_corpus_holds(corpus):
    found = report(corpus)
    assert {row["language"]: row["documents"] for row in found["languages"]} == {"en": 3, "ar": 1, "xyzzy": 1}
    assert found["duplicates"]["text"]["documents"] == 1
    prospects = found["prospects"]
    assert prospects["languages"] == ["en", "ar"]
    assert [row["in_1"] for row in prospects["words"]] == [2, 3]
    assert (prospects["pairs"][0]["pairs"], prospects["pairs"][0]["meet"]) == (3, 1)
    assert "20.00% of the documents have a language label that is not known" in found["said"]
    page = (corpus / "corpus/report.html").read_text("utf-8")
    assert "Language mix" in page
    assert "&lt;i&gt;mine&lt;/i&gt;" in page
    assert "http" not in page.split("<script>")[0].replace("http://www.w3.org", "")


def test_the_same_corpus_gives_the_same_bytes_and_a_study_reads_it_as_before(corpus):
    first = [(corpus / f"corpus/report.{kind}").read_bytes() for kind in ("html", "json")]
    report(corpus)
    assert [(corpus / f"corpus/report.{kind}").read_bytes() for kind in ("html", "json")] == first
    again = CliRunner().invoke(app, ["corpus", "make", str(corpus / "again"), "--path", str(corpus / "corpus")])
    assert "5 documents" in again.output, again.output


def test_json_goes_to_the_terminal_and_one_language_is_no_pair(corpus):
    found = report(corpus, "--json", "--languages", "en,")
    assert found["prospects"] is None
    assert json.loads(found["said"])["documents"] == 5


def test_a_folder_that_is_no_corpus_is_refused(tmp_path):
    result = CliRunner().invoke(app, ["corpus", "report", str(tmp_path)])
    assert result.exit_code != 0
    assert "shards.parquet" in str(result.exception)


def test_a_corpus_that_was_altered_is_not_reported_on(corpus, tmp_path):
    altered = tmp_path / "altered"
    shutil.copytree(corpus / "corpus", altered)
    command = ["corpus", "report", str(altered), "--out", str(tmp_path / "new/page.html"), "--workers", "1"]
    assert CliRunner().invoke(app, command).exit_code == 0
    with next((altered / "shards").iterdir()).open("ab") as stream:
        stream.write(b"x")
    assert "was altered after `corpus` wrote it" in str(CliRunner().invoke(app, command).exception)
