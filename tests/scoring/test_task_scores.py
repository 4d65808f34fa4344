"""Further tasks go through the score stage as word translation does."""

from __future__ import annotations

from pathlib import Path

import pytest
from sacrebleu import corpus_chrf

from semantic_pivots.files import write_table
from semantic_pivots.run import Inputs, Work
from semantic_pivots.scoring.benchmark_scores import score_stage
from semantic_pivots.scoring.score_stage import ScoreConfig
from semantic_pivots.tables import from_rows
from semantic_pivots.tasks.benchmark_stage import BenchmarkConfig
from semantic_pivots.tasks.items import benchmark_stage
from tests.models import tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tiny.model("llama").save_pretrained(folder)
    tiny.tokenizer("byte-fallback").save_pretrained(folder)
    return folder


@pytest.fixture
def parallel(tmp_path: Path) -> Path:
    folder = tmp_path / "flores"
    folder.mkdir()
    english, french = "sun moon tree house water".split(), "soleil lune mer maison terre".split()
    for name, words, ending in (("eng_Latn", english, ("", " here")), ("fra_Latn", french, ("", " ici"))):
        lines = [f"{word}{more}\n" for word in words for more in ending]
        (folder / f"{name}.devtest").write_text("".join(lines), "utf-8")
    return folder


def run(config: BenchmarkConfig, model: Path, folder: Path) -> tuple[dict, dict]:
    """The tables of benchmark and score."""
    works = [Work(folder / name / "work", folder / name) for name in ("lexicon", "benchmark", "score")]
    for work in works:
        work.folder.mkdir(parents=True)
    inputs = Inputs({name: folder / name for name in ("lexicon", "benchmark")})
    write_table(folder / "lexicon" / "words.parquet", from_rows("words", []))
    made = benchmark_stage(config, inputs, works[1])
    write_table(folder / "benchmark" / "items.parquet", made["items"])
    return made, score_stage(ScoreConfig(model=str(model), shots=1, draws=2), inputs, works[2])


def test_facts_are_scored_like_translations(model, tmp_path):
    config = BenchmarkConfig(languages=("en", "fr"), task="capital-across", items_per_direction=4, distractors=3)
    made, scored = run(config, model, tmp_path)
    assert made["items"].num_rows == 8
    assert scored["scores"].num_rows == 8 * 2 * 4
    summary = scored["score_summary"].to_pylist()
    assert {r["signature"].split("|")[0] for r in summary} == {"capital-across"}
    of_tokens = {"target:one-token", "target:more-tokens", "shared-subtoken"}
    assert {"all", "task:capital-across"} == {r["stratum"] for r in summary} - of_tokens
    assert {"paper", "accuracy", "control:shuffled-targets"} <= {r["variant"] for r in summary}
    assert "chrf" not in {r["variant"] for r in summary}


def test_sentences_are_also_scored_by_chrf(model, parallel, tmp_path):
    config = BenchmarkConfig(languages=("en", "fr"), task="sentences", task_path=str(parallel), distractors=2)
    made, scored = run(config, model, tmp_path)
    rows = [r for r in scored["score_summary"].to_pylist() if r["variant"] == "chrf"]
    assert [(r["source_language"], r["target_language"]) for r in rows] == [("en", "fr"), ("fr", "en")]
    items = {r["item_id"]: r for r in made["items"].to_pylist()}
    for row in rows:
        answers = [
            a for a in scored["answers"].to_pylist()
            if items[a["item_id"]]["source_language"] == row["source_language"]
        ]  # fmt: skip
        written, references = [a["greedy"] for a in answers], [items[a["item_id"]]["target"] for a in answers]
        assert row["value"] == pytest.approx(corpus_chrf(written, [references]).score)
        assert row["low"] <= row["value"] <= row["high"]
        assert row["n"] == 10
        assert "nc:6" in row["signature"]
