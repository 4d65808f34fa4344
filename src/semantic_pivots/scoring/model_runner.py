"""Scores of a benchmark under one model, part by part; finished parts survive a kill."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from semantic_pivots import tables
from semantic_pivots.models.protocols import AnswerScorer
from semantic_pivots.run import Work
from semantic_pivots.scoring.design import Design, Part, parts_of
from semantic_pivots.tasks.questions import prompt
from semantic_pivots.tasks.translation import Item, answer
from semantic_pivots.words import normalise

_ROW_SCHEMA = tables.SCHEMAS["scores"].append(pa.field("control", pa.bool_()))
"""Rows of `scores` and of the control, whose target is another item's; those stay inside the stage."""


@dataclass(frozen=True)
class ScoreJob:
    """One model to score on a benchmark."""

    design: Design
    spec: str
    """the model"""
    dtype: str
    """number format of its weights"""
    name: str
    """prefix of the parts' names"""
    batch_tokens: int = 0
    """tokens of one forward pass"""
    cache: str = ""
    """folder of converted models"""


def score_items(
    items: Sequence[Item], words: pa.Table, job: ScoreJob, work: Work, scorer: AnswerScorer | None = None
) -> tuple[pa.Table, pa.Table, str]:
    """The tables `scores` (the control among them, by a column `control`) and `answers` of one model, and its name.

    A `scorer` (scoring.harness.HarnessScorer around any model of lm_eval, say) takes the place of the job's model,
    whose specification is then only its name.
    """
    parts = parts_of(items, words, job.design)
    runner = ModelRunner(job, work.warn, scorer)
    pieces: dict[str, list[pa.Table]] = {"scores": [], "answers": []}
    with work.progress(sum(len(part.questions) for part in parts), "questions", f"score {job.spec}") as progress:
        for part in parts:
            pieces[part.table].append(runner.part(part, work))
            progress.advance(len(part.questions))
    scores, answers = (pa.concat_tables(pieces[table]) for table in ("scores", "answers"))
    return _in_order(scores, items), answers, runner.name(work)


def _in_order(scores: pa.Table, items: Sequence[Item]) -> pa.Table:
    """Rows by item and draw, however the work was parted; those of a draw's candidates keep their order."""
    place = {item.item_id: number for number, item in enumerate(items)}
    places = np.array([place[item_id] for item_id in scores["item_id"].to_pylist()], np.int64)
    order = np.lexsort((scores["control"].to_numpy(), scores["draw"].to_numpy(), places))
    return scores.take(order).combine_chunks()


class ModelRunner:
    """Computes parts with one model, which is loaded when the first part needs it."""

    def __init__(
        self, job: ScoreJob, notice: Callable[[str], None], scorer: AnswerScorer | None = None, device: str = "auto"
    ):
        self._job, self._notice, self._scorer, self._device = job, notice, scorer, device
        self._in_memory = scorer is not None

    def name(self, work: Work) -> str:
        """The model's name@revision, stored as a part, so that a continued run need not load the model."""
        if self._in_memory:
            return self._job.spec

        def make() -> pa.Table:
            from semantic_pivots.models.specs import model_signature

            return pa.table({"model": [model_signature(self._job.spec, self._job.cache)]})

        return work.part(f"{self._job.name}-model", make)["model"][0].as_py()

    def scorer(self) -> AnswerScorer:
        """The loaded model's scorer."""
        if self._scorer is None:
            from semantic_pivots.models.load import load
            from semantic_pivots.scoring.scorer import Scorer

            model = load(self._job.spec, self._job.dtype, self._device, self._job.cache)
            self._scorer = Scorer(model.model, model.tokenizer, self._job.batch_tokens, notice=self._notice)
        return self._scorer

    def part(self, part: Part, work: Work) -> pa.Table:
        """The part's table, stored in the work's folder."""
        make = {"scores": self.scores, "answers": self.answers}[part.table]
        kind = {"scores": "scored", "answers": "answers"}[part.table]  # a part of a table that has a further column
        return work.part(f"{self._job.name}-{part.name}-{kind}", lambda: make(part))

    def scores(self, part: Part) -> pa.Table:
        """One row per item, draw and candidate, and the rows of the control."""
        rows, prompts, answers = [], [], []
        for question in part.questions:
            item = question.item
            targets = [(item.target, False), (question.control_target, True)]
            for target, control in targets[: 2 if question.control_target else 1]:
                for candidate in item.candidates:
                    is_source, size = candidate == item.source, len(target.encode())
                    rows.append((item.item_id, question.draw, candidate, is_source, size, control))
                    prompts.append(prompt(item, question.shots, candidate))
                    answers.append(answer(target))
        results = self.scorer().score(prompts, answers)
        return pa.Table.from_pylist(
            [
                {
                    "item_id": i,
                    "draw": d,
                    "candidate": c,
                    "is_source": s,
                    "token_logprobs": result.logprobs,
                    "n_bytes": b,
                    "control": control,
                }
                for (i, d, c, s, b, control), result in zip(rows, results, strict=True)
            ],
            schema=_ROW_SCHEMA,
        )

    def answers(self, part: Part) -> pa.Table:
        """One row per item and draw: the greedy answer, whether it is the target, whether it copies the source."""
        rows = [(question.item, question.draw) for question in part.questions]
        prompts = [prompt(q.item, q.shots, q.item.source) for q in part.questions]
        scorer = self.scorer()
        longest = scorer.answer_tokens([answer(target) for target in dict.fromkeys(item.target for item, _ in rows)])
        greedy = scorer.greedy(prompts, longest + 2)
        return tables.from_rows(
            "answers",
            [
                {
                    "item_id": item.item_id,
                    "draw": draw,
                    "greedy": text,
                    "correct": normalise(text) == normalise(item.target),
                    "copied": normalise(text) == normalise(item.source),
                }
                for (item, draw), text in zip(rows, greedy, strict=True)
            ],
        )
