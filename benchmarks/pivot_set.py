"""The pivot set: does a sample find it, and does it hold the pivots? `python -m benchmarks.pivot_set`.

Truth in planted worlds (five worlds `selection` of studies/planted.toml; no model is trained): precision, recall, and
recall among the concepts whose words were held out, with Student's 95 % intervals over worlds, for each criterion.
Stability on real text (recipe debian-large, 315 MB, Gemma's tokens, the CLDR lexicon in four languages; `--corpus` and
`--tokens` name other folders): overlap, as intersection over union, of the sets of two halves of the documents, and of
quarters and tenths with the whole; the least and the most of three draws. The bars are those of the default criterion.

Error, in planted worlds and on the text: words are exchanged for others of their language that as many documents hold,
by permuting each twenty neighbours in order of frequency, so that no concept's words belong together; what is found
then, over what is found truly, is to be at most twice the nominal rate of 1 %.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from benchmarks import corpus, emit
from semantic_pivots.counting.shard_passes import StoredCorpus
from semantic_pivots.errors import InputError
from semantic_pivots.held_out import visible_words
from semantic_pivots.lexicon.concepts import lexicon_stage
from semantic_pivots.lexicon.lexicon_stage import LexiconConfig
from semantic_pivots.pivots.bridges import find_evidence, stable_units
from semantic_pivots.pivots.graph_stage import Criterion, GraphConfig
from semantic_pivots.pivots.pivot_set import graph_stage
from semantic_pivots.planted.corpus_measures import Pipeline, pivot_set_figures
from semantic_pivots.planted.planted_stage import PlantedConfig
from semantic_pivots.planted.world_model import new_trial
from semantic_pivots.planted.world_runs import world_of
from semantic_pivots.planted.worlds import BRIDGED, DIRECT
from semantic_pivots.run import Inputs, Work, publish
from semantic_pivots.statistics import student
from semantic_pivots.tables import conform

DEFAULT = GraphConfig.criterion
SEEDS, DRAWS = range(1, 6), 3
EXCHANGES, NEAR = range(3), 20
BARS = {("pivot set, recall", "planted pivots"): 0.9, ("pivot set, precision", "planted pivots"): 0.8}


def planted(criteria: Sequence[Criterion]) -> None:
    """Precision and recall of each criterion where the pivots are known."""
    config = PlantedConfig()
    values: dict[tuple[str, str, str], list[float]] = {}
    for seed in SEEDS:
        it = new_trial(config, world_of(config, seed, "selection"), config.architectures[0])
        bridged = it.corpus.of(BRIDGED)
        known, held = [*it.corpus.of(DIRECT), *bridged[::2]], bridged[1::2]
        for criterion in criteria:
            with tempfile.TemporaryDirectory() as scratch:
                pipeline = Pipeline(Path(scratch), it, it.corpus.documents, known)
                try:
                    hubs = pipeline.pivot_set(criterion)
                except InputError:  # no unit is a pivot
                    hubs = set()
                if criterion.startswith("bridge-"):
                    inputs = Inputs({name: pipeline.folder / name for name in ("lexicon", "corpus", "tokens")})
                    asked = GraphConfig(words="spelling", criterion=criterion, workers=1)
                    error(f"{criterion}, world {seed}", asked, inputs, pipeline.folder)
            for row in pivot_set_figures(hubs, it.corpus.concepts, held):
                values.setdefault((criterion, row["measure"], row["group"]), []).append(row["value"])
    for (criterion, measure, group), found in values.items():
        mean = student(found)
        bar = BARS.get((measure, group)) if criterion == DEFAULT else None
        name = f"{criterion}, {measure}, {group} [{mean.low:.3f}, {mean.high:.3f}], {mean.n} worlds"
        emit(name, round(mean.value, 3), "share", bar, None if bar is None else mean.value >= bar)


def exchanged(words: np.ndarray, languages: np.ndarray, held: np.ndarray, seed: int) -> np.ndarray:
    """Numbers of the words of each row of a lexicon, exchanged for others of the language and of near frequency.

    Args:
        words: (rows,) number of each row's word.
        languages: (rows,) language of each.
        held: (words,) documents that hold each word.
        seed: of the permutations.
    """
    generator, found = np.random.default_rng(seed), words.copy()
    for code in np.unique(languages):
        rows = np.flatnonzero(languages == code)
        order = rows[np.lexsort((generator.random(len(rows)), held[words[rows]]))]
        for begin in range(-int(generator.integers(NEAR)), len(order), NEAR):
            part = order[max(begin, 0) : begin + NEAR]
            found[part] = words[generator.permutation(part)]
    return found


def error(name: str, asked: GraphConfig, inputs: Inputs, place: Path) -> None:
    """Share of the set that is found with exchanged words."""
    corpus = StoredCorpus(inputs, Work(place, place), asked.workers, asked.engine)
    held = find_evidence(asked, visible_words(inputs), corpus)
    true = len(stable_units(held.passes(asked), asked))
    if not true:
        return
    frequency = np.array(list(held.contexts.totals.values()))
    languages = np.array([code for _, code, _ in held.rows])
    counts = []
    for seed in EXCHANGES:
        words = exchanged(np.array(held.words), languages, frequency, seed).tolist()
        counts.append(len(stable_units(dataclasses.replace(held, words=words).passes(asked), asked)))
    share = float(np.mean(counts)) / true
    emit(f"{name}, exchanged words, {len(counts)} draws, of {true}", round(share, 4), "share", 0.02, share <= 0.02)


def stability(inputs: Inputs, criteria: Sequence[Criterion]) -> None:
    """Overlaps of each criterion's sets on real text."""
    with tempfile.TemporaryDirectory() as scratch:
        lexicon = Path(scratch) / "lexicon"
        config = LexiconConfig(languages=("en", "fr", "zh", "ja"))
        publish("lexicon", {}, lexicon, lambda work: lexicon_stage(config, Inputs({}), work), conform)
        folders = {name: inputs.folder(name) for name in inputs.stages()}
        for criterion in criteria:
            place = Path(scratch) / criterion
            place.mkdir()
            asked = GraphConfig(criterion=criterion, stability_draws=DRAWS)
            try:
                made = graph_stage(asked, Inputs({**folders, "lexicon": lexicon}), Work(place, place))
            except InputError:
                emit(f"{criterion}, pivots", 0, "tokens")
                continue
            if criterion.startswith("bridge-"):
                error(f"{criterion}, real text", asked, Inputs({**folders, "lexicon": lexicon}), place)
            emit(f"{criterion}, pivots", made["pivot_set"].num_rows, "tokens")
            rows = made["pivot_stability"].to_pylist()
            for sample in ("halves", "quarter", "tenth"):
                found = [row["overlap"] for row in rows if row["sample"] == sample]
                bar = 0.8 if (criterion, sample) == (DEFAULT, "quarter") else None
                name = f"{criterion}, overlap, {sample} [{min(found):.3f} to {max(found):.3f}], {len(found)} draws"
                mean = float(np.mean(found))
                emit(name, round(mean, 3), "intersection over union", bar, None if bar is None else mean >= bar)


def main() -> None:
    """Print every figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="folder made by `pivots corpus make`")
    parser.add_argument("--tokens", type=Path, help="folder made by `pivots corpus tokens` from it")
    parser.add_argument(
        "criteria", nargs="*", choices=[[], *get_args(Criterion)], metavar="CRITERION", help="none: all"
    )
    asked = parser.parse_args()
    criteria = asked.criteria or get_args(Criterion)
    planted(criteria)
    stability(corpus.corpus(asked.corpus, asked.tokens), criteria)


if __name__ == "__main__":
    main()
