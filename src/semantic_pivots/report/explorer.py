"""The explorer's files: a page, its script, plotly.js and two files of data per concept.

Data are scripts that call a function of the page. JSON would be plainer, but a browser refuses to fetch it from a file,
and the same files are to work from a server, from a published folder and from a disk.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from semantic_pivots.errors import InputError
from semantic_pivots.report.explorer_data import Explorer

ASSETS = {"index.html": "explorer.html", "explorer.js": "explorer.js", "plotly.min.js": "plotly.min.js"}
"""The files beside the data, by the name under which they are served."""


def asset(name: str) -> bytes:
    """The content of one of `ASSETS`."""
    if name == "plotly.min.js":
        return resources.files("plotly").joinpath("package_data/plotly.min.js").read_bytes()
    return resources.files("semantic_pivots.report").joinpath("templates", ASSETS[name]).read_bytes()


def data_script(name: str, value: object) -> str:
    """A script that hands a value to the page."""
    return f"received({json.dumps(name)}, {json.dumps(value, ensure_ascii=False, allow_nan=False)});\n"


def write_static(run: Path, folder: Path) -> int:
    """Write the explorer of a run as files that work without a server; returns their number.

    Raises:
        InputError: the output folder has other files, or the input folder is not a run.
    """
    explorer = Explorer(run)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "data/index.js").exists():
        raise InputError(f"{folder} holds other files: expected a new or an empty folder, or one of an explorer")
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for old in (folder / "data").glob("con*-*.js"):
        old.unlink()
    for name in ASSETS:
        (folder / name).write_bytes(asset(name))
    for number, concept in enumerate(explorer.run.concepts):
        for kind, value in (("concept", explorer.concept(concept)), ("context", explorer.context(concept))):
            text = data_script(f"{kind}-{number}", value)
            (folder / "data" / f"{kind}-{number}.js").write_text(text, "utf-8")
    (folder / "data" / "index.js").write_text(data_script("index", explorer.index()), "utf-8")
    return len(ASSETS) + 1 + 2 * len(explorer.run.concepts)
