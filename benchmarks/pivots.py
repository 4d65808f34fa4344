"""Pivots, measured: where they are planted, where there are none, and in everyday text. `python -m benchmarks.pivots`.

Parts: planted, everyday, verdicts; none: all. `--corpus FOLDER` names a corpus made by `pivots corpus make --recipe
everyday`; without it the recipe is fetched once into the cache.

planted: the world `hard` of studies/planted.toml with seeds 5 to 9; the numbers of discovery were chosen with seeds 0
to 4. The ceiling is the share of planted pivots that stand beside both words in any document at all. Two nulls: the
same worlds asked for words of different concepts, and worlds whose concepts share nothing.
everyday: all pairs of different spelling of CLDR's concepts in en, fr, zh and ja. A pivot is related when its cosine
with the pair lies above 95 % of those of other pairs' pivots (`pivots/relatedness.py`); so chance passes 5 %.
verdicts: what two readers said of pivots drawn by seed, by the rule that matches words (docs/results/pivot_verdicts.csv
by spelling, pivot_verdicts_forms.csv by forms), with Wilson's 95 % intervals.
`--draw FILE` writes such a draw from the everyday text, to be judged.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import itertools
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa

from benchmarks import emit
from benchmarks.measure import own_peak
from semantic_pivots.caching import cache_folder
from semantic_pivots.config import Matching
from semantic_pivots.corpus.corpus_stage import CorpusConfig
from semantic_pivots.corpus.shards import corpus_stage
from semantic_pivots.files import write_table
from semantic_pivots.lexicon.concepts import lexicon_stage
from semantic_pivots.lexicon.lexicon_stage import LexiconConfig
from semantic_pivots.models.tokenizer_files import load_tokenizer
from semantic_pivots.models.tokens_stage import TokensConfig
from semantic_pivots.pivots.discover_stage import DiscoverConfig
from semantic_pivots.pivots.discovery import discover_stage
from semantic_pivots.pivots.relatedness import relatedness
from semantic_pivots.planted.corpus_measures import Pipeline
from semantic_pivots.planted.planted_stage import PlantedConfig
from semantic_pivots.planted.world_model import Trial, new_trial
from semantic_pivots.planted.world_runs import world_of
from semantic_pivots.planted.worlds import BRIDGED, Concept, World
from semantic_pivots.run import Inputs, Work, publish
from semantic_pivots.statistics import wilson
from semantic_pivots.tables import conform, from_rows

SEEDS = range(5, 10)
LANGUAGES = ("en", "fr", "zh", "ja")
BEST, DRAWN, LEVEL = 10, 300, 0.95
VERDICTS = {
    "forms": Path("docs/results/pivot_verdicts_forms.csv"),
    "spelling": Path("docs/results/pivot_verdicts.csv"),
}


def found_in(world: World, seed: int, asked: str = "own", **changes: object) -> tuple[Trial, dict[str, list[str]]]:
    """A world, and the pivots found of its bridged concepts, or of each one's word with another concept's."""
    config = PlantedConfig()
    it = new_trial(config, world, config.architectures[0])
    concepts: list[Concept] = it.corpus.of(BRIDGED)
    if asked == "exchanged":
        first, second = world.languages[:2]
        others = concepts[7:] + concepts[:7]  # of other topics, and no neighbours, whose words share decoys
        concepts = [
            dataclasses.replace(c, words={first: c.words[first], second: o.words[second]})
            for c, o in zip(concepts, others, strict=True)
        ]
    with tempfile.TemporaryDirectory() as scratch:
        pipeline = Pipeline(Path(scratch), it, it.corpus.documents, concepts)
        return it, pipeline.pivots("default", DiscoverConfig.measure, DiscoverConfig.top, **changes)


def ceiling(it: Trial) -> float:
    """Share of the planted pivots that stand beside both words in some document."""
    held, total = 0, 0
    words = [set(document["text"].split()) for document in it.corpus.documents]
    for concept in it.corpus.of(BRIDGED):
        beside = [set().union(*(own for own in words if word in own)) for word in concept.words.values()]
        held += sum(all(pivot in near for near in beside) for pivot in concept.pivots)
        total += len(concept.pivots)
    return held / total


def planted() -> None:
    """Recall, precision and false discoveries where the pivots are known."""
    recall: dict[int, list[float]] = {2: [], 10: []}
    most, right, named = [], 0, 0
    nulls: dict[str, list[int]] = {"exchanged words": [], "nothing shared": []}
    pairs = 0
    for seed in SEEDS:
        world = world_of(PlantedConfig(), seed, "hard")
        it, found = found_in(world, seed)
        most.append(ceiling(it))
        concepts = it.corpus.of(BRIDGED)
        total = sum(len(c.pivots) for c in concepts)
        for k, values in recall.items():
            hits = sum(len(set(c.pivots) & set(found.get(c.concept_id, [])[:k])) for c in concepts)
            values.append(hits / total)
        right += sum(len(set(c.pivots) & set(found.get(c.concept_id, []))) for c in concepts)
        named += sum(map(len, found.values()))
        pairs += len(concepts)
        none = dataclasses.replace(world, topics=0, linked_share=0.0, direct_linked_share=0.0)
        for name, other, asked in (("exchanged words", world, "exchanged"), ("nothing shared", none, "own")):
            nulls[name].append(len(found_in(other, seed, asked, false_discovery_rate=0.05)[1]))
    emit("planted hard, ceiling", round(float(np.mean(most)), 3), f"share of pivots, {len(SEEDS)} seeds")
    for k, bar in ((2, 0.80), (10, 0.84)):
        value = float(np.mean(recall[k]))
        spread = f"[{min(recall[k]):.3f} to {max(recall[k]):.3f}]"
        emit(f"planted hard, recall@{k} {spread}", round(value, 3), "share of pivots", bar, value >= bar)
        reached = value / float(np.mean(most))
        emit(f"planted hard, recall@{k} of what can be found", round(reached, 3), "share of the ceiling")
    emit("planted hard, precision", round(right / named, 3), "share of what is named", 0.5, right / named >= 0.5)
    for name, counts in nulls.items():
        share = sum(counts) / pairs
        emit(f"null, {name}, rate 0.05", round(share, 4), f"share of {pairs} pairs with any pivot", 0.05, share <= 0.05)


def pairs_of(words: pa.Table) -> list[dict]:
    """Every pair of languages of every concept, as items; pairs of one spelling are left out."""
    by_concept: dict[str, dict[str, str]] = {}
    for row in words.to_pylist():
        by_concept.setdefault(row["concept_id"], {}).setdefault(row["language"], row["word"])
    return [
        {"item_id": f"{one}-{two}:{concept}", "concept_id": concept, "source_language": one, "target_language": two}
        | {"source": own[one], "target": own[two]}
        for concept, own in sorted(by_concept.items())
        for one, two in itertools.combinations(LANGUAGES, 2)
        if one in own and two in own and own[one] != own[two]
    ]


def everyday_inputs(corpus: Path | None, scratch: Path) -> Inputs:
    """The everyday text, the CLDR lexicon, its pairs, and the tokenizer: words need no token shards."""
    folders = {"corpus": corpus or cache_folder("") / "benchmark-everyday"}
    if not folders["corpus"].exists():
        config = CorpusConfig(recipe="everyday", languages=LANGUAGES)
        publish("corpus", {}, folders["corpus"], lambda work: corpus_stage(config, Inputs({}), work), conform)
    lexicon, folders["lexicon"] = LexiconConfig(languages=LANGUAGES), scratch / "lexicon"
    publish("lexicon", {}, folders["lexicon"], lambda work: lexicon_stage(lexicon, Inputs({}), work), conform)
    for name in ("benchmark", "tokens"):
        folders[name] = scratch / name
        folders[name].mkdir()
    items = from_rows("items", pairs_of(Inputs(folders).table("words")))
    write_table(folders["benchmark"] / "items.parquet", items)
    tokenizer = load_tokenizer(TokensConfig().model, "")
    tokenizer.backend_tokenizer.save(str(folders["tokens"] / "tokenizer.json"))
    shards = Inputs(folders).table("shards").to_pylist()
    rows = [{"shard": s["shard"], "path": "", "documents": s["documents"], "tokens": 0} for s in shards]
    write_table(folders["tokens"] / "token_shards.parquet", from_rows("token_shards", rows))
    return Inputs(folders)


def discovered(corpus: Path | None, words: Matching) -> tuple[list[dict], list[dict], list[dict], float]:
    """Items, pivots and evidence of the everyday text, and seconds of discovery with one worker."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        inputs = everyday_inputs(corpus, scratch)
        (scratch / "work").mkdir()
        begun = time.perf_counter()
        made = discover_stage(DiscoverConfig(words=words, workers=1), inputs, Work(scratch / "work", scratch / "work"))
        spent = time.perf_counter() - begun
        tables = {name: conform(name, table).to_pylist() for name, table in made.items()}
        return inputs.table("items").to_pylist(), tables["pivots"], tables["pivot_evidence"], spent


def everyday(corpus: Path | None, words: Matching) -> None:
    """How many of the best pivots of everyday words are related to them, and how many pairs have three that are."""
    items, pivots, evidence, spent = discovered(corpus, words)
    peak = own_peak()
    best: dict[str, list[dict]] = {item["item_id"]: [] for item in items}
    for row in pivots:
        if row["rank"] < BEST:
            best[row["item_id"]].append(row)
    texts = [[row["text"] for row in best[item["item_id"]]] for item in items]
    near = relatedness([(item["source"], item["target"]) for item in items], texts)
    passed = [quantile > LEVEL for _, quantile in near]
    flat = np.concatenate(passed)
    own = np.array([row["translation"] != "" for item in items for row in best[item["item_id"]]])
    emit("everyday, pairs", len(items), "pairs of CLDR's concepts in four languages")
    emit("everyday, pairs with pivots", sum(map(bool, texts)), f"of {len(items)} pairs")
    emit("everyday, pivots named among ten", round(len(flat) / max(sum(map(bool, texts)), 1), 2), "a pair that has any")
    share = wilson(int(flat.sum()), len(flat))
    name = f"everyday, related of the ten best [{share.low:.3f}, {share.high:.3f}]; chance {1 - LEVEL:.2f}"
    emit(name, round(share.value, 3), f"share of {len(flat)}", 0.60, share.value >= 0.60)
    emit("everyday, the concept's word in a further language", round(float(own.mean()), 3), "share of the ten best")
    emit("everyday, related of the others", round(float(flat[~own].mean()), 3), f"share of {int((~own).sum())}")
    three = [int(passes.sum()) >= 3 for passes in passed]
    emit("everyday, pairs with three related pivots", sum(three), f"of {len(items)} pairs", 1200, sum(three) >= 1200)
    apart = {row["item_id"]: row["documents_both"] == 0 for row in evidence}
    for one, two in (("zh", "ja"), ("fr", "zh")):
        mine = [
            has
            for item, has in zip(items, three, strict=True)
            if (item["source_language"], item["target_language"]) == (one, two) and apart[item["item_id"]]
        ]
        emit(f"everyday, {one}-{two} in no document together, three related", sum(mine), f"of {len(mine)} pairs")
    emit("everyday, discovery", round(spent, 1), "s, one worker, from the shards to the tables")
    emit("everyday, peak memory", round(peak), "MB")


def draw(corpus: Path | None, words: Matching, path: Path) -> None:
    """Write pivots of everyday pairs, drawn by seed among the ten best of each, for a reader's verdict."""
    items, pivots, _, _ = discovered(corpus, words)
    by_id = {item["item_id"]: item for item in items}
    drawn = random.Random("pivot verdicts").sample([row for row in pivots if row["rank"] < BEST], DRAWN)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["languages", "source", "target", "pivot", "rank", "verdict"])
        for row in drawn:
            item = by_id[row["item_id"]]
            languages = f"{item['source_language']}-{item['target_language']}"
            writer.writerow([languages, item["source"], item["target"], row["text"], row["rank"], ""])


def verdicts(words: Matching) -> None:
    """What two readers, who saw the draw alone, said of its pivots; the first of `spelling` had chosen the measure."""
    with VERDICTS[words].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for reader in ("verdict", "second_verdict"):
        for name, kinds, bar in (
            ("related or topical", ("related", "topical"), 0.70),
            ("related", ("related",), None),
            ("fragments", ("fragment",), 0.02),
        ):
            share = wilson(sum(row[reader] in kinds for row in rows), len(rows))
            holds = None if bar is None else share.value <= bar if name == "fragments" else share.value >= bar
            label = f"{reader.replace('_', ' ')}s, {name} [{share.low:.3f}, {share.high:.3f}]"
            emit(label, round(share.value, 3), f"share of {len(rows)}", bar, holds)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print every figure of the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="folder made by `pivots corpus make --recipe everyday`")
    parser.add_argument("--draw", type=Path, help="write a draw of pivots to judge, and print nothing")
    parser.add_argument(
        "--words-as", choices=get_args(Matching), default=DiscoverConfig.words, help="rule that matches everyday words"
    )
    parts = ("planted", "everyday", "verdicts")
    parser.add_argument("parts", nargs="*", choices=[[], *parts], metavar="PART", help="none: all")
    asked = parser.parse_args(arguments)
    if asked.draw:
        draw(asked.corpus, asked.words_as, asked.draw)
        return
    for part in asked.parts or parts:
        {
            "planted": planted,
            "everyday": lambda: everyday(asked.corpus, asked.words_as),
            "verdicts": lambda: verdicts(asked.words_as),
        }[part]()


if __name__ == "__main__":
    main()
