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
from semantic_pivots.corpus.corpus_stage import CorpusConfig
from semantic_pivots.files import Record
from semantic_pivots.models.tokens_stage import TokensConfig
from semantic_pivots.pivots.discover_stage import Association, DiscoverConfig, DiscoveryForm
from semantic_pivots.pivots.graph_stage import Criterion, GraphConfig
from semantic_pivots.planted.planted_stage import PlantedConfig
from semantic_pivots.planted.world_model import Trial, figure
from semantic_pivots.planted.worlds import BRIDGED, DIRECT, Concept
from semantic_pivots.run import Inputs, Work
from semantic_pivots.selection.select_stage import SelectConfig
from semantic_pivots.tasks.translation import Item

_FORMS: tuple[tuple[DiscoveryForm, Association], ...] = (
    *(("default", measure) for measure in get_args(Association)),
    ("paper", "min"),
)
ARMS = ("pivot-rich", "random", "language-matched")


class Pipeline:
    """Runs the corpus stages on a planted world's documents and publishes their tables in a scratch folder."""

    def __init__(self, folder: Path, trial: Trial, documents: Sequence[dict[str, str]], concepts: Sequence[Concept]):
        self.folder, self.trial = folder, trial
        folder.mkdir(parents=True, exist_ok=True)
        # The kind of a document is part of the truth: no stage may read it as a source.
        lines = "".join(json.dumps({**document, "source": "planted"}) + "\n" for document in documents)
        (folder / "documents.jsonl").write_text(lines, "utf-8")
        trial.tokenizer.save_pretrained(folder / "model")
        trial.model.config.save_pretrained(folder / "model")
        self._publish("lexicon", lambda work: {"words": self._words(concepts)}, ())
        self._publish("benchmark", lambda work: {"items": tables.from_rows("items", self._items(concepts))}, ())
        from semantic_pivots.corpus.shards import corpus_stage
        from semantic_pivots.models.tokenise import tokens_stage

        codes = trial.corpus.world.languages
        corpus = CorpusConfig(languages=codes, path=str(folder / "documents.jsonl"), workers=1)
        self._publish("corpus", lambda work: corpus_stage(corpus, Inputs({}), work), ())
        tokens = TokensConfig(model=str(folder / "model"), workers=1)
        self._publish("tokens", lambda work: tokens_stage(tokens, self._inputs("corpus"), work), ("corpus",))

    def _inputs(self, *stages: str) -> Inputs:
        return Inputs({stage: self.folder / stage for stage in stages})

    def _publish(self, stage: str, make: Callable[[Work], dict[str, pa.Table]], stages: Sequence[str]) -> None:
        run.publish(stage, {"after": list(stages)}, self.folder / stage, make, tables.conform)

    def _words(self, concepts: Sequence[Concept]) -> pa.Table:
        rows = [
            {"concept_id": c.concept_id, "language": code, "word": word, "source": "planted", "licence": "CC0-1.0"}
            for c in concepts
            for code, word in c.words.items()
        ]
        return tables.from_rows("words", rows)

    def _items(self, concepts: Sequence[Concept]) -> list[Record]:
        source, target = self.trial.corpus.world.languages[:2]
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
        """The discovered pivots of each concept, best first; `changes` override keys of [discover]."""
        from semantic_pivots.pivots.discovery import discover_stage

        unit = "token" if form == "paper" else "word"
        config = DiscoverConfig(words="spelling", form=form, unit=unit, measure=measure, top=top, workers=1, **changes)
        name = f"discover-{form}-{measure}"
        needs = ("lexicon", "benchmark", "corpus", "tokens")
        self._publish(name, lambda work: discover_stage(config, self._inputs(*needs), work), needs)
        by_item: dict[str, list[str]] = {}
        rows = self._inputs(name).table("pivots").to_pylist()
        for row in sorted(rows, key=lambda r: r["rank"]):
            by_item.setdefault(row["item_id"].split(":")[1], []).append(row["text"].strip())
        return by_item

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

        config = SelectConfig(words="spelling", budget_tokens=budget, selections=tuple(names), min_tokens=1, workers=1)
        needs = ("lexicon", "benchmark", "corpus", "tokens", "graph")
        self._publish("select", lambda work: select_stage(config, self._inputs(*needs), work), needs)
        ids_of: dict[str, set[str]] = {name: set() for name in names}
        table = self._inputs("select").table("selection")
        for name, document in zip(table["selection"].to_pylist(), table["doc_id"].to_pylist(), strict=True):
            ids_of[name].add(document)
        return ids_of


def discovery(trial: Trial) -> list[Record]:
    """Measure 1: recall and precision of discovery for the planted pivots of bridged pairs, by form and measure.

    Of the model only the tokenizer is used, not the weights.
    """
    concepts = trial.corpus.of(BRIDGED)
    size = max(len(c.pivots) for c in concepts)
    figures = []
    with tempfile.TemporaryDirectory() as scratch:
        pipeline = Pipeline(Path(scratch), trial, trial.corpus.documents, concepts)
        for form, measure in _FORMS:
            ranking = pipeline.pivots(form, measure, 50)
            recall = {k: [] for k in (size, 10)}
            precision = []
            for concept in concepts:
                texts, truth = ranking.get(concept.concept_id, []), set(concept.pivots)
                for k, values in recall.items():
                    values.append(len(truth & set(texts[:k])) / len(truth))
                precision.append(len(truth & set(texts)) / len(texts) if texts else 0.0)
            group = f"{form}, {measure}"
            figures += [figure(f"discovery recall@{k}", group, np.mean(v)) for k, v in recall.items()]
            figures.append(figure("discovery precision", group, np.mean(precision)))
    return figures


@dataclasses.dataclass
class Offer:
    """A pool of documents with and without pivots that contain the tested words, and each selection from it."""

    core: list[str]
    arms: dict[str, list[str]]
    held_out: list[Concept]
    figures: list[Record]


def pivot_set_figures(hubs: set[str], concepts: Sequence[Concept], held_out: Sequence[Concept]) -> list[Record]:
    """Precision and recall of a pivot set, and its recall for concepts whose words were held out from it."""
    truth = {word for c in concepts for word in c.pivots}
    unseen = {word for c in held_out for word in c.pivots}
    return [
        figure("pivot set, precision", "planted pivots", len(hubs & truth) / max(len(hubs), 1)),
        figure("pivot set, recall", "planted pivots", len(hubs & truth) / len(truth)),
        figure("pivot set, recall", "of held-out concepts", len(hubs & unseen) / len(unseen)),
    ]


def offer(trial: Trial, config: PlantedConfig) -> Offer:
    """Measure 6: selections from a pool of documents, by a pivot set that never saw half of the bridged concepts.

    The words of that half, `held_out`, are excluded when the pivot set is made. The pool is all documents with a word
    of a bridged concept: running text with its context words, and plain text without. The core is all other documents.
    Every selection takes the same share of the pool's tokens.
    """
    truth = trial.corpus
    concepts = truth.of(BRIDGED)
    visible, held_out = concepts[::2], concepts[1::2]
    words = {word for c in concepts for word in c.words.values()}
    pool = [d for d in truth.documents if d["source"] == "filler" or words & set(d["text"].split())]
    ids = {d["id"] for d in pool}
    total = sum(len(row) for row in trial.tokenizer([d["text"] for d in pool])["input_ids"])
    lexicon = [*truth.of(DIRECT), *visible]
    with tempfile.TemporaryDirectory() as scratch:
        full = Pipeline(Path(scratch) / "whole", trial, truth.documents, lexicon)
        hubs = full.pivot_set()
        part = Pipeline(Path(scratch) / "pool", trial, pool, lexicon)
        shutil.copytree(full.folder / "graph", part.folder / "graph")
        selections = part.selections(ARMS, int(total * config.selected_share))
    figures = pivot_set_figures(hubs, truth.concepts, held_out)
    test_words = {word for c in held_out for word in c.words.values()}
    arms = {}
    for name in ARMS:
        documents = [d for d in pool if d["id"] in selections[name]]
        arms[name] = [d["text"] for d in documents]
        n_test = sum(bool(test_words & set(d["text"].split())) for d in documents)
        with_pivots = sum(d["source"] == "context" for d in documents)
        share = {"with pivots": with_pivots, "with a tested word": n_test}
        figures += [
            figure(f"share of documents {kind}", name, count / max(len(documents), 1)) for kind, count in share.items()
        ]
    core = [d["text"] for d in truth.documents if d["id"] not in ids]
    return Offer(core, arms, held_out, figures)
