"""Corpora from packages: which packages to fetch, and how to extract their text."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from semantic_pivots.corpus.fetch import package_version
from semantic_pivots.corpus.recipes import debian, everyday
from semantic_pivots.errors import InputError, nearest

NAMES = (everyday.NAME, *debian.RECIPES)


def units(recipe: str, languages: tuple[str, ...], cache: Path, note: Callable[[str, object], None]) -> list[Any]:
    """Fetch a recipe's packages, and return the units of work in order: one worker extracts the documents of one unit.

    A unit has a `name`, documents (`read(cache)`) and a row of the table `sources` (`origin()`).

    Args:
        recipe: name of the recipe.
        languages: languages of the study.
        cache: cache folder.
        note: is called with a name and a value for the manifest: the packages' versions, and the packages that the
            distribution lacks.

    Raises:
        InputError: no recipe has the name, or a package cannot be fetched.
    """
    if _is_everyday(recipe):
        return list(everyday.units(recipe, languages, cache))
    recipe_units, absent = debian.units(recipe, languages, cache)
    if absent:
        note("absent_packages", absent)
    note("packages", {u.package: package_version(Path(u.path)) for u in recipe_units if u.path.endswith(".deb")})
    return list(recipe_units)


def missing_languages(recipe: str, languages: tuple[str, ...]) -> list[str]:
    """The languages that no source of a recipe has.

    Empty for Debian's recipes: which languages their packages have is known only after they have been fetched.

    Raises:
        InputError: no recipe has the name.
    """
    recipe_languages = everyday.languages(recipe) if _is_everyday(recipe) else set(languages)
    return [code for code in languages if code not in recipe_languages]


def _is_everyday(recipe: str) -> bool:
    if re.split("[-+]", recipe)[0] != everyday.NAME and recipe not in debian.RECIPES:
        names = ", ".join(NAMES)
        raise InputError(
            f"[corpus] recipe {recipe!r}: expected one of {names}, or a file or folder as [corpus] path"
            f"{nearest(recipe, NAMES)}"
        )
    return recipe not in debian.RECIPES
