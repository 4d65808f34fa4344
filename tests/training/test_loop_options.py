"""Options of the training loop: documents kept apart, less memory, named checkpoints, adapters."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from semantic_pivots.errors import InputError
from semantic_pivots.training import loop
from semantic_pivots.training import loss as losses
from semantic_pivots.training.adapters import low_rank_adapters
from semantic_pivots.training.train_stage import TrainConfig
from tests.models import tiny

CONFIG = TrainConfig(
    tokens=6 * 4 * 32,
    sequence_tokens=32,
    batch_sequences=4,
    micro_batch_sequences=4,
    learning_rate=1e-3,
    checkpoint_tokens=2 * 4 * 32,
    checkpoint_seconds=0,
)
SEQUENCES = np.random.default_rng(0).integers(3, 600, (24, 32)).astype(np.int32)
END = 1


def fresh(family: str = "llama"):
    torch.set_num_threads(1)
    return copy.deepcopy(tiny.model(family))


def weights(model) -> torch.Tensor:
    return torch.cat([p.detach().float().flatten() for p in model.parameters()])


def trained(tmp_path: Path, config: TrainConfig = CONFIG, name: str = "a", family: str = "llama", end=None):
    model = fresh(family)
    run = loop.train(model, SEQUENCES, config, 0, tmp_path / f"{name}.pt", lambda tokens: None, end)
    return weights(model), run


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_sliced_cross_entropy_has_the_loss_and_gradients_of_the_plain_one(family, monkeypatch):
    ids = torch.from_numpy(SEQUENCES[:3].astype(np.int64))
    monkeypatch.setattr(losses, "_SLICE_LOGITS", 640 * 7)  # slices of seven rows: the last one is shorter
    model, plain = fresh(family), fresh(family)
    chosen = losses.choose_loss(model, ids)
    assert (chosen is losses.own_loss) == (family == "gemma3")  # its logits are capped, which slices do not know
    loss = chosen(model, ids)
    reference = plain(input_ids=ids, labels=ids).loss * ids[:, 1:].numel()
    assert float(loss.detach()) == pytest.approx(float(reference), rel=1e-5)
    loss.backward()
    reference.backward()
    for mine, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        if theirs.grad is not None and mine.grad is not None:
            torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_gradients_made_with_the_loss_leave_ignored_targets_out(dtype, close):
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(23, 8, generator=generator).to(dtype)
    weight = torch.randn(50, 8, generator=generator).to(dtype)
    targets = torch.randint(50, (23,), generator=generator)
    targets[[0, 7, 22]] = losses.IGNORED_TARGET
    found, expected = [], []
    for kept, make in (
        (found, lambda h, w: losses._LossOfHead.apply(h, w, targets, 5)),
        (expected, lambda h, w: torch.nn.functional.cross_entropy((h @ w.T).float(), targets, reduction="sum")),
    ):
        h, w = hidden.clone().requires_grad_(), weight.clone().requires_grad_()
        loss = make(h, w) / 7
        loss.backward()
        kept += [loss.detach(), h.grad, w.grad]
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=close, atol=close)
    frozen = weight.clone()
    h = hidden.clone().requires_grad_()
    (losses._LossOfHead.apply(h, frozen, targets, 5) / 7).backward()
    torch.testing.assert_close(h.grad, found[1], rtol=0, atol=0)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3"])
def test_documents_kept_apart_have_the_loss_of_documents_alone(family):
    first, second = SEQUENCES[0, :9].copy(), SEQUENCES[1, :12].copy()
    packed = torch.from_numpy(np.concatenate([first, [END], second]).astype(np.int64))[None]
    model = fresh(family)
    losses.check_boundaries(model, END)
    with torch.no_grad():
        alone = [np.append(first, END), second]
        apart = sum(float(losses.own_loss(model, torch.from_numpy(d.astype(np.int64))[None])) for d in alone)
        together = losses.choose_loss(model, packed)(model, packed, END)
        running_on = losses.own_loss(model, packed)
    assert float(together) == pytest.approx(apart, rel=1e-4)
    assert float(running_on) != pytest.approx(apart, rel=1e-3)


def test_a_model_that_cannot_keep_documents_apart_is_refused(tmp_path):
    with pytest.raises(InputError, match="document_boundaries"):
        trained(tmp_path, family="bloom", end=END)


@pytest.mark.parametrize("end", [None, int(SEQUENCES[0, 5])])
def test_accumulation_and_checkpointing_equal_the_whole_batch(tmp_path, end):
    whole, log = trained(tmp_path, end=end)
    for name, change in {
        "micro": {"micro_batch_sequences": 1},
        "uneven": {"micro_batch_sequences": 3},
        "checkpointing": {"gradient_checkpointing": True},
    }.items():
        again, other = trained(tmp_path, replace(CONFIG, **change), name, end=end)
        torch.testing.assert_close(again, whole, rtol=0, atol=2e-4)
        assert [r["loss"] for r in other.rows] == pytest.approx([r["loss"] for r in log.rows], rel=1e-4)


def test_models_are_kept_at_named_token_counts(tmp_path):
    model, kept = fresh(), {}
    config = replace(CONFIG, keep_at_tokens=(100, 256))
    loop.train(
        model,
        SEQUENCES,
        config,
        0,
        tmp_path / "k.pt",
        lambda tokens: None,
        None,
        lambda now, tokens: kept.update({tokens: weights(now).clone()}),
    )
    assert sorted(kept) == [100, 256]
    assert not torch.equal(kept[100], kept[256])


def test_adapters_leave_a_plain_model_and_change_only_what_they_adapt(tmp_path):
    pytest.importorskip("peft")
    model = fresh()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    with low_rank_adapters(model, 4, 0):
        loop.train(model, SEQUENCES, CONFIG, 0, tmp_path / "l.pt", lambda tokens: None)
    after = dict(model.named_parameters())
    assert set(after) == set(before)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all("proj" in name for name in changed)


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-6), (torch.bfloat16, 1e-2)])
def test_one_pass_over_the_logits_gives_what_the_passes_give(dtype, close):
    generator = torch.Generator().manual_seed(1)
    logits = (3 * torch.randn(40, 777, generator=generator)).to(dtype)
    targets = torch.randint(0, 777, (40,), generator=generator)
    targets[::7] = losses.IGNORED_TARGET
    first, second = logits.clone(), logits
    torch.testing.assert_close(losses.one_pass_(first, targets), losses._passes_(second, targets))
    torch.testing.assert_close(first, second, atol=close, rtol=0)
    assert not first[::7].any()


def test_a_compiled_loss_that_fails_or_differs_is_not_used(monkeypatch):
    def broken(graph, inputs):
        raise RuntimeError("no such instruction")

    cpu = torch.device("cpu")
    assert losses._fused_loss.__wrapped__(cpu, torch.float32, "eager") is not None
    with pytest.warns(UserWarning, match="the fused loss is not used on cpu"):
        assert losses._fused_loss.__wrapped__(cpu, torch.float32, broken) is None
    monkeypatch.setattr(losses, "one_pass_", lambda logits, targets: logits.sum())
    with pytest.warns(UserWarning, match="it differs by"):
        assert losses._fused_loss.__wrapped__(cpu, torch.float32, "eager") is None
