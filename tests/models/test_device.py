import pytest
import torch

from semantic_pivots.models import device
from semantic_pivots.training.small_models import fresh_model, word_tokenizer

TOKENIZER = word_tokenizer([f"w{i}" for i in range(40)])


def rotary(model) -> dict[str, torch.Tensor]:
    return {name: buffer for name, buffer in model.named_buffers() if "inv_freq" in name}


def test_narrowing_casts_weights_and_leaves_rotary_frequencies():
    model = fresh_model("llama", TOKENIZER, 32, 2, 0)
    before = {name: buffer.clone() for name, buffer in rotary(model).items()}
    assert before
    device.narrow(model, torch.bfloat16)
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}
    assert all(torch.equal(buffer, before[name]) for name, buffer in rotary(model).items())
    # what `model.to` does instead, and why it matters: the angle at position 1,024 moves
    rounded = fresh_model("llama", TOKENIZER, 32, 2, 0).to(torch.bfloat16)
    apart = max(float((1024 * (before[n] - b.float())).abs().max()) for n, b in rotary(rounded).items())
    assert apart > 0.05


def test_narrowing_keeps_tied_weights_tied_and_casts_what_a_checkpoint_holds():
    model = fresh_model("gpt2", TOKENIZER, 32, 2, 0)
    model.register_buffer("scale", torch.ones(3))
    device.narrow(model, torch.bfloat16)
    assert model.get_buffer("scale").dtype == torch.bfloat16
    tied = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    assert model.config.tie_word_embeddings == (tied[0] is tied[1])


@pytest.mark.skipif(torch.accelerator.is_available(), reason="asks what a machine without an accelerator answers")
def test_a_machine_without_an_accelerator():
    cpu = device.default_device()
    assert (cpu.type, device.device_count()) == ("cpu", 0)
    assert device.free_memory(cpu) is None
    assert device.peak_memory(cpu) is None
    assert device.device_name().startswith("CPU")
    device.synchronise(cpu)
    device.release_memory(cpu)
