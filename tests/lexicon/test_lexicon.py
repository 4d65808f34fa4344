from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from semantic_pivots import run
from semantic_pivots.errors import InputError
from semantic_pivots.languages import languages
from semantic_pivots.lexicon import cldr, cldr_wide, near_words
from semantic_pivots.lexicon.concepts import lexicon_path, lexicon_stage, read_lexicon
from semantic_pivots.lexicon.distractors import Pool, choose_distractors, is_variant
from semantic_pivots.lexicon.lexicon_stage import LexiconConfig
from semantic_pivots.tables import conform
from semantic_pivots.tasks.benchmark_stage import BenchmarkConfig
from semantic_pivots.tasks.word_items import benchmark_stage, keep_concepts
from semantic_pivots.words import normalise

SEVEN = ("en", "fr", "zh", "ja", "de", "es", "ru")


def publish(folder: Path, lexicon: LexiconConfig, benchmark: BenchmarkConfig) -> run.Inputs:
    def first(work: run.Work) -> dict:
        return lexicon_stage(lexicon, run.Inputs({}), work)

    def second(work: run.Work) -> dict:
        return benchmark_stage(benchmark, run.Inputs({"lexicon": folder / "lexicon"}), work)

    run.publish("lexicon", {}, folder / "lexicon", first, conform)
    run.publish("benchmark", {}, folder / "benchmark", second, conform)
    return run.Inputs({"lexicon": folder / "lexicon", "benchmark": folder / "benchmark"})


@pytest.fixture(scope="module")
def everyday(tmp_path_factory):
    return publish(tmp_path_factory.mktemp("runs"), LexiconConfig(), BenchmarkConfig(seed=3))


def test_the_shipped_everyday_lexicon_is_complete_and_one_to_one():
    rows = read_lexicon(lexicon_path("cldr"), SEVEN)
    assert len(rows) >= 450
    for code in SEVEN:
        words = [row[code] for row in rows]
        assert all(cldr.is_single_word(word, code) for word in words)
        assert len({normalise(word) for word in words}) == len(words)


def test_items_cover_every_direction_with_the_same_concepts(everyday):
    items = everyday.table("items").to_pylist()
    directions = {}
    for item in items:
        assert item["item_id"] == f"{item['source_language']}-{item['target_language']}:{item['concept_id']}"
        directions.setdefault((item["source_language"], item["target_language"]), []).append(item["concept_id"])
    assert len(directions) == 12
    assert len({tuple(concepts) for concepts in directions.values()}) == 1


def test_distractors_are_wrong_words_of_the_source_language(everyday):
    words: dict[tuple[str, str], str] = {}
    concepts: dict[str, set[str]] = {}
    for row in everyday.table("words").to_pylist():
        words[row["concept_id"], row["language"]] = row["word"]
        concepts.setdefault(normalise(row["word"]), set()).add(row["concept_id"])
    by_language = {code: {w for (_, c), w in words.items() if c == code} for code in ("en", "fr", "zh", "ja")}
    for item in everyday.table("items").to_pylist():
        own = {normalise(words[item["concept_id"], code]) for code in ("en", "fr", "zh", "ja")}
        assert len(set(item["distractors"])) == 9
        for word in item["distractors"]:
            assert word in by_language[item["source_language"]]
            assert not is_variant(word, item["source"])
            assert not is_variant(word, item["target"])
            # No concept that this distractor can stand for shares a spelling with the item's concept.
            stands_for = {normalise(words[c, code]) for c in concepts[normalise(word)] for code in by_language}
            assert not (stands_for & own)


def test_items_do_not_depend_on_how_many_are_kept(everyday, tmp_path):
    few = publish(tmp_path, LexiconConfig(), BenchmarkConfig(seed=3, items_per_direction=20)).table("items")
    assert few.num_rows == 240
    every = {item["item_id"]: item for item in everyday.table("items").to_pylist()}
    assert all(every[item["item_id"]] == item for item in few.to_pylist())


def test_smaller_benchmarks_are_subsets():
    concepts = [f"c{k}" for k in range(50)]
    kept = [keep_concepts(concepts, count, seed=1) for count in (5, 10, 30)]
    assert all(set(a) < set(b) for a, b in pairwise(kept))
    assert keep_concepts(concepts, 10, seed=1) != keep_concepts(concepts, 10, seed=2)


def test_similar_words_come_first_and_length_decides_otherwise():
    pool = Pool(["cat", "dog", "elephant", "hippopotamus", "cow"], seed=0)
    chosen = choose_distractors("x", pool, {"cow"}.__contains__, "pig", 3, 0, near=["hippopotamus"])
    assert set(chosen) == {"hippopotamus", "cat", "dog"}


def write(path: Path, text: str) -> str:
    path.write_text(text, "utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("concept_id\tpos\ten\n", "no column fr"),
        ("concept_id,pos,en,fr\na,noun,dog,chien\n", "separated by commas; expected tabs"),
        ("concept_id\tpos\ten\tfr\na\tnoun\tdog\n", "line 2: 3 cells, expected 4"),
        ("concept_id\tpos\ten\tfr\na\tnoun\tdog\tchien\na\tnoun\tcat\tchat\n", "line 3: concept_id 'a'"),
        ("concept_id\tpos\ten\tfr\tfr\na\tnoun\tdog\tchien\tx\n", "two columns fr"),
        ("concept_id\tpos\ten\tfr\na\tnoun\tdog\t\n", "no concept has a word in every one"),
        ("concept_id\tpos\ten\tfr\na\tnoun\tdog\tchien\n", "no item has 9 distractors"),
    ],
)
def test_a_lexicon_that_cannot_be_used_says_why(tmp_path, text, message):
    source = write(tmp_path / "words.tsv", text)
    with pytest.raises(InputError, match=message):
        publish(
            tmp_path,
            LexiconConfig(languages=("en", "fr"), source=source),
            BenchmarkConfig(languages=("en", "fr")),
        )


def test_a_lexicon_of_a_spreadsheet_is_read_and_composed(tmp_path):
    (tmp_path / "mine.tsv").write_bytes(
        "\ufeffconcept_id\tpos\tfr\tko\r\na\tnoun\te\u0301te\u0301\t\u1112\u1161\r\n".encode()
    )
    assert read_lexicon(tmp_path / "mine.tsv", ("fr", "ko")) == [
        {"concept_id": "a", "pos": "noun", "fr": "\u00e9t\u00e9", "ko": "\ud558"}
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column concept_id"),
        ("concept_id\ten.near\ten.zipf\na\tb\n", "line 2: 2 cells, expected 3"),
        ("concept_id\ten.zipf\na\thigh\n", "line 2: en.zipf is 'high', expected a number"),
    ],
)
def test_neighbours_that_cannot_be_read_say_why(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        near_words.read(Path(write(tmp_path / "mine.neighbours.tsv", text)))


def test_a_misspelt_lexicon_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'cldr'"):
        lexicon_path("cldrr")


def test_hand_made_choices_take_only_words_cldr_offers():
    entry = {"tts": ["Blutstropfen"], "default": ["Medizin"]}
    assert cldr._is_offered("Blut", entry, "de")
    assert not cldr._is_offered("Wasser", entry, "de")


def test_the_wide_lexicon_has_at_least_forty_languages_of_at_least_250_single_words_each():
    path = lexicon_path("cldr-wide")
    header = path.read_text("utf-8").split("\n", 1)[0].split("\t")
    codes = tuple(header[2:])
    assert len(codes) >= 40
    assert {"en", "fr", "zh", "ja", "ko", "ar", "tr", "hi", "he", "sw", "th"} <= set(codes) <= set(languages())
    rows = read_lexicon(path, codes)
    everyday = {row["concept_id"]: row for row in read_lexicon(lexicon_path("cldr"), SEVEN)}
    assert set(everyday) - {row["concept_id"] for row in rows} == set()
    for code in codes:
        words = [row[code] for row in rows if row[code]]
        assert len(words) >= cldr_wide.LEAST_CONCEPTS, code
        assert not any(" " in word or "\u00a0" in word for word in words)
        assert len({normalise(word) for word in words}) == len(words), code
        borrowed = sum(normalise(row[code]) == normalise(row["en"]) for row in rows if row[code])
        assert code == "en" or borrowed < 0.3 * len(words), code
    for row in rows:
        own = everyday.get(row["concept_id"], {})
        assert all(row[code] == own[code] for code in SEVEN if own)


@pytest.mark.parametrize("pair", [("ko", "tr"), ("ar", "sw"), ("th", "zu"), ("he", "ja")])
def test_the_wide_lexicon_makes_a_benchmark_in_any_pair(tmp_path, pair):
    lexicon = LexiconConfig(languages=pair, source="cldr-wide")
    made = publish(tmp_path, lexicon, BenchmarkConfig(languages=pair)).table("items").to_pylist()
    assert {(item["source_language"], item["target_language"]) for item in made} == {pair, pair[::-1]}
    assert len(made) >= 300
    assert all(len(set(item["distractors"])) == 9 for item in made)
