"""A document's words, whatever its script, and the vocabulary of a corpus in shards."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest

from semantic_pivots.counting.units import Splitter, Vocabulary, pieces_of
from semantic_pivots.pivots.own_words import is_form, units_that_hold
from semantic_pivots.wordforms.table import rule_of
from semantic_pivots.words import normalise

PIECES = ["東京", "東京都", "天気", "食べる", "ご飯", "大学", "北京", "สวัสดี", "ครับ"]


@pytest.fixture(scope="module")
def splitter() -> Splitter:
    return Splitter.compile(pieces_of(PIECES))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("L'eau de l'Église, n'est-ce pas?", "eau de église est ce pas"),
        ("She isn’t there; don't go, the cat's out", "she isn't there don't go the cat out"),
        ("x86 and D&C of -o FILE", "and of file"),
        ("ice-cream naïve cafe\u0301 CAFÉ", "ice cream naïve café"),
        ("Привет, мир и я", "привет мир"),
        ("السلام عليكم و", "السلام عليكم"),
        ("곰은 물을 마신다. 물", "곰은 물을 마신다 물"),
        ("สวัสดีครับ", "สวัสดี ครับ"),
        ("ΣΟΦΟΣ İstanbul", "σοφοσ istanbul"),
        ("東京都の天気は?ご飯を食べる", "東京都 天気 ご飯 食べる"),
        ("キスとテキスト猫chat猫", "キス テキスト chat"),
        ("北京大学 12 🐻", "北京 大学"),
        ("a" * 41 + " bb bb", "bb"),
        ("", ""),
    ],
)
def test_words_of_every_script(splitter: Splitter, text: str, found: str):
    assert splitter.words(text) == found.split()


def test_pieces_that_run_over_a_word_are_left_out():
    kept = {"大学", "食べる", "ご飯", "りんご"}
    assert pieces_of([*kept, "の日本", "人気の", "版本的", "的人", "をして", "水", "ｘ大", " chat"]) == kept


def reference(text: str) -> list[str]:
    """Words of texts in spaced scripts: runs of letters and marks, of two letters at least."""
    runs, run = [], ""
    for char in normalise(text) + " ":
        if unicodedata.category(char)[0] in "LM":
            run += char
            continue
        if 2 <= len(run) <= 40:
            runs.append(run)
        run = ""
    return list(dict.fromkeys(runs))


def test_many_documents_and_their_vocabulary(splitter: Splitter):
    generator = np.random.default_rng(0)
    alphabet = [*"abcdeéïøαβγбвг   .,3\n", "e\u0301", "E\u0301"]
    texts = ["".join(generator.choice(alphabet, generator.integers(0, 60))) for _ in range(3000)]
    vocabulary, found = Vocabulary(), []
    for part in (texts[:1000], texts[1000:]):
        ends = np.concatenate([[0], np.cumsum([len(text.encode()) for text in part])])
        units = splitter.split(np.frombuffer("".join(part).encode(), np.uint8), ends)
        numbers = vocabulary.numbers(units.keys, units.letters, units.ends)[units.numbers]
        found += [[vocabulary.texts[k] for k in row] for row in np.split(numbers, units.starts[1:-1])]
    assert found == [reference(text) for text in texts]
    assert len(set(vocabulary.texts)) == len(vocabulary) == len(set(vocabulary.keys().tolist()))


@pytest.mark.parametrize(
    ("unit", "word", "own"),
    [
        ("mountains", "mountain", True),
        ("marché", "marche", True),
        ("ox", "oxen", False),
        ("oxen", "ox", True),
        ("wolf", "bear", False),
        ("cattle", "cat", True),
        ("beard", "forest", False),
        ("火山", "山", True),
        ("天", "天気", True),
        ("海", "山", False),
        ("곰은", "곰", True),
        ("медведя", "медведь", True),
        ("والكتاب", "كتاب", False),
        ("الكتاب", "كتاب", True),
    ],
)
def test_forms_of_a_word_are_told_by_spelling(unit: str, word: str, own: bool):
    assert is_form(normalise(unit), normalise(word)) is own


def test_forms_of_a_word_are_told_by_the_rule():
    asked = [("go", "en"), ("œil", "fr"), ("كتاب", "ar"), ("go", "fr"), ("", "en")]
    units = ["went", " Yeux", "كتب", "كتابهم", "goat", "go", "x"]
    found = units_that_hold(asked, units, rule_of("forms", "", asked))
    assert {word: [units[k] for k in places] for word, places in found.items()} == {
        ("go", "en"): ["went", "go"],
        ("œil", "fr"): [" Yeux"],
        ("كتاب", "ar"): ["كتب", "كتابهم"],
        ("go", "fr"): ["go"],
        ("", "en"): [],
    }
