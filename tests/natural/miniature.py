"""A corpus and a lexicon of invented words: names shared by languages stand beside the words of their concept."""

from __future__ import annotations

import json
import random
from pathlib import Path

LANGUAGES = ("en", "fr")
_ONSETS, _VOWELS = "b d f g k l m n p r s t v z".split(), "a e i o u".split()
STUDY = """
[study]
name = "natural"
languages = ["en", "fr"]
seed = 11
workers = 1
stages = ["lexicon", "corpus", "natural", "report"]
[lexicon]
source = "{folder}/words.tsv"
held_out_share = 0.5
[corpus]
path = "{folder}/documents.jsonl"
[natural]
languages = ["en", "fr"]
sources = []
vocabulary = 1200
concepts = 60
fewest_documents = 5
dictionary_share = 0.15
tokens = {tokens}
width = 48
layers = 2
sequence_tokens = 32
batch_sequences = 16
learning_rate = 1e-2
dtype = "float32"
{more}
"""


def words(count: int, seed: int) -> list[str]:
    """So many different invented words."""
    chooser, made = random.Random(seed), {}
    while len(made) < count:
        made["".join(chooser.choice(_ONSETS) + chooser.choice(_VOWELS) for _ in range(3))] = None
    return list(made)


def write(folder: Path, tokens: int = 40_000, more: str = "", concepts: int = 48, documents: int = 16) -> Path:
    """Write the study's files below a folder; returns the study file."""
    made = words(8 * concepts + 80, 3)
    own, names = made[: 2 * concepts], made[2 * concepts : 4 * concepts]
    rare, filler = made[4 * concepts : 8 * concepts], made[8 * concepts :]  # as frequent as names, of one language
    chooser = random.Random(7)
    lines = ["concept_id\tpos\ten\tfr"]
    rows = []
    for concept in range(concepts):
        pair = own[2 * concept : 2 * concept + 2]
        lines.append(f"c{concept:02}\tnoun\t{pair[0]}\t{pair[1]}")
        for number in range(documents):
            for side, code in enumerate(LANGUAGES):
                around = chooser.sample(filler[40 * side : 40 * side + 40], 4)
                around += [chooser.choice(rare[side::2])]
                around += [chooser.choice(names[2 * concept : 2 * concept + 2]), pair[side]]
                chooser.shuffle(around)
                key = f"{code}{concept}-{number}"
                rows.append({"id": key, "text": " ".join(around), "language": code, "source": "talk"})
    for number in range(60):
        parts = [
            {"language": code, "text": " ".join(chooser.sample(own[side::2], 4))} for side, code in enumerate(LANGUAGES)
        ]
        text = "\n".join(part["text"] for part in parts)
        rows.append({"id": f"m{number}", "text": text, "language": "mul", "source": "talk", "parts": parts})
    (folder / "documents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (folder / "words.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    study = folder / "natural.toml"
    study.write_text(STUDY.format(folder=folder, tokens=tokens, more=more), "utf-8")
    return study


def write_rows(folder: Path, concepts: int = 40) -> Path:
    """Rows of English with French or with German, some of one English sentence; returns the study file."""
    made = words(3 * concepts + 90, 5)
    own = [made[code::3][:concepts] for code in range(3)]
    filler = [made[3 * concepts + 30 * code :][:30] for code in range(3)]
    chooser, rows = random.Random(9), []
    for number in range(900):
        chosen = chooser.sample(range(concepts), 2)
        # a translation often has another word than the dictionary's
        said = [
            [own[code][c] for c in chosen if not code or chooser.random() < 0.4] + chooser.sample(filler[code], 3)
            for code in range(3)
        ]
        for code, name in ((1, "fr"), (2, "de")):
            parts = [{"language": "en", "text": " ".join(said[0])}, {"language": name, "text": " ".join(said[code])}]
            text = "\n".join(part["text"] for part in parts)
            rows.append({"id": f"{name}{number}", "text": text, "language": "mul", "source": name, "parts": parts})
    (folder / "documents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    lines = [
        "concept_id\tpos\ten\tfr\tde",
        *(f"c{c:02}\tnoun\t" + "\t".join(side[c] for side in own) for c in range(concepts)),
    ]
    (folder / "words.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    study = folder / "natural.toml"
    told = STUDY.format(folder=folder, tokens=8_000, more='parts = ["arrangement"]')
    study.write_text(told.replace('["en", "fr"]', '["en", "fr", "de"]'), "utf-8")
    return study
