"""Distractors that a language model writes and judges (`[benchmark] writer = "llm"`), after METHOD §1.

The writer is asked for words near the source that are no translations of the target; the judge is shown the source
among the words written and asked which of them translate the target. A word that the judge takes for a translation, or
that the lexicon knows as one, is dropped and another is asked for, at most three times; what is then missing is filled
from the item's neighbours. Chosen where an embedding is too coarse; the cost is two questions an item, and distractors
that depend on a model's taste. An item whose source the judge does not recognise bears the stratum `judge:missed`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from semantic_pivots.languages import language
from semantic_pivots.lexicon.distractors import draw
from semantic_pivots.words import normalise

Answer = Callable[[str], str]
_ROUNDS, _WORKERS = 3, 8
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)、:]?)\s*|[\"'“”「」]")
_STRATUM = "judge:missed"


def write_question(item: dict, pos: str, count: int, rejects: Sequence[str]) -> str:
    """The prompt for the model that writes distractors."""
    source, target = language(item["source_language"]).name, language(item["target_language"]).name
    without = f" Do not use: {', '.join(sorted(rejects))}." if rejects else ""
    return (
        f"The {source} word “{item['source']}” means “{item['target']}” in {target}. Write {count} other common "
        f"{source} words, each a single {pos} of a related topic and of similar frequency, none of which can be "
        f"translated as “{item['target']}” and none of which is a synonym of “{item['source']}”.{without} "
        "One word a line, nothing else."
    )


def judge_question(item: dict, words: Sequence[str]) -> str:
    """The prompt for the model that judges words of the source language, which are numbered from 1."""
    source, target = language(item["source_language"]).name, language(item["target_language"]).name
    lines = "\n".join(f"{number}. {word}" for number, word in enumerate(words, 1))
    return (
        f"Which of these {source} words can be translated into {target} as “{item['target']}”?\n{lines}\n"
        "Answer with the numbers only, separated by commas."
    )


def words_of(answer: str) -> list[str]:
    """The words of a writer's answer: one a line, without bullets, numbers and quotation marks."""
    lines = (_BULLET.sub("", line).strip() for line in answer.splitlines())
    return [word for word in lines if word and not re.search(r"[\s,;:]", word)]


def write_item(
    item: dict, pos: str, is_answer: Callable[[str], bool], answer_of: Answer, seed: int
) -> tuple[dict, int]:
    """The item with distractors of the writer, and how many of them had to be filled from the ones it had.

    Args:
        item: a row of `items`, its distractors in the order in which they may fill gaps.
        pos: part of speech, in English.
        is_answer: whether a word is a known translation or a variant.
        answer_of: the model.
        seed: seed of the order in which the judge sees the words.
    """
    count = len(item["distractors"])
    accepts: dict[str, str] = {}
    rejects: set[str] = set()
    is_missed = False
    for turn in range(_ROUNDS):
        proposals = words_of(answer_of(write_question(item, pos, count - len(accepts), [*rejects, *accepts.values()])))
        fresh = {normalise(word): word for word in reversed(proposals) if not is_answer(word)}
        fresh = {key: word for key, word in reversed(fresh.items()) if key not in accepts and word not in rejects}
        fresh = dict(list(fresh.items())[: count - len(accepts)])
        rejects |= {word for word in proposals if normalise(word) not in fresh and normalise(word) not in accepts}
        if fresh:
            menu = sorted([item["source"], *fresh.values()], key=lambda word: draw(seed, item["item_id"], turn, word))
            numbers = {int(number) for number in re.findall(r"\d+", answer_of(judge_question(item, menu)))}
            translations = {word for number, word in enumerate(menu, 1) if number in numbers}
            is_missed = is_missed or item["source"] not in translations
            rejects |= translations - {item["source"]}
            accepts |= {key: word for key, word in fresh.items() if word not in translations}
        if len(accepts) == count:
            break
    fallbacks = 0
    for word in item["distractors"]:
        if len(accepts) < count and normalise(word) not in accepts and word not in rejects:
            accepts[normalise(word)] = word
            fallbacks += 1
    order = sorted(accepts.values(), key=lambda word: (draw(seed, item["item_id"], word), word))
    return {**item, "distractors": order, "strata": [*item["strata"], *([_STRATUM] if is_missed else [])]}, fallbacks


def write_all(
    items: Sequence[dict], pos: dict[str, str], is_answer: Callable[[dict, str], bool], answer_of: Answer, seed: int
) -> tuple[list[dict], int]:
    """Every item with written distractors, in the given order, and how many distractors were filled from neighbours."""

    def written_item(item: dict) -> tuple[dict, int]:
        return write_item(item, pos[item["concept_id"]], lambda word: is_answer(item, word), answer_of, seed)

    with ThreadPoolExecutor(_WORKERS) as pool:
        results = list(pool.map(written_item, items))
    return [item for item, _ in results], sum(fallbacks for _, fallbacks in results)
