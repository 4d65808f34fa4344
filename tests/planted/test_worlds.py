import dataclasses
import itertools
import json
from collections import Counter

import numpy as np
import pytest

from semantic_pivots.analysis.attribution import auc
from semantic_pivots.corpus.documents import SkippedLines, read
from semantic_pivots.lexicon.concepts import lexicon_stage
from semantic_pivots.lexicon.lexicon_stage import LexiconConfig
from semantic_pivots.planted.worlds import BRIDGED, COPIED, DIRECT, UNRELATED, World, generate, vocabulary, write
from semantic_pivots.run import Inputs, Work

SMALL = World(seed=3, direct=40, bridged=20, unrelated=20, copied=10, documents=12)
WORLDS = {
    "simple": SMALL,
    "pool": dataclasses.replace(SMALL, pool=30),
    "hub": dataclasses.replace(SMALL, languages=("en", "fr", "de", "es"), hub="de"),
    "bystanders": dataclasses.replace(SMALL, languages=("en", "fr", "de")),
    "phrases": dataclasses.replace(SMALL, phrases=3, filler=50),
    "zipf": dataclasses.replace(SMALL, zipf=1.0),
    "plain": dataclasses.replace(SMALL, plain_share=0.5),
    "matched": dataclasses.replace(SMALL, matched=True),
    "hard": dataclasses.replace(SMALL, noise=8, shared_noise=True, noise_words=300, decoys=2, pivots=3),
}


def words_of(text: str) -> set[str]:
    return set(text.replace("\n", " ").replace(".", " ").split())


@pytest.fixture(params=WORLDS, scope="module")
def planted(request):
    return generate(WORLDS[request.param])


def test_words_occur_together_exactly_where_the_class_says(planted):
    first, second = planted.world.languages[:2]
    texts = [words_of(d["text"]) for d in planted.documents]
    for concept in planted.concepts:
        together = sum({concept.words[first], concept.words[second]} <= text for text in texts)
        if concept.kind == COPIED:
            assert concept.words[first] == concept.words[second]
        else:
            assert concept.words[first] != concept.words[second]
            assert (together > 0) == (concept.kind == DIRECT)


def test_bridged_words_share_their_pivots_and_unrelated_words_share_nothing(planted):
    first, second = planted.world.languages[:2]
    around: dict[str, Counter] = {}
    texts = [words_of(d["text"]) for d in planted.documents if d["source"] == "context"]
    for concept in planted.concepts:
        for code in (first, second):
            word = concept.words[code]
            around[word] = Counter(w for text in texts if word in text for w in text)
    for concept in planted.concepts:
        if concept.kind == BRIDGED:
            # the same pivot stands beside both words: one pivot each would bridge nothing
            assert set(concept.pivots) & set(around[concept.words[first]]) & set(around[concept.words[second]])
        if concept.kind == UNRELATED:
            both = set(around[concept.words[first]]) & set(around[concept.words[second]])
            noise = {word for word in both if word[0] == "n"} if planted.world.shared_noise else set()
            assert not both - {"."} - noise
        if not concept.pivots and concept.kind != COPIED:
            assert not set(concept.contexts[first]) & set(concept.contexts[second])
    assert bool(planted.of(DIRECT, True))
    assert len(planted.of(DIRECT, False)) == round((1 - planted.world.direct_linked_share) * planted.world.direct)


def test_a_word_stands_in_as_many_documents_as_designed(planted):
    held = Counter(word for d in planted.documents for word in words_of(d["text"]))
    first, second = planted.world.languages[:2]
    for concept in planted.concepts:
        for code in (first, second):
            assert held[concept.words[code]] == concept.frequency


def test_frequency_and_class_are_independent_unless_correlated():
    planted = generate(dataclasses.replace(SMALL, direct=20, copied=20, zipf=0.8))
    frequencies = {kind: sorted(c.frequency for c in planted.of(kind)) for kind in (DIRECT, BRIDGED, UNRELATED, COPIED)}
    assert len({tuple(f) for f in frequencies.values()}) == 1
    boosted = generate(dataclasses.replace(SMALL, direct=20, direct_boost=3.0))
    mean = {kind: sum(c.frequency for c in boosted.of(kind)) / len(boosted.of(kind)) for kind in (DIRECT, BRIDGED)}
    assert 2.5 < mean[DIRECT] / mean[BRIDGED] < 3.5


def test_knock_out_keeps_every_word_and_takes_its_pivots():
    whole, without = generate(SMALL), generate(dataclasses.replace(SMALL, drop_pivots=True))
    assert [c.words for c in whole.concepts] == [c.words for c in without.concepts]
    for planted, expected in ((whole, True), (without, False)):
        texts = [words_of(d["text"]) for d in planted.documents]
        for concept in [*planted.of(BRIDGED), *planted.of(DIRECT, True)]:
            beside = any(set(concept.words.values()) & text and set(concept.pivots) & text for text in texts)
            assert beside is expected
    assert set(vocabulary(without)) <= set(vocabulary(whole))
    held = [Counter(w for d in p.documents for w in words_of(d["text"])) for p in (whole, without)]
    for concept in whole.concepts:
        for word in concept.words.values():
            assert held[0][word] == held[1][word]


def test_decoys_are_as_bilingual_as_pivots_and_link_no_pair():
    planted = generate(WORLDS["hard"])
    texts = [words_of(d["text"]) for d in planted.documents]
    for concept in planted.of(BRIDGED):
        first, second = (concept.contexts[code] for code in planted.world.languages)
        assert set(first) & set(second) == set(concept.pivots)
    decoys = {word for concept in planted.concepts for around in concept.contexts.values() for word in around}
    held = Counter(word for text in texts for word in text if word in decoys)
    pivots = [held[word] for c in planted.of(BRIDGED) for word in c.pivots]
    wrong = [n for word, n in held.items() if word[0] == "y"]
    assert 0.7 < (sum(pivots) / len(pivots)) / (sum(wrong) / len(wrong)) < 1.4


def test_in_a_matched_world_frequency_says_nothing():
    world = World(seed=5, direct=120, bridged=40, unrelated=40, copied=0, matched=True, mixed_share=0.0, pivots=2)
    planted = generate(world)
    held: dict[str, Counter] = {code: Counter() for code in world.languages}
    sources = Counter()
    for document in planted.documents:
        held[document["language"]].update(words_of(document["text"]))
        sources.update((word, document["source"]) for word in words_of(document["text"]))
    groups = [planted.of(BRIDGED), planted.of(DIRECT, False), planted.of(UNRELATED)]
    counts = []
    for concepts in groups:
        mine = []
        for concept in concepts:
            for word in concept.contexts["en"]:
                first, second = held["en"][word], held["fr"][word]
                assert first == second  # as often in one language as in the other
                assert sources[word, "context"] == first + second  # and nowhere but in running text
                mine.append(first + second)
        counts.append(np.array(mine, float))
    bridged = counts[0]
    for other in counts[1:]:
        labels = np.arange(len(bridged) + len(other)) < len(bridged)
        assert 0.45 < auc(np.concatenate([bridged, other]), labels) < 0.55
    # and no context word of an unlinked pair stands beside both of its words
    texts = [words_of(d["text"]) for d in planted.documents]
    for concept in groups[1]:
        assert not any(concept.words["fr"] in text and text & set(concept.contexts["en"]) for text in texts)


def test_plain_text_holds_the_word_and_no_context():
    planted = generate(WORLDS["plain"])
    by_word = {word: c for c in planted.of(BRIDGED) for word in c.words.values()}
    plain = [words_of(d["text"]) for d in planted.documents if d["source"] == "plain"]
    assert plain
    for text in plain:
        (word,) = set(by_word) & text
        assert not set(by_word[word].pivots) & text


def test_the_truth_has_a_row_per_concept():
    planted = generate(SMALL)
    assert [row["class"] for row in planted.truth()] == [c.kind for c in planted.concepts]


def test_a_hub_lends_its_words_as_pivots():
    planted = generate(WORLDS["hub"])
    for concept in planted.of(BRIDGED):
        assert concept.words["de"] in concept.pivots
        assert concept.words["es"] not in concept.pivots


def test_equal_worlds_have_equal_documents_and_seeds_differ():
    assert generate(SMALL).documents == generate(SMALL).documents
    assert generate(SMALL).documents != generate(dataclasses.replace(SMALL, seed=4)).documents


def test_kinds_of_words_never_collide(planted):
    words = [set(c.words.values()) for c in planted.concepts]
    for one, two in itertools.combinations(words, 2):
        assert not one & two
    assert all(len(word) for word in vocabulary(planted))


WRONG = ({"languages": ("en",)}, {"hub": "fr"}, {"direct": 3}, {"pivots": 0}, {"mixed_share": 0.9})


@pytest.mark.parametrize("changes", WRONG)
def test_a_world_that_cannot_exist_is_refused(changes):
    with pytest.raises(ValueError, match=r"world|hub|share"):
        dataclasses.replace(SMALL, **changes)


def test_a_written_world_is_read_by_the_ordinary_commands(tmp_path):
    planted = generate(SMALL)
    write(planted, tmp_path)
    texts = {d.id: d.text for d in read(str(tmp_path / "documents.jsonl"), {}, SkippedLines())}
    assert texts == {d["id"]: d["text"] for d in planted.documents}
    config = LexiconConfig(languages=("en", "fr"), source=str(tmp_path / "words.tsv"))
    words = lexicon_stage(config, Inputs({}), Work(tmp_path, tmp_path))["words"].to_pylist()
    expected = {(c.concept_id, code, c.words[code]) for c in planted.concepts for code in ("en", "fr")}
    assert {(r["concept_id"], r["language"], r["word"]) for r in words} <= expected
    truth = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text("utf-8").splitlines()]
    assert [row["class"] for row in truth] == [c.kind for c in planted.concepts]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bridged": -1}, "bridged = -1: expected a whole number"),
        ({"bridged": 2.0}, "bridged = 2.0: expected a whole number"),
        ({"linked_share": 1.5}, "linked_share = 1.5: expected a share"),
        ({"zipf": float("nan")}, "zipf = nan"),
        ({"documents": 0}, "one document of a word"),
        ({"languages": "en,fr"}, "a tuple of languages"),
    ],
)
def test_a_parameter_out_of_range_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        World(**options)
    assert World(seed=-1, bridged=0, word_last=0).seed == -1
