"""Models from folders: every kind that reads text is loaded, and whatever cannot be used is told in one line."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from semantic_pivots.corpus.vocabulary import text_ids
from semantic_pivots.errors import InputError
from semantic_pivots.models import device, gguf
from semantic_pivots.models.compact_tokenizer import has_compact_tokenizer, write_compact_tokenizer
from semantic_pivots.models.lens import load_lens
from semantic_pivots.models.load import load
from semantic_pivots.models.specs import model_folder, model_signature
from semantic_pivots.models.tokenizer_files import load_tokenizer
from semantic_pivots.scoring.scorer import Scorer, answer_logprobs
from tests.models import tiny

QUICK = """
import sys, transformers.utils
from semantic_pivots.models.transformers_library import import_models_quickly
has_scipy = transformers.utils.is_scipy_available
import_models_quickly()
from transformers.utils.import_utils import create_import_structure_from_path as lists
assert "scipy" not in sys.modules and lists.cache_info().hits, lists.cache_info()
assert transformers.utils.is_scipy_available is has_scipy
assert "gemma3" in transformers.models.auto.modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
"""


def test_models_are_imported_without_scipy_and_listed_once():
    done = subprocess.run([sys.executable, "-c", QUICK], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


TEXT = {
    "vocab_size": 640, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 256, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2,
}  # fmt: skip
EYES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "image_size": 28, "patch_size": 14}
LINEAR = {"linear_num_value_heads": 2, "linear_num_key_heads": 2, "linear_key_head_dim": 8, "linear_value_head_dim": 8}


def _mistral3():
    eyes = {"model_type": "pixtral", "num_attention_heads": 4, "head_dim": 8, **EYES}
    config = transformers.Mistral3Config(text_config={"model_type": "mistral", **TEXT}, vision_config=eyes)
    return transformers.Mistral3ForConditionalGeneration(config)


def _llama4():
    wide = {"vision_output_dim": 32, "projector_input_dim": 32, "projector_output_dim": 32}
    text = {"intermediate_size_mlp": 64, "num_local_experts": 2, "head_dim": 8, **TEXT}
    config = transformers.Llama4Config(text_config=text, vision_config={"num_attention_heads": 4, **wide, **EYES})
    return transformers.Llama4ForConditionalGeneration(config)


def _qwen35():
    eyes = {"depth": 1, "hidden_size": 32, "intermediate_size": 64, "num_heads": 4, "out_hidden_size": 32}
    text = {"layer_types": ["full_attention"] * 2, "head_dim": 8, **LINEAR, **TEXT}
    config = transformers.Qwen3_5Config(text_config=text, vision_config=eyes)
    return transformers.Qwen3_5ForConditionalGeneration(config)


def _mllama_text():
    return transformers.MllamaForCausalLM(transformers.MllamaTextConfig(cross_attention_layers=[], **TEXT))


@pytest.mark.parametrize("make", [_mistral3, _llama4, _qwen35, _mllama_text])
def test_models_that_also_read_pictures_are_read_as_causal_ones(make, tmp_path):
    torch.manual_seed(0)
    _save(make().eval(), tmp_path)
    loaded, lens = load_lens(str(tmp_path))
    assert lens.layers == 2
    prompt, answer = "the sun and the", " moon"
    ids = loaded.tokenizer(prompt + answer, return_tensors="pt")["input_ids"]
    start = len(loaded.tokenizer(prompt)["input_ids"])
    with torch.inference_mode():
        plain = torch.log_softmax(loaded.model(input_ids=ids).logits[0].float(), -1)
    wanted = [float(plain[k - 1, ids[0, k]]) for k in range(start, ids.shape[1])]
    (found,) = answer_logprobs(loaded.model, loaded.tokenizer, [prompt], [answer])
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def _save(model, folder: Path, tokenizer=None) -> Path:
    model.save_pretrained(folder)
    (tokenizer or tiny.tokenizer("byte-level")).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    return _save(tiny.model("llama"), tmp_path_factory.mktemp("model"))


def test_a_revision_is_the_content_of_the_weights_to_the_last_byte(plain, tmp_path, monkeypatch):
    monkeypatch.setattr("semantic_pivots.files._SAMPLED_ABOVE_BYTES", 1000)  # as with weights above 64 MiB
    folder = Path(shutil.copytree(plain, tmp_path / "model"))
    before = model_signature(str(folder))
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[len(data) * 2 // 3] ^= 1
    weights.write_bytes(bytes(data))
    assert model_signature(str(folder)) != before


def test_a_subfolder_of_a_repository_is_a_model_with_the_tokenizer_of_its_root(tmp_path, monkeypatch):
    root = tmp_path / "0123456789abcdef"
    _save(tiny.model("llama"), root / "steps" / "1000")
    for file in (root / "steps" / "1000").glob("tokenizer*"):
        file.rename(root / file.name)
    asked = []

    def download(name, revision=None, allow_patterns=None, ignore_patterns=None):
        asked.append((name, revision, "steps/1000/*.safetensors" in allow_patterns, ignore_patterns))
        return str(root)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    loaded = load("owner/name/steps/1000@v2")
    assert (loaded.name, loaded.revision) == ("owner/name/steps/1000", "0123456789ab")
    assert loaded.tokenizer("the sun")["input_ids"]
    assert asked[0] == ("owner/name", "v2", True, None)
    with pytest.raises(InputError, match=r"no folder 'steps/2000' with a config.json on the hub"):
        load("owner/name/steps/2000")
    with pytest.raises(InputError, match=r"has no safetensors|is not readable JSON"):
        load("owner/name")
    assert asked[-1] == ("owner/name", None, False, ["*/*"])


def test_a_token_beyond_the_embedding_is_told_unless_no_text_writes_it(tmp_path):
    raw = tiny.tokenizer("byte-level").backend_tokenizer.to_str()
    wide = len(tiny.tokenizer("byte-level"))

    def saved(name: str, **added: object) -> str:
        kept = transformers.PreTrainedTokenizerFast(
            tokenizer_object=tiny.Tokenizer.from_str(raw), eos_token="</s>", **added
        )
        if not added:
            kept.add_tokens(["antidisestablish"])
        return str(_save(tiny.model("llama", wide), tmp_path / name, kept))

    with pytest.raises(InputError, match=f"1 tokens of its tokenizer lie beyond the {wide} rows.*antidisestablish"):
        load(saved("word"))
    with pytest.raises(InputError, match="beyond the"):
        load(saved("start", bos_token="[BEGIN]"))
    loaded = load(saved("padding", pad_token="[PAD]"))
    (found,) = answer_logprobs(loaded.model, loaded.tokenizer, ["the sun"], [" [PAD]"])
    assert np.isfinite(found).all()


def test_a_tokenizer_with_dropout_of_merges_cuts_a_text_as_without(plain, tmp_path):
    backend = tiny.Tokenizer.from_str(tiny.tokenizer("byte-level").backend_tokenizer.to_str())
    backend.model.dropout = 0.5
    text = " ".join(tiny.TEXT)
    expected = tiny.tokenizer("byte-level")(text)["input_ids"]
    assert backend.encode(text).ids != expected
    folder = Path(shutil.copytree(plain, tmp_path / "model"))
    backend.save(str(folder / "tokenizer.json"))
    assert load_tokenizer(str(folder))(text)["input_ids"] == expected
    assert text_ids(backend, [text]) == [expected]


def test_a_tokenizer_that_fails_at_unknown_characters_is_told(tmp_path):
    backend = tiny.Tokenizer(tiny.models.WordLevel({"the": 0, "sun": 1}))
    _save(tiny.model("llama"), tmp_path, transformers.PreTrainedTokenizerFast(tokenizer_object=backend))
    with pytest.raises(InputError, match=r"fails at a character that it does not know .*give it an unknown token"):
        load(str(tmp_path))


def test_weights_that_are_not_there_or_damaged_are_told(plain, tmp_path):
    folder = Path(shutil.copytree(plain, tmp_path / "model"))
    weights = folder / "model.safetensors"
    weights.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    with pytest.raises(InputError, match=r"model\.safetensors is a Git LFS pointer, not weights; run `git lfs pull`"):
        load(str(folder))
    weights.write_bytes((plain / "model.safetensors").read_bytes()[:2000])
    with pytest.raises(InputError, match="a weights file is damaged"):
        load(str(folder))


def test_a_file_of_another_kind_is_told(tmp_path):
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(InputError, match=r"is a file of another kind; expected a \.gguf"):
        load(str(tmp_path / "model.json"))


def test_a_package_that_is_not_installed_is_told_and_not_one_to_install_by_its_name():
    with pytest.raises(InputError, match=r"'no-such-model' is not installed; .*'semantic-pivots\[models\]'"):
        load("package:no-such-model")


def test_a_quantised_checkpoint_without_its_library_is_told(plain, tmp_path):
    folder = Path(shutil.copytree(plain, tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4, "group_size": 128}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="needs a package that is not installed"):
        load(str(folder))


def test_gguf_weights_are_those_that_were_pinned_or_refused(tmp_path, monkeypatch):
    path, digest = tmp_path / "m.gguf", hashlib.sha256(b"GGUF").hexdigest()
    path.write_bytes(b"GGUF")
    converted = []
    monkeypatch.setattr(gguf, "_convert", lambda parts, scratch: (converted.append(parts), (scratch / "model").mkdir()))
    for spec in (f"{path}@sha256:{digest}", f"{tmp_path}@sha256:{digest}", str(path)):
        assert model_folder(spec, str(tmp_path / "cache")).name.endswith(digest[:12])
    assert converted == [[path]] * 3
    with pytest.raises(InputError, match=f"SHA-256 is {digest[:12]}…, expected 000000000000…"):
        model_folder(f"{path}@sha256:{'0' * 64}", str(tmp_path / "cache"))
    with pytest.raises(InputError, match="expected the 64 hexadecimal digits"):
        model_folder(f"{path}@sha256:12", str(tmp_path / "cache"))
    with pytest.raises(InputError, match="only GGUF weights are pinned"):
        model_folder(f"owner/name@sha256:{digest}", str(tmp_path / "cache"))


def test_a_converted_tokenizer_is_made_of_its_file_alone_where_that_gives_the_same(tmp_path, monkeypatch):
    tiny.tokenizer("byte-level").save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    usual = load_tokenizer(str(tmp_path))
    write_compact_tokenizer(tmp_path)
    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", None)
    alone = load_tokenizer(str(tmp_path))
    assert alone("Hello, 狗 <s>")["input_ids"] == usual("Hello, 狗 <s>")["input_ids"]
    assert (alone.all_special_tokens, alone.padding_side) == (usual.all_special_tokens, usual.padding_side)


def test_a_tokenizer_that_leaves_out_ids_is_checked_against_the_embedding_each_time(tmp_path):
    tiny.tokenizer("byte-level").save_pretrained(tmp_path)
    path = tmp_path / "tokenizer.json"
    state = json.loads(path.read_text("utf-8"))
    last = max(state["model"]["vocab"], key=state["model"]["vocab"].get)
    state["model"]["vocab"][last] += 1_000
    path.write_text(json.dumps(state), "utf-8")
    write_compact_tokenizer(tmp_path)
    assert not has_compact_tokenizer(tmp_path)


def test_a_tokenizer_that_its_class_changes_is_made_the_usual_way(tmp_path):
    tiny.tokenizer("byte-level").save_pretrained(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "tokenizer_class": "GemmaTokenizer"}))
    write_compact_tokenizer(tmp_path)
    assert not has_compact_tokenizer(tmp_path)


def test_a_model_that_no_device_holds_is_spread_and_scores_the_same(tmp_path, monkeypatch):
    from accelerate import dispatch_model

    folder = tmp_path / "model"
    tiny.model("llama").save_pretrained(folder)
    tiny.tokenizer("byte-level").save_pretrained(folder)
    maps, auto = [], transformers.AutoModelForCausalLM
    plain = auto.from_pretrained

    def noted(*given, **named):
        maps.append(named.get("device_map"))
        return plain(*given, **named)

    monkeypatch.setattr(auto, "from_pretrained", noted)
    monkeypatch.setattr(device, "device_count", lambda: 2)
    monkeypatch.setattr(device, "free_memory", lambda place: 10_000)
    load(str(folder))
    monkeypatch.setattr(device, "free_memory", lambda place: 1_000_000)
    whole = load(str(folder))
    assert maps == ["auto", None]
    # two devices are not at hand: layers on disk are at least read, moved and called as on another device
    places = dict.fromkeys(("model.embed_tokens", "model.layers.0", "model.norm", "model.rotary_emb"), "cpu")
    apart: Any = copy.deepcopy(whole.model)
    dispatch_model(
        apart, {**places, "model.layers.1": "disk", "lm_head": "disk"}, "cpu", offload_dir=tmp_path, force_hooks=True
    )
    prompts, answers = ["the sun and the", "the sun and", "le soleil"], [" moon", " stars and", " et la lune"]
    scored = [Scorer(model, whole.tokenizer).score(prompts, answers) for model in (whole.model, apart)]
    for one, other in zip(*scored, strict=True):
        np.testing.assert_allclose(one.logprobs, other.logprobs, atol=1e-6)
    assert Scorer(apart, whole.tokenizer).greedy(prompts, 3) == Scorer(whole.model, whole.tokenizer).greedy(prompts, 3)
