"""Every function on data in memory, on a planted handful of words whose pivots are known."""

from __future__ import annotations

import random

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import semantic_pivots as sp
from semantic_pivots.api.frames import documents_of
from semantic_pivots.errors import InputError
from tests.models import tiny

WORDS = {
    "dog": "chien", "cat": "chat", "house": "maison", "tree": "arbre", "water": "eau", "bread": "pain",
    "night": "nuit", "book": "livre", "moon": "lune", "king": "roi", "milk": "lait", "hand": "main",
}  # fmt: skip
PIVOTS = {word: f"zu{chr(97 + k) * 2}mik" for k, word in enumerate(WORDS)}
LONG = [
    {"concept_id": en, "language": code, "word": word}
    for en, fr in WORDS.items()
    for code, word in (("en", en), ("fr", fr))
]


def documents() -> pl.DataFrame:
    chooser = random.Random(1)
    rows = []
    for number in range(800):
        en, fr = chooser.choice(list(WORDS.items()))
        code = chooser.choice(["en", "fr"])
        filler = " ".join(code + "".join(chooser.choices("abcdefgh", k=3)) for _ in range(8))
        phrase = f"{en if code == 'en' else fr} {PIVOTS[en]}" if number % 2 else ""
        text = f"{phrase} {filler}"
        rows.append({"id": f"d{number}", "text": text, "language": code, "source": "planted"})
    return pl.DataFrame(rows)


@pytest.fixture(scope="module")
def items() -> pl.DataFrame:
    return sp.make_items(pl.DataFrame({"en": list(WORDS), "fr": list(WORDS.values())}), distractors=3)


def test_items_of_wide_and_long_words_and_of_any_frame_are_the_same(items):
    wide = {"concept_id": list(WORDS), "en": list(WORDS), "fr": list(WORDS.values())}
    expected = sp.make_items(pd.DataFrame(wide), distractors=3)
    assert len(items) == len(expected) == 2 * len(WORDS)
    for frame in (wide, pa.table(wide), LONG):
        assert sp.make_items(frame, distractors=3).equals(expected)
    with pytest.raises(InputError, match="12 concepts"):
        sp.make_items(wide, distractors=12)
    with pytest.raises(InputError, match="two languages"):
        sp.make_items({"en": ["dog"]})


def test_counts_of_strings_are_exact(items):
    texts = ["A dog and a chien.", "dogs", "a dog", "le chien"]
    found = sp.count_words(texts, [("cat", "en")], [(("dog", "en"), ("chien", "fr"))])
    assert dict(zip(found.words["word"], found.words["value"], strict=True)) == {"cat": 0, "dog": 3, "chien": 2}
    assert sp.count_words(texts, [("dog", "en")], match="spelling").words["value"].to_list() == [2]
    assert found.pairs["value"].to_list() == [1]
    assert len(sp.count_words(texts, items=items).pairs) == len(WORDS)
    with pytest.raises(InputError, match="no word"):
        sp.count_words(texts)
    with pytest.raises(InputError, match="column text"):
        sp.count_words({"body": texts}, [("dog", "en")])


def test_pivots_and_selection_find_what_was_planted(items):
    tokenizer, frame = tiny.tokenizer("byte-level"), documents()
    found = sp.discover_pivots(items, frame, tokenizer)
    best = found.pivots.filter(pl.col("rank") == 0).join(items, on="item_id")
    english = {fr: en for en, fr in WORDS.items()}
    assert len(best) == len(items)
    for source, text in zip(best["source"], best["text"], strict=True):
        assert text == PIVOTS[english.get(source, source)]
    joined = sp.pivot_set(frame, LONG, tokenizer, criterion="bridge-fdr", min_ratio=0.1, false_discovery_rate=1.0)
    assert set(joined["text"]) == set(PIVOTS.values())
    bare = pl.when(pl.col("id").str.ends_with("7")).then(pl.lit("none at all")).otherwise("text")
    plain = frame.with_columns(text=bare)
    scores = sp.score_documents(plain, joined, tokenizer, LONG, items)
    assert scores["doc_id"].to_list() == frame["id"].to_list()
    assert scores.filter(pl.col("doc_id").str.ends_with("7"))["pivot_units"].sum() == 0
    taken = sp.select_documents(scores.to_pandas(), 2000, ["pivot-rich"], min_tokens=1)
    assert frame["id"].gather(taken["row"]).to_list() == taken["doc_id"].to_list()
    assert not taken["doc_id"].str.ends_with("7").any()


def test_a_model_is_scored_traced_and_labelled(items):
    model, tokenizer = tiny.model("llama"), tiny.tokenizer("byte-level")
    scored = sp.score_items(items, sp.Scorer(model, tokenizer), shots=1, draws=2, name="own")
    assert len(scored.scores) == len(items) * 2 * 4
    assert set(scored.scores["item_id"]) == set(items["item_id"])
    pooled = scored.summary.filter(source_language="all", stratum="all", variant="paper")
    assert pooled["n"].to_list() == [len(WORDS)]
    assert "model=own" in pooled["signature"][0]
    traced = sp.trace_items(items, sp.Lens.from_model(model), tokenizer, shots=1)
    assert len(traced) == len(items) * 2
    assert traced["mass_pivot"].null_count() == len(traced)
    labelled = sp.label_items(items, traced, tokenizer)
    assert set(labelled["item_id"]) == set(items["item_id"])
    with pytest.raises(InputError, match="unknown rule"):
        sp.label_items(items, traced, tokenizer, ["published"])


def test_a_missing_column_is_named(items):
    with pytest.raises(InputError, match="no column 'target'"):
        sp.score_items(items.drop("target"), sp.Scorer(tiny.model("llama"), tiny.tokenizer("byte-level")))


def test_words_are_read_as_those_of_a_file_and_wrong_ones_are_refused(capsys):
    french = ["chien; toutou", " chat\n", "maison"]
    items = sp.make_items({"en": [" dog", "cat ", "house"], "fr": french}, distractors=1)
    assert set(items["source"]) == {"dog", "cat", "house", "chien", "chat", "maison"}
    assert "1 cells" in capsys.readouterr().err
    two = {"en": ["dog", "cat"], "fr": ["chien", "chat"]}
    for change, options, message in [
        ({"en": [1, 2]}, {}, "column en holds 1; expected texts"),
        ({"fr": ["chien"]}, {}, "columns of equal length"),
        ({"concept_id": ["a", "a"]}, {}, "'a' is not unique"),
        ({}, {"languages": ["en", "de"]}, "no column 'de'"),
        ({}, {"languages": ["en", "en"]}, "different codes"),
        ({}, {"languages": "en,fr"}, "different codes"),
        ({}, {"items_per_direction": -1}, "items_per_direction: -1 is out of range"),
    ]:
        with pytest.raises(InputError, match=message):
            sp.make_items(two | change, distractors=1, **options)
    with pytest.raises(InputError, match="type str"):
        sp.make_items("dog")


def test_documents_without_an_id_or_a_language_have_those_of_a_frame_without_the_columns():
    columns = {"id": ["a", None], "language": ["en", None], "source": [None, "x"]}
    table = documents_of(pl.DataFrame({"text": ["one", "two"], **columns}))
    assert table["id"].to_pylist() == ["a", "000000001"]
    assert table["language"].to_pylist() == ["en", ""]
    assert table["source"].to_pylist() == ["", "x"]


def test_documents_are_texts_of_any_library_but_not_one_text(items):
    texts = ["A dog and a chien.", "le chien"]
    expected = sp.count_words(texts, items=items).pairs
    series = (pd.Series(texts), pl.Series(texts), pa.array(texts), np.array(texts), tuple(texts), iter(texts))
    for documents_of_library in (*series, pl.LazyFrame({"text": texts})):
        assert sp.count_words(documents_of_library, items=items).pairs.equals(expected)
    for wrong, message in [
        ("A dog", "one text"),
        ([*texts, None], "row 2 holds an object of type NoneType"),
        (["dog \ud800"], "half of a surrogate pair"),
        ({"text": texts, "id": [b"\xff", b"\xfe"]}, "column id is of type large_binary"),
    ]:
        with pytest.raises(InputError, match=message):
            sp.count_words(wrong, items=items)
    for word in ("dog", (" ", "en")):
        with pytest.raises(InputError, match="expected a spelling and a language code"):
            sp.count_words(texts, [word])
    with pytest.raises(InputError, match="window_tokens: -4"):
        sp.count_words(texts, items=items, window_tokens=-4)


def test_pivots_take_wide_words_and_the_tokenizer_alone():
    tokenizer, frame = tiny.tokenizer("byte-level"), documents()
    options = {"criterion": "bridge-fdr", "min_ratio": 0.1, "false_discovery_rate": 1.0}
    wide = {"concept_id": list(WORDS), "en": list(WORDS), "fr": list(WORDS.values())}
    joined = sp.pivot_set(frame, wide, tokenizer.backend_tokenizer, **options)
    assert joined.equals(sp.pivot_set(frame, LONG, tokenizer, **options))
    with pytest.raises(InputError, match="type NoneType; expected a fast tokenizer"):
        sp.pivot_set(frame, wide, None, **options)
    for pivots, message in [
        ({"unit": ["dog"], "text": ["dog"]}, "column unit holds dog"),
        ({"unit": ["token"], "text": ["dog"], "token": [-3]}, "no token"),
        ({"unit": ["token"], "text": ["dog"]}, "no token"),
    ]:
        with pytest.raises(InputError, match=message):
            sp.score_documents(frame, pivots, tokenizer)
    scores = sp.score_documents(frame, joined, tokenizer)
    with pytest.raises(InputError, match=r"\[select\] selections = \[\]: expected one at least"):
        sp.select_documents(scores, 300, selections=[])


def test_items_that_would_give_wrong_figures_are_refused(items):
    model, tokenizer = tiny.model("llama"), tiny.tokenizer("byte-level")
    scorer = sp.Scorer(model, tokenizer)
    first = items.head(2)
    own = pl.concat_list("source", "source").alias("distractors")
    for wrong, message in [
        (pl.concat([first, first]), "is not unique"),
        (first.with_columns(pl.lit("").alias("target")), "no target"),
        (first.with_columns(own), "none that is the source"),
        (first.with_columns(pl.Series("distractors", [[], []], pl.List(pl.String))), "one distractor at least"),
    ]:
        with pytest.raises(InputError, match=message):
            sp.score_items(wrong, scorer, shots=0, draws=1)
    with pytest.raises(InputError, match="shots: expected a whole number"):
        sp.score_items(first, scorer, shots=1.5)
    trace = sp.trace_items(first, sp.Lens.from_model(model), tokenizer, shots=0)
    with pytest.raises(InputError, match="none of the items"):
        sp.label_items(items.tail(2), trace, tokenizer)
    with pytest.raises(InputError, match="different numbers of layers"):
        sp.label_items(first, trace.head(len(trace) - 1), tokenizer)
