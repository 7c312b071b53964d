"""The names that authors give to values: those of the local variables of their functions."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

from tinygrad_rnn.core.tensor import Tensor


@contextmanager
def local_names(*functions: Callable[..., Any] | None) -> Iterator[dict[int, str]]:
    """Collect the names of the local variables of functions when they return, by the id of the Tensor."""
    codes = {code for function in functions if function is not None for code in _codes(function)}

    def own(frame: FrameType) -> list[str]:
        return [*frame.f_locals] if frame.f_code in codes else []

    with _names_at_return(own) as found:
        yield found


@contextmanager
def local_names_in(file: str) -> Iterator[dict[int, str]]:
    """Collect those of all functions of a file. A function's name for a value goes before that of one it calls.

    What a function is given has its name from the function that made it.
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
                value = frame.f_locals[name]
                if isinstance(value, Tensor) and not name.startswith("_"):
                    found[id(value)] = name
                    kept.append(value)

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        yield found
    finally:
        sys.setprofile(before)


def _codes(function: Callable[..., Any]) -> Iterator[CodeType]:
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    function = getattr(function, "__func__", function)
    found = getattr(function, "__code__", None) or getattr(getattr(type(function), "__call__", None), "__code__", None)  # noqa: B004
    if found is not None:
        yield found
