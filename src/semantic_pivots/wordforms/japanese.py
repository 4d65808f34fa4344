"""Stems of Japanese verbs and adjectives, which endings follow (食べ-た, 書い-た, 高かっ-た).

Words of Japanese are found between the cuts of a dictionary, and that dictionary cuts endings off. So the forms of a
verb are its stems in the conjugations of school grammar (five-row, one-row, する, 来る; N. Tsujimura, An Introduction
to Japanese Linguistics, 2014, ch. 4), those of an adjective its stems before く, かっ, けれ. A verb is told by its
last kana; る behind a kana of the rows i and e is taken for the one-row conjugation.
"""

from __future__ import annotations

_ROWS = {
    "く": "かきけこい", "ぐ": "がぎげごい", "す": "さしせそ", "つ": "たちてとっ", "ぬ": "なにねのん",
    "ぶ": "ばびべぼん", "む": "まみめもん", "る": "らりれろっ", "う": "わいえおっ",
}  # fmt: skip
_BEFORE_ONE_ROW = set("いきしちにひみりぎじびえけせてねへめれげぜでべ")
_ONE_ROW_KANJI = set("見着出寝得経煮似居射鋳干診観看視獲")
_FIVE_ROW = {
    "喋る", "しゃべる", "滑る", "すべる", "遮る", "減る", "蹴る", "焦る", "限る", "茂る", "照る", "帰る", "返る",
}  # fmt: skip


def stems(word: str) -> list[str]:
    """The stems of a word that ends as a verb or adjective does, without the word itself."""
    last, base = word[-1:], word[:-1]
    if not base or not any("\u3041" <= char <= "\u3096" for char in last):
        return []
    if word.endswith("する"):
        return [word[:-2] + stem for stem in ("し", "せ", "さ", "すれ", "しろ", "せよ")] if len(word) > 2 else []
    if word in ("来る", "くる"):
        return [] if word == "くる" else ["来", "来れ", "来い"]
    if word == "行く" or word.endswith("て行く"):
        return [base + kana for kana in "かきけこっ"]
    if last == "い":
        return [base + ending for ending in ("く", "かっ", "けれ", "かろ", "さ", "そう")]
    if last == "る" and word not in _FIVE_ROW and (base[-1] in _BEFORE_ONE_ROW or base[-1] in _ONE_ROW_KANJI):
        return [
            base,
            base + "れ",
            base + "ろ",
            base + "よ",
            base + "られ",
            base + "られる",
            base + "させ",
        ]
    if last in _ROWS and _is_verb(word):
        return [base + kana for kana in _ROWS[last]]
    return []


def _is_verb(word: str) -> bool:
    """Whether a word may be a verb: written with kanji, or of three kana or more; りす and the like are nouns."""
    return any("\u4e00" <= char <= "\u9fff" for char in word) or len(word) > 2
