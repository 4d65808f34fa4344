"""What counts as an occurrence of a word, by its spelling and by its forms."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semantic_pivots.errors import InputError
from semantic_pivots.wordforms.rule import SPELLING, Rule, contains, within_window
from semantic_pivots.wordforms.table import forms_of, rule_of


@pytest.mark.parametrize(
    ("text", "word", "code", "expected"),
    [
        ("le chat.", "chat", "fr", True),
        ("les chats", "chat", "fr", False),
        ("LE CHAT", "chat", "fr", True),
        ("猫chat猫", "chat", "fr", True),  # no boundary is written beside a script without spaces
        ("cafe\u0301", "café", "fr", True),  # composed and decomposed are one word
        ("cafe\u0301", "cafe", "fr", False),
        ("J\u030cAN", "ǰan", "en", True),  # a letter that is one character in lower case only
        ("ǰan", "J\u030can", "en", True),
        ("chat3", "chat", "fr", True),  # a digit is neither letter nor mark
        ("chat chats", "chats", "fr", True),
        ("chatschat", "chat", "fr", False),
        ("太阳能", "太阳", "zh", True),
        ("солнцем", "солнце", "ru", False),
        ("Straße", "strasse", "de", False),  # lower case, not case folding
        ("ΛΌΓΟΣ", "λόγος", "el", True),
        ("", "chat", "fr", False),
        ("chat", "", "fr", False),
    ],
)
def test_an_occurrence_of_a_spelling(text, word, code, expected):
    assert contains(text, (word, code), SPELLING) is expected


@settings(deadline=None)  # of a busy machine
@given(st.text(max_size=20), st.text(alphabet="abé猫 ́", min_size=1, max_size=3), st.text(max_size=20))
def test_a_word_set_apart_by_spaces_occurs(before, word, after):
    assert contains(f"{before} {word} {after}", (word, "zh"), SPELLING) or not word.strip()
    if unicodedata.combining(word[0]) == 0 and word.strip() == word:
        assert contains(f"{before} {word} {after}", (word, "fr"), SPELLING)


CASES = (
    ("les chats", "chat", "fr", True),
    ("l’utilisateur", "l'utilisateur", "fr", True),
    ("she went", "go", "en", True),
    ("❤\ufe0flove", "love", "en", True),
    ("das Haus, die Häuser", "Haus", "de", True),
    ("a book", "ok", "zh", False),
    ("это ok吗", "ok", "zh", True),
    ("我用手机", "手", "zh", False),
    ("我的手", "手", "zh", True),
    ("一隻貓", "猫", "zh", True),
    ("月曜日に", "月", "ja", False),
    ("月が見える", "月", "ja", True),
    ("月曜日に", "月", "zh", False),  # a Japanese text: its words of Chinese characters bound Chinese ones
    ("昨日は食べた。", "食べる", "ja", True),
    ("ブックマーク", "クマ", "ja", False),
    ("クマが来た", "クマ", "ja", True),
    ("ﾃｷｽﾄ", "キス", "ja", False),
    ("แมวกินปลา", "ปลา", "th", True),
    ("ราคามาก", "กา", "th", False),
    ("وبكتابهم", "كتاب", "ar", True),
    ("هذه الحالة", "حال", "ar", False),  # with an ending the table has another word
    ("الشكل المعياري", "معيار", "ar", False),  # behind an article no construct
    ("الذي التي", "تي", "ar", False),
    ("في البيت", "هو", "ar", False),  # the table gives the pronoun its suffixes as forms
    ("وهو", "هو", "ar", True),
    ("my dog", "dogs", "en", True),
    ("un chat", "chats", "fr", True),
    ("a glass", "glasses", "en", False),
    ("un libro", "libri", "it", True),
    ("una bacchetta magica", "bacchette", "it", False),  # a wand, no chopsticks
    ("en socka", "sockor", "sv", True),
    ("o mănușă", "mănuși", "ro", True),
    ("a new one", "news", "en", False),
    ("bir hücre seçtiğinizde", "seçmek", "tr", True),
    ("kapıya gidiyor", "gitmek", "tr", True),
    ("bunu değiştirdi", "değiştirmek", "tr", True),
    ("hava değişti", "değiştirmek", "tr", False),
    ("atlar ve atlarım", "atmak", "tr", False),  # horses
    ("taşı attı", "atmak", "tr", True),
    ("sen de", "demek", "tr", False),  # the particle
    ("yemeği yapar", "yemek", "tr", True),  # the noun has its own forms
    ("elma yiyor", "yemek", "tr", False),
    ("vidjeli smo kuće", "kuća", "hr", True),
    ("у великој кући", "кућа", "sr", True),
    ("to bøker", "bok", "no", True),
    ("ngôi nhà hòa bình", "hoà bình", "vi", True),
    ("màu thuỷ ngân", "thủy ngân", "vi", True),
    ("quý", "qúy", "vi", False),  # the u belongs to the consonant, and one spelling is an error
    ("հունիսի արևը", "արեւը", "hy", True),
    ("bitta oʻt", "o‘t", "uz", True),
)


@pytest.fixture(scope="module")
def rule() -> Rule:
    """The rule of all cases: reading a language's table takes seconds, for one word as for many."""
    return rule_of("forms", "", [(word, code) for _, word, code, _ in CASES])


@pytest.mark.parametrize(("text", "word", "code", "expected"), CASES)
def test_an_occurrence_of_a_form(text: str, word: str, code: str, expected: bool, rule: Rule):
    assert contains(text, (word, code), rule) is expected


def test_what_is_asked_beside_a_word_does_not_change_it():
    wide = rule_of("forms", "", [("手", "zh"), ("手机", "zh"), ("机", "zh"), ("月", "ja")])
    alone = rule_of("forms", "", [("手", "zh")])
    for text in ("手机", "我的手", "手", "一手机"):
        assert contains(text, ("手", "zh"), wide) == contains(text, ("手", "zh"), alone)


def test_a_window_is_counted_between_forms():
    pair = ("chat", "fr"), ("souris", "fr")
    rule = rule_of("forms", "", pair)
    assert within_window("les chats, des souris", *pair, 4, rule)
    assert not within_window("les chats, des souris", *pair, 3, rule)


def test_a_form_that_the_table_lacks_is_made_as_it_has_those_of_like_words():
    assert not any(row.form == "слайдом" and row.source != "analogy" for row in forms_of([("слайд", "uk")]))
    alone = {row.form for row in forms_of([("слайд", "uk")])}
    beside = {row.form for row in forms_of([("слайд", "uk"), ("завод", "uk")]) if row.word == "слайд"}
    assert "слайдом" in alone
    assert alone == beside


def test_a_language_without_sources_has_the_word_itself_and_says_so():
    rule = rule_of("forms", "", [("ajá", "yo")])
    assert contains("Ajá kan", ("ajá", "yo"), rule)
    assert not contains("ajáwo", ("ajá", "yo"), rule)
    assert rule.signature("yo") == "forms-7"


def test_a_row_that_cannot_be_used_is_named(tmp_path):
    path = tmp_path / "forms.tsv"
    for row, says in (("кот\trus\tx\t", "did you mean 'ru'"), ("кот\tru\tx\tlettrs", "did you mean 'letters'")):
        path.write_text(f"word\tlanguage\tform\tedges\n{row}\n", "utf-8")
        with pytest.raises(InputError, match=f"forms.tsv: row 1: .*{says}"):
            forms_of([("кот", "ru")], str(path))
