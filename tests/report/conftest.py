"""One browser and one made-up run for all tests of pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser import chromium
from tests.report import made_run


@pytest.fixture(scope="session")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_run.write(tmp_path_factory.mktemp("explorer"))
