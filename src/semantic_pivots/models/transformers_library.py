"""The transformers library itself: its import, and what it prints."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from semantic_pivots.caching import without_collection


@without_collection()
def import_models_quickly() -> None:
    """Import what every model of transformers needs, for a process that reads one model and ends.

    transformers imports its losses of object detection with any model, and SciPy with them; and it lists its folder of
    models twice. Both take a third of the import's CPU time and are left out. The losses lack SciPy afterwards, so the
    command `pivots explain` calls this and no function does.
    """
    import transformers.utils
    from transformers.utils import import_utils

    if not hasattr(import_utils, "create_import_structure_from_path"):
        return  # another version of transformers
    has_scipy, list_folder = transformers.utils.is_scipy_available, import_utils.create_import_structure_from_path

    def list_once(path: str | Path) -> Any:
        # the list is cached by the folder, also where a file in it is given
        return list_folder(Path(path).parent if Path(path).is_file() else Path(path))

    transformers.utils.is_scipy_available, import_utils.create_import_structure_from_path = lambda: False, list_once
    try:
        importlib.import_module("transformers.modeling_utils")
        importlib.import_module("transformers.models.auto.modeling_auto")
    finally:
        transformers.utils.is_scipy_available = has_scipy
        import_utils.create_import_structure_from_path = list_folder


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress transformers' progress bars and notices while the block runs."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
