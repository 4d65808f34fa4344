"""What is kept aside to evaluate on: concepts whose words nothing sees, documents that no selection takes, doses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from semantic_pivots.corpus.aligned import alignment_keys, held_out, sentence_pairs
from semantic_pivots.errors import InputError
from semantic_pivots.held_out import HELD_OUT as HIDDEN
from semantic_pivots.held_out import SEEN, half, visible_words
from semantic_pivots.lexicon.concepts import lexicon_stage
from semantic_pivots.lexicon.lexicon_stage import LexiconConfig
from semantic_pivots.run import Inputs, Work
from semantic_pivots.selection.select_stage import SelectConfig
from semantic_pivots.selection.selections import HELD_OUT, dose
from tests.selection.test_selections import published, select_stage, work


def test_ids_that_differ_by_language_codes_are_one_page():
    ids = [
        "help-en-us:/usr/share/help/en-US/text/a.html",
        "help-fr:/usr/share/help/fr/text/a.html",
        "help-zh-cn:/usr/share/help/zh-CN/text/a.html",
        "docs:/usr/share/help/C/gnome/a.page",
        "docs:/usr/share/help/ja/gnome/a.page",
        "manpages-dev:/usr/share/man/man2/open.2.gz",
        "manpages-fr-dev:/usr/share/man/fr/man2/open.2.gz",
        "description:en:french-dictionary",
        "description:fr:french-dictionary",
    ]
    keys = alignment_keys(ids, ["en", "fr", "zh", "ja"])
    assert keys[0] == keys[1] == keys[2]
    assert keys[3] == keys[4]
    assert keys[5] == keys[6]
    assert keys[7] == keys[8]
    assert len(set(keys)) == 4


def test_whole_groups_are_held_out_and_no_language_more_than_asked():
    rng = np.random.default_rng(0)
    keys = [f"k{k}" for k in rng.integers(0, 60, 200)]
    languages = np.array(["en", "fr", "ja"])[rng.integers(0, 3, 200)]
    number = {key: n for n, key in enumerate(rng.permutation(sorted(set(keys))).tolist())}
    rows = sorted(
        (number[key], code, place) for place, (key, code) in enumerate(zip(keys, languages.tolist(), strict=True))
    )
    kept = held_out(rows, 10)
    chosen = {keys[i] for i in kept}
    assert sorted(kept) == [i for i in range(200) if keys[i] in chosen]
    counts = [int((languages[kept] == code).sum()) for code in ("en", "fr", "ja")]
    assert max(counts) <= 10
    assert min(counts) >= 5
    assert held_out([], 10).size == 0


def test_sentences_come_from_lines_that_are_in_their_languages():
    english = "The printer does not answer today.\nShort\nThis line stays in English.\nOpen the window first, please."
    french = "L'imprimante ne répond pas aujourd'hui.\nCourt\nThis line stays in English.\nOuvrez d'abord la fenêtre."
    texts = {"one": {"en": english, "fr": french}, "two": {"en": english, "fr": "Une seule ligne en français ici."}}
    pairs = sentence_pairs(texts, "en", "fr", 10, 0)
    assert sorted(name for name, _, _ in pairs) == ["one#0", "one#3"]
    assert len(sentence_pairs(texts, "en", "fr", 1, 0)) == 1


def test_held_out_documents_are_in_no_selection_and_doses_are_kept(tmp_path: Path):
    inputs = published(tmp_path / "corpus")
    names = ("pivot-rich", "pivot-rich-25pct", "random")
    config = SelectConfig(budget_tokens=1500, selections=names, min_tokens=5, seed=3, workers=1, held_out_documents=12)
    rows = select_stage(config, inputs, work(tmp_path / "work"))["selection"].to_pylist()
    aside = {row["doc_id"] for row in rows if row["selection"] == HELD_OUT}
    assert len(aside) == 36
    by_name = {name: [row for row in rows if row["selection"] == name] for name in names}
    for found in by_name.values():
        assert not aside & {row["doc_id"] for row in found}
        assert len({row["doc_id"] for row in found}) == len(found)
        assert 1500 - 5 <= sum(row["n_tokens"] for row in found) <= 1500
    whole = [row["doc_id"] for row in sorted(by_name["pivot-rich"], key=lambda row: -row["score"])]
    mixed = {row["doc_id"] for row in by_name["pivot-rich-25pct"]}
    inside = np.array([doc in mixed for doc in whole])
    quarter = len(whole) // 5
    assert inside[:quarter].all()
    assert inside.mean() < 0.7
    with pytest.raises(InputError, match="1 to 100"):
        dose("random-0pct")


def test_the_words_of_held_out_concepts_are_seen_by_nobody(tmp_path: Path):
    scratch = Work(tmp_path, tmp_path)
    made = lexicon_stage(LexiconConfig(held_out_share=0.5, seed=2), Inputs({}), scratch)
    for name, table in made.items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
    hidden = {r["concept_id"] for r in made["concepts"].to_pylist() if HIDDEN in r["strata"]}
    assert 0.4 < len(hidden) / made["concepts"].num_rows < 0.6
    assert all((SEEN in r["strata"]) != (HIDDEN in r["strata"]) for r in made["concepts"].to_pylist())
    seen = {row["concept_id"] for row in visible_words(Inputs({"lexicon": tmp_path}))}
    assert seen == {r["concept_id"] for r in made["concepts"].to_pylist()} - hidden
    assert half("dog", 0.0, 0) == SEEN
    with pytest.raises(InputError, match="held_out_share"):
        lexicon_stage(LexiconConfig(held_out_share=1.0), Inputs({}), scratch)


def test_what_is_hidden_changes_no_score_of_a_document(tmp_path: Path):
    from semantic_pivots.selection.document_scores import document_scores

    inputs = published(tmp_path / "corpus")
    concepts = [{"concept_id": c, "strata": [HIDDEN if c == "garden" else SEEN]} for c in ("house", "water", "garden")]
    plain = document_scores(SelectConfig(workers=1), inputs, work(tmp_path / "plain")).read()
    pq.write_table(pa.Table.from_pylist(concepts), tmp_path / "corpus" / "concepts.parquet")
    hidden = document_scores(SelectConfig(workers=1), inputs, work(tmp_path / "hidden")).read()
    assert sum(hidden["lexicon_words"].to_pylist()) < sum(plain["lexicon_words"].to_pylist())
    assert hidden["pivot_units"].equals(plain["pivot_units"])
