"""Planted worlds: this project's own measures, held against a ground truth that no real corpus has.

A run is one world, one architecture and one seed: the world is generated, a small model is trained on it from scratch,
and everything that is asked of a real model is asked of this one. A run is a pure function of its arguments with one
table of figures as its result, so runs go through the corpus engines: in parallel, resumable, each run one file.
Figures of a run are means over its concepts; the summary's intervals are Student's over seeds.
"""

from __future__ import annotations

import dataclasses
import json
import math
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa

from semantic_pivots import run, tables
from semantic_pivots.analysis.attribution import auc, quantile_strata, stratified_auc
from semantic_pivots.analysis.rules import CO_OCCURRENCE, PIVOT, RULES
from semantic_pivots.analysis.rules import Path as TracePath
from semantic_pivots.config import (
    CorpusConfig,
    DiscoverConfig,
    GraphConfig,
    PlantedConfig,
    SelectConfig,
    TokensConfig,
    TrainConfig,
)
from semantic_pivots.corpus.engines import run_shards
from semantic_pivots.run import Inputs, Work
from semantic_pivots.statistics import seed_of
from semantic_pivots.tasks.translation import Item, Shot, answer, prompt
from semantic_pivots.training import worlds
from semantic_pivots.training.small import fresh_model, packed, train_small, word_tokenizer
from semantic_pivots.training.worlds import BRIDGED, CLASSES, DIRECT, UNRELATED, Concept, Planted, World

Figure = dict[str, Any]
"""measure, group, value: one figure of one run."""
_FORMS = (("default", "min"), ("default", "pmi"), ("default", "npmi"), ("default", "llr"), ("paper", "min"))
_RIDGE = 1e-2


# ---------------------------------------------------------------------------------------------------------------------
# worlds and their models


def world_of(config: PlantedConfig, seed: int, **changes: Any) -> World:
    """The study's world with some things changed."""
    sizes = {
        name: getattr(config, name) for name in ("direct", "bridged", "unrelated", "copied", "documents", "pivots")
    }
    return World(seed=seed, **{**sizes, **changes})


@dataclasses.dataclass
class Trained:
    """A world with the model that was trained on it."""

    planted: Planted
    model: Any
    tokenizer: Any

    def prompts(self, concepts: Sequence[Concept], pair: tuple[str, str] | None = None) -> tuple[list[str], list[str]]:
        """Prompts in the benchmark's form after four direct translations, and the answers."""
        source, target = pair or self.planted.world.languages[:2]
        known = self.planted.of(DIRECT)
        asked, answers = [], []
        for concept in concepts:
            drawn = Random(seed_of(self.planted.world.seed, "shots", concept.concept_id)).sample(known, 5)
            shots = [Shot(c.concept_id, c.words[source], c.words[target]) for c in drawn if c is not concept][:4]
            asked.append(prompt(source, target, shots, concept.words[source]))
            answers.append(answer(concept.words[target]))
        return asked, answers

    def logprobs(self, concepts: Sequence[Concept]) -> np.ndarray:
        """(concepts,) log-probability in nats of each concept's translation."""
        from semantic_pivots.models.score import answer_logprobs

        asked, answers = self.prompts(concepts)
        found = answer_logprobs(self.model, self.tokenizer, asked, answers)
        return np.array([row.sum() for row in found], np.float64)

    def probed(self, kind: str, count: int) -> list[Concept]:
        """Up to `count` concepts of a class, drawn by the world's seed."""
        found = self.planted.of(kind)
        return Random(seed_of(self.planted.world.seed, "probed", kind)).sample(found, min(count, len(found)))

    def ids(self, words: Iterable[str]) -> list[int]:
        """Token ids of whole words."""
        return self.tokenizer.convert_tokens_to_ids(list(words))


def _settings(config: PlantedConfig, tokens: int) -> TrainConfig:
    return TrainConfig(
        tokens=tokens,
        sequence_tokens=config.sequence_tokens,
        batch_sequences=config.batch_sequences,
        micro_batch_sequences=config.batch_sequences,
        learning_rate=config.learning_rate,
        warmup_share=0.05,
        dtype=config.dtype,
        checkpoint_tokens=max(tokens, 1) * 10,  # a run is short and is repeated whole
    )


def _train(model: Any, tokenizer: Any, texts: Sequence[str], config: PlantedConfig, tokens: int, seed: int) -> Any:
    with tempfile.TemporaryDirectory() as scratch:
        sequences = packed(tokenizer, texts, tokens, config.sequence_tokens, seed)
        train_small(model, sequences, _settings(config, tokens), seed, Path(scratch) / "state.pt")
    return model.float().eval()


def trained(
    config: PlantedConfig, world: World, architecture: str = "llama", vocabulary_of: World | None = None
) -> Trained:
    """Generate a world and train a model on it from scratch.

    Args:
        config: sizes of the model and of its training.
        world: the world.
        architecture: one of small.ARCHITECTURES.
        vocabulary_of: a further world whose words the tokenizer knows too.
    """
    planted = worlds.generate(world)
    words = set(worlds.vocabulary(planted))
    if vocabulary_of is not None:
        words |= set(worlds.vocabulary(worlds.generate(vocabulary_of)))
    tokenizer = word_tokenizer(sorted(words))
    model = fresh_model(architecture, tokenizer, config.width, config.layers, seed_of(world.seed, "init") % 2**31)
    texts = [document["text"] for document in planted.documents]
    return Trained(planted, _train(model, tokenizer, texts, config, config.tokens, world.seed), tokenizer)


def _translation(it: Trained, config: PlantedConfig, suffix: str = "") -> list[Figure]:
    """P(target) of each class."""
    figures = []
    for kind in CLASSES:
        concepts = it.probed(kind, config.probed)
        if concepts:
            value = float(np.exp(it.logprobs(concepts)).mean())
            figures.append({"measure": "P(target)" + suffix, "group": kind, "value": value})
    return figures


# ---------------------------------------------------------------------------------------------------------------------
# the pipeline on a world's corpus: ordinary stages on ordinary documents


class Pipeline:
    """Published stages over a world's documents, in a scratch folder."""

    def __init__(self, folder: Path, it: Trained, documents: Sequence[dict[str, str]], concepts: Sequence[Concept]):
        self.folder, self.it = folder, it
        folder.mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(document) + "\n" for document in documents)
        (folder / "documents.jsonl").write_text(lines, "utf-8")
        it.tokenizer.save_pretrained(folder / "model")
        it.model.config.save_pretrained(folder / "model")
        self._publish("lexicon", lambda work: {"words": self._words(concepts)}, ())
        self._publish("benchmark", lambda work: {"items": tables.from_rows("items", self._items(concepts))}, ())
        from semantic_pivots.corpus.build import corpus_stage
        from semantic_pivots.models.tokenise import tokens_stage

        codes = it.planted.world.languages
        corpus = CorpusConfig(languages=codes, path=str(folder / "documents.jsonl"), workers=1)
        self._publish("corpus", lambda work: corpus_stage(corpus, Inputs({}), work), ())
        tokens = TokensConfig(model=str(folder / "model"), workers=1)
        self._publish("tokens", lambda work: tokens_stage(tokens, self._inputs("corpus"), work), ("corpus",))

    def _inputs(self, *stages: str) -> Inputs:
        return Inputs({stage: self.folder / stage for stage in stages})

    def _publish(self, stage: str, make: Callable[[Work], dict[str, pa.Table]], after: Sequence[str]) -> None:
        run.publish(stage, {"stage": stage, "after": list(after)}, self.folder / stage, make, tables.conform)

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

    def pivots(self, form: str, measure: str, top: int) -> dict[str, list[str]]:
        """Discovered pivots of each concept, best first."""
        from semantic_pivots.corpus.discover import discover_stage

        config = DiscoverConfig(form=form, measure=measure, top=top, workers=1)
        name = f"discover-{form}-{measure}"
        needs = ("lexicon", "benchmark", "corpus", "tokens")
        self._publish(name, lambda work: discover_stage(config, self._inputs(*needs), work), needs)
        found: dict[str, list[str]] = {}
        rows = self._inputs(name).table("pivots").to_pylist()
        for row in sorted(rows, key=lambda r: r["rank"]):
            found.setdefault(row["item_id"].split(":")[1], []).append(row["text"].strip())
        return found

    def pivot_set(self) -> set[str]:
        """The pivot set of the graph."""
        from semantic_pivots.corpus.graph import graph_stage

        config = GraphConfig(workers=1, stability_draws=0)
        needs = ("lexicon", "corpus", "tokens")
        self._publish("graph", lambda work: graph_stage(config, self._inputs(*needs), work), needs)
        return {text.strip() for text in self._inputs("graph").table("pivot_set")["text"].to_pylist()}

    def selections(self, names: Sequence[str], budget: int) -> dict[str, set[str]]:
        """Ids of the documents of each selection at equal tokens."""
        from semantic_pivots.corpus.select import select_stage

        config = SelectConfig(budget_tokens=budget, selections=tuple(names), min_tokens=1, workers=1)
        needs = ("lexicon", "benchmark", "corpus", "tokens", "graph")
        self._publish("select", lambda work: select_stage(config, self._inputs(*needs), work), needs)
        chosen: dict[str, set[str]] = {name: set() for name in names}
        table = self._inputs("select").table("selection")
        for name, document in zip(table["selection"].to_pylist(), table["doc_id"].to_pylist(), strict=True):
            chosen[name].add(document)
        return chosen


# ---------------------------------------------------------------------------------------------------------------------
# measures


def discovery(it: Trained, config: PlantedConfig) -> list[Figure]:
    """Measure 1: planted pivots among the discovered ones of bridged pairs, by form and measure."""
    bridged = it.planted.of(BRIDGED)
    figures = []
    with tempfile.TemporaryDirectory() as scratch:
        pipeline = Pipeline(Path(scratch), it, it.planted.documents, bridged)
        for form, measure in _FORMS:
            found = pipeline.pivots(form, measure, 50)
            recall = {k: [] for k in (config.pivots, 10)}
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
class Traces:
    """Residuals at the answer position, (layers, concepts, width), and logits of every layer under each lens."""

    concepts: list[Concept]
    residuals: Any
    logits: dict[str, Any]
    """(layers, concepts, vocabulary) by lens"""


def traces(it: Trained, concepts: list[Concept], pair: tuple[str, str] | None = None) -> Traces:
    """Read the answer position of each concept's prompt by the logit lens and by a linear tuned lens."""
    import torch

    from semantic_pivots.models.lens import Lens

    lens = Lens.from_model(it.model)
    maps = _tuned_maps(it, lens)
    asked, _ = it.prompts(concepts, pair)
    rows = it.tokenizer(asked)["input_ids"]
    with torch.inference_mode():
        residuals = torch.cat([lens.residuals(*_padded(rows[i : i + 64])) for i in range(0, len(rows), 64)], 1)
        logit = torch.stack([lens.decode(layer) for layer in residuals])
        tuned = torch.stack([lens.decode(_mapped(layer, maps[k])) for k, layer in enumerate(residuals)])
    return Traces(concepts, residuals, {"logit": logit.float(), "tuned": tuned.float()})


def _padded(rows: Sequence[Sequence[int]]) -> tuple[Any, Any]:
    import torch

    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[row[-1]] * (longest - len(row))] for row in rows])
    return ids, torch.tensor([len(row) - 1 for row in rows])


def _tuned_maps(it: Trained, lens: Any) -> list[Any]:
    """A tuned lens in closed form: per layer, the ridge regression of the last layer's residual on this one's.

    Fitted at random positions of the world's documents; (width + 1, width) each, the last row a bias.
    """
    import torch

    drawn = Random(seed_of(it.planted.world.seed, "tuned")).sample(it.planted.documents, 1000)
    rows = [ids for ids in it.tokenizer([d["text"] for d in drawn])["input_ids"] if len(ids) > 2]
    generator = Random(0)
    with torch.inference_mode():
        blocks = []
        for i in range(0, len(rows), 64):
            block = [row[: generator.randrange(2, len(row) + 1)] for row in rows[i : i + 64]]
            blocks.append(lens.residuals(*_padded(block)))
        samples = torch.cat(blocks, 1).double()
    last = samples[-1]
    return [_ridge(layer, last).float() for layer in samples]


def _ridge(x: Any, y: Any) -> Any:
    import torch

    with_one = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1)
    gram = with_one.T @ with_one
    scale = float(gram.diagonal().mean())
    return torch.linalg.solve(gram + _RIDGE * scale * torch.eye(len(gram), dtype=x.dtype), with_one.T @ y)


def _mapped(x: Any, weights: Any) -> Any:
    return x @ weights[:-1].to(x.dtype) + weights[-1].to(x.dtype)


def behaviours(it: Trained, config: PlantedConfig) -> list[Figure]:
    """Measure 2: the rules' labels held against the classes, under each lens; pivot mass; a probe of the residual."""
    concepts = [c for kind in (DIRECT, BRIDGED) for c in it.probed(kind, config.probed)]
    found = traces(it, concepts)
    source, target = it.planted.world.languages[:2]
    figures = []
    truth = np.array([c.kind == BRIDGED for c in concepts])
    for lens, logits in found.logits.items():
        probs = logits.softmax(-1)
        top = probs.max(-1)
        for rule in ("paper", "corrected"):
            labels = []
            for row, concept in enumerate(concepts):
                tokens = top.indices[:, row].tolist()
                path = TracePath(
                    tokens,
                    top.values[:, row].tolist(),
                    frozenset(it.ids([concept.words[source]])),
                    frozenset(it.ids([concept.words[target]])),
                    frozenset(it.ids(concept.pivots)),
                    frozenset(tokens),
                )
                labels.append(RULES[rule](path))
            said = np.array([label == PIVOT for label in labels])
            hits = int((said & truth).sum())
            f1 = 2 * hits / max(int(said.sum()) + int(truth.sum()), 1)
            figures.append({"measure": f"F1 of bridged, rule {rule}", "group": lens, "value": f1})
            for kind, members in ((DIRECT, ~truth), (BRIDGED, truth)):
                share = float(said[members].mean())
                figures.append({"measure": f"labelled pivot, rule {rule}", "group": f"{kind}, {lens}", "value": share})
        for kind, members in ((DIRECT, ~truth), (BRIDGED, truth)):
            rows = np.flatnonzero(members)
            masses = [probs[:-1, row, it.ids(concepts[row].pivots)].sum(-1).max() for row in rows]
            value = float(np.mean([float(m) for m in masses]))
            figures.append(
                {"measure": "largest pivot mass before the last layer", "group": f"{kind}, {lens}", "value": value}
            )
    return figures + _probe(it, found)


def _probe(it: Trained, found: Traces) -> list[Figure]:
    """Which layer's residual names the concept's context words: a ridge map to their mean embedding, tested by
    retrieval among all concepts of the trace; fitted on half of them and read on the other half."""
    import torch

    embedding = it.model.get_input_embeddings().weight.detach().double()
    wanted = torch.stack([embedding[it.ids(c.contexts[it.planted.world.languages[0]])].mean(0) for c in found.concepts])
    order = torch.randperm(len(wanted), generator=torch.Generator().manual_seed(it.planted.world.seed))
    fitted, held = order[: len(order) // 2], order[len(order) // 2 :]
    best = {DIRECT: 0.0, BRIDGED: 0.0}
    for layer in found.residuals[:-1].double():
        guess = _mapped(layer[held], _ridge(layer[fitted], wanted[fitted]))
        nearest = torch.nn.functional.cosine_similarity(guess[:, None], wanted[None], dim=-1).argmax(1)
        right = nearest == held
        for kind in best:
            members = [i for i, h in enumerate(held.tolist()) if found.concepts[h].kind == kind]
            best[kind] = max(best[kind], float(right[members].double().mean()) if members else 0.0)
    return [
        {"measure": "context words retrieved by a probe, best layer", "group": kind, "value": value}
        for kind, value in best.items()
    ]


def null_attribution(it: Trained) -> list[Figure]:
    """Measure 3: in a world without pivots, the AUC of log co-occurrence against the paper rule's labels."""
    concepts = it.planted.of(DIRECT)
    found = traces(it, concepts)
    source, target = it.planted.world.languages[:2]
    together = _co_occurrence(it.planted)
    probs = found.logits["logit"].softmax(-1)
    top = probs.max(-1)
    labels, counts, final = [], [], []
    for row, concept in enumerate(concepts):
        path = TracePath(
            top.indices[:, row].tolist(),
            top.values[:, row].tolist(),
            frozenset(it.ids([concept.words[source]])),
            frozenset(it.ids([concept.words[target]])),
        )
        labels.append(RULES["paper"](path) == CO_OCCURRENCE)
        counts.append(math.log1p(together[concept.concept_id]))
        final.append(path.probs[-1])
    positive, values = np.array(labels), np.array(counts)
    strata = quantile_strata(np.array(final), 5)
    return [
        {"measure": "AUC without pivots", "group": "raw", "value": auc(values, positive)},
        {
            "measure": "AUC without pivots",
            "group": "given final confidence",
            "value": stratified_auc(values, positive, strata),
        },
        {"measure": "labelled pivot without pivots", "group": DIRECT, "value": float(1 - positive.mean())},
    ]


def _co_occurrence(planted: Planted) -> dict[str, int]:
    first, second = planted.world.languages[:2]
    owner = {c.words[code]: (c.concept_id, code) for c in planted.concepts for code in (first, second)}
    counts = {c.concept_id: 0 for c in planted.concepts}
    for document in planted.documents:
        met: dict[str, set[str]] = {}
        for word in set(document["text"].replace("\n", " ").split()):
            if word in owner:
                met.setdefault(owner[word][0], set()).add(owner[word][1])
        for concept, codes in met.items():
            counts[concept] += len(codes) == 2
    return counts


def suppression(it: Trained, config: PlantedConfig) -> list[Figure]:
    """Measure 5: log P(target) lost when the context words' directions are suppressed, by class and control."""
    from semantic_pivots.models.intervene import random_basis, target_logprobs, unembedding_basis
    from semantic_pivots.models.lens import Lens
    from semantic_pivots.models.tokens import answer_spans

    lens = Lens.from_model(it.model)
    layers = range(max(1, lens.layers - 1))
    figures, lost = [], {}
    for kind in (DIRECT, BRIDGED):
        concepts = it.probed(kind, config.probed)
        spans = answer_spans(it.tokenizer, *it.prompts(concepts))
        ids, starts = [s.ids for s in spans], [s.start for s in spans]
        plain = target_logprobs(lens, ids, starts)
        others = concepts[1:] + concepts[:1]
        bases = {
            "planted pivots": [unembedding_basis(lens, it.ids(c.pivots)) for c in concepts],
            "another pair's pivots": [unembedding_basis(lens, it.ids(c.pivots)) for c in others],
            "random directions": [
                random_basis(lens, len(c.pivots), seed_of("random", c.concept_id) % 2**31) for c in concepts
            ],
        }
        for name, given in bases.items():
            change = float((target_logprobs(lens, ids, starts, given, layers) - plain).mean())
            lost[kind, name] = change
            figures.append(
                {"measure": "change of log P(target) by suppression", "group": f"{kind}, {name}", "value": change}
            )
    for control in ("another pair's pivots", "random directions"):
        value = (lost[BRIDGED, "planted pivots"] - lost[BRIDGED, control]) - (
            lost[DIRECT, "planted pivots"] - lost[DIRECT, control]
        )
        figures.append({"measure": "suppression, bridged less direct", "group": f"against {control}", "value": value})
    return figures


def language_census(it: Trained, config: PlantedConfig) -> list[Figure]:
    """Measure 8: at layers before the last, the mass on the third language's words against the fourth's.

    The figure is the mean natural log of the ratio of both masses over concepts and layers: above 0 the third
    language is the latent one, below 0 the fourth. A set holds the language's words and the context words of its own
    documents; a hub's words are frequent in other languages' documents too, so a ratio may follow frequency alone.
    """
    concepts = [c for kind in (DIRECT, BRIDGED) for c in it.probed(kind, config.probed)]
    found = traces(it, concepts)
    world = it.planted.world
    owned = {
        code: sorted(
            {i for c in it.planted.concepts for i in it.ids({c.words[code], *c.contexts[code]})}
            - {it.tokenizer.unk_token_id}
        )
        for code in world.languages[2:4]
    }
    figures = []
    for lens, logits in found.logits.items():
        probs = logits[:-1].softmax(-1)
        masses = [probs[..., ids].sum(-1).clamp(min=1e-12).log() for ids in owned.values()]
        value = float((masses[0] - masses[1]).mean())
        figures.append({"measure": "log ratio of latent languages, third to fourth", "group": lens, "value": value})
    return figures


# ---------------------------------------------------------------------------------------------------------------------
# runs


def _run_base(config: PlantedConfig, seed: int, architecture: str) -> list[Figure]:
    it = trained(config, world_of(config, seed), architecture)
    figures = _translation(it, config)
    if architecture == config.architectures[0]:
        figures += discovery(it, config) + behaviours(it, config) + suppression(it, config)
    return figures


def _run_knock_out(config: PlantedConfig, seed: int, architecture: str) -> list[Figure]:
    """Measure 4: without the documents that carry the pivots; then these added, or the same documents again."""
    import copy

    whole = world_of(config, seed)
    without = dataclasses.replace(whole, drop_pivots=True)
    it = trained(config, without, architecture, vocabulary_of=whole)
    figures = _translation(it, config)
    before = {f["group"]: f["value"] for f in figures}
    for name, documents in (("added", worlds.generate(whole).documents), ("none added", it.planted.documents)):
        model = copy.deepcopy(it.model)
        texts = [d["text"] for d in documents]
        _train(model, it.tokenizer, texts, config, config.tokens // 4, seed + 1000)
        after = _translation(Trained(it.planted, model, it.tokenizer), config)
        for f in after:
            change = f["value"] - before[f["group"]]
            figures.append(
                {"measure": f"change of P(target), pivot documents {name}", "group": f["group"], "value": change}
            )
    return figures


def _run_null(config: PlantedConfig, seed: int, architecture: str) -> list[Figure]:
    world = world_of(config, seed, bridged=0, unrelated=0, copied=0, shared_contexts=False, zipf=1.0)
    it = trained(config, world, architecture)
    return _translation(it, config) + null_attribution(it)


def _run_hub(config: PlantedConfig, seed: int, architecture: str, hub: str) -> list[Figure]:
    world = world_of(config, seed, languages=("en", "fr", "de", "es"), hub=hub)
    it = trained(config, world, architecture)
    return _translation(it, config) + language_census(it, config)


def _run_selection(config: PlantedConfig, seed: int, architecture: str) -> list[Figure]:
    """Measure 6: selections at equal tokens of a pool in which some documents carry pivots, beside a fixed core.

    Contexts are drawn from a pool of words here, so that a pivot serves many concepts. The pivot set is built without
    the words of one half of the bridged concepts; that half is asked.
    """
    import shutil

    planted = worlds.generate(world_of(config, seed, pool=config.pool, filler=config.filler))
    tokenizer = word_tokenizer(worlds.vocabulary(planted))
    it = Trained(planted, fresh_model(architecture, tokenizer, config.width, config.layers, 0), tokenizer)
    bridged = planted.of(BRIDGED)
    seen, held = bridged[::2], bridged[1::2]
    words = {word for c in bridged for word in c.words.values()}
    offered = [d for d in planted.documents if d["source"] == "filler" or words & set(d["text"].split())]
    ids = {d["id"] for d in offered}
    core = [d["text"] for d in planted.documents if d["id"] not in ids]
    total = sum(len(row) for row in tokenizer([d["text"] for d in offered])["input_ids"])
    names = ("pivot-rich", "random", "language-matched")
    known = [*planted.of(DIRECT), *seen]
    with tempfile.TemporaryDirectory() as scratch:
        whole = Pipeline(Path(scratch) / "whole", it, planted.documents, known)
        hubs = whole.pivot_set()
        pool = Pipeline(Path(scratch) / "pool", it, offered, known)
        shutil.copytree(whole.folder / "graph", pool.folder / "graph")
        chosen = pool.selections(names, int(total * config.selected_share))
    truth = {word for c in planted.concepts for word in c.pivots}
    unseen = {word for c in held for word in c.pivots}
    figures = [
        {"measure": "pivot set, precision", "group": "planted pivots", "value": len(hubs & truth) / len(hubs)},
        {"measure": "pivot set, recall", "group": "planted pivots", "value": len(hubs & truth) / len(truth)},
        {"measure": "pivot set, recall", "group": "of held-out concepts", "value": len(hubs & unseen) / len(unseen)},
        *discovery(it, config),
    ]
    for name in names:
        texts = [d["text"] for d in offered if d["id"] in chosen[name]]
        carried = sum(d["source"] == "context" for d in offered if d["id"] in chosen[name]) / max(len(texts), 1)
        it.model = fresh_model(architecture, tokenizer, config.width, config.layers, seed_of(seed, "init") % 2**31)
        _train(it.model, tokenizer, core + texts, config, config.tokens, seed)
        value = float(np.exp(it.logprobs(held)).mean())
        figures.append({"measure": "P(target) of held-out bridged concepts", "group": name, "value": value})
        figures.append({"measure": "share of documents with pivots", "group": name, "value": carried})
    return figures


RUNS: dict[str, Callable[[PlantedConfig, int, str], list[Figure]]] = {
    "base": _run_base,
    "knock-out": _run_knock_out,
    "null": _run_null,
    "hub-third": lambda config, seed, architecture: _run_hub(config, seed, architecture, "de"),
    "hub-fourth": lambda config, seed, architecture: _run_hub(config, seed, architecture, "es"),
    "selection": _run_selection,
}
"""What can be run of a world; only `base` is run for every architecture."""


def run_table(name: str, architecture: str, seed: int, config: PlantedConfig) -> pa.Table:
    """One run, as rows of the table `planted_runs`."""
    import torch

    torch.set_num_threads(1)  # small products gain nothing from more threads; runs take one core each
    figures = RUNS[name](config, seed, architecture)
    keys = {"world": name, "architecture": architecture, "seed": seed}
    return tables.from_rows("planted_runs", [{**keys, **figure} for figure in figures])


def planted_stage(config: PlantedConfig, inputs: Inputs, work: Work) -> dict[str, pa.Table]:
    """Every run of the study, and the figures over its seeds (tables `planted_runs` and `planted_summary`)."""
    tasks = [
        (f"{name}-{architecture}-{seed}", run_table, (name, architecture, seed, dataclasses.replace(config, workers=0)))
        for name in config.worlds
        for architecture in (config.architectures if name == "base" else config.architectures[:1])
        for seed in range(config.seed, config.seed + config.seeds)
    ]
    runs = pa.concat_tables(run_shards(tasks, work, config.workers, "planted"))
    return {"planted_runs": runs, "planted_summary": tables.from_rows("planted_summary", summary(runs, config))}


def summary(runs: pa.Table, config: PlantedConfig) -> list[dict[str, Any]]:
    """Means over seeds with Student's 95 % intervals, and the contrasts that answer the questions, paired by seed."""
    by: dict[tuple[str, str, str, str], dict[int, float]] = {}
    for row in runs.to_pylist():
        key = (row["world"], row["architecture"], row["measure"], row["group"])
        by.setdefault(key, {})[row["seed"]] = row["value"]
    contrasts = _contrasts(by, config.architectures[0])
    named = ("direct", "bridged", "unrelated", "copied", "pivots", "documents", "pool", "filler", "selected_share")
    named += ("tokens", "width", "layers", "sequence_tokens", "batch_sequences", "learning_rate", "dtype")
    settings = "|".join(f"{name}={getattr(config, name)}" for name in named)
    rows = []
    for (world, architecture, measure, group), values in [*by.items(), *contrasts.items()]:
        value, low, high, n = student(list(values.values()))
        signature = f"planted|{world}|{architecture}|{measure}|{group}|seed={config.seed}|{settings}"
        keys = {"world": world, "architecture": architecture, "measure": measure, "group": group}
        rows.append({**keys, "value": value, "low": low, "high": high, "n": n, "signature": signature})
    return rows


def _contrasts(by: dict, first: str) -> dict:
    """Differences between runs of one seed."""

    def value(world: str, measure: str, group: str) -> dict[int, float]:
        return by.get((world, first, measure, group), {})

    def less(a: dict[int, float], b: dict[int, float]) -> dict[int, float]:
        return {seed: a[seed] - b[seed] for seed in a if seed in b}

    made = {}
    target = "P(target)"
    drop = {kind: less(value("knock-out", target, kind), value("base", target, kind)) for kind in (BRIDGED, DIRECT)}
    made["knock-out", first, "change of P(target) by knock-out", BRIDGED] = drop[BRIDGED]
    made["knock-out", first, "change of P(target) by knock-out", DIRECT] = drop[DIRECT]
    made["knock-out", first, "difference in differences, knock-out", "bridged less direct"] = less(
        drop[BRIDGED], drop[DIRECT]
    )
    grown = {
        kind: less(
            value("knock-out", "change of P(target), pivot documents added", kind),
            value("knock-out", "change of P(target), pivot documents none added", kind),
        )
        for kind in (BRIDGED, DIRECT)
    }
    made["knock-out", first, "difference in differences, pivot documents added", "bridged less direct"] = less(
        grown[BRIDGED], grown[DIRECT]
    )
    held = "P(target) of held-out bridged concepts"
    for other in ("random", "language-matched"):
        made["selection", first, "gain of pivot-rich", f"over {other}"] = less(
            value("selection", held, "pivot-rich"), value("selection", held, other)
        )
    for architecture in dict.fromkeys(key[1] for key in by if key[0] == "base"):
        made["base", architecture, "P(target), bridged less unrelated", "split"] = less(
            by.get(("base", architecture, target, BRIDGED), {}), by.get(("base", architecture, target, UNRELATED), {})
        )
    return {key: values for key, values in made.items() if values}


def student(values: Sequence[float]) -> tuple[float, float, float, int]:
    """Mean, ends of Student's 95 % interval, and number of the values that are numbers."""
    from scipy.stats import t

    known = np.array([v for v in values if not math.isnan(v)])
    if len(known) < 2:
        return (float(known[0]) if len(known) else math.nan), math.nan, math.nan, len(known)
    half = float(t.ppf(0.975, len(known) - 1) * known.std(ddof=1) / math.sqrt(len(known)))
    mean = float(known.mean())
    return mean, mean - half, mean + half, len(known)
