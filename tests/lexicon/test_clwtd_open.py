"""CLWTD-open as it is committed: size, one-to-one, verdicts that belong to it, what its distractors must not be."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.clwtd_quality import LANGUAGES, added_verdicts, items, verdicts
from semantic_pivots.lexicon import added, near_words
from semantic_pivots.lexicon.clwtd import read_excluded
from semantic_pivots.lexicon.concepts import lexicon_path, read_lexicon
from semantic_pivots.lexicon.distractors import is_variant
from semantic_pivots.words import normalise

ROOT = Path(__file__).parents[2]

ALL = (*LANGUAGES, *added.LANGUAGES)


@pytest.fixture(scope="module")
def rows():
    return read_lexicon(lexicon_path("clwtd-open"), ALL)


def test_it_is_large_enough_and_one_to_one(rows):
    assert sum(all(row[code] for code in LANGUAGES[:4]) for row in rows) >= 2000
    assert sum(all(row[code] for code in LANGUAGES) for row in rows) >= 1000
    assert len(ALL) >= 12
    for code in ALL:
        assert sum(bool(row[code]) for row in rows) >= 1000, code
        counts = Counter(normalise(row[code]) for row in rows if row[code])
        assert max(counts.values()) == 1, [word for word, n in counts.items() if n > 1]


def test_every_word_has_a_source_and_a_licence(rows):
    assert all(row[f"{code}.source"] and row[f"{code}.licence"] for row in rows for code in ALL if row[code])


def test_what_was_excluded_by_hand_is_not_there(rows):
    excluded = read_excluded(lexicon_path("clwtd-open").with_name("clwtd_excluded.txt"))
    for row in rows:
        wrong = excluded.get(row["en"], set())
        assert "*" not in wrong
        assert not any(row[code] in wrong or f"{code}:{row[code]}" in wrong for code in ALL if row[code])


def test_the_verdicts_belong_to_it_and_reach_the_bar():
    read = verdicts()
    assert len(read) == 200
    assert sum(row["clean"] == "yes" for row in read) >= 194
    assert all(row["why"] for row in read if row["clean"] == "no")


def test_the_verdicts_on_added_languages_belong_to_them_and_reach_the_bar():
    for group, read in added_verdicts().items():
        assert len(read) == 200, group
        assert sum(row["clean"] == "yes" for row in read) >= 194, group
        assert all(bool(row["why"]) == (row["clean"] == "no") for row in read)


@pytest.mark.parametrize("code", ["tr", "fi"])
def test_items_of_an_added_language_have_nine_distractors_that_are_no_variants(rows, code):
    made = items(("en", code))
    assert len(made) == 2 * sum(bool(row[code]) for row in rows)
    assert all(len({normalise(word) for word in item["distractors"]}) == 9 for item in made)
    assert all(any(tag.startswith("frequency:") for tag in item["strata"]) for item in made)


def test_distractors_are_nine_distinct_neighbours_and_no_variants(rows):
    near, zipf, _ = near_words.read(near_words.neighbours_path(lexicon_path("clwtd-open")))
    words = {row["concept_id"]: row for row in rows}
    assert len(zipf) == sum(bool(row[code]) for row in rows for code in ALL)
    made = items()
    assert len(made) == 12 * len(rows)
    for item in made:
        language = item["source_language"]
        allowed = {words[concept][language] for concept in near[item["concept_id"], language]}
        assert len({normalise(word) for word in item["distractors"]}) == 9
        assert set(item["distractors"]) <= allowed
        assert not any(
            is_variant(word, answer) for word in item["distractors"] for answer in (item["source"], item["target"])
        )
        assert any(tag.startswith("frequency:") for tag in item["strata"])


def test_the_licence_of_the_wheel_covers_the_word_tables():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = set(project["license"].split(" AND "))
    header, *lines = lexicon_path("clwtd-open").read_text("utf-8").splitlines()
    columns = [place for place, name in enumerate(header.split("\t")) if name.endswith(".licence")]
    rows = [line.split("\t") for line in lines]
    used = {part for row in rows for place in columns for part in row[place].split(" AND ") if part}
    assert used <= named
    shipped = {path for pattern in project["license-files"] for path in ROOT.glob(pattern)}
    assert {path.name for path in shipped} >= {"LICENSE", "clwtd-open.origin.md", "clwtd-open.LICENSE.GPL-2.0.txt"}
    # these ask for their text or its address beside what stands under them
    for path in shipped:
        text = path.read_text("utf-8").replace("CC BY-SA ", "CC-BY-SA-")
        for version in ("3.0", "4.0"):
            assert f"CC-BY-SA-{version}" not in text or f"creativecommons.org/licenses/by-sa/{version}/" in text, path
