import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semantic_pivots import words


@given(st.text())
def test_normalising_is_idempotent_and_keeps_the_length_of_the_composed_text(text):
    once = words.normalise(text)
    assert words.normalise(once) in (once, unicodedata.normalize("NFC", once))
    assert len(once) == len(unicodedata.normalize("NFC", text))


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
    ],
)
def test_equivalent_characters_are_one(text: str, folded: str):
    assert words.fold(text) == folded


@given(st.text())
def test_folding_keeps_the_letters_of_plain_text(text: str):
    plain = "".join(char for char in text if char.isascii())
    assert words.fold(plain).split(" ") == " ".join(plain.lower().split()).split(" ") or plain.strip() != plain
