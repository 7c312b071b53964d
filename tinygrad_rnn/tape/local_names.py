"""The names that authors give to values: those of the local variables of their functions."""

from __future__ import annotations

import functools
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

import numpy as np

from tinygrad_rnn.core.tensor import Tensor

NUMPY = os.path.join(os.path.dirname(np.__file__), "")
PACKAGE = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")
CELLS = os.path.join(PACKAGE, "nn", "")


@contextmanager
def local_names(*functions: Callable[..., Any] | None) -> Iterator[dict[int, str]]:
    """Collect the names of the local variables of functions, by the id of the Tensor.

    A function that one of these calls once, such as the one that it wraps, gives names as well: a function's name for a
    value goes before that of one it calls. A helper that is called for each gate names nothing.
    """
    codes = {code for function in functions if function is not None for code in _codes(function)}
    found: dict[int, str] = {}
    kept: list[Tensor] = []  # an id belongs to a Tensor only while the Tensor lives
    running: list[dict[str, object]] = []  # what each function in progress was given
    ended: list[tuple[int, CodeType, dict[str, Tensor]]] = []

    def look(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and (running or code in codes):
            running.append(dict(frame.f_locals) if code not in codes and _by_an_author(frame) else {})
        elif event == "return" and running:
            given = running.pop()
            if code in codes or _by_an_author(frame):
                ended.append((len(running), code, _tensors(frame.f_locals, given)))
            if not running:
                calls = Counter(code for _, code, _ in ended)
                for _, code, names in sorted(ended, key=lambda end: -end[0]):
                    if calls[code] == 1 or code in codes:
                        kept.extend(names.values())
                        found.update({id(value): name for name, value in names.items()})
                ended.clear()

    with _profiled_by(look):
        yield found


@contextmanager
def local_names_in(file: str) -> Iterator[dict[int, str]]:
    """Collect those of all functions of a file. A function's name for a value goes before that of one it calls.

    What a function is given has its name from the function that made it. A value that stands in a dict or list of
    steps alone, fs[t], is named after it: f.
    """

    def own(frame: FrameType) -> list[str]:
        code = frame.f_code
        given = code.co_varnames[: code.co_argcount] if frame.f_back and frame.f_back.f_code.co_filename == file else ()
        return [name for name in frame.f_locals if name not in given] if code.co_filename == file else []

    with _names_at_return(own) as found:
        yield found


@contextmanager
def _names_at_return(own: Callable[[FrameType], list[str]]) -> Iterator[dict[int, str]]:
    """Collect names where a function returns, or ends with an error. `own`: the variables of a frame that count."""
    found: dict[int, str] = {}
    kept: list[Tensor] = []  # an id belongs to a Tensor only while the Tensor lives

    def look(frame: FrameType, event: str, _: object) -> None:
        if event == "return":
            for name in reversed(own(frame)):  # of two names for one value the first one counts
                for value, called in _named(name, frame.f_locals[name]):
                    if called == name or id(value) not in found:
                        found[id(value)] = called
                        kept.append(value)

    with _profiled_by(look):
        yield found


@contextmanager
def _profiled_by(look: Callable[[FrameType, str, object], None]) -> Iterator[None]:
    before = sys.getprofile()
    sys.setprofile(look)
    try:
        yield
    finally:
        sys.setprofile(before)


def _named(name: str, value: object) -> Iterator[tuple[Tensor, str]]:
    """Yield a variable that is a Tensor, or the Tensors in one that holds those of all steps, with names."""
    if name.startswith("_"):
        return
    if isinstance(value, Tensor):
        yield value, name
        return
    single = name.rstrip("_")
    single = single[:-1] if len(single) > 1 and single.endswith("s") else single
    steps: Iterable[object] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in [*steps, *(part for _, part in getattr(value, "written", ()))]:
        if isinstance(part, Tensor):
            yield part, single


def _tensors(variables: Mapping[str, object], given: Mapping[str, object]) -> dict[str, Tensor]:
    """Return the variables that are Tensors, the last one first, without those that the function was given."""
    found = {}
    for name in reversed([*variables]):
        value = variables[name]
        if isinstance(value, Tensor) and not name.startswith("_") and given.get(name) is not value:
            found[name] = value
    return found


def _by_an_author(frame: FrameType) -> bool:
    """Return whether a function is no part of NumPy and of this package, or a cell that others call."""
    file = frame.f_code.co_filename
    own = file.startswith(PACKAGE)
    caller = frame.f_back.f_code.co_filename if frame.f_back else ""
    return not file.startswith(NUMPY) and (not own or (file.startswith(CELLS) and not caller.startswith(PACKAGE)))


def _codes(function: Any) -> Iterator[CodeType]:
    """Yield the code of a function, and that of each function that it is known to wrap."""
    while function is not None:
        if isinstance(function, functools.partial):
            function = function.func
            continue
        bare = getattr(function, "__func__", function)
        code = getattr(bare, "__code__", None) or getattr(getattr(type(bare), "__call__", None), "__code__", None)  # noqa: B004
        if code is not None:
            yield code
        function = getattr(function, "__wrapped__", None)
