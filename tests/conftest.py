"""What all tests share: readable ids, the same in every process, English, compiled files, and a browser."""

import compileall
import functools
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tinygrad_rnn.language.locale_language import VARIABLES

os.environ.update(dict.fromkeys(VARIABLES, "C.UTF-8"))  # commands that a test starts speak English on each machine


def pytest_configure(config: pytest.Config) -> None:
    """Compile the package once where Python writes no compiled files: else each process that a test starts does so."""
    if sys.dont_write_bytecode and not hasattr(config, "workerinput"):
        compileall.compile_dir(Path(__file__).parents[1] / "tinygrad_rnn", quiet=2)


def pytest_make_parametrize_id(val: Any) -> str | None:
    """Name a function by its name, a lambda by its line, and any other object by a short text.

    No id holds an address or the order of a set, because these differ from process to process. pytest names short
    texts and numbers itself.
    """
    text = description(val)
    return None if text is None else text if len(text) <= 60 else text[:57] + "..."


def description(val: Any) -> str | None:
    """Return the words for a parameter, or None for a short text or a number."""
    if isinstance(val, str):
        return None if len(val) <= 60 else val
    if val is None or isinstance(val, bytes | bool | int | float | complex):
        return None
    if isinstance(val, set | frozenset):
        return f"{{{', '.join(sorted(map(repr, val)))}}}"
    if isinstance(val, functools.partial):
        return f"{val.func.__name__}({', '.join(f'{key}={value}' for key, value in val.keywords.items())})"
    name = getattr(val, "__name__", None)
    if name == "<lambda>":
        return f"lambda of line {val.__code__.co_firstlineno}"
    text = name if isinstance(name, str) else " ".join(repr(val).split())
    return type(val).__name__ if " at 0x" in text else text


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
