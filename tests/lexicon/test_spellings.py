"""The committed table of accepted spellings."""

from __future__ import annotations

from importlib import resources

from semantic_pivots.lexicon.concepts import lexicon_path, read_lexicon

LANGUAGES = ("zh", "ja")


def test_accepted_spellings_are_of_the_lexicons_words_and_new():
    text = resources.files("semantic_pivots").joinpath("data/spellings.tsv").read_text("utf-8")
    header, *lines = text.splitlines()
    assert header.split("\t") == ["language", "word", "form", "source"]
    assert lines == sorted(set(lines))
    rows = [line.split("\t") for line in lines]
    words = {
        (code, row[code])
        for name in ("cldr", "clwtd-open")
        for row in read_lexicon(lexicon_path(name), LANGUAGES)
        for code in LANGUAGES
    }
    assert {(code, word) for code, word, _, _ in rows} <= words
    assert all(word != form for _, word, form, _ in rows)
    assert {(word, form) for _, word, form, _ in rows} >= {("リンゴ", "りんご"), ("熊", "クマ"), ("ごはん", "ご飯")}
    assert {source for *_, source in rows} == {"JMdict", "CC-CEDICT"}
