"""The stage `score`: every item's target after its source and after each distractor, and the figures of these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from semantic_pivots import tables
from semantic_pivots.errors import InputError
from semantic_pivots.models.protocols import Tokenizer
from semantic_pivots.run import Inputs, Work
from semantic_pivots.scoring import score_worker
from semantic_pivots.scoring.design import Design
from semantic_pivots.scoring.model_runner import ScoreJob, score_items
from semantic_pivots.scoring.score_stage import ScoreConfig
from semantic_pivots.scoring.token_strata import with_token_strata
from semantic_pivots.scoring.variants import (
    ANSWERS,
    VARIANTS,
    Direction,
    concept_weights,
    control_estimates,
    estimates,
    item_figures,
)
from semantic_pivots.signature import Signature
from semantic_pivots.statistics import Figure, Interval, average
from semantic_pivots.tasks.pattern import groups
from semantic_pivots.tasks.questions import signature_name
from semantic_pivots.tasks.sentences import chrf_figures
from semantic_pivots.tasks.translation import Item, check_draws, items_of

RESAMPLES = 2000


def score_stage(config: ScoreConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Score the benchmark with the model, or with each of its revisions in turn.

    `scores` and `answers` hold the last revision; `score_summary` holds every revision, named in its signatures.
    """
    items, words = items_of(inputs.table("items")), inputs.table("words")
    if not items:
        raise InputError("the benchmark has no items to score; widen the lexicon or the languages")
    check_draws(config.shots, config.draws)
    design = Design(config.shots, config.draws, config.pool, config.seed, signature_name(items))
    specs = [revision_of(config.model, revision) for revision in config.revisions] or [config.model]
    summary: list[dict] = []
    scores = answers = None
    for number, spec in enumerate(specs):
        job = ScoreJob(design, spec, config.dtype, f"{number:03d}", config.batch_tokens, config.cache)
        if config.processes > 1:
            score_worker.launch(config.processes, inputs.path("items"), inputs.path("words"), job, work)
        rows, answers, model = score_items(items, words, job, work)
        directions = directions_of(with_token_strata(items, _tokenizer(spec, config.cache)), rows, answers, design)
        summary += summarise(directions, design, model, config.dtype)
        summary += _chrf_rows(items, answers, design, model, config.dtype)
        scores = rows_of(rows, control=False)
        work.note("models", [*work.notes.get("models", []), model])
    work.note("parameters", _parameters(specs[-1], config.cache))
    assert scores is not None
    assert answers is not None
    return {"scores": scores, "answers": answers, "score_summary": tables.from_rows("score_summary", summary)}


def revision_of(model: str, revision: str) -> str:
    """The specification of one checkpoint: a folder inside a local model's folder, or a revision on the hub."""
    folder = Path(model) / revision
    return str(folder) if folder.is_dir() else f"{model.partition('@')[0]}@{revision}"


def _tokenizer(spec: str, cache: str) -> Tokenizer:
    from semantic_pivots.models.tokenizer_files import load_tokenizer

    return load_tokenizer(spec, cache)


def _parameters(spec: str, cache: str) -> int:
    from semantic_pivots.models.specs import parameters

    return parameters(spec, cache)


def directions_of(
    items: Sequence[Item], scores: pa.Table, answers: pa.Table | None, design: Design
) -> dict[tuple[str, str], Direction]:
    """The stored figures of each direction as arrays; `scores` may lack the column `control`: then there is no control.

    Raises:
        InputError: an item has no scores, or not the same number of draws as the others.
    """
    sums, controls = _by_item(rows_of(scores, control=False)), _by_item(rows_of(scores, control=True))
    greedy = _answers_by_item(answers) if answers is not None else {}
    directions = {}
    for key, group in groupby(items, key=lambda item: item.direction):
        members = list(group)
        for item in members:
            if item.item_id not in sums:
                raise InputError(f"item {item.item_id!r} has no scores; score the whole benchmark again")
        arrays = [_arrays(sums[item.item_id], item) for item in members]
        width = max(cells.shape[1] for cells, _, _ in arrays)
        linear: dict[str, np.ndarray] = {}
        if greedy:
            shares = np.array([greedy[item.item_id] for item in members])
            linear = {name: shares[:, :, k] for k, name in enumerate(ANSWERS)}
        control_arrays = None
        if any(item.item_id in controls for item in members):
            control_arrays = np.stack([_widen(_control(item, controls), width)[0] for item in members])
        directions[key] = Direction(
            members,
            np.stack([_widen(cells, width) for cells, _, _ in arrays]),
            np.stack([_widen(tokens, width) for _, tokens, _ in arrays]),
            np.array([len(item.target.encode()) for item in members], float),
            np.stack([draws for _, _, draws in arrays]),
            design.pool if design.shots else 0,
            linear,
            control_arrays,
        )
    return directions


def item_scores(items: Sequence[Item], scores: pa.Table, variant: str) -> dict[str, float]:
    """The score of each scored item by one variant, by item id; items without distractors are left out."""
    ids = set(scores["item_id"].to_pylist())
    directions = directions_of([item for item in items if item.item_id in ids], scores, None, Design(0, 0, 0, 0))
    return {
        item.item_id: float(value)
        for direction in directions.values()
        for item, value in zip(
            direction.items, item_figures(direction, variant, direction.logprobs.mean(1)), strict=True
        )
        if not np.isnan(value)
    }


def summarise(
    directions: dict[tuple[str, str], Direction], design: Design, model: str, dtype: str, resamples: int = RESAMPLES
) -> list[dict]:
    """Rows of `score_summary`: every direction, stratum and variant, and the mean over directions ("all", "all")."""
    concepts, weights = concept_weights(
        [item.concept_id for direction in directions.values() for item in direction.items], design.seed, resamples
    )
    tags = groups(item.strata for direction in directions.values() for item in direction.items)
    table = {
        key: {
            **estimates(direction, VARIANTS, ["all", *tags], concepts, weights),
            **control_estimates(direction, ["all", *tags], concepts, resamples, design.seed),
        }
        for key, direction in directions.items()
    }
    rows = []
    for key, figures in table.items():
        rows += [
            _row(key, stratum, variant, estimate.interval(), design.signature(key, model, dtype, variant))
            for (stratum, variant), estimate in figures.items()
            if estimate.n
        ]
    for stratum, variant in next(iter(table.values())):
        parts = [figures[stratum, variant] for figures in table.values()]
        if stratum == "all":
            signature = design.signature(None, model, dtype, variant)
            rows.append(_row(("all", "all"), stratum, variant, average(parts).interval(), signature))
    return rows


def _chrf_rows(items: Sequence[Item], answers: pa.Table, design: Design, model: str, dtype: str) -> list[dict]:
    """Sentence translation is also scored by chrF; other tasks have no such rows."""
    return [
        _row(key, "all", "chrf", interval, design.signature(key, model, dtype, "chrf").with_settings(chrf=metric))
        for key, (interval, metric) in chrf_figures(items, answers, design.seed).items()
    ]


def _row(key: tuple[str, str], stratum: str, variant: str, interval: Interval, signature: Signature) -> dict:
    keys = {"source_language": key[0], "target_language": key[1], "stratum": stratum, "variant": variant}
    return {**keys, **Figure(interval, signature).columns()}


def rows_of(scores: pa.Table, control: bool) -> pa.Table:
    """The control's rows, or all others, as the table `scores`."""
    if "control" not in scores.column_names:
        return scores.slice(0, 0) if control else scores
    return scores.filter(pc.equal(scores["control"], control)).drop_columns(["control"])  # type: ignore[attr-defined]


def _by_item(scores: pa.Table) -> dict[str, list[tuple[int, str, float, int]]]:
    """(draw, candidate, summed log-probability, tokens) rows by item."""
    rows: dict[str, list[tuple[int, str, float, int]]] = {}
    columns = (scores[name].to_pylist() for name in ("item_id", "draw", "candidate", "token_logprobs"))
    for item_id, draw, candidate, logprobs in zip(*columns, strict=True):
        rows.setdefault(item_id, []).append((draw, candidate, float(np.sum(logprobs)), len(logprobs)))
    return rows


def _answers_by_item(answers: pa.Table) -> dict[str, list[tuple[float, float]]]:
    rows: dict[str, list[tuple[float, float]]] = {}
    columns = (answers[name].to_pylist() for name in ("item_id", "correct", "copied"))
    for item_id, correct, is_copy in zip(*columns, strict=True):
        rows.setdefault(item_id, []).append((float(correct), float(is_copy)))
    return rows


def _arrays(rows: Iterable[tuple[int, str, float, int]], item: Item) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(draws, candidates) sums and token counts, and the (draws,) numbers, of one item."""
    by_draw: dict[int, dict[str, tuple[float, int]]] = {}
    for draw, candidate, logprob, tokens in rows:
        by_draw.setdefault(draw, {})[candidate] = (logprob, tokens)
    draws = sorted(by_draw)
    cells = np.array([[by_draw[draw][candidate] for candidate in item.candidates] for draw in draws])
    return cells[..., 0], cells[..., 1], np.array(draws)


def _control(item: Item, controls: dict) -> np.ndarray:
    """(1, candidates) probabilities per token of the item's shuffled target, of its one control draw."""
    sums, tokens, _ = _arrays(controls[item.item_id], item)
    return np.exp(sums[:1] / tokens[:1])


def _widen(cells: np.ndarray, width: int) -> np.ndarray:
    return np.pad(cells, ((0, 0), (0, width - cells.shape[1])), constant_values=np.nan)
