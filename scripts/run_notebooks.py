"""Run notebooks anew and store their outputs: `python scripts/run_notebooks.py [NOTEBOOK ...]`; none: all examples.

`make notebooks` installs what it needs. What is told of progress is not stored.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(path: Path) -> None:
    """Execute a notebook in a kernel of this environment; its outputs replace those that were stored."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, resources={"metadata": {"path": str(EXAMPLES)}}).execute()
    store(notebook, path)


def store(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write a notebook without the error stream (progress, warnings) and without the times of its cells."""
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
    notebook.metadata = {name: notebook.metadata[name] for name in ("kernelspec", "language_info")}
    notebook.metadata["language_info"] = {"name": "python"}
    path.write_text(nbformat.writes(notebook) + "\n", "utf-8")


if __name__ == "__main__":
    for given in map(Path, sys.argv[1:] or sorted(EXAMPLES.glob("*.ipynb"))):
        run(given)
