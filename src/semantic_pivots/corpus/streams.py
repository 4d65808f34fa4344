"""The kind of a file by its name, and its bytes, local or at an address, decompressed."""

from __future__ import annotations

import bz2
import io
import lzma
import os
import zlib
from typing import Any, BinaryIO

from semantic_pivots.errors import InputError, first_line

KINDS = {".parquet": "parquet", ".arrow": "arrow", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
KINDS |= {".txt": "text", ".md": "text", ".tar": "tar", ".idx": "megatron", ".fragment": "lance"}
COMPRESSIONS = (".gz", ".zst", ".bz2", ".xz")
_BLOCK = 1 << 16
"""Compressed bytes that are decompressed at once."""


def kind(path: str) -> tuple[str, str]:
    """Format (parquet, arrow, jsonl, text; empty if unknown) and compression of a file, by the suffix of its name."""
    stem, suffix = os.path.splitext(path.lower())
    if suffix not in COMPRESSIONS:
        return KINDS.get(suffix, ""), ""
    inner = KINDS.get(os.path.splitext(stem)[1], "")
    return (inner, suffix) if inner in ("jsonl", "text", "tar") else ("", suffix)


def filesystem_of(path: str) -> tuple[Any, str, str]:
    """The file system of a path or address, the path in it, and its protocol with `://` (empty on this machine).

    Raises:
        InputError: the driver of an address is not installed.
    """
    import fsspec

    if "://" not in path:  # a name of this machine may hold `::`, which chains addresses
        return fsspec.filesystem("file"), os.path.abspath(os.path.expanduser(path)), ""
    try:
        filesystem, root = fsspec.core.url_to_fs(path)
    except (ImportError, ValueError) as error:
        raise InputError(f"corpus {path}: {first_line(error)}") from error
    return filesystem, root, path.split("://", 1)[0] + "://"


def open_file(path: str) -> Any:
    """The bytes of a file, decompressed by its suffix; reading raises EOFError where it is cut or damaged."""
    filesystem, root, _ = filesystem_of(path)
    stream = filesystem.open(root, "rb")
    compression = kind(path)[1]
    return io.BufferedReader(_Frames(stream, path, compression), 1 << 20) if compression else stream


class _Frames(io.RawIOBase):
    """Compressed frames, one behind another, as one stream; EOFError where one is cut, or no frame begins.

    The readers of the libraries end there without a word: those of bz2 and xz where no frame begins, that of zstandard
    where a frame is cut.
    """

    def __init__(self, stream: BinaryIO, path: str, compression: str):
        self._stream, self._path, self._compression = stream, path, compression
        self._rest = self._pending = b""
        self._frame: Any = None
        self._errors: tuple[type[Exception], ...] = (zlib.error, lzma.LZMAError, OSError)
        if compression == ".zst":
            import zstandard

            self._errors = (zstandard.ZstdError,)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        while not self._pending and self._decompress():
            pass
        count = min(len(buffer), len(self._pending))
        buffer[:count] = self._pending[:count]
        self._pending = self._pending[count:]
        return count

    def _decompress(self) -> bool:
        """Decompress the next block into `_pending`; False at the end."""
        block, self._rest = self._rest or self._stream.read(_BLOCK), b""
        if self._frame is None or self._frame.eof:
            if not block and self._frame is None:
                raise EOFError("the file is empty, which no compressed file is")
            content = block.lstrip(b"\0")  # gzip and xz allow zeros between frames
            if not content:
                return bool(block)
            self._frame = self._begin(content)
        elif not block:
            raise EOFError("the last frame is not complete")
        else:
            content = block
        try:
            self._pending = self._frame.decompress(content)
        except self._errors as error:
            raise EOFError(f"not a valid {self._compression} stream: {first_line(error)}") from error
        if self._frame.eof:
            self._rest = self._frame.unused_data
        return True

    def _begin(self, block: bytes) -> Any:
        """The decompressor of the frame that begins with a block."""
        match self._compression:
            case ".gz":
                return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
            case ".bz2":
                return bz2.BZ2Decompressor()
            case ".xz":
                return lzma.LZMADecompressor()
        import zstandard

        try:
            number = zstandard.get_frame_parameters(block).dict_id
        except zstandard.ZstdError:  # too short to tell, or no frame, which decompressing says
            number = 0
        if number:
            raise InputError(
                f"corpus {self._path}: compressed with a zstd dictionary (number {number}), which is not in the file; "
                "compress it without one"
            )
        return zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj()
