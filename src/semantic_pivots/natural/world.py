"""A natural world: concepts that the corpus knows, one half to be learned from a dictionary, the other to be inferred.

Trained concepts stand in dictionary documents, which teach the question (`<en> dog <fr>`) and give the model a reason
to align its languages. Held-out concepts never do, and no sequence holds both words of a held-out pair.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from semantic_pivots.errors import InputError
from semantic_pivots.held_out import HELD_OUT, SEEN
from semantic_pivots.languages import language
from semantic_pivots.natural.natural_stage import NaturalConfig
from semantic_pivots.natural.texts import MULTILINGUAL, Meetings, Pieces, pieces_of
from semantic_pivots.natural.world_vocabulary import Vocabulary, forms, vocabulary
from semantic_pivots.run import Inputs
from semantic_pivots.words import normalise

Parts = list[tuple[str, str]]
"""language and text of each part of a document"""
_OWN_SHARE = 0.9
"""Least share of a word's documents that are in its own language: `pain` is English and French."""
_LETTERS = 2
"""Least characters of a word in a script without spaces: one character is a part of others."""
_FEWEST_CONCEPTS = 4


@dataclass(frozen=True)
class Concept:
    """A concept: its words, normalised, and their ids by language."""

    concept_id: str
    words: dict[str, str]
    held_out: bool
    ids: dict[str, int]


@dataclass(frozen=True)
class World:
    """Training data of a part: pieces of text in which no held-out pair co-occurs, concepts, dictionary documents.

    Attributes:
        dictionary: dictionary documents, with each trained concept once in each direction.
        split_share: share of the tokens whose documents were split by language: a held-out pair co-occurred in them.
        dropped_share: share of the tokens that were left out: a held-out pair co-occurred in one language's part.
    """

    languages: tuple[str, ...]
    vocabulary: Vocabulary
    concepts: list[Concept]
    pieces: Pieces
    dictionary: Pieces
    meetings: Meetings
    split_share: float
    dropped_share: float

    @property
    def held_out(self) -> list[Concept]:
        """The held-out concepts."""
        return [concept for concept in self.concepts if concept.held_out]

    @property
    def trained_concepts(self) -> list[Concept]:
        """The trained concepts."""
        return [concept for concept in self.concepts if not concept.held_out]

    def without_text(self) -> World:
        """The world without pieces of text: training needs its vocabulary and concepts only."""
        none = np.arange(0)
        return replace(self, pieces=self.pieces.take(none), dictionary=self.dictionary.take(none))


def directions(concepts: Sequence[Concept]) -> Iterator[tuple[str, list[Concept], str, str]]:
    """For each half (trained, held out): stratum, concepts, source and target language; at least two concepts."""
    for stratum in (HELD_OUT, SEEN):
        group = [concept for concept in concepts if concept.held_out == (stratum == HELD_OUT)]
        if len(group) > 1:
            for source, target in itertools.permutations(group[0].ids, 2):
                yield stratum, group, source, target


def candidates(inputs: Inputs, languages: Sequence[str]) -> dict[str, tuple[dict[str, str], bool]]:
    """For each usable concept, its words by language and whether it is held out.

    A concept is left out if it lacks a word in one of the languages, if two of its words are spelt alike, if another
    concept has one of its words, if a word has several parts, or if a word in a script without spaces has only one
    character.
    """
    held_out = {row["concept_id"] for row in inputs.table("concepts").to_pylist() if HELD_OUT in row["strata"]}
    words: dict[str, dict[str, str]] = {}
    for row in inputs.table("words").to_pylist():
        if row["language"] in languages:
            words.setdefault(row["concept_id"], {}).setdefault(row["language"], normalise(row["word"]))
    uses = Counter(word for by_code in words.values() for word in set(by_code.values()))
    return {
        concept: (by_code, concept in held_out)
        for concept, by_code in sorted(words.items())
        if len(set(by_code.values())) == len(languages)
        and all(uses[word] == 1 for word in by_code.values())
        and all(
            word.isalpha() and (language(code).has_spaces or len(word) >= _LETTERS) for code, word in by_code.items()
        )
    }


def part_counts(documents: Sequence[Parts], words: dict[str, str], languages: Sequence[str]) -> dict[str, int]:
    """Number of parts with each word, for words of whose parts at least nine tenths are in the word's own language."""
    vocab = vocabulary([], words, languages, 0, 0)
    hits, misses = Counter(), Counter()
    name_of = {i: word for word, i in vocab.word_ids.items()}
    least = min(name_of)
    flat = [part for parts in documents for part in parts]
    for (code, _), ids in zip(flat, vocab.encode([text for _, text in flat]), strict=True):
        for i in np.unique(ids[ids >= least]).tolist():
            if i in name_of:
                (hits if words[name_of[i]] == code else misses)[name_of[i]] += 1
    return {word: n for word, n in hits.items() if n >= _OWN_SHARE * (n + misses[word])}


def make_world(
    config: NaturalConfig,
    inputs: Inputs,
    languages: tuple[str, ...],
    documents: Sequence[Parts],
    exclusions: tuple[str, ...],
) -> World:
    """Make a world from documents.

    Args:
        config: sizes.
        inputs: tables of the lexicon.
        languages: languages of the concepts.
        documents: the documents, each as its parts; concepts are chosen by their frequency in them.
        exclusions: languages in which no two words of a held-out concept may co-occur.

    Raises:
        InputError: too few concepts have enough documents.
    """
    of_concept = candidates(inputs, languages)
    spellings = {word: code for words, _ in of_concept.values() for code, word in words.items()}
    counts = part_counts(documents, spellings, languages) if spellings else {}
    least = {name: min(counts.get(word, 0) for word in words.values()) for name, (words, _) in of_concept.items()}
    order = sorted((c for c in least if least[c] >= config.fewest_documents), key=lambda c: (-least[c], c))
    order = order[: config.concepts]
    n_held_out = sum(of_concept[concept][1] for concept in order)
    if min(n_held_out, len(order) - n_held_out) < _FEWEST_CONCEPTS:
        raise InputError(
            f"natural: {n_held_out} held-out and {len(order) - n_held_out} other concepts have "
            f"{config.fewest_documents} documents in each of {', '.join(languages)}; expected {_FEWEST_CONCEPTS} "
            "of each: lower [natural] fewest_documents, take a larger corpus or lexicon, or set [lexicon] "
            "held_out_share"
        )
    words = {word: code for c in order for code, word in of_concept[c][0].items()}
    texts = (text for parts in documents for _, text in parts)
    spikes = 2 * -(-n_held_out // 3)  # private tokens of one group of four, which clusters make a little larger
    vocab = vocabulary(texts, words, languages, config.vocabulary, spikes)
    concepts = [
        Concept(c, words_of, is_held_out, {code: vocab.word_ids[word] for code, word in words_of.items()})
        for c, (words_of, is_held_out) in ((c, of_concept[c]) for c in sorted(order))
    ]
    meetings = Meetings(_members(concepts, vocab, exclusions), vocab.size)
    uncut = pieces_of(documents, vocab, languages, config.sequence_tokens)
    at_meeting = np.unique(uncut.document[meetings.places_of(uncut.tokens, uncut.piece_of())])
    rows = [(k, [part]) for k in at_meeting.tolist() for part in documents[k]]
    apart = pieces_of([part for _, part in rows], vocab, languages, config.sequence_tokens)
    apart = replace(apart, document=np.array([k for k, _ in rows], np.int32)[apart.document])
    pieces = Pieces.concatenate([uncut.take(np.flatnonzero(~np.isin(uncut.document, at_meeting))), apart])
    pieces = pieces.take(np.argsort(pieces.document, kind="stable"))  # a part of the pieces is a sample of both kinds
    clean = pieces.take(np.setdiff1d(np.arange(len(pieces)), meetings.places_of(pieces.tokens, pieces.piece_of())))
    size = max(len(uncut.tokens), 1)
    shares = len(apart.tokens) / size, (len(pieces.tokens) - len(clean.tokens)) / size
    return World(languages, vocab, concepts, clean, _dictionary(concepts, vocab, languages), meetings, *shares)


def _members(concepts: Sequence[Concept], vocab: Vocabulary, exclusions: Sequence[str]) -> list[tuple[int, int, int]]:
    held_out = [concept for concept in concepts if concept.held_out]
    of = forms(vocab.texts(), {c.words[code] for c in held_out for code in exclusions})
    rows = []
    for number, concept in enumerate(held_out):
        ids = set(concept.ids.values())
        # a token that may be a form of two of the words (musical: music, musique) tells of neither
        uses = Counter(i for code in exclusions for i in of[concept.words[code]])
        for side, code in enumerate(exclusions):
            tokens = {i for i in of[concept.words[code]] if i not in ids and uses[i] == 1} | {concept.ids[code]}
            rows += [(token, number, side) for token in tokens]
    return rows


def _dictionary(concepts: Sequence[Concept], vocab: Vocabulary, languages: Sequence[str]) -> Pieces:
    rows = [
        (np.array([vocab.marks[a], c.ids[a], vocab.marks[b], c.ids[b], vocab.end], np.uint16), MULTILINGUAL, -1)
        for c in concepts
        if not c.held_out
        for a, b in itertools.permutations(languages, 2)
    ]
    return Pieces.of(rows)
