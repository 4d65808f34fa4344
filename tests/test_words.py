import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semantic_pivots import words


@pytest.mark.parametrize(
    ("text", "word", "code", "expected"),
    [
        ("le chat.", "chat", "fr", True),
        ("les chats", "chat", "fr", False),
        ("LE CHAT", "chat", "fr", True),
        ("猫chat猫", "chat", "fr", True),  # no boundary is written beside a script without spaces
        ("cafe\u0301", "café", "fr", True),  # composed and decomposed are one word
        ("cafe\u0301", "cafe", "fr", False),
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
def test_an_occurrence(text, word, code, expected):
    assert words.contains(text, word, code) is expected


@given(st.text())
def test_normalising_is_idempotent_and_keeps_the_length_of_the_composed_text(text):
    once = words.normalise(text)
    assert words.normalise(once) in (once, unicodedata.normalize("NFC", once))
    assert len(once) == len(unicodedata.normalize("NFC", text))


@given(st.text(max_size=20), st.text(alphabet="abé猫 ́", min_size=1, max_size=3), st.text(max_size=20))
def test_a_word_set_apart_by_spaces_occurs(before, word, after):
    assert words.contains(f"{before} {word} {after}", word, "zh") or not word.strip()
    if unicodedata.combining(word[0]) == 0 and word.strip() == word:
        assert words.contains(f"{before} {word} {after}", word, "fr")
