"""A browser that shows pages and pictures, and a machine without Graphviz."""

from functools import partial

import pytest

from tinygrad_rnn.draw import rendering


@pytest.fixture
def opened(chromium):
    """Open a page in the browser, complain of errors and of requests: `with opened(path, "#42") as page`."""
    return partial(Opened, chromium)


class Opened:
    """A page in a browser, which complains of errors and of requests."""

    def __init__(self, browser, path, where="", **context):
        self.complaints = []
        self.context = browser.new_context(**{"viewport": {"width": 1300, "height": 900}, **context})
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        address = path.as_uri() + where
        self.page.on("request", lambda r: r.url.startswith(path.as_uri()) or self.complaints.append(r.url))
        self.page.goto(address)

    def __enter__(self):
        return self.page

    def __exit__(self, *error):
        self.context.close()
        if not error[0]:
            assert not self.complaints


@pytest.fixture(scope="module")
def axe():
    """The source of axe-core."""
    module = pytest.importorskip("axe_playwright_python", reason="axe-core is not installed (extra `dev`)")
    return (module.__path__[0]) + "/axe.min.js"


@pytest.fixture
def no_dot(monkeypatch):
    monkeypatch.setattr(rendering.shutil, "which", lambda name: None)
