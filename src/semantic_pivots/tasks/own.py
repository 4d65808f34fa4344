"""A task of the user's own: questions and answers in a TSV file, or of an installed package.

The file is `task = "file"` and `task_path = "FILE.tsv"`. A package names a function in the group of entry points
`semantic_pivots.tasks`; the name of the entry point is the name of the task. The function is called with the study's
languages and returns rows as mappings of the file's columns.

Columns: source and target; source_language and target_language where they are not the study's first language;
concept_id where several rows are about the same thing; header, question and answer, how the prompt calls what it asks,
one wording for each direction. The wording travels in the items' strata, so that no later stage needs file or package.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from semantic_pivots.errors import InputError, nearest
from semantic_pivots.languages import language
from semantic_pivots.tasks.pattern import Pair

NAME, GROUP = "file", "semantic_pivots.tasks"
LABELS = ("header", "question", "answer")
_DEFAULT = ("Please answer each question.", "Question", "Answer")
_COLUMNS = ("source", "target", "source_language", "target_language", "concept_id", *LABELS)
Direction = tuple[str, str]
Pairs = tuple[dict[Direction, list[Pair]], dict[Direction, tuple[str, ...]]]
"""Pairs, and header, question and answer of the prompt, by direction."""


def packages() -> dict[str, str]:
    """Name and version of the package of each task that installed packages give."""
    return {point.name: _package(point) for point in metadata.entry_points(group=GROUP)}


def read(path: str, languages: Sequence[str]) -> Pairs:
    """The pairs of a file.

    Raises:
        InputError: the file is missing, has an unknown column or lacks one, or a row cannot be used.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"task {NAME!r}: no file {path!r}; expected the path of a TSV file of pairs")
    lines = file.read_text("utf-8-sig").split("\n")
    table = csv.DictReader((line for line in lines if line.strip()), delimiter="\t", quoting=csv.QUOTE_NONE)
    rows = list(table)
    _check(path, table.fieldnames or (), rows, 2)
    return _pairs(path, rows, languages, 2)


def read_from_package(task: str, languages: Sequence[str]) -> Pairs:
    """The pairs of a task of an installed package.

    Raises:
        InputError: two packages give the task, its function fails, or its rows cannot be used.
    """
    points = list(metadata.entry_points(group=GROUP, name=task))
    if len(points) > 1:
        raise InputError(f"task {task!r}: {' and '.join(map(_package, points))} give it; uninstall all but one")
    place = f"task {task!r} ({points[0].value} of {_package(points[0])})"
    try:
        rows = [dict(row) for row in points[0].load()(languages)]
    except Exception as error:  # of the package's own code
        raise InputError(f"{place}: {type(error).__name__}: {error}") from error
    if not rows:
        raise InputError(f"{place} has no pairs in {', '.join(languages)}; give other languages")
    _check(place, list(dict.fromkeys(name for row in rows for name in row)), rows, 1)
    return _pairs(place, rows, languages, 1)


def _package(point: metadata.EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value


def _pairs(place: str, rows: Sequence[Mapping[str, str]], languages: Sequence[str], first: int) -> Pairs:
    pairs: dict[Direction, list[Pair]] = {}
    labels: dict[Direction, tuple[str, ...]] = {}
    for number, row in enumerate(rows, first):
        direction = (row.get("source_language") or languages[0], row.get("target_language") or languages[0])
        for code in direction:
            language(code)
        texts = tuple(row.get(name) or usual for name, usual in zip(LABELS, _DEFAULT, strict=True))
        if labels.setdefault(direction, texts) != texts:
            raise InputError(
                f"{place}: row {number}: another {', '.join(LABELS)} than in the rows before it; expected one"
            )
        concept = row.get("concept_id") or f"{number - first + 1:05d}"
        if any(pair.concept_id == concept for pair in pairs.get(direction, ())):
            raise InputError(
                f"{place}: row {number}: concept_id {concept!r} stands twice in one direction; expected once"
            )
        pairs.setdefault(direction, []).append(Pair(concept, row["source"].strip(), row["target"].strip()))
    return pairs, labels


def _check(place: str, names: Sequence[str], rows: Sequence[Mapping], first: int) -> None:
    """Refuse unknown columns, and rows without source or target or with cells that are no text of one line."""
    if "source" not in names or "target" not in names:
        commas = "; its columns are separated by commas, expected tabs" if len(names) == 1 and "," in names[0] else ""
        raise InputError(f"{place}: expected the columns source and target; it has {', '.join(names)}{commas}")
    unknown = next((name for name in names if name not in _COLUMNS), None)
    if unknown is not None:
        raise InputError(f"{place}: unknown column {unknown!r}{nearest(str(unknown), _COLUMNS)}")
    for number, row in enumerate(rows, first):
        is_text = None not in row and all(
            isinstance(cell, str) and not set("\t\r\n").intersection(cell) for cell in row.values()
        )
        if not is_text or not all(row.get(name, "").strip() for name in ("source", "target")):
            raise InputError(
                f"{place}: row {number}: expected {len(names)} cells of one line of text, source and target not empty"
            )
