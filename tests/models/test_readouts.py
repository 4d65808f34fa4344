"""Readouts of one residual: where they must agree, what training must not make worse, artefacts of others."""

import json

import pytest
import torch

from semantic_pivots.errors import InputError
from semantic_pivots.models.lens import Lens
from semantic_pivots.models.readouts import Patchscope, TunedLens, fit_tuned, load_tuned, readouts, residual_sample
from semantic_pivots.training.small_models import fresh_model, word_tokenizer

WORDS = [f"w{k}" for k in range(40)]


@pytest.fixture(scope="module")
def tokenizer():
    return word_tokenizer(WORDS)


@pytest.fixture(scope="module")
def lens(tokenizer):
    torch.manual_seed(0)
    model = fresh_model("llama", tokenizer, 32, 3, 0).eval().requires_grad_(False)
    with torch.no_grad():  # weights large enough that layers differ
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(8)
    return Lens.from_model(model)


def texts(count):
    generator = torch.Generator().manual_seed(1)
    return [" ".join(WORDS[i] for i in torch.randint(40, (9,), generator=generator)) for _ in range(count)]


def test_every_readout_reads_the_last_layer_as_the_model_does(lens, tokenizer, tmp_path):
    zeros = torch.zeros(2, 32, 32), torch.zeros(2, 32)
    TunedLens(lens, *zeros).save(tmp_path / "none", {})
    ways = readouts(lens, tokenizer, ["logit", "patchscope", f"tuned:{tmp_path / 'none'}"])
    assert [way.name for way in ways] == ["logit", "patchscope", "tuned:none"]
    rows = lens.residuals(torch.tensor([[3, 4, 5]]), torch.tensor([2]))
    expected = lens.network.model(torch.tensor([[3, 4, 5]])).logits[0, -1]
    for way in ways:
        torch.testing.assert_close(way.read(2, rows[2])[0], expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ways[2].read(0, rows[0]), ways[0].read(0, rows[0]), atol=1e-4, rtol=1e-4)


def test_a_patchscope_goes_on_with_the_residual_at_the_prompt_s_last_token(lens, tokenizer):
    """Its own residual put back changes nothing; every row of a batch is its own."""
    way = Patchscope(lens, tokenizer)
    ids = torch.tensor([way.prompt])
    own = lens.residuals(ids, torch.tensor([ids.shape[1] - 1]))
    expected = lens.network.model(ids).logits[0, -1]
    other = lens.residuals(torch.tensor([[3, 4, 5]]), torch.tensor([2]))
    for layer in range(lens.layers - 1):
        read = way.read(layer, torch.cat([own[layer], other[layer]]))
        torch.testing.assert_close(read[0], expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(read[1:], way.read(layer, other[layer]), atol=1e-4, rtol=1e-4)
        assert (read[1] - expected).abs().max() > 1e-3


def test_a_trained_lens_is_nearer_to_the_model_and_survives_its_file(lens, tokenizer, tmp_path):
    samples = residual_sample(lens, tokenizer, texts(400), 400, 16)
    assert samples.shape == (3, 400, 32)
    tuned, facts = fit_tuned(lens, samples, steps=30)
    assert all(row["kept"] <= min(row["logit"], row["ridge"]) for row in facts)
    assert facts[0]["kept"] < 0.9 * facts[0]["logit"]
    tuned.save(tmp_path / "lens", {"rows": 400})
    again = load_tuned(lens, tmp_path / "lens")
    assert torch.equal(again.weights, tuned.weights)
    assert torch.equal(again.read(0, samples[0, :3]), tuned.read(0, samples[0, :3]))
    assert json.loads((tmp_path / "lens" / "lens.json").read_text())["rows"] == 400
    once, twice = (residual_sample(lens, tokenizer, texts(50), 20, 16) for _ in range(2))
    assert torch.equal(once, twice)


def test_an_artefact_of_the_tuned_lens_package_counts_from_the_embedding(lens, tmp_path):
    generator = torch.Generator().manual_seed(2)
    kept = {}
    for k in range(3):
        kept[f"{k}.weight"] = torch.randn(32, 32, generator=generator) / 8
        kept[f"{k}.bias"] = torch.randn(32, generator=generator)
    torch.save(kept, tmp_path / "params.pt")
    read = load_tuned(lens, tmp_path)
    rows = torch.randn(2, 32, generator=generator)
    expected = lens.decode(rows + torch.nn.functional.linear(rows, kept["1.weight"], kept["1.bias"]))
    torch.testing.assert_close(read.read(0, rows), expected, atol=1e-4, rtol=1e-4)


def test_lenses_that_do_not_fit_are_refused(lens, tokenizer, tmp_path):
    with pytest.raises(InputError, match="unknown lens"):
        readouts(lens, tokenizer, ["turned"])
    with pytest.raises(InputError, match="safetensors"):
        load_tuned(lens, tmp_path)
    other = Lens.from_model(fresh_model("gpt2", tokenizer, 16, 3, 0).eval())
    TunedLens(other, torch.zeros(2, 16, 16), torch.zeros(2, 16)).save(tmp_path / "other", {})
    with pytest.raises(InputError, match="expected"):
        load_tuned(lens, tmp_path / "other")
    with pytest.raises(InputError, match="documents"):
        residual_sample(lens, tokenizer, texts(3), 5)
