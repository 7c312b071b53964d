"""Errors of a user's code: the line, whether the derivation was carried out at all, and advice."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

CELL = ", cell "
"""What stands between a notebook's path and a number in the file name of a cell's code."""

SCRIPT = "it must be a file that `python FILE.py` runs; what it needs must be installed"


def is_no_answer(error: BaseException) -> bool:
    """Tell whether an error is no verdict on a derivation: it was not carried out, or ended by what is no error."""
    if isinstance(error, KeyboardInterrupt):
        return False
    return isinstance(error, MemoryError | OSError | ImportError) or not isinstance(error, Exception)


def source_of(function: Callable[..., object]) -> Path | None:
    """Return the file of a function or method, or of the function that a partial or a callable object calls."""
    called: Any = inspect.unwrap(function)
    while isinstance(called, partial):
        called = inspect.unwrap(called.func)
    if not inspect.isroutine(called) and not inspect.isclass(called):
        called = type(called).__call__
    code = getattr(inspect.unwrap(called), "__code__", None)
    return Path(code.co_filename) if code else None


def line_of(error: BaseException, file: Path | None) -> str:
    """Return the last line of a file that led to an error; of a notebook the cell too; empty where none did."""
    whole = str(file).rpartition(CELL)[0] or str(file)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path, _, cell = frame.filename.rpartition(CELL)
        if frame.filename == whole or path == whole:
            return f"cell {cell}, line {frame.lineno}" if path else f"line {frame.lineno}"
    return ""


def told(error: BaseException) -> str:
    """Return an error in words: its kind and its message."""
    if isinstance(error, SystemExit):
        return f"exit({'' if error.code is None else repr(error.code)})"
    said = "; ".join(str(error).splitlines())
    if isinstance(error, SyntaxError) and error.filename:
        said = f"{error.msg} ({error.filename}, line {error.lineno})"
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def advice(error: BaseException, file: Path | None) -> str:
    """Return advice on an error that came out of a file."""
    name, folder = getattr(error, "filename", None), file.parent if file else Path.cwd()
    if isinstance(error, OSError) and isinstance(name, str) and not Path(name).exists() and (folder / name).exists():
        return (
            f"{name!r} is looked for in {Path.cwd()}, and lies in {folder}: "
            f"run the command there, or open Path(__file__).parent / {name!r}"
        )
    if isinstance(error, ImportError) and "relative import" in str(error):
        return "a file by itself is in no package: write `from helper import f` in the place of `from .helper import f`"
    if isinstance(error, SystemExit):
        return 'put what only a script does under `if __name__ == "__main__":`'
    if isinstance(error, MemoryError):
        return "use less memory: the doctor's problems have 20 steps and 3 sequences at most"
    if not isinstance(error, Exception):
        return "this is no error of a computation: leave it to Python, or raise an Exception"
    return SCRIPT
