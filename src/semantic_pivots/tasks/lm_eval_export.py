"""CLWTD as a task folder of lm-evaluation-harness, which runs it unchanged with `--include_path`.

Prompts are written out in full, shots included, so that the harness needs none of our code, and no file names a place,
so that the folder may be moved or published. A document is one item and draw, its choices are the target after the
source and after each distractor. The harness scores a choice by the sum of its log-probabilities; its `acc` is our
variant `choice`, draw by draw.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from semantic_pivots.errors import InputError
from semantic_pivots.files import write_text
from semantic_pivots.tasks.questions import prompt, shots_by_direction
from semantic_pivots.tasks.translation import Item, Shot, answer

if TYPE_CHECKING:
    import pyarrow as pa

TEMPLATE = """tag: clwtd_open
custom_dataset: !function utils.documents
test_split: test
output_type: multiple_choice
num_fewshot: 0
# one answer after several questions: the harness calls this a multiple input, and scores the answer after each
doc_to_text: "{{label}}"
doc_to_choice: "{{prompts}}"
doc_to_target: "{{answer}}"
target_delimiter: ""
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
metadata:
  version: 1.0
"""
TASK = """include: _clwtd_open_yaml
task: {name}
dataset_kwargs:
  file: {name}.jsonl
"""
UTILS = '''"""Documents from the file beside this one, so that the folder may stand anywhere."""

import json
from pathlib import Path

from datasets import Dataset


def documents(file, **further):
    """The split `test` of a task."""
    with open(Path(__file__).parent / file, encoding="utf-8") as lines:
        return {"test": Dataset.from_list(list(map(json.loads, lines)))}
'''
GROUP = """group: clwtd_open
task:
{tasks}
aggregate_metric_list:
  - metric: acc
    aggregation: mean
    weight_by_size: false
metadata:
  version: 1.0
"""


def export_tasks(
    items: Sequence[Item], words: pa.Table, folder: Path, shots: int = 5, draws: int = 5, pool: int = 0, seed: int = 0
) -> list[str]:
    """Write one task per direction and a group of all.

    Args:
        items: items of the benchmark.
        words: Arrow table `words` of the lexicon, from which shots are drawn.
        folder: folder to make; files of an earlier export are replaced.
        shots: translations shown before each question.
        draws: draws of the shots per item; each is a document.
        pool: see `Shots.draws_of`.
        seed: seed of the draws.

    Returns:
        Names of the tasks.
    """
    if not items:
        raise InputError("the benchmark has no items to export")
    folder.mkdir(parents=True, exist_ok=True)
    shots_of = shots_by_direction(items, words, seed)
    names = []
    for direction in shots_of:
        name = f"clwtd_open_{'_'.join(direction)}"
        documents = [
            document
            for item in items
            if item.direction == direction
            for document in documents_of(item, shots_of[direction].draws_of(item, draws, shots, pool))
        ]
        text = "".join(json.dumps(document, ensure_ascii=False) + "\n" for document in documents)
        write_text(folder / f"{name}.jsonl", text)
        write_text(folder / f"{name}.yaml", TASK.format(name=name))
        names.append(name)
    write_text(folder / "_clwtd_open_yaml", TEMPLATE)
    write_text(folder / "utils.py", UTILS)
    write_text(folder / "clwtd_open.yaml", GROUP.format(tasks="\n".join(f"  - {name}" for name in names)))
    return names


def documents_of(item: Item, draws: Sequence[tuple[int, Sequence[Shot]]]) -> list[dict]:
    """One document per draw: ten prompts, the one answer, and the place of the right prompt."""
    return [
        {
            "item_id": item.item_id,
            "draw": draw,
            "prompts": [prompt(item, shots, candidate) for candidate in item.candidates],
            "answer": answer(item.target),
            "label": 0,
        }
        for draw, shots in draws
    ]
