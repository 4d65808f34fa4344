import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch

from semantic_pivots import grammar
from semantic_pivots.errors import InputError
from semantic_pivots.training import loop
from semantic_pivots.training import loss as losses
from semantic_pivots.training.schedule import learning_rate
from semantic_pivots.training.small_models import fresh_model, word_tokenizer
from semantic_pivots.training.train_stage import TrainConfig

TOKENIZER = word_tokenizer([f"w{i}" for i in range(60)])
SEQUENCES = np.random.default_rng(0).integers(0, 60, (24, 16)).astype(np.int32)
CONFIG = TrainConfig(
    tokens=24 * 16,
    sequence_tokens=16,
    batch_sequences=4,
    micro_batch_sequences=4,
    learning_rate=1e-2,
    checkpoint_tokens=2 * 4 * 16,
    checkpoint_seconds=0,
)


def model(architecture: str = "llama"):
    return fresh_model(architecture, TOKENIZER, 32, 2, 0)


def weights(of) -> list[torch.Tensor]:
    return [p.detach().clone() for p in of.parameters()]


class KilledError(Exception):
    pass


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("killed_after", [1, 2, 3, 5])
def test_a_run_killed_at_any_step_continues_to_the_same_bits(tmp_path, dtype, killed_after):
    config = dataclasses.replace(CONFIG, dtype=dtype)
    whole = model()
    expected = loop.train(whole, SEQUENCES, config, 1, tmp_path / "whole.pt", lambda tokens: None)
    steps = 0

    def kill(tokens: int) -> None:
        nonlocal steps
        steps += tokens > 0
        if steps > killed_after:
            raise KilledError

    with pytest.raises(KilledError):
        loop.train(model(), SEQUENCES, config, 1, tmp_path / "part.pt", kill)
    again = model()
    found = loop.train(again, SEQUENCES, config, 1, tmp_path / "part.pt", lambda tokens: None)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(again), strict=True))
    assert found.rows == expected.rows


def test_a_loss_that_is_no_number_stops_with_the_last_good_checkpoint(tmp_path):
    state = tmp_path / "state.pt"
    poisoned = SEQUENCES.copy()
    broken = model()
    steps = 0

    def poison(tokens: int) -> None:
        nonlocal steps
        steps += tokens > 0
        if steps == 3:
            with torch.no_grad():
                next(broken.parameters()).fill_(math.nan)

    with pytest.raises(InputError, match="not a number at step 3"):
        loop.train(broken, poisoned, CONFIG, 1, state, poison)
    kept = torch.load(state, weights_only=True)
    assert kept["run"]["step"] == 2
    assert all(bool(torch.isfinite(m).all()) for m in kept["masters"])


@pytest.mark.parametrize("slice_logits", [70, 1000, 10**9])
def test_the_sliced_loss_and_its_gradient_are_the_models_own(monkeypatch, slice_logits):
    monkeypatch.setattr(losses, "_SLICE_LOGITS", slice_logits)
    ids = torch.from_numpy(SEQUENCES[:3].astype(np.int64))
    one, two = model(), model()
    first, second = losses.sliced_loss(one, ids), losses.own_loss(two, ids)
    torch.testing.assert_close(first, second)
    (first / ids[:, 1:].numel()).backward()
    (second / ids[:, 1:].numel()).backward()
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, atol=1e-6, rtol=1e-4)


def test_a_model_with_capped_logits_is_trained_on_its_own_loss():
    from transformers import Gemma2Config, Gemma2ForCausalLM

    config = Gemma2Config(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        final_logit_softcapping=2.0,
    )
    torch.manual_seed(0)
    capped = Gemma2ForCausalLM(config)
    with torch.no_grad():
        capped.model.embed_tokens.weight.mul_(20)
    ids = torch.from_numpy(SEQUENCES[:1].astype(np.int64))
    assert losses.choose_loss(capped, ids) is losses.own_loss
    assert losses.choose_loss(model(), ids) is losses.sliced_loss


def test_accumulated_gradients_are_those_of_the_whole_batch(tmp_path):
    logs = []
    for micro in (4, 2, 1):
        config = dataclasses.replace(CONFIG, micro_batch_sequences=micro)
        run = loop.train(model(), SEQUENCES, config, 1, tmp_path / f"{micro}.pt", lambda tokens: None)
        logs.append([row["loss"] for row in run.rows])
    np.testing.assert_allclose(logs[1], logs[0], rtol=1e-4)
    np.testing.assert_allclose(logs[2], logs[0], rtol=1e-4)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "mamba", "moe"])
def test_any_architecture_learns_a_sequence_by_heart(tmp_path, architecture):
    sequences = np.tile(np.arange(16, dtype=np.int32), (80, 1))
    config = dataclasses.replace(CONFIG, schedule="constant")
    run = loop.train(model(architecture), sequences, config, 1, tmp_path / "s.pt", lambda tokens: None)
    assert run.rows[-1]["loss"] < 0.2 * run.rows[0]["loss"]


def test_too_few_sequences_for_a_step_are_refused(tmp_path):
    with pytest.raises(InputError, match="one step needs 4 x 16 tokens"):
        loop.train(model(), SEQUENCES[:3], CONFIG, 1, tmp_path / "s.pt", lambda tokens: None)


def test_schedules_warm_up_and_end_where_they_say():
    ends = {"cosine": 0.1, "wsd": 0.0, "constant": 1.0}
    for schedule in grammar.keys("train")["schedule"].choices:
        rates = [learning_rate(step, 1000, 1.0, schedule, 0.1) for step in range(1000)]
        assert rates[0] == pytest.approx(0.01)
        assert max(rates) == pytest.approx(1.0)
        assert rates[-1] == pytest.approx(ends[schedule], abs=0.01)
        assert all(a < b for a, b in itertools.pairwise(rates[:100]))
    assert learning_rate(500, 1000, 1.0, "wsd", 0.1) == 1.0


def test_a_head_with_layers_of_its_own_is_trained_by_the_models_own_loss(tmp_path):
    import transformers

    config = transformers.RemBertConfig(
        vocab_size=64,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        input_embedding_size=16,
        output_embedding_size=16,
        is_decoder=True,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    rembert = transformers.AutoModelForCausalLM.from_config(config)
    ids = torch.from_numpy(SEQUENCES[:4].astype(np.int64))
    expected = rembert(input_ids=ids, labels=ids).loss.item()
    run = loop.train(rembert, SEQUENCES, CONFIG, 1, tmp_path / "state.pt", lambda tokens: None)
    assert run.rows[0]["loss"] == pytest.approx(expected, abs=1e-5)


def test_gradients_of_micro_batches_add_up_in_float32(tmp_path):
    from semantic_pivots.models.device import narrow
    from semantic_pivots.training.weight_updates import ReplicatedWeights

    it = narrow(model(), torch.bfloat16)
    config = dataclasses.replace(CONFIG, dtype="bfloat16", micro_batch_sequences=1)
    kept = ReplicatedWeights(it, config, losses.own_loss, 0, 1)
    expected = [torch.zeros_like(p, dtype=torch.float32) for p in it.parameters()]
    for row in torch.from_numpy(SEQUENCES[:4].astype(np.int64)).split(1):
        alone = torch.autograd.grad(losses.own_loss(it, row), list(it.parameters()))
        expected = [sum_ + part.float() for sum_, part in zip(expected, alone, strict=True)]
        losses.own_loss(it, row).backward()
        kept.add_gradients()
    assert all(torch.equal(m.grad, e) for m, e in zip(kept.masters, expected, strict=True) if m.grad is not None)


def test_a_checkpoint_waits_for_its_tokens_and_its_seconds(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])
    clock = loop._Clock(2, 10)
    device = torch.device("cpu")
    assert not clock.due(2, device)
    now[0] = 10
    assert not clock.due(3, device)
    assert clock.due(4, device)
    assert not clock.due(6, device)
    assert clock.seconds() == 10


def test_what_is_no_number_is_refused_when_it_is_read(tmp_path):
    run = loop.Run(rows=[{"step": step} for step in (1, 2, 3)])
    losses_read = loop._DelayedLosses(run, tmp_path / "state.pt", 3)
    losses_read.add(torch.tensor(1.0), torch.tensor(2.0))
    losses_read.add(torch.tensor(float("nan")), torch.tensor(2.0))
    with pytest.raises(InputError, match="not a number at step 1; no checkpoint"):
        losses_read.add(torch.tensor(1.0), torch.tensor(2.0))


def test_generators_and_deterministic_kernels_are_put_back():
    from semantic_pivots.models.device import deterministic_kernels, random_states, set_random_states

    device = torch.device("cpu")
    states = random_states(device)
    drawn = torch.rand(3)
    set_random_states(states, device)
    assert torch.equal(torch.rand(3), drawn)
    with deterministic_kernels(True):
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()
