"""Every stage that looks for words has one definition of them: documents of each word, by stage, in five languages."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semantic_pivots.api.frames import corpus_of, documents_of, table_of
from semantic_pivots.counting.count_stage import CountConfig
from semantic_pivots.counting.counts import benchmark_words, count_stage
from semantic_pivots.pivots.discover_stage import DiscoverConfig
from semantic_pivots.pivots.graph_stage import GraphConfig
from semantic_pivots.pivots.word_contexts import word_contexts_of
from semantic_pivots.report.keyword_in_context import passages
from semantic_pivots.run import Inputs, Work
from semantic_pivots.selection.document_scores import score_documents, vocabulary
from semantic_pivots.selection.select_stage import SelectConfig
from semantic_pivots.tables import SCHEMAS
from semantic_pivots.tasks.benchmark_stage import BenchmarkConfig
from semantic_pivots.tasks.items import frequent
from semantic_pivots.wordforms.rule import contains
from semantic_pivots.wordforms.table import rule_of
from tests.models import tiny

DOCUMENTS = [
    {"text": "고양이가 잔다. The cats slept.", "language": "ko"},
    {"text": "나는 고양이들을 본다.", "language": "ko"},
    {"text": "قرأت الكِتاب. Two books.", "language": "ar"},
    {"text": "وبكتابهم", "language": "ar"},
    {"text": "Kediler uyudu. My cat.", "language": "tr"},
    {"text": "Kedisi evde.", "language": "tr"},
    {"text": "一隻貓在睡覺。 A cat.", "language": "zh"},
    {"text": "我的手很冷。 Both hands.", "language": "zh"},
    {"text": "手机很贵。", "language": "zh"},  # 手机 is a telephone, no hand
    {"text": "a scat, a bookish secondhand shop", "language": "en"},
]
CONCEPTS = {
    "cat": {"en": "cat", "ko": "고양이", "tr": "kedi", "zh": "猫"},
    "book": {"en": "book", "ar": "كتاب"},
    "hand": {"en": "hand", "zh": "手"},
}
DOCUMENTS_OF = {
    ("cat", "en"): [0, 4, 6], ("고양이", "ko"): [0, 1], ("kedi", "tr"): [4, 5], ("猫", "zh"): [6],
    ("book", "en"): [2], ("كتاب", "ar"): [2, 3], ("hand", "en"): [7], ("手", "zh"): [7],
}  # fmt: skip
WORDS = [{"concept_id": c, "language": code, "word": word} for c, own in CONCEPTS.items() for code, word in own.items()]


def item(concept: str, code: str) -> dict:
    names = {"source": CONCEPTS[concept]["en"], "source_language": "en"}
    names |= {"target": CONCEPTS[concept][code], "target_language": code}
    return {"item_id": f"en-{code}:{concept}", "concept_id": concept, **names, "distractors": [], "strata": []}


ITEMS = [item(concept, code) for concept, own in CONCEPTS.items() for code in own if code != "en"]


@pytest.fixture(scope="module")
def spellings() -> list[tuple[str, str]]:
    return sorted(DOCUMENTS_OF)


def test_the_definition_is_what_people_mean(spellings: list[tuple[str, str]]):
    rule = rule_of("forms", "", spellings)
    found = {word: [i for i, row in enumerate(DOCUMENTS) if contains(row["text"], word, rule)] for word in spellings}
    assert found == DOCUMENTS_OF


def stored(folder: Path) -> Inputs:
    """The documents and the items as stages publish them."""
    pq.write_table(documents_of(DOCUMENTS), folder / "documents.parquet")
    rows = [{"shard": "a", "path": "documents.parquet", "documents": len(DOCUMENTS)}]
    pq.write_table(pa.Table.from_pylist(rows, SCHEMAS["shards"]), folder / "shards.parquet")
    pq.write_table(table_of("items", ITEMS), folder / "items.parquet")
    return Inputs({"corpus": folder})


def test_every_stage_has_it(spellings: list[tuple[str, str]], tmp_path: Path):
    numbers = {word: len(rows) for word, rows in DOCUMENTS_OF.items()}
    inputs, work = stored(tmp_path), Work(tmp_path / "work", tmp_path)
    work.folder.mkdir()
    counted = count_stage(CountConfig(workers=1), inputs, work)
    values = {(r["word"], r["language"]): r["value"] for r in counted["word_counts"].to_pylist()}
    assert values == numbers
    pairs = {(r["word_1"], r["word_2"]): r["value"] for r in counted["pair_counts"].to_pylist()}
    assert all(pairs[tuple(sorted((row["source"], row["target"])))] == 1 for row in ITEMS)

    corpus = corpus_of(DOCUMENTS, tiny.tokenizer("byte-level"))
    for config in (DiscoverConfig(), DiscoverConfig(unit="token")):
        assert word_contexts_of(corpus, spellings, config).totals == numbers

    optional = [name for name in SCHEMAS["pivot_set"].names if name not in ("unit", "text")]
    pivots = table_of("pivot_set", {"unit": ["word"], "text": ["evde"]}, optional)
    lookup = vocabulary(WORDS, benchmark_words(inputs.table("items"))[1])
    scores = score_documents(corpus, pivots, lookup).read().to_pylist()
    assert {row["row"] for row in scores if row["holds_pair"]} == {0, 2, 4, 6, 7}
    # `cat` is too short to tell its language, `cats` does
    assert {row["row"] for row in scores if row["parallel_concepts"]} == {0, 2, 7}

    two = {name: {code: word for code, word in own.items() if code != "zh"} for name, own in CONCEPTS.items()}
    scratch = Work(tmp_path / "two", tmp_path)
    scratch.folder.mkdir()
    assert frequent(two, BenchmarkConfig(min_documents=2), inputs, scratch) == ["cat"]

    shard = inputs.folder("corpus") / inputs.table("shards")["path"][0].as_py()
    pair = ("book", "en"), ("كتاب", "ar")
    (passage,) = passages([Path(shard)], [pair], rule_of("forms", "", pair))[0][pair]
    assert [part.word for part in passage.lines] == ["books", "كِتاب"]


def test_no_section_has_another_default():
    sections = BenchmarkConfig, CountConfig, DiscoverConfig, GraphConfig, SelectConfig
    assert {section.words for section in sections} == {"forms"}
