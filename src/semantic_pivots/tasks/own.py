"""A task of the user's own: a TSV file of questions and answers, `task = "file"` and `task_path = "FILE.tsv"`.

Columns: source and target; source_language and target_language where they are not the study's first language;
concept_id where several rows are about the same thing; header, question and answer, how the prompt calls what it asks,
one wording for each direction. The wording travels in the items' strata, so that no later stage needs the file.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from semantic_pivots.errors import InputError, nearest
from semantic_pivots.languages import language
from semantic_pivots.tasks.pattern import Pair

NAME = "file"
LABELS = ("header", "question", "answer")
_DEFAULT = ("Please answer each question.", "Question", "Answer")
_COLUMNS = ("source", "target", "source_language", "target_language", "concept_id", *LABELS)
Direction = tuple[str, str]


def read(path: str, languages: Sequence[str]) -> tuple[dict[Direction, list[Pair]], dict[Direction, tuple[str, ...]]]:
    """Pairs, and header, question and answer of the prompt, by direction.

    Raises:
        InputError: the file is missing, has an unknown column or lacks one, or a row cannot be used.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f'[benchmark] task = "file": no file {path!r}; expected task_path = a TSV file of pairs')
    lines = file.read_text("utf-8-sig").split("\n")
    table = csv.DictReader((line for line in lines if line.strip()), delimiter="\t", quoting=csv.QUOTE_NONE)
    rows = list(table)
    _check(path, table.fieldnames or (), rows)
    pairs: dict[Direction, list[Pair]] = {}
    labels: dict[Direction, tuple[str, ...]] = {}
    for number, row in enumerate(rows, 2):
        direction = (row.get("source_language") or languages[0], row.get("target_language") or languages[0])
        for code in direction:
            language(code)
        texts = tuple(row.get(name) or usual for name, usual in zip(LABELS, _DEFAULT, strict=True))
        if labels.setdefault(direction, texts) != texts:
            raise InputError(
                f"{path}: row {number}: another {', '.join(LABELS)} than in the rows before it; expected one"
            )
        concept = row.get("concept_id") or f"{number - 1:05d}"
        if any(pair.concept_id == concept for pair in pairs.get(direction, ())):
            raise InputError(
                f"{path}: row {number}: concept_id {concept!r} stands twice in one direction; expected once"
            )
        pairs.setdefault(direction, []).append(Pair(concept, row["source"].strip(), row["target"].strip()))
    return pairs, labels


def _check(path: str, names: Sequence[str], rows: Sequence[dict]) -> None:
    if "source" not in names or "target" not in names:
        commas = "; its columns are separated by commas, expected tabs" if len(names) == 1 and "," in names[0] else ""
        has = ", ".join(names)
        raise InputError(f"{path}: expected a TSV file with the columns source and target; it has {has}{commas}")
    unknown = next((name for name in names if name not in _COLUMNS), None)
    if unknown is not None:
        raise InputError(f"{path}: unknown column {unknown!r}{nearest(str(unknown), _COLUMNS)}")
    for number, row in enumerate(rows, 2):
        if not (row["source"] or "").strip() or not (row["target"] or "").strip() or None in (*row, *row.values()):
            raise InputError(f"{path}: row {number}: expected {len(names)} cells, source and target not empty")
