"""Small multilingual worlds with known ground truth: which pair of words is linked how, and by which pivots.

Every concept has one word per language, and context words that occur with each of its words. The class of a concept
states how its words of the two main languages are linked:

- direct: both words occur in one document (mixed text, dictionary entries). A given share of these concepts also have
  context words that both words share; the others have no pivots;
- bridged: both words never occur in one document, but share their context words, the *planted pivots*;
- unrelated: both words never occur in one document and have different context words, at equal frequency;
- copied: both words have the same spelling.

Every word occurs in a given number of documents. All classes have the same frequencies, concept by concept, so class
and frequency are independent unless `direct_boost` or `bridged_boost` is set. Documents have the ordinary corpus
format and prompts the form of the benchmark, so all commands can be run on a world.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from semantic_pivots.files import Record, write_tsv
from semantic_pivots.statistics import seed_of
from semantic_pivots.tasks.translation import Shot, prompt

DIRECT, BRIDGED, UNRELATED, COPIED = "direct", "bridged", "unrelated", "copied"
CLASSES = (DIRECT, BRIDGED, UNRELATED, COPIED)
_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"


@dataclass(frozen=True)
class World:
    """The parameters of a planted world; they determine its documents."""

    seed: int = 0
    languages: tuple[str, ...] = ("en", "fr")
    """the first two are the languages of the pairs; a third and a fourth can be the hub or be unused by the pairs"""
    direct: int = 240
    bridged: int = 80
    unrelated: int = 40
    copied: int = 20
    """concepts of each class"""
    pivots: int = 3
    """context words of a concept, shared by its words; each word of an unrelated concept has as many of its own"""
    pool: int = 0
    """context words are drawn from this many and shared among concepts; 0: each concept has its own"""
    hub: str = ""
    """language whose words the pivots are, one of `languages`; empty: they are words of no language"""
    linked_share: float = 1.0
    """share of the bridged concepts whose pivots are planted; the others' words have contexts of their own"""
    direct_linked_share: float = 0.75
    """share of the direct concepts whose words share context words too; the others' words have contexts of their own"""
    documents: int = 30
    """mean number of documents of a word"""
    zipf: float = 0.5
    """exponent of the frequencies of concepts, by rank within the class"""
    direct_boost: float = 1.0
    """factor on the frequency of direct concepts: 1 makes class and frequency independent"""
    bridged_boost: float = 1.0
    """factor on the frequency of bridged concepts"""
    dictionary_share: float = 0.4
    """share of a direct word's documents that are dictionary entries in the format of the prompt"""
    mixed_share: float = 0.1
    """share of a direct word's documents that are mixed text with both words"""
    entries: int = 5
    """entries of a dictionary document"""
    noise: int = 2
    """words of the language's own noise in each document of running text"""
    noise_words: int = 40
    """noise words of each language"""
    word_last: float = 0.8
    """share of documents in which the word is the last of its phrase, after its context words"""
    phrases: int = 1
    """phrases in a document; a phrase is the word with context words and noise"""
    filler: int = 0
    """documents of noise words only"""
    shown: int = 0
    """context words in a phrase; 0: all but one of the word's, and at least two"""
    plain_share: float = 0.0
    """share of a bridged word's running text in which all other words are noise"""
    decoys: int = 0
    """context words that a word of the first language shares with *another* concept's word of the second; they are as
    frequent and as bilingual as pivots, but no evidence for the pair"""
    topics: int = 0
    """groups of concepts with three topic words each, which occur in most running text of their words in both
    languages; they co-occur with both words of a pair more often than its pivots, and with words of many other pairs"""
    matched: bool = False
    """frequency is no evidence of a class: context words of a concept without pivots also occur among noise of the
    other language, and a word without dictionary entries occurs in as many documents of noise instead. Context words of
    all classes thus have equal frequency, languages and kinds of document"""
    shared_noise: bool = False
    """whether all languages have the same noise words, so that noise co-occurs with both words of a pair by chance"""
    drop_pivots: bool = False
    """knock-out: the pivots of linked words are replaced by context words of concepts without pivots, in the same
    language, so that the world has no words that the complete world lacks"""

    def __post_init__(self) -> None:
        """Check that the world can exist."""
        for name, value in vars(self).items():
            kind = type(getattr(World, name))
            if kind is int and not (type(value) is int and (value >= 0 or name == "seed")):
                raise ValueError(f"{name} = {value!r}: expected a whole number of at least 0")
            if kind is float and not 0 <= value <= (1 if name.endswith("_share") or name == "word_last" else math.inf):
                raise ValueError(f"{name} = {value!r}: expected a share between 0 and 1, or a factor of at least 0")
        if isinstance(self.languages, str) or self.documents < 1:
            raise ValueError("a world has a tuple of languages, and one document of a word at least")
        if not 2 <= len(self.languages) <= 4 or len(set(self.languages)) < len(self.languages):
            raise ValueError("a world has two to four different languages")
        if self.hub and self.hub not in self.languages[2:]:
            raise ValueError("the hub is a third or fourth language: a pivot of a main language would be a translation")
        if self.direct < self.entries + 1 or self.pivots < 1:
            raise ValueError(
                f"direct = {self.direct}, pivots = {self.pivots}: a world needs more direct concepts than a dictionary "
                f"document has entries ({self.entries}), and a pivot for each concept"
            )
        if not 0 <= self.dictionary_share + self.mixed_share <= 1 or not 0 <= self.plain_share <= 1:
            raise ValueError("dictionary_share, mixed_share and plain_share are shares of a word's documents")


@dataclass(frozen=True)
class Concept:
    """One concept: its class, its word per language, the context words of each word, and its planted pivots."""

    concept_id: str
    kind: str
    words: dict[str, str]
    contexts: dict[str, tuple[str, ...]]
    pivots: tuple[str, ...]
    frequency: int
    """documents of each of its words"""


@dataclass(frozen=True)
class PlantedCorpus:
    """A generated world."""

    world: World
    concepts: list[Concept]
    documents: list[dict[str, str]] = field(repr=False)
    """id, text, language, source (kind of document: context, plain, mixed, dictionary, filler)"""

    def of(self, kind: str, with_pivots: bool | None = None) -> list[Concept]:
        """The concepts of one class; only those with pivots, or only those without."""
        concepts = [concept for concept in self.concepts if concept.kind == kind]
        return [c for c in concepts if with_pivots is None or bool(c.pivots) is with_pivots]

    def document_counts(self) -> Counter[str]:
        """Number of documents with each word."""
        return Counter(word for document in self.documents for word in set(document["text"].split()))

    def truth(self) -> list[Record]:
        """Rows of the table `planted_truth` without the column `world`."""
        source, target = self.world.languages[:2]
        return [
            {
                "seed": self.world.seed,
                "concept_id": c.concept_id,
                "class": c.kind,
                "source": c.words[source],
                "target": c.words[target],
                "pivots": list(c.pivots),
                "documents": c.frequency,
            }
            for c in self.concepts
        ]


def pseudo_word(initial: str, number: int) -> str:
    """A pronounceable artificial word: the initial encodes its kind and three syllables its number."""
    text = initial
    for place in range(3):
        number, digit = divmod(number, len(_CONSONANTS) * len(_VOWELS))
        text += _VOWELS[digit % 5] + _CONSONANTS[digit // 5] if place else _CONSONANTS[digit // 5] + _VOWELS[digit % 5]
    return text


def generate(world: World) -> PlantedCorpus:
    """Concepts and documents of a world."""
    concepts = _concepts(world)
    documents = [
        *_contexts(world, concepts),
        *_mixed_documents(world, concepts),
        *_dictionary(world, concepts),
        *_filler(world),
    ]
    if world.matched:
        documents += _abroad(world, concepts)
    Random(seed_of(world.seed, "order")).shuffle(documents)
    return PlantedCorpus(world, concepts, [{"id": f"d{i:07d}", **d} for i, d in enumerate(documents)])


def _concepts(world: World) -> list[Concept]:
    kinds = [kind for kind in CLASSES for _ in range(getattr(world, kind))]
    first, second = world.languages[:2]
    ranks = _ranks(world, kinds)
    with_pivots = _links(world, kinds, ranks)
    concepts = []
    for number, (kind, rank, shares) in enumerate(zip(kinds, ranks, with_pivots, strict=True)):
        boost = {DIRECT: world.direct_boost, BRIDGED: world.bridged_boost}.get(kind, 1.0)
        words = {code: pseudo_word("bdgk"[i], number) for i, code in enumerate(world.languages)}
        if kind == COPIED:
            words[second] = words[first]
        pools = {code: _context_words(world, number, code) for code in world.languages}
        common = _context_words(world, number, world.hub or "")
        contexts = {code: common if shares and code in (first, second, world.hub) else pools[code] for code in pools}
        if world.decoys:
            for code, owner in ((first, number), (second, (number + 1) % len(kinds))):
                contexts[code] += tuple(pseudo_word("y", owner * world.decoys + i) for i in range(world.decoys))
        if world.hub:
            words[world.hub] = contexts[world.hub][0]
        frequency = max(2, round(world.documents * boost * rank))
        concepts.append(Concept(f"c{number:04d}", kind, words, contexts, common if shares else (), frequency))
    return _without_pivots(world, concepts) if world.drop_pivots else concepts


def _without_pivots(world: World, concepts: list[Concept]) -> list[Concept]:
    main = world.languages[:2]
    bare = [c for c in concepts if not c.pivots]
    filler_words = {code: sorted({word for c in bare for word in c.contexts[code]}) for code in main}
    if min(map(len, filler_words.values())) < world.pivots:
        raise ValueError("a world without pivots needs context words of concepts that never had any")
    exchanges = []
    for concept in concepts:
        contexts = dict(concept.contexts)
        for code in main if concept.pivots else ():
            generator = Random(seed_of(world.seed, "instead", concept.concept_id, code))
            contexts[code] = tuple(generator.sample(filler_words[code], world.pivots))
        exchanges.append(replace(concept, contexts=contexts))
    return exchanges


def _ranks(world: World, kinds: list[str]) -> list[float]:
    """A frequency per concept with mean 1 in every class: the same set in each, in a random order."""
    ranks = []
    for kind in CLASSES:
        n = kinds.count(kind)
        values = [((i + 0.5) / n) ** -world.zipf for i in range(n)]
        mean = sum(values) / n if n else 1.0
        Random(seed_of(world.seed, "rank", kind)).shuffle(values)
        ranks += [value / mean for value in values]
    return ranks


def _links(world: World, kinds: list[str], ranks: list[float]) -> list[bool]:
    """Whether each concept's words share context words; in a matched world as often among rare concepts as frequent."""
    shares = {DIRECT: world.direct_linked_share, BRIDGED: world.linked_share, UNRELATED: 0.0}
    with_pivots = [False] * len(kinds)
    for kind in CLASSES:
        members = [number for number, kind_of in enumerate(kinds) if kind_of == kind]
        share = shares.get(kind, 1.0)
        if world.matched:
            members.sort(key=lambda number: ranks[number])
        for place, number in enumerate(members):
            spread = math.floor((place + 1) * share) > math.floor(place * share)
            with_pivots[number] = spread if world.matched else place < round(share * len(members))
    return with_pivots


def _context_words(world: World, number: int, code: str) -> tuple[str, ...]:
    initial = {"": "p", world.hub: "h"}.get(code) or "qvwx"[world.languages.index(code)]
    if world.pool:
        numbers = Random(seed_of(world.seed, "contexts", number, code)).sample(range(world.pool), world.pivots)
        return tuple(pseudo_word(initial, i) for i in numbers)
    return tuple(pseudo_word(initial, number * world.pivots + i) for i in range(world.pivots))


def _shares(world: World, concept: Concept) -> tuple[int, int]:
    """Dictionary entries and mixed documents of a concept; what remains of its frequency is running text."""
    if concept.kind != DIRECT:
        return 0, 0
    return round(world.dictionary_share * concept.frequency), round(world.mixed_share * concept.frequency)


def _contexts(world: World, concepts: list[Concept]) -> Iterator[dict[str, str]]:
    for concept in concepts:
        around = concept.contexts
        for code in world.languages:
            if concept.kind == COPIED and code == world.languages[1]:
                continue
            generator = Random(seed_of(world.seed, "text", concept.concept_id, code))
            count = concept.frequency - sum(_shares(world, concept))
            plain = round(world.plain_share * count) if concept.kind == BRIDGED else 0
            if world.matched and concept.kind != DIRECT:
                plain = round(world.dictionary_share * concept.frequency)
            for number in range(count):
                if code == world.hub:
                    text, source = _phrase(world, generator, list(around[code]), code, ""), "context"
                elif number < plain:
                    text, source = _phrase(world, generator, [], code, concept.words[code]), "plain"
                else:
                    topic = _topic(world, generator, concept)
                    text, source = (
                        _phrase(world, generator, [*around[code]], code, concept.words[code], topic),
                        "context",
                    )
                yield {"text": text, "language": code, "source": source}


def _running(world: World, concept: Concept) -> int:
    """Documents of running text in which a word of a concept stands beside its context words, in a matched world."""
    return concept.frequency - round(world.dictionary_share * concept.frequency) - _shares(world, concept)[1]


def _abroad(world: World, concepts: list[Concept]) -> Iterator[dict[str, str]]:
    """Context words of concepts without pivots, in text of the other language that holds no word of a concept."""
    first, second = world.languages[:2]
    for concept in concepts:
        for code, other_code in ((first, second), (second, first)) if not concept.pivots else ():
            generator = Random(seed_of(world.seed, "abroad", concept.concept_id, code))
            for _ in range(_running(world, concept)):
                text = _phrase(world, generator, [*concept.contexts[code]], other_code, "")
                yield {"text": text, "language": other_code, "source": "context"}


def _topic(world: World, generator: Random, concept: Concept) -> list[str]:
    if not world.topics:
        return []
    first = int(concept.concept_id[1:]) % world.topics * 3
    return [pseudo_word("s", first + i) for i in range(3) if generator.random() < 0.8]


def _phrase(world: World, generator: Random, around: list[str], code: str, word: str, topic: Sequence[str] = ()) -> str:
    phrases = []
    for _ in range(world.phrases):
        words = generator.sample(around, min(len(around), _phrase_words(world)))
        # plain text is as long as text with contexts
        body = [*words, *topic] + [
            _noise(world, generator, code) for _ in range(world.noise + _phrase_words(world) - len(words))
        ]
        generator.shuffle(body)
        if word:
            at = len(body) if generator.random() < world.word_last else generator.randrange(len(body) + 1)
            body.insert(at, word)
        phrases.append(" ".join(body))
    return " . ".join(phrases)


def _phrase_words(world: World) -> int:
    return world.shown or max(2, world.pivots - 1)


def _noise(world: World, generator: Random, code: str) -> str:
    number = min(int(math.exp(generator.random() * math.log(world.noise_words + 1))) - 1, world.noise_words - 1)
    return pseudo_word("n" if world.shared_noise else "nmlr"[world.languages.index(code)], number)


def _mixed_documents(world: World, concepts: list[Concept]) -> Iterator[dict[str, str]]:
    first, second = world.languages[:2]
    for concept in concepts:
        generator = Random(seed_of(world.seed, "mixed", concept.concept_id))
        for number in range(_shares(world, concept)[1]):
            codes = (first, second) if number % 2 == 0 else (second, first)
            parts = [_phrase(world, generator, list(concept.contexts[c]), c, concept.words[c]) for c in codes]
            yield {"text": " . ".join(parts), "language": codes[0], "source": "mixed"}


def _dictionary(world: World, concepts: list[Concept]) -> Iterator[dict[str, str]]:
    """Documents of `entries` direct concepts each, no concept twice in one, in both directions alike."""
    first, second = world.languages[:2]
    remainder = {c.concept_id: _shares(world, c)[0] for c in concepts if _shares(world, c)[0]}
    by_id = {c.concept_id: c for c in concepts}
    generator = Random(seed_of(world.seed, "dictionary"))
    number = 0
    while remainder:
        # Concepts with the most entries left go first, so that no document has to repeat one.
        order = sorted(remainder, key=lambda c: (-remainder[c], generator.random()))[: world.entries]
        generator.shuffle(order)
        source, target = (first, second) if number % 2 == 0 else (second, first)
        shots = [Shot(c, by_id[c].words[source], by_id[c].words[target]) for c in order]
        text = prompt(source, target, shots[:-1], shots[-1].source) + f" {shots[-1].target}"
        yield {"text": text, "language": target, "source": "dictionary"}
        for concept in order:
            remainder[concept] -= 1
            if not remainder[concept]:
                del remainder[concept]
        number += 1


def _filler(world: World) -> Iterator[dict[str, str]]:
    generator = Random(seed_of(world.seed, "filler"))
    length = world.phrases * (world.noise + _phrase_words(world) + 1)
    for number in range(world.filler):
        code = world.languages[number % 2]
        text = " ".join(_noise(world, generator, code) for _ in range(length))
        yield {"text": text, "language": code, "source": "filler"}


def vocabulary(corpus: PlantedCorpus) -> list[str]:
    """Every word of a world's documents and prompts, sorted."""
    from tokenizers.pre_tokenizers import Whitespace

    cut = Whitespace()
    texts = [d["text"] for d in corpus.documents]
    texts += [prompt(a, b, [], "x") for a in corpus.world.languages for b in corpus.world.languages]
    texts += [word for concept in corpus.concepts for word in concept.words.values()]
    texts += [word for concept in corpus.concepts for around in concept.contexts.values() for word in around]
    return sorted({word for text in texts for word, _ in cut.pre_tokenize_str(text)})


def write(corpus: PlantedCorpus, folder: Path) -> None:
    """Write a world for the ordinary commands: documents.jsonl, words.tsv (a lexicon), and truth.jsonl.

    A row of the truth holds concept_id, class, words and contexts by language, pivots, and the documents of a word.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "documents.jsonl").write_text("".join(json.dumps(d) + "\n" for d in corpus.documents), "utf-8")
    codes = corpus.world.languages
    rows = ({"concept_id": c.concept_id, "pos": "noun", **c.words} for c in corpus.concepts)
    write_tsv(folder / "words.tsv", ["concept_id", "pos", *codes], rows)
    truth = [
        {
            "concept_id": c.concept_id,
            "class": c.kind,
            "words": c.words,
            "contexts": c.contexts,
            "pivots": c.pivots,
            "documents": c.frequency,
        }
        for c in corpus.concepts
    ]
    (folder / "truth.jsonl").write_text("".join(json.dumps(row) + "\n" for row in truth), "utf-8")
