"""What a model would answer after every layer, over a benchmark (METHOD §2).

The position read is the one that predicts the answer's first content token: the last token of the prompt, or, where the
tokenizer emits a lone space before the word, that space. Of each layer the top tokens, the entropy and the masses of
three token sets are kept; layers x positions x vocabulary never exist together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from semantic_pivots.config import TraceConfig
from semantic_pivots.errors import InputError
from semantic_pivots.run import Inputs, Work
from semantic_pivots.tables import SCHEMAS
from semantic_pivots.tasks import ask
from semantic_pivots.tasks.case import Case
from semantic_pivots.tasks.null import shuffled_pivots
from semantic_pivots.tasks.translation import Item, items_of

_PART_ITEMS = 64


def word_tokens(tokenizer: Any, words: Sequence[str]) -> set[int]:
    """Ids of all pieces of the words, with and without a leading space; special tokens and lone spaces left out."""
    texts = [form for word in words for form in (word, " " + word)]
    ids = {i for row in tokenizer(texts, add_special_tokens=False)["input_ids"] for i in row}
    return {i for i in ids - set(tokenizer.all_special_ids) if tokenizer.decode([i]).strip()}


def trace_stage(config: TraceConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Read every item's answer position through the lens (table `trace`).

    Raises:
        InputError: an unknown lens, or a model of which the lens cannot be made.
    """
    import torch

    from semantic_pivots.models.lens import Lens, LensError
    from semantic_pivots.models.load import load

    if tuple(config.lenses) != ("logit",):
        raise InputError(f"[trace] lenses = {list(config.lenses)}: expected ['logit']")
    items = items_of(inputs.table("items"))
    cases = ask.cases(items, inputs.table("words"), config.shots, config.seed)
    loaded = load(config.model, dtype=config.dtype, cache=config.cache)
    try:
        lens = Lens.from_model(loaded.model)
    except LensError as error:
        raise InputError(f"model {config.model}: {error}") from error
    sets = _Sets(inputs, items, cases, loaded.tokenizer, config.seed)
    parts = []
    with work.progress(len(cases), "items", "trace") as progress, torch.inference_mode():
        for start in range(0, len(cases), _PART_ITEMS):
            block = cases[start : start + _PART_ITEMS]
            reader = _Reader(lens, loaded.tokenizer, sets, config)
            parts.append(work.part(f"part-{start:06d}", lambda b=block, r=reader: r.read(b)))
            progress.advance(len(block))
    work.note("layers", lens.layers)
    return {"trace": pa.concat_tables(parts)}


class _Sets:
    """Token sets of every case: source, target, pivots outside both, and another item's pivots."""

    def __init__(self, inputs: Inputs, items: Sequence[Item], cases: Sequence[Case], tokenizer: Any, seed: int):
        self.source = {case.case_id: word_tokens(tokenizer, case.sources) for case in cases}
        self.target = {case.case_id: word_tokens(tokenizer, case.targets) for case in cases}
        pivots = inputs.table("pivots")
        self.pivot = self._of(pivots)
        self.null = self._of(shuffled_pivots(pivots, items, seed))

    def _of(self, pivots: pa.Table) -> dict[str, set[int]]:
        found: dict[str, set[int]] = {}
        for item, token in zip(pivots["item_id"].to_pylist(), pivots["token"].to_pylist(), strict=True):
            found.setdefault(item, set()).add(token)
        return {item: ids - self.source.get(item, set()) - self.target.get(item, set()) for item, ids in found.items()}


class _Reader:
    """Reads blocks of cases into trace rows."""

    def __init__(self, lens: Any, tokenizer: Any, sets: _Sets, config: TraceConfig):
        self.lens, self.tokenizer, self.sets, self.config = lens, tokenizer, sets, config

    def read(self, cases: Sequence[Case]) -> pa.Table:
        """The trace rows of some cases, in their order."""
        import torch

        from semantic_pivots.models.tokens import answer_spans

        spans = answer_spans(self.tokenizer, [c.prompt for c in cases], [c.answer for c in cases])
        reads = [
            s.start - 1 + (not self.tokenizer.decode([s.ids[s.start]]).strip() and s.end > s.start + 1) for s in spans
        ]
        longest = max(reads) + 1
        width = max(1, min(len(cases), self.config.batch_tokens // longest))
        tables = []
        for first in range(0, len(cases), width):
            block = slice(first, first + width)
            ids = torch.zeros((len(cases[block]), max(reads[block]) + 1), dtype=torch.long)
            for row, (span, read) in enumerate(zip(spans[block], reads[block], strict=True)):
                ids[row, : read + 1] = torch.tensor(span.ids[: read + 1])
            device = self.lens.body.device
            residuals = self.lens.residuals(ids.to(device), torch.tensor(reads[block], device=device))
            layers = [self._layer(cases[block], self.lens.decode(rows), k) for k, rows in enumerate(residuals)]
            tables.extend(layers)
        table = pa.concat_tables(tables)
        order = {case.case_id: i for i, case in enumerate(cases)}
        keys = [(order[i], k) for i, k in zip(table["item_id"].to_pylist(), table["layer"].to_pylist(), strict=True)]
        return table.take(pa.array(sorted(range(len(keys)), key=keys.__getitem__)))

    def _layer(self, cases: Sequence[Case], logits: Any, layer: int) -> pa.Table:
        import torch

        log_probs = torch.log_softmax(logits.float(), dim=-1)
        probs = log_probs.exp()
        top = probs.topk(self.config.top, dim=-1)
        entropy = -(probs * log_probs).nan_to_num(0.0).sum(dim=-1)

        def mass(of: dict[str, set[int]]) -> pa.Array:
            values = []
            for row, case in enumerate(cases):
                ids = sorted(of.get(case.case_id, ()))
                values.append(float(probs[row, ids].sum()) if ids else None)
            return pa.array(values, pa.float32())

        count = len(cases)
        columns = {
            "item_id": [case.case_id for case in cases],
            "lens": ["logit"] * count,
            "layer": pa.array([layer] * count, pa.int32()),
            "top_ids": pa.array(top.indices.tolist(), pa.list_(pa.int32())),
            "top_probs": pa.array(np.asarray(top.values.tolist(), np.float32).tolist(), pa.list_(pa.float32())),
            "entropy": pa.array(entropy.tolist(), pa.float32()),
            "mass_source": mass(self.sets.source),
            "mass_target": mass(self.sets.target),
            "mass_pivot": mass(self.sets.pivot),
            "mass_pivot_null": mass(self.sets.null),
        }
        return pa.table(columns, schema=SCHEMAS["trace"])
