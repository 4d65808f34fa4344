"""Whatever happens to a corpus command, the same bytes or one clear line (tests/chaos.py)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_corpus_commands_give_the_same_bytes_or_one_clear_line(tmp_path: Path):
    seed = os.environ.get("PIVOTS_CHAOS_SEED", "24")
    command = [sys.executable, "-m", "tests.chaos", str(tmp_path), seed]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    assert done.returncode == 0, f"PIVOTS_CHAOS_SEED={seed}\n{done.stdout}{done.stderr[-2000:]}"
