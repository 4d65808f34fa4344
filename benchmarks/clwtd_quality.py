"""CLWTD-open: how many concepts, the share of a random 200, read by hand, whose words all translate one another, and
its distractors; and the same of the languages that were added, group by group. `python -m benchmarks.clwtd_quality
[PACKAGES]`: with the folder of the unpacked dictionaries (docs/dictionaries.md) every distractor is looked up in all.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from benchmarks import emit
from semantic_pivots.lexicon import added, near_words
from semantic_pivots.lexicon.clwtd import read_dictionaries
from semantic_pivots.lexicon.concepts import lexicon_path, read_lexicon
from semantic_pivots.lexicon.distractors import is_variant
from semantic_pivots.statistics import wilson
from semantic_pivots.tasks.benchmark_stage import BenchmarkConfig
from semantic_pivots.tasks.word_items import make_items
from semantic_pivots.words import normalise

LANGUAGES = ("en", "fr", "zh", "ja", "de", "es")


def sample(concepts: list[str], seed: str, size: int) -> list[str]:
    """The concepts to read: the first `size` in the order of sha256(seed, concept)."""
    return sorted(concepts, key=lambda concept: hashlib.sha256(f"{seed}\x1f{concept}".encode()).digest())[:size]


def verdicts() -> list[dict[str, str]]:
    """The committed verdicts, one per concept read.

    Raises:
        ValueError: the concepts read, or their words, are not what the seed draws from the committed lexicon.
    """
    text = resources.files("semantic_pivots").joinpath("data/clwtd_verdicts.tsv").read_text("utf-8")
    header, *lines = (line.split("\t") for line in text.splitlines())
    rows = [dict(zip(header, line, strict=True)) for line in lines]
    lexicon = {row["concept_id"]: row for row in read_lexicon(lexicon_path("clwtd-open"), LANGUAGES)}
    drawn = sample(sorted(lexicon), rows[0]["seed"], len(rows))
    if [row["concept_id"] for row in rows] != drawn:
        raise ValueError("clwtd_verdicts.tsv judges other concepts than its seed draws: read a new sample")
    if any(row[code] != lexicon[row["concept_id"]][code] for row in rows for code in LANGUAGES):
        raise ValueError("clwtd_verdicts.tsv judges other words than the lexicon holds: read a new sample")
    return rows


def added_verdicts() -> dict[str, list[dict[str, str]]]:
    """The committed verdicts on the added languages by group.

    Raises:
        ValueError: the concepts read, or their words, are not what a group's seed draws from the committed lexicon.
    """
    text = resources.files("semantic_pivots").joinpath("data/clwtd_added_verdicts.tsv").read_text("utf-8")
    header, *lines = (line.split("\t") for line in text.splitlines())
    by_seed: dict[str, list[dict[str, str]]] = defaultdict(list)
    for line in lines:
        by_seed[line[0]].append(dict(zip(header, line, strict=True)))
    lexicon = read_lexicon(lexicon_path("clwtd-open"), added.LANGUAGES)
    found = {}
    for (group, codes), (seed, rows) in zip(added.GROUPS.items(), by_seed.items(), strict=True):
        words = {r["concept_id"]: " ".join(f"{code}:{r[code]}" for code in codes if r[code]) for r in lexicon}
        drawn = sample(sorted(concept for concept, text in words.items() if text), seed, len(rows))
        if [row["concept_id"] for row in rows] != drawn or any(
            row["words"] != words[row["concept_id"]] for row in rows
        ):
            raise ValueError(f"clwtd_added_verdicts.tsv: {seed} judges other words than it draws: read a new sample")
        found[group] = rows
    return found


def items(languages: Sequence[str] = LANGUAGES[:4]) -> list[dict]:
    """All items of the committed set between languages, of the concepts that have a word in each."""
    rows = read_lexicon(lexicon_path("clwtd-open"), tuple(languages))
    neighbours = near_words.read(near_words.neighbours_path(lexicon_path("clwtd-open")))
    config = BenchmarkConfig(languages=tuple(languages))
    rows = [row for row in rows if all(row[code] for code in languages)]
    words = {row["concept_id"]: {code: row[code] for code in config.languages} for row in rows}
    return make_items(words, {row["concept_id"]: row["pos"] for row in rows}, list(words), config, neighbours)


def listed_pairs(packages: Path) -> dict[tuple[str, str, str], set[str]]:
    """(language, word, other language) to what any dictionary lists for the word, of any part of speech."""
    found: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    table, _ = read_dictionaries(packages)
    for (first, second, _), edges in table.weights.items():
        for word, others in edges.items():
            found[first, normalise(word), second].update(map(normalise, others))
    return found


def distractor_figures(packages: Path | None) -> None:
    """Print how many distractors repeat, contain or are contained in the answer, or are a dictionary's translation."""
    made = items() + [item for code in added.LANGUAGES for item in items(("en", code))]
    pairs = [(item, word) for item in made for word in item["distractors"]]
    emit("distractors", len(pairs), "words", len(made) * 9, len(pairs) == len(made) * 9)
    twice = sum(len({normalise(word) for word in item["distractors"]}) < len(item["distractors"]) for item in made)
    emit("items with a distractor twice", twice, "items", 0, twice == 0)
    variants = sum(is_variant(word, item["source"]) or is_variant(word, item["target"]) for item, word in pairs)
    emit("distractors that contain source or target, or are contained in one", variants, "words", 0, variants == 0)
    if packages is None:
        return
    listed = listed_pairs(packages)
    wrong = sum(
        normalise(item["target"]) in listed.get((item["source_language"], normalise(word), item["target_language"]), ())
        for item, word in pairs
    )
    emit("distractors that a dictionary lists as a translation of the target", wrong, "words", 0, wrong == 0)


def added_figures() -> None:
    """Print how many concepts have a word in each added language, and the share of clean ones in each group."""
    rows = read_lexicon(lexicon_path("clwtd-open"), added.LANGUAGES)
    for code in added.LANGUAGES:
        count = sum(bool(row[code]) for row in rows)
        emit(f"concepts with a word in {code}", count, "concepts", 1000, count >= 1000)
    for group, read in added_verdicts().items():
        share = wilson(sum(row["clean"] == "yes" for row in read), len(read))
        emit(f"clean concepts among those read, {group}", share.value, "share", 0.97, share.value >= 0.97)
        emit(f"lower end of the 95 % Wilson interval, {group}", share.low, "share")
        emit(f"upper end of the 95 % Wilson interval, {group}", share.high, "share")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("packages", nargs="?", type=Path, help="folder of the unpacked dictionaries")
    options = parser.parse_args()
    rows = read_lexicon(lexicon_path("clwtd-open"), LANGUAGES)
    core = sum(all(row[code] for code in LANGUAGES[:4]) for row in rows)
    wide = sum(all(row[code] for code in LANGUAGES) for row in rows)
    emit("concepts in en, fr, zh, ja", core, "concepts", 2000, core >= 2000)
    emit("of them also in de and es", wide, "concepts", 1000, wide >= 1000)
    read = verdicts()
    share = wilson(sum(row["clean"] == "yes" for row in read), len(read))
    emit("clean concepts among those read", share.value, "share", 0.97, share.value >= 0.97)
    emit("clean concepts, lower end of the 95 % Wilson interval", share.low, "share")
    emit("clean concepts, upper end of the 95 % Wilson interval", share.high, "share")
    added_figures()
    distractor_figures(options.packages)


if __name__ == "__main__":
    main()
