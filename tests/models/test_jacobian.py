"""The Jacobian lens: exact where the model is linear, autograd's Jacobian where it is not, read by its file."""

from typing import Any

import pytest
import torch
import transformers
from torch.autograd.functional import jacobian as full_jacobian
from transformers import modeling_outputs

from semantic_pivots.errors import InputError
from semantic_pivots.models.jacobian import Jacobian, fit_jacobian, identity_part, load_jacobian, nearness, random_turn
from semantic_pivots.models.lens import Lens, LensError
from semantic_pivots.models.readouts import readouts
from tests.models.test_lens import other, tiny
from tests.models.tiny import tokenizer

WIDTH = 6


class LinearBlock(torch.nn.Module):
    """h + A h + B (sum of the earlier positions' h)."""

    def __init__(self):
        super().__init__()
        self.own, self.earlier = (torch.nn.Parameter(torch.randn(WIDTH, WIDTH) / 3) for _ in range(2))

    def forward(self, hidden):
        before = hidden.cumsum(1) - hidden
        return hidden + hidden @ self.own.T + before @ self.earlier.T


class Linear(transformers.PreTrainedModel):
    """A causal language model of linear blocks, without a norm."""

    config_class = transformers.LlamaConfig

    def __init__(self, config):
        super().__init__(config)
        self.model: Any = torch.nn.Module()
        self.model.embed = torch.nn.Embedding(20, WIDTH)
        self.model.layers = torch.nn.ModuleList(LinearBlock() for _ in range(3))
        self.model.forward = self._decode
        self.lm_head = torch.nn.Linear(WIDTH, 20, bias=False)

    def _decode(self, input_ids=None, **_):
        hidden = self.model.embed(input_ids)
        for block in self.model.layers:
            hidden = block(hidden)
        return modeling_outputs.BaseModelOutputWithPast(last_hidden_state=hidden)

    def get_decoder(self):
        return self.model

    def get_input_embeddings(self):
        return self.model.embed

    def get_output_embeddings(self):
        return self.lm_head

    def forward(self, input_ids=None, **_):
        return modeling_outputs.CausalLMOutput(
            logits=self.lm_head(self.model.forward(input_ids=input_ids).last_hidden_state)
        )


@pytest.fixture(scope="module")
def linear():
    torch.manual_seed(0)
    config = transformers.LlamaConfig(vocab_size=20, hidden_size=WIDTH, num_hidden_layers=3, num_attention_heads=1)
    return Lens.from_model(Linear(config).eval())


def test_of_a_linear_model_the_map_is_the_product_of_its_blocks(linear):
    """By hand: the last block alone is I + A at a position's own place and B at each later one."""
    prompts = [[3, 1, 4, 1, 5, 9], [2, 6, 5, 3]]
    fitted = fit_jacobian(linear, prompts, batch=2, leading=2)
    block = linear.blocks[2]
    own, earlier = torch.eye(WIDTH) + block.own.detach(), block.earlier.detach()
    # sources at 2 to 5 reach 3, 2, 1, 0 later positions; those at 2 and 3 of the second prompt 1 and 0
    expected = own + (1.5 * earlier + 0.5 * earlier) / 2
    torch.testing.assert_close(fitted.maps[1], expected, atol=1e-5, rtol=1e-5)
    assert fitted.prompts == 2
    assert sorted(fitted.maps) == [0, 1]


def stream(output: Any) -> torch.Tensor:
    """(tokens, width) what a block hands on of a single prompt."""
    return (output[0] if isinstance(output, tuple) else output)[0]


def blocks_alone(lens, first):
    """The last residual stream as a function of the stream after block `first`, in one prompt."""

    def rest(ids, hidden):
        def replace(module, arguments, output):
            return (hidden[None], *output[1:]) if isinstance(output, tuple) else hidden[None]

        kept = []
        handles = [
            lens.blocks[first].register_forward_hook(replace),
            lens.blocks[-1].register_forward_hook(lambda m, a, output: kept.append(stream(output))),
        ]
        lens.run(ids, torch.tensor([ids.shape[1] - 1]), torch.ones_like(ids))
        for handle in handles:
            handle.remove()
        return kept[0]

    return rest


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3_text", "mamba", "mamba2", "qwen3_moe"])
def test_the_maps_are_those_of_autograd(family):
    lens = Lens.from_model(tiny(family))
    prompts, skipped = [[5, 9, 3, 17, 2, 8, 11], [4, 4, 7, 19]], 2
    fitted = fit_jacobian(lens, prompts, batch=2, leading=skipped)
    for layer in (0, 1):
        expected = torch.zeros_like(fitted.maps[layer])
        for prompt in prompts:
            ids = torch.tensor([prompt])
            hidden: list[torch.Tensor] = []
            with torch.no_grad():
                handle = lens.blocks[layer].register_forward_hook(
                    lambda m, a, output, hidden=hidden: hidden.append(stream(output).clone())
                )
                lens.run(ids, torch.tensor([len(prompt) - 1]), torch.ones_like(ids))
                handle.remove()
            rest = blocks_alone(lens, layer)
            all_pairs: Any = full_jacobian(lambda h, ids=ids, rest=rest: rest(ids, h), hidden[0])
            # (target, width, source, width): sum over targets, mean over sources, the first positions left out
            expected += all_pairs[skipped:, :, skipped:].sum(0).mean(1) / len(prompts)
        torch.testing.assert_close(fitted.maps[layer], expected, atol=1e-4, rtol=1e-3)


def test_prompts_of_one_batch_are_those_prompts_singly(linear):
    lens = Lens.from_model(tiny("llama"))
    prompts = [[5, 9, 3, 17, 2, 8, 11], [4, 4, 7, 19], [1, 2, 3, 4, 5]]
    together, singly = (fit_jacobian(lens, prompts, batch=size, leading=1) for size in (3, 1))
    for layer in together.maps:
        torch.testing.assert_close(together.maps[layer], singly.maps[layer], atol=1e-5, rtol=1e-4)


def test_a_fit_that_was_broken_off_goes_on_where_it_was(linear, tmp_path):
    prompts, told = [[3, 1, 4, 1, 5], [2, 6, 5, 3, 5], [8, 9, 7, 9]], []

    def broken(done):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_jacobian(linear, prompts, batch=1, leading=1, report=broken, partial=tmp_path / "sums")
    resumed = fit_jacobian(linear, prompts, batch=1, leading=1, report=told.append, partial=tmp_path / "sums")
    assert told == [2, 3]
    whole = fit_jacobian(linear, prompts, batch=1, leading=1)
    assert all(torch.equal(resumed.maps[layer], whole.maps[layer]) for layer in whole.maps)
    fit_jacobian(linear, prompts[:2], batch=1, leading=1, report=told.append, partial=tmp_path / "sums")
    assert told[2:] == [0, 1, 2]  # other prompts begin anew


def test_a_lens_survives_its_file_and_others_are_read(linear, tmp_path):
    fitted = fit_jacobian(linear, [[3, 1, 4, 1, 5]], leading=1)
    fitted.save(tmp_path / "own", {"seed": 0})
    kept = torch.load(tmp_path / "own/jacobian_lens.pt", weights_only=True)
    assert (kept["n_prompts"], kept["source_layers"], kept["d_model"]) == (1, [0, 1], WIDTH)
    (way,) = readouts(linear, tokenizer("byte-level"), [f"jacobian:{tmp_path / 'own'}"])
    assert way.name == "jacobian:own"
    rows = torch.randn(4, WIDTH)
    torch.testing.assert_close(way.read(0, rows), linear.decode(rows @ fitted.maps[0].T))
    torch.testing.assert_close(way.read(2, rows), linear.decode(rows))  # the last layer is the model itself
    # an artefact in half precision with some layers: the others are read as they are
    torch.save({**kept, "J": {1: kept["J"][1].half()}, "source_layers": [1]}, tmp_path / "half.pt")
    half = load_jacobian(linear, tmp_path / "half.pt")
    torch.testing.assert_close(half.read(0, rows), linear.decode(rows))
    torch.testing.assert_close(half.read(1, rows), way.read(1, rows), atol=2e-2, rtol=2e-2)


def test_the_null_keeps_the_identity_part_and_the_size_of_the_rest():
    generator = torch.Generator().manual_seed(1)
    map_ = 2 * torch.eye(40) + torch.randn(40, 40, generator=generator)
    null = random_turn(map_, 3)
    same = identity_part(map_) * torch.eye(40)
    ranks = [torch.linalg.svdvals(m - same) for m in (map_, null)]
    torch.testing.assert_close(ranks[0], ranks[1], atol=1e-4, rtol=1e-4)
    directions = [(m - same).flatten() for m in (map_, null)]
    assert abs(float(torch.cosine_similarity(*directions, dim=0))) < 0.1
    assert torch.equal(null, random_turn(map_, 3))
    assert not torch.equal(null, random_turn(map_, 4))


def test_of_a_linear_model_the_lens_reads_the_answer_and_its_null_does_not(linear):
    """Without an influence of earlier positions the mean Jacobian is the rest of the model, so its readout is exact."""
    for block in linear.blocks:
        block.earlier.data.zero_()
    prompts = torch.randint(20, (30, 5), generator=torch.Generator().manual_seed(2))
    fitted = fit_jacobian(linear, prompts[:4].tolist(), leading=0)
    samples = linear.residuals(prompts, torch.full((30,), 4)).detach()
    for row in nearness(fitted, samples, 0):
        assert row["kept"] == pytest.approx(0.0, abs=1e-4)
        assert row["null"] > row["logit"] > 0.01
        assert 0 < row["identity_share"] < 1


@pytest.mark.parametrize("family", ["bert", "t5"])
def test_other_kinds_of_models_have_maps_too(family):
    lens = Lens.from_model(other(family))
    fitted = fit_jacobian(lens, [[5, 9, 3, 7, 2, 8], [4, 4, 7, 2]], leading=1)
    assert sorted(fitted.maps) == list(range(lens.layers - 1))
    assert all(float(map_.abs().max()) > 0 for map_ in fitted.maps.values())


def test_wrong_input_is_told(linear, tmp_path):
    with pytest.raises(InputError, match="more than 16 tokens"):
        fit_jacobian(linear, [[1] * 16])
    with pytest.raises(LensError, match="one stream"):
        fit_jacobian(Lens.from_model(tiny("deepseek_v4")), [[5, 9, 3, 7]], leading=1)
    with pytest.raises(InputError, match=r"0 files \*\.pt"):
        load_jacobian(linear, tmp_path)
    torch.save({"J": {}, "d_model": 7}, tmp_path / "lens.pt")
    with pytest.raises(InputError, match="d_model is 7"):
        load_jacobian(linear, tmp_path)
    with pytest.raises(InputError, match="shape"):
        Jacobian(linear, {0: torch.zeros(2, 2)}, 1)
