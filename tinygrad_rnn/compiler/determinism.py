"""Two recordings of one function: random numbers drawn inside, and all else that changes by itself, show there."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_rnn.core.recording import scope_text
from tinygrad_rnn.core.tensor import Tensor


def require_same(first: list[Any], second: list[Any]) -> None:
    """Raise ValueError unless both recordings make the same calls with the same constants."""
    for k, (mine, other) in enumerate(zip(first, second, strict=False)):
        operation, args, kwargs, out, labels = mine
        if operation is not other[0] or out._data.shape != other[3]._data.shape or len(args) != len(other[1]):
            raise ValueError(
                f"compile: two runs of the function differ: call {k} is {operation.name} and then {other[0].name}"
                f"{_where(labels)}\nwhat decides must not change from run to run: pass it as an argument"
            )
        for a, b in zip(args, other[1], strict=True):
            if a is not b and (type(a) is not Tensor or type(b) is not Tensor) and not _equal(a, b):
                raise _another_constant(k, operation.name, a, labels)
        if kwargs:
            for name, a in kwargs.items():
                if name not in other[2] or not _equal(a, other[2][name]):
                    raise _another_constant(k, operation.name, a, labels)
    if len(first) != len(second):
        raise ValueError(
            f"compile: two runs of the function differ: {len(first)} calls and then {len(second)}\n"
            "what decides must not change from run to run: pass it as an argument"
        )


def _where(labels: Any) -> str:
    return f", in {scope_text(labels)}" if labels else ""


def _another_constant(number: int, name: str, a: Any, labels: Any) -> ValueError:
    what = f"an array {a.shape}" if isinstance(a, np.ndarray) else repr(a)
    return ValueError(
        f"compile: two runs of the function differ: call {number}, {name}, has another constant ({what})"
        f"{_where(labels)}\ndraw random numbers outside and pass them as arguments: masks, noise, initial states"
    )


def _equal(a: Any, b: Any) -> bool:
    if type(a) is Tensor or a is b:
        return type(a) is type(b)
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    return bool(type(a) is type(b) and (a == b or (a != a and b != b)))
