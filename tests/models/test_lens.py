"""The lens on tiny random models of every family, held against the model's own logits; none has code of its own."""

import pytest
import torch
import transformers
from transformers.models.big_bird import modeling_big_bird

from semantic_pivots.errors import InputError
from semantic_pivots.models.lens import Lens, LensError
from tests.models.tiny import tokenizer

COMMON = {
    "vocab_size": 128,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
GPT = {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 64}
MIXTURE = {"num_local_experts": 4, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}
# what a family calls otherwise, or needs besides
FAMILIES: dict[str, dict] = {
    "gpt2": GPT,
    "gpt_neo": {"num_layers": 3, "num_heads": 4, "attention_types": [[["global", "local"], 1], [["global"], 1]]},
    "gpt_neox": {},
    "gptj": {**GPT, "rotary_dim": 4},
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "opt-350m": {"ffn_dim": 48, "word_embed_proj_dim": 16, "do_layer_norm_before": False},
    "bloom": {"n_layer": 3, "n_head": 4},
    "xglm": {"d_model": 32, "num_layers": 3, "attention_heads": 4, "ffn_dim": 48},
    "falcon": {"new_decoder_architecture": False, "multi_query": True, "alibi": False},
    "phi": {},
    "phi3": {},
    "llama": {},
    "mistral": {},
    "mixtral": MIXTURE,
    "qwen2": {},
    "qwen3": {},
    "qwen3_moe": MIXTURE,
    "olmo": {},
    "olmo2": {},
    "olmo3": {},
    "olmoe": MIXTURE,
    "gemma": {},
    "gemma2": {"final_logit_softcapping": 5.0, "query_pre_attn_scalar": 8},
    "gemma3_text": {"query_pre_attn_scalar": 8},
    "cohere": {"logit_scale": 0.3},
    "cohere2": {"logit_scale": 0.3},
    "granite": {"logits_scaling": 3.0, "embedding_multiplier": 2.0, "residual_multiplier": 0.7},
    "stablelm": {},
    "starcoder2": {},
    "nemotron": {},
    "mpt": {"d_model": 32, "n_heads": 4, "n_layers": 3, "max_seq_len": 64, "expansion_ratio": 2},
    "mamba": {"state_size": 4},
    "mamba2": {"state_size": 4, "num_heads": 8, "head_dim": 8, "n_groups": 1, "chunk_size": 8},
    "smollm3": {},
    "glm4": {},
    "apertus": {},
    "llama4_text": {**MIXTURE, "intermediate_size_mlp": 48, "attention_chunk_size": 8},
    "modernbert-decoder": {},
    "openai-gpt": {**GPT, "afn": "gelu"},
    "big_bird": {"is_decoder": True, "attention_type": "original_full"},
    "deepseek_v4": {**MIXTURE, "n_routed_experts": 4, "q_lora_rank": 16, "index_topk": 64},
}


UNREADABLE = {
    "gemma3n_text": {
        "vocab_size_per_layer_input": 128,
        "hidden_size_per_layer_input": 8,
        "laurel_rank": 4,
        "altup_num_inputs": 2,
        "num_kv_shared_layers": 0,
        "activation_sparsity_pattern": None,
    }
}


def tiny(family: str) -> torch.nn.Module:
    """A random model of the family whose logits are spread as a trained one's."""
    name = family if family in transformers.CONFIG_MAPPING else family.split("-")[0]
    absent = {"mamba": "num_attention_heads", "mamba2": "num_attention_heads", "falcon": "head_dim"}.get(name)
    keys = {key: value for key, value in COMMON.items() if key != absent}
    config = transformers.AutoConfig.for_model(name, **{**keys, **{**FAMILIES, **UNREADABLE}[family]})
    torch.manual_seed(3)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter in model.parameters():
            # at their initial size, two layers' outputs would differ by less than the tolerance of these tests
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


@pytest.fixture(scope="module", params=FAMILIES)
def lens(request) -> Lens:
    if request.param == "big_bird" and not hasattr(modeling_big_bird, "create_causal_mask"):
        pytest.skip("older transformers, whose BigBird reads both ways whatever its config says")
    return Lens.from_model(tiny(request.param))


IDS = torch.randint(3, 128, (3, 9), generator=torch.Generator().manual_seed(1))
ONES = torch.ones_like(IDS)


@torch.inference_mode()
def test_the_last_layer_is_the_model(lens):
    positions = torch.arange(IDS.shape[1]).expand(len(IDS), -1)
    found = lens.logits(IDS, ONES, positions)
    assert found.shape == (3, lens.layers, 9, lens.network.vocabulary)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found[:, -1], lens.network.model(input_ids=IDS).logits, atol=1e-5, rtol=1e-5)
    assert (found[:, 0] - found[:, -1]).abs().max() > 1e-3  # the layers are told apart


@torch.inference_mode()
def test_a_padded_batch_equals_its_rows(lens):
    lengths = [9, 5, 7]
    padded, mask = IDS.clone(), ONES.clone()
    for row, length in enumerate(lengths):
        padded[row, length:] = 0
        mask[row, length:] = 0
    positions = torch.tensor([[length - 1] for length in lengths])
    found = lens.logits(padded, mask, positions)
    for row, length in enumerate(lengths):
        alone = lens.logits(IDS[row : row + 1, :length], ONES[:1, :length], positions[row : row + 1])
        torch.testing.assert_close(found[row : row + 1], alone, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_a_position_equals_the_whole_sequence(lens):
    positions = torch.arange(IDS.shape[1]).expand(len(IDS), -1)
    whole = lens.logits(IDS, ONES, positions)
    one = lens.logits(IDS, ONES, torch.tensor([[4], [0], [8]]))
    for row, at in enumerate((4, 0, 8)):
        torch.testing.assert_close(one[row, :, 0], whole[row, :, at], atol=1e-5, rtol=1e-5)


def test_left_padding_and_positions_in_the_padding_are_refused():
    lens = Lens.from_model(tiny("gpt2"))
    mask = ONES.clone()
    mask[0, 0] = 0
    with pytest.raises(ValueError, match="padded on the right"):
        lens.logits(IDS, mask, torch.tensor([[4], [4], [4]]))
    mask = ONES.clone()
    mask[1, 5:] = 0
    with pytest.raises(ValueError, match="before the padding"):
        lens.logits(IDS, mask, torch.tensor([[4], [5], [4]]))


def test_a_model_whose_blocks_are_not_the_longest_list_is_refused_and_can_be_told():
    model = tiny("llama")
    model.model.decoys = torch.nn.ModuleList([torch.nn.Linear(2, 2) for _ in range(9)])
    with pytest.raises(LensError, match="blocks="):
        Lens.from_model(model)
    assert Lens.from_model(model, blocks="model.layers").layers == 3
    with pytest.raises(LensError, match=r"'model.layer' is no list of modules .*'model.layers'"):
        Lens.from_model(model, blocks="model.layer")


def test_damaged_weights_are_told_and_not_taken_for_a_wrong_tail():
    model = tiny("llama")
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight[0, 0] = float("nan")
    with pytest.raises(InputError, match=r"no number .NaN. for 128 of 128 logits; its weights are damaged"):
        Lens.from_model(model)


def test_a_model_that_reads_both_ways_is_refused():
    """Its rows may not be padded without a mask."""
    model = tiny("big_bird")
    model.config.is_decoder = False
    with pytest.raises(LensError, match=f"not causal: .*is_decoder.* transformers .here {transformers.__version__}"):
        Lens.from_model(model)


def test_a_wrong_tail_is_refused():
    """A model that changes its hidden states outside any module cannot be read, and is not read wrongly."""
    model = tiny("llama")
    forward = model.model.forward

    def scaled(*args, **kwargs):
        out = forward(*args, **kwargs)
        out.last_hidden_state = out.last_hidden_state * 3
        return out

    model.model.forward = scaled
    with pytest.raises(LensError, match="differs from the model's logits"):
        Lens.from_model(model)


@pytest.mark.skipif("gemma3n_text" not in transformers.CONFIG_MAPPING, reason="older transformers")
def test_a_stream_that_cannot_be_read_by_itself_is_an_error_for_people():
    """Gemma 3n hands on several streams that are joined outside any module."""
    with pytest.raises(LensError, match=r"blocks \(layers\) hand on cannot be read by itself"):
        Lens.from_model(tiny("gemma3n_text"))


SIDE = {"layers": 3, "attention_heads": 4, "ffn_dim": 48}
OTHERS = {
    "t5": {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "decoder_start_token_id": 0},
    "mt5": {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "decoder_start_token_id": 0},
    "mbart": {
        **{f"{part}_{key}": value for part in ("encoder", "decoder") for key, value in SIDE.items()},
        "d_model": 32,
        "decoder_start_token_id": 2,
    },
    "xlm-roberta": {},
    "bert": {},
}


def other(family: str) -> transformers.PreTrainedModel:
    """A random encoder-decoder or masked model."""
    kept = {key: value for key, value in COMMON.items() if key != "num_hidden_layers" or "t5" not in family}
    config = transformers.AutoConfig.for_model(family, **{**kept, **OTHERS[family]})
    torch.manual_seed(4)
    kind = transformers.AutoModelForSeq2SeqLM if config.is_encoder_decoder else transformers.AutoModelForMaskedLM
    return kind.from_config(config).eval()


@pytest.mark.parametrize("family", OTHERS)
@torch.inference_mode()
def test_encoder_decoders_and_masked_models_are_read_where_they_answer(family):
    """An encoder-decoder at its decoder's start token, a masked model at the mask; padding changes nothing."""
    model = other(family)
    lens, config = Lens.from_model(model), model.config
    assert lens.kind == ("encoder-decoder" if config.is_encoder_decoder else "masked")
    places, mask = torch.tensor([8, 4, 6]), torch.ones(3, 9, dtype=torch.long)
    for row, place in enumerate(places):
        mask[row, place + 1 :] = 0
    rows = lens.residuals(IDS, places, mask)
    assert rows.shape[0] == lens.layers
    for row, place in enumerate(places.tolist()):
        ids = IDS[row : row + 1, : place + 1]
        if lens.kind == "masked":
            expected = model(input_ids=ids).logits[0, place]
        else:
            expected = model(input_ids=ids, decoder_input_ids=torch.tensor([[config.decoder_start_token_id]])).logits[
                0, 0
            ]
        torch.testing.assert_close(lens.decode(rows[-1])[row], expected, atol=1e-5, rtol=1e-4)


def test_a_question_ends_where_the_model_answers():
    fast = tokenizer("byte-level")
    lens = Lens.from_model(tiny("gpt2"))
    ids, places, mask = lens.question(fast, ["the sun:", "the"])
    assert [row[: place + 1].tolist() for row, place in zip(ids, places, strict=True)] == fast(["the sun:", "the"])[
        "input_ids"
    ]
    assert mask.sum(1).tolist() == (places + 1).tolist()
    lens.kind = "masked"
    with pytest.raises(LensError, match="mask"):
        lens.question(fast, ["the"])
