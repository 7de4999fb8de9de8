"""A browser and one window of it, for all tests of a module."""

import importlib
import os
import shutil
import sys

import pytest
from driving import DRIVER

BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")


@pytest.fixture(scope="module")
def browser():
    """A browser that is driven by Playwright, for all tests of this module."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no browser; install chromium")
    if not (DRIVER / "ready").is_file():
        pytest.skip("nothing to drive a browser with; run `make .build/browser/ready`")
    sys.path.append(str(DRIVER))
    playwright = importlib.import_module("playwright.sync_api").sync_playwright()
    with playwright as api:
        # Chromium's sandbox refuses to run as root.
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        chromium = api.chromium.launch(executable_path=found, args=sandbox)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def window(browser):
    """One window; what it reports as an error, or requests from outside, is in `problems`."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda said: page.problems.append(said.text) if is_trouble(said) else None)
    page.on("request", lambda request: page.problems.append(request.url) if out(request) else None)
    yield page
    assert not page.problems


def is_trouble(said) -> bool:
    return said.type in ("error", "warning")


def out(request) -> bool:
    return not request.url.startswith(("file:", "data:", "about:"))
