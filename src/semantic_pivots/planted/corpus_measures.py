"""The ordinary corpus stages on a planted world's documents: discovery, pivot set, selection."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa

from semantic_pivots import run, tables
from semantic_pivots.config import (
    Association,
    CorpusConfig,
    Criterion,
    DiscoverConfig,
    DiscoveryForm,
    GraphConfig,
    PlantedConfig,
    SelectConfig,
    TokensConfig,
)
from semantic_pivots.planted.world_model import Figure, Trained
from semantic_pivots.planted.worlds import BRIDGED, DIRECT, Concept
from semantic_pivots.run import Inputs, Work
from semantic_pivots.tasks.translation import Item

_FORMS: tuple[tuple[DiscoveryForm, Association], ...] = (
    *(("default", measure) for measure in get_args(Association)),
    ("paper", "min"),
)
ARMS = ("pivot-rich", "random", "language-matched")


class Pipeline:
    """Published stages over a world's documents, in a scratch folder."""

    def __init__(self, folder: Path, it: Trained, documents: Sequence[dict[str, str]], concepts: Sequence[Concept]):
        self.folder, self.it = folder, it
        folder.mkdir(parents=True, exist_ok=True)
        # The kind of a document is part of the truth: no stage may read it as a source.
        lines = "".join(json.dumps({**document, "source": "planted"}) + "\n" for document in documents)
        (folder / "documents.jsonl").write_text(lines, "utf-8")
        it.tokenizer.save_pretrained(folder / "model")
        it.model.config.save_pretrained(folder / "model")
        self._publish("lexicon", lambda work: {"words": self._words(concepts)}, ())
        self._publish("benchmark", lambda work: {"items": tables.from_rows("items", self._items(concepts))}, ())
        from semantic_pivots.corpus.shards import corpus_stage
        from semantic_pivots.models.tokenise import tokens_stage

        codes = it.planted.world.languages
        corpus = CorpusConfig(languages=codes, path=str(folder / "documents.jsonl"), workers=1)
        self._publish("corpus", lambda work: corpus_stage(corpus, Inputs({}), work), ())
        tokens = TokensConfig(model=str(folder / "model"), workers=1)
        self._publish("tokens", lambda work: tokens_stage(tokens, self._inputs("corpus"), work), ("corpus",))

    def _inputs(self, *stages: str) -> Inputs:
        return Inputs({stage: self.folder / stage for stage in stages})

    def _publish(self, stage: str, make: Callable[[Work], dict[str, pa.Table]], after: Sequence[str]) -> None:
        run.publish(stage, {"after": list(after)}, self.folder / stage, make, tables.conform)

    def _words(self, concepts: Sequence[Concept]) -> pa.Table:
        rows = [
            {"concept_id": c.concept_id, "language": code, "word": word, "source": "planted", "licence": "CC0-1.0"}
            for c in concepts
            for code, word in c.words.items()
        ]
        return tables.from_rows("words", rows)

    def _items(self, concepts: Sequence[Concept]) -> list[dict[str, Any]]:
        source, target = self.it.planted.world.languages[:2]
        return [
            dataclasses.asdict(
                Item(
                    f"{source}-{target}:{c.concept_id}",
                    c.concept_id,
                    source,
                    target,
                    c.words[source],
                    c.words[target],
                    (),
                )
            )
            for c in concepts
        ]

    def pivots(self, form: DiscoveryForm, measure: Association, top: int, **changes: Any) -> dict[str, list[str]]:
        """Discovered pivots of each concept, best first; `changes` are further keys of the configuration."""
        from semantic_pivots.pivots.discovery import discover_stage

        unit = "token" if form == "paper" else "word"
        config = DiscoverConfig(words="spelling", form=form, unit=unit, measure=measure, top=top, workers=1, **changes)
        name = f"discover-{form}-{measure}"
        needs = ("lexicon", "benchmark", "corpus", "tokens")
        self._publish(name, lambda work: discover_stage(config, self._inputs(*needs), work), needs)
        found: dict[str, list[str]] = {}
        rows = self._inputs(name).table("pivots").to_pylist()
        for row in sorted(rows, key=lambda r: r["rank"]):
            found.setdefault(row["item_id"].split(":")[1], []).append(row["text"].strip())
        return found

    def pivot_set(self, criterion: Criterion = GraphConfig.criterion) -> set[str]:
        """The pivot set of the graph."""
        from semantic_pivots.pivots.pivot_set import graph_stage

        config = GraphConfig(words="spelling", criterion=criterion, workers=1, stability_draws=0)
        needs = ("lexicon", "corpus", "tokens")
        self._publish("graph", lambda work: graph_stage(config, self._inputs(*needs), work), needs)
        return {text.strip() for text in self._inputs("graph").table("pivot_set")["text"].to_pylist()}

    def selections(self, names: Sequence[str], budget: int) -> dict[str, set[str]]:
        """Ids of the documents of each selection at equal tokens."""
        from semantic_pivots.selection.selections import select_stage

        config = SelectConfig(budget_tokens=budget, selections=tuple(names), min_tokens=1, workers=1)
        needs = ("lexicon", "benchmark", "corpus", "tokens", "graph")
        self._publish("select", lambda work: select_stage(config, self._inputs(*needs), work), needs)
        chosen: dict[str, set[str]] = {name: set() for name in names}
        table = self._inputs("select").table("selection")
        for name, document in zip(table["selection"].to_pylist(), table["doc_id"].to_pylist(), strict=True):
            chosen[name].add(document)
        return chosen


def discovery(it: Trained) -> list[Figure]:
    """Measure 1: planted pivots among the discovered ones of bridged pairs, by form and measure.

    The weights of the model play no part, only its tokenizer.
    """
    bridged = it.planted.of(BRIDGED)
    most = max(len(c.pivots) for c in bridged)
    figures = []
    with tempfile.TemporaryDirectory() as scratch:
        pipeline = Pipeline(Path(scratch), it, it.planted.documents, bridged)
        for form, measure in _FORMS:
            found = pipeline.pivots(form, measure, 50)
            recall = {k: [] for k in (most, 10)}
            precision = []
            for concept in bridged:
                ranked, planted = found.get(concept.concept_id, []), set(concept.pivots)
                for k, values in recall.items():
                    values.append(len(planted & set(ranked[:k])) / len(planted))
                precision.append(len(planted & set(ranked)) / len(ranked) if ranked else 0.0)
            group = f"{form}, {measure}"
            figures += [
                {"measure": f"discovery recall@{k}", "group": group, "value": float(np.mean(v))}
                for k, v in recall.items()
            ]
            figures.append({"measure": "discovery precision", "group": group, "value": float(np.mean(precision))})
    return figures


@dataclasses.dataclass
class Offer:
    """A pool of documents that hold the tested words, with and without pivots, and what each selection takes of it."""

    core: list[str]
    arms: dict[str, list[str]]
    held: list[Concept]
    figures: list[Figure]


def found_pivots(hubs: set[str], concepts: Sequence[Concept], held: Sequence[Concept]) -> list[Figure]:
    """Precision and recall of a pivot set, and its recall among the concepts `held`, whose words it never saw."""
    truth = {word for c in concepts for word in c.pivots}
    unseen = {word for c in held for word in c.pivots}
    return [
        {"measure": "pivot set, precision", "group": "planted pivots", "value": len(hubs & truth) / max(len(hubs), 1)},
        {"measure": "pivot set, recall", "group": "planted pivots", "value": len(hubs & truth) / len(truth)},
        {"measure": "pivot set, recall", "group": "of held-out concepts", "value": len(hubs & unseen) / len(unseen)},
    ]


def offer(it: Trained, config: PlantedConfig) -> Offer:
    """Measure 6: the pivot set is built without the words of one half of the bridged concepts, `held`.

    The pool is every document of a bridged word: running text with its contexts, and plain text without. The core is
    everything else. All selections take the same share of the pool's tokens.
    """
    planted = it.planted
    bridged = planted.of(BRIDGED)
    seen, held = bridged[::2], bridged[1::2]
    words = {word for c in bridged for word in c.words.values()}
    pool = [d for d in planted.documents if d["source"] == "filler" or words & set(d["text"].split())]
    ids = {d["id"] for d in pool}
    total = sum(len(row) for row in it.tokenizer([d["text"] for d in pool])["input_ids"])
    known = [*planted.of(DIRECT), *seen]
    with tempfile.TemporaryDirectory() as scratch:
        whole = Pipeline(Path(scratch) / "whole", it, planted.documents, known)
        hubs = whole.pivot_set()
        offered = Pipeline(Path(scratch) / "pool", it, pool, known)
        shutil.copytree(whole.folder / "graph", offered.folder / "graph")
        chosen = offered.selections(ARMS, int(total * config.selected_share))
    figures = found_pivots(hubs, planted.concepts, held)
    asked = {word for c in held for word in c.words.values()}
    arms = {}
    for name in ARMS:
        taken = [d for d in pool if d["id"] in chosen[name]]
        arms[name] = [d["text"] for d in taken]
        of_asked = sum(bool(asked & set(d["text"].split())) for d in taken)
        with_pivots = sum(d["source"] == "context" for d in taken)
        share = {"with pivots": with_pivots, "with a tested word": of_asked}
        figures += [
            {"measure": f"share of documents {what}", "group": name, "value": count / max(len(taken), 1)}
            for what, count in share.items()
        ]
    core = [d["text"] for d in planted.documents if d["id"] not in ids]
    return Offer(core, arms, held, figures)
