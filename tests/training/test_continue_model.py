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

from semantic_pivots.errors import InputError
from semantic_pivots.scoring.bits_per_byte import bits_per_byte
from semantic_pivots.training import continue_model
from semantic_pivots.training.train_stage import TrainConfig
from tests import miniature


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("continue")
    miniature.write(folder)
    return folder


def config(folder: Path, **changes) -> TrainConfig:
    sizes = {"tokens": 1024, "sequence_tokens": 64, "batch_sequences": 4, "micro_batch_sequences": 2}
    sizes |= {"checkpoint_tokens": 256, "checkpoint_seconds": 0}
    return TrainConfig(**{"model": str(folder / "model"), "learning_rate": 1e-3, **sizes, **changes})


def train(folder: Path, name: str, **changes):
    torch.set_num_threads(1)
    said: list[str] = []
    out = folder / name
    documents = str(folder / "documents.jsonl")
    return continue_model.continue_model(config(folder, **changes), documents, out, (), said.append), said


def weights(folder: Path) -> torch.Tensor:
    state = load_file(folder / "model.safetensors")
    return torch.cat([state[name].float().flatten() for name in sorted(state)])


def test_most_lines_without_text_and_sequences_beyond_the_context_are_refused(folder):
    lines = ['{"id": "1", "text": "dog chien"}', *['{"id": "2", "body": "dog"}'] * 9]
    (folder / "bad.jsonl").write_text("\n".join(lines), "utf-8")
    with pytest.raises(InputError, match=r"9 of 10 lines cannot be read, above max_bad_share = 0.01; most: no text, 9"):
        continue_model.continue_model(config(folder), str(folder / "bad.jsonl"), folder / "bad")
    with pytest.raises(InputError, match=r"a sequence has 4096 tokens, the model's context [0-9]+; lower seq"):
        train(folder, "long", sequence_tokens=4096, tokens=4096, batch_sequences=1)


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
    plain = continue_model.runs.Progress.advance

    def kill(self, units: float = 1) -> None:
        plain(self, units)
        if self.position >= 768:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(continue_model.runs.Progress, "advance", kill)
        with pytest.raises(KeyboardInterrupt):
            train(folder, "killed")
    assert not (folder / "killed").exists()
    assert (folder / ".killed.partial" / "state.pt").exists()
    train(folder, "killed")
    assert torch.equal(weights(folder / "straight"), weights(folder / "killed"))
    assert not (folder / ".killed.partial").exists()


def launched(folder: Path, name: str, *more: str) -> dict:
    """What `torchrun -m semantic_pivots.cli train` of two processes on CPUs tells of its run."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += ["-m", "semantic_pivots.cli", "train"]
    command += [str(folder / "model"), str(folder / "documents.jsonl"), str(folder / name), "--tokens", "1024"]
    command += ["--sequence-tokens", "64", "--batch-sequences", "4", "--micro-batch-sequences", "2"]
    command += ["--learning-rate", "1e-3", "--checkpoint-tokens", "256", "--dtype", "float32", *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads((folder / name / "training.json").read_text())


@pytest.mark.parametrize("more", [(), ("--shard", "--keep-at-tokens", "512")], ids=["whole", "shared out"])
def test_two_processes_give_the_weights_of_one(folder, more):
    name = "one" if not more else "one-kept"
    plain, _ = train(folder, name, keep_at_tokens=(512,) if more else ())
    told = launched(folder, f"two{len(more)}", *more)
    assert told["processes"] == 2
    torch.testing.assert_close(weights(folder / f"two{len(more)}"), weights(folder / name), rtol=0, atol=2e-4)
    for key in ("bits_per_byte_before", "bits_per_byte_after"):
        assert told[key] == pytest.approx(plain[key], abs=1e-3)
    if more:
        halfway = weights(folder / f"two{len(more)}-at-512")
        torch.testing.assert_close(halfway, weights(folder / f"{name}-at-512"), rtol=0, atol=2e-4)


SHARDED = """
import sys
from dataclasses import replace
import numpy as np, torch
from pathlib import Path
from accelerate import PartialState
from semantic_pivots.training.train_stage import TrainConfig
from semantic_pivots.scoring.bits_per_byte import bits_per_byte
from semantic_pivots.training.loop import train
from transformers import AutoModelForCausalLM, AutoTokenizer

PartialState(cpu=True)
folder = Path(sys.argv[1])
tokenizer = AutoTokenizer.from_pretrained(folder / "model")
texts = {"en": ["the dog", "", "a house and water", "water"], "fr": ["chien", "eau et maison"]}
passes = 0
def count(*arguments):
    global passes
    passes += 1
def measure(model):
    before, hook = passes, model.register_forward_hook(count)
    bits = bits_per_byte(model, tokenizer, texts, in_group=True)
    hook.remove()
    assert passes - before == 3, passes - before  # five texts have tokens
    assert any(hasattr(p, "to_local") for p in model.parameters())  # the blocks are sharded meanwhile
    return bits
sequences = np.random.default_rng(0).integers(3, len(tokenizer), (16, 32)).astype(np.int32)
config = TrainConfig(tokens=512, sequence_tokens=32, batch_sequences=4, micro_batch_sequences=2, learning_rate=1e-3,
                     checkpoint_tokens=128, checkpoint_seconds=0, shard=True)
class Killed(Exception):
    pass
def run(state, stop=0):
    # where a run began, in tokens, and its weights; one that stops leaves its checkpoint
    steps = []
    def advance(tokens):
        steps.append(tokens)
        if stop and sum(steps) == stop:
            raise Killed
    model = AutoModelForCausalLM.from_pretrained(folder / "model")
    try:
        run = train(model, sequences, config, 0, folder / state, advance, measure=measure, measure_base=True)
    except Killed:
        return "killed"
    if run.model is None:
        return None
    bits = [run.base, dict(zip(run.rows[-1]["languages"], run.rows[-1]["bits_per_byte"]))]
    assert run.base == bits_per_byte(AutoModelForCausalLM.from_pretrained(folder / "model"), tokenizer, texts)
    assert bits[1] == bits_per_byte(run.model, tokenizer, texts)
    return steps[0], [p.detach() for p in run.model.parameters()]
straight = run("straight.pt")
assert run("continued.pt", stop=384) == "killed"
continued = run("continued.pt")
if straight:
    torch.save((straight, continued), folder / "both.pt")
"""


def test_a_shared_out_run_that_is_killed_continues_to_the_same_weights(folder):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "sharded.py"]
    (folder / "sharded.py").write_text(SHARDED)

    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command.append(str(folder))
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr[-2000:]
    (begin, straight), (begin_continued, continued) = torch.load(folder / "both.pt")
    assert (begin, begin_continued) == (0, 384)
    for mine, theirs in zip(straight, continued, strict=True):
        assert torch.equal(mine, theirs)


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
