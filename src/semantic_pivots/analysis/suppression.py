"""The stage `intervene`: changes of the residual stream and their effect on the answer; a trace shows correlation only.

Suppression sets the components of a pair's pivots in the middle layers to their mean over prompts. It tests whether the
pivots carry the answer; controls are as many random directions, and another pair's pivots. Patching replaces the source
word's residual, from a layer on, by the mean over the concept's words in other languages (Dumas et al. 2411.08745). It
tests whether that residual carries the concept; controls are one other language, and another concept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from semantic_pivots import tables
from semantic_pivots.analysis.direction_rows import ALL_DIRECTIONS, figure_row
from semantic_pivots.analysis.intervene_stage import InterveneConfig
from semantic_pivots.errors import InputError
from semantic_pivots.files import Record
from semantic_pivots.lexicon.concepts import words_by_concept
from semantic_pivots.models.protocols import Tokenizer
from semantic_pivots.resampling import bootstrap_mean
from semantic_pivots.run import Inputs, Work
from semantic_pivots.scoring.design import sample_by_direction
from semantic_pivots.signature import Signature, matching_rules
from semantic_pivots.statistics import seed_of
from semantic_pivots.tasks import questions, translation
from semantic_pivots.tasks.shuffled_pivots import partners
from semantic_pivots.tasks.translation import Item, items_of

PIVOTS, OTHERS, RANDOM = "own pivots", "another pair's pivots", "random directions"
CONCEPT, ONE, OTHER = (
    "own concept, mean of languages",
    "own concept, one language",
    "another concept, mean of languages",
)
STEERING = "another concept's word, under its mean of languages"
CONTRASTS = (
    (PIVOTS, ""), (OTHERS, ""), (RANDOM, ""), (PIVOTS, OTHERS), (PIVOTS, RANDOM),
    (CONCEPT, ""), (ONE, ""), (OTHER, ""), (CONCEPT, ONE), (CONCEPT, OTHER), (STEERING, ""),
)  # fmt: skip
"""Change of log P(answer): by an intervention alone, or by it less that of its control."""
_BLOCK = 32


def intervene_stage(config: InterveneConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Suppress pivots and patch concepts (tables `effects`, `effect_summary`).

    Raises:
        InputError: a model of which the lens cannot be made, or a band of layers that holds none.
    """
    from semantic_pivots.models.lens import load_lens

    items = _items(items_of(inputs.table("items")), inputs, config)
    model, lens = load_lens(config.model, config.dtype, config.cache, config.blocks)
    band = [k for k in range(lens.layers) if config.first <= (k + 0.5) / lens.layers < config.last]
    if not 0 < len(band) < lens.layers:
        raise InputError(
            f"[intervene] first = {config.first}, last = {config.last}: {len(band)} of {lens.layers} layers; "
            "expected some of them, not all"
        )
    asker = _Interventions(lens, model.tokenizer, items, inputs, config, band)
    parts = []
    with work.progress(len(items), "items", "intervene") as progress:
        for start in range(0, len(items), _BLOCK):
            block = items[start : start + _BLOCK]
            parts.append(work.part(f"part-{start:06d}", lambda b=block: tables.from_rows("effects", asker.effects(b))))
            progress.advance(len(block))
    effects = pa.concat_tables(parts)
    signature = Signature.of(
        "intervene",
        layers=f"{band[0]}-{band[-1]} of {lens.layers}",
        **{name: getattr(config, name) for name in ("pivots", "shots", "seed", "dtype")},
        model=f"{model.name}@{model.revision}",
        words=matching_rules(inputs.table("pivot_evidence")),
    )
    rows = summary(effects, items, _labels(inputs), config.seed, signature)
    return {"effects": effects, "effect_summary": tables.from_rows("effect_summary", rows)}


def _items(items: Sequence[Item], inputs: Inputs, config: InterveneConfig) -> list[Item]:
    """In each direction, the first items by hash among those with pivots; if these are too few, others too."""
    with_pivots = set(inputs.table("pivots")["item_id"].to_pylist())
    order = lambda item: (item.item_id not in with_pivots, seed_of(config.seed, "intervene", item.item_id))  # noqa: E731
    return sample_by_direction(items, order, config.items_per_direction)


def _labels(inputs: Inputs) -> dict[tuple[str, str], str]:
    """The label of each item by each rule under the first lens."""
    labels: dict[tuple[str, str], str] = {}
    for row in inputs.table("behaviour").to_pylist():
        labels.setdefault((row["rule"], row["item_id"]), row["label"])
    return labels


class _Interventions:
    """A model with the prompts of all items, and the words of their concepts in every language."""

    def __init__(
        self,
        lens: Any,
        tokenizer: Tokenizer,
        items: Sequence[Item],
        inputs: Inputs,
        config: InterveneConfig,
        band: list[int],
    ):
        self.lens, self.tokenizer, self.config, self.band = lens, tokenizer, config, band
        self.words = inputs.table("words")
        self.shots_of: dict[tuple[str, str], translation.Shots] = {}
        self.of_concept = words_by_concept(self.words)
        from semantic_pivots.models.trace import pivot_tokens

        self.pivots = self._of_meaning(items, pivot_tokens(tokenizer, inputs.table("pivots")))
        self.partner = partners(items, set(self.pivots), config.seed)
        self.by_id = {item.item_id: item for item in items}
        cases = questions.cases(items, self.words, config.shots, config.seed)
        self.prompts = {case.case_id: case.prompt for case in cases}
        self.centre = self._centre(items)
        self.plain_logprobs: dict[tuple[str, str], float] = {}
        self.patch_partner = partners(items, {item.item_id for item in items}, seed_of(config.seed, "patched"))

    def _centre(self, items: Sequence[Item]) -> Any:
        """(layers, width) mean residual over one random position of each prompt, the first left out."""
        import torch

        from semantic_pivots.models.tokens import prompt_ids

        device = self.lens.network.device
        total: Any = 0.0
        with torch.inference_mode():
            for item in items:
                (ids,) = prompt_ids(self.tokenizer, [self.prompts[item.item_id]])
                place = 1 + seed_of(self.config.seed, "centre", item.item_id) % (len(ids) - 1)
                row = torch.tensor([ids[: place + 1]], device=device)
                read = self.lens.residuals(row, torch.tensor([place], device=device))[:, 0].cpu().double()
                total = total + read
        return (total / len(items)).float()

    def _of_meaning(self, items: Sequence[Item], pivots: Mapping[str, list[int]]) -> dict[str, list[int]]:
        """The best pivots of each item that are no piece of its own words."""
        from semantic_pivots.models.trace import word_tokens

        tokens = {}
        for item in items:
            word_ids = word_tokens(self.tokenizer, [item.source, item.target]) if item.item_id in pivots else set()
            best = [token for token in pivots.get(item.item_id, []) if token not in word_ids][: self.config.pivots]
            if best:
                tokens[item.item_id] = best
        return tokens

    def effects(self, items: Sequence[Item]) -> Iterator[Record]:
        """Rows of `effects`: change of log P(answer) of each item under each intervention that it allows."""
        from semantic_pivots.models.interventions import Suppression, random_basis, unembedding_basis

        members = [item for item in items if item.item_id in self.partner]
        seeds = {item.item_id: seed_of(self.config.seed, "random", item.item_id) % 2**31 for item in members}
        bases = {
            PIVOTS: [unembedding_basis(self.lens, self.pivots[i.item_id]) for i in members],
            OTHERS: [unembedding_basis(self.lens, self.pivots[self.partner[i.item_id]]) for i in members],
        }
        bases[RANDOM] = [
            random_basis(self.lens, basis.shape[1], seeds[i.item_id])
            for i, basis in zip(members, bases[PIVOTS], strict=True)
        ]
        if members:
            for name, directions in bases.items():
                yield from self._rows(
                    name, members, [i.target for i in members], Suppression(directions, self.band, self.centre, skip=1)
                )
        yield from self._patches(items)

    def _rows(self, name: str, items: Sequence[Item], answers: Sequence[str], edit: Any) -> Iterator[Record]:
        from semantic_pivots.models.interventions import target_logprobs
        from semantic_pivots.models.tokens import answer_spans
        from semantic_pivots.tasks.translation import answer

        texts = [answer(word) for word in answers]
        spans = answer_spans(self.tokenizer, [self.prompts[i.item_id] for i in items], texts)
        ids, starts = [s.ids for s in spans], [s.start for s in spans]
        keys = [(item.item_id, word) for item, word in zip(items, answers, strict=True)]
        new = [k for k, key in enumerate(keys) if key not in self.plain_logprobs]
        if new:
            part = [ids[k] for k in new], [starts[k] for k in new]
            plain = target_logprobs(self.lens, *part, batch=self.config.batch)
            self.plain_logprobs |= dict(zip((keys[k] for k in new), plain.tolist(), strict=True))
        edited_logprobs = target_logprobs(self.lens, ids, starts, edit, batch=self.config.batch)
        for key, changed_logprob in zip(keys, edited_logprobs.tolist(), strict=True):
            plain_logprob = self.plain_logprobs[key]
            change = changed_logprob - plain_logprob
            yield {"item_id": key[0], "intervention": name, "before": plain_logprob, "change": change}

    def _patches(self, items: Sequence[Item]) -> Iterator[Record]:
        """The source word's residual from the band's first layer on, replaced by that of the concept elsewhere."""
        import torch

        from semantic_pivots.models.interventions import Patch

        triples = []
        for item in items:
            partner = self.patch_partner.get(item.item_id)
            if partner is None:
                continue
            own_codes = [c for c in self._elsewhere(item) if c in self._elsewhere(self.by_id[partner])]
            if own_codes:
                triples.append((item, self.by_id[partner], own_codes))
        if not triples:
            return
        members = [item for item, _, _ in triples]
        places = [self._place(self.prompts[item.item_id], item.source) for item in members]
        positions = [place for _, place in places]
        own_residuals = [self._read(item, codes) for item, _, codes in triples]
        partner_residuals = [self._read(partner, codes) for _, partner, codes in triples]
        layers = range(self.band[0], self.lens.layers)
        means = torch.stack([rows.mean(1) for rows in own_residuals], 1)
        ones = torch.stack([rows[:, 0] for rows in own_residuals], 1)
        strange = torch.stack([rows.mean(1) for rows in partner_residuals], 1)
        targets = [item.target for item in members]
        for name, values, answers in (
            (CONCEPT, means, targets),
            (ONE, ones, targets),
            (OTHER, strange, targets),
            (STEERING, strange, [partner.target for _, partner, _ in triples]),
        ):
            yield from self._rows(name, members, answers, Patch(positions, values, layers))

    def _elsewhere(self, item: Item) -> list[str]:
        """Languages, neither of the item's own, that have a word of its concept; sorted."""
        return sorted(code for code in self.of_concept.get(item.concept_id, {}) if code not in item.direction)

    def _read(self, item: Item, codes: Sequence[str]) -> Any:
        """(layers, languages, width) residuals at the words of an item's concept, each asked in its own language."""
        import torch

        rows = []
        for code in codes:
            question = replace(item, source_language=code, source=self.of_concept[item.concept_id][code])
            if question.direction not in self.shots_of:
                self.shots_of |= translation.shots_by_direction(self.words, [question.direction], self.config.seed)
            shots = self.shots_of[question.direction].draw(question, 0, self.config.shots)
            ids, place = self._place(translation.prompt(*question.direction, shots, question.source), question.source)
            device = self.lens.network.device
            with torch.inference_mode():
                read = self.lens.residuals(
                    torch.tensor([ids[: place + 1]], device=device), torch.tensor([place], device=device)
                )
            rows.append(read[:, 0])
        return torch.stack(rows, 1)

    def _place(self, prompt: str, word: str) -> tuple[list[int], int]:
        """Token ids of a prompt, and the position of the last token of the word's last occurrence."""
        from semantic_pivots.models.tokens import prompt_tokens

        end = prompt.rindex(word) + len(word)
        ((ids, offsets),) = prompt_tokens(self.tokenizer, [prompt])
        return ids, max(k for k, (low, high) in enumerate(offsets) if low < end and low < high)


def summary(
    effects: pa.Table, items: Sequence[Item], labels: Mapping[tuple[str, str], str], seed: int, signature: Signature
) -> Iterator[Record]:
    """Rows of `effect_summary`: every contrast, over all items, those of a direction, and those of a label."""
    by_id = {item.item_id: item for item in items}
    changes: dict[str, dict[str, float]] = {}
    for row in effects.to_pylist():
        changes.setdefault(row["intervention"], {})[row["item_id"]] = row["change"]
    groups: dict[tuple[str, str, str], set[str]] = {(ALL_DIRECTIONS, ALL_DIRECTIONS, "all"): set(by_id)}
    for item in items:
        groups.setdefault((*item.direction, "all"), set()).add(item.item_id)
    for (rule, item_id), label in sorted(labels.items()):
        if item_id in by_id:
            groups.setdefault((ALL_DIRECTIONS, ALL_DIRECTIONS, f"{rule}: {label}"), set()).add(item_id)
    for (source, target, group), members in groups.items():
        for intervention, control in CONTRASTS:
            change, control_effects = changes.get(intervention, {}), changes.get(control, {})
            ids = [i for i in change if i in members and (not control or i in control_effects)]
            if not ids:
                continue
            values = np.array([change[i] - (control_effects[i] if control else 0.0) for i in ids])
            concepts = np.array([by_id[i].concept_id for i in ids])
            interval = bootstrap_mean(
                values, seed_of(seed, source, target, group, intervention, control), groups=concepts
            )
            keys = {"group": group, "intervention": intervention, "control": control or "nothing"}
            yield figure_row((source, target), interval, signature, keys) | {"control": control}
