"""CLWTD-open: how many concepts, and the share of a random 200, read by hand, whose words all translate one another."""

from __future__ import annotations

import hashlib
from importlib import resources

from benchmarks import emit
from semantic_pivots.lexicon.build import lexicon_path, read_lexicon
from semantic_pivots.statistics import wilson

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


def main() -> None:
    """Print the figures."""
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


if __name__ == "__main__":
    main()
