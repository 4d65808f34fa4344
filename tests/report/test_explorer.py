"""The explorer's data: tokens that can be read, documents in context, and files that are the same each time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from semantic_pivots.errors import InputError
from semantic_pivots.report.explorer import write_static
from semantic_pivots.report.explorer_data import Explorer, path_of
from semantic_pivots.report.keyword_in_context import line, passages
from semantic_pivots.report.token_marks import Mark, Marker
from semantic_pivots.wordforms.table import rule_of
from tests.report import made_run


@pytest.fixture(scope="module")
def explorer(run: Path) -> Explorer:
    return Explorer(run)


def byte_tokenizer(*merged: str) -> Tokenizer:
    """A tokenizer of bytes, with some tokens of several."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*letters, *merged])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[(word[:-1], word[-1]) for word in merged]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def test_bytes_of_an_unfinished_character_are_shown_as_what_they_begin():
    tokenizer = byte_tokenizer("ä½")  # the bytes E4 BD, with which 你 begins
    token = tokenizer.token_to_id("ä½")
    assert Marker(tokenizer, {"zh": "你"}, ("en", "zh")).mark(token).text == "你…"
    plain = Marker(tokenizer, {}, ("en", "zh")).mark(token)
    assert plain.text == "佀–使…"
    assert "U+4F40 to U+4F7F" in plain.note
    inside = Marker(tokenizer, {}, ("en", "zh")).mark(tokenizer.token_to_id("½"))
    assert inside == Mark("…BD", "", "bytes BD, inside a character")
    # no font has the private characters from U+F000 on
    private = Marker(tokenizer, {}, ("en", "zh")).mark(tokenizer.token_to_id("ï"))
    assert private == Mark("EF…", "", "bytes EF, which begin a character from U+F000 to U+FFFF")


def test_what_is_not_seen_is_shown_by_a_sign_or_its_code_point():
    tokenizer = byte_tokenizer("âĢ", "âĢĭ")  # the bytes E2 80 8B, a space of no width
    marker = Marker(tokenizer, {}, ("en", "ar"))
    texts = [marker.mark(tokenizer.token_to_id(token)).text for token in ("âĢĭ", "Ċ", "ĉ", "Ġ", "Ā")]
    assert texts == ["U+200B", "↵", "⇥", "␣", "U+0000"]


def test_words_of_further_languages_pivots_and_plurals_are_marked():
    tokenizer = byte_tokenizer("do", "dog", "dogs", "dogm", "dogma", "pe", "pet", "Hu", "Hun", "Hund")
    marker = Marker(tokenizer, {"en": "dog", "fr": "chien", "de": "hund"}, ("en", "fr"), [" pet"])
    kinds = {text: marker.mark(tokenizer.token_to_id(text)) for text in ("dog", "dogs", "dogma", "pet", "Hund", "do")}
    assert kinds["dog"] == Mark("dog", "source", "en")
    assert kinds["dogs"] == Mark("dogs", "source", "form of dog, en")
    assert kinds["dogma"].kind == ""
    assert kinds["pet"].kind == "pivot"
    assert kinds["Hund"] == Mark("Hund", "elsewhere", "de")
    assert kinds["do"].kind == ""


def test_tokens_that_were_ever_first_are_one_row_each():
    tokenizer = byte_tokenizer("Ġd", "Ġdo", "Ġdog", "do", "dog")
    dog, spaced, other = (tokenizer.token_to_id(text) for text in ("dog", "Ġdog", "x"))
    rows = [
        {"lens": "logit", "layer": 0, "top_ids": [other, dog], "top_probs": [0.6, 0.1], "entropy": 1.0},
        {"lens": "logit", "layer": 1, "top_ids": [dog, spaced], "top_probs": [0.5, 0.2], "entropy": 1.0},
        {"lens": "logit", "layer": 2, "top_ids": [spaced, dog], "top_probs": [0.5, 0.2], "entropy": 1.0},
    ]
    path = path_of(rows, Marker(tokenizer, {"en": "dog"}, ("en", "fr")))["logit"]
    assert path["first"] == [["x", "", "", [0.6, None, None]], ["dog", "source", "en", [0.1, 0.7, 0.7]]]


def test_a_line_shows_the_word_where_it_stands_alone():
    assert line("A dogma. The dog ran.", ("dog", "en")) == ("A dogma. The ", "dog", " ran.")
    assert line("no such word", ("dog", "en")) is None
    cut = line("x" * 60 + " 犬 " + "y" * 60, ("犬", "ja"))
    assert cut is not None
    assert cut.before.startswith("…")
    assert cut.after.endswith("…")


@pytest.mark.parametrize(
    ("text", "word", "shown"),
    [
        ("They  went\u00a0home.", ("go", "en"), ("They  ", "went", "\u00a0home.")),
        ("고양이가 잔다", ("고양이", "ko"), ("", "고양이", "가 잔다")),
        ("قرأ وبكِتابهم", ("كتاب", "ar"), ("قرأ وب", "كِتاب", "هم")),
        ("月曜日の月", ("月", "ja"), ("月曜日の", "月", "")),
        ("eine Schiff\u00adfahrt, ﬁn", ("fin", "fr"), ("eine Schiff\u00adfahrt, ", "fin", "")),
    ],
)
def test_a_line_shows_the_form_by_the_rule(text: str, word: tuple[str, str], shown: tuple[str, str, str]):
    assert line(text, word, rule_of("forms", "", [word])) == shown


def test_passages_hold_both_words_and_name_their_source(run: Path):
    pair = (("dog", "en"), ("chien", "fr"))
    found, read = passages([run / "corpus/shards/s.parquet"], [pair, (("dog", "en"), ("moon", "en"))])
    assert list(found) == [pair]
    assert [(p.source, p.document) for p in found[pair]] == [("tatoeba", "d1")]
    assert [part.word for part in found[pair][0].lines] == ["dog", "chien"]
    assert read == sum(len(text.encode()) for _, text, _ in made_run.DOCUMENTS)


def test_a_concept_has_all_that_the_tables_say(explorer: Explorer):
    data = explorer.concept("dog")
    item = data["items"]["en-fr"]
    assert (item["source"], item["target"]) == ("dog", "chien")
    assert item["candidates"][0][:2] == ["dog", True]
    assert len(item["candidates"]) == 6
    assert {of["of"] for of in explorer.context("dog")["en-fr"]} >= {"dog + chien", "dog + animal", "chien + animal"}
    assert {row[0] for row in item["behaviour"]} == {"paper", "causal"}
    assert set(item["paths"]) == {"logit", "tuned"}
    assert len(item["paths"]["logit"]["layers"]) == made_run.LAYERS
    assert data["neighbours"]
    assert {row[0] for row in data["words"]} == {"en", "fr", "zh", "ja"}


def test_stages_that_have_not_run_are_left_out(run: Path, tmp_path: Path):
    for stage in ("lexicon", "benchmark"):
        (tmp_path / stage).symlink_to(run / stage)
    item = Explorer(tmp_path).concept("dog")["items"]["en-fr"]
    assert (item["paths"], item["pivots"], item["candidates"]) == ({}, [], [])
    assert Explorer(tmp_path).context("dog")["en-fr"] == []
    with pytest.raises(InputError, match="expected a study's run"):
        Explorer(tmp_path / "none")


def test_static_files_are_the_same_each_time_and_no_other_folder_is_touched(run: Path, tmp_path: Path):
    one, two = tmp_path / "one", tmp_path / "two"
    assert write_static(run, one) == 16
    write_static(run, two)
    files = sorted(p.relative_to(one) for p in one.rglob("*") if p.is_file())
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in files)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("x")
    with pytest.raises(InputError, match="holds other files"):
        write_static(run, tmp_path / "mine")
    for place in ("file", "file/below"):
        command = [sys.executable, "-m", "semantic_pivots", "explore", run, "--static", tmp_path / "mine" / place]
        told = subprocess.run(command, capture_output=True, text=True, check=False).stderr
        assert told.startswith(f"error: {tmp_path}/mine/file: a file, where a folder is needed")
