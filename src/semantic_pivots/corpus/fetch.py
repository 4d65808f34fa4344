"""Text packages of Debian, fetched without root into a cache folder, and read without being unpacked to disk.

`apt-get` runs on a state folder of its own, so neither the machine's lists nor its packages are touched. A package that
lies in the cache is not fetched again: the second corpus needs no network.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

from semantic_pivots.errors import InputError
from semantic_pivots.files import file_lock

RETRIES = 3
_NO_APT = "fetching this corpus needs apt-get and dpkg-deb (Debian or Ubuntu); elsewhere give [corpus] path = FOLDER"


class DebianPackages:
    """The Debian packages of a cache folder.

    Args:
        cache: the cache folder; `debian/` below it holds packages, package lists and apt's state.
        translations: apt's names of the languages (fr, zh_CN) whose package descriptions are wanted.
    """

    def __init__(self, cache: Path, translations: tuple[str, ...] = ()):
        self.root = cache / "debian"
        self.translations = translations

    def fetch(self, packages: list[str]) -> tuple[dict[str, Path], list[str]]:
        """Paths of the packages' .deb files by name, and the names that the distribution does not have.

        Raises:
            InputError: there is no apt-get here, or no network and the packages are not in the cache.
        """
        with self.cache_lock():
            return self._fetch(packages)

    def cache_lock(self) -> contextlib.AbstractContextManager[None]:
        """Two studies that start at once share one cache: the second waits."""
        return file_lock(self.root / ".lock")

    def _fetch(self, packages: list[str]) -> tuple[dict[str, Path], list[str]]:
        archives = self.root / "archives"
        archives.mkdir(parents=True, exist_ok=True)
        absent_file = self.root / "absent"
        absent = set(absent_file.read_text().split()) if absent_file.exists() else set()
        missing = [name for name in packages if name not in absent and self._cache_file(name) is None]
        if missing or any(self.description_list(code) is None for code in self.translations):
            self._update()
            available = set(self._apt("apt-cache", "pkgnames").split())
            absent |= {name for name in missing if name not in available}
            absent_file.write_text("\n".join(sorted(absent)))
            names = [name for name in missing if name in available]
            if names:
                # Downloaded beside and moved: an interrupted download leaves no half package under a final name.
                partial = self.root / "partial"
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()
                self._apt("apt-get", "download", *names, folder=partial)
                for deb in partial.glob("*.deb"):
                    deb.replace(archives / deb.name)
        files = {name: path for name in packages if (path := self._cache_file(name)) is not None}
        return files, [name for name in packages if name not in files]

    def download(self, packages: list[str], folder: Path) -> None:
        """Fetch packages, each a name or name=version, into a folder; the caller holds `alone`.

        Raises:
            InputError: there is no apt-get here, no network, or the distribution lacks one.
        """
        try:
            self._apt("apt-get", "download", *packages, folder=folder)
        except InputError:  # no list of packages yet, or an old one
            self._update()
            self._apt("apt-get", "download", *packages, folder=folder)

    def _cache_file(self, name: str) -> Path | None:
        return max((self.root / "archives").glob(f"{name}_*.deb"), default=None)

    def description_list(self, code: str) -> Path | None:
        """apt's list of package descriptions in a language, or None where it has not been fetched."""
        lists = self.root / "state" / "lists"
        # The release's own list is by far the largest; those of updates and security repeat a few packages.
        files = sorted(lists.glob(f"*_i18n_Translation-{code.replace('_', '%5f')}*"), key=lambda p: p.stat().st_size)
        return files[-1] if files else None

    def read_list(self, path: Path) -> str:
        """The text of one of apt's lists, whatever its compression."""
        helper = Path("/usr/lib/apt/apt-helper")
        if path.suffix and helper.exists():
            return self._run([str(helper), "cat-file", str(path)], self.root)
        return path.read_text("utf-8", errors="replace")

    def _update(self) -> None:
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        self._apt("apt-get", "update")

    def _apt(self, command: str, *arguments: str, folder: Path | None = None) -> str:
        languages = ",".join(("en", *self.translations)) if self.translations else "none"
        options = {
            "Dir::State": self.root / "state",
            "Dir::State::lists": self.root / "state" / "lists",
            "Dir::State::status": "/var/lib/dpkg/status",
            "Dir::Cache": self.root / "cache",
            "Acquire::Languages": languages,
            "Acquire::Retries": RETRIES,
            # Without this, an update that reaches no server succeeds with empty lists.
            "APT::Update::Error-Mode": "any",
            "APT::Sandbox::User": "",
        }
        flags = [f"-o{key}={value}" for key, value in options.items()]
        return self._run([command, "-q", *flags, *arguments], folder or self.root)

    def _run(self, command: list[str], folder: Path) -> str:
        try:
            process = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        except FileNotFoundError:
            raise InputError(_NO_APT) from None
        if process.returncode:
            problems = [line for line in process.stderr.decode(errors="replace").splitlines() if line.startswith("E:")]
            reason = problems[0] if problems else f"exit code {process.returncode}"
            raise InputError(f"{Path(command[0]).name} failed ({reason}): check the network and try again")
        return process.stdout.decode("utf-8", errors="replace")


def package_files(deb: Path, pattern: str) -> Iterator[tuple[str, bytes]]:
    """Path and content of every regular file of a package whose path matches, in the package's order.

    Raises:
        InputError: the package is damaged.
    """
    member_pattern = re.compile(pattern)
    try:
        process = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE)
    except FileNotFoundError:
        raise InputError(_NO_APT) from None
    try:
        assert process.stdout is not None
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            for member in archive:
                path = member.name.removeprefix(".")
                if member.isfile() and member_pattern.search(path):
                    stream = archive.extractfile(member)
                    assert stream is not None
                    yield path, stream.read()
    except tarfile.TarError as error:
        raise InputError(f"package {deb.name}: damaged ({error}); delete it from {deb.parent} and run again") from error
    finally:
        with contextlib.suppress(OSError):
            process.stdout.close()  # type: ignore[union-attr]
        process.kill()
        process.wait()


def package_version(deb: Path) -> str:
    """The version in a package's file name."""
    return deb.name.split("_")[1].replace("%3a", ":")
