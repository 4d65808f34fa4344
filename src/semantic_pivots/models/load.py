"""Causal language models with their tokenizers, from a spec (`models.specs`).

Remote code and pickled weights stay out unless asked for.
"""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semantic_pivots.caching import without_collection
from semantic_pivots.corpus.vocabulary import special_tokens
from semantic_pivots.errors import InputError, first_line
from semantic_pivots.models.compact_tokenizer import has_compact_tokenizer
from semantic_pivots.models.specs import parameters_of_folder, resolve
from semantic_pivots.models.tokenizer_files import tokenizer_of_folder
from semantic_pivots.models.transformers_library import quiet

if TYPE_CHECKING:
    import torch

_POINTER = b"version https://git-lfs"


@dataclass(frozen=True)
class LoadedModel:
    """A causal language model in evaluation mode on its device, with its own tokenizer."""

    model: Any
    tokenizer: Any
    name: str
    revision: str


@without_collection()
def load(
    spec: str | os.PathLike[str],
    dtype: str = "float32",
    device: str = "auto",
    cache: str = "",
    trust_remote_code: bool = False,
    readable: bool = False,
) -> LoadedModel:
    """Load a causal language model and its tokenizer.

    Args:
        spec: hub id with optional subfolder and @revision (owner/name/steps/1000@main), local folder, or package:NAME.
        dtype: float32, bfloat16 or float16.
        device: a torch device, or `auto`: the accelerator if there is one; a model that does not fit on one accelerator
            is spread over all, layer by layer.
        cache: folder of converted models.
        trust_remote_code: run the code that a hub repository ships.
        readable: accept encoder-decoders and masked models too, which only a lens can use.

    Raises:
        InputError: the model is missing, has no safetensors, is not a causal language model, or cannot be fetched.
    """
    import torch
    import transformers
    from safetensors import SafetensorError

    from semantic_pivots.models.device import default_device

    spec = os.fspath(spec)
    if dtype not in ("float32", "bfloat16", "float16"):
        raise InputError(f"dtype {dtype!r} is not known; expected float32, bfloat16 or float16")
    folder, name, revision = resolve(spec, cache)
    kind = _check_kind(folder, spec, trust_remote_code, readable)
    _check_weights(folder, spec)
    place = default_device() if device == "auto" else torch.device(device)
    spread = (
        {"device_map": "auto"} if device == "auto" and _exceeds_device(folder, getattr(torch, dtype), place) else {}
    )
    with quiet():
        try:
            checkpoint: Any = getattr(transformers, kind).from_pretrained(
                folder,
                **spread,
                dtype=getattr(torch, dtype),
                use_safetensors=True,
                trust_remote_code=trust_remote_code,
                output_loading_info=True,
            )
        except ImportError as error:  # a quantised checkpoint, whose library is not installed
            raise InputError(
                f"model {spec!r} needs a package that is not installed: {first_line(error)}; or give its full weights"
            ) from error
        except SafetensorError as error:
            raise InputError(
                f"model {spec!r}: a weights file is damaged ({first_line(error)}); fetch it again"
            ) from error
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise InputError(f"model {spec!r} does not load: {first_line(error)}") from error
    model, report = checkpoint
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise InputError(
            f"model {spec!r} lacks {len(missing)} weights (first: {missing[0]}); "
            "the folder is incomplete or not a causal language model"
        )
    tokenizer = tokenizer_of_folder(folder, spec, trust_remote_code)
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0] or not has_compact_tokenizer(folder):
        _check_tokens(model, tokenizer, spec)
    if place.type != "cpu" and dtype == "float32":
        warnings.warn(
            f"model {spec!r} in float32 on {place.type}: dtype = 'bfloat16' is several times faster", stacklevel=2
        )
    return LoadedModel((model if spread else model.to(place)).eval(), tokenizer, name, revision)


def _exceeds_device(folder: Path, dtype: torch.dtype, place: torch.device) -> bool:
    """Whether a model's weights are larger than one of several accelerators, so that they are spread over all."""
    from semantic_pivots.models.device import device_count, free_memory

    free = free_memory(place)
    return device_count() > 1 and free is not None and parameters_of_folder(folder) * dtype.itemsize > free


def _check_weights(folder: Path, spec: str) -> None:
    """Refuse a folder without weights, or with the pointers that Git LFS leaves where it did not fetch them."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InputError(f"model {spec!r} has no safetensors in {folder}; convert it to safetensors first")
    for path in files:
        with path.open("rb") as file:
            if file.read(len(_POINTER)) == _POINTER:
                raise InputError(f"model {spec!r}: {path.name} is a Git LFS pointer, not weights; run `git lfs pull`")


def _check_tokens(model: Any, tokenizer: Any, spec: str) -> None:
    """Refuse a tokenizer whose texts hold ids beyond the model's embedding.

    Special tokens beyond it are no fault where no text writes them: padding, or the pictures of Gemma 3.
    """
    rows, count = model.get_input_embeddings().weight.shape[0], len(tokenizer)
    # the vocabulary itself takes longer to copy than its ids to look up
    if count <= rows and None not in map(tokenizer.backend_tokenizer.id_to_token, range(count)):
        return
    special = set(tokenizer.all_special_tokens) | set(special_tokens(tokenizer.backend_tokenizer).values())
    special -= {tokenizer.bos_token, tokenizer.eos_token, *tokenizer.convert_ids_to_tokens(tokenizer("a")["input_ids"])}
    extra = sorted((i, token) for token, i in tokenizer.get_vocab().items() if i >= rows and token not in special)
    if extra:
        raise InputError(
            f"model {spec!r}: {len(extra)} tokens of its tokenizer lie beyond the {rows:,} rows of its embedding "
            f"(first {extra[0][1]!r}, {extra[0][0]:,}); resize the embedding or give the model's own tokenizer"
        )


def _check_kind(folder: Path, spec: str, trust_remote_code: bool, readable: bool) -> str:
    """The auto class of a folder's architecture; refuses one that is no causal language model before its weights."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
        MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    )

    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"model {spec!r}: {path} is not readable JSON; download the model again") from error
    kind, architectures = str(config.get("model_type", "")), config.get("architectures") or []
    if readable:
        for auto, names in (
            ("AutoModelForSeq2SeqLM", MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES),
            ("AutoModelForMaskedLM", MODEL_FOR_MASKED_LM_MAPPING_NAMES),
        ):
            if any(a in names.values() for a in architectures):
                return auto
    # models that also read pictures are causal ones where they are asked in words; some have a class for words alone
    if kind in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        words = kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
        return "AutoModelForCausalLM" if words else "AutoModelForImageTextToText"
    causal = any(a in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values() for a in architectures)
    if architectures and not causal and not (trust_remote_code and "auto_map" in config):
        raise InputError(
            f"model {spec!r} is {architectures[0]} ({kind}), not a causal language model; give one that is"
        )
    if not architectures and kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise InputError(f"model {spec!r} has model type {kind!r}, not a causal language model; give one that is")
    # the words of Mllama are of a model type that no auto class knows
    return "AutoModelForCausalLM" if kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES or not causal else architectures[0]
