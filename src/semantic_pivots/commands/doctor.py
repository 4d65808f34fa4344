"""`pivots doctor`: whether this machine can run a study, one line for each thing it needs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from semantic_pivots.caching import cache_folder
from semantic_pivots.errors import InputError

_GIGABYTE = 1_000_000_000
Check = tuple[bool, str, str]
"""Whether it holds, what was found, and what to do where it does not."""


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return sys.version_info >= (3, 11), f"Python {version}", "install Python 3.11 or later"


def _torch() -> Check:
    try:
        import torch
    except ImportError as error:
        return False, f"torch cannot be imported ({error})", "run make setup"
    from semantic_pivots.models.device import device_name

    return True, f"torch {torch.__version__} on {device_name()}", ""


def _memory() -> Check:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIGABYTE
    return total >= 8, f"{total:.0f} GB of memory", "the demo needs 8 GB: choose a smaller model or batch_tokens"


def _disk() -> Check:
    folder = cache_folder()
    parent_folder = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(parent_folder).free / _GIGABYTE
    local = shutil.disk_usage(Path.cwd()).free / _GIGABYTE
    found = f"{free:.0f} GB free in the cache's place ({folder}), {local:.0f} GB here"
    return min(free, local) >= 5, found, "free 5 GB, or set PIVOTS_CACHE to a folder on a larger disk"


def _fetchers() -> Check:
    missing = [name for name in ("apt-get", "dpkg-deb", "npm") if shutil.which(name) is None]
    text = f"{', '.join(missing)} missing" if missing else "apt-get, dpkg-deb and npm"
    return not missing, text, "the recipes need them (npm: everyday alone); else set [corpus] path"


def _lens(model: str) -> Check:
    from semantic_pivots.models.lens import Lens, LensError
    from semantic_pivots.models.load import load

    try:
        lens = Lens.from_model(load(model).model)
    except InputError as error:
        return False, f"model {model} cannot be loaded", str(error)
    except LensError as error:
        return False, f"model {model}: the lens does not hold", str(error)
    return True, f"model {model}: the lens of the last of {lens.layers} layers equals its logits", ""


def checks(model: str) -> Iterator[tuple[str, Check]]:
    """Every check by name, made as it is asked for."""
    simple: dict[str, Callable[[], Check]] = {
        "python": _python,
        "torch": _torch,
        "memory": _memory,
        "disk": _disk,
        "fetchers": _fetchers,
    }
    for name, check in simple.items():
        yield name, check()
    yield "lens", _lens(model)
