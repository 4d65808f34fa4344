"""Further effects of training beside the benchmark's scores, for one model at a time and paired between models.

Bits per byte of held-out documents by language (that of English is what a gain elsewhere costs), chrF and language of
translated held-out sentences, and the share of each behaviour. Every model is asked the same documents, sentences and
items, and every figure carries its bootstrap values over shared resamples, so that differences are paired.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from semantic_pivots.corpus.aligned import alignment_keys, sentence_pairs
from semantic_pivots.corpus.identify import identify
from semantic_pivots.errors import InputError
from semantic_pivots.files import Record, read_table, write_table
from semantic_pivots.models.trace_stage import TraceConfig
from semantic_pivots.run import Inputs, Work
from semantic_pivots.selection.selections import HELD_OUT
from semantic_pivots.statistics import SHARE, Estimate, average, seed_of
from semantic_pivots.tasks import sentences
from semantic_pivots.tasks.translation import Item, Shot, items_of
from semantic_pivots.training.compare_stage import CompareConfig

Key = tuple[str, str, str, str]
"""source language, target language, stratum, variant"""
BITS, CHRF, ASTRAY = "bits-per-byte", "chrf", "sentences-off-target"
_SHOTS = 2
_WRITTEN_TOKENS = 64


class HeldOut:
    """Held-out documents: their texts by language, and pairs of sentences that are translations of each other."""

    def __init__(self, inputs: Inputs, languages: Sequence[str], sentences_per_direction: int, seed: int):
        self.texts: dict[str, list[str]] = {}
        by_key: dict[str, dict[str, str]] = {}
        if inputs.has("selection"):
            rows = [r for r in inputs.table("selection").to_pylist() if r["selection"] == HELD_OUT]
            paths = {r["shard"]: inputs.folder("corpus") / r["path"] for r in inputs.table("shards").to_pylist()}
            keys = alignment_keys([r["doc_id"] for r in rows], languages)
            shards: Record = {}
            for row, key in zip(rows, keys, strict=True):
                if row["shard"] not in shards:
                    shards[row["shard"]] = read_table(paths[row["shard"]], columns=["text"])["text"]
                text = shards[row["shard"]][row["row"]].as_py()
                self.texts.setdefault(row["language"], []).append(text)
                by_key.setdefault(key, {})[row["language"]] = text
        self.pairs: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
        if sentences_per_direction:
            for a in languages:
                for b in (code for code in languages if code != a):
                    pairs = sentence_pairs(by_key, a, b, sentences_per_direction + _SHOTS, seed)
                    if len(pairs) > _SHOTS:
                        self.pairs[a, b] = pairs


class Evaluator:
    """Evaluates one model after another in the same way; finished measurements are stored as parts."""

    def __init__(self, config: CompareConfig, inputs: Inputs, items: Sequence[Item], work: Work):
        self.config, self.inputs, self.items, self.work = config, inputs, items, work
        languages = sorted({code for item in items for code in item.direction})
        self.held_out = HeldOut(inputs, languages, config.sentences_per_direction, config.seed)
        if config.sentences_per_direction and not self.held_out.pairs:
            work.warn("no held-out documents are translations of one another line by line: chrF is not measured")

    def figures(self, spec: str, name: str) -> dict[Key, Estimate]:
        """A model's figures on held-out text; `name` is the name of the stored parts."""
        from functools import cache

        @cache
        def model() -> Any:
            from semantic_pivots.models.load import load

            return load(spec, self.config.dtype, cache=self.config.cache)

        estimates: dict[Key, Estimate] = {}
        if self.held_out.texts:
            estimates |= self._bits(self.work.part(f"{name}-bits", lambda: self._read(model())))
        if self.held_out.pairs:
            estimates |= self._translations(self.work.part(f"{name}-sentences", lambda: self._translate(model())))
        return estimates

    def _read(self, model: Any) -> pa.Table:
        from semantic_pivots.scoring.bits_per_byte import text_nats

        rows: dict[str, list] = {"language": [], "nats": [], "bytes": []}
        for language, texts in sorted(self.held_out.texts.items()):
            for nats, size in text_nats(model.model, model.tokenizer, texts, self.config.text_tokens):
                for column, value in zip(rows, (language, nats, size), strict=True):
                    rows[column].append(value)
        return pa.table(rows)

    def _bits(self, table: pa.Table) -> dict[Key, Estimate]:
        estimates: dict[Key, Estimate] = {}
        languages = np.array(table["language"].to_pylist())
        nats, size = table["nats"].to_numpy(), table["bytes"].to_numpy().astype(float)
        for code in sorted(set(languages.tolist())):
            rows = (languages == code) & (size > 0)
            weights = self._weights(int(rows.sum()), BITS, code)
            value = nats[rows].sum() / size[rows].sum() / math.log(2)
            samples = (weights @ nats[rows]) / (weights @ size[rows]) / math.log(2)
            documents = frozenset((code, index) for index in range(int(rows.sum())))
            estimates[code, code, "all", BITS] = Estimate(float(value), samples, documents)
        return with_means(estimates)

    def _translate(self, model: Any) -> pa.Table:
        from semantic_pivots.scoring.scorer import Scorer

        scorer = Scorer(model.model, model.tokenizer, self.config.batch_tokens, notice=self.work.warn)
        columns = ("source_language", "target_language", "sentence", "reference", "written")
        rows: dict[str, list] = {column: [] for column in columns}
        for (a, b), pairs in self.held_out.pairs.items():
            shots = [Shot(*pair) for pair in pairs[-_SHOTS:]]
            questions = pairs[:-_SHOTS]
            prompts = [sentences.PATTERN.prompt(a, b, shots, sentence) for _, sentence, _ in questions]
            for (key, _, reference), text in zip(questions, scorer.greedy(prompts, _WRITTEN_TOKENS), strict=True):
                for column, value in zip(rows, (a, b, key, reference, text), strict=True):
                    rows[column].append(value)
        return pa.table(rows)

    def _translations(self, table: pa.Table) -> dict[Key, Estimate]:
        estimates: dict[Key, Estimate] = {}
        rows = table.to_pylist()
        # a sentence is one unit in every direction, so that means over directions keep it together
        places = {key: place for place, key in enumerate(sorted({r["sentence"] for r in rows}))}
        all_weights = self._weights(len(places), CHRF)
        for a, b in self.held_out.pairs:
            part = [r for r in rows if (r["source_language"], r["target_language"]) == (a, b)]
            weights = all_weights[:, [places[r["sentence"]] for r in part]]
            units = frozenset(r["sentence"] for r in part)
            outputs, references = [r["written"] for r in part], [r["reference"] for r in part]
            value, samples = sentences.chrf_of_weights(outputs, references, weights)
            estimates[a, b, "all", CHRF] = Estimate(value, samples, units)
            astray = np.array([float(identify(text) != b) for text in outputs])
            with np.errstate(invalid="ignore"):
                shares = weights @ astray / weights.sum(1)
            estimates[a, b, "all", ASTRAY] = Estimate(float(astray.mean()), shares, units, bounds=SHARE)
        return with_means(estimates)

    def _weights(self, n: int, *name: object) -> np.ndarray:
        """(resamples, n) how often each unit was drawn: the same for every model."""
        rng = np.random.default_rng(seed_of(self.config.seed, "evaluate", *name))
        return rng.multinomial(n, np.full(n, 1 / n), size=self.config.resamples).astype(np.float64)

    def labels(self, spec: str, name: str) -> dict[str, str]:
        """The behaviour of each item under the rule `config.behaviours`, read with the model's own lens.

        Raises:
            InputError: the pivots are tokens of another tokenizer than the model's.
        """
        self._same_tokens(spec)
        table = self.work.part(f"{name}-labels", lambda: self._labels(spec, name))
        return dict(zip(table["item_id"].to_pylist(), table["label"].to_pylist(), strict=True))

    def _labels(self, spec: str, name: str) -> pa.Table:
        from semantic_pivots.analysis.behaviours import label_items
        from semantic_pivots.models.tokenizer_files import load_tokenizer
        from semantic_pivots.models.trace import trace_stage

        config, ids = self.config, {item.item_id for item in self.items}
        folder = self.work.folder / f"{name}-trace"
        folder.mkdir(exist_ok=True)
        rows = [row for row in self.inputs.table("items").to_pylist() if row["item_id"] in ids]
        write_table(folder / "items.parquet", pa.Table.from_pylist(rows, self.inputs.table("items").schema))
        folders = {stage: self.inputs.folder(stage) for stage in ("lexicon", "discover")}
        trace_config = TraceConfig(
            model=spec, dtype=config.dtype, seed=config.seed, shots=config.shots, batch_tokens=config.batch_tokens
        )
        trace = trace_stage(trace_config, Inputs({"benchmark": folder, **folders}), Work(folder, folder))["trace"]
        tokenizer = load_tokenizer(spec, config.cache)
        labels = label_items(items_of(pa.Table.from_pylist(rows)), trace, tokenizer, (config.behaviours,))
        return pa.table({name: [row[name] for row in labels] for name in ("item_id", "label")})

    def _same_tokens(self, spec: str) -> None:
        from semantic_pivots.models.tokenizer_files import load_tokenizer

        if not self.inputs.has("pivots") or not self.inputs.has("token_shards"):
            raise InputError("[compare] behaviours: the study needs the stages tokens and discover")
        path = self.inputs.folder("tokens") / "tokenizer.json"
        if _vocabulary(path) != load_tokenizer(spec, self.config.cache).get_vocab():
            raise InputError(
                f"[compare] behaviours: the pivots are tokens of another tokenizer than that of {spec}; "
                "give [tokens] and [train] the same model"
            )


def _vocabulary(path: Path) -> dict[str, int]:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(path)).get_vocab()


def with_means(estimates: Mapping[Key, Estimate]) -> dict[Key, Estimate]:
    """The figures, and the mean over directions or languages of each (stratum, variant) that has any."""
    parts: dict[tuple[str, str], list[Estimate]] = {}
    for (_, _, stratum, variant), figure in estimates.items():
        if figure.n:
            parts.setdefault((stratum, variant), []).append(figure)
    return {**estimates, **{("all", "all", *key): average(figures) for key, figures in parts.items()}}
