"""A study of Korean, English, Arabic and Turkish from end to end: real words, generated documents, a random model."""

from __future__ import annotations

import json
import random
from pathlib import Path

import polars
import pytest

from semantic_pivots.lexicon.concepts import lexicon_path, read_lexicon
from semantic_pivots.study import load_study, run_study, state
from tests import miniature

LANGUAGES = ("ko", "en", "ar", "tr")
LABELS = {"ko": "kor_Hang", "en": "English", "ar": "arb_Arab", "tr": "tr-TR"}
STUDY = """
[study]
name = "scripts"
languages = ["ko", "en", "ar", "tr"]
model = "{folder}/model"
cache = "{folder}/cache"
workers = 2
stages = ["lexicon", "benchmark", "score", "corpus", "tokens", "count", "discover", "trace", "causal",
  "behaviour", "report"]
[lexicon]
source = "cldr-wide"
[benchmark]
items_per_direction = 2
[score]
shots = 2
draws = 1
pool = 1
[corpus]
path = "{folder}/documents.jsonl"
[trace]
shots = 2
[behaviour]
resamples = 50
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scripts")
    miniature.write(folder)  # its model and tokenizer, whose vocabulary has every byte
    rows = [r for r in read_lexicon(lexicon_path("cldr-wide"), LANGUAGES) if all(r[code] for code in LANGUAGES)]
    generator = random.Random(1)
    documents = []
    for _ in range(200):
        first, second = generator.sample(LANGUAGES, 2)
        row = generator.choice(rows)
        words = [row[first], row[second], *(generator.choice(rows)[first] for _ in range(6))]
        documents.append({"text": " ".join(words), "language": LABELS[first]})
    lines = "".join(json.dumps(document, ensure_ascii=False) + "\n" for document in documents)
    (folder / "documents.jsonl").write_text(lines, "utf-8")
    study = folder / "scripts.toml"
    study.write_text(STUDY.format(folder=folder), "utf-8")
    return run_study(load_study(study), folder / "runs", say=lambda line: None)


def test_every_direction_is_scored_and_every_language_counted(finished: Path) -> None:
    items = polars.read_parquet(finished / "benchmark/items.parquet")
    directions = items.select("source_language", "target_language").unique()
    assert len(directions) == 12
    counts = polars.read_parquet(finished / "count/word_counts.parquet")
    reached = counts.filter(polars.col("value") > 0)["language"].unique().to_list()
    assert set(reached) == set(LANGUAGES)
    pairs = polars.read_parquet(finished / "count/pair_counts.parquet")
    assert pairs["value"].max() > 0
    scores = polars.read_parquet(finished / "score/score_summary.parquet")
    assert set(scores["source_language"]) >= set(LANGUAGES)


def test_labels_of_the_corpus_become_the_languages_of_the_study(finished: Path) -> None:
    shards = polars.read_parquet(finished / "corpus/shards/*.parquet")
    assert set(shards["language"]) == set(LANGUAGES)


def test_the_report_keeps_directions_of_reading_apart(finished: Path) -> None:
    page = (finished / "report/report.html").read_text("utf-8")
    assert state(load_study(finished.parent.parent / "scripts.toml"), finished)["report"] == "done"
    assert 'dir="auto"' in page
    arabic = polars.read_parquet(finished / "benchmark/items.parquet").filter(polars.col("source_language") == "ar")
    assert any(word in page for word in arabic["source"])
