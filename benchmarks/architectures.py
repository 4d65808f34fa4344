"""The scorer, the lens, and link and need on every causal architecture of transformers, in small random models.

`python -m benchmarks.architectures [TYPE ...]` (none: all) builds a model of a hundred thousand parameters or so for
each type of `AutoModelForCausalLM`, and compares log probabilities of answers with plain forwards, the lens of the last
layer with the model's logits, and link and need with those without shared beginnings. A type whose short configuration
does not build, or which holds further models (pictures, sound), is left out. Names go to the standard error. Some ten
minutes of one core.
"""

from __future__ import annotations

import json
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import transformers
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from benchmarks import emit
from semantic_pivots.errors import InputError
from semantic_pivots.models.lens import Lens, LensError
from semantic_pivots.models.link_and_need import Asker, Question
from semantic_pivots.models.tokens import answer_span
from semantic_pivots.scoring.scorer import answer_logprobs
from semantic_pivots.training.small_models import word_tokenizer

WORDS = "English French : cat mountain chat chien la montagne house tree sun river water moon stars".split()
TOKENIZER = word_tokenizer(WORDS)
PROMPTS = ["English : cat French : chat English : mountain French :", "English : tree French :"] * 2
ANSWERS = [" la montagne", " chat", " montagne", " la chien la"]
CONTROLS = (("house", "tree"), ("moon", "water"))
QUESTION = Question(PROMPTS[0], PROMPTS[0].index("mountain"), "mountain", " montagne", ("river", "sun"), CONTROLS)
COMMON = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 128, "bos_token_id": 0, "eos_token_id": 0,
    "pad_token_id": 0,
}  # fmt: skip
_MIXTURE = {"num_local_experts": 4, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}
_LATENT = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8}
VARIANTS: tuple[dict[str, Any], ...] = (  # what families call the same sizes, tried in turn
    {},
    _MIXTURE,
    {**_MIXTURE, **_LATENT, "n_routed_experts": 4, "n_group": 1, "topk_group": 1},
    {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 128, "dff": 48},
    {"d_model": 32, "decoder_layers": 3, "decoder_attention_heads": 4, "decoder_ffn_dim": 48, "is_decoder": True,
     "encoder_layers": 1, "encoder_attention_heads": 4, "encoder_ffn_dim": 48, "num_layers": 3},
    {"d_model": 32, "n_heads": 4, "n_layers": 3},
    {"state_size": 4, "num_heads": 8, "head_dim": 8, "n_groups": 1, "chunk_size": 8},
    {"is_decoder": True, "embedding_size": 32},
)  # fmt: skip
PARAMETERS, SECONDS, TOLERANCE = 5_000_000, 60, 1e-4


@contextmanager
def _at_most(seconds: int) -> Iterator[None]:
    def stop(number: int, frame: object) -> None:
        raise TimeoutError(f"over {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def small_model(kind: str) -> Any:
    """A random model of a type, or None: its logits are spread as a trained one's."""
    for keys in VARIANTS:
        try:
            config = transformers.AutoConfig.for_model(kind, **{**COMMON, **keys})
            if config.sub_configs:
                return None
            torch.manual_seed(3)
            with torch.device("meta"):
                size = transformers.AutoModelForCausalLM.from_config(config).num_parameters()
            if size > PARAMETERS:
                continue
            model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.add_(torch.randn_like(parameter) * 0.1)
                if model(input_ids=torch.arange(3, 12)[None]).logits.isfinite().all():
                    return model
        except TimeoutError:
            raise
        except Exception:  # a family says in its own way that it lacks a size
            continue
    return None


def _plain(model: Any, prompt: str, answer: str) -> np.ndarray:
    ids, start, end = answer_span(TOKENIZER, prompt, answer)
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([ids])).logits[0].float().log_softmax(-1)
    return np.array([logits[at - 1, ids[at]].item() for at in range(start, end)])


def score(model: Any) -> float:
    """Largest difference of a token's log probability from a plain forward, in nats."""
    logprobs = answer_logprobs(model, TOKENIZER, PROMPTS, ANSWERS)
    pairs = zip(logprobs, PROMPTS, ANSWERS, strict=True)
    return float(max(np.abs(own - _plain(model, prompt, answer)).max() for own, prompt, answer in pairs))


def lens(model: Any) -> float:
    """Largest difference of the last layer's logits from the model's."""
    ids = torch.randint(3, 16, (2, 9), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        logits = Lens.from_model(model).logits(ids, torch.ones_like(ids), torch.arange(9).expand(2, -1))
        return float((logits[:, -1] - model(input_ids=ids).logits).abs().max())


def link_and_need(model: Any) -> float:
    """Largest difference of an effect from its value without shared beginnings, in nats."""
    reader = Lens.from_model(model)
    asker, alone = (Asker(reader, TOKENIZER) for _ in range(2))
    alone.sharing = False
    shared, apart = asker.effects(QUESTION), alone.effects(QUESTION)
    names = ("logprob", "link", "need", "screen", "link_controls", "need_controls")
    return float(max(np.abs(np.subtract(getattr(shared, n), getattr(apart, n))).max() for n in names))


MEASURES = {"scored": score, "lens": lens, "link and need": link_and_need}


def outcomes(kind: str) -> dict[str, str]:
    """For each measure of a type: equal, refused or wrong, with the reason; nothing where no small model is built."""
    model = small_model(kind)
    results = {}
    for name, measure in MEASURES.items() if model is not None else ():
        try:
            difference = measure(model)
            results[name] = "equal" if difference <= TOLERANCE else f"wrong: {difference:.2g}"
        except (InputError, LensError) as error:
            results[name] = f"refused: {error}"
        except TimeoutError:
            raise
        except Exception as error:
            results[name] = f"wrong: {type(error).__name__}: {error}"
    return results


def main(*kinds: str) -> None:
    """Print every figure."""
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    of_kind = {}
    for kind in kinds or sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES):
        try:
            with _at_most(SECONDS):
                of_kind[kind] = outcomes(kind)
        except TimeoutError as error:
            of_kind[kind] = {}
            print(f"{kind}: {error}", file=sys.stderr)
        print(json.dumps({kind: of_kind[kind]}), file=sys.stderr)
    built = [results for results in of_kind.values() if results]
    emit(
        "architectures with a small model",
        len(built),
        f"of {len(of_kind)} types, transformers {transformers.__version__}",
    )
    for name in MEASURES:
        for outcome in ("equal", "refused", "wrong"):
            count = sum(results[name].startswith(outcome) for results in built)
            wrong = outcome == "wrong"
            emit(f"{name}, {outcome}", count, "architectures", 0 if wrong else None, count == 0 if wrong else None)


if __name__ == "__main__":
    main(*sys.argv[1:])
