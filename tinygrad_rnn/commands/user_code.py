"""Functions from a file of the user: `FILE.py:function`, or from a notebook: `FILE.ipynb:function`."""

from __future__ import annotations

import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.diagnosis.failures import CELL, advice, line_of, told
from tinygrad_rnn.commands.notebooks import code_of
from tinygrad_rnn.commands.sources import SourceLoader, imported_from_source

EXAMPLE = "example(rng, T, B) -> params, xs, state"
OWN_CELL = f"(params, x, *state) -> state and {EXAMPLE}"
"""The functions in a file that has a cell of its own; the name of the cell comes first."""


@contextmanager
def opened(path: Path) -> Iterator[ModuleType]:
    """Run a file, or the code cells of a notebook, as a module.

    Inside, its functions find the files beside it, also when they import them late.

    What the file prints while it runs goes to stderr. Its changes of the process are undone at the end: the current
    folder, the arguments, the streams, the ways to import, warnings, NumPy's error state. Raises ValueError, with the
    line, where the file cannot be run.
    """
    if not path.is_file():
        what = "is no file" if path.exists() else "there is no such file"
        raise ValueError(f"{path}: {what}\ngive it as FILE.py:function")
    if path.suffix not in (".py", ".ipynb"):
        raise ValueError(f"{path}: this is no Python file\nits name must end in .py or .ipynb")
    full = path.resolve()
    arguments, folder, end, streams = [*sys.argv], Path.cwd(), os._exit, (sys.stdin, sys.stdout, sys.stderr)
    try:
        sys.argv[:] = [str(path)]  # a file that reads arguments gets none of ours
        os._exit = partial(_exit, os.getpid(), end)  # type: ignore[assignment]  # ends the process without a word
        with np.errstate(), warnings.catch_warnings(), imported_from_source(full.parent):
            yield _run(path, full)
    except SystemExit as error:  # from one of its functions
        raise ValueError(_failed(path, full, error)) from error
    finally:
        sys.argv[:] = arguments
        os._exit = end
        sys.stdin, sys.stdout, sys.stderr = streams
        os.chdir(folder)


def _exit(process: int, end: Callable[[int], None], status: int) -> None:
    """End a process that the file forked; in our own raise SystemExit."""
    if os.getpid() != process:
        end(status)
    raise SystemExit(status)


def _run(path: Path, full: Path) -> ModuleType:
    name = f"given_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, full, loader=SourceLoader(name, str(full)))
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    try:
        parts = [*code_of(path, full)] if path.suffix == ".ipynb" else [SourceLoader(name, str(full)).get_code(name)]
    except SyntaxError as error:
        before, _, cell = (error.filename or "").rpartition(CELL)
        where = (f", cell {cell}" if before else "") + (f", line {error.lineno}" if error.lineno else "")
        raise ValueError(f"{path}{where}: {error.msg}\nit cannot be read as Python") from error
    except (ValueError, MemoryError, RecursionError) as error:
        said = str(error) or type(error).__name__
        raise ValueError(said if "\n" in said else f"{path}: {said}\nit cannot be read as Python") from error
    if path.suffix == ".ipynb":
        vars(module)["display"] = print  # as in Jupyter, it is there without an import
    sys.modules[name] = module  # dataclasses look their module up there
    try:
        with redirect_stdout(sys.stderr):
            for part in parts:
                exec(part, vars(module))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ValueError(_failed(path, full, error)) from error
    return module


def _failed(path: Path, full: Path, error: BaseException) -> str:
    what = "ends the program" if isinstance(error, SystemExit) else "cannot be run"
    where = line_of(error, full)
    return f"{path} {what}: {told(error)}{where and f' ({where})'}\n{advice(error, full)}"


def split(text: str) -> tuple[Path, str]:
    """Return the path and the name in FILE.py:name."""
    file, colon, name = text.rpartition(":")
    if not colon or not file or not name.isidentifier():
        raise ValueError(f"{text!r} names no function in a file\ngive it as FILE.py:function")
    return Path(file), name


def function(module: ModuleType, name: str) -> Callable[..., Any]:
    """Return a function of a module by its name. Raise ValueError, with the functions that there are."""
    found = getattr(module, name, None)
    if callable(found):
        return found  # type: ignore[no-any-return]
    there = [key for key, value in vars(module).items() if callable(value) and _own(value, module)]
    but = f": it is a {type(found).__name__} there" if name in vars(module) else ""
    raise ValueError(f"{module.__file__} has no function {name!r}{but}\nit has {', '.join(there) or 'none'}")


def example(module: ModuleType) -> Callable[..., Any]:
    """Return the function of a module that gives the problems of its cell. Raise ValueError where there is none."""
    found = getattr(module, "example", None)
    if callable(found):
        return found  # type: ignore[no-any-return]
    raise ValueError(f"{module.__file__} has no function 'example'\nwrite it beside the cell: {EXAMPLE}")


def _own(value: object, module: ModuleType) -> bool:
    """Tell whether a callable comes from the file or from one beside it."""
    home = sys.modules.get(getattr(value, "__module__", None) or "")
    return value.__class__ is partial or home is module or isinstance(getattr(home, "__loader__", None), SourceLoader)
