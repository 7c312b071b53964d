"""`Builder`: new calls, each distinct one once, without those that change nothing (x * 1, a cast to the own dtype)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.core.recording import Scope
from tinygrad_rnn.core.table import Primitive
from tinygrad_rnn.core.tensor import NO_KWARGS, Line, Tensor
from tinygrad_rnn.graph.graph import Argument, DType, Loop, Node, Value, op

Known = dict[int, Any]
"""By the id of a Tensor, its stand-in: a Value, a number, or a function that gives a Value when it is read."""


class Builder:
    """Appends calls to `nodes`; the same call on the same Values is made once."""

    def __init__(self, nodes: list[Node] | list[Node | Loop], by: str, scope: Scope = ()) -> None:
        self.nodes = nodes
        self.by = by
        self.scope = scope
        self._made: dict[Hashable, Value] = {}
        self._unspread: dict[Value, Value] = {}  # the argument of broadcast_to, by its result

    def call(
        self,
        name: str,
        args: Sequence[Argument],
        shape: tuple[int, ...],
        dtype: DType,
        kwargs: Mapping[str, object] = NO_KWARGS,
    ) -> Value:
        """Return the result of the call: a new Value, or the one that the same call made before."""
        key = (name, tuple(map(key_of, args)), tuple((k, key_of(v)) for k, v in kwargs.items()))
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = Value(tuple(shape), np.dtype(dtype))
            self.nodes.append(Node(op(name), tuple(args), found, kwargs, self.scope, self.by))
        return found

    def arithmetic(self, name: str, a: Value | float, b: Value | float) -> Any:
        """Return a ufunc of two operands, each a Value or a number: a Value, or a number for two numbers."""
        if not isinstance(a, Value) and not isinstance(b, Value):
            return float(getattr(np, name)(a, b))
        if name == "multiply":
            return self._product(a, b)
        values = [v for v in (a, b) if isinstance(v, Value)]
        shape = np.broadcast_shapes(*(v.shape for v in values))
        return self.call(name, (a, b), shape, np.result_type(*(v.dtype for v in values)))

    def _product(self, a: Value | float, b: Value | float) -> Value:
        for x, y in ((a, b), (b, a)):
            if not isinstance(x, Value) and isinstance(y, Value) and y.dtype.kind == "f":
                if x == 1:
                    return y
                if y in self._unspread:
                    return self.spread(self._product(x, self._unspread[y]), y.shape)
                if x == -1:
                    return self.call("negative", (y,), y.shape, y.dtype)
        values = [v for v in (a, b) if isinstance(v, Value)]
        shape = np.broadcast_shapes(*(v.shape for v in values))
        for k, (x, y) in enumerate(((a, b), (b, a))):
            source = self._unspread.get(x) if isinstance(x, Value) else None
            if source is not None and isinstance(y, Value) and y.shape == shape:
                a, b = (source, y) if k == 0 else (y, source)
                break
        return self.call("multiply", (a, b), shape, np.result_type(*(v.dtype for v in values)))

    def spread(self, v: Value, shape: tuple[int, ...]) -> Value:
        """Return v, broadcast to a shape."""
        if v.shape == shape:
            return v
        made = self.call("broadcast_to", (v,), shape, v.dtype, {"shape": shape})
        self._unspread[made] = v
        return made

    def summed(self, v: Value, axes: tuple[int, ...], shape: tuple[int, ...]) -> Value:
        """Return the sum of v over axes, in a shape without them or with them at length 1."""
        kept = tuple(n for k, n in enumerate(v.shape) if k not in axes)
        total = self.call("sum", (v,), kept, v.dtype, {"axis": axes}) if axes else v
        return self.shaped(total, shape)

    def shaped(self, v: Value, shape: tuple[int, ...]) -> Value:
        """Return v in another shape."""
        return v if v.shape == shape else self.call("reshape", (v, shape), shape, v.dtype)

    def cast(self, v: Value, dtype: DType) -> Value:
        """Return v in another dtype."""
        return v if v.dtype == dtype else self.call("astype", (v,), v.shape, dtype, {"dtype": dtype})

    def recorded(self, lines: Sequence[Line], known: Known, result: Argument) -> Argument:
        """Make the calls of a tape on the Values of its Tensors, and return that of `result`."""
        for operation, args, kwargs, out, _ in lines:
            given = [self._known(a, known) for a in args]
            known[id(out)] = self._converted(operation, given, kwargs, out)
        return self._known(result, known)

    def _known(self, a: Argument, known: Known) -> Argument:
        if type(a) is Tensor:
            if id(a) not in known:
                known[id(a)] = Value(a.shape, a.dtype, constant=a.data)
            found = known[id(a)]
            if callable(found):  # a value of the forward pass: it is read where a rule reads it
                found = known[id(a)] = found()
            return found
        return Value(a.shape, a.dtype, constant=a) if isinstance(a, np.ndarray) else a

    def _converted(
        self, operation: Primitive, given: list[Argument], kwargs: Mapping[str, object], out: Tensor
    ) -> Argument:
        """Return the result of a call of the tape on the Values of its arguments."""
        name = operation.name
        if not any(isinstance(a, Value) for a in given):
            if name in ("multiply", "add", "subtract", "divide"):
                return self.arithmetic(name, *given)
            if name == "negative":
                return -given[0]
            constant = np.asarray(out.data)
            return Value(constant.shape, constant.dtype, constant=constant)
        if name == "positive":
            return given[0]
        if name == "multiply":
            made = self._product(*(self.cast(a, out.dtype) if isinstance(a, Value) else a for a in given))
            if made.shape == out.shape:
                return made if made.dtype == out.dtype else self.cast(made, out.dtype)
        if name == "broadcast_to" and isinstance(given[0], Value):
            return self.spread(given[0], out.shape)
        if name in ("reshape", "expand_dims", "squeeze") and isinstance(given[0], Value):
            return self.shaped(given[0], out.shape)
        made = self.call(name, given, out.shape, out.dtype, kwargs)
        if made.example is None:
            made.example = out.data
        return made


def key_of(a: Argument) -> Hashable:
    """Return a key of an argument: equal for the same Value or array, and for others of equal type and value."""
    if isinstance(a, Value):
        return a
    if isinstance(a, np.ndarray):
        return id(a)
    if isinstance(a, slice):
        return slice, a.start, a.stop, a.step
    if isinstance(a, tuple | list):
        return tuple(map(key_of, a))
    return type(a), a.hex() if isinstance(a, float) else a  # 0.0 and -0.0 are equal, and two numbers
