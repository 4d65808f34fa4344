"""What the benchmarks share: time, memory, the words that are asked for."""

from __future__ import annotations

import collections
import gc
import math
import pickle
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numba
import numpy as np
import pyarrow.parquet as pq

from semantic_pivots.counting.counts import Pair, Word
from semantic_pivots.counting.strings import buffers
from semantic_pivots.models.device import default_device, peak_memory, start_peak, synchronise
from semantic_pivots.words import is_joining, normalise

TERABYTE = 1e12
Result = TypeVar("Result")


def text_bytes(paths: list[Path]) -> int:
    """UTF-8 bytes of the texts of shards."""
    return sum(int(buffers(pq.read_table(path, columns=["text"])["text"])[1][-1]) for path in paths)


def frequent_words(paths: list[Path], n_words: int, n_pairs: int, seed: int = 0) -> tuple[list[Word], list[Pair]]:
    """The most frequent words of a sample of the corpus (two characters where no boundary is written), and pairs."""
    counts: collections.Counter[Word] = collections.Counter()
    for path in paths:
        for text in pq.read_table(path, columns=["text"])["text"].slice(0, 300).to_pylist():
            text = normalise(text)
            counts.update((w, "en") for w in set(re.findall(r"[^\W\d_]{2,}", text)) if all(map(is_joining, w)))
            counts.update((w, "zh") for w in set(re.findall(r"[\u3040-\u30ff\u4e00-\u9fff]{2}", text)))
    ranked = sorted(counts, key=lambda w: (-counts[w], w))
    words = [w for code in ("en", "zh") for w in [r for r in ranked if r[1] == code][: n_words // 2]]
    chooser = random.Random(seed)
    pairs = {tuple(sorted(chooser.sample(words, 2))) for _ in range(2 * n_pairs)}
    return words, sorted(pairs)[:n_pairs]  # type: ignore[return-value]


def timed(function: Callable[[], Result], repeats: int = 1) -> tuple[float, Result]:
    """Least seconds of the repeats, and the last result."""
    least = math.inf
    while True:
        begun = time.perf_counter()
        made = function()
        synchronise(default_device())
        least = min(least, time.perf_counter() - begun)
        repeats -= 1
        if repeats < 1:
            return least, made


def peak_of(call: str, *arguments: object) -> tuple[float, str]:
    """Peak resident MB of a fresh process that calls `module:function` with the arguments, and what it printed."""
    module, _, function = call.partition(":")
    code = (
        f"import pickle, sys; from {module} import {function}; from benchmarks.measure import own_peak\n"
        f"{function}(*pickle.load(open(sys.argv[1], 'rb'))); print(own_peak())"
    )
    with tempfile.NamedTemporaryFile() as asked:
        pickle.dump(arguments, asked)
        asked.flush()
        command = [sys.executable, "-c", code, asked.name]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.rstrip().rsplit("\n", 1)
    return float(printed[-1]), printed[0]


def own_peak() -> float:
    """Peak resident MB of this process (Linux; ru_maxrss would be at least what its parent held when it began)."""
    return _status("VmHWM") / 1e6


class PeakMemory:
    """Bytes above the start of a block, at their highest: an accelerator's, else resident memory (Linux)."""

    def __enter__(self) -> PeakMemory:
        gc.collect()
        self._device = default_device()
        if self._device.type != "cpu":
            self._before = start_peak(self._device)
            return self
        Path("/proc/self/clear_refs").write_text("5")
        self._before = _status("VmRSS")
        return self

    def __exit__(self, *_: object) -> None:
        peak = peak_memory(self._device)
        self.bytes = (_status("VmHWM") if peak is None else peak) - self._before


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {name}")


@numba.njit(cache=True)
def _add(tokens, counts):  # pragma: no cover - compiled
    for token in tokens:
        counts[token & 4095] += 1


def cached_adds(tokens: np.ndarray) -> float:
    """Adds a second when every counter lies in the nearest cache: the limit of counting tokens, measured."""
    counts = np.zeros(4096, np.uint32)
    _add(tokens[:10], counts)
    seconds, _ = timed(lambda: _add(tokens, counts), 3)
    return len(tokens) / seconds
