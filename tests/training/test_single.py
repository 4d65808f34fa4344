"""`pivots train` as its users call it: one process, killed and continued, two processes under accelerate."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from semantic_pivots.config import TrainConfig
from semantic_pivots.errors import InputError
from semantic_pivots.models.bits import bits_per_byte
from semantic_pivots.training import single
from tests import miniature


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("single")
    miniature.write(folder)
    return folder


def config(folder: Path, **changes) -> TrainConfig:
    sizes = {"tokens": 1024, "sequence_tokens": 64, "batch_sequences": 4, "micro_batch_sequences": 2}
    return TrainConfig(
        **{"model": str(folder / "model"), "learning_rate": 1e-3, "checkpoint_tokens": 256, **sizes, **changes}
    )


def train(folder: Path, name: str, **changes):
    torch.set_num_threads(1)
    said: list[str] = []
    out = folder / name
    return single.continue_model(config(folder, **changes), str(folder / "documents.jsonl"), out, (), said.append), said


def weights(folder: Path) -> torch.Tensor:
    state = load_file(folder / "model.safetensors")
    return torch.cat([state[name].float().flatten() for name in sorted(state)])


def test_a_folder_of_hugging_face_form_comes_out_and_holds_what_was_done(folder):
    import transformers

    result, said = train(folder, "whole", keep_at_tokens=(512,), document_boundaries=True)
    out = folder / "whole"
    transformers.AutoModelForCausalLM.from_pretrained(out)
    transformers.AutoTokenizer.from_pretrained(out)
    assert (folder / "whole-at-512" / "model.safetensors").exists()
    assert "1,024 tokens" in (out / "README.md").read_text()
    assert result["tokens"] == 1024
    assert sorted(result["bits_per_byte_after"]) == ["en", "fr"]
    assert all(result["bits_per_byte_after"][c] < result["bits_per_byte_before"][c] for c in ("en", "fr"))
    assert len(said) == 2
    _, said = train(folder, "whole", keep_at_tokens=(512,), document_boundaries=True)
    assert "nothing to do" in said[0]
    with pytest.raises(InputError, match="another configuration"):
        train(folder, "whole")


def test_a_killed_run_continues_to_the_same_weights(folder, monkeypatch):
    train(folder, "straight")
    plain = single.runs.Progress.advance

    def kill(self, units: float = 1) -> None:
        plain(self, units)
        if self.done >= 768:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(single.runs.Progress, "advance", kill)
        with pytest.raises(KeyboardInterrupt):
            train(folder, "killed")
    assert not (folder / "killed").exists()
    assert (folder / ".killed.partial" / "state.pt").exists()
    train(folder, "killed")
    assert torch.equal(weights(folder / "straight"), weights(folder / "killed"))
    assert not (folder / ".killed.partial").exists()


def test_two_processes_give_the_weights_of_one(folder):
    pytest.importorskip("accelerate")
    train(folder, "one")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "semantic_pivots.cli", "train"]
    command += [str(folder / "model"), str(folder / "documents.jsonl"), str(folder / "two"), "--tokens", "1024"]
    command += ["--sequence-tokens", "64", "--batch-sequences", "4", "--micro-batch-sequences", "2"]
    command += ["--learning-rate", "1e-3", "--checkpoint-tokens", "256", "--dtype", "float32"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert json.loads((folder / "two" / "training.json").read_text())["processes"] == 2
    torch.testing.assert_close(weights(folder / "two"), weights(folder / "one"), rtol=0, atol=2e-4)


def test_bits_per_byte_of_a_model_that_knows_nothing_are_those_of_its_vocabulary(folder):
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "model")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder / "model")
    with torch.no_grad():
        model.get_output_embeddings().weight.zero_()
    texts = {"en": ["the dog", "a house and water"], "fr": ["chien"], "zh": []}
    found = bits_per_byte(model, tokenizer, texts)
    assert sorted(found) == ["en", "fr"]
    for code in found:
        tokens = sum(len(tokenizer(t, add_special_tokens=False)["input_ids"]) for t in texts[code])
        size = sum(len(t.encode()) for t in texts[code])
        assert found[code] == pytest.approx(tokens * math.log2(model.config.vocab_size) / size, rel=1e-5)
