"""Rows of logits as distributions, at the speed of memory.

On a CPU torch's `argmax` and `logsumexp` over a vocabulary take six nanoseconds a logit each. A maximum of blocks, and
rows that stay in a core's cache from one pass to the next, take two for both. Accelerators have kernels of their own.
"""

from __future__ import annotations

import torch

from semantic_pivots.errors import InputError

_BLOCK = 256
_ROWS_BYTES = 1 << 20


def check_numbers(sound: torch.Tensor, subject: str, dtype: torch.dtype, first: str = "") -> None:
    """Refuse NaN in a model's outputs; an average would silently be over fewer items.

    Args:
        sound: (n,) bool: whether each output is a number.
        subject: name of the outputs, such as "answer".
        dtype: dtype of the model.
        first: text of the first output that is NaN, if known.

    Raises:
        InputError: some outputs are NaN; the message says how many.
    """
    bad = int((~sound).sum())
    if bad:
        advice = "float16 overflows: use bfloat16 or float32" if dtype == torch.float16 else "its weights are damaged"
        raise InputError(
            f"the model gives no number (NaN) for {bad} of {len(sound)} {subject}s"
            f"{f', first {first}' if first else ''}; " + advice
        )


def rows_at_once(logits: torch.Tensor) -> int:
    """Number of rows of (n, vocabulary) logits to process together: in float32 they fit the CPU cores' own caches."""
    if logits.device.type != "cpu":
        return max(1, len(logits))
    return max(1, _ROWS_BYTES * torch.get_num_threads() // (4 * logits.shape[-1]))


def softmax_(logits: torch.Tensor) -> torch.Tensor:
    """Turn (n, vocabulary) float32 logits into probabilities in place; returns the (n,) log-sum-exp."""
    maximum = logits.amax(-1, keepdim=True)
    total = logits.sub_(maximum).exp_().sum(-1, keepdim=True)
    logits.div_(total)
    return (maximum + total.log_())[:, 0]


def normaliser_of(logits: torch.Tensor) -> torch.Tensor:
    """(n,) float32 logarithm of the summed exponentials of each row, in nats.

    Args:
        logits: (n, vocabulary) float32.
    """
    if logits.device.type != "cpu":
        return torch.logsumexp(logits, -1)
    normaliser = logits.new_empty(len(logits))
    step = rows_at_once(logits)
    for begin in range(0, len(logits), step):
        rows = logits[begin : begin + step]
        maximum = _maximum(rows)
        normaliser[begin : begin + step] = maximum + (rows - maximum[:, None]).exp_().sum(-1).log_()
    return normaliser


def _maximum(rows: torch.Tensor) -> torch.Tensor:
    """The largest value of each row, by the maxima of blocks."""
    size = rows.shape[1]
    block = min(_BLOCK, size)
    most = rows.unfold(1, block, block).amax(-1).amax(-1)  # a view; what fills no block is left over
    rest = size % block
    return torch.maximum(most, rows[:, size - rest :].amax(-1)) if rest else most
