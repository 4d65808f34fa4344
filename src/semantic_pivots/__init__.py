"""Measure, explain and improve how language models carry meaning across languages."""

import os

# Arrow's own pool keeps what shards before the present one needed, some 80 MB in every worker, and is no faster here.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
