"""Exact log-probabilities of answers after prompts; shared prefixes of the prompts are computed once.

Each shared prefix is computed once, and the prompts and answers that continue it are computed as trees, each token once
(`trees`). A model that accepts no positions or no such mask computes rows after the prefix, padded on the right without
a mask, since no tokens follow the padding. The head runs only on positions that predict answer tokens, in slices that
limit the memory of the logits; the results of one pack are read while the next one is computed. Nothing is
approximated: float32 log-probabilities equal those of a plain forward pass of each prompt up to rounding, and the first
request of every model is checked against one. The usual alternative, padded batches of whole prompts, computes a 5-shot
prompt ten times per item, and logits for each of its tokens.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np
import torch

from semantic_pivots.errors import InputError
from semantic_pivots.models.cache_rows import narrowest_window, share_rows
from semantic_pivots.models.device import release_memory
from semantic_pivots.models.distribution import check_numbers
from semantic_pivots.models.network import FORWARD_ERRORS, Network, check_context, padded_ids
from semantic_pivots.models.protocols import CausalLM, Tokenizer
from semantic_pivots.models.tokens import AnswerSpan, answer_spans, prompt_ids
from semantic_pivots.scoring.answer_reads import PendingScores, StateReads, pending_scores
from semantic_pivots.scoring.greedy import Search, continue_rows, continue_trees, continue_without_cache
from semantic_pivots.scoring.packs import (
    TREE_TOKENS,
    WHOLE_TOKENS,
    greedy_packs,
    groups_by_length,
    halves_of,
    row_packs,
    tree_packs,
)
from semantic_pivots.scoring.pass_budget import PassBudget
from semantic_pivots.scoring.prefixes import Group, Row, branch_rows, fed_tokens, plan
from semantic_pivots.scoring.trees import tensors, tree_of

_LEAST_SAVING = 0.2  # share of the tokens below which branches are not worth their smaller passes
_MODES = ((True, True, True), (False, True, True), (False, False, True), (False, False, False))
"""trees, branches, shared prefixes: the ways of feeding a model, fastest first"""
_TOLERANCE = {torch.float32: 1e-3, torch.float16: 0.1, torch.bfloat16: 0.5}


@dataclass(frozen=True)
class AnswerScore:
    """An answer's (tokens,) float32 log-probabilities in nats."""

    logprobs: np.ndarray


def answer_logprobs(
    model: CausalLM, tokenizer: Tokenizer, prompts: Sequence[str], answers: Sequence[str]
) -> list[np.ndarray]:
    """The log-probability of every token of each answer after its prompt.

    Args:
        model: a causal language model of transformers.
        tokenizer: its fast tokenizer.
        prompts: texts before the answers; those with a common beginning share its computation, in any order.
        answers: texts of the answers, their leading space included.

    Returns:
        One float32 array per pair, natural logarithms, as long as the answer has tokens.

    Raises:
        InputError: an answer is empty or merges with its prompt, or a text is longer than the model's context.
    """
    return [score.logprobs for score in Scorer(model, tokenizer).score(prompts, answers)]


class Scorer:
    """Scores and continues prompts with one model, within a budget of tokens and memory per forward pass."""

    def __init__(
        self,
        model: CausalLM,
        tokenizer: Tokenizer,
        batch_tokens: int = 4096,
        memory_bytes: int = 0,
        notice: Callable[[str], None] | None = None,
    ):
        self.tokenizer = tokenizer
        self.network = Network(model)
        self.budget = PassBudget(self.network, batch_tokens, memory_bytes)
        self.notice = notice or (lambda text: warnings.warn(text, stacklevel=3))
        self.sharing = self.branching = True
        self.trees = self.network.takes_positions
        self._always_branches, self._is_verified, self._has_told = False, False, False
        self._whole = WHOLE_TOKENS
        self._window = narrowest_window(self.network.new_cache())
        self._prefix_cache: tuple[list[list[int]], Any] | None = None
        """prefixes of the last pack, and their cache"""
        self._padding, self._padded_to, self._gap = True, 0, 0

    @torch.inference_mode()
    def score(self, prompts: Sequence[str], answers: Sequence[str]) -> list[AnswerScore]:
        """Log-probabilities of each answer after its prompt, in the given order."""
        spans = answer_spans(self.tokenizer, prompts, answers)
        if not spans:
            return []
        self._check_length(max(len(span.ids) for span in spans))
        if not self._is_verified:
            self._verify(max(spans, key=lambda span: len(span.ids)))
        self._tell_unknown(spans, answers)
        scores = self._score(spans)
        bad = [place for place, score in enumerate(scores) if np.isnan(score.logprobs).any()]
        if bad and self.trees:
            # attention carries what is no number to a whole tree, mask or not: rows tell whose it is
            self.trees = False
            for place, score in zip(bad, self._score([spans[place] for place in bad]), strict=True):
                scores[place] = score
            self.trees = True
        sound = torch.tensor([not np.isnan(score.logprobs).any() for score in scores])
        first = int(sound.int().argmin())
        check_numbers(sound, "answer", self.network.dtype, f"{answers[first]!r} after {prompts[first][-40:]!r}")
        return scores

    def _tell_unknown(self, spans: list[AnswerSpan], answers: Sequence[str]) -> None:
        """Tell once of answers that the tokenizer cannot write: their probability is that of any unknown character."""
        unknown = self.tokenizer.unk_token_id
        places = [place for place, span in enumerate(spans) if unknown in span.answer]
        if places and not self._has_told:
            self._has_told = True
            self.notice(
                f"{len(places)} of {len(spans)} answers (first {answers[places[0]]!r}) have characters unknown to the "
                "tokenizer: what is scored is its unknown token"
            )

    @torch.inference_mode()
    def greedy(self, prompts: Sequence[str], max_new_tokens: int) -> list[str]:
        """The most probable continuation of each prompt up to a line's end, without surrounding space."""
        ids = prompt_ids(self.tokenizer, prompts)
        if not ids:
            return []
        shortest, longest = min(ids, key=len), max(ids, key=len)
        self._check_length(len(longest) + max_new_tokens)
        if not self._is_verified:
            self._verify(AnswerSpan([*longest, longest[-1]], len(longest), len(longest) + 1))
        texts = [""] * len(ids)
        search = Search(self._best, self._is_end, max_new_tokens)
        sequences, starts = [[*prompt, 0] for prompt in ids], [len(prompt) for prompt in ids]
        if shortest[1:] and self._feeds_trees([[*longest, *range(max_new_tokens)]]):
            for pack in greedy_packs(plan(sequences, starts), self.budget):
                for request, tokens in self._within_memory(pack, self._continue_trees, sequences, search):
                    texts[request] = self._text(tokens)
            self._prefix_cache = None
            return texts
        groups = self._groups(sequences, starts)
        if not self.sharing or self._pads_exactly(shortest, len(longest), max_new_tokens):
            packs = list(row_packs(groups, self.budget))
        else:
            parts = [part for group in groups for part in groups_by_length(group)]
            packs = [pack for part in parts for pack in row_packs([part], self.budget)]
        for pack in packs:
            rows = [row for group in pack for row in group.rows]
            for row, tokens in zip(rows, self._within_memory(pack, self._continue_rows, search), strict=True):
                for request in row.requests:
                    texts[request] = self._text(tokens)
        return texts

    def _continue_rows(self, pack: list[Group], search: Search) -> list[list[int]]:
        """The greedy tokens after each row of one pack."""
        if not self.sharing:
            return continue_without_cache(self.network, pack, search)
        return continue_rows(self.network, pack, self._prefix(pack), self._owners(pack), search)

    def _continue_trees(
        self, pack: list[Group], sequences: list[list[int]], search: Search
    ) -> list[tuple[int, list[int]]]:
        """The greedy tokens after each request of one pack."""
        firsts = {tuple(group.prefix): group for group in pack}
        places = {prefix: place for place, prefix in enumerate(firsts)}
        owners = torch.tensor([places[tuple(group.prefix)] for group in pack], device=self.network.device)
        starts = [len(ids) - 1 for ids in sequences]
        batch = [tree_of(group, sequences, starts) for group in pack]
        prefix = self._prefix(list(firsts.values()))
        return list(continue_trees(self.network, batch, prefix, owners, search).items())

    def _pads_exactly(self, shortest: list[int], longest: int, new: int) -> bool:
        """Whether prompts of unequal length may continue side by side; measured anew for a wider gap or longer row."""
        if len(shortest) == longest:
            return True
        if 0 < self.network.window <= longest + new:
            # a sliding window counts places, and padding between a prompt and what is written would use them up
            return False
        gap = longest - len(shortest)
        if longest + new > self._padded_to or gap > self._gap:
            try:
                self._padding = self._padding and self.network.padded_exactly(shortest, longest, new)
            except FORWARD_ERRORS as error:
                if _is_out_of_memory(error):
                    raise
                self._padding = False
            self._padded_to, self._gap = max(self._padded_to, longest + new), max(self._gap, gap)
        return self._padding

    def answer_tokens(self, answers: Sequence[str]) -> int:
        """Tokens of the longest answer."""
        return max(map(len, self.tokenizer(list(answers))["input_ids"]))

    def _score(self, spans: list[AnswerSpan]) -> list[AnswerScore]:
        results: list[AnswerScore | None] = [None] * len(spans)
        sequences, starts = [span.ids for span in spans], [span.start for span in spans]
        if self._feeds_trees(sequences):
            packs, read = tree_packs(plan(sequences, starts), self.budget, self._whole), self._read_trees
        else:
            packs, read = row_packs(self._groups(sequences, starts), self.budget), self._read
        unread: list[PendingScores] = []
        for pack in packs:
            current = self._within_memory(pack, read, spans)
            _read_into(results, unread)
            unread = current
        _read_into(results, unread)
        self._prefix_cache = None
        return [score for score in results if score is not None]

    def _feeds_trees(self, sequences: list[list[int]]) -> bool:
        return self.sharing and self.trees and not 0 < self._window <= max(map(len, sequences))

    def _groups(self, sequences: list[list[int]], starts: list[int]) -> list[Group]:
        if not self.sharing:
            return [Group([], [Row(ids[:-1], [index])]) for index, ids in enumerate(sequences)]
        groups = plan(sequences, starts)
        if not self.branching or 0 < self._window <= max(map(len, sequences)):
            return groups
        return [self._cheaper(group, branch_rows(group, sequences, starts)) for group in groups]

    def _cheaper(self, flat: Group, deep: Group) -> Group:
        gain = fed_tokens([flat]) - fed_tokens([deep])
        return deep if gain >= _LEAST_SAVING * fed_tokens([flat]) or self._always_branches else flat

    def _within_memory(self, pack: list[Group], run: Callable[..., list], *arguments: object) -> list:
        """Run a pack; when memory runs out, halve the budget, say so, and run its halves."""
        try:
            return run(pack, *arguments)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            rows = sum(len(group.rows) for group in pack)
            if rows == 1:
                raise InputError(
                    "out of memory on a single prompt; use a smaller model or dtype, or another device"
                ) from error
        self.budget.halve()
        self.notice(f"out of memory on {rows} rows: continuing with {self.budget.tokens} tokens per forward pass")
        release_memory(self.network.device)
        left, right = halves_of(pack)
        return self._within_memory(left, run, *arguments) + self._within_memory(right, run, *arguments)

    def _prefix(self, pack: list[Group]) -> Any:
        """The cache of a pack's prefixes; that of the pack before where they are the same."""
        prefixes = [group.prefix for group in pack]
        if not prefixes[0]:
            return None
        if self._prefix_cache is None or self._prefix_cache[0] != prefixes:
            self._prefix_cache = None  # gone before its successor takes memory
            cache = self.network.new_cache()
            self.network.hidden_states(padded_ids(prefixes, self.network.device), cache)
            self._prefix_cache = prefixes, cache
        return self._prefix_cache[1]

    def _owners(self, pack: list[Group]) -> torch.Tensor:
        owners = [index for index, group in enumerate(pack) for _ in group.rows]
        return torch.tensor(owners, device=self.network.device)

    def _read_trees(self, pack: list[Group], spans: list[AnswerSpan]) -> list[PendingScores]:
        """The answers of one pack, fed as trees behind one prefix."""
        sequences, starts = [span.ids for span in spans], [span.start for span in spans]
        batch = [tree_of(group, sequences, starts) for group in pack]
        cache = self._prefix(pack[:1])
        if cache is not None:
            cache = share_rows(cache, torch.zeros(len(batch), dtype=torch.long, device=self.network.device))
        ids, mask, positions = tensors(batch, self.network.dtype, self.network.device)
        states = self.network.hidden_states(ids, cache, mask, positions)
        del cache, mask
        reads = StateReads()
        requests = [(number, request, at) for number, tree in enumerate(batch) for request, at in tree.reads.items()]
        return [pending_scores(self.network, reads.gather(states, requests), reads, spans, self.budget.head_rows())]

    def _read(self, pack: list[Group], spans: list[AnswerSpan]) -> list[PendingScores]:
        """The answers of one pack: hidden states of the rows, gathered where an answer's token is predicted."""
        prefix = len(pack[0].prefix)
        cache = self._prefix(pack)
        rows = [row for group in pack for row in group.rows]
        branches = [(owner, branch) for owner, row in enumerate(rows) for branch in row.branches]
        reading = self.network.new_cache() if branches else None
        if cache is not None:
            reading = share_rows(cache, self._owners(pack))
        states = self.network.following(padded_ids([row.tokens for row in rows], self.network.device), reading)
        reads, requests = StateReads(), []
        for number, row in enumerate(rows):
            for request in row.requests:
                # of a row with branches the last position alone, which predicts the first token of all its answers
                span, end = spans[request], prefix + len(row.tokens)
                requests.append((number, request, range(span.start - 1 - prefix, min(span.end - 1, end) - prefix)))
        parts = [
            reads.gather(states, requests),
            *self._read_branches(branches, reading, prefix + len(rows[0].tokens), spans, reads),
        ]
        del states, cache, reading
        return [pending_scores(self.network, torch.cat(parts), reads, spans, self.budget.head_rows())]

    def _read_branches(
        self, branches: list[tuple[int, Row]], reading: Any, offset: int, spans: list[AnswerSpan], reads: StateReads
    ) -> Iterator[torch.Tensor]:
        """Hidden states that predict the answers' tokens after the first, of (row, branch) pairs, shortest first."""
        branches = sorted(branches, key=lambda pair: len(pair[1].tokens))
        while branches:
            count = self.budget.most_rows(len(branches), offset, len(branches[-1][1].tokens))
            batch, branches = branches[:count], branches[count:]
            owners = torch.tensor([owner for owner, _ in batch], device=self.network.device)
            ids = padded_ids([branch.tokens for _, branch in batch], self.network.device)
            states = self.network.following(ids, share_rows(reading, owners))
            requests = [
                (number, request, range(spans[request].end - 1 - spans[request].start))
                for number, (_, branch) in enumerate(batch)
                for request in branch.requests
            ]
            yield reads.gather(states, requests)

    def _best(self, states: torch.Tensor) -> torch.Tensor:
        best = [self.network.logits(part).max(-1) for part in states.split(self.budget.head_rows())]
        check_numbers(~torch.cat([row.values for row in best]).isnan(), "token", self.network.dtype)
        return torch.cat([row.indices for row in best])

    def _is_end(self, ids: list[int]) -> bool:
        return ids[-1] == self.tokenizer.eos_token_id or "\n" in self.tokenizer.decode(ids).lstrip(" ")

    def _text(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True).split("\n")[0].strip()

    def _check_length(self, tokens: int) -> None:
        check_context(self.network.model, tokens, "a prompt with its answer", "use fewer shots")

    def _verify(self, span: AnswerSpan) -> None:
        """Score one request by a plain forward too; a model whose cache does not reproduce it is read without one."""
        self._is_verified = True
        # from before the answer, so that several tokens follow the prefix whatever the answer's length
        span = AnswerSpan(span.ids, max(1, span.start - 3), span.end)
        tail = span.end - span.start + 1  # a long request's logits would fill the memory
        model = self.network.model
        options = {"logits_to_keep": tail} if "logits_to_keep" in signature(model.forward).parameters else {}
        logits = model(input_ids=padded_ids([span.ids], self.network.device), **options).logits[0, -tail:-1].float()
        targets = torch.tensor(span.answer, device=logits.device)[:, None]
        logprobs = torch.log_softmax(logits, -1).gather(1, targets)[:, 0]
        check_numbers(~logprobs.isnan(), "answer token", self.network.dtype)
        plain = logprobs.cpu().numpy()
        tolerance = _TOLERANCE.get(self.network.dtype, 1e-3)
        difference = ""
        for trees, branching, sharing in _MODES[0 if self.trees else 1 :]:
            self.trees, self.branching, self.sharing = trees, branching, sharing
            try:
                difference = self._difference(span, plain, tolerance)
            except FORWARD_ERRORS as error:
                if _is_out_of_memory(error) or _is_of_a_kernel(error):
                    raise
                difference = f"{type(error).__name__}: {error}"
            if not difference:
                return
            if sharing and not branching:
                self.notice(
                    f"the model's cache does not reproduce its plain forward ({difference}): slower, without it"
                )
        raise InputError(
            f"{self.network.name} cannot be scored: decoder and head called apart give {difference}; "
            "expected a causal model, in which no token changes what is predicted before it (is_decoder in its config)"
        )

    def _difference(self, span: AnswerSpan, plain: np.ndarray, tolerance: float) -> str:
        """What sets the present way of feeding apart from a plain forward; empty: nothing."""
        for size in (0, len(span.ids) + TREE_TOKENS) if self.trees else (0,):
            self._always_branches, self._whole = self.branching, size
            try:
                results = [self._score([span, sibling])[0].logprobs for sibling in _siblings(span, self.trees)]
            finally:
                self._always_branches, self._whole = False, WHOLE_TOKENS
            gap = max(float(np.abs(result - plain).max()) for result in results)
            if not gap <= tolerance:
                return f"a difference of {gap:.2g} nats"
            # what another answer's tokens are must not matter, however coarse the number format
            gap = float(np.abs(results[0] - results[-1]).max())
            if not gap <= _TOLERANCE[torch.float32]:
                return f"a difference of {gap:.2g} nats by another answer's tokens"
        return ""


def _siblings(span: AnswerSpan, trees: bool) -> list[AnswerSpan]:
    """Further answers behind a span's prompt, so that its prefix is really shared; in trees they lie before its own."""
    prompt, first = span.ids[: span.start], span.ids[0]
    if not trees:
        return [AnswerSpan([*prompt, first], span.start, span.start + 1)]
    begin = max(0, span.ids[span.start] - 1)
    answers = [[begin, *[token] * 8] for token in (first, span.ids[-1])]
    return [AnswerSpan([*prompt, *answer], span.start, span.start + len(answer)) for answer in answers]


def _read_into(results: list[AnswerScore | None], unread: list[PendingScores]) -> None:
    for pending in unread:
        for request, logprobs in pending.read():
            results[request] = AnswerScore(logprobs)


def _is_out_of_memory(error: BaseException) -> bool:
    text = str(error).lower()
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "out of memory" in text or "alloc" in text


def _is_of_a_kernel(error: BaseException) -> bool:
    """Whether an accelerator's library has no way to compute it, which says nothing about the model's cache."""
    return "execution plan" in str(error).lower() or "cudnn" in str(error).lower()
