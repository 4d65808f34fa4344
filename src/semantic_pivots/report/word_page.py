"""The page of `pivots explain`: each word's path by each lens, as one file without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path

import jinja2

from semantic_pivots.report.token_marks import LEGEND, MARKS


def page(model: str, paths: Sequence[object]) -> str:
    """The page of some paths (`commands.explain.Explained`), as one string."""
    return _template().render(model=model, paths=paths, legend=LEGEND, marks=MARKS)


def write_page(model: str, paths: Sequence[object], stem: Path) -> Path:
    """Write the page as STEM.html; returns the file."""
    file = stem.with_suffix(".html")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page(model, paths), "utf-8")
    return file


@cache
def _template() -> jinja2.Template:
    text = resources.files("semantic_pivots.report").joinpath("templates/words.html.j2").read_text("utf-8")
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(text)
