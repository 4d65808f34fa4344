"""The published score and its variants, from the stored per-token log-probabilities (METHOD §1).

Every figure re-aggregates the rows of the table `scores`; no model runs here. With L(c) an item's log-probability of
its target after candidate c (the source s or a distractor d), averaged over draws, N the answer's tokens and B the
UTF-8 bytes of the target:

    paper        exp(L(s)/N) - mean_d exp(L(d)/N)        as published; depends on the tokenizer
    sum          exp(L(s))   - mean_d exp(L(d))          probability of the whole answer
    per-byte     exp(L(s)/B) - mean_d exp(L(d)/B)        comparable between tokenizers
    mean-token   L(s)/N - mean_d L(d)/N                  nats per token
    pmi          L(s) - log mean_c exp(L(c))             nats; what the source tells beyond the other candidates
    choice       1 where the source is the best of all candidates

Controls are the paper figure where it must be zero: `control:random-sources` gives the part of the source to one of the
distractors, `control:shuffled-targets` asks for the target of another item. There any candidate of an item may stand in
the source's place, so a control's interval comes from that: the figure minus the quantiles of the figures that random
re-choices of the place give. It is exact whatever the candidates' probabilities look like; a bootstrap is not, because
one of ten candidates is high by chance and the figures are skewed (measured: 5 of 12 directions off zero by a hair).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semantic_pivots.statistics import Interval, seed_of
from semantic_pivots.tasks.translation import Item

PROBABILITY = {"paper": "token", "sum": "sum", "per-byte": "byte"}
RANDOM, SHUFFLED = "control:random-sources", "control:shuffled-targets"
CONTROLS = (RANDOM, SHUFFLED)
VARIANTS = ("paper", "sum", "mean-token", "per-byte", "pmi", "choice")
ANSWERS = ("accuracy", "copy-rate")
_BLOCK_BYTES = 48_000_000


@dataclass(frozen=True)
class Direction:
    """The stored figures of one direction.

    items: n rows of the benchmark. summed, tokens: (n, draws, candidates) float, log-probability of the answer in nats
    and its tokens; NaN where an item has fewer candidates; candidate 0 is the source. bytes: (n,) UTF-8 bytes of the
    targets. draws: (n, draws) numbers of the draws. pooled: whether equal numbers are the same shots in every item.
    linear: further (n, draws) figures by variant. shuffled: (n, candidates) probabilities per token of another item's
    target, where that was measured.
    """

    items: Sequence[Item]
    summed: np.ndarray
    tokens: np.ndarray
    bytes: np.ndarray
    draws: np.ndarray
    pooled: bool
    linear: dict[str, np.ndarray]
    shuffled: np.ndarray | None = None

    def __post_init__(self) -> None:
        n, draws, _ = self.summed.shape
        if self.tokens.shape != self.summed.shape or self.bytes.shape != (n,) or self.draws.shape != (n, draws):
            raise ValueError("a direction's arrays do not belong together")


@dataclass(frozen=True)
class Estimate:
    """A figure with its (resamples,) bootstrap values, so that differences of figures stay paired."""

    value: float
    sampled: np.ndarray
    n: int

    def interval(self) -> Interval:
        """The figure with its 95 % percentile interval."""
        sampled = self.sampled[~np.isnan(self.sampled)]
        if not len(sampled) or math.isnan(self.value):
            return Interval(self.value, math.nan, math.nan, self.n)
        low, high = np.quantile(sampled, [0.025, 0.975])
        return Interval(self.value, float(low), float(high), self.n)

    def minus(self, other: Estimate) -> Estimate:
        """The paired difference of two figures over the same resamples."""
        return Estimate(self.value - other.value, self.sampled - other.sampled, min(self.n, other.n))


def item_figures(direction: Direction, variant: str, averaged: np.ndarray) -> np.ndarray:
    """(..., n) figures of one variant.

    Args:
        direction: the direction the figures are of.
        variant: one of VARIANTS.
        averaged: (..., n, candidates) log-probabilities averaged over draws.
    """
    tokens = direction.tokens[:, 0, :]
    if variant in PROBABILITY:
        by = {"token": tokens, "sum": np.ones_like(tokens), "byte": direction.bytes[:, None]}[PROBABILITY[variant]]
        probability = np.exp(averaged / by)
        return probability[..., 0] - _mean(probability[..., 1:])
    if variant == "mean-token":
        rate = averaged / tokens
        return rate[..., 0] - _mean(rate[..., 1:])
    if variant == "pmi":
        top = np.nanmax(averaged, axis=-1, keepdims=True)
        return averaged[..., 0] - top[..., 0] - np.log(_mean(np.exp(averaged - top)))
    if variant == "choice":
        return (averaged[..., 0] > np.nanmax(averaged[..., 1:], axis=-1)).astype(float)
    raise ValueError(f"unknown variant {variant!r}; expected one of {VARIANTS}")


def estimates(
    direction: Direction,
    variants: Sequence[str],
    strata: Sequence[str],
    concepts: dict[str, int],
    weights: np.ndarray,
    seed: int = 0,
) -> dict[tuple[str, str], Estimate]:
    """Every (stratum, variant) of a direction from shared resamples of concepts and draws.

    Args:
        direction: stored figures.
        variants: variants to give; linear figures of the direction are added.
        strata: tags of items; "all" stands for every item.
        concepts: column of `weights` by concept.
        weights: (resamples, concepts) how often each concept was drawn: the same for all directions and models, so
            that averages over directions and differences between models are paired.
        seed: seed of the resampled draws.
    """
    items = direction.items
    members = np.array([[stratum == "all" or stratum in item.strata for stratum in strata] for item in items], float)
    members = members.reshape(len(items), len(strata))
    columns = np.array([concepts[item.concept_id] for item in items])
    resamples = len(weights)
    names = [*variants, *direction.linear]
    sampled = np.full((len(names), resamples, len(strata)), np.nan)
    rng = np.random.default_rng(seed_of(seed, "draws", *items[0].direction))
    block = max(1, _BLOCK_BYTES // (8 * direction.summed.size))
    for start in range(0, resamples, block):
        stop = min(resamples, start + block)
        by_draw = _draw_weights(direction, stop - start, rng)
        drawn = by_draw.sum(-1)
        by_item = weights[start:stop, columns] * (drawn > 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = np.where(drawn[..., None] > 0, by_draw / drawn[..., None], 0.0)
        averaged = np.einsum("bnd,ndc->bnc", shares, direction.summed)
        for k, name in enumerate(names):
            if name in direction.linear:
                figures = np.einsum("bnd,nd->bn", shares, direction.linear[name])
            else:
                figures = item_figures(direction, name, averaged)
            sampled[k, start:stop] = _strata_means(figures, by_item, members)
    found = {}
    whole = direction.summed.mean(1)
    for k, name in enumerate(names):
        linear = direction.linear.get(name)
        figures = linear.mean(1) if linear is not None else item_figures(direction, name, whole)
        values = _strata_means(figures[None], np.ones((1, len(items))), members)[0]
        for j, stratum in enumerate(strata):
            inside = (members[:, j] > 0) & ~np.isnan(figures)
            found[stratum, name] = Estimate(float(values[j]), sampled[k, :, j], int(inside.sum()))
    return found


def control_estimates(
    direction: Direction, strata: Sequence[str], concepts: dict[str, int], resamples: int, seed: int = 0
) -> dict[tuple[str, str], Estimate]:
    """Every (stratum, control) of a direction, with intervals from random re-choices of the source's place.

    A concept's place is drawn once for all directions, so that averages over directions keep its items together.

    Args:
        direction: stored figures; `control:shuffled-targets` is given where they hold it.
        strata: tags of items; "all" stands for every item.
        concepts: a number of each concept, the same for all directions.
        resamples: number of re-choices.
        seed: seed of the re-choices, and of the distractor that stands for the source in `control:random-sources`.
    """
    items = direction.items
    members = np.array([[stratum == "all" or stratum in item.strata for stratum in strata] for item in items], float)
    members = members.reshape(len(items), len(strata))
    columns = np.array([concepts[item.concept_id] for item in items])
    asked = {RANDOM: np.exp(direction.summed.mean(1) / direction.tokens[:, 0])[:, 1:]}
    if direction.shuffled is not None:
        asked[SHUFFLED] = direction.shuffled
    found = {}
    for name, probability in asked.items():
        present = (~np.isnan(probability)).sum(1)
        # candidates stand first, absent ones behind them; distractors have no first among them: one is drawn
        places = np.zeros(len(items), int)
        if name == RANDOM:
            places = np.array([seed_of(seed, name, i.item_id) % max(1, k) for i, k in zip(items, present, strict=True)])
        values = _strata_means(_in_place(probability, present, places)[None], np.ones((1, len(items))), members)[0]
        rng = np.random.default_rng(seed_of(seed, name, "places"))
        null = np.empty((resamples, len(strata)))
        for start in range(0, resamples, 100):
            stop = min(resamples, start + 100)
            share = rng.random((stop - start, len(concepts)))[:, columns]
            drawn = (share * present).astype(int)
            figures = _in_place(probability, present, drawn)
            null[start:stop] = _strata_means(figures, np.ones((1, len(items))), members)
        counted = (members > 0) & (present > 1)[:, None]
        for j, stratum in enumerate(strata):
            found[stratum, name] = Estimate(float(values[j]), values[j] - null[:, j], int(counted[:, j].sum()))
    return found


def _in_place(probability: np.ndarray, present: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(..., n) figures with candidate places[..., i] of item i in the source's place; NaN where it stands alone."""
    chosen = probability[np.arange(len(probability)), places]
    with np.errstate(invalid="ignore", divide="ignore"):
        others = (np.nansum(probability, 1) - chosen) / (present - 1)
        return np.where(present > 1, chosen - others, np.nan)


def concept_weights(concepts: Sequence[str], seed: int, resamples: int) -> tuple[dict[str, int], np.ndarray]:
    """Columns by concept, and the (resamples, concepts) multinomial weights of a cluster bootstrap over concepts."""
    known = sorted(set(concepts))
    rng = np.random.default_rng(seed_of(seed, "concepts"))
    weights = rng.multinomial(len(known), np.full(len(known), 1 / len(known)), size=resamples)
    return {concept: column for column, concept in enumerate(known)}, weights.astype(np.float64)


def average(parts: Sequence[Estimate]) -> Estimate:
    """The mean of directions, each of equal weight."""
    return Estimate(
        float(np.mean([part.value for part in parts])),
        np.mean([part.sampled for part in parts], axis=0),
        sum(part.n for part in parts),
    )


def _draw_weights(direction: Direction, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """(resamples, n, draws) how often each draw was drawn: by item, or by pool number where items share draws."""
    n, draws = direction.draws.shape
    if draws == 1:
        return np.ones((resamples, n, 1))
    if not direction.pooled:
        return rng.multinomial(draws, np.full(draws, 1 / draws), size=(resamples, n)).astype(float)
    numbers, codes = np.unique(direction.draws, return_inverse=True)
    drawn = rng.multinomial(len(numbers), np.full(len(numbers), 1 / len(numbers)), size=resamples)
    return drawn[:, codes.reshape(n, draws)].astype(float)


def _strata_means(figures: np.ndarray, weights: np.ndarray, members: np.ndarray) -> np.ndarray:
    """(resamples, strata) weighted means of (resamples, n) figures; NaN figures take no part."""
    present = ~np.isnan(figures)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (np.where(present, figures, 0) * weights) @ members / ((weights * present) @ members)


def _mean(values: np.ndarray) -> np.ndarray:
    """The mean of the last axis without absent candidates; NaN where all are absent."""
    present = (~np.isnan(values)).sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nansum(values, -1) / present
