"""Benchmarks of concepts that are frequent in the study's corpus."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from semantic_pivots.corpus.corpus_stage import CorpusConfig
from semantic_pivots.corpus.shards import corpus_stage
from semantic_pivots.errors import InputError
from semantic_pivots.lexicon.concepts import lexicon_stage
from semantic_pivots.lexicon.lexicon_stage import LexiconConfig
from semantic_pivots.run import Inputs, Work, publish
from semantic_pivots.study import load_study
from semantic_pivots.tables import conform
from semantic_pivots.tasks.benchmark_stage import BenchmarkConfig
from semantic_pivots.tasks.items import benchmark_stage

WORDS = {"dog": "chien", "cat": "chat", "house": "maison", "tree": "arbre"}
LANGUAGES = ("en", "fr")


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    lexicon, documents = tmp_path / "words.tsv", tmp_path / "documents.jsonl"
    rows = [f"{english}\tnoun\t{english}\t{french}" for english, french in WORDS.items()]
    lexicon.write_text("\n".join(["concept_id\tpos\ten\tfr", *rows]) + "\n")
    texts = ["The dog. Le chien.", "A dog. Un chien.", "The cat. Le chat.", "A cat. Les chats.", "A house. Une maison."]
    documents.write_text("".join(json.dumps({"text": text, "language": "en"}) + "\n" for text in texts))
    corpus = CorpusConfig(path=str(documents), languages=("en",), workers=1)
    lexicon_config = LexiconConfig(source=str(lexicon), languages=LANGUAGES)
    empty = Inputs({})
    publish("lexicon", {}, tmp_path / "lexicon", lambda work: lexicon_stage(lexicon_config, empty, work), conform)
    publish("corpus", {}, tmp_path / "corpus", lambda work: corpus_stage(corpus, empty, work), conform)
    return Inputs({"lexicon": tmp_path / "lexicon", "corpus": tmp_path / "corpus"})


def asked(inputs: Inputs, folder: Path, least: int, **keys) -> set[str]:
    for name in ("work", "out"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    config = BenchmarkConfig(languages=LANGUAGES, distractors=1, min_documents=least, **keys)
    items = benchmark_stage(config, inputs, Work(folder / "work", folder / "out"))["items"]
    return set(items["concept_id"].to_pylist())


def test_only_concepts_with_frequent_words_are_asked(inputs, tmp_path):
    assert asked(inputs, tmp_path / "0", 0) == set(WORDS)
    assert asked(inputs, tmp_path / "1", 1) == {"dog", "cat", "house"}
    assert asked(inputs, tmp_path / "2", 2, words="spelling") == {"dog"}
    assert asked(inputs, tmp_path / "forms", 2, words="forms") == {"dog", "cat"}


def test_what_cannot_be_counted_says_why(inputs, tmp_path):
    with pytest.raises(InputError, match="min_documents = 3: no concept of 4"):
        asked(inputs, tmp_path / "few", 3)
    with pytest.raises(InputError, match="no stage corpus"):
        asked(Inputs({"lexicon": tmp_path / "lexicon"}), tmp_path / "none", 1)
    with pytest.raises(InputError, match="expected min_documents = 0"):
        asked(inputs, tmp_path / "task", 1, task="repetition")


def test_the_corpus_comes_before_such_a_benchmark_alone(tmp_path):
    for least, expected in ((0, ("lexicon",)), (5, ("lexicon", "corpus"))):
        path = tmp_path / f"{least}.toml"
        path.write_text(f"[benchmark]\nmin_documents = {least}\n")
        stages = load_study(path).stages
        assert stages["benchmark"].after == expected
        assert list(stages).index("corpus") < list(stages).index("benchmark")
