"""Imports of the server that workers are forked from, so that each worker starts with them.

Numba's first call of a compiled function takes half a second, and the tables of all characters a fifth of one; without
this, every worker of every stage would spend both.
"""

from __future__ import annotations

from semantic_pivots.caching import prepare_process

prepare_process()  # before pyarrow and numba are imported

import pyarrow as pa  # noqa: E402

from semantic_pivots.counting.counts import Task  # noqa: E402

Task([("a", "en"), ("b", "en")], [(("a", "en"), ("b", "en"))]).count(pa.array(["a b"]))
