"""What travels to a device without a network: files in parts of a bounded size, with sizes and hashes in a manifest.

A file that no part has room for is cut into pieces. Token samples and weights are compressed by LZMA, which Python has
everywhere; a piece is checked before it is read, and a file once it is whole.
"""

from __future__ import annotations

import contextlib
import json
import lzma
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from semantic_pivots.errors import InputError
from semantic_pivots.files import complete_file, file_hash, text_hash, write_json

MANIFEST = "manifest.json"
_SUFFIX = ".xz"


def packed(content: bytes) -> bytes:
    """The content as it travels."""
    return lzma.compress(content, preset=9)


def write_pack(files: Iterable[tuple[str, bytes]], folder: Path, part_bytes: int, notes: dict[str, Any]) -> dict:
    """Write files in their order into `folder`/part-1, part-2, ..., and the manifest beside them.

    Args:
        files: name and content; a name that ends in .xz is the compressed form (`packed`) of the name before it.
        folder: a new folder.
        part_bytes: bytes of a part, at most.
        notes: what else the manifest holds.

    Returns:
        The manifest.
    """
    held: dict[str, Any] = {}
    part, left = 1, part_bytes
    for name, content in files:
        pieces = []
        first = 0
        while first < len(content) or not pieces:
            if not left:
                part, left = part + 1, part_bytes
            piece = content[first : first + left]
            place = f"part-{part}/{name}.{len(pieces):03d}"
            with complete_file(folder / place) as temporary:
                temporary.write_bytes(piece)
            pieces.append({"place": place, "bytes": len(piece), "sha256": text_hash(piece)})
            first, left = first + len(piece), left - len(piece)
        held[name] = {"bytes": len(content), "sha256": text_hash(content), "pieces": pieces}
    manifest = {**notes, "parts": part, "files": held}
    write_json(folder / MANIFEST, manifest)
    return manifest


class Pack:
    """A pack whose parts have come, together or one after the other."""

    def __init__(self, folder: Path):
        """Read the manifest.

        Raises:
            InputError: there is none.
        """
        self.folder = folder
        if not (folder / MANIFEST).exists():
            raise InputError(f"pack {folder}: no {MANIFEST}; make one with scripts/pack_device.py")
        self.manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))

    def names(self, beginning: str = "") -> list[str]:
        """Names of the files, without the suffix of compression."""
        return [name.removesuffix(_SUFFIX) for name in self.manifest["files"] if name.startswith(beginning)]

    def read(self, name: str) -> bytes:
        """A file's content.

        Raises:
            InputError: it is not in the pack, a part has not come, or a piece is damaged.
        """
        files = self.manifest["files"]
        stored = name if name in files else name + _SUFFIX
        if stored not in files:
            raise InputError(f"pack {self.folder}: no file {name}; it has {', '.join(self.names())}")
        content = b"".join(self._piece(piece) for piece in files[stored]["pieces"])
        if text_hash(content) != files[stored]["sha256"]:
            raise InputError(f"pack {self.folder}: {name} is not what was packed; make the pack again")
        return content if stored == name else lzma.decompress(content)

    def _piece(self, piece: dict[str, Any]) -> bytes:
        path = self.folder / piece["place"]
        if not path.exists():
            raise InputError(f"pack {self.folder}: {piece['place']} is missing; bring that part along too")
        if path.stat().st_size != piece["bytes"] or file_hash(path) != piece["sha256"]:
            raise InputError(f"pack {self.folder}: {piece['place']} is damaged; bring that part along again")
        return path.read_bytes()

    def unpack(self, beginning: str, target: Path) -> Path:
        """Write the files below a folder of the pack to `target`; returns it."""
        for name in self.names(f"{beginning}/"):
            path = target / name.removeprefix(f"{beginning}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.read(name))
        return target

    @contextlib.contextmanager
    def packages(self) -> Iterator[None]:
        """Let packages that travel along be imported, behind those that are installed, while the block runs."""
        with tempfile.TemporaryDirectory() as folder:
            sys.path.append(str(self.unpack("site", Path(folder))))
            yield
            sys.path.remove(folder)

    def tokens(self, name: str) -> np.ndarray:
        """(tokens,) uint16 of a token sample."""
        return np.frombuffer(self.read(name), np.uint16)
