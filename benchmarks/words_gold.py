"""Analysers that decide which words a text holds: the gold of `benchmarks.words`, none of which the product uses.

Each gives, for every token of a text, the lemmas that it may have. Where a tagger or a segmenter chooses, that is one;
where a dictionary lists several, the token decides nothing about any of them. They are installed by
`pip install --group words`; the dictionaries of hunspell, the Finnish analyser and the Hindi one are Debian packages.
"""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from semantic_pivots.caching import cache_folder
from semantic_pivots.corpus.fetch import DebianPackages, package_files

Lemmas = list[frozenset[str]]
_TOKEN = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_HUNSPELL = {
    "fr": ("hunspell-fr-classical", "fr"), "es": ("hunspell-es", "es_ES"), "it": ("hunspell-it", "it_IT"),
    "pt": ("hunspell-pt-pt", "pt_PT"), "cs": ("hunspell-cs", "cs_CZ"), "el": ("hunspell-el", "el_GR"),
    "hu": ("hunspell-hu", "hu_HU"), "he": ("hunspell-he", "he_IL"),
}  # fmt: skip


def _words_of(text: str, lemmas: Callable[[str], frozenset[str]]) -> Lemmas:
    """Tokens of a spaced script; what an apostrophe or a hyphen parts is analysed whole and in parts."""
    found = []
    for token in _TOKEN.findall(text):
        parts = re.split(r"['’-]", token)
        found += [lemmas(part) for part in ([token, *parts] if len(parts) > 1 else parts)]
    return [some for some in found if some]


def _by_word(function: Callable[[str], frozenset[str]]) -> Callable[[str], Lemmas]:
    kept = functools.cache(function)
    return lambda text: _words_of(text, kept)


def _hunspell(code: str) -> Callable[[str], Lemmas]:
    from spylls.hunspell import Dictionary

    package, name = _HUNSPELL[code]
    found, _ = DebianPackages(cache_folder("")).fetch([package])
    with tempfile.TemporaryDirectory() as folder:
        for path, data in package_files(found[package], rf"/{name}\.(aff|dic)$"):
            (Path(folder) / Path(path).name).write_bytes(data)
        dictionary = Dictionary.from_files(f"{folder}/{name}")

    def lemmas(token: str) -> frozenset[str]:
        forms = [*dictionary.lookuper.good_forms(token), *dictionary.lookuper.good_forms(token.lower())]
        return frozenset(form.stem for form in forms if hasattr(form, "stem"))

    return _by_word(lemmas)


def _hanover(code: str) -> Callable[[str], Lemmas]:
    import nltk
    from HanTa import HanoverTagger

    tagger = HanoverTagger.HanoverTagger(
        {"de": "morphmodel_ger.pgz", "nl": "morphmodel_dutch.pgz"}.get(code, "morphmodel_en.pgz")
    )
    del nltk

    def analyse(text: str) -> Lemmas:
        found = []
        for line in text.splitlines():
            tokens = [part for token in _TOKEN.findall(line) for part in re.split(r"['’]", token)]
            if tokens:
                found += [frozenset([lemma]) for _, lemma, _ in tagger.tag_sent(tokens)]
        return found

    return analyse


def _pymorphy(code: str) -> Callable[[str], Lemmas]:
    import pymorphy3

    analyser = pymorphy3.MorphAnalyzer(lang=code)
    return _by_word(lambda token: frozenset([analyser.parse(token)[0].normal_form]))


def _morfeusz(_: str) -> Callable[[str], Lemmas]:
    import morfeusz2

    analyser = morfeusz2.Morfeusz(generate=False)

    def lemmas(token: str) -> frozenset[str]:
        found = analyser.analyse(token)
        whole = [entry for begin, end, entry in found if begin == 0 and end == max(e for _, e, _ in found)]
        return frozenset(entry[1].split(":")[0] for entry in whole if entry[2] != "ign")

    return _by_word(lemmas)


def _zeyrek(_: str) -> Callable[[str], Lemmas]:
    import logging

    import zeyrek

    logging.disable(logging.WARNING)
    analyser = zeyrek.MorphAnalyzer()

    def lemmas(token: str) -> frozenset[str]:
        parses = analyser._parse(token)
        return frozenset(parse.dict_item.lemma for parse in parses if parse.dict_item.lemma != "Unk")

    return _by_word(lemmas)


def _kiwi(_: str) -> Callable[[str], Lemmas]:
    from kiwipiepy import Kiwi

    analyser = Kiwi(num_workers=1)

    def analyse(text: str) -> Lemmas:
        tokens = analyser.tokenize(text)
        return [
            frozenset([t.form + "다" if t.tag.startswith(("VV", "VA", "VX")) else t.form])
            for t in tokens
            if t.tag[:1] in "NVM" and t.tag[:2] not in ("VC",)
        ]

    return analyse


def _sudachi(_: str) -> Callable[[str], Lemmas]:
    from sudachipy import Dictionary, SplitMode

    tokenizer = Dictionary(dict="core").create()

    def analyse(text: str) -> Lemmas:
        found = []
        for word in tokenizer.tokenize(text, SplitMode.C):
            found.append(frozenset([word.dictionary_form()]))
            found += [frozenset([part.dictionary_form()]) for part in word.split(SplitMode.A)]
        return found

    return analyse


def _thulac(_: str) -> Callable[[str], Lemmas]:
    import thulac

    segmenter = thulac.thulac(seg_only=True)
    return lambda text: [frozenset([word]) for word, _ in segmenter.cut(text)]


def _deepcut(_: str) -> Callable[[str], Lemmas]:
    from pythainlp.tokenize import word_tokenize

    return lambda text: [frozenset([word]) for word in word_tokenize(text, engine="deepcut", keep_whitespace=False)]


def _qalsadi(_: str) -> Callable[[str], Lemmas]:
    from qalsadi.lemmatizer import Lemmatizer

    analyser = Lemmatizer()
    return _by_word(lambda token: frozenset([analyser.lemmatize(token)]))


ANALYSERS: dict[str, tuple[str, Callable[[str], Callable[[str], Lemmas]]]] = {
    **dict.fromkeys(_HUNSPELL, ("hunspell", _hunspell)),
    **dict.fromkeys(("en", "de", "nl"), ("HanTa", _hanover)),
    **dict.fromkeys(("ru", "uk"), ("pymorphy3", _pymorphy)),
    "pl": ("Morfeusz 2", _morfeusz),
    "tr": ("zeyrek", _zeyrek),
    "ko": ("kiwipiepy", _kiwi),
    "ar": ("qalsadi", _qalsadi),
    "ja": ("SudachiPy", _sudachi),
    "zh": ("THULAC", _thulac),
    "th": ("deepcut", _deepcut),
}
