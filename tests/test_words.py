import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semantic_pivots import words


def is_stable(text: str) -> bool:
    once = words.normalise(text)
    return words.normalise(once) == once == words.normalise(words.nfc(text)) and len(once) == len(words.nfc(text))


@given(st.text())
def test_normalising_is_idempotent_and_keeps_the_length_of_the_composed_text(text):
    assert is_stable(text)
    assert unicodedata.is_normalized("NFC", words.normalise(text))


def test_normalising_is_idempotent_for_every_letter_with_every_mark_that_composes():
    points = [chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    parts = [unicodedata.normalize("NFD", char) for char in points]
    marks = {mark for part in parts for mark in part[1:] if unicodedata.combining(mark)}
    letters = {char for char in points if words.normalise(char) != char or char.upper() != char}
    letters |= {part[0] for part in parts if len(part) > 1}
    assert [hex(ord(char)) for char in letters if not is_stable(char)] == []
    assert [(char, mark) for char in letters for mark in marks if not is_stable(char + mark)] == []
    for small, capital in (("ǰ", "J\u030c"), ("ẖ", "H\u0331"), ("ΐ", "Ϊ\u0301"), ("í", "İ\u0301")):
        assert words.normalise(capital) == words.normalise(small) == small


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Aujourd’hui", "aujourd'hui"),
        ("New\n York", "new york"),
        ("❤\ufe0flove 1\ufe0f\u20e3love", "❤love 1love"),
        ("ｱﾊﾞＣＤ", "アバcd"),
        ("ﬁn so\u00adft a\u200db", "fin soft ab"),
        ("كِتَاب مــاء أب", "كتاب ماء اب"),
        ("שָׁלוֹם צה״ל", 'שלום צה"ל'),
        ("e\u0301 ΛΌΓΟΣ", "é λόγοσ"),
        ("l´eau l′eau o\u02bbt o‘t", "l'eau l'eau o't o't"),
        ("և Երևան", "եւ երեւան"),
    ],
)
def test_equivalent_characters_are_one(text: str, folded: str):
    assert words.fold(text) == folded


@given(st.text())
def test_folding_keeps_the_letters_of_plain_text(text: str):
    plain = "".join(char for char in text if char.isascii())
    assert words.fold(plain).split(" ") == " ".join(plain.lower().split()).split(" ") or plain.strip() != plain
