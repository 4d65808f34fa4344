"""Stems of Korean words, behind which particles and endings are written (고양이-가, 마시-ㄴ-다 as 마신다).

A noun of one syllable takes a particle of a list (class `ko-noun`); behind a longer one any syllables may follow
(`ko-word`): the rest is a particle, a suffix or another noun. A verb or adjective, told by its last syllable 다, loses
it and takes endings that may melt into the stem (H. Sohn, The Korean Language, 1999, ch. 9): the consonants ㄴ ㄹ ㅂ ㅆ
close an open syllable, a following 어 or 아 merges with its vowel, and the stems in ㄹ ㅂ ㄷ ㅅ 르 으 change.
Nouns made of verbs (크기, 모음) are words of their own.
"""

from __future__ import annotations

from collections.abc import Iterable

_FIRST, _VOWELS, _FINALS = 0xAC00, 21, 28
_NONE, _N, _D, _L, _B, _S, _SS, _H = 0, 4, 7, 8, 17, 19, 20, 27
_A, _AE, _YA, _EO, _E, _YEO, _O, _WA, _WAE, _OE, _U, _WO, _EU, _I = 0, 1, 2, 4, 5, 6, 8, 9, 10, 11, 13, 14, 18, 20
# The vowel that a stem's last vowel and a following 아 or 어 become.
_VOWEL_CONTRACTIONS = {_A: _A, _AE: _AE, _EO: _EO, _E: _E, _YEO: _YEO, _O: _WA, _OE: _WAE, _U: _WO, _EU: _EO, _I: _YEO}


def _parts(syllable: str) -> tuple[int, int, int]:
    number = ord(syllable) - _FIRST
    return number // (_VOWELS * _FINALS), number // _FINALS % _VOWELS, number % _FINALS


def _syllable(first: int, vowel: int, final: int) -> str:
    return chr(_FIRST + (first * _VOWELS + vowel) * _FINALS + final)


def is_hangul(text: str) -> bool:
    """Whether a text consists of Hangul syllables."""
    return bool(text) and all(_FIRST <= ord(char) < 0xD7A4 for char in text)


def forms(word: str, *_: Iterable[str]) -> list[tuple[str, str]]:
    """Texts, each with the class of affixes that may be attached to it."""
    if not is_hangul(word):
        return [(word, "letters")]
    if not word.endswith("다") or len(word) == 1:
        return [(word, "ko-word" if len(word) > 1 else "ko-noun")]
    stem, is_long = word[:-1], len(word) > 2
    edges_of = {(word, "letters"): None, (stem, "ko-word" if is_long else "ko-stem"): None}
    for variant, ending in _variants(stem):
        if variant != stem:  # a melted syllable alone may be any word: behind it the list of its endings decides
            edges_of[variant, "ko-word" if is_long or ending == "word" else f"ko-{ending}"] = None
    return list(edges_of)


def _closed_syllables(head: str, first: int, vowel: int) -> list[tuple[str, str]]:
    """An open syllable closed by the consonants with which endings begin: ㄴ, ㄹ, ㅂ."""
    return [(head + _syllable(first, vowel, end), name) for end, name in ((_N, "n"), (_L, "l"), (_B, "b"))]


def _variants(stem: str) -> list[tuple[str, str]]:
    """Stems into which an ending has melted, each with the class of what may follow."""
    head, last = stem[:-1], stem[-1]
    first, vowel, final = _parts(last)
    if last == "하":
        return [
            *_closed_syllables(head, first, vowel),
            *((head + form, "word") for form in ("해", "했", "하여", "하였")),
        ]
    if last == "르" and head:
        initial, vowel_before, _ = _parts(head[-1])
        geminate, bright = head[:-1] + _syllable(initial, vowel_before, _L), vowel_before in (_A, _O)
        contractions = [(geminate + ("라" if bright else "러"), "a"), (geminate + ("랐" if bright else "렀"), "word")]
        return [*_closed_syllables(head, first, vowel), *contractions]
    if final == _NONE:
        return [*_closed_syllables(head, first, vowel), *_vowel_stems(head, last)]
    if final == _L:
        return [form for form in _closed_syllables(head, first, vowel) if form[1] != "l"]
    base = head + _syllable(first, vowel, _L if final == _D else _NONE)
    if final == _B:
        return [(base + ending, "word") for ending in ("운", "울", "우", "워", "웠", "와", "왔")]
    if final in (_D, _S):
        return [(base + ending, "word") for ending in ("어", "었", "은", "을", "으", "아", "았")]
    return _closed_syllables(head, first, vowel) if final == _H else []


def _vowel_stems(head: str, last: str) -> list[tuple[str, str]]:
    """An open stem with 아 or 어, and with the past's ㅆ."""
    first, vowel, _ = _parts(last)
    ending = _VOWEL_CONTRACTIONS.get(vowel)
    if vowel == _EU and head and _parts(head[-1])[1] in (_A, _O):
        ending = _A
    variants = []
    if ending is not None:
        variants = [(head + _syllable(first, ending, _NONE), "a"), (head + _syllable(first, ending, _SS), "word")]
    if vowel in (_OE, _I, _O, _U):
        variants += [(head + last + "어", "word"), (head + last + "었", "word")]
    return variants
