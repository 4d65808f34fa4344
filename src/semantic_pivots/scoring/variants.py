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

Controls are paper figures whose expected value is zero: `control:random-sources` takes a distractor in place of the
source, `control:shuffled-targets` another item's target. Under this null hypothesis all candidates of an item are
exchangeable. A control's interval is therefore a permutation interval: the figure minus the quantiles of the figures
with a random candidate in the source's place. It is exact for any distribution of probabilities. A bootstrap is not:
one of ten candidates is high by chance, so the figures are skewed (with it, 5 of 12 directions were slightly off zero).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semantic_pivots.statistics import SHARE, Estimate, seed_of
from semantic_pivots.tasks.translation import Item

PROBABILITY = {"paper": "token", "sum": "sum", "per-byte": "byte"}
RANDOM, SHUFFLED = "control:random-sources", "control:shuffled-targets"
VARIANTS = ("paper", "sum", "mean-token", "per-byte", "pmi", "choice")
ANSWERS = ("accuracy", "copy-rate")


@dataclass(frozen=True)
class Direction:
    """The stored figures of one direction.

    Attributes:
        items: n items of the benchmark.
        logprobs: (n, draws, candidates) float log-probability of the answer in nats. Candidate 0 is the source; missing
            candidates are NaN.
        tokens: (n, draws, candidates) float number of tokens of the answer.
        bytes: (n,) number of UTF-8 bytes of each target.
        draws: (n, draws) number of each draw.
        pool: draws with a number below it have the same shots in all items; 0: each item has draws of its own.
        linear: further variants whose figures are shares, (n, draws) each.
        control_probability: (n, candidates) probability per token of another item's target; None if not measured.
    """

    items: Sequence[Item]
    logprobs: np.ndarray
    tokens: np.ndarray
    bytes: np.ndarray
    draws: np.ndarray
    pool: int
    linear: dict[str, np.ndarray]
    control_probability: np.ndarray | None = None

    def __post_init__(self) -> None:
        n, draws, _ = self.logprobs.shape
        if self.tokens.shape != self.logprobs.shape or self.bytes.shape != (n,) or self.draws.shape != (n, draws):
            raise ValueError("a direction's arrays do not belong together")


def item_figures(direction: Direction, variant: str, logprobs: np.ndarray) -> np.ndarray:
    """(..., n) figures of one variant.

    Args:
        direction: the stored figures of a direction.
        variant: one of VARIANTS.
        logprobs: (..., n, candidates) log-probabilities averaged over draws.
    """
    tokens = direction.tokens[:, 0, :]
    if variant in PROBABILITY:
        by = {"token": tokens, "sum": np.ones_like(tokens), "byte": direction.bytes[:, None]}[PROBABILITY[variant]]
        probability = np.exp(logprobs / by)
        return probability[..., 0] - _mean(probability[..., 1:])
    if variant == "mean-token":
        rate = logprobs / tokens
        return rate[..., 0] - _mean(rate[..., 1:])
    if variant == "pmi":
        top = np.nanmax(logprobs, axis=-1, keepdims=True)
        return logprobs[..., 0] - top[..., 0] - np.log(_mean(np.exp(logprobs - top)))
    if variant == "choice":
        return (logprobs[..., 0] > np.nanmax(logprobs[..., 1:], axis=-1)).astype(float)
    raise ValueError(f"unknown variant {variant!r}; expected one of {VARIANTS}")


def estimates(
    direction: Direction,
    variants: Sequence[str],
    strata: Sequence[str],
    concepts: dict[str, int],
    weights: np.ndarray,
) -> dict[tuple[str, str], Estimate]:
    """Every (stratum, variant) of a direction, from shared resamples of concepts and a jackknife over pooled draws.

    Args:
        direction: stored figures.
        variants: variants to estimate; the direction's linear variants are added.
        strata: tags of items; "all" stands for every item.
        concepts: column of `weights` by concept.
        weights: (resamples, concepts) how often each resample has each concept. They are the same for all directions
            and models, so averages over directions and differences between models are paired.
    """
    members = _members(direction, strata)
    columns = np.array([concepts[item.concept_id] for item in direction.items])
    by_concept = np.zeros((weights.shape[1], len(columns)))
    by_concept[columns, np.arange(len(columns))] = 1.0
    without = [_figures(direction, variants, direction.draws != number) for number in _shared_draws(direction)]
    table = {}
    for name, figures in _figures(direction, variants, np.ones(direction.draws.shape, bool)).items():
        present = ~np.isnan(figures)
        sums = by_concept @ (np.where(present, figures, 0.0)[:, None] * members)
        counts = by_concept @ (present[:, None] * members)
        with np.errstate(invalid="ignore", divide="ignore"):
            values = sums.sum(0) / counts.sum(0)
            samples = (weights @ sums) / (weights @ counts)
        deviations = _effects_of_draws([figures_without[name] for figures_without in without], members, by_concept)
        for j, stratum in enumerate(strata):
            table[stratum, name] = Estimate(
                float(values[j]),
                samples[:, j],
                frozenset(np.flatnonzero(counts[:, j]).tolist()),
                (deviations[:, j],) if len(without) else (),
                SHARE if name == "choice" or name in direction.linear else None,
            )
    return table


def _members(direction: Direction, strata: Sequence[str]) -> np.ndarray:
    """(n, strata) float: whether each item belongs to each stratum."""
    rows = [[stratum == "all" or stratum in item.strata for stratum in strata] for item in direction.items]
    return np.array(rows, float).reshape(len(direction.items), len(strata))


def _figures(direction: Direction, variants: Sequence[str], mask: np.ndarray) -> dict[str, np.ndarray]:
    """(n,) figures by variant from some of the draws, (n, draws) bool; NaN for an item without any of them."""
    with np.errstate(invalid="ignore", divide="ignore"):
        logprobs = np.where(mask[..., None], direction.logprobs, 0.0).sum(1) / mask.sum(1)[:, None]
        linear = {name: np.where(mask, values, 0.0).sum(1) / mask.sum(1) for name, values in direction.linear.items()}
    return {name: item_figures(direction, name, logprobs) for name in variants} | linear


def _shared_draws(direction: Direction) -> range:
    """Numbers of draws that items share by design, and can each be left out; an item's substitutes are not among them.

    A pool member that shows a word of an item is replaced for it alone: that number is of a handful of items.
    """
    several = direction.pool > 1 and direction.draws.shape[1] > 1
    return range(direction.pool) if several else range(0)


def _effects_of_draws(without: Sequence[np.ndarray], members: np.ndarray, by_concept: np.ndarray) -> np.ndarray:
    """(numbers, strata) the figure without each number, less the mean of these, without what the questions' noise adds.

    A draw's figure is of finitely many questions. Their noise is in the variance over concepts already, so that the
    differences are shrunk until their squares sum to what is beyond it.
    """
    if not without:
        return np.empty((0, members.shape[1]))
    figures = np.array(without)
    means = np.array([_strata_means(row, members) for row in figures])
    present = ~np.isnan(figures)[..., None] * members
    apart = np.where(present > 0, np.nan_to_num(figures)[..., None] - means[:, None], 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = by_concept @ apart / present.sum(1, keepdims=True)
        units = ((by_concept @ present.max(0)) > 0).sum(0)
        noise = ((parts - parts.mean(0)) ** 2).sum((0, 1)) * units / (units - 1)
        differences = means - means.mean(0)
        share = 1 - noise / (differences**2).sum(0)
    return differences * np.sqrt(np.clip(np.nan_to_num(share), 0.0, 1.0))


def control_estimates(
    direction: Direction, strata: Sequence[str], concepts: dict[str, int], resamples: int, seed: int = 0
) -> dict[tuple[str, str], Estimate]:
    """Every (stratum, control) of a direction, with permutation intervals: a random candidate replaces the source.

    The candidate's number is drawn once for a concept in all directions, so averages over directions are paired.

    Args:
        direction: stored figures; `control:shuffled-targets` is returned only if it was measured.
        strata: tags of items; "all" stands for every item.
        concepts: number of each concept, the same in all directions.
        resamples: number of permutations.
        seed: seed of the permutations, and of the distractor that replaces the source in `control:random-sources`.
    """
    items, members = direction.items, _members(direction, strata)
    columns = np.array([concepts[item.concept_id] for item in items])
    probabilities = {RANDOM: np.exp(direction.logprobs.mean(1) / direction.tokens[:, 0])[:, 1:]}
    if direction.control_probability is not None:
        probabilities[SHUFFLED] = direction.control_probability
    table = {}
    for name, probability in probabilities.items():
        present = (~np.isnan(probability)).sum(1)
        # candidates stand first, absent ones behind them; distractors have no first among them: one is drawn
        places = np.zeros(len(items), int)
        if name == RANDOM:
            places = np.array([seed_of(seed, name, i.item_id) % max(1, k) for i, k in zip(items, present, strict=True)])
        values = _strata_means(_in_place(probability, present, places), members)
        rng = np.random.default_rng(seed_of(seed, name, "places"))
        null = np.empty((resamples, len(strata)))
        for start in range(0, resamples, 100):
            stop = min(resamples, start + 100)
            share = rng.random((stop - start, len(concepts)))[:, columns]
            random_places = (share * present).astype(int)
            figures = _in_place(probability, present, random_places)
            null[start:stop] = _strata_means(figures, members)
        is_counted = (members > 0) & (present > 1)[:, None]
        for j, stratum in enumerate(strata):
            units = frozenset(columns[is_counted[:, j]].tolist())
            table[stratum, name] = Estimate(float(values[j]), values[j] - null[:, j], units, from_permutation=True)
    return table


def _in_place(probability: np.ndarray, present: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(..., n) figures with candidate places[..., i] of item i in the source's place; NaN where it stands alone."""
    source = probability[np.arange(len(probability)), places]
    with np.errstate(invalid="ignore", divide="ignore"):
        others_mean = (np.nansum(probability, 1) - source) / (present - 1)
        return np.where(present > 1, source - others_mean, np.nan)


def concept_weights(concepts: Sequence[str], seed: int, resamples: int) -> tuple[dict[str, int], np.ndarray]:
    """The column of each concept, and the (resamples, concepts) weights of a cluster bootstrap over concepts."""
    names = sorted(set(concepts))
    rng = np.random.default_rng(seed_of(seed, "concepts"))
    weights = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    return {concept: column for column, concept in enumerate(names)}, weights.astype(np.float64)


def _strata_means(figures: np.ndarray, members: np.ndarray) -> np.ndarray:
    """(..., strata) means of (..., n) figures; NaN figures take no part."""
    present = ~np.isnan(figures)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(present, figures, 0) @ members / (present @ members)


def _mean(values: np.ndarray) -> np.ndarray:
    """The mean of the last axis without absent candidates; NaN where all are absent."""
    present = (~np.isnan(values)).sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nansum(values, -1) / present
