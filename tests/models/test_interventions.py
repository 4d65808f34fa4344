"""Interventions whose effect is known exactly, on constructed models."""

import copy
import math

import numpy as np
import pytest
import torch
import transformers

from semantic_pivots.errors import InputError
from semantic_pivots.models.interventions import (
    Patch,
    Suppression,
    orthonormal,
    random_basis,
    target_logprobs,
    unembedding_basis,
)
from semantic_pivots.models.lens import Lens
from semantic_pivots.training.small_models import fresh_model, word_tokenizer
from tests.models import tiny


def test_suppression_takes_out_the_span_and_nothing_else():
    """A model whose answer is read off one direction: without it the answer's logit is that of a zero residual."""
    torch.manual_seed(0)
    tokenizer = word_tokenizer(["a", "b", "c", "d"])
    model = fresh_model("llama", tokenizer, 32, 2, 0).eval()
    lens = Lens.from_model(model)
    ids, starts = [[2, 3, 4, 5]] * 2, [3, 3]
    plain = target_logprobs(lens, ids, starts)
    none = target_logprobs(lens, ids, starts, Suppression([torch.zeros(32, 1)] * 2, [0, 1]))
    np.testing.assert_allclose(plain, none, atol=1e-6)
    everything = target_logprobs(lens, ids, starts, Suppression([torch.eye(32)] * 2, [1]))
    np.testing.assert_allclose(everything, -math.log(len(tokenizer)), atol=1e-5)
    basis = unembedding_basis(lens, [4, 5])
    np.testing.assert_allclose((basis.T @ basis).numpy(), np.eye(2), atol=1e-5)
    own = target_logprobs(lens, ids, starts, Suppression([unembedding_basis(lens, [5])] * 2, [1]))
    hidden = lens.residuals(torch.tensor([[2, 3, 4]]), torch.tensor([2]))[1]
    direction = unembedding_basis(lens, [5])
    left = hidden - hidden @ direction @ direction.T
    expected = torch.log_softmax(lens.decode(left), -1)[0, 5].item()
    np.testing.assert_allclose(own, expected, atol=1e-5)
    with pytest.raises(ValueError, match="layers"):
        target_logprobs(lens, ids, starts, Suppression([direction] * 2, [2]))


def test_prompts_beyond_the_context_and_answers_that_are_no_number_are_refused():
    model = copy.deepcopy(tiny.model("llama"))
    lens = Lens.from_model(model)
    with pytest.raises(InputError, match="a prompt with its answer has 600 tokens, the model's context 512"):
        target_logprobs(lens, [[5] * 600], [599])
    with pytest.raises(InputError, match="a prompt has 600 tokens, the model's context 512"):
        lens.residuals(torch.tensor([[5] * 600]), torch.tensor([599]))
    with torch.no_grad():
        model.get_input_embeddings().weight[7] = float("nan")
    with pytest.raises(InputError, match=r"no number .NaN. for 1 of 2 answers"):
        target_logprobs(lens, [[5, 6, 8], [5, 7, 8]], [2, 2])


def test_dependent_directions_add_nothing():
    one = torch.randn(8, 1)
    assert orthonormal(torch.cat([one, 2 * one], 1)).shape == (8, 1)
    lens = Lens.from_model(fresh_model("gpt2", word_tokenizer(["a"]), 32, 2, 0).eval())
    assert random_basis(lens, 3, 1).shape == (32, 3)
    assert torch.equal(random_basis(lens, 3, 1), random_basis(lens, 3, 1))


def relay():
    """A Llama-like model whose blocks change nothing: what it says next is read off the last token's own embedding."""
    torch.manual_seed(1)
    model = fresh_model("llama", word_tokenizer(["a", "b", "c", "d"]), 32, 3, 0).eval()
    with torch.no_grad():
        for block in model.model.layers:
            block.self_attn.o_proj.weight.zero_()
            block.mlp.down_proj.weight.zero_()
    return model


def test_in_a_model_that_relays_its_input_each_effect_is_known_exactly():
    model = relay()
    lens = Lens.from_model(model)
    ids, starts = [[2, 3, 5], [2, 4, 5]], [2, 2]
    embedded = model.get_input_embeddings().weight.detach()

    def expected(rows):
        return torch.log_softmax(lens.decode(rows), -1)[:, 5].detach().numpy()

    last = embedded[[3, 4]]
    np.testing.assert_allclose(target_logprobs(lens, ids, starts), expected(last), atol=1e-5)
    # patched at the position that is read, in whatever layer: the answer of the other prompt
    values = torch.stack([last.flip(0)] * 3)
    for layers in ([0], [2], [0, 1, 2]):
        found = target_logprobs(lens, ids, starts, Patch([1, 1], values, layers))
        np.testing.assert_allclose(found, expected(last.flip(0)), atol=1e-5)
    # at a position that is not read: nothing, since no block looks back
    found = target_logprobs(lens, ids, starts, Patch([0, 0], values, [0, 1, 2]))
    np.testing.assert_allclose(found, expected(last), atol=1e-5)
    # batches of one row read their own rows of the edit
    bases = [unembedding_basis(lens, [4]), unembedding_basis(lens, [4, 5])]
    whole = target_logprobs(lens, ids, starts, Suppression(bases, [1]))
    np.testing.assert_allclose(target_logprobs(lens, ids, starts, Suppression(bases, [1]), batch=1), whole, atol=1e-6)
    left = torch.stack([row - row @ basis @ basis.T for row, basis in zip(last, bases, strict=True)])
    np.testing.assert_allclose(whole, expected(left), atol=1e-5)
    # to the mean, at the second position alone
    centre = torch.randn(3, 32, generator=torch.Generator().manual_seed(3))
    kept = torch.stack([row - (row - centre[1]) @ b @ b.T for row, b in zip(last, bases, strict=True)])
    found = target_logprobs(lens, ids, starts, Suppression(bases, [1], centre, skip=1))
    np.testing.assert_allclose(found, expected(kept), atol=1e-5)
    found = target_logprobs(lens, ids, starts, Suppression(bases, [1], centre, skip=2))
    np.testing.assert_allclose(found, expected(last), atol=1e-5)


def test_an_unembedding_of_another_width_is_an_error_for_people():
    config = transformers.OPTConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=2, ffn_dim=48, num_attention_heads=4, word_embed_proj_dim=16
    )
    lens = Lens.from_model(transformers.AutoModelForCausalLM.from_config(config).eval())
    with pytest.raises(InputError, match="width 16 and its residual stream 32"):
        unembedding_basis(lens, [4, 5])
