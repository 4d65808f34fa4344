"""A real browser for the tests of pages: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

WIDE, NARROW = 1280, 390


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """The browser; the test is skipped where none is installed."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium fonts-noto-cjk")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path)
        yield browser
        browser.close()


class Watched:
    """A page with what it asked the network for and what it complained of."""

    def __init__(self, browser: Any, width: int = 0):
        self.page = browser.new_page(**({"viewport": {"width": width, "height": 800}} if width else {}))
        self.page.set_default_timeout(120_000)  # of a busy machine
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def outside(self, *own: str) -> list[str]:
        """Requests to anywhere else than addresses that begin so."""
        return [url for url in self.requests if not url.startswith((*own, "data:", "blob:"))]

    def too_wide(self) -> list[str]:
        """What reaches beyond the page or its own box."""
        return self.page.evaluate(
            """() => [document.documentElement, ...document.querySelectorAll('.scroll')]
            .filter(node => node.clientWidth && node.scrollWidth > node.clientWidth + 1)
            .map(node => node.getAttribute('aria-label') || node.tagName)"""
        )
