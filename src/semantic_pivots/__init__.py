"""Measure, explain and improve how language models carry meaning across languages."""

import os

from semantic_pivots.caching import compiled_cache

# Arrow's own pool keeps what shards before the present one needed, some 80 MB in every worker, and is no faster here.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
# numba reads this when it is imported
if (folder := compiled_cache()) is not None:
    os.environ["NUMBA_CACHE_DIR"] = folder
