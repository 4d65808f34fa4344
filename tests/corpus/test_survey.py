"""What a survey of a corpus counts, against the documents counted by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from semantic_pivots import run
from semantic_pivots.analysis import prospects
from semantic_pivots.corpus.survey import languages_of, survey
from semantic_pivots.errors import InputError
from semantic_pivots.files import write_table

DOCUMENTS = [
    # id, text, language, source, parts, confidence
    ("a", "the cat", "en", "one", [], None),
    ("b", "the  cat\n", "en", "one", [], None),
    ("b", "le chat 猫がすき", "fr", "two", [], 0.5),
    ("c", "قطة hello", "ar", "two", [], 1.0),
    ("d", "cat\nねこ 猫が", "mul", "one+two", [("en", "cat"), ("ja", "ねこ 猫が")], None),
    ("e", "123", "", "two", [], None),
    ("f", "nuqneH", "klingon", "two", [], None),
]


def corpus(folder: Path, documents: list[tuple], shards: int, with_parts: bool = True) -> Path:
    """A corpus folder with the documents dealt to so many shards."""
    rows = []
    (folder / "shards").mkdir(parents=True)
    for shard in range(shards):
        dealt = documents[shard::shards]
        keys = ("id", "text", "language", "source", "parts", "language_confidence")
        columns = {key: [document[k] for document in dealt] for k, key in enumerate(keys)}
        columns["parts"] = [[{"language": code, "text": text} for code, text in row] for row in columns["parts"]]
        part = pa.struct([("language", pa.string()), ("text", pa.string())])
        schema = pa.schema(
            [*((k, pa.string()) for k in keys[:4]), ("parts", pa.list_(part)), ("language_confidence", pa.float32())]
        )
        table = pa.table(columns, schema)
        table = table if with_parts else table.drop_columns(["parts", "language_confidence"])
        write_table(folder / f"shards/{shard}.parquet", table)
        rows.append({"shard": str(shard), "path": f"shards/{shard}.parquet"})
    write_table(folder / "shards.parquet", pa.Table.from_pylist(rows))
    sources = [{"source": "one", "package": "p", "licence": "CC0-1.0", "attribution": "them"}]
    write_table(folder / "sources.parquet", pa.Table.from_pylist(sources))
    return folder


def surveyed(folder: Path, scratch: Path, workers: int = 1) -> dict:
    scratch.mkdir()
    return survey(folder, run.Work(scratch, scratch), workers)


def test_languages_mixtures_duplicates_and_sources_are_counted(tmp_path):
    found = surveyed(corpus(tmp_path / "corpus", DOCUMENTS, 2), tmp_path / "scratch")
    assert found["documents"] == 7
    assert found["text_bytes"] == sum(len(document[1].encode()) for document in DOCUMENTS)
    languages = {row["language"]: row for row in found["languages"]}
    assert {code: row["documents"] for code, row in languages.items()} == {
        "en": 3,
        "fr": 1,
        "ar": 1,
        "ja": 1,
        "": 1,
        "klingon": 1,
    }
    assert languages["ja"]["text_bytes"] == len("ねこ 猫が".encode())
    assert languages["klingon"]["name"] == "unknown label"
    assert languages["ar"]["name"] == "Arabic"
    assert [(row["languages"], row["documents"]) for row in found["mixed_documents"]] == [("en+ja", 1)]
    scripts = {row["scripts"]: row["documents"] for row in found["scripts"]}
    assert scripts == {"Latin": 3, "Latin+Kana": 2, "Latin+Arabic": 1, "": 1}
    assert found["identified"] == [
        {"language": code, "documents": 1, "share": round(1 / 7, 6), "name": name}
        for code, name in (("ar", "Arabic"), ("fr", "French"))
    ]
    assert found["mean_confidence"] == 0.75
    assert found["duplicates"]["text"] == {"documents": 1, "groups": 1, "largest_group": 2}
    assert found["duplicates"]["id"] == {"documents": 1, "groups": 1, "largest_group": 2}
    sources = {row["source"]: (row["documents"], row["licence"]) for row in found["sources"]}
    assert sources == {"two": (4, ""), "one": (2, "CC0-1.0"), "one+two": (1, "CC0-1.0")}
    assert languages_of(found, 0.2, ("fr", "en", "ja")) == ("en",)


def test_scripts_of_thirty_alphabets_are_told(tmp_path):
    texts = {
        "தமிழ் hello": "Latin+Tamil",
        "ქართული": "Georgian",
        "Հայերեն": "Armenian",
        "አማርኛ": "Ethiopic",
        "ខ្មែរ": "Khmer",
    }
    rows = [(str(k), text, "", "s", [], None) for k, text in enumerate(texts)]
    found = surveyed(corpus(tmp_path / "corpus", rows, 1), tmp_path / "scratch")
    assert {row["scripts"] for row in found["scripts"]} == set(texts.values())


def test_neither_shards_nor_workers_change_a_survey(tmp_path):
    many = [(str(k), f"text {k % 700}", "en", "s", [], None) for k in range(2000)]
    one = surveyed(corpus(tmp_path / "one", many, 1), tmp_path / "a")
    three = surveyed(corpus(tmp_path / "three", many, 3), tmp_path / "b", workers=2)
    assert one["duplicates"]["text"] == {"documents": 1300, "groups": 700, "largest_group": 3}
    assert json.dumps({**one, "shards": 0}) == json.dumps({**three, "shards": 0})


def test_a_corpus_without_parts_and_confidences_is_surveyed_too(tmp_path):
    found = surveyed(corpus(tmp_path / "corpus", DOCUMENTS, 1, with_parts=False), tmp_path / "scratch")
    assert found["mixed_documents"] == []
    assert found["mean_confidence"] is None
    assert {row["language"] for row in found["languages"]} == {"en", "fr", "ar", "mul", "", "klingon"}


def test_a_folder_that_is_no_corpus_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no shards\.parquet"):
        surveyed(tmp_path, tmp_path / "scratch")


def test_prospects_follow_from_the_counts():
    rows = [{"en": f"e{k}", "fr": f"f{k}", "ko": "" if k else "k0"} for k in range(6)]
    words, pairs = prospects.lexicon_pairs(rows, ("en", "fr", "ko"))
    assert len(words) == 13
    assert len(pairs) == 8
    of_words = np.array([100 if word != "f5" else 5 for word, _ in words])
    meets = {("e0", "f0"): 60, ("e1", "f1"): 3, ("e0", "k0"): 10}
    of_pairs = np.array([meets.get((first[0], second[0]), 0) for first, second in pairs])
    told = prospects.prospects(rows, ("en", "fr", "ko"), words, pairs, of_words, of_pairs)
    assert told["concepts"] == {"language": "all languages", "asked": 1, "in_1": 1, "in_10": 1, "in_50": 1}
    assert told["words"][1] == {"language": "fr", "asked": 6, "in_1": 6, "in_10": 5, "in_50": 5}
    pair = told["pairs"][0]
    assert (pair["languages"], pair["pairs"], pair["both_words_in_10"]) == (["en", "fr"], 6, 5)
    assert (pair["meet"], pair["meet_in_10"], pair["meet_in_50"], pair["never_meet"]) == (2, 1, 1, 3)
    assert pair["detectable_auc"] is None  # 2 against 3: no AUC would be seen
    assert told["pairs"][1]["never_meet"] == 0


def test_the_detectable_auc_is_seen_in_four_of_five_studies():
    rng = np.random.default_rng(0)
    meet, apart = 60, 40
    told = prospects._prospect("a", "b", [(99, 1)] * meet + [(99, 0)] * apart)
    auc, error = told["detectable_auc"], np.sqrt((meet + apart + 1) / (12 * meet * apart))
    shift = np.sqrt(2) * 0.5 * 2 * _quantile(auc)  # AUC of two normal distributions this far apart
    seen = 0
    for _ in range(1000):
        above = rng.normal(shift, 1, meet)[:, None] > rng.normal(0, 1, apart)
        seen += (above.mean() - 0.5) / error > 1.959964
    assert 0.72 < seen / 1000 < 0.88


def _quantile(p: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(p)
