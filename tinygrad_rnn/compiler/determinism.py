"""Two recordings of one function, compared: they show random numbers drawn inside, and all else that changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.compiler.contents import contents
from tinygrad_rnn.core.recording import Scope, scope_text
from tinygrad_rnn.core.tensor import Line, Tensor


class Recording:
    """The lines of a tape, and the origin of each Tensor on it."""

    def __init__(self, lines: Sequence[Line], inputs: Sequence[Tensor]) -> None:
        self.lines = lines
        self._origins = {id(x): -1 - k for k, x in enumerate(inputs)}
        self._origins |= {id(out): k for k, (_, _, _, out, _) in enumerate(lines)}

    def origin(self, x: object) -> int | None:
        """Return the number of the line that made x, or that of an input counted from -1 down; None for a constant."""
        return self._origins.get(id(x)) if type(x) is Tensor else None


def require_same(first: Recording, second: Recording) -> None:
    """Raise ValueError unless both recordings make the same calls on the same values, with the same constants."""
    for k, (mine, other) in enumerate(zip(first.lines, second.lines, strict=False)):
        operation, args, kwargs, out, labels = mine
        other_op, other_args, other_kwargs, other_out, _ = other
        if operation is not other_op or out.shape != other_out.shape or len(args) != len(other_args):
            raise ValueError(
                f"compile: two runs of the function differ: call {k} is {operation.name} and then {other_op.name}"
                f"{_where(labels)}\nwhat decides must not change from run to run: pass it as an argument"
            )
        for a, b in zip(args, other_args, strict=True):
            if a is b:
                continue
            made = first.origin(a)
            if made != second.origin(b):
                raise ValueError(
                    f"compile: two runs of the function differ: call {k}, {operation.name}, reads another value"
                    f"{_where(labels)}\nwhat decides must not change from run to run: pass it as an argument"
                )
            if made is None and not _equal(a, b):
                raise _another_constant(k, operation.name, a, labels)
        if kwargs:
            for name, a in kwargs.items():
                if name not in other_kwargs or not _equal(a, other_kwargs[name]):
                    raise _another_constant(k, operation.name, a, labels)
    if len(first.lines) != len(second.lines):
        raise ValueError(
            f"compile: two runs of the function differ: {len(first.lines)} calls and then {len(second.lines)}\n"
            "what decides must not change from run to run: pass it as an argument"
        )


def require_same_extras(
    first: Recording, extras: Sequence[tuple[str, object]], second: Recording, others: Sequence[tuple[str, object]]
) -> None:
    """Raise ValueError unless both runs return the same values beside the loss, made in the same way."""
    if [path for path, _ in extras] != [path for path, _ in others]:
        raise ValueError(
            "compile: two runs of the function differ in what they return beside the loss\n"
            "what decides must not change from run to run: pass it as an argument"
        )
    for (path, a), (_, b) in zip(extras, others, strict=True):
        made = first.origin(a)
        if made != second.origin(b) or (made is None and not _equal(a, b)):
            raise ValueError(
                f"compile: two runs of the function differ in what they return beside the loss, at [1]{path}\n"
                "what changes from run to run is an argument, or is computed outside"
            )


def _where(labels: Scope) -> str:
    return f", in {scope_text(labels)}" if labels else ""


def _another_constant(number: int, name: str, a: object, labels: Scope) -> ValueError:
    what = f"an array {a.shape}" if isinstance(a, np.ndarray | Tensor) else repr(a)
    return ValueError(
        f"compile: two runs of the function differ: call {number}, {name}, has another constant ({what})"
        f"{_where(labels)}\ndraw random numbers outside and pass them as arguments: masks, noise, initial states"
    )


def _equal(a: Any, b: Any) -> bool:
    """Are two constants the same? To the last bit, but for NaN."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    a, b = (x.data if type(x) is Tensor else x for x in (a, b))
    if type(a) is np.ndarray and not a.dtype.hasobject:
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    return contents(a) == contents(b)
