"""Code cells of a Jupyter notebook, read as JSON. Each is compiled by itself, so that errors name cell and line."""

from __future__ import annotations
import __future__

import ast
import json
import linecache
import re
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

from tinygrad_rnn.bptt.diagnosis.failures import CELL

OF_JUPYTER = re.compile(r"(?P<indent>\s*)(?:(?P<name>\w+\s*=)?\s*[%!?]|[^#'\"]*\?\s*$)")
"""A line that Jupyter alone understands: %magic, !command, files = !ls, help?"""
OF_PYTHON = ("%%time", "%%timeit", "%%capture", "%%prun", "%%memit")
"""Magics of a whole cell, under which the cell is Python."""
LATER_TOO = __future__.annotations.compiler_flag
"""What a `from __future__ import` of one cell changes in those after it."""


def code_of(path: Path, full: Path) -> Iterator[CodeType]:
    """Yield the compiled code cells of a notebook, in order. Lines for Jupyter alone are left out.

    Raises ValueError for a file that is no notebook of Python, and SyntaxError, with the cell, for a cell that is none.
    """
    flags = 0
    for number, source in _cells(path, full):
        name = f"{full}{CELL}{number}"
        text = _python(source)
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)  # for inspect.getsource
        code = compile(text, name, "exec", flags, dont_inherit=True)
        flags |= code.co_flags & LATER_TOO
        yield code


def _cells(path: Path, full: Path) -> Iterator[tuple[int, str]]:
    """Yield the number of each code cell among the code cells, from 1, and its text."""
    notebook = _read(path, full)
    info = notebook.get("metadata", {})
    kernel = info.get("kernelspec", {}).get("language") or info.get("language_info", {}).get("name") or "python"
    if "python" not in kernel.lower():
        raise ValueError(f"{path}: this notebook is written in {kernel}\ngive one that is written in Python")
    number = 0
    for cell in notebook["cells"]:
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            number += 1
            source = cell.get("source", "")
            yield number, source if isinstance(source, str) else "".join(map(str, source))


def _read(path: Path, full: Path) -> dict[str, Any]:
    try:
        notebook = json.loads(full.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: this is no notebook: {error}\nsave it in Jupyter as .ipynb, or give a .py") from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        older = isinstance(notebook, dict) and "worksheets" in notebook
        what = "a notebook of an old format" if older else "this is no notebook: it has no cells"
        raise ValueError(f"{path}: {what}\nopen it in Jupyter and save it, or give a .py")
    return notebook


def _python(source: str) -> str:
    """Return a cell's Python, with as many lines. Only a cell that is not Python as it stands is changed."""
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        pass
    else:
        return source
    first, *rest = source.split("\n")
    if first.startswith("%%"):
        source = "\n".join(["", *rest]) if first.split()[0] in OF_PYTHON else ""
    return "\n".join(map(_without, source.split("\n")))


def _without(line: str) -> str:
    """Return a line, or one that does nothing in the place of one for Jupyter alone."""
    found = OF_JUPYTER.match(line)
    if not found:
        return line
    return f"{found['indent']}{found['name']} None" if found["name"] else f"{found['indent']}pass"
