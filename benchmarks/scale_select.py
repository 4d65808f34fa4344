"""The selection that `python -m benchmarks.scale` measures: pivot-rich, a tenth of the tokens, of scores on disk.

`python -m benchmarks.scale_select FOLDER DOCUMENTS` prints seconds of CPU and peak MB for FOLDER/doc_scores.parquet. It
is a module of its own because what the other benchmarks import (torch) takes more memory than the selection.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks import WithoutPandas, print_usage
from semantic_pivots import run, tables
from semantic_pivots.files import table_files
from semantic_pivots.selection.score_files import Scores
from semantic_pivots.selection.select_stage import SelectConfig
from semantic_pivots.selection.selections import select


def main() -> None:
    """Make the selection, and print what it took."""
    sys.meta_path.insert(0, WithoutPandas)
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    config = SelectConfig(selections=("pivot-rich",), budget_tokens=count * 55, workers=1)
    scores = Scores({part.stem: part for part in table_files(folder / "doc_scores.parquet")})
    run.publish("select", {}, folder / "out", lambda work: {"selection": select(config, scores, work)}, tables.conform)
    print_usage()


if __name__ == "__main__":
    main()
