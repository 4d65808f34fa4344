"""The benchmark stage: CLWTD items for every ordered pair of languages (METHOD §1).

The target is fixed and the source varies: distractors are wrong words of the *source* language, so that the score asks
whether the model answers with the target because of what it was asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from itertools import permutations

import pyarrow as pa

from semantic_pivots import grammar
from semantic_pivots.errors import InputError
from semantic_pivots.held_out import tag_of
from semantic_pivots.lexicon import near_words
from semantic_pivots.lexicon.chat import Chat
from semantic_pivots.lexicon.distractors import Pool, choose_distractors, draw, is_variant
from semantic_pivots.lexicon.written_distractors import write_all
from semantic_pivots.run import Inputs, Work
from semantic_pivots.tables import from_rows
from semantic_pivots.tasks.benchmark_stage import BenchmarkConfig
from semantic_pivots.words import normalise

Concepts = dict[str, dict[str, str]]
"""concept_id to its word in each language"""


def keep_concepts(concepts: list[str], count: int, seed: int) -> list[str]:
    """The concepts of a benchmark with `count` items per direction, in the given order; 0: all concepts.

    A smaller benchmark is a subset of a larger one of the same seed.
    """
    if not count or count >= len(concepts):
        return concepts
    sample = set(sorted(concepts, key=lambda concept: (draw(seed, "concept", concept), concept))[:count])
    return [concept for concept in concepts if concept in sample]


def frequency_band(zipf: float) -> str:
    """high from Zipf 4.5 on (30 in a million words), middle from 3.5 on, else low."""
    return "high" if zipf >= 4.5 else "middle" if zipf >= 3.5 else "low"


def item_strata(source: str, target: str, pos: str, length_cut: int, zipf: float | None = None) -> list[str]:
    """Tags of an item: part of speech, spelling shared by source and target, length of the target, frequency.

    Args:
        source: the source word.
        target: the target word.
        pos: part of speech of the concept.
        length_cut: characters up to which a target is short.
        zipf: Zipf frequency of the rarer of the two words, where it is known.
    """
    a, b = normalise(source), normalise(target)
    common = {char for char in set(a) & set(b) if not char.isascii()}
    tags = [f"pos:{pos}", "length:short" if len(target) <= length_cut else "length:long"]
    tags.append("identical-spelling" if a == b else "different-spelling")
    if zipf is not None:
        tags.append(f"frequency:{frequency_band(zipf)}")
    return tags + (["shared-characters"] if common and a != b else [])


def make_items(
    words: Concepts,
    pos: dict[str, str],
    concepts: list[str],
    config: BenchmarkConfig,
    neighbours: near_words.NearWords | None = None,
) -> list[dict]:
    """The items of all ordered language pairs; an item without enough distractors is left out.

    Distractors come from the whole lexicon, also where few concepts are kept: a smaller benchmark asks the same items.

    Args:
        words: concept to its word in each language.
        pos: part of speech of each concept.
        concepts: concepts that are asked.
        config: languages, number of distractors and seed.
        neighbours: near words, which are used first, concepts whose words may be translations, and frequencies.
    """
    near, zipf, alike = neighbours or near_words.NearWords({}, {}, {})
    homonyms = _homonyms(words)
    members: dict[tuple[str, str], list[str]] = defaultdict(list)
    for concept, by_language in words.items():
        for code, word in by_language.items():
            members[code, pos[concept]].append(word)
    pools = {key: Pool(texts, config.seed) for key, texts in members.items()}
    items = []
    for source_language, target_language in permutations(config.languages, 2):
        targets = sorted(len(words[concept][target_language]) for concept in words)
        cut = targets[len(targets) // 2]
        for concept in concepts:
            source, target = words[concept][source_language], words[concept][target_language]
            near_ids = near.get((concept, source_language), ())
            close = [words[near_id][source_language] for near_id in near_ids if near_id in words]
            similar = {words[near_id][source_language] for near_id in alike.get(concept, ()) if near_id in words}
            exclusions = _excluded_words(concept, words, homonyms) | set(map(normalise, similar.difference(close)))

            def forbidden(
                word: str, source: str = source, target: str = target, exclusions: set[str] = exclusions
            ) -> bool:
                return normalise(word) in exclusions or is_variant(word, source) or is_variant(word, target)

            item_id = f"{source_language}-{target_language}:{concept}"
            pool = pools[source_language, pos[concept]]
            distractors = choose_distractors(item_id, pool, forbidden, source, config.distractors, config.seed, close)
            zipfs = [zipf[concept, code] for code in (source_language, target_language) if (concept, code) in zipf]
            rarer = min(zipfs) if len(zipfs) == 2 else None
            if len(distractors) == config.distractors:
                items.append(
                    {
                        "item_id": item_id,
                        "concept_id": concept,
                        "source_language": source_language,
                        "target_language": target_language,
                        "source": source,
                        "target": target,
                        "distractors": distractors,
                        "strata": item_strata(source, target, pos[concept], cut, rarer),
                    }
                )
    return items


def _homonyms(words: Concepts) -> dict[str, set[str]]:
    concepts: dict[str, set[str]] = defaultdict(set)
    for concept, by_language in words.items():
        for word in by_language.values():
            concepts[normalise(word)].add(concept)
    return concepts


def _excluded_words(concept: str, words: Concepts, homonyms: dict[str, set[str]]) -> set[str]:
    # Every word of every concept that shares a spelling with this one, in any language: 手紙 and 手纸 apart, a shared
    # string is a possible translation.
    concepts = set().union(*(homonyms[normalise(word)] for word in words[concept].values()))
    return {normalise(word) for concept in concepts for word in words[concept].values()}


def by_a_model(
    items: list[dict], words: Concepts, pos: dict[str, str], config: BenchmarkConfig, answer_of: Callable[[str], str]
) -> tuple[list[dict], int]:
    """The items with distractors that a model wrote and judged, and the number of distractors taken from neighbours."""
    homonyms = _homonyms(words)
    exclusions = {
        concept: _excluded_words(concept, words, homonyms) for concept in {item["concept_id"] for item in items}
    }

    def forbidden(item: dict, word: str) -> bool:
        is_known = normalise(word) in exclusions[item["concept_id"]]
        return is_known or is_variant(word, item["source"]) or is_variant(word, item["target"])

    return write_all(items, pos, forbidden, answer_of, config.seed)


def benchmark_stage(
    config: BenchmarkConfig,
    inputs: Inputs,
    work: Work,
    choose_concepts: Callable[[Concepts], list[str]] = list,
) -> dict[str, pa.Table]:
    """Items of all ordered pairs of the languages.

    Args:
        config: what is asked.
        inputs: the lexicon's tables.
        work: receives notes and warnings.
        choose_concepts: the concepts that may be asked, in their order; the others' words still serve as distractors.

    Raises:
        InputError: fewer than two languages, or no item is left.
    """
    if len(config.languages) < 2:
        raise InputError("[benchmark] languages: expected at least two, a translation needs a source and a target")
    grammar.check(config)
    concepts = inputs.table("concepts").to_pylist()
    pos = {row["concept_id"]: row["pos"] for row in concepts}
    half_of = {row["concept_id"]: tag_of(row["strata"]) for row in concepts}
    words: Concepts = {concept: {} for concept in pos}
    for row in inputs.table("words").to_pylist():
        if row["language"] in config.languages:
            words[row["concept_id"]][row["language"]] = row["word"]
    words = {concept: by_code for concept, by_code in words.items() if len(by_code) == len(set(config.languages))}
    chosen_concepts = keep_concepts(choose_concepts(words), config.items_per_direction, config.seed)
    neighbours = near_words.read(inputs.path("concepts").with_name(near_words.FILE))
    items = make_items(words, pos, chosen_concepts, config, neighbours)
    for item in items:
        item["strata"] += half_of[item["concept_id"]]
    work.note("distractors", "near by embedding" if neighbours.neighbours else "like in length")
    if config.writer == "llm":
        chat = Chat(config.base_url, config.writer_model, config.seed, config.cache)
        items, fallbacks = by_a_model(items, words, pos, config, chat.answer)
        work.note("distractors", f"written and judged by {config.writer_model}")
        work.note("distractors_filled_from_neighbours", fallbacks)
    missing = len(chosen_concepts) * len(config.languages) * (len(config.languages) - 1) - len(items)
    work.note("items", len(items))
    work.note("items_without_enough_distractors", missing)
    if not items:
        raise InputError(
            f"benchmark: no item has {config.distractors} distractors among {len(words)} concepts in all of "
            f"{', '.join(config.languages)}: lower [benchmark] distractors or give a larger lexicon"
        )
    if missing:
        work.warn(f"{missing} items have fewer than {config.distractors} distractors and were left out")
    return {"items": from_rows("items", items)}
