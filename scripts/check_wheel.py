"""Build the wheel, install it in an empty environment outside the repository, and run it there.

python scripts/check_wheel.py [INTERPRETER ...]        # python3.11 python3.12; none: this one
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
STUDY = """
[study]
languages = ["en", "fr"]
stages = ["lexicon", "benchmark"]
"""
IMPORT = """
import semantic_pivots as sp

assert sp.__version__
assert len(sp.make_items({"en": ["dog", "cat"], "fr": ["chien", "chat"]}, distractors=1)) == 4
"""


def check(interpreter: str, wheel: Path) -> None:
    """Install the wheel for one interpreter and run `pivots doctor`, a small study and the public names."""
    with tempfile.TemporaryDirectory(prefix="pivots-wheel-") as name:
        folder = Path(name)
        (folder / "study.toml").write_text(STUDY, "utf-8")
        subprocess.run([interpreter, "-m", "venv", folder / "venv"], check=True)
        python, pivots = (folder / "venv" / "bin" / command for command in ("python", "pivots"))
        install = [python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", wheel]
        for command in (install, [pivots, "run", "study.toml"], [python, "-c", IMPORT]):
            subprocess.run(command, check=True, cwd=folder)
        # its model is a package of its own, so that the check of the lens fails here, and names the package
        told = subprocess.run([pivots, "doctor"], cwd=folder, capture_output=True, text=True).stdout
        print(told)
        assert "ok   torch" in told
        assert (folder / "runs" / "study" / "benchmark" / "items.parquet").is_file()
        print(f"{interpreter}: {wheel.name} installs and runs")


if __name__ == "__main__":
    out = ROOT / "build" / "dist"
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", out, ROOT], check=True)
    newest = max(out.glob("*.whl"), key=lambda path: path.stat().st_mtime)
    for given in sys.argv[1:] or [sys.executable]:
        check(given, newest)
