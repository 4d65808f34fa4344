"""Join dictionaries into concepts: one word per language, all in one sense.

Two dictionaries that share a word share a spelling, not a sense: joining over English alone mixes the senses of English
words. A concept is therefore accepted only if independent dictionaries translate its words in triangles
(English-French, French-Japanese, Japanese-English; the same with Chinese, or German), if its words are each other's
*main* translations, if its part of speech is the same in every dictionary that states one, and if a multilingual
embedding agrees. Candidates are ranked by that evidence and taken from the best down, one-to-one in every language.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from semantic_pivots.lexicon.sources.entry import Entry
from semantic_pivots.words import normalise

Edges = dict[str, dict[str, float]]
_FEW_SENSES = 2
_PLAIN = 0.4
_ARTICLE = re.compile(r"^(?:to|a|an|the|be|se|s')\s+", re.IGNORECASE)
SPELLINGS = {
    "en": re.compile(r"[a-z]{2,}"),
    "fr": re.compile(r"[a-zàâäæçéèêëîïôöœùûüÿ]{2,}"),
    "de": re.compile(r"[A-ZÄÖÜa-zäöüß]{2,}"),
    "es": re.compile(r"[a-záéíñóúü]{2,}"),
    "zh": re.compile(r"[\u4e00-\u9fff]{1,4}"),
    "ja": re.compile(r"[\u3041-\u30ff\u4e00-\u9fff々]{1,8}"),
    "it": re.compile(r"[a-zàèéìíîòóùú]{2,}"),
    "pt": re.compile(r"[a-zàáâãçéêíóôõúü]{2,}"),
    "nl": re.compile(r"[a-zàáèéëêíïóöúü]{2,}"),
    "sv": re.compile(r"[a-zàåäéöü]{2,}"),
    "pl": re.compile(r"[a-zóąćęłńśźż]{2,}"),
    "ru": re.compile(r"[а-яё]{2,}"),
    "bg": re.compile(r"[а-щъьюя]{2,}"),
    "fi": re.compile(r"[a-zåäöšž]{2,}"),
    "el": re.compile(r"[α-ωΐάέήίΰϊϋόύώ]{2,}"),
    "tr": re.compile(r"[a-zâçîöûüğış]{2,}"),
}
"""What is a single word, in each language that can be joined."""


def clean(text: str, language: str, pos: str) -> str:
    """A translation as a single word of the language, or an empty string."""
    text = unicodedata.normalize("NFC", text)  # the patterns hold composed letters
    text = _ARTICLE.sub("", text.strip()) if language == "en" else text.strip()
    if language in ("ru", "bg"):
        text = text.replace("\u0301", "")  # marks the stressed vowel in dictionaries, and nowhere else
    if not SPELLINGS[language].fullmatch(text):
        return ""
    if language == "de" and text[0].isupper() != (pos == "noun"):
        return ""
    return text


@dataclass
class Translations:
    """Weights of pairs of translations by part of speech, from all dictionaries.

    A dictionary gives the first translation of the first sense the weight 1, and less to later senses and later
    positions. The weights of several dictionaries are added. `votes` names the dictionaries that have the pair.
    """

    weights: dict[tuple[str, str, str], Edges] = field(default_factory=lambda: defaultdict(lambda: defaultdict(dict)))
    votes: dict[tuple[str, str, str], dict[str, dict[str, set[str]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(lambda: defaultdict(set)))
    )

    def add(self, entries: Iterable[Entry], name: str) -> None:
        """Add a dictionary, both ways."""
        for entry in entries:
            for rank, sense in enumerate(entry.senses):
                for place, text in enumerate(sense):
                    for pos in _parts(entry, text):
                        weight = 1 / ((1 + 0.6 * rank) * (1 + 0.4 * place))
                        self._edge(entry, text, pos, weight, name)

    def _edge(self, entry: Entry, text: str, pos: str, weight: float, name: str) -> None:
        a, b = clean(entry.word, entry.language, pos), clean(text, entry.target_language, pos)
        if not a or not b:
            return
        for x, y, m, n in (
            (entry.language, entry.target_language, a, b),
            (entry.target_language, entry.language, b, a),
        ):
            votes = self.votes[x, y, pos][m][n]
            if name not in votes or weight > self.weights[x, y, pos][m].get(n, 0):
                self.weights[x, y, pos][m][n] = self.weights[x, y, pos][m].get(n, 0) + weight * (name not in votes)
            votes.add(name)

    def of(self, language: str, target: str, pos: str, word: str) -> dict[str, float]:
        """The word's translations with their weights."""
        return self.weights[language, target, pos].get(word, {})

    def weight(self, language: str, target: str, pos: str, word: str, match: str) -> float:
        """Weight of one pair; 0 where no dictionary has it."""
        return self.of(language, target, pos, word).get(match, 0.0)

    def share(self, language: str, target: str, pos: str, word: str, match: str) -> float:
        """The pair's weight over that of the word's best match; 1 for the best."""
        weights = self.of(language, target, pos, word)
        return weights.get(match, 0.0) / max(weights.values()) if weights else 0.0


def _parts(entry: Entry, text: str) -> tuple[str, ...]:
    if entry.pos:
        return (entry.pos,) if entry.pos in ("noun", "verb", "adjective") else ()
    if entry.target_language == "en" and entry.language == "zh":
        return ("verb",) if text.startswith("to ") else ("noun", "adjective")
    return ("noun", "verb", "adjective")


@dataclass(frozen=True)
class Candidate:
    """A possible concept and the evidence for it (higher is better)."""

    pos: str
    words: tuple[tuple[str, str], ...]
    evidence: float


@dataclass(frozen=True)
class Knowledge:
    """Resources of the join besides the dictionaries."""

    english_pos: Callable[[str], frozenset[str]]
    frequency: Callable[[str, str], float]
    """Zipf frequency (log10 per billion words) of a word of a language; 0 when unknown"""
    simplify: Callable[[str], str]
    """Chinese characters of a Japanese word in simplified form"""
    senses: Callable[[str], int] = lambda word: 3
    """number of senses of an English word; a word that is not in WordNet counts as having several"""


def candidates(table: Translations, knowledge: Knowledge, floor: float = 3.0) -> list[Candidate]:
    """English-French-Chinese-Japanese candidates whose triangles close, with German and Spanish where they agree."""
    rows = []
    for pos in ("noun", "verb", "adjective"):
        for english in sorted(table.weights["en", "ja", pos]):
            if knowledge.frequency(english, "en") >= floor + 0.2 and pos in knowledge.english_pos(english):
                rows += _of_english(english, pos, table, knowledge, floor)
    return rows


def _of_english(english: str, pos: str, table: Translations, knowledge: Knowledge, floor: float) -> list[Candidate]:
    def mutual(a: str, x: str, b: str, y: str) -> float:
        return (table.share(a, b, pos, x, y) * table.share(b, a, pos, y, x)) ** 0.5

    # dictionaries that share a word of one sense share the sense: no third edge is needed to tell it
    is_plain = pos == "noun" and knowledge.senses(english) <= _FEW_SENSES
    doubt = 0.8 * knowledge.frequency(english, "en") + 0.2 * math.log2(max(1, knowledge.senses(english)))
    rows = []
    for japanese in sorted(table.of("en", "ja", pos, english)):
        en_ja = mutual("en", english, "ja", japanese)
        if en_ja < 0.3 or knowledge.frequency(japanese, "ja") < floor - 0.3:
            continue
        for french in sorted(table.of("en" if is_plain else "ja", "fr", pos, english if is_plain else japanese)):
            en_fr, ja_fr = mutual("en", english, "fr", french), mutual("ja", japanese, "fr", french)
            closes = min(en_fr, ja_fr) >= 0.25
            if not (closes or (is_plain and min(en_ja, en_fr) >= _PLAIN)) or knowledge.frequency(french, "fr") < floor:
                continue
            for chinese in sorted(table.of("en", "zh", pos, english)):
                en_zh = mutual("en", english, "zh", chinese)
                overlap = character_overlap(chinese, knowledge.simplify(japanese))
                pivot = _shared_glosses(chinese, japanese, english, pos, table)
                agrees = overlap + pivot >= 0.3 or (is_plain and en_zh >= _PLAIN)
                if en_zh < 0.2 or not agrees or knowledge.frequency(chinese, "zh") < floor:
                    continue
                words = {"en": english, "fr": french, "zh": chinese, "ja": japanese}
                evidence = en_ja + en_fr + ja_fr + en_zh + min(1.0, overlap + pivot)
                # weights of these as a logistic regression on what was read by hand found them, in units of the rest
                evidence += 0.6 * (chinese == knowledge.simplify(japanese)) - doubt
                evidence += 1.2 * table.share("zh", "en", pos, chinese, english)
                for code in ("de", "es"):
                    word, weight = _other_language(code, words, pos, table, knowledge, floor)
                    evidence += 0.3 * weight
                    if word:
                        words[code] = word
                rows.append(Candidate(pos, tuple(words.items()), evidence))
    return rows


def character_overlap(chinese: str, japanese: str) -> float:
    """Share of the characters of the longer word that both have; 0 for words in kana."""
    common = len(set(chinese) & set(japanese))
    return common / max(len(set(chinese)), len(set(japanese)))


def _shared_glosses(chinese: str, japanese: str, english: str, pos: str, table: Translations) -> float:
    """Weight that both words give to the same English words other than the concept's own."""
    a, b = table.of("zh", "en", pos, chinese), table.of("ja", "en", pos, japanese)
    minima = [min(a[word], b[word]) for word in a if word in b]
    own_weight = min(a.get(english, 0), b.get(english, 0))
    return sum(minima) - own_weight + (0.3 if own_weight >= 0.9 else 0)


def _other_language(
    code: str, words: dict[str, str], pos: str, table: Translations, knowledge: Knowledge, floor: float
) -> tuple[str, float]:
    """The word of a further language that at least two of the concept's languages translate to, and its weight."""
    votes: dict[str, list[float]] = defaultdict(list)
    for language, word in words.items():
        for match in table.of(language, code, pos, word):
            votes[match].append(
                (table.share(language, code, pos, word, match) * table.share(code, language, pos, match, word)) ** 0.5
            )
    order = sorted(((sum(v), word) for word, v in votes.items() if len(v) >= 2), reverse=True)
    for weight, word in order:
        if weight >= 0.8 and knowledge.frequency(word, code) >= floor - 0.5:
            return word, min(weight, 2.0)
    return "", 0.0


def one_to_one(order: Iterable[Candidate]) -> list[Candidate]:
    """The best candidates, no word of a language used twice; a further language's word may be dropped instead."""
    words_in_use: set[tuple[str, str]] = set()
    concepts = []
    for candidate in order:
        # German Arm and arm are two words, but not to a model's scorer that compares normalised ones
        keys = {pair: (pair[0], normalise(pair[1])) for pair in candidate.words}
        if any(keys[pair] in words_in_use for pair in candidate.words[:4]):
            continue
        words = candidate.words[:4] + tuple(pair for pair in candidate.words[4:] if keys[pair] not in words_in_use)
        words_in_use.update(keys[pair] for pair in words)
        concepts.append(Candidate(candidate.pos, words, candidate.evidence))
    return concepts
