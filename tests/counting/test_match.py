# ruff: noqa: E501 (wide characters)
"""The matcher equals `rule.contains` on random multilingual text, by spellings and by forms."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semantic_pivots.counting.counts import Task
from semantic_pivots.counting.match import Words, find
from semantic_pivots.counting.strings import buffers
from semantic_pivots.wordforms.rule import SPELLING, Form, Rule, contains, within_window

WANTED = [
    ("chat", "fr"), ("chat", "en"), ("cha", "en"), ("猫", "zh"), ("猫", "en"), ("子猫", "ja"), ("ねこ", "ja"),
    ("こ", "ja"),
    ("aujourd'hui", "fr"), ("hui", "fr"), ("État", "fr"), ("cd", "ja"), ("CD", "en"), ("σοφός", "el"), ("a b", "en"),
    ("", "en"), ("re\u0301sume\u0301", "fr"), ("か\u3099", "ja"), ("アニメ", "ja"), ("ｱﾆﾒ", "ja"), ("ا", "ar"), ("👍", "en"),
    ("👍🏽", "zh"), ("n", "en"), ("한국", "ko"), ("\u1112\u1161\u11ab", "ko"), ("แม่", "th"), ("𠀀", "zh"), ("𐐀", "en"),
    ("ＣＤ", "en"), ("ﬁ", "en"), ("եւ", "hy"), ("o\u02bbt", "uz"), ("i", "tr"), ("Å", "en"), ("हिन्दी", "hi"), ("\u0301", "en"), ("ǰ", "en"), ("猫chat", "zh"), ("t-shirt", "en"),
]  # fmt: skip
PIECES = [
    *"abcdehinstuCDIÉé猫子ねこかがアイニメ ÅåσςΣ'-.!👍🏽𠀀𐐀𐐨ﬁＣＤｃａｱﾆﾒﾞİıाꙮJǰ",
    "\u0301", "\u0327", "\u030c", "\u3099", "\u212b", "\u212a", "\u1112", "\u1161", "\u11ab", "한", "국", "แม่", "ม", "\u0e48", "हिन्दी",
    "\u093c", "는", "에서", "ا", "ب", "ال", "و", "ه", "ـ", "َ", "’", "\u00a0", "\n", "\u00ad", "手机", "曜日", "chat", "résumé", "aujourd'hui", "État", "σοφός", "ΣΟΦΌΣ", "アニメ", "\u200d", "\ufe0f", "\u0000", "a b", "t-shirt",
    "և", "եւ", "o\u02bb", "t", "`",
]  # fmt: skip


# Forms of every kind of edges, for the words that have some; the others have their own.
FORMS = Rule(
    "forms",
    "test",
    {
        ("chat", "fr"): (Form("chat", "letters"), Form("chats", "letters"), Form("cha", "letters")),
        ("猫", "zh"): (Form("猫", "zh"), Form("子猫", "zh")),
        ("子猫", "ja"): (Form("子猫", "ja"), Form("猫", "ja"), Form("ねこ", "ja")),
        ("한국", "ko"): (Form("한국", "ko-noun"), Form("국", "ko-noun")),
        ("ا", "ar"): (Form("ا", "ar-noun"), Form("ب", "ar-the")),
        ("アニメ", "ja"): (Form("アニメ", "ja"), Form("ニメ", "script")),
    },
)


def check(texts: list[str], wanted: list[tuple[str, str]], rule: Rule = SPELLING) -> int:
    compiled = Words.compile(wanted, rule)
    starts, hits = find(compiled, *buffers(pa.array(texts, pa.string())))
    for i, text in enumerate(texts):
        found = hits[starts[i] : starts[i + 1]].tolist()
        assert len(found) == len(set(found))
        for (word, code), pattern in zip(wanted, compiled.pattern_of, strict=True):
            assert contains(text, (word, code), rule) == (pattern in found), (text, word, code)
    return len(texts) * len(wanted)


@pytest.mark.parametrize("rule", [SPELLING, FORMS], ids=["spelling", "forms"])
def test_equals_the_reference_on_assembled_text(rule: Rule):
    chooser = random.Random(5)
    texts = ["".join(chooser.choices(PIECES, k=chooser.randrange(14))) for _ in range(2000)]
    assert check(texts, WANTED, rule) >= 10_000


letters = st.text(st.one_of(st.sampled_from(PIECES).map(lambda p: p[0]), st.characters(codec="utf-8")), max_size=6)
entries = st.tuples(letters, st.sampled_from(["en", "fr", "zh", "ja", "th", "hi"]))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), max_size=6), st.lists(entries, max_size=12)
)
def test_equals_the_reference_on_random_words(texts: list[str], wanted: list[tuple[str, str]]):
    """By spellings, and by forms."""
    texts += [f"{a}{word}{b}" for word, _ in wanted for a, b in (("", ""), ("x", ""), ("猫", "."), ("", "\u0301"))]
    check(texts, wanted)
    check(texts, [*wanted, *FORMS.table], FORMS)


def test_reads_slices_chunks_and_nulls():
    texts = pa.chunked_array([["un chat", None, "", "chats"], ["CHAT"]], pa.string())
    compiled = Words.compile([("chat", "fr")])
    for array, counts in ((texts, [1, 0, 0, 0, 1]), (texts.slice(3), [0, 1]), (texts.chunk(0).slice(0, 2), [1, 0])):
        starts, _ = find(compiled, *buffers(array))
        assert (starts[1:] - starts[:-1]).tolist() == counts
    assert find(compiled, *buffers(pa.array([], pa.string())))[0].tolist() == [0]


def test_many_words_share_a_document():
    wanted = [(f"w{i}", "en") for i in range(3000)]
    starts, hits = find(Words.compile(wanted), *buffers(pa.array([" ".join(w for w, _ in wanted)] * 3)))
    assert starts.tolist() == [0, 3000, 6000, 9000]
    assert sorted(hits[:3000].tolist()) == list(range(3000))


@pytest.mark.parametrize("code", ["en", "zh"])
def test_no_words_find_nothing(code: str):
    starts, hits = find(Words.compile([("", code)]), *buffers(pa.array(["a", "猫"])))
    assert starts.tolist() == [0, 0, 0]
    assert len(hits) == 0


def check_windows(texts: list[str], wanted: list[tuple[str, str]], window: int, rule: Rule = SPELLING) -> int:
    pairs = [(a, b) for k, a in enumerate(wanted) for b in wanted[k:]]
    _, by_pair = Task(wanted, pairs, window, rule).count(pa.array(texts, pa.string()))
    for (first, second), count in zip(pairs, by_pair.tolist(), strict=True):
        expected = sum(within_window(text, first, second, window, rule) for text in texts)
        assert count == expected, (first, second, window)
    return len(pairs) * len(texts)


@pytest.mark.parametrize("window", [1, 2, 4, 1000])
def test_windows_equal_the_reference_on_assembled_text(window: int):
    chooser = random.Random(window)
    texts = ["".join(chooser.choices([*PIECES, " ", " "], k=chooser.randrange(30))) for _ in range(30)]
    wanted = list(dict.fromkeys(WANTED))
    assert check_windows(texts, wanted, window) >= 10_000
    check_windows(texts[:8], wanted, window, FORMS)
    if window == 1000:  # wider than any text: documents with both
        pairs = [(a, b) for a in wanted for b in wanted]
        whole, near = (Task(wanted, pairs, n).count(pa.array(texts, pa.string()))[1] for n in (0, window))
        assert whole.tolist() == near.tolist()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([*PIECES, " "]), max_size=20).map("".join), max_size=4),
    st.lists(entries, max_size=5, unique=True),
    st.integers(1, 8),
)
def test_windows_equal_the_reference_on_random_words(texts: list[str], wanted: list[tuple[str, str]], window: int):
    texts += [" . ".join(word for word, _ in wanted), "猫".join(word for word, _ in wanted)]
    check_windows(texts, wanted, window)


def test_a_window_counts_words_and_characters():
    texts = pa.array(["le chat , 猫", "le chat un deux 猫", "chat" + "猫" * 3000])
    pair = (("chat", "fr"), ("猫", "zh"))
    assert [Task(list(pair), [pair], n).count(texts)[1].tolist() for n in (1, 2, 3, 4)] == [[0], [1], [2], [3]]
