"""Tables of files with versions: Lance data sets and Iceberg tables, read as their newest version says.

A folder of either holds files of older versions too, so its Parquet files are not its rows. A Lance data set becomes
one file of documents a fragment, ROOT/NUMBER.fragment; an Iceberg table becomes the Parquet files of its snapshot.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath
from typing import Any

from semantic_pivots.corpus.streams import filesystem_of
from semantic_pivots.errors import InputError, first_line

FRAGMENT = ".fragment"
_LANCE, _ICEBERG, _DELTA = "_versions", ".metadata.json", "_delta_log"
Sizes = dict[str, int]


def current_files(sizes: Sizes, prefix: str) -> Sizes:
    """The files with documents; of Lance data sets and Iceberg tables, the files of the newest version only.

    Args:
        sizes: bytes of every file, by path.
        prefix: protocol of an address, empty on this machine.

    Raises:
        InputError: the package that reads a table is missing, the table is damaged or has files of deletions, or it is
            a Delta table.
    """
    for root in _roots(sizes, lambda path: path.parent.name == _DELTA):
        raise InputError(
            f"corpus {root}: a Delta table, which has files of older versions too; write its newest version to Parquet "
            "in a folder of its own"
        )
    for root in _roots(sizes, lambda path: path.parent.name == _LANCE):
        sizes = _outside(root, sizes) | _fragments(root, prefix)
    for root in _roots(sizes, lambda path: path.parent.name == "metadata" and path.name.endswith(_ICEBERG)):
        sizes = _outside(root, sizes) | _snapshot(root, sizes, prefix)
    return sizes


def fragment_batches(path: str) -> tuple[list[str], Any]:
    """The column names of a fragment from `current_files`, and a function that returns Arrow batches of columns."""
    root, _, name = path.rpartition("/")
    data = _lance(root)
    fragment = data.get_fragment(int(name.removesuffix(FRAGMENT)))
    if fragment is None:
        raise InputError(f"corpus {root}: no fragment {name.removesuffix(FRAGMENT)} in the newest version")
    return data.schema.names, lambda columns: fragment.to_batches(columns=columns, batch_size=1024)


def _roots(names: Iterable[str], is_version: Callable[[PurePosixPath], bool]) -> list[str]:
    """The folders of tables, two above their files of versions."""
    return sorted({str(path.parent.parent) for path in map(PurePosixPath, names) if is_version(path)})


def _outside(root: str, sizes: Sizes) -> Sizes:
    return {name: size for name, size in sizes.items() if not name.startswith(f"{root}/")}


def _fragments(root: str, prefix: str) -> Sizes:
    return {
        f"{root}/{fragment.fragment_id}{FRAGMENT}": sum(file.file_size_bytes or 0 for file in fragment.metadata.files)
        for fragment in _lance(prefix + root).get_fragments()
    }


def _lance(root: str) -> Any:
    try:
        import lance
    except ImportError as error:
        raise InputError(f"corpus {root}: a Lance data set; to read it, pip install semantic-pivots[lance]") from error
    try:
        return lance.dataset(root)
    except (OSError, ValueError) as error:
        raise InputError(f"corpus {root}: not a Lance data set, or a damaged one: {first_line(error)}") from error


def _snapshot(root: str, sizes: Sizes, prefix: str) -> Sizes:
    """The Parquet files of the newest snapshot."""
    try:
        from pyiceberg.table import StaticTable
    except ImportError as error:
        raise InputError(f"corpus {root}: an Iceberg table; for it, pip install semantic-pivots[iceberg]") from error
    versions = [name for name in sizes if name.startswith(f"{root}/metadata/") and name.endswith(_ICEBERG)]
    newest = max(versions, key=lambda name: _version(prefix + name))
    try:
        plan = list(StaticTable.from_metadata(prefix + newest).scan().plan_files())
    except Exception as error:  # readers of manifests and of object stores have exceptions of their own
        raise InputError(f"corpus {root}: not an Iceberg table, or a damaged one: {first_line(error)}") from error
    files: Sizes = {}
    for task in plan:
        if task.delete_files:
            raise InputError(f"corpus {root}: rows are deleted by files of deletions; rewrite the table's data files")
        path = task.file.file_path.split("://", 1)[-1]
        if not path.endswith(".parquet"):
            raise InputError(f"corpus {root}: {PurePosixPath(path).name} is no Parquet file; only those are read")
        if path not in sizes:
            raise InputError(f"corpus {root}: its file {path} is not below it; was the table moved?")
        files[path] = sizes[path]
    return files


def _version(path: str) -> tuple[int, str]:
    """When a file of metadata was written, in milliseconds, and its name."""
    filesystem, place, _ = filesystem_of(path)
    try:
        return int(json.loads(filesystem.cat_file(place))["last-updated-ms"]), PurePosixPath(path).name
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"corpus {path}: no metadata of an Iceberg table: {first_line(error)}") from error
