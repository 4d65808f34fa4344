"""Neighbours: near in the embedding, never a translation, synonym or variant; the benchmark takes them first."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from semantic_pivots.lexicon.join import Translations
from semantic_pivots.lexicon.near_words import NearWords, neighbours, neighbours_path, read, translations_of, write
from semantic_pivots.lexicon.sources.entry import Entry
from semantic_pivots.tasks.benchmark_stage import BenchmarkConfig
from semantic_pivots.tasks.word_items import frequency_band, make_items

ROWS = [
    {"concept_id": concept, "pos": "noun", "en": concept, "fr": french}
    for concept, french in (
        ("dog", "chien"), ("hound", "limier"), ("cur", "corniaud"), ("cat", "chat"),
        ("dogfish", "roussette"), ("sun", "soleil"),
    )
]  # fmt: skip
ANGLES = {"dog": 0.0, "hound": 0.8, "cur": 0.9, "cat": 1.0, "dogfish": 0.85, "sun": 1.5}
ANGLES |= {row["fr"]: ANGLES[row["en"]] for row in ROWS}


def embed(words):
    return np.array([[np.cos(ANGLES.get(w, 0)), np.sin(ANGLES.get(w, 0))] for w in words])


def dictionaries() -> Translations:
    table = Translations()
    table.add(
        [Entry("dog", "en", "fr", "noun", (("chien",),)), Entry("hound", "en", "fr", "noun", (("chien", "limier"),))],
        "a",
    )
    table.add([Entry("chien", "fr", "en", "noun", (("cur",),))], "b")
    return table


def test_translations_are_those_of_any_dictionary_and_words_that_share_one():
    found = translations_of(dictionaries(), ROWS[0], ("en", "fr"))
    assert {("fr", "chien"), ("en", "hound"), ("en", "cur")} <= found
    assert ("en", "cat") not in found


def test_neighbours_come_by_cosine_without_translations_synonyms_and_variants(tmp_path):
    made = neighbours(ROWS, ("en", "fr"), dictionaries(), lambda word, code: 4.0, embed, 3)
    near = {row["concept_id"]: row["en.near"].split(",") for row in made}
    assert near["dog"] == ["cat", "sun"]
    write(made, ("en", "fr"), tmp_path / "x.neighbours.tsv")
    again, zipf, alike = read(tmp_path / "x.neighbours.tsv")
    assert again["dog", "en"] == near["dog"]
    assert zipf["sun", "fr"] == 4.0
    assert {"hound", "cur"} <= set(alike["dog"])  # a dictionary's translations of chien
    assert "sun" not in alike["dog"]
    assert read(tmp_path / "absent.tsv") == ({}, {}, {})


def test_what_may_translate_a_concept_does_not_complete_its_distractors():
    words = {row["concept_id"]: {code: row[code] for code in ("en", "fr")} for row in ROWS}
    pos, alike = dict.fromkeys(words, "noun"), {"dog": ["hound", "cur"]}

    def distractors(neighbours: NearWords, count: int) -> set[str]:
        config = BenchmarkConfig(languages=("en", "fr"), distractors=count)
        return set(make_items(words, pos, ["dog"], config, neighbours)[0]["distractors"])

    assert "cur" in distractors(NearWords({}, {}, {}), 3)
    assert distractors(NearWords({}, {}, alike), 2) == {"cat", "sun"}
    assert distractors(NearWords({("dog", "en"): ["cur", "cat"]}, {}, alike), 2) == {"cur", "cat"}


def test_words_of_like_frequency_come_first():
    far = {"cat": 7.0}
    made = neighbours(ROWS, ("en", "fr"), Translations(), lambda word, code: far.get(word, 4.0), embed, 9)
    near = {row["concept_id"]: row["en.near"].split(",") for row in made}
    assert near["dog"][-1] == "cat"
    assert near["dog"][0] == "hound"


def test_frequency_bands():
    assert [frequency_band(z) for z in (5.0, 4.5, 4.0, 3.5, 2.0)] == ["high", "high", "middle", "middle", "low"]
    assert isinstance(neighbours_path(Path("a/b.tsv")), Path)
