"""One small run, with the built-in student among mocks, and a browser, for all tests here."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright import sync_api

NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def finished(trained_run: Path) -> Path:
    """The folder of a finished run."""
    return trained_run


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    """The Chromium of this machine. While it is open, no event loop can be begun beside it."""
    chromium = next(filter(None, map(shutil.which, NAMES)), None)
    if chromium is None:
        pytest.skip("no Chromium: apt-get install chromium brings one")
    with sync_api.sync_playwright() as playwright:
        # As root, Chromium starts without its sandbox only.
        arguments = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
        opened = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield opened
        opened.close()
