"""The names that the author of a function gives to values: those of its local variables."""

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
    found: dict[int, str] = {}
    kept: list[Tensor] = []  # an id belongs to a Tensor only while the Tensor lives

    def look(frame: FrameType, event: str, _: object) -> None:
        if event == "return" and frame.f_code in codes:
            for name, value in frame.f_locals.items():
                if isinstance(value, Tensor) and not name.startswith("_"):
                    found.setdefault(id(value), name)
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
