"""Cache folders of models, packages and compiled functions."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path


def cache_folder(cache: str = "") -> Path:
    """The folder as given, or $PIVOTS_CACHE, or ~/.cache/semantic-pivots."""
    folder = cache or os.environ.get("PIVOTS_CACHE", "")
    return Path(folder).expanduser() if folder else Path.home() / ".cache" / "semantic-pivots"


def prepare_process() -> None:
    """Set environment variables for a process that this package starts (a command or a worker), before its imports.

    `import semantic_pivots` alone does not call it, so a notebook's environment stays as the user set it.
    """
    # Arrow's own pool keeps what earlier shards needed, some 80 MB in every worker, and is no faster here.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # torch's threads wait for one another by spinning. Where other processes share the cores, a step then takes ten
    # times as long, since those who spin keep the core from the one who is waited for.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    use_compiled_cache()
    # The interpreter looks through all objects once more at its end, a second where torch and a model are loaded.
    atexit.register(gc.freeze)


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """Pause Python's garbage collector while libraries are imported and a model's files are read.

    The imports allocate a million objects that are never freed. The collector would scan them repeatedly, which takes
    a quarter of the time. Afterwards they count as old objects, which it does not scan at once.
    """
    is_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.unfreeze()  # into the oldest generation
        if is_on:
            gc.enable()


def use_compiled_cache() -> None:
    """Give numba the folder of `compiled_cache` where it would find none; it reads the variable when it is imported."""
    if (folder := compiled_cache()) is not None:
        os.environ["NUMBA_CACHE_DIR"] = folder


def compiled_cache() -> str | None:
    """A folder for numba's compiled functions, if numba has no writable folder of its own; else None.

    numba writes beside the source or into the user's cache, and ends in an error where it can do neither: in a
    container, or for another user than the one who installed the package. Then it is a folder of this user's under the
    temporary folder, which nobody else may write to: compiled functions are code.
    """
    package = Path(__file__).parent
    user = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "numba"
    if os.environ.get("NUMBA_CACHE_DIR") or any(map(_writable, (package / "__pycache__", user))):
        return None
    try:
        folder = Path(tempfile.gettempdir()) / f"pivots-numba-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022:
            return str(folder)
        return tempfile.mkdtemp(prefix="pivots-numba-")
    except OSError:
        return None


def _writable(folder: Path) -> bool:
    """Whether a folder can be written, or made below its nearest ancestor that is there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)
