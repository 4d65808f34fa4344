"""Every stage that looks for words has one definition of them: documents of each word, by stage, in five languages."""

from __future__ import annotations

from pathlib import Path

import pytest

from semantic_pivots.api.frames import corpus_of, table_of
from semantic_pivots.config import BenchmarkConfig, CountConfig, DiscoverConfig, GraphConfig, SelectConfig
from semantic_pivots.counting.counts import count_stage
from semantic_pivots.pivots.word_contexts import word_contexts_of
from semantic_pivots.report.keyword_in_context import passages
from semantic_pivots.run import Work
from semantic_pivots.selection.document_scores import document_scores
from semantic_pivots.tables import SCHEMAS
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


def test_every_stage_has_it(spellings: list[tuple[str, str]], tmp_path: Path):
    numbers = {word: len(rows) for word, rows in DOCUMENTS_OF.items()}
    tables = {"items": table_of("items", ITEMS), "words": table_of("words", WORDS, ("source", "licence"))}
    optional = [name for name in SCHEMAS["pivot_set"].names if name not in ("unit", "text")]
    tables["pivot_set"] = table_of("pivot_set", {"unit": ["word"], "text": ["evde"]}, optional)
    with corpus_of(DOCUMENTS, tiny.tokenizer("byte-level"), tables) as (inputs, work):
        counted = count_stage(CountConfig(workers=1), inputs, work)
        values = {(r["word"], r["language"]): r["value"] for r in counted["word_counts"].to_pylist()}
        assert values == numbers
        pairs = {(r["word_1"], r["word_2"]): r["value"] for r in counted["pair_counts"].to_pylist()}
        assert all(pairs[tuple(sorted((row["source"], row["target"])))] == 1 for row in ITEMS)

        for config in (DiscoverConfig(workers=1), DiscoverConfig(workers=1, unit="token")):
            assert word_contexts_of(inputs, spellings, work, config).totals == numbers

        scores = document_scores(inputs, work, 1).reader().read_all().to_pylist()
        both = {0, 2, 4, 6, 7}
        assert {row["row"] for row in scores if row["holds_pair"]} == both
        # `cat` is too short to tell its language, `cats` does
        assert {row["row"] for row in scores if row["parallel_concepts"]} == {0, 2, 7}

        two = {name: {code: word for code, word in own.items() if code != "zh"} for name, own in CONCEPTS.items()}
        assert frequent(two, BenchmarkConfig(min_documents=2), inputs, Work(tmp_path, tmp_path)) == ["cat"]

        shard = inputs.folder("corpus") / inputs.table("shards")["path"][0].as_py()
        pair = ("book", "en"), ("كتاب", "ar")
        (passage,) = passages([Path(shard)], [pair], rule_of("forms", "", pair))[0][pair]
        assert [part.word for part in passage.lines] == ["books", "كِتاب"]


def test_no_section_has_another_default():
    sections = BenchmarkConfig, CountConfig, DiscoverConfig, GraphConfig, SelectConfig
    assert {section.words for section in sections} == {"forms"}
