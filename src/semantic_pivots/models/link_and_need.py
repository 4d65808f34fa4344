"""Two interventions on an item's input: do its pivots lead to the answer (link), and does the model use them (need)?

Link: a pivot replaces the source word in the prompt, and log P(answer) is measured. The embeddings of pivots resemble
that of the word, so their component along the source word's embeddings is removed first; otherwise a pivot could act as
the word itself. Need: from the source word's input embeddings, at all positions of the word in the question, the
component in the span of the pivots' embeddings is removed, and the fall of log P(answer) is measured. The fall after
removing an equally large part of the rest is subtracted, so the size of the removed part alone has no effect.
Embeddings are centred at their mean over the vocabulary. Both effects are compared with those of control sets: as many
pivots of other pairs, with the same frequency and number of tokens. The screen is the first-order estimate of every
need, from one backward pass.

The tokens before the word are computed once for all prompts of an item, so an item with 39 control sets costs about as
much as a dozen prompts (`Asker.computed_tokens` counts tokens). Models whose cache cannot be shared compute every
prompt in full.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from semantic_pivots.errors import InputError
from semantic_pivots.models.cache_rows import share_rows
from semantic_pivots.models.interventions import orthonormal
from semantic_pivots.models.lens import Lens
from semantic_pivots.models.network import FORWARD_ERRORS, padded_ids
from semantic_pivots.models.protocols import Tokenizer
from semantic_pivots.models.tokens import answer_spans, prompt_tokens

if TYPE_CHECKING:
    from transformers.cache_utils import DynamicCache

Edit = tuple[list[int], torch.Tensor]
"""positions of a row, and the (positions, width) input embeddings that are given there, on the CPU"""
_ROWS = 8192  # of the vocabulary whose embeddings exist together
_TOLERANCE = {torch.float32: 1e-3, torch.float16: 0.1, torch.bfloat16: 0.5}


@dataclass(frozen=True)
class Question:
    """A prompt with an item's question: the position of the source word, the answer, the pivots and control sets."""

    prompt: str
    place: int
    """character at which the source word of the question begins"""
    source: str
    answer: str
    """with its leading space"""
    pivots: tuple[str, ...]
    controls: tuple[tuple[str, ...], ...]
    """control sets: as many words each as there are pivots, all of them pivots of other pairs"""

    def __post_init__(self) -> None:
        if not self.prompt.startswith(self.source, self.place):
            raise ValueError(f"{self.source!r} does not stand at {self.place} of the prompt")

    def prompt_with(self, word: str) -> str:
        """The prompt with another word in the source's place."""
        return self.prompt[: self.place] + word + self.prompt[self.place + len(self.source) :]


@dataclass(frozen=True)
class Effects:
    """Effects on an item's answer, in nats; the arrays `..._controls` have one value for each control set."""

    logprob: float
    """log P(answer) as the item is asked"""
    is_answered: bool
    """whether every token of the answer is the model's most probable one"""
    link: float
    """log of the mean P(answer) over pivots in the source's place, without their component along the source word"""
    link_controls: np.ndarray
    need: float
    """fall of log P(answer) without the pivots' part of the source word, minus that without as much of the rest"""
    need_controls: np.ndarray
    screen: float
    """first order of `need`, from the gradient"""
    screen_controls: np.ndarray


@dataclass(frozen=True)
class Place:
    """A prompt with its answer, and the position of the word in the source's place.

    Attributes:
        ids: token ids of the prompt and the answer.
        positions: positions of the word's tokens.
        start: position of the answer's first token.
    """

    ids: list[int]
    positions: list[int]
    start: int

    @property
    def tokens(self) -> list[int]:
        """Token ids of the word."""
        return [self.ids[k] for k in self.positions]


@dataclass(frozen=True)
class ItemPrompts:
    """An item's prompts in tokens.

    Attributes:
        source: the unchanged prompt, with the source word.
        place_of: for each word of the sets, the same prompt with that word in the source's place.
        sets: the pivots first, then the words of each control set.
    """

    source: Place
    place_of: Mapping[Any, Place]
    sets: Sequence[Sequence[Any]]

    @property
    def places(self) -> list[Place]:
        """All of its prompts."""
        return [self.source, *self.place_of.values()]

    def link(self, logprobs: np.ndarray) -> np.ndarray:
        """(sets,) log of the mean probability over each set's words, of (words,) log-probabilities."""
        of = dict(zip(self.place_of, logprobs, strict=True))
        means = [np.logaddexp.reduce([of[word] for word in group]) - np.log(len(group)) for group in self.sets]
        return np.array(means)


class Asker:
    """Measures answers of one causal model; prompts with a common beginning share its computation.

    Attributes:
        computed_tokens: number of tokens that the model has computed for effects.
        prompt_tokens: number of tokens in one prompt of each question. The cost of an item in prompts is the
            quotient of both.
    """

    def __init__(self, lens: Lens, tokenizer: Tokenizer, batch: int = 64):
        """Take a causal model's lens and tokenizer; `batch` rows go through the model together.

        Raises:
            InputError: the model is not a causal one.
        """
        if lens.kind != "causal":
            raise InputError(f"{lens.network.name} is {lens.kind}; link and need are asked of causal ones")
        self.network, self.tokenizer, self.batch = lens.network, tokenizer, batch
        self.embedding = lens.network.model.get_input_embeddings()
        self.mean = self._mean()
        self._rows_of: dict[int, torch.Tensor] = {}
        self.sharing: bool | None = None
        self.computed_tokens = self.prompt_tokens = 0

    def answer(self, question: Question) -> tuple[float, bool]:
        """log P(answer) of an unchanged item, in nats, and whether all its tokens are the most probable ones."""
        (source,) = self._locate(question, [question.source])
        tokens_before = self.computed_tokens
        with torch.no_grad():
            total, best = self._logprobs([source])
        self.computed_tokens = tokens_before
        return float(total[0]), bool(best[0])

    def effects(self, question: Question) -> Effects:
        """Link, need and screen of one item, for its pivots and every control set."""
        return self.effects_of([self.prompts_of(question)])[0]

    def prompts_of(self, question: Question) -> ItemPrompts:
        """The prompts of a question."""
        sets = [question.pivots, *question.controls]
        words = list(dict.fromkeys(word for group in sets for word in group))
        source, *places = self._locate(question, [question.source, *words])
        return ItemPrompts(source, dict(zip(words, places, strict=True)), sets)

    def effects_of(self, items: Sequence[ItemPrompts]) -> list[Effects]:
        """Link, need and screen of some items, whose rows go through the model together.

        Alone, an item's effects are the same in every bit; beside others they differ by rounding. Items whose prompts
        begin alike cost least.
        """
        self._look_up(token for item in items for place in item.places for token in place.tokens)
        sources = [item.source for item in items]
        with torch.no_grad():
            bases = [[self._basis([item.place_of[word] for word in group]) for group in item.sets] for item in items]
            plain, correct = self._logprobs(sources)
            links, needs = self._links(items), self._needs(sources, bases)
        screens = self._first_order(sources, bases)
        self.prompt_tokens += sum(len(source.ids) for source in sources)
        rows = zip(plain, correct, links, needs, screens, strict=True)
        return [
            Effects(float(logprob), bool(best), link[0], link[1:], need[0], need[1:], screen[0], screen[1:])
            for logprob, best, link, need, screen in rows
        ]

    def _links(self, items: Sequence[ItemPrompts]) -> list[np.ndarray]:
        """(sets,) log of the mean P(answer) over each set's words in the source's place, of each item."""
        edits = []
        for item in items:
            apart = self._basis([item.source])
            edits += [self._without(place, apart) for place in item.place_of.values()]
        logprobs, _ = self._logprobs([place for item in items for place in item.place_of.values()], edits)
        parts = np.split(logprobs, np.cumsum([len(item.place_of) for item in items])[:-1])
        return [item.link(item_parts) for item, item_parts in zip(items, parts, strict=True)]

    def _needs(self, sources: Sequence[Place], bases: Sequence[Sequence[torch.Tensor]]) -> list[np.ndarray]:
        """(sets,) need of each set's part of the source word, of each item."""
        edits = [[e for basis in sets for e in self._parts(s, basis)] for s, sets in zip(sources, bases, strict=True)]
        places = [source for source, parts in zip(sources, edits, strict=True) for _ in parts]
        losses, _ = self._logprobs(places, [edit for parts in edits for edit in parts])
        return np.split(losses[1::2] - losses[::2], np.cumsum([len(sets) for sets in bases])[:-1])

    def _locate(self, question: Question, words: Sequence[str]) -> list[Place]:
        """Each word in the source's place, with its tokens, without a lone space before it."""
        prompts = [question.prompt_with(word) for word in words]
        spans = answer_spans(self.tokenizer, prompts, [question.answer] * len(words))
        words_in_prompt = []
        for word, span, (_, places) in zip(words, spans, prompt_tokens(self.tokenizer, prompts), strict=True):
            begin, end = question.place, question.place + len(word)
            token_places = [k for k, (low, high) in enumerate(places[: span.start]) if low < end and high > begin]
            solid = [k for k in token_places if self.tokenizer.decode([span.ids[k]]).strip()]
            words_in_prompt.append(Place(span.ids, solid or token_places, span.start))
        return words_in_prompt

    def _mean(self) -> torch.Tensor:
        """(width,) float32 mean input embedding of the vocabulary, on the CPU."""
        with torch.no_grad():
            every = torch.arange(self.embedding.weight.shape[0], device=self.network.device)
            totals = [self.embedding(part[None])[0].float().sum(0) for part in every.split(_ROWS)]
        return (torch.stack(totals).sum(0) / len(every)).cpu()

    def _embeddings(self, tokens: Sequence[int]) -> torch.Tensor:
        """(tokens, width) float32 input embeddings as the model looks them up, from their mean, on the CPU.

        Bases of a few words are small: an accelerator would spend its time on starting their kernels.
        """
        self._look_up(tokens)
        return torch.stack([self._rows_of[token] for token in tokens])

    def _look_up(self, tokens: Iterable[int]) -> None:
        """Take the embeddings of all tokens that were not looked up before in one call of the model."""
        missing = [token for token in dict.fromkeys(tokens) if token not in self._rows_of]
        if missing:
            rows = self.embedding(torch.tensor([missing], device=self.network.device))[0].detach().float().cpu()
            self._rows_of |= dict(zip(missing, rows - self.mean, strict=True))

    def _basis(self, words: Sequence[Place]) -> torch.Tensor:
        """(width, k) orthonormal basis of the input embeddings of the words' tokens in the question."""
        return orthonormal(self._embeddings([token for word in words for token in word.tokens]).T)

    def _without(self, word: Place, basis: torch.Tensor) -> Edit:
        """The word's positions with its embeddings less their part in a span."""
        rows = self._embeddings(word.tokens)
        return word.positions, rows - rows @ basis @ basis.T + self.mean

    def _parts(self, word: Place, basis: torch.Tensor) -> tuple[Edit, Edit]:
        """The word's embeddings without their part in a span, and without an equally large part of the rest."""
        rows = self._embeddings(word.tokens)
        part = rows @ basis @ basis.T
        return (word.positions, rows - part + self.mean), (
            word.positions,
            rows - _as_much(part, rows - part) + self.mean,
        )

    def _logprobs(self, places: Sequence[Place], edits: Sequence[Edit] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """(places,) summed log-probability of each answer, and whether all of its tokens are the best ones."""
        rows, starts = [place.ids for place in places], [place.start for place in places]
        if self.sharing is None:
            self.sharing = self._cache_holds(rows[0], starts[0])
        starts_of_edits = [min(edit[0]) for edit in edits] if edits else []
        prefix = _common(rows, min([start - 1 for start in starts] + starts_of_edits)) if self.sharing else 0
        cache = None
        if prefix:
            cache = self.network.new_cache()
            self.network.hidden_states(torch.tensor([rows[0][:prefix]], device=self.network.device), cache)
            self.computed_tokens += prefix
        totals: list[float] = []
        best: list[bool] = []
        for begin in range(0, len(rows), self.batch):
            part = slice(begin, begin + self.batch)
            changes = [([k - prefix for k in at], values) for at, values in edits[part]] if edits else []
            read = self._read([row[prefix:] for row in rows[part]], [s - prefix for s in starts[part]], cache, changes)
            totals += read[0]
            best += read[1]
        return np.array(totals), np.array(best)

    def _read(
        self, rows: list[list[int]], starts: list[int], cache: DynamicCache | None, edits: Sequence[Edit]
    ) -> tuple[list[float], list[bool]]:
        device = self.network.device
        ids = padded_ids(rows, device)
        self.computed_tokens += ids.numel()
        reading = None if cache is None else share_rows(cache, torch.zeros(len(rows), dtype=torch.long, device=device))
        with self._with_edits(edits):
            hidden_states = self.network.following(ids, reading)
        ends = list(zip(rows, starts, strict=True))
        states = torch.cat([hidden_states[i, start - 1 : len(row) - 1] for i, (row, start) in enumerate(ends)])
        logits = torch.log_softmax(self.network.logits(states).float(), -1)
        answers = torch.tensor([token for row, start in ends for token in row[start:]], device=device)
        logprobs, is_best = logits.gather(1, answers[:, None])[:, 0], (logits.argmax(-1) == answers).cpu()
        sizes = [len(row) - start for row, start in ends]
        totals = [float(part.sum()) for part in logprobs.detach().cpu().double().split(sizes)]
        return totals, [bool(part.all()) for part in is_best.split(sizes)]

    @contextmanager
    def _with_edits(self, edits: Sequence[Edit]) -> Iterator[None]:
        """Give rows other embeddings at some positions than those that the model looks up."""
        rows = torch.tensor([row for row, (places, _) in enumerate(edits) for _ in places])
        places = torch.tensor([place for edit in edits for place in edit[0]])
        values = torch.cat([part for _, part in edits]) if edits else None
        position = 0

        def change(module: object, arguments: object, output: torch.Tensor) -> torch.Tensor:
            nonlocal position
            is_position = (places >= position) & (places < position + output.shape[1])
            if values is not None and bool(is_position.any()):
                output = output.clone()
                at = (rows[is_position].to(output.device), (places[is_position] - position).to(output.device))
                output[at] = values[is_position].to(output.device, output.dtype)
            position += output.shape[1]
            return output

        with self.embedding.register_forward_hook(change):
            yield

    def _first_order(self, sources: Sequence[Place], bases: Sequence[Sequence[torch.Tensor]]) -> list[np.ndarray]:
        """(sets,) falls of each item's log P(answer) to first order: the gradient times the part of each set."""
        falls = []
        for begin in range(0, len(sources), self.batch):
            part = slice(begin, begin + self.batch)
            for source, slope, item_parts in zip(sources[part], self._slopes(sources[part]), bases[part], strict=True):
                rows = self._embeddings(source.tokens)
                word_parts = [rows @ basis @ basis.T for basis in item_parts]
                falls.append(np.array([float((slope * (r - _as_much(r, rows - r))).sum()) for r in word_parts]))
        return falls

    def _slopes(self, sources: Sequence[Place]) -> list[torch.Tensor]:
        """(positions, width) float32 gradient of each log P(answer) by the embeddings of its word, on the CPU."""
        gradients: list[torch.Tensor] = []

        def keep(module: object, arguments: object, output: torch.Tensor) -> torch.Tensor:
            gradients.append(output.detach().requires_grad_(True))
            return gradients[0].clone()  # which a model may scale in place

        answers = torch.tensor([i for s in sources for i in s.ids[s.start :]], device=self.network.device)
        with self.embedding.register_forward_hook(keep), torch.enable_grad():
            outputs = self.network.hidden_states(padded_ids([source.ids for source in sources], self.network.device))
            states = [outputs[k, s.start - 1 : len(s.ids) - 1] for k, s in enumerate(sources)]
            logits = torch.log_softmax(self.network.logits(torch.cat(states)).float(), -1)
            (gradient,) = torch.autograd.grad(logits.gather(1, answers[:, None]).sum(), gradients[0])
        gradient = gradient.float().cpu()
        return [gradient[k, source.positions] for k, source in enumerate(sources)]

    def _cache_holds(self, ids: list[int], start: int) -> bool:
        """Whether rows that continue a cached beginning are read as rows without one."""
        self.sharing = False
        row, second_row = Place(ids, [], start), Place([*ids[: start - 1], ids[0], ids[0]], [], start)
        plain, _ = self._logprobs([row])
        self.sharing = True
        try:
            logprobs, _ = self._logprobs([row, second_row])
        except FORWARD_ERRORS:
            return False
        return abs(float(logprobs[0] - plain[0])) <= _TOLERANCE.get(self.network.dtype, 1e-3) * (len(ids) - start)


def _as_much(part: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
    """(positions, width) part of the rest as long as the part, at most all of it."""
    shares = part.norm(dim=-1, keepdim=True) / rest.norm(dim=-1, keepdim=True).clamp(min=1e-9)
    return rest * shares.clamp(max=1)


def _common(rows: Sequence[list[int]], limit: int) -> int:
    """Tokens that all rows begin with, at most `limit`."""
    count = min(limit, *(len(row) for row in rows))
    for row in rows[1:]:
        while row[:count] != rows[0][:count]:
            count -= 1
    return max(count, 0)
