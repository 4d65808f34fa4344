"""The stage `causal`: do an item's pivots lead to the answer (link), and does the answer need them (need)?

The rule `causal` (`rules.causal`) turns the effects into labels, in the stage `behaviour`. A pivot is read by its text,
so a word of several tokens is one pivot; pivots that share a token with a word of the item are left out, and so are
items whose pivots have too few control words.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from semantic_pivots import tables
from semantic_pivots.analysis.causal_stage import CausalConfig
from semantic_pivots.analysis.controls import PivotWord, control_sets
from semantic_pivots.analysis.rules import Evidence
from semantic_pivots.files import Record
from semantic_pivots.models.protocols import Tokenizer
from semantic_pivots.run import Inputs, Work
from semantic_pivots.scoring.design import sample_by_direction
from semantic_pivots.statistics import seed_of
from semantic_pivots.tasks import questions
from semantic_pivots.tasks.case import Case
from semantic_pivots.tasks.translation import Item, items_of
from semantic_pivots.words import is_joining, is_readable

if TYPE_CHECKING:
    from semantic_pivots.models.link_and_need import Asker, Effects, Question

_BLOCK = 16
_POOL = 10
"""best pivots of every pair that control words are taken from"""


def causal_stage(config: CausalConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Measure link and need of items with pivots against control sets (table `causal_effects`).

    Raises:
        InputError: the model cannot be loaded, or is not a causal one.
    """
    from semantic_pivots.models.lens import load_lens
    from semantic_pivots.models.link_and_need import Asker

    items = items_of(inputs.table("items"))
    model, lens = load_lens(config.model, config.dtype, config.cache, config.blocks)
    asker = Asker(lens, model.tokenizer, config.batch)
    pivots = Pivots(inputs, items, model.tokenizer, config, work)
    sample = sample_items(items, pivots.of_item, config)
    prompts = {c.case_id: c for c in questions.cases(sample, inputs.table("words"), config.shots, config.seed)}
    parts = []
    with work.progress(len(sample), "items", "causal") as progress:
        for start in range(0, len(sample), _BLOCK):
            block = sample[start : start + _BLOCK]
            make = lambda b=block: tables.from_rows("causal_effects", _rows(b, prompts, pivots, asker))  # noqa: E731
            parts.append(work.part(f"part-{start:06d}", make))
            progress.advance(len(block))
    if asker.prompt_tokens:
        work.note("forward_passes_per_item", round(asker.computed_tokens / asker.prompt_tokens, 1), volatile=True)
    work.note("layers", lens.layers)
    return {"causal_effects": pa.concat_tables(parts) if parts else tables.from_rows("causal_effects", [])}


def sample_items(items: Sequence[Item], with_pivots: Container[str], config: CausalConfig) -> list[Item]:
    """Items with pivots, drawn by hash in each direction; directions share the same concepts as far as possible.

    The items are ordered by concept, so that an interrupted run has measured some items of every direction.
    """
    order = lambda item: seed_of(config.seed, "causal", item.concept_id)  # noqa: E731
    eligible = [item for item in items if item.item_id in with_pivots]
    return sorted(sample_by_direction(eligible, order, config.items_per_direction), key=order)


def _rows(items: Sequence[Item], prompts: Mapping[str, Case], pivots: Pivots, asker: Asker) -> Iterator[Record]:
    from semantic_pivots.models.link_and_need import Question

    for item in items:
        pivot_words, sets = pivots.of_item[item.item_id], pivots.controls(item)
        row = {"item_id": item.item_id, "pivots": [word.text for word in pivot_words], "control_sets": len(sets)}
        if not sets:
            yield effects_row(row)
            continue
        case = prompts[item.item_id]
        place = case.prompt.rindex(item.source)
        words = tuple(word.text for word in pivot_words)
        yield question_row(row, Question(case.prompt, place, item.source, case.answer, words, tuple(sets)), asker)


def question_row(row: Record, question: Question, asker: Asker, always: bool = False) -> Record:
    """A row of `causal_effects`; without `always`, effects of a question that the model answers wrongly are null."""
    logprob, correct = asker.answer(question)
    if correct or always:
        return effects_row(row, asker.effects(question))
    return {**effects_row(row), "logprob": logprob, "answered": False}


def effects_row(row: Record, effects: Effects | None = None) -> Record:
    """A row of `causal_effects`: each effect minus the mean of its controls, with its interval and its p-value."""
    names = ("link", "need", "screen")
    if effects is None:
        empty = dict.fromkeys([f"{name}{end}" for name in names for end in ("", "_low", "_high", "_p")])
        return {**row, "logprob": None, "told": None, "answered": None, **empty}
    gain = effects.logprob - effects.link_controls.mean()
    columns: Record = {"logprob": effects.logprob, "told": float(gain), "answered": effects.is_answered}
    for name in names:
        value, controls = getattr(effects, name), getattr(effects, f"{name}_controls")
        low, high = np.quantile(controls, [0.975, 0.025])
        columns |= {
            name: float(value - controls.mean()),
            f"{name}_low": float(value - low),
            f"{name}_high": float(value - high),
            # one-sided; exact if the item's pivots and the control sets are exchangeable
            f"{name}_p": float((1 + (controls >= value).sum()) / (1 + len(controls))),
        }
    return {**row, **columns}


def evidence_of(row: Record) -> Evidence | None:
    """The evidence that the rule `causal` needs, from a row of `causal_effects`; None if nothing was measured."""
    if row["link"] is None:
        return None
    return Evidence(row["answered"], row["told"], row["link"], row["link_p"], row["need"], row["need_p"])


class Pivots:
    """The pivots of every item as words with their document counts, and their control sets."""

    def __init__(self, inputs: Inputs, items: Sequence[Item], tokenizer: Tokenizer, config: CausalConfig, work: Work):
        self.config = config
        texts = best_pivots(inputs.table("pivots"), items, tokenizer, max(config.pivots, _POOL))
        documents = _documents(inputs, {t for words in texts.values() for t in words}, work, config.workers)
        sizes = {text: _tokens(tokenizer, text) for text in documents}
        self.pool = {t: PivotWord(t, n, script_of(t), sizes[t]) for t, n in documents.items() if n > 0}
        self.of_item, self.words_of_concept = {}, {}
        for item in items:
            in_pool = [t for t in texts.get(item.item_id, ()) if t in self.pool]
            self.words_of_concept.setdefault(item.concept_id, set()).update([item.source, item.target, *in_pool])
            if in_pool:
                self.of_item[item.item_id] = [self.pool[t] for t in in_pool[: config.pivots]]

    def controls(self, item: Item) -> list[tuple[str, ...]]:
        """Control sets of an item; none if too few words match one of its pivots in frequency, script and tokens."""
        seed = seed_of(self.config.seed, "controls", item.item_id)
        words, exclusions = self.of_item[item.item_id], self.words_of_concept[item.concept_id]
        return control_sets(words, self.pool.values(), exclusions, self.config.control_sets, seed)


def script_of(word: str) -> str:
    """The script of a word's first letter, as a proxy for the language of the documents that contain it."""
    name = unicodedata.name(next(c for c in word if c.isalpha()), "UNKNOWN").split()[0]
    return "KANA" if name in ("HIRAGANA", "KATAKANA") else name


def best_pivots(pivots: pa.Table, items: Sequence[Item], tokenizer: Tokenizer, count: int) -> dict[str, list[str]]:
    """The best pivots of each item that contain a letter and share no token with the item's source and target."""
    from semantic_pivots.models.trace import word_tokens

    ranking: dict[str, list[str]] = {}
    rows = pivots.select(["item_id", "rank", "text"]).sort_by("rank")
    for item_id, text in zip(rows["item_id"].to_pylist(), rows["text"].to_pylist(), strict=True):
        word = text.strip()
        if is_readable(word) and word not in ranking.setdefault(item_id, []):
            ranking[item_id].append(word)
    tokens: dict[str, set[int]] = {}
    words = {}
    for item in items:
        own_tokens = word_tokens(tokenizer, [item.source, item.target]) if item.item_id in ranking else set()
        best: list[str] = []
        for word in ranking.get(item.item_id, ()):
            if len(best) < count and not tokens.setdefault(word, word_tokens(tokenizer, [word])) & own_tokens:
                best.append(word)
        if best:
            words[item.item_id] = best
    return words


def _documents(inputs: Inputs, texts: Iterable[str], work: Work, workers: int) -> dict[str, int]:
    """Documents that hold each word."""
    from semantic_pivots.counting.counts import corpus_shards, count_shards

    order = sorted(texts)
    # the boundary rule is the script's: a pivot has no language of its own
    spellings = [(word, "en" if all(map(is_joining, word)) else "zh") for word in order]
    _, by_word, _ = count_shards(corpus_shards(inputs), spellings, [], work, workers)
    return dict(zip(order, by_word.tolist(), strict=True))


def _tokens(tokenizer: Tokenizer, word: str) -> int:
    """Tokens of a word behind a space, a lone space left out."""
    ids = tokenizer(f" {word}", add_special_tokens=False)["input_ids"]
    return sum(bool(tokenizer.decode([i]).strip()) for i in ids)
