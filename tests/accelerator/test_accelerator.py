"""An accelerator against this machine's CPU: `PIVOTS_TEST_ACCELERATOR=1 pytest tests/accelerator`."""

import copy
from typing import Any

import numpy as np
import pytest
import torch

from semantic_pivots.models.device import default_device
from semantic_pivots.models.network import Network
from semantic_pivots.scoring.scorer import Scorer
from semantic_pivots.training import loop
from semantic_pivots.training.train_stage import TrainConfig
from tests.models import tiny
from tests.scoring.test_scorer import pairs

pytestmark = [
    pytest.mark.accelerator,
    pytest.mark.skipif(not torch.accelerator.is_available(), reason="this machine shows no accelerator"),
]
CONFIG = TrainConfig(
    tokens=6 * 4 * 32,
    sequence_tokens=32,
    batch_sequences=4,
    micro_batch_sequences=2,
    learning_rate=1e-3,
    checkpoint_tokens=2 * 4 * 32,
    checkpoint_seconds=0,
    deterministic=True,
)
SEQUENCES = np.random.default_rng(0).integers(3, 600, (24, 32)).astype(np.int32)


def on_device(family: str) -> Any:
    twin: Any = copy.deepcopy(tiny.model(family))
    return twin.to(default_device())


@pytest.mark.filterwarnings("ignore:float32")
@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma3", "opt", "mamba"])
def test_scores_and_greedy_text_equal_the_cpus(family):
    tokenizer: Any = tiny.tokenizer("byte-level")
    prompts, answers = pairs()
    here, there = (Scorer(model, tokenizer) for model in (tiny.model(family), on_device(family)))
    for one, other in zip(here.score(prompts, answers), there.score(prompts, answers), strict=True):
        np.testing.assert_allclose(one.logprobs, other.logprobs, atol=1e-3, rtol=0)
    assert (here.trees, here.sharing) == (there.trees, there.sharing)
    assert here.greedy(prompts[::12], 4) == there.greedy(prompts[::12], 4)


def test_logits_of_a_plain_head_are_float32():
    model = on_device("llama").to(torch.bfloat16)
    hidden = torch.randn(3, 32, device=model.device, dtype=torch.bfloat16)
    logits = Network(model).logits(hidden)
    exact = hidden.double() @ model.get_output_embeddings().weight.double().T
    assert logits.dtype == (torch.float32 if model.device.type == "cuda" else torch.bfloat16)
    bound = 1e-4 if logits.dtype == torch.float32 else 1e-2
    assert float((logits - exact).abs().max()) <= bound * float(exact.abs().max())


def test_six_steps_equal_the_cpus(tmp_path):
    runs = [
        loop.train(model, SEQUENCES, CONFIG, 0, tmp_path / f"{number}.pt", lambda tokens: None)
        for number, model in enumerate((copy.deepcopy(tiny.model("llama")), on_device("llama")))
    ]
    for one, other in zip(*(run.rows for run in runs), strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-3)


@pytest.mark.parametrize("family", ["llama", "gpt2"])  # GPT-2 has dropout
def test_a_stopped_run_equals_one_that_was_not(family, tmp_path):
    whole, again = on_device(family), on_device(family)
    loop.train(whole, SEQUENCES, CONFIG, 0, tmp_path / "whole.pt", lambda tokens: None)
    calls: list[int] = []

    def stop(tokens: int) -> None:
        calls.append(tokens)
        if len(calls) == 5:  # the first call tells what was done before
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loop.train(on_device(family), SEQUENCES, CONFIG, 0, tmp_path / "stopped.pt", stop)
    loop.train(again, SEQUENCES, CONFIG, 0, tmp_path / "stopped.pt", lambda tokens: None)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))
