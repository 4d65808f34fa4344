"""Answer tokens under way: which hidden states predict them, and their log-probabilities on an accelerator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from semantic_pivots.models.distribution import normaliser_of
from semantic_pivots.models.network import Network
from semantic_pivots.models.tokens import AnswerSpan


@dataclass(frozen=True)
class PendingScores:
    """Log-probabilities that may still be under way on an accelerator."""

    requests: list[int]
    counts: list[int]
    """answer tokens of each request"""
    order: np.ndarray
    """place of each value among those of the requests, one after another"""
    values: torch.Tensor

    def read(self) -> Iterator[tuple[int, np.ndarray]]:
        """Each request with its (tokens,) float32 log-probabilities; waits for them."""
        logprobs = np.empty(len(self.order), np.float32)
        logprobs[self.order] = self.values.cpu().numpy()
        return zip(self.requests, np.split(logprobs, np.cumsum(self.counts)[:-1]), strict=True)


class StateReads:
    """Which of the gathered hidden states each request reads: one per (row, position), however many answers read it."""

    def __init__(self) -> None:
        self.places: dict[int, list[int]] = {}
        self._count = 0

    def gather(self, states: torch.Tensor, reads: Iterable[tuple[int, int, Iterable[int]]]) -> torch.Tensor:
        """(n, width) states of (row, request, positions) from (rows, positions, width); remembers who reads them."""
        rows: dict[tuple[int, int], int] = {}
        for row, request, positions in reads:
            places = self.places.setdefault(request, [])
            places += [self._count + rows.setdefault((row, position), len(rows)) for position in positions]
        self._count += len(rows)
        at = torch.tensor(list(rows), device=states.device)
        return states[at[:, 0], at[:, 1]]


def pending_scores(
    network: Network, states: torch.Tensor, reads: StateReads, spans: list[AnswerSpan], step: int
) -> PendingScores:
    """The answers' log-probabilities, read from (n, width) gathered hidden states, `step` at a time."""
    rows = np.array([place for places in reads.places.values() for place in places])
    tokens = np.array([token for request in reads.places for token in spans[request].answer])
    order = np.argsort(rows, kind="stable")
    cuts = np.searchsorted(rows[order], range(step, len(states), step))
    at = torch.from_numpy(rows[order]).to(states.device)
    answers = torch.from_numpy(tokens[order]).to(states.device)
    values = []
    for number, part in enumerate(np.split(np.arange(len(order)), cuts)):
        begin = number * step
        span = slice(int(part[0]), int(part[-1]) + 1)
        logits = network.logits(states[begin : begin + step]).float()
        values.append(logits[at[span] - begin, answers[span]] - normaliser_of(logits)[at[span] - begin])
    counts = [len(places) for places in reads.places.values()]
    return PendingScores(list(reads.places), counts, order, torch.cat(values))
