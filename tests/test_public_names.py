"""The names at the top of the package: typed, documented, and imported when they are asked for."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys

import pytest

import semantic_pivots as sp

NAMES = [name for name in sp.__all__ if name != "__version__"]


@pytest.mark.parametrize("name", NAMES)
def test_each_name_has_types_and_a_docstring(name: str):
    value = getattr(sp, name)
    sentence = inspect.getdoc(value).split("\n\n")[0]
    assert sentence.endswith(".")
    function = value.__init__ if inspect.isclass(value) else value
    signature = inspect.signature(function)
    untyped = [p.name for p in signature.parameters.values() if p.annotation is p.empty and p.name != "self"]
    assert not untyped
    assert inspect.isclass(value) or signature.return_annotation is not signature.empty


def test_dir_lists_the_names_and_others_are_errors():
    assert set(sp.__all__) <= set(dir(sp))
    assert sp.__version__
    with pytest.raises(AttributeError, match="nothing"):
        sp.nothing  # noqa: B018


def test_importing_changes_no_environment_and_imports_nothing_heavy():
    asked = (
        "import os, sys\nbefore = dict(os.environ)\nimport semantic_pivots\n"
        "assert dict(os.environ) == before\n"
        "assert not {'torch', 'pyarrow', 'polars', 'numpy', 'numba'} & set(sys.modules)\n"
    )
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("ARROW_", "NUMBA_"))}
    subprocess.run([sys.executable, "-c", asked], check=True, env=plain)
