"""Any model of lm-evaluation-harness as a backend of the scorer: an object with its `loglikelihood` is enough.

The harness tells the sum of an answer's log-probabilities, not those of its tokens. The sum is exact as far as the
backend is; it is stored spread evenly over the answer's tokens, since every figure of this package uses the sum and the
number of tokens alone. Prefixes are not shared: where a model can be loaded here, `Scorer` is many times faster.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from semantic_pivots.errors import InputError


class HarnessScorer:
    """Scores and continues prompts through an object with lm-evaluation-harness's methods."""

    def __init__(self, backend: Any):
        """Wrap a backend.

        Args:
            backend: an object with `loglikelihood(requests) -> [(sum, is greedy)]`. Where it has `tok_encode`, answers
                are counted in its tokens; without, an answer counts as one token, and `paper` equals `sum`. Where it
                has `generate_until`, greedy answers are asked of it.
        """
        if not callable(getattr(backend, "loglikelihood", None)):
            raise InputError(f"{type(backend).__name__} has no method loglikelihood; expected a model of lm_eval")
        self.backend = backend

    def score(self, prompts: Sequence[str], answers: Sequence[str]) -> list[Any]:
        """Objects with `logprobs`: (tokens,) float32 nats of each answer, of which only sum and length are known."""
        requests = [_request("loglikelihood", pair, n) for n, pair in enumerate(zip(prompts, answers, strict=True))]
        sums = self.backend.loglikelihood(requests)
        if len(sums) != len(requests):
            raise InputError(f"the backend gave {len(sums)} log-likelihoods for {len(requests)} requests")
        bad = [place for place, (value, _) in enumerate(sums) if math.isnan(value)]
        if bad:
            raise InputError(
                f"the backend gives no number (NaN) for {len(bad)} of {len(sums)} answers, first "
                f"{answers[bad[0]]!r}: its model is damaged or overflows"
            )
        counts = [self._tokens(p, a) for p, a in zip(prompts, answers, strict=True)]
        return [
            SimpleNamespace(logprobs=np.full(count, value / count, dtype=np.float32))
            for (value, _), count in zip(sums, counts, strict=True)
        ]

    def greedy(self, prompts: Sequence[str], max_new_tokens: int) -> list[str]:
        """The backend's greedy continuation of each prompt up to a line's end; empty if it cannot generate."""
        if not callable(getattr(self.backend, "generate_until", None)):
            return [""] * len(prompts)
        options = {"until": ["\n"], "max_gen_toks": max_new_tokens, "do_sample": False}
        requests = [_request("generate_until", (prompt, options), n) for n, prompt in enumerate(prompts)]
        return [text.lstrip().split("\n")[0].strip() for text in self.backend.generate_until(requests)]

    def answer_tokens(self, answers: Sequence[str]) -> int:
        """Number of tokens of the longest answer; if the backend cannot tokenise, its bytes, an upper bound."""
        encode = getattr(self.backend, "tok_encode", None)
        return max(len(encode(answer)) if encode else len(answer.encode()) for answer in answers)

    def _tokens(self, prompt: str, answer: str) -> int:
        encode = getattr(self.backend, "tok_encode", None)
        return max(1, len(encode(prompt + answer)) - len(encode(prompt))) if encode else 1


def _request(kind: str, arguments: tuple, number: int) -> Any:
    try:
        from lm_eval.api.instance import Instance
    except ImportError:
        # the harness's models read nothing but `args` of a request
        return SimpleNamespace(request_type=kind, args=arguments, idx=number)
    return Instance(kind, {}, arguments, number)  # pyright: ignore[reportArgumentType]
