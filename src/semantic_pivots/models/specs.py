"""Model specs: a hub id with optional subfolder and @revision, a local folder or .gguf file, or package:NAME.

A package, folder or file of GGUF weights may be pinned to their content: `package:NAME@sha256:DIGEST`. Every spec
becomes a folder of safetensors first: fetched from the hub, or converted from GGUF.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from semantic_pivots.errors import InputError, first_line
from semantic_pivots.files import Record, digest, fingerprint
from semantic_pivots.models.gguf import converted_folder
from semantic_pivots.models.model_packages import package_model
from semantic_pivots.models.transformers_library import quiet

PACKAGE = "package:"
HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)*(@[\w./-]+)?")
_WEIGHTS = ("*.safetensors", "*.safetensors.index.json")
TEXTS = ("*.json", "*.txt", "*.model", "*.jinja")
_PIN = "@sha256:"


def model_folder(spec: str, cache: str = "") -> Path:
    """The folder that holds the spec's safetensors, config.json and tokenizer.json; made or fetched where needed."""
    return resolve(spec, cache)[0]


def model_signature(spec: str, cache: str = "") -> str:
    """`name@revision` of a spec, as figures quote it."""
    _, name, revision = resolve(spec, cache)
    return f"{name}@{revision}"


def parameters(spec: str, cache: str = "") -> int:
    """Number of parameters of a model, from the headers of its weight files; tied parameters count once."""
    return parameters_of_folder(model_folder(spec, cache))


def parameters_here(spec: str, cache: str = "") -> int:
    """Number of parameters of a model whose files are on this machine; 0 if it would first be fetched or converted."""
    local = Path(spec).expanduser()
    try:
        return parameters_of_folder(local if local.is_dir() else resolve(spec, cache, fetch=False)[0])
    except InputError:
        return 0


def config_here(spec: str, cache: str = "") -> Record:
    """The config.json of a model; empty where the model would first be fetched or converted."""
    try:
        return json.loads((resolve(spec, cache, fetch=False)[0] / "config.json").read_text("utf-8"))
    except (InputError, OSError, ValueError):
        return {}


def parameters_of_folder(folder: Path) -> int:
    """Number of parameters of the safetensors in a folder."""
    from safetensors import safe_open

    count = 0
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "np") as file:
            count += sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    return count


def resolve(spec: str, cache: str, fetch: bool = True) -> tuple[Path, str, str]:
    """The folder, the name and the revision of a spec; without `fetch` nothing is fetched or converted for it."""
    spec, _, pin = spec.partition(_PIN)
    if pin and not re.fullmatch("[0-9a-f]{64}", pin):
        raise InputError(f"model {spec}{_PIN}{pin}: expected the 64 hexadecimal digits of a file's SHA-256")
    if spec.startswith(PACKAGE):
        return package_model(spec.removeprefix(PACKAGE), cache, pin, fetch)
    local = Path(spec).expanduser()
    if local.is_file() and local.suffix == ".gguf":
        revision = pin or fingerprint(local)
        return converted_folder([local], local.stem, revision, cache, fetch), local.stem, revision[:12]
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
            return converted_folder([ggufs[0]], local.name, revision, cache, fetch), local.name, revision[:12]
        files = sorted([*local.glob("*.safetensors"), local / "config.json"])
        return local, local.name, digest([[path.name, fingerprint(path)] for path in files])[:12]
    if spec.startswith((".", "/", "~")) or not HUB_ID.fullmatch(spec):
        raise InputError(f"model {spec!r} not found: no such folder; expected hub id, local folder, or package:NAME")
    return _from_hub(spec, fetch)


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

    name, subfolder, revision = hub_parts(spec)
    # without a subfolder, none: research repositories keep a model for each step in one
    patterns = [f"{subfolder}/{pattern}" for pattern in (*_WEIGHTS, *TEXTS)] if subfolder else [*_WEIGHTS, *TEXTS]
    rules: dict[str, Any] = {"allow_patterns": [*patterns, *TEXTS], "ignore_patterns": None if subfolder else ["*/*"]}
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
            raise InputError(f"model {name!r}: no network to the hub ({first_line(error)})") from error
    if subfolder and not (folder / subfolder / "config.json").exists():
        raise InputError(f"model {name!r} has no folder {subfolder!r} with a config.json on the hub; check the name")
    return folder / subfolder, f"{name}/{subfolder}" if subfolder else name, folder.name[:12]


def hub_parts(spec: str) -> tuple[str, str, str]:
    """Repository, subfolder and revision of a hub id."""
    path, _, revision = spec.partition("@")
    parts = path.split("/")
    return "/".join(parts[:2]), "/".join(parts[2:]), revision
