"""Readouts of a small model's residuals: lenses, labels of the rules, a probe, the latent-language census."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from semantic_pivots.analysis.attribution import auc, quantile_strata, stratified_auc
from semantic_pivots.analysis.rules import CO_OCCURRENCE, PIVOT, paper
from semantic_pivots.analysis.rules import Path as TracePath
from semantic_pivots.errors import InputError
from semantic_pivots.files import Record
from semantic_pivots.planted.planted_stage import PlantedConfig
from semantic_pivots.planted.world_model import WITH_PIVOTS, WITHOUT_PIVOTS, Trial, figure
from semantic_pivots.planted.worlds import BRIDGED, DIRECT, Concept, PlantedCorpus

if TYPE_CHECKING:
    import torch

    from semantic_pivots.models.lens import Lens

_CONFIDENCE_STRATA = 10


@dataclasses.dataclass
class Traces:
    """Residuals at the answer position, (layers, concepts, width), and logits of every layer under each lens."""

    concepts: list[Concept]
    residuals: torch.Tensor
    logits: Record
    """(layers, concepts, vocabulary) by lens"""


def traces(trial: Trial, concepts: list[Concept], pair: tuple[str, str] | None = None) -> Traces:
    """Read the answer position of each concept's prompt by the logit lens and by a linear tuned lens."""
    prompts, _ = trial.prompts(concepts, pair)
    return read(trial, concepts, prompts)


def read(trial: Trial, concepts: list[Concept], texts: Sequence[str]) -> Traces:
    """Read the last position of each text."""
    import torch

    from semantic_pivots.models.lens import Lens

    lens = Lens.from_model(trial.model)
    maps = _tuned_maps(trial, lens)
    rows = trial.tokenizer(list(texts))["input_ids"]
    with torch.inference_mode():
        residuals = torch.cat([lens.residuals(*_pad(rows[i : i + 64])) for i in range(0, len(rows), 64)], 1)
        logit = torch.stack([lens.decode(layer) for layer in residuals])
        layers = torch.stack([lens.decode(_apply(layer, maps[k])) for k, layer in enumerate(residuals)])
    return Traces(concepts, residuals, {"logit": logit.float(), "tuned": layers.float()})


def _pad(rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    from semantic_pivots.models.network import padded_ids

    return padded_ids(rows), torch.tensor([len(row) - 1 for row in rows])


def _tuned_maps(trial: Trial, lens: Lens) -> list[torch.Tensor]:
    """A tuned lens in closed form: per layer, the ridge regression of the last layer's residual on this one's.

    Fitted at random positions of the world's documents; (width + 1, width) each, the last row a bias.
    """
    import torch

    from semantic_pivots.models.readouts import ridge

    texts = trial.texts("tuned", 1000)
    rows = [ids for ids in trial.tokenizer(texts)["input_ids"] if len(ids) > 2]
    generator = Random(0)
    with torch.inference_mode():
        blocks = []
        for i in range(0, len(rows), 64):
            block = [row[: generator.randrange(2, len(row) + 1)] for row in rows[i : i + 64]]
            blocks.append(lens.residuals(*_pad(block)))
        samples = torch.cat(blocks, 1).cpu().double()
    target = samples[-1]
    return [ridge(layer, target).float() for layer in samples]


def _apply(x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return x @ weights[:-1].to(x.dtype) + weights[-1].to(x.dtype)


def log_documents(trial: Trial, concepts: Sequence[Concept]) -> np.ndarray:
    """(concepts,) mean log number of documents of the source word's context words, the baseline by counts alone."""
    source = trial.corpus.world.languages[0]
    counts = trial.corpus.document_counts()
    return np.array([np.mean([math.log(counts[word]) for word in c.contexts[source]]) for c in concepts])


def behaviours(trial: Trial, config: PlantedConfig) -> list[Record]:
    """Measure 2: labels under each lens against the truth; the negatives are direct pairs *without* pivots.

    A direct pair with pivots may be answered by either mechanism, so its labels are reported as shares, not as errors.
    """
    groups = {
        BRIDGED: trial.sample(BRIDGED, config.probed),
        WITHOUT_PIVOTS: trial.sample(DIRECT, config.probed, False),
        WITH_PIVOTS: trial.sample(DIRECT, config.probed, True),
    }
    concepts = [c for group in groups.values() for c in group]
    member = np.array([name for name, group in groups.items() for _ in group])
    source = trial.corpus.world.languages[0]
    clean = (member == BRIDGED) | (member == WITHOUT_PIVOTS)
    truth = member == BRIDGED
    residuals = traces(trial, concepts)
    chance = f1(np.ones(int(clean.sum()), bool), truth[clean])
    counts = auc(log_documents(trial, [c for c, clear in zip(concepts, clean, strict=True) if clear]), truth[clean])
    figures: list[Record] = [
        figure("F1 of labelling every pair a pivot's", "chance", chance),
        figure("AUC of counts alone, of those read", WITHOUT_PIVOTS, counts, "one class is empty"),
    ]
    for lens, logits in residuals.logits.items():
        probs = logits.softmax(-1)
        is_pivot = np.array([label == PIVOT for label in labels_of(trial, residuals, probs)])
        value = f1(is_pivot[clean], truth[clean])
        figures.append(figure("F1 of bridged, rule paper", lens, value))
        contexts = [trial.ids(c.contexts[source]) for c in concepts]
        masses = np.array([float(probs[:-1, row, ids].sum(-1).max()) for row, ids in enumerate(contexts)])
        means = {"labelled pivot, rule paper": is_pivot, "largest mass of contexts before the last layer": masses}
        figures += [
            figure(measure, f"{name}, {lens}", values[member == name].mean())
            for measure, values in means.items()
            for name in groups
            if (member == name).any()
        ]
        area = auc(masses[clean], truth[clean])
        measure = "AUC of the contexts' mass, bridged against direct without pivots"
        figures.append(figure(measure, lens, area, "one class is empty"))
    return figures + _probe(trial)


def labels_of(trial: Trial, residuals: Traces, probs: torch.Tensor, pair: tuple[str, str] | None = None) -> list[str]:
    """Labels by the published rule."""
    source, target = pair or trial.corpus.world.languages[:2]
    top = probs.max(-1)
    labels = []
    for row, concept in enumerate(residuals.concepts):
        tokens = top.indices[:, row].tolist()
        path = TracePath(
            tokens,
            top.values[:, row].tolist(),
            frozenset(trial.ids([concept.words[source]])),
            frozenset(trial.ids([concept.words[target]])),
        )
        labels.append(paper(path))
    return labels


def f1(labels: np.ndarray, truth: np.ndarray) -> float:
    """F1 of (rows,) bool labels; 0 where both labels and truth are empty."""
    return 2 * int((labels & truth).sum()) / max(int(labels.sum()) + int(truth.sum()), 1)


def _probe(trial: Trial) -> list[Record]:
    """Retrieval of a concept's context words from a residual, by a ridge map to their mean embedding.

    The map is fitted on half of the concepts, the layer is chosen on a quarter, and the result is that of the last
    quarter, with all concepts as candidates.
    """
    import torch

    from semantic_pivots.models.readouts import ridge

    source = trial.corpus.world.languages[0]
    concepts = [*trial.corpus.of(DIRECT), *trial.corpus.of(BRIDGED)]
    residuals = traces(trial, concepts)
    embedding = trial.model.get_input_embeddings().weight.detach().cpu().double()
    targets = torch.stack([embedding[trial.ids(c.contexts[source])].mean(0) for c in concepts])
    targets = targets - targets.mean(0)
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(trial.corpus.world.seed))
    half_size, quarter = len(order) // 2, len(order) // 4
    train, validation, test = order[:half_size], order[half_size : half_size + quarter], order[half_size + quarter :]

    def right(layer: torch.Tensor, rows: torch.Tensor) -> np.ndarray:
        guess = _apply(layer[rows], ridge(layer[train], targets[train]))
        nearest = torch.nn.functional.cosine_similarity(guess[:, None], targets[None], dim=-1).argmax(1)
        return (nearest == rows).numpy()

    layers = residuals.residuals[:-1].cpu().double()
    best = max(range(len(layers)), key=lambda k: right(layers[k], validation).mean())
    hits = right(layers[best], test)
    test_concepts = [concepts[i] for i in test.tolist()]
    groups = [BRIDGED if c.kind == BRIDGED else WITH_PIVOTS if c.pivots else WITHOUT_PIVOTS for c in test_concepts]
    measure = "context words retrieved by a probe"
    figures: list[Record] = [
        figure(measure, name, hits[[g == name for g in groups]].mean()) for name in sorted(set(groups))
    ]
    figures.append(figure(measure, "chance", 1 / len(targets)))
    return figures


def null_attribution(trial: Trial) -> list[Record]:
    """Measure 3: in a world without pivots, the AUC of log co-occurrence against the paper rule's labels.

    Every direct concept is measured in both directions. "Given final confidence" means within ten strata of the last
    layer's top-1 probability. If all labels are equal there is no AUC, and the note says so.
    """
    concepts = trial.corpus.of(DIRECT)
    first, second = trial.corpus.world.languages[:2]
    together = _co_occurrence(trial.corpus)
    positive, values, final = [], [], []
    for pair in ((first, second), (second, first)):
        residuals = traces(trial, concepts, pair)
        probs = residuals.logits["logit"].softmax(-1)
        positive += [label == CO_OCCURRENCE for label in labels_of(trial, residuals, probs, pair)]
        values += [math.log1p(together[c.concept_id]) for c in concepts]
        final += probs[-1].max(-1).values.tolist()
    labels, counts, confidence = np.array(positive), np.array(values), np.array(final)
    raw = auc(counts, labels)
    stratum_auc = stratified_auc(counts, labels, quantile_strata(confidence, _CONFIDENCE_STRATA))
    note = "" if raw == raw else f"all {len(labels)} labels are alike"
    measure = "AUC without pivots"
    return [
        figure(measure, "raw", raw, note),
        figure(measure, "given final confidence", stratum_auc, note),
        figure(measure, "raw less given final confidence", raw - stratum_auc, note),
        figure("labelled pivot without pivots", DIRECT, 1 - labels.mean()),
    ]


def _co_occurrence(corpus: PlantedCorpus) -> dict[str, int]:
    first, second = corpus.world.languages[:2]
    owner = {c.words[code]: (c.concept_id, code) for c in corpus.concepts for code in (first, second)}
    counts = {c.concept_id: 0 for c in corpus.concepts}
    for document in corpus.documents:
        documents_of: dict[str, set[str]] = {}
        for word in set(document["text"].replace("\n", " ").split()):
            if word in owner:
                documents_of.setdefault(owner[word][0], set()).add(owner[word][1])
        for concept, codes in documents_of.items():
            counts[concept] += len(codes) == 2
    return counts


def language_census(trial: Trial, config: PlantedConfig) -> list[Record]:
    """Measure 8: at layers before the last, the mass on the third language's words against the fourth's.

    A language's token set has its word of every concept, one token each, so both sets have the same size. The words of
    a hub are also frequent in documents of other languages. The ratio is therefore also measured at the end of noise
    text that asks for no concept, and this control is subtracted. A second figure does not depend on frequency: the
    share of the language's words that have a smaller logit than the word of the concept in question (0.5 is chance).
    """
    import torch

    concepts = [*trial.sample(BRIDGED, config.probed), *trial.sample(DIRECT, config.probed, True)]
    world = trial.corpus.world
    third, fourth = world.languages[2:4]
    sets = {code: trial.ids(c.words[code] for c in trial.corpus.concepts) for code in (third, fourth)}
    place = {c.concept_id: i for i, c in enumerate(trial.corpus.concepts)}
    rows = [place[c.concept_id] for c in concepts]
    noise = [
        d["text"].split()
        for d in trial.corpus.documents
        if d["source"] == "context" and d["language"] == world.languages[0]
    ]
    words = {
        word for c in trial.corpus.concepts for around in (c.words.values(), *c.contexts.values()) for word in around
    }
    plain = [" ".join(word for word in text if word not in words) for text in noise[: 8 * len(concepts)]]
    plain = [" ".join(plain[8 * i : 8 * i + 8]) for i in range(len(concepts))]
    if not all(plain):
        raise InputError(
            f"[planted] {len(noise)} documents of running text give no control of the languages for {len(concepts)} "
            "concepts; raise documents or lower probed"
        )
    residuals, control = traces(trial, concepts), read(trial, concepts, plain)
    figures: list[Record] = []
    measure = "log ratio of latent languages, third to fourth"
    for lens in residuals.logits:
        ratio = {}
        for name, logits_of in (("asked", residuals), ("control", control)):
            probs = logits_of.logits[lens][:-1].softmax(-1)
            masses = [probs[..., ids].sum(-1).clamp(min=1e-12).log() for ids in sets.values()]
            ratio[name] = float((masses[0] - masses[1]).mean())
        figures += [
            figure(measure, f"{lens}, asked", ratio["asked"]),
            figure(measure, f"{lens}, control", ratio["control"]),
            figure(measure, f"{lens}, asked less control", ratio["asked"] - ratio["control"]),
        ]
        logits = residuals.logits[lens][:-1]
        for code, ordinal in ((third, "third"), (fourth, "fourth")):
            chosen_logits = logits[..., sets[code]]
            largest = chosen_logits[:, torch.arange(len(rows)), rows]
            rank_share = (chosen_logits < largest[..., None]).float().mean(-1)
            value = float(rank_share.mean())
            figures.append(figure(f"rank of the own word, {ordinal} language", lens, value))
    return figures
