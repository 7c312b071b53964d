"""Functions from somebody's own file: `FILE.py:function`."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any


def load(path: Path) -> ModuleType:
    """Run a file as a module. Raises ValueError, with the line, where it cannot be run."""
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file\ngive it as FILE.py:function")
    spec = importlib.util.spec_from_file_location(f"given_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path}: this is no Python file\nits name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    sys.path.insert(0, str(path.resolve().parent))  # as for a script: files beside it can be imported
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        where = f", line {error.lineno}" if error.lineno else ""
        raise ValueError(f"{path}{where}: {error.msg}\nit cannot be read as Python") from error
    except (Exception, SystemExit) as error:
        trace = error.__traceback__
        while trace and trace.tb_next:
            trace = trace.tb_next
        line = trace.tb_lineno if trace else "?"
        raise ValueError(
            f"{path} cannot be run: {type(error).__name__}: {error} (line {line})\n"
            "it must be a file that `python FILE.py` runs; what it needs must be installed"
        ) from error
    finally:
        sys.path.pop(0)
    return module


def split(text: str) -> tuple[Path, str]:
    """A path and a name from FILE.py:name."""
    file, colon, name = text.rpartition(":")
    if not colon or not file or not name.isidentifier():
        raise ValueError(f"{text!r} names no function in a file\ngive it as FILE.py:function")
    return Path(file), name


def function(module: ModuleType, name: str) -> Callable[..., Any]:
    """A function of a module. Raises ValueError, with those that are there."""
    found = getattr(module, name, None)
    if not callable(found):
        there = [key for key, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
        raise ValueError(f"{module.__file__} has no function {name!r}\nit has {', '.join(there) or 'none'}")
    return found  # type: ignore[no-any-return]
