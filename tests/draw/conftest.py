"""A browser that shows pages and pictures, and a machine without Graphviz."""

import shutil

import pytest

from tinygrad_rnn.draw import rendering


@pytest.fixture(scope="module")
def chromium():
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed")
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (extra `dev`)")
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def no_dot(monkeypatch):
    monkeypatch.setattr(rendering.shutil, "which", lambda name: None)
