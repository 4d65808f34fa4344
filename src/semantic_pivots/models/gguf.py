"""GGUF weights, converted once into a cached folder of safetensors and checked against their SHA-256.

Converting costs a minute and the disk of float32 weights; afterwards a model loads in a second.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from semantic_pivots.caching import cache_folder
from semantic_pivots.errors import InputError, first_line
from semantic_pivots.files import file_hash, file_lock
from semantic_pivots.models.compact_tokenizer import write_compact_tokenizer
from semantic_pivots.models.transformers_library import quiet


def converted_folder(parts: list[Path], name: str, digest: str, cache: str, fetch: bool = True) -> Path:
    """The safetensors folder of GGUF weights, converted at first use under a lock."""
    folder = cache_folder(cache) / "models" / f"{name}-{digest[:12]}"
    if (folder / "config.json").exists():
        return folder
    if not fetch:
        raise InputError(f"model {name!r} is not converted yet")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cache folder {folder.parent} cannot be made: {first_line(error)}; set `cache`") from error
    with file_lock(folder.with_name(f".{folder.name}.lock")):
        if (folder / "config.json").exists():
            return folder
        digest_of_parts = file_hash(*parts)
        if digest_of_parts != digest:
            raise InputError(
                f"model {name}: the weights' SHA-256 is {digest_of_parts[:12]}…, expected {digest[:12]}…; "
                "a part is missing or damaged, reinstall the package"
            )
        with tempfile.TemporaryDirectory(prefix=".converting-", dir=folder.parent) as scratch:
            _convert(parts, Path(scratch))
            if folder.exists():
                shutil.rmtree(folder)
            os.replace(Path(scratch) / "model", folder)
    return folder


def _convert(parts: list[Path], scratch: Path) -> None:
    """Write scratch/model: float32 safetensors and tokenizer of the GGUF made of `parts`."""
    import torch
    import transformers

    gguf = scratch / "model.gguf"
    if len(parts) == 1:
        gguf.symlink_to(parts[0].resolve())
    else:
        with gguf.open("wb") as out:
            for part in parts:
                with part.open("rb") as file:
                    shutil.copyfileobj(file, out, 1 << 22)
    with quiet(), contextlib.redirect_stderr(io.StringIO()):
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(scratch, gguf_file=gguf.name)
            model: Any = transformers.AutoModelForCausalLM.from_pretrained(
                scratch, gguf_file=gguf.name, dtype=torch.float32
            )
        except (ImportError, OSError, ValueError, RuntimeError, KeyError) as error:
            raise InputError(f"GGUF {parts[0].name} does not convert: {first_line(error)}") from error
        # the weights are plain float32 now; the marks of their origin would forbid to save them
        model.hf_quantizer = None
        model.is_quantized = False
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        model.save_pretrained(scratch / "model")
        tokenizer.save_pretrained(scratch / "model")
        write_compact_tokenizer(scratch / "model")
