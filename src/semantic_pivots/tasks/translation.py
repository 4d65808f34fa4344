"""CLWTD, word translation: the published prompt, and the draws of its shots (METHOD §1).

The published draws are unseeded and taken from the evaluation set. Here a draw derives from the study's seed and its
identifiers, and no shot shows the item's own concept, its target, or one of its candidate sources.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from semantic_pivots.errors import InputError
from semantic_pivots.languages import language
from semantic_pivots.statistics import seed_of

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Item:
    """A target with its source and the wrong sources (distractors), one row of the table `items`."""

    item_id: str
    concept_id: str
    source_language: str
    target_language: str
    source: str
    target: str
    distractors: tuple[str, ...]
    strata: tuple[str, ...] = ()

    @property
    def direction(self) -> tuple[str, str]:
        """(source language, target language)."""
        return self.source_language, self.target_language

    @property
    def candidates(self) -> tuple[str, ...]:
        """The source, then the distractors."""
        return (self.source, *self.distractors)


@dataclass(frozen=True)
class Shot:
    """A translation shown before the question."""

    concept_id: str
    source: str
    target: str


def items_of(table: pa.Table) -> list[Item]:
    """The items of an Arrow table, by direction in the table's order and by id within it."""
    items = [
        Item(**{**row, "distractors": tuple(row["distractors"]), "strata": tuple(row["strata"] or ())})
        for row in table.to_pylist()
    ]
    order: dict[tuple[str, str], int] = {}
    for item in items:
        order.setdefault(item.direction, len(order))
    return sorted(items, key=lambda item: (order[item.direction], item.item_id))


def prompt(source_language: str, target_language: str, shots: Sequence[Shot], source: str) -> str:
    """The published prompt; it ends with the colon before the answer."""
    first, second = language(source_language).name, language(target_language).name
    examples = "".join(f"{first}: {shot.source}\n{second}: {shot.target}\n\n" for shot in shots)
    return f"Please translate words from {first} to {second}.\n\n{examples}{first}: {source}\n{second}:"


def answer(target: str) -> str:
    """The answer as it follows the prompt."""
    return f" {target}"


def check_draws(shots: int, draws: int = 1) -> None:
    """Refuse invalid numbers of shots and draws.

    Raises:
        InputError: `shots` is below 0, or `draws` below 1.
    """
    if shots < 0:
        raise InputError(f"shots = {shots}: expected 0 or more")
    if draws < 1:
        raise InputError(f"draws = {draws}: expected at least 1")


class Shots:
    """Draws of shots for one direction from the words of a lexicon."""

    def __init__(
        self, words: Iterable[tuple[str, str, str]], source_language: str, target_language: str, seed: int = 0
    ):
        """Take (concept_id, language, word) rows; concepts without a word in both languages are left out."""
        by_language: dict[str, dict[str, str]] = {source_language: {}, target_language: {}}
        for concept_id, code, word in words:
            if code in by_language:
                by_language[code].setdefault(concept_id, word)
        first, second = by_language[source_language], by_language[target_language]
        self.pool = [Shot(concept, first[concept], second[concept]) for concept in sorted(first.keys() & second.keys())]
        self.direction = (source_language, target_language)
        self.seed = seed

    def draw(self, item: Item, number: int, count: int) -> list[Shot]:
        """An item's own draw, independent of every other."""
        check_draws(count)
        candidates = self._candidates(item)
        if len(candidates) < count:
            raise InputError(
                f"{count} shots asked for item {item.item_id!r}, the lexicon has {len(candidates)} other concepts in "
                f"{'-'.join(self.direction)}; give a larger lexicon or fewer shots"
            )
        return Random(seed_of(self.seed, "draw", item.item_id, number)).sample(candidates, count)

    def from_pool(self, number: int, count: int) -> list[Shot]:
        """The `number`-th draw of `count` shots from the pool that all items of the direction share."""
        if len(self.pool) < count:
            raise InputError(f"{count} shots asked in {'-'.join(self.direction)}, the lexicon has {len(self.pool)}")
        return Random(seed_of(self.seed, "pool", *self.direction, number)).sample(self.pool, count)

    def draws_of(self, item: Item, draws: int, count: int, pool: int) -> list[tuple[int, list[Shot]]]:
        """(number, shots) of each draw of an item, from a pool of `pool` draws, or independent where `pool` is 0.

        A pool member that shows a word of the item is passed over; where too few are left, the pool grows.
        """
        check_draws(count, draws)
        if count == 0:
            return [(0, [])]
        if pool == 0:
            return [(number, self.draw(item, number, count)) for number in range(draws)]
        if pool < draws:
            raise InputError(f"pool = {pool}: expected 0, or at least as many as draws = {draws}")
        order = list(range(pool))
        Random(seed_of(self.seed, "choice", item.item_id)).shuffle(order)
        concepts = {shot.concept_id for shot in self._candidates(item)}
        numbers: list[tuple[int, list[Shot]]] = []
        for number in [*order, *range(pool, 20 * pool + 200)]:
            shots = self.from_pool(number, count)
            if all(shot.concept_id in concepts for shot in shots):
                numbers.append((number, shots))
                if len(numbers) == draws:
                    return sorted(numbers, key=lambda pair: pair[0])
        raise InputError(
            f"no pool of {'-'.join(self.direction)} leaves {draws} draws without the words of item {item.item_id!r}; "
            "give a larger lexicon, or pool = 0"
        )

    def _candidates(self, item: Item) -> list[Shot]:
        words = {*item.candidates, item.target}
        return [
            shot
            for shot in self.pool
            if shot.concept_id != item.concept_id and shot.source not in words and shot.target not in words
        ]


def shots_by_direction(
    words: pa.Table, directions: Iterable[tuple[str, str]], seed: int
) -> dict[tuple[str, str], Shots]:
    """The draws of each direction, from the Arrow table `words`."""
    rows = list(
        zip(words["concept_id"].to_pylist(), words["language"].to_pylist(), words["word"].to_pylist(), strict=True)
    )
    return {direction: Shots(rows, *direction, seed=seed) for direction in dict.fromkeys(directions)}
