"""Compiled functions find a folder wherever the package runs."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from semantic_pivots import caching


@pytest.fixture
def unwritable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user who may write to the temporary folder alone."""
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: str(path).startswith(str(tmp_path)) and access(path, mode))
    monkeypatch.setattr(caching.tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    return tmp_path


def test_numbas_own_folder_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    assert caching.compiled_cache() is None


def test_without_a_writable_folder_it_is_one_of_this_users_alone(unwritable: Path):
    found = Path(caching.compiled_cache() or "")
    assert found == unwritable / f"pivots-numba-{os.getuid()}"
    assert stat.S_IMODE(found.stat().st_mode) == 0o700
    found.chmod(0o777)  # as another user may have made it
    other = Path(caching.compiled_cache() or "")
    assert other != found
    assert stat.S_IMODE(other.stat().st_mode) == 0o700


def test_a_user_with_a_cache_or_a_choice_keeps_it(unwritable: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(unwritable / "cache"))
    assert caching.compiled_cache() is None
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/somewhere")
    assert caching.compiled_cache() is None


def test_a_process_of_ours_sets_what_an_import_leaves_alone(unwritable: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("ARROW_DEFAULT_MEMORY_POOL", "NUMBA_CACHE_DIR", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "restored at the end")
        monkeypatch.delenv(name)
    caching.prepare_process()
    assert (os.environ["ARROW_DEFAULT_MEMORY_POOL"], os.environ["OMP_WAIT_POLICY"]) == ("system", "passive")
    assert Path(os.environ["NUMBA_CACHE_DIR"]).parent == unwritable
    monkeypatch.setenv("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")
    caching.prepare_process()
    assert os.environ["ARROW_DEFAULT_MEMORY_POOL"] == "jemalloc"
