"""Where fetched models and packages are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(cache: str = "") -> Path:
    """The folder as given, or $PIVOTS_CACHE, or ~/.cache/semantic-pivots."""
    given = cache or os.environ.get("PIVOTS_CACHE", "")
    return Path(given).expanduser() if given else Path.home() / ".cache" / "semantic-pivots"
