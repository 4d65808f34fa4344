"""The models of each part: what each is trained on, and what is known of its concepts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from semantic_pivots.analysis.controls import PivotWord
from semantic_pivots.corpus.document import HINGE, Document, hinge, join, split
from semantic_pivots.errors import InputError
from semantic_pivots.files import Record
from semantic_pivots.natural.masking import CONDITIONS, Design, design
from semantic_pivots.natural.models import BASE, Arm, frequency
from semantic_pivots.natural.natural_stage import NaturalConfig
from semantic_pivots.natural.texts import (
    MULTILINGUAL,
    Pieces,
    Sequences,
    in_languages,
    pack,
    pieces_of,
    read_documents,
    sample_documents,
)
from semantic_pivots.natural.windows import contexts_of, pivots_of
from semantic_pivots.natural.world import World, make_world
from semantic_pivots.run import Inputs
from semantic_pivots.statistics import seed_of

ARRANGEMENTS = ("split", "rows", "joined")
SELECTIONS = ("pivot-rich", "random", "language-matched", "length-matched", "parallel")
STARTS = {"": "", BASE: ", continued"}
"""What a selection's model begins with, and what its name ends with."""
_BYTES = 9.0
"""Bytes of text drawn for a token: about four and a half a token, and half of the pieces hold a held-out pair."""
_WHOLE = 1 << 14
"""Tokens of a document of sentences, at most."""
_FEWEST_CONCEPTS = 2
"""Trained concepts that a pivot joins, at least, to be in the pivot set."""


def arms(part: str, config: NaturalConfig, inputs: Inputs, seed: int) -> Iterator[Arm]:
    """The models of one part for one seed.

    Raises:
        InputError: the corpus does not suffice.
    """
    makers = {"masking": _masking, "arrangement": _arrangement, "selection": _selection}
    yield from makers[part](config, inputs, seed)


def documents_of(part: str, config: NaturalConfig, inputs: Inputs, seed: int) -> list[Document]:
    """The documents that train the models of one part of the study; adding unrelated documents does not change them.

    Raises:
        InputError: the corpus has none in the languages.
    """
    if part == "arrangement":
        every = [d for d in read_documents(inputs, config.sources) if d.parts]
        return sample_documents(every, config.languages, int(config.tokens * _BYTES), seed)
    # of the selection also those of the base, which no selection is offered
    tokens = config.tokens / config.selected_share + config.tokens if part == "selection" else config.tokens
    return sample_documents(read_documents(inputs), config.pair, int(tokens * _BYTES), seed)


def _pair_world(part: str, config: NaturalConfig, inputs: Inputs, seed: int) -> World:
    documents = documents_of(part, config, inputs, seed)
    parts = [in_languages(document, config.pair) for document in documents]
    return make_world(config, inputs, config.pair, parts, config.pair)


def _pack(world: World, pieces: Pieces, config: NaturalConfig, seed: int) -> Sequences:
    """The pieces and as many copies of the dictionary as make its share of the tokens, in sequences."""
    share = config.dictionary_share / (1 - config.dictionary_share)
    copies = max(1, round(share * len(pieces.tokens) / len(world.dictionary.tokens)))
    together = Pieces.concatenate([pieces, *[world.dictionary] * copies])
    return pack(together, config.tokens, config.sequence_tokens, seed, world.meetings)


def _figures(world: World, corpus: Sequences) -> dict[str, float]:
    return {
        "tokens": float(corpus.sequences.size),
        "pieces": float(len(corpus.pieces)),
        "passes": corpus.sequences.size / max(len(corpus.pieces.tokens), 1),
        "vocabulary": float(world.vocabulary.size),
        "held-out concepts": float(len(world.held_out)),
        "trained concepts": float(len(world.trained_concepts)),
        "share of tokens split by language, a held-out pair met in the document": world.split_share,
        "share of tokens dropped, a held-out pair met in a part": world.dropped_share,
        "share of sequences dropped, a held-out pair met in the sequence": corpus.dropped_share,
    }


def _masking(config: NaturalConfig, inputs: Inputs, seed: int) -> Iterator[Arm]:
    world = _pair_world("masking", config, inputs, seed)
    # one pass over what is packed, so that no document is cut from the corpus that pivots are discovered in
    count = max(1, int(len(world.pieces) * config.tokens / max(len(world.pieces.tokens), 1)))
    part_rows, far_rows = np.split(np.arange(len(world.pieces)), [count])
    together = _pack(world, world.pieces.take(part_rows), config, seed)
    text = world.pieces.take(far_rows) if config.pivot_text == "other" else None
    plan = design(together, world, config, seed, text)
    counts = frequency(together.sequences, world.vocabulary)
    pivots = {
        concept.concept_id: [PivotWord(str(i), int(counts[i]), "token", 1) for i in ids if counts[i]]
        for concept, ids in zip(world.held_out, plan.pivots, strict=True)
    }
    for model in range(len(CONDITIONS)):
        figures = _figures(world, together) | _design_figures(plan, model)
        sequences, labels = plan.sequences(together, model), _labels(plan, world, model)
        yield Arm("masking", seed, str(model), world, sequences, labels, figures, pivots=pivots)


def _labels(plan: Design, world: World, model: int) -> dict[str, Record]:
    labels = {}
    for k, concept in enumerate(world.held_out):
        condition = plan.condition(k, model)
        labels[concept.concept_id] = {
            "condition": condition,
            "cluster": int(plan.clusters[k]),
            "pivots": len(plan.pivots[k]),
            "windows_source": int(plan.words[k, 0]),
            "windows_target": int(plan.words[k, 1]),
            "masked": len(plan.edits[k][condition][0]),
        }
    return labels


def _design_figures(plan: Design, model: int) -> dict[str, float]:
    counts = np.unique(plan.clusters, return_counts=True)[1]
    figures = {
        "clusters": float(len(counts)),
        "largest cluster": float(counts.max()),
        "concepts without pivots": float(sum(not len(tokens) for tokens in plan.pivots)),
        "median pivots": float(np.median([len(tokens) for tokens in plan.pivots])),
        "share of the windows' tokens in another cluster's windows": plan.overlap,
        "median occurrences of the rarer word": float(np.median(plan.words.min(axis=1))),
    }
    for condition in CONDITIONS:
        mine = [k for k in range(len(plan.groups)) if plan.condition(k, model) == condition]
        n_changes = sum(len(plan.edits[k][condition][0]) for k in mine)
        figures[f"concepts, {condition}"] = float(len(mine))
        figures[f"share of the windows' tokens changed, {condition}"] = n_changes / max(
            int(plan.window_tokens[mine].sum()), 1
        )
    return figures


def _arrangement(config: NaturalConfig, inputs: Inputs, seed: int) -> Iterator[Arm]:
    """The same sentences, split by language, as they come, and joined over equal English sentences.

    A sentence in whose joined document a held-out pair without English meets is in none of the three.
    """
    documents = documents_of("arrangement", config, inputs, seed)
    rows = [Document(d.id, d.text, d.language, d.source, tuple(in_languages(d, config.languages))) for d in documents]
    joined_documents = list(join(rows))
    spoke_languages = tuple(code for code in config.languages if code != HINGE)
    world = make_world(config, inputs, config.languages, [list(d.parts) for d in joined_documents], spoke_languages)
    each = pieces_of([list(d.parts) for d in joined_documents], world.vocabulary, config.languages, _WHOLE)
    if len(each) != len(joined_documents):
        raise InputError("natural: a document of the arrangement's sources is too long; name sources of sentences")
    meet = set(world.meetings.places_of(each.tokens, each.piece_of()).tolist())
    meeting_keys = {_key(joined_documents[k]) for k in meet}
    eligible = [d for d in rows if _key(d) not in meeting_keys]
    dropped_share = sum(len(each.tokens[each.starts[k] : each.starts[k + 1]]) for k in meet) / max(len(each.tokens), 1)
    world = replace(world, dropped_share=dropped_share)
    forms = {
        "split": [[(part.language, part.text)] for d in eligible for part in split(d)],
        "rows": [list(d.parts) for d in eligible],
        "joined": [list(d.parts) for k, d in enumerate(joined_documents) if k not in meet],
    }
    for name in ARRANGEMENTS:
        pieces = pieces_of(forms[name], world.vocabulary, config.languages, config.sequence_tokens)
        together = _pack(world, pieces, config, seed)
        yield Arm("arrangement", seed, name, world, together.sequences, {}, _figures(world, together))


def _key(document: Document) -> str:
    """The key on which documents are joined: the English sentence, or the id where there is none."""
    return hinge(document) or document.id


def _selection(config: NaturalConfig, inputs: Inputs, seed: int) -> Iterator[Arm]:
    """A share of the pieces of each held-out word, and of those without any, by four rules, from two starts.

    The pivot set is of tokens that are pivots of several trained concepts; held-out words have no part in it. Models
    begin with fresh weights, and with those of BASE, which was trained on documents that no selection is offered.
    """
    full_world = _pair_world("selection", config, inputs, seed)
    n_pieces = round(len(full_world.pieces) / (1 + config.selected_share))
    world = replace(full_world, pieces=full_world.pieces.take(np.arange(n_pieces)))
    pair = (config.pair[0], config.pair[1])
    contexts = contexts_of(world.pieces, world, world.trained_concepts, pair)
    pivots = pivots_of(contexts, world.trained_concepts, pair, config.false_discovery_rate, config.pivots)
    n_concepts = np.bincount(np.concatenate(pivots), minlength=world.vocabulary.size)
    for concept in world.held_out:
        n_concepts[list(concept.ids.values())] = 0
    is_pivot = n_concepts >= _FEWEST_CONCEPTS
    base_pieces = full_world.pieces.take(np.arange(n_pieces, len(full_world.pieces)))
    base_corpus = _pack(world, base_pieces, config, seed)
    yield Arm("selection", seed, BASE, world, base_corpus.sequences, {}, _figures(world, base_corpus))
    selections = _selections(world, is_pivot, config.selected_share, seed)
    for name, rows in selections.items():
        part = world.pieces.take(rows)
        together = _pack(world, part, config, seed)
        figures = _figures(world, together)
        figures["tokens in the pivot set"] = float(is_pivot.sum())
        figures["share of tokens in the pivot set"] = float(is_pivot[part.tokens].mean())
        figures["share of pieces that pivot-rich has, too"] = float(np.isin(rows, selections["pivot-rich"]).mean())
        figures["share of pieces in both languages"] = float((part.language == MULTILINGUAL).mean())
        starts = STARTS if "model" in config.readers else {"": ""}  # counts begin with nothing
        for start, suffix in starts.items():
            yield Arm("selection", seed, name + suffix, world, together.sequences, {}, figures, start)


def _selections(world: World, is_pivot: np.ndarray, share: float, seed: int) -> dict[str, np.ndarray]:
    """Pieces that each rule takes, ascending; all take as many of each stratum: its rarest held-out word, or none."""
    pieces = world.pieces
    stratum = _rarest(pieces, [i for c in world.held_out for i in c.ids.values()], world.vocabulary.size)
    chance = np.random.default_rng(seed_of("natural selection", seed)).random(len(pieces))
    length = np.maximum(np.diff(pieces.starts), 1)
    rich = np.add.reduceat(is_pivot[pieces.tokens].astype(np.int64), pieces.starts[:-1]) / length
    scores = {"pivot-rich": rich, "random": chance, "parallel": (pieces.language == MULTILINGUAL) + chance / 2}
    # pivot-rich pieces are longer: at equal pieces they hold more tokens, and at equal tokens they are read less often
    quarter = np.searchsorted(np.quantile(length, [0.25, 0.5, 0.75]), length)
    kinds = {"language-matched": pieces.language, "length-matched": pieces.language.astype(np.int64) * 4 + quarter}
    rows_of: dict[str, list[np.ndarray]] = {name: [] for name in SELECTIONS}
    for mine in np.split(np.argsort(stratum, kind="stable"), np.flatnonzero(np.diff(np.sort(stratum))) + 1):
        count = round(share * len(mine))
        for name, score in scores.items():
            rows_of[name].append(mine[np.lexsort((chance[mine], -score[mine]))][:count])
        for name, kind in kinds.items():
            quota = kind[rows_of["pivot-rich"][-1]]
            for level in np.unique(quota):
                part_rows = mine[kind[mine] == level]
                rows_of[name].append(part_rows[np.argsort(chance[part_rows])][: int((quota == level).sum())])
    return {name: np.sort(np.concatenate(rows)) for name, rows in rows_of.items()}


def _rarest(pieces: Pieces, words: Sequence[int], size: int) -> np.ndarray:
    """(pieces,) the rarest of some ids in each piece, -1 where there is none."""
    count = np.bincount(pieces.tokens, minlength=size)
    rank = np.full(size, size, np.int64)
    order = np.array(sorted(words, key=lambda i: (count[i], i)), np.int64)
    rank[order] = np.arange(len(order))
    least = np.minimum.reduceat(rank[pieces.tokens], pieces.starts[:-1])
    return np.where(least < size, least, -1)
